import { readU16, readU32, UsageError, writeU16, writeU32 } from '@str0m/sans-io'

/** The fixed part of an RTP header, RFC 3550 section 5.1. */
export const RTP_FIXED_HEADER_LENGTH = 12

/** An RTP packet's header, RFC 3550 section 5.1, and where in the datagram the parts are. */
export interface RtpHeader {
  readonly marker: boolean
  /** 0 to 127. */
  readonly payloadType: number
  /** 16 bits. */
  readonly sequenceNumber: number
  /** 32 bits. */
  readonly timestamp: number
  /** 32 bits. */
  readonly ssrc: number
  /** Up to 15 contributing sources. */
  readonly csrcs: readonly number[]
  /** The 16 bits "defined by profile" of the header extension; -1: there is none. */
  readonly extensionProfile: number
  /** Where the extension's elements start, and how many bytes they and their padding take. */
  readonly extensionStart: number
  readonly extensionLength: number
  readonly payloadStart: number
  /** Without the padding. */
  readonly payloadLength: number
  readonly paddingLength: number
}

const MAX_CSRCS = 15
const NO_CSRCS: readonly number[] = []

/**
 * Reads the header of the `length` first bytes of a datagram; `undefined` where they are no RTP packet. With `encrypted`, the
 * padding is not looked at: its length lies in the ciphertext.
 */
export function parseRtpHeader(
  bytes: Uint8Array,
  length: number = bytes.length,
  encrypted = false,
): RtpHeader | undefined {
  if (length < RTP_FIXED_HEADER_LENGTH || length > bytes.length) return undefined
  const first = bytes[0]!
  if (first >> 6 !== 2) return undefined
  const csrcCount = first & 0x0f
  let at = RTP_FIXED_HEADER_LENGTH + 4 * csrcCount
  if (at > length) return undefined
  let csrcs = NO_CSRCS
  if (csrcCount > 0) {
    const list: number[] = []
    for (let i = 0; i < csrcCount; i++) list.push(readU32(bytes, RTP_FIXED_HEADER_LENGTH + 4 * i))
    csrcs = list
  }
  let extensionProfile = -1
  let extensionStart = at
  let extensionLength = 0
  if ((first & 0x10) !== 0) {
    if (at + 4 > length) return undefined
    extensionProfile = readU16(bytes, at)
    extensionLength = 4 * readU16(bytes, at + 2)
    extensionStart = at + 4
    at = extensionStart + extensionLength
    if (at > length) return undefined
  }
  let paddingLength = 0
  if (!encrypted && (first & 0x20) !== 0) {
    if (at === length) return undefined
    paddingLength = bytes[length - 1]!
    // RFC 3550 section 5.1: the count includes itself
    if (paddingLength === 0 || paddingLength > length - at) return undefined
  }
  const second = bytes[1]!
  return {
    marker: (second & 0x80) !== 0,
    payloadType: second & 0x7f,
    sequenceNumber: readU16(bytes, 2),
    timestamp: readU32(bytes, 4),
    ssrc: readU32(bytes, 8),
    csrcs,
    extensionProfile,
    extensionStart,
    extensionLength,
    payloadStart: at,
    payloadLength: length - at - paddingLength,
    paddingLength,
  }
}

/** What is needed to write a header. */
export interface RtpHeaderFields {
  readonly marker: boolean
  /** 0 to 127. */
  readonly payloadType: number
  /** 16 bits. */
  readonly sequenceNumber: number
  /** 32 bits. */
  readonly timestamp: number
  /** 32 bits. */
  readonly ssrc: number
  /** Contributing sources, 15 at most. */
  readonly csrcs?: readonly number[]
}

/**
 * Writes a header, with `extensions` (elements in their one- or two-byte form, padded to a multiple of four) after it where given.
 * Answers where the payload starts. Throws a `UsageError` (`invalid-header`) where a field has no room on the wire, or the header none in
 * `out`.
 */
export function writeRtpHeader(
  out: Uint8Array,
  fields: RtpHeaderFields,
  extensionProfile = -1,
  extensions?: Uint8Array,
): number {
  const csrcs = fields.csrcs ?? NO_CSRCS
  const extended = extensionProfile >= 0 && extensions !== undefined
  const extensionWords = extended ? extensions.length / 4 : 0
  const length = RTP_FIXED_HEADER_LENGTH + 4 * csrcs.length + (extended ? 4 + 4 * extensionWords : 0)
  const { payloadType, sequenceNumber, timestamp, ssrc } = fields
  if (csrcs.length > MAX_CSRCS || (payloadType & 0x7f) !== payloadType) {
    throw new UsageError('invalid-header', 'An RTP header has up to 15 CSRCs and a payload type of 0 to 127')
  }
  if ((sequenceNumber & 0xffff) !== sequenceNumber || !isU32(timestamp) || !isU32(ssrc) || !areU32(csrcs)) {
    throw new UsageError(
      'invalid-header',
      'A sequence number has 16 bits, a timestamp and the number of a source 32: mask what goes on rising',
    )
  }
  if (!Number.isInteger(extensionWords) || extensionWords > 0xffff || length > out.length) {
    throw new UsageError(
      'invalid-header',
      `Extensions are padded to a multiple of 4 bytes, and the header needs ${length} bytes of room`,
    )
  }
  out[0] = 0x80 | (extended ? 0x10 : 0) | csrcs.length
  out[1] = (fields.marker ? 0x80 : 0) | payloadType
  writeU16(out, 2, sequenceNumber)
  writeU32(out, 4, timestamp)
  writeU32(out, 8, ssrc)
  let at = RTP_FIXED_HEADER_LENGTH
  for (const csrc of csrcs) {
    writeU32(out, at, csrc)
    at += 4
  }
  if (extended) {
    writeU16(out, at, extensionProfile)
    writeU16(out, at + 2, extensionWords)
    out.set(extensions, at + 4)
    at += 4 + extensions.length
  }
  return at
}

function isU32(value: number): boolean {
  return value >>> 0 === value
}

function areU32(values: readonly number[]): boolean {
  for (const value of values) if (!isU32(value)) return false
  return true
}

/**
 * Whether a datagram that RFC 7983 gives to RTP or RTCP (first byte 128 to 191) is RTCP, by the second byte: RFC 5761 section 4.
 */
export function isRtcp(bytes: Uint8Array): boolean {
  const type = bytes[1] ?? 0
  return type >= 192 && type <= 223
}
