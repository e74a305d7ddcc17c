import type { Hmac } from '@str0m/crypto'
import { ByteWriter, encodeUtf8, type SocketAddress, UsageError, writeU16, writeU32 } from '@str0m/sans-io'
import { encodeAddress } from './stun-address.ts'
import { fingerprintOf } from './stun-parse.ts'
import {
  Attribute,
  MAGIC_COOKIE,
  STUN_HEADER_LENGTH,
  type StunClass,
  type StunMessage,
} from './stun-types.ts'

/** Bits 4 and 8 of the message type, RFC 8489 section 5. */
const CLASS_BITS: Record<StunClass, number> = { request: 0, indication: 0x010, success: 0x100, error: 0x110 }

/** The message type, RFC 8489 section 5. */
export function stunType(messageClass: StunClass, method: number): number {
  return CLASS_BITS[messageClass] | (method & 0xf) | ((method & 0x70) << 1) | ((method & 0xf80) << 2)
}

export interface StunWriteOptions {
  /** HMAC-SHA1 under the password adds MESSAGE-INTEGRITY, HMAC-SHA256 adds MESSAGE-INTEGRITY-SHA256. */
  readonly integrity?: Hmac | undefined
  /** Adds FINGERPRINT. Default true. */
  readonly fingerprint?: boolean
}

const SHA1_LENGTH = 20
const ATTRIBUTE_HEADER_LENGTH = 4

/** What the length of a message can say, RFC 8489 section 5. */
const MAX_LENGTH = 0xffff

/**
 * Writes a message as one datagram. Throws a `UsageError`: `invalid-message` for what would not be read again, or `invalid-address` for an address that is
 * no IP address.
 */
export function writeStun(message: StunMessage, options: StunWriteOptions = {}): Uint8Array {
  const { method, transactionId } = message
  const { integrity, fingerprint = true } = options
  if (transactionId.length !== 12) throw invalid('a transaction id has 12 bytes')
  if (!(method >= 0 && method <= 0xfff)) throw invalid(`a method is from 0 to 4095, not ${method}`)
  const writer = new ByteWriter(128)
  writer.u16(stunType(message.class, method)).u16(0).u32(MAGIC_COOKIE).bytes(transactionId)
  writeAttributes(writer, message)
  const integrityAt = writer.length
  if (integrity !== undefined) {
    const { length } = integrity
    const type = length === SHA1_LENGTH ? Attribute.messageIntegrity : Attribute.messageIntegritySha256
    header(writer, type, length).zeros(length)
  }
  const fingerprintAt = writer.length
  if (fingerprint) header(writer, Attribute.fingerprint, 4).u32(0)
  const bytes = writer.finish()
  if (bytes.length > STUN_HEADER_LENGTH + MAX_LENGTH)
    throw invalid(`its attributes have at most ${MAX_LENGTH} bytes`)
  if (integrity !== undefined) {
    // RFC 8489 sections 14.5 and 14.6: over a message that ends with this attribute
    writeU16(bytes, 2, fingerprintAt - STUN_HEADER_LENGTH)
    bytes.set(integrity.sign(bytes.subarray(0, integrityAt)), integrityAt + ATTRIBUTE_HEADER_LENGTH)
  }
  writeU16(bytes, 2, bytes.length - STUN_HEADER_LENGTH)
  if (fingerprint) {
    writeU32(bytes, fingerprintAt + ATTRIBUTE_HEADER_LENGTH, fingerprintOf(bytes, fingerprintAt))
  }
  return bytes
}

function writeAttributes(writer: ByteWriter, message: StunMessage): void {
  const { errorCode, unknownAttributes, priority } = message
  text(writer, Attribute.software, message.software)
  text(writer, Attribute.username, message.username)
  text(writer, Attribute.realm, message.realm)
  text(writer, Attribute.nonce, message.nonce)
  if (errorCode !== undefined) {
    // RFC 8489 section 14.8
    if (!(errorCode.code >= 300 && errorCode.code <= 699)) {
      throw invalid(`an error code is from 300 to 699, not ${errorCode.code}`)
    }
    const reason = encodeUtf8(errorCode.reason)
    header(writer, Attribute.errorCode, 4 + reason.length)
      .u16(0)
      .u8(Math.floor(errorCode.code / 100))
      .u8(errorCode.code % 100)
      .bytes(reason)
    pad(writer, reason.length)
  }
  if (unknownAttributes !== undefined) {
    header(writer, Attribute.unknownAttributes, 2 * unknownAttributes.length)
    for (const type of unknownAttributes) writer.u16(type)
    pad(writer, 2 * unknownAttributes.length)
  }
  address(writer, Attribute.mappedAddress, message.mappedAddress)
  address(writer, Attribute.xorMappedAddress, message.xorMappedAddress, message.transactionId)
  address(writer, Attribute.alternateServer, message.alternateServer)
  if (priority !== undefined) header(writer, Attribute.priority, 4).u32(priority)
  if (message.useCandidate === true) header(writer, Attribute.useCandidate, 0)
  tieBreaker(writer, Attribute.iceControlled, message.iceControlled)
  tieBreaker(writer, Attribute.iceControlling, message.iceControlling)
  for (const { type, value } of message.others ?? []) bytesOf(writer, type, value)
}

function invalid(what: string): UsageError {
  return new UsageError('invalid-message', `no STUN message can be made of this: ${what}`)
}

/** The header of an attribute, RFC 8489 section 14. */
function header(writer: ByteWriter, type: number, length: number): ByteWriter {
  return writer.u16(type).u16(length)
}

/** Up to a multiple of 4 bytes. */
function pad(writer: ByteWriter, length: number): void {
  writer.zeros(-length & 3)
}

function bytesOf(writer: ByteWriter, type: number, value: Uint8Array): void {
  header(writer, type, value.length).bytes(value)
  pad(writer, value.length)
}

function text(writer: ByteWriter, type: number, value: string | undefined): void {
  if (value !== undefined) bytesOf(writer, type, encodeUtf8(value))
}

function address(
  writer: ByteWriter,
  type: number,
  value: SocketAddress | undefined,
  transactionId?: Uint8Array,
): void {
  if (value !== undefined) bytesOf(writer, type, encodeAddress(value, transactionId))
}

function tieBreaker(writer: ByteWriter, type: number, value: bigint | undefined): void {
  if (value !== undefined) header(writer, type, 8).u64(value)
}
