import { equalConstantTime, type Hmac } from '@str0m/crypto'
import { ByteReader, decodeUtf8, decodeUtf8Strict, readU16, readU32, writeU16 } from '@str0m/sans-io'
import { crc32 } from './crc32.ts'
import { readAddress } from './stun-address.ts'
import {
  Attribute,
  BINDING,
  COMPREHENSION_OPTIONAL,
  MAGIC_COOKIE,
  type ReceivedStun,
  STUN_HEADER_LENGTH,
  type StunClass,
  type StunError,
  type StunFault,
} from './stun-types.ts'

/** How many types a message keeps that it does not understand: as many as a 420 lists. */
const MAX_NOT_UNDERSTOOD = 16
/** How many attributes a message may have. Those of ICE have about ten. */
const MAX_ATTRIBUTES = 64
const MAX_SHORT_USERNAME = 64
const FINGERPRINT_XOR = 0x5354_554e
/** HMAC-SHA1, RFC 8489 section 14.5. */
const INTEGRITY_LENGTH = 20
/** HMAC-SHA256, RFC 8489 section 14.6, whole: no usage here has it truncated. */
const INTEGRITY_SHA256_LENGTH = 32
const CLASSES: readonly StunClass[] = ['request', 'indication', 'success', 'error']

/**
 * Whether a datagram may be STUN: RFC 8489 section 5, and the first byte of RFC 7983. Looks at the header
 * alone.
 */
export function isStun(contents: Uint8Array): boolean {
  return contents.length >= STUN_HEADER_LENGTH && contents[0]! < 4 && readU32(contents, 4) === MAGIC_COOKIE
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type Fields = Mutable<ReceivedStun>

/**
 * Reads a datagram as one STUN message, or says why it is none. FINGERPRINT is checked where present;
 * MESSAGE-INTEGRITY is not, see `verifyStunIntegrity`. Never throws.
 */
export function parseStun(bytes: Uint8Array): ReceivedStun | StunFault {
  if (!isStun(bytes)) return 'not-stun'
  const type = readU16(bytes, 0)
  const length = readU16(bytes, 2)
  if (length % 4 !== 0 || length + STUN_HEADER_LENGTH !== bytes.length) return 'length'
  const reader = new ByteReader(bytes, STUN_HEADER_LENGTH)
  const transactionId = reader.bytes.subarray(8, 20)
  const others: { type: number; value: Uint8Array }[] = []
  const notUnderstood: number[] = []
  // all fields at once: an object that grows by what a peer sends is several times as slow
  const message: Fields = {
    // RFC 8489 section 5: the class is in bits 4 and 8, the method in the others
    class: CLASSES[((type >>> 4) & 1) | ((type >>> 7) & 2)]!,
    method: (type & 0xf) | ((type >>> 1) & 0x70) | ((type >>> 2) & 0xf80),
    transactionId,
    username: undefined,
    software: undefined,
    realm: undefined,
    nonce: undefined,
    mappedAddress: undefined,
    xorMappedAddress: undefined,
    alternateServer: undefined,
    errorCode: undefined,
    unknownAttributes: undefined,
    priority: undefined,
    useCandidate: undefined,
    iceControlled: undefined,
    iceControlling: undefined,
    others,
    // a plain view, whose slices are copies
    bytes: reader.bytes,
    integrityAt: -1,
    integritySha256At: -1,
    fingerprint: false,
    notUnderstood,
  }
  for (let count = 0; reader.remaining > 0; count++) {
    // FINGERPRINT is the last one, RFC 8489 section 14.7
    if (message.fingerprint || count === MAX_ATTRIBUTES) return 'attribute'
    const at = reader.position
    const type = reader.u16()
    const length = reader.u16()
    const value = reader.view(length)
    reader.skip(-length & 3)
    if (reader.failed) return 'length'
    if (type === Attribute.fingerprint) {
      if (length !== 4) return 'attribute'
      if (readU32(value, 0) !== fingerprintOf(bytes, at)) return 'fingerprint'
      message.fingerprint = true
    } else if (message.integritySha256At >= 0) {
      // what follows it is not covered by it and is ignored, RFC 8489 section 14.6
    } else if (type === Attribute.messageIntegritySha256) {
      if (length % 4 !== 0 || length < 16 || length > INTEGRITY_SHA256_LENGTH) return 'attribute'
      message.integritySha256At = at
    } else if (message.integrityAt >= 0) {
      // the same, RFC 8489 section 14.5
    } else if (type === Attribute.messageIntegrity) {
      if (length !== INTEGRITY_LENGTH) return 'attribute'
      message.integrityAt = at
    } else {
      const outcome = readAttribute(message, type, value)
      if (outcome === 'malformed') return 'attribute'
      if (outcome === 'unknown') {
        if (type >= COMPREHENSION_OPTIONAL) others.push({ type, value })
        else if (notUnderstood.length < MAX_NOT_UNDERSTOOD) notUnderstood.push(type)
      }
    }
  }
  return message
}

/**
 * Whether the message integrity is there and is that of `hmac`: MESSAGE-INTEGRITY for HMAC-SHA1, MESSAGE-INTEGRITY-SHA256 for HMAC-SHA256. In constant
 * time. A truncated one is none.
 */
export function verifyStunIntegrity(message: ReceivedStun, hmac: Hmac): boolean {
  const { bytes, integrityAt, integritySha256At } = message
  const at = hmac.length === INTEGRITY_LENGTH ? integrityAt : integritySha256At
  if (at < 0 || readU16(bytes, at + 2) !== hmac.length) return false
  return equalConstantTime(bytes.subarray(at + 4, at + 4 + hmac.length), integrityOf(bytes, at, hmac))
}

/** The code over a message whose integrity attribute starts at `at`, RFC 8489 sections 14.5 and 14.6. */
function integrityOf(bytes: Uint8Array, at: number, hmac: Hmac): Uint8Array {
  // the length in the header is as if the message ended with this attribute
  const header = bytes.slice(0, STUN_HEADER_LENGTH)
  writeU16(header, 2, at + 4 + hmac.length - STUN_HEADER_LENGTH)
  return hmac.sign(header, bytes.subarray(STUN_HEADER_LENGTH, at))
}

/** The FINGERPRINT over the message up to `at`, RFC 8489 section 14.7. */
export function fingerprintOf(bytes: Uint8Array, at: number): number {
  return (crc32(bytes, at) ^ FINGERPRINT_XOR) >>> 0
}

/**
 * The part of a Binding request's USERNAME before the colon, which names the agent that it is for: RFC 8445
 * section 7.2.2. Nothing is verified. `undefined` for anything else.
 */
export function stunUsername(contents: Uint8Array): string | undefined {
  if (!isStun(contents) || readU16(contents, 0) !== BINDING) return undefined
  const reader = new ByteReader(contents, STUN_HEADER_LENGTH)
  for (let count = 0; reader.remaining > 0 && count < MAX_ATTRIBUTES; count++) {
    const type = reader.u16()
    const length = reader.u16()
    const value = reader.view(length)
    reader.skip(-length & 3)
    if (type === Attribute.username && !reader.failed) {
      const colon = value.indexOf(0x3a)
      return colon < 0 ? undefined : decodeUsername(value.subarray(0, colon))
    }
  }
  return undefined
}

/** Reads one attribute into `message`. Of several of one type the first counts, RFC 8489 section 14. */
function readAttribute(message: Fields, type: number, value: Uint8Array): 'known' | 'unknown' | 'malformed' {
  switch (type) {
    case Attribute.username: {
      const username = decodeUsername(value)
      if (username === undefined) return 'malformed'
      message.username ??= username
      return 'known'
    }
    case Attribute.software:
      message.software ??= decodeUtf8(value)
      return 'known'
    case Attribute.realm:
      message.realm ??= decodeUtf8(value)
      return 'known'
    case Attribute.nonce:
      message.nonce ??= decodeUtf8(value)
      return 'known'
    case Attribute.mappedAddress:
      message.mappedAddress ??= readAddress(value)
      return message.mappedAddress === undefined ? 'malformed' : 'known'
    case Attribute.alternateServer:
      message.alternateServer ??= readAddress(value)
      return message.alternateServer === undefined ? 'malformed' : 'known'
    // servers of RFC 3489 say these with each answer, and there are some left
    case Attribute.sourceAddress:
    case Attribute.changedAddress:
      return 'known'
    case Attribute.xorMappedAddress:
      message.xorMappedAddress ??= readAddress(value, message.transactionId)
      return message.xorMappedAddress === undefined ? 'malformed' : 'known'
    case Attribute.errorCode:
      message.errorCode ??= readError(value)
      return message.errorCode === undefined ? 'malformed' : 'known'
    case Attribute.unknownAttributes:
      if (value.length % 2 !== 0) return 'malformed'
      message.unknownAttributes ??= readTypes(value)
      return 'known'
    case Attribute.priority:
      if (value.length !== 4) return 'malformed'
      message.priority ??= readU32(value, 0)
      return 'known'
    case Attribute.useCandidate:
      message.useCandidate = true
      return 'known'
    case Attribute.iceControlled:
      if (value.length !== 8) return 'malformed'
      message.iceControlled ??= new ByteReader(value).u64()
      return 'known'
    case Attribute.iceControlling:
      if (value.length !== 8) return 'malformed'
      message.iceControlling ??= new ByteReader(value).u64()
      return 'known'
    default:
      return 'unknown'
  }
}

/** Those of ICE are ASCII, for which the decoder of the platform is slow. */
function decodeUsername(value: Uint8Array): string | undefined {
  if (value.length > MAX_SHORT_USERNAME) return decodeUtf8Strict(value)
  for (let i = 0; i < value.length; i++) if (value[i]! >= 0x80) return decodeUtf8Strict(value)
  return String.fromCharCode(...value)
}

function readError(value: Uint8Array): StunError | undefined {
  const reader = new ByteReader(value)
  reader.skip(2)
  const hundreds = reader.u8() & 7
  const number = reader.u8()
  if (reader.failed || hundreds < 3 || hundreds > 6 || number > 99) return undefined
  return { code: hundreds * 100 + number, reason: decodeUtf8(reader.rest()) }
}

function readTypes(value: Uint8Array): number[] {
  const types: number[] = []
  for (let i = 0; i < value.length && types.length < MAX_NOT_UNDERSTOOD; i += 2) types.push(readU16(value, i))
  return types
}
