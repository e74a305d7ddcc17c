import { UsageError } from './errors.ts'

/** An IP address and a port. Has the shape of what `node:dgram` reports. */
export interface SocketAddress {
  /**
   * An IPv4 or IPv6 address in text, in canonical form (RFC 5952) where `socketAddress` made it. A
   * link-local IPv6 address may carry its zone (`fe80::1%eth0`).
   */
  readonly address: string
  readonly port: number
}

/** The sixteen or four bytes of an IP address in text, or `undefined` if it is none. A zone is ignored. */
export function parseIpAddress(text: string): Uint8Array | undefined {
  if (!text.includes(':')) return parseIpv4(text)
  const zone = text.indexOf('%')
  return parseIpv6(zone < 0 ? text : text.slice(0, zone))
}

function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4)
  let at = 0
  for (let i = 0; i < 4; i++) {
    const start = at
    let value = 0
    for (let digit; at < start + 3 && (digit = text.charCodeAt(at) - 0x30) >= 0 && digit <= 9; at++) {
      value = value * 10 + digit
    }
    const length = at - start
    // no leading zeros, which some read as octal
    if (length === 0 || value > 255 || (length > 1 && text.charCodeAt(start) === 0x30)) return undefined
    bytes[i] = value
    if (i < 3 && text.charCodeAt(at++) !== 0x2e) return undefined
  }
  return at === text.length ? bytes : undefined
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 16 - head.length - tail.length
  // '::' stands for at least one group of zeros; without it, none may be missing
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined
  const bytes = new Uint8Array(16)
  bytes.set(head, 0)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return []
  const groups = text.split(':')
  const bytes: number[] = []
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i]!
    if (mayEndInIpv4 && i === groups.length - 1 && group.includes('.')) {
      const v4 = parseIpv4(group)
      if (v4 === undefined) return undefined
      bytes.push(...v4)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined
      const value = Number.parseInt(group, 16)
      bytes.push(value >>> 8, value & 0xff)
    }
  }
  return bytes.length > 16 ? undefined : bytes
}

/** Writes 4 or 16 bytes as text, in canonical form; an IPv4-mapped IPv6 address as the IPv4 address it stands for. */
export function formatIpAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return formatIpv4(bytes, 0)
  if (isIpv4Mapped(bytes)) return formatIpv4(bytes, 12)
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!)
  // RFC 5952 section 4.2: the longest run of two or more zero groups, the first of equals
  let start = -1
  let length = 1
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (i + run < 8 && groups[i + run] === 0) run++
    if (run > length) {
      start = i
      length = run
    }
  }
  const hex = groups.map((group) => group.toString(16))
  if (start < 0) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

function formatIpv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
}

function isIpv4Mapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false
  return bytes[10] === 0xff && bytes[11] === 0xff
}

/** One text for each address, so that equal addresses are equal strings. `undefined` if it is no IP address. */
export function canonicalIpAddress(text: string): string | undefined {
  const bytes = parseIpAddress(text)
  if (bytes === undefined) return undefined
  // an IPv4 address has one form
  if (bytes.length === 4) return text
  const zone = text.indexOf('%')
  const canonical = formatIpAddress(bytes)
  // an IPv4-mapped address is one of IPv4, which has no zones
  return zone < 0 || !canonical.includes(':') ? canonical : canonical + text.slice(zone)
}

/** `4`, `6`, or `undefined` if it is no IP address. An IPv4-mapped address is of family 4. */
export function ipFamily(text: string): 4 | 6 | undefined {
  const canonical = canonicalIpAddress(text)
  if (canonical === undefined) return undefined
  return canonical.includes(':') ? 6 : 4
}

/**
 * A socket address out of `'192.0.2.1:5000'`, `'[2001:db8::1]:5000'` or an object, in canonical form.
 * Throws a `UsageError` (`invalid-address`) where it is neither.
 */
export function socketAddress(from: string | SocketAddress): SocketAddress {
  const parsed: { readonly address?: unknown; readonly port?: unknown } | null | undefined =
    typeof from === 'string' ? parseSocketAddress(from) : from
  const { address: text, port } = parsed ?? {}
  const address = typeof text === 'string' ? canonicalIpAddress(text) : undefined
  if (
    address === undefined ||
    typeof port !== 'number' ||
    !(Number.isInteger(port) && port >= 0 && port <= 65_535)
  ) {
    const shown = typeof from === 'string' ? from : `${String(text)} port ${String(port)}`
    throw new UsageError(
      'invalid-address',
      `"${shown}" is no socket address: give "192.0.2.1:5000", "[2001:db8::1]:5000" or { address, port }`,
    )
  }
  return { address, port }
}

function parseSocketAddress(text: string): SocketAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  return { address: match[1] ?? match[2]!, port: Number(match[3]) }
}

/** `192.0.2.1:5000` or `[2001:db8::1]:5000`. */
export function formatSocketAddress(from: SocketAddress): string {
  return from.address.includes(':') ? `[${from.address}]:${from.port}` : `${from.address}:${from.port}`
}

/** Whether both are the same address and port. Both are to be canonical. */
export function sameSocketAddress(a: SocketAddress, b: SocketAddress): boolean {
  return a.port === b.port && a.address === b.address
}
