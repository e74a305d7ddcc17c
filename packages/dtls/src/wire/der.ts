// DER, X.690 sections 8 to 11: as much as a certificate takes.

/** Identifier octets: universal types, and those that a certificate's context gives. */
export const DerTag = {
  integer: 0x02,
  bitString: 0x03,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** [0] EXPLICIT. */
  context0: 0xa0,
} as const

/** An element's place in the bytes that it was read from. */
export interface DerElement {
  /** The identifier octet. */
  readonly start: number
  /** The first octet of the contents. */
  readonly contents: number
  /** The first octet after the contents. */
  readonly end: number
}

/** A certificate comes in a handshake message of at most 16 KiB: longer lengths cannot be right. */
const LENGTH_OCTETS_MAX = 2

/**
 * The element at `at` of type `tag`, which ends at `end` or before; `undefined` where there is none, or its length is
 * indefinite or not in the fewest octets.
 */
export function readDer(bytes: Uint8Array, at: number, end: number, tag: number): DerElement | undefined {
  if (end - at < 2 || bytes[at] !== tag) return undefined
  let contents = at + 2
  let length = bytes[at + 1]!
  if (length > 0x7f) {
    const count = length & 0x7f
    if (count === 0 || count > LENGTH_OCTETS_MAX || end - contents < count) return undefined
    length = 0
    for (let i = 0; i < count; i++) length = length * 256 + bytes[contents++]!
    if (length < (count === 1 ? 0x80 : 0x100)) return undefined
  }
  return length > end - contents ? undefined : { start: at, contents, end: contents + length }
}

/** An element of `parts`, one after the other. At most 65535 octets of them. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >>> 8, length & 0xff]
  const element = new Uint8Array(head.length + length)
  element.set(head)
  let at = head.length
  for (const part of parts) {
    element.set(part, at)
    at += part.length
  }
  return element
}
