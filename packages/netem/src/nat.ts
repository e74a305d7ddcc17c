import {
  canonicalIpAddress,
  formatSocketAddress,
  type Instant,
  sameSocketAddress,
  type SocketAddress,
  UsageError,
} from '@str0m/sans-io'

/**
 * The four kinds of RFC 3489, in the terms of RFC 4787: `full-cone` (endpoint-independent mapping and
 * filtering), `restricted` (address-dependent filtering), `port-restricted` (address- and port-dependent
 * filtering), `symmetric` (address- and port-dependent mapping and filtering).
 */
export type NatBehaviour = 'full-cone' | 'restricted' | 'port-restricted' | 'symmetric'

export interface NatOptions {
  /** The public address, IPv4 or IPv6. */
  readonly address: string
  readonly behaviour: NatBehaviour
  /** The public port of the first mapping; later ones follow. Default 40000. */
  readonly firstPort?: number
  /** A mapping without traffic from inside for this long is gone, ms. Default 120000 (RFC 4787, REQ-5). */
  readonly lifetime?: number
  /** Whether a host inside reaches another one by its public address. Default false. */
  readonly hairpin?: boolean
}

interface Mapping {
  readonly inside: SocketAddress
  readonly outside: SocketAddress
  /** Where it has sent to, which is where it hears from. */
  readonly peers: SocketAddress[]
  usedAt: Instant
}

const BEHAVIOURS: ReadonlySet<NatBehaviour> = new Set([
  'full-cone',
  'restricted',
  'port-restricted',
  'symmetric',
])

/** A network address translator for UDP, in virtual time. */
export class Nat {
  readonly address: string
  readonly behaviour: NatBehaviour
  readonly hairpin: boolean
  readonly #lifetime: number
  #nextPort: number
  readonly #byInside = new Map<string, Mapping>()
  readonly #byPort = new Map<number, Mapping>()

  /** Throws a `UsageError` (`invalid-option`) where the address is no IP address, and where another option is out of its range. */
  constructor(options: NatOptions) {
    const address = canonicalIpAddress(options.address)
    if (address === undefined) {
      throw new UsageError('invalid-option', `"${options.address}" is no IP address for a NAT`)
    }
    const { behaviour, hairpin = false, lifetime = 120_000, firstPort = 40_000 } = options
    if (!BEHAVIOURS.has(behaviour)) {
      throw new UsageError(
        'invalid-option',
        `behaviour is one of ${[...BEHAVIOURS].join(', ')}, not ${behaviour}`,
      )
    }
    if (!(lifetime >= 0)) throw new UsageError('invalid-option', `lifetime is 0 ms or more, not ${lifetime}`)
    if (!(Number.isInteger(firstPort) && firstPort >= 1 && firstPort <= 65_535)) {
      throw new UsageError('invalid-option', `firstPort is a port from 1 to 65535, not ${firstPort}`)
    }
    this.address = address
    this.behaviour = behaviour
    this.hairpin = hairpin
    this.#lifetime = lifetime
    this.#nextPort = firstPort
  }

  /** The public source of what `source` sends to `destination`. Makes or refreshes the mapping. */
  outbound(now: Instant, source: SocketAddress, destination: SocketAddress): SocketAddress {
    let key = formatSocketAddress(source)
    if (this.behaviour === 'symmetric') key += `>${formatSocketAddress(destination)}`
    let mapping = this.#byInside.get(key)
    if (mapping === undefined || this.#expired(mapping, now)) {
      if (mapping !== undefined) this.#byPort.delete(mapping.outside.port)
      const outside = { address: this.address, port: this.#nextPort++ }
      mapping = { inside: source, outside, peers: [], usedAt: now }
      this.#byInside.set(key, mapping)
      this.#byPort.set(outside.port, mapping)
    }
    mapping.usedAt = now
    if (!mapping.peers.some((peer) => sameSocketAddress(peer, destination))) mapping.peers.push(destination)
    return mapping.outside
  }

  /** The inside destination of what `source` sends to the public `destination`, or `undefined`: filtered. */
  inbound(now: Instant, source: SocketAddress, destination: SocketAddress): SocketAddress | undefined {
    const mapping = this.#byPort.get(destination.port)
    if (mapping === undefined || this.#expired(mapping, now)) return undefined
    return this.#admits(mapping, source) ? mapping.inside : undefined
  }

  /** Forgets every mapping, as on a restart of the device. */
  reset(): void {
    this.#byInside.clear()
    this.#byPort.clear()
  }

  #expired(mapping: Mapping, now: Instant): boolean {
    return now - mapping.usedAt > this.#lifetime
  }

  #admits(mapping: Mapping, source: SocketAddress): boolean {
    if (this.behaviour === 'full-cone') return true
    if (this.behaviour === 'restricted') return mapping.peers.some((peer) => peer.address === source.address)
    return mapping.peers.some((peer) => sameSocketAddress(peer, source))
  }
}
