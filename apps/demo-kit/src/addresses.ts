import type { Socket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { canonicalIpAddress, ipFamily, parseIpAddress } from '@str0m/sans-io'

/** Where a browser on this machine finds the page of a server that listens on `host`. */
export function pageAddresses(host: string, port: number): string[] {
  const everywhere = host === '::' || host === '0.0.0.0'
  const names = everywhere ? ['localhost', 'str0m.test'] : [host.includes(':') ? `[${host}]` : host]
  return names.map((name) => `https://${name}:${port}/`)
}

/**
 * The addresses that browsers are told. Loopback is among them for browsers on this machine, but Firefox sends nothing to it: an
 * address of a real interface stands first.
 */
export function candidateAddresses(given: readonly string[], socket: Socket): string[] {
  const all = given.length > 0 ? given : interfaceAddresses()
  const hasIpv6 = socket.address().family === 'IPv6'
  return all
    .map((address) => canonicalIpAddress(address))
    .filter((address) => address !== undefined)
    .filter((address) => hasIpv6 || ipFamily(address) === 4)
}

function interfaceAddresses(): string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    // an address of one link is of no use to a browser without its zone
    .filter(({ address }) => !address.startsWith('fe80:'))
  return [
    ...addresses.filter(({ internal }) => !internal),
    ...addresses.filter(({ internal }) => internal),
  ].map(({ address }) => address)
}

/**
 * Which of our addresses a datagram from `source` came to. The socket is bound to all of them and the system does not tell, so it is the one
 * that shares the most leading bits with the source: the same interface, or loopback with loopback.
 */
export function destinationFor(source: string, addresses: readonly string[]): string | undefined {
  const from = parseIpAddress(source)
  let best: string | undefined
  let longest = -1
  for (const address of addresses) {
    const bytes = parseIpAddress(address)
    if (from === undefined || bytes === undefined || bytes.length !== from.length) continue
    const shared = sharedBits(from, bytes)
    if (shared > longest) {
      longest = shared
      best = address
    }
  }
  return best
}

function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! ^ b[i]!
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24
  }
  return 8 * a.length
}
