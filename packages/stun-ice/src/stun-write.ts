import type { Hmac } from '@str0m/crypto'
import { assert, ByteWriter, encodeUtf8 } from '@str0m/sans-io'
import { writeAddress, xorMask } from './stun-address.ts'
import { fingerprintOf, integrityOf } from './stun-parse.ts'
import {
  Attribute,
  MAGIC_COOKIE,
  STUN_HEADER_LENGTH,
  type StunClass,
  type StunMessage,
} from './stun-types.ts'

/** Bits 4 and 8 of the message type, RFC 8489 section 5. */
const CLASS_BITS: Record<StunClass, number> = { request: 0, indication: 0x010, success: 0x100, error: 0x110 }

export interface StunWriteOptions {
  /** HMAC-SHA1 under the password: adds MESSAGE-INTEGRITY. */
  readonly integrity?: Hmac
  /** Adds FINGERPRINT. Default true. */
  readonly fingerprint?: boolean
}

/** Writes a message as one datagram. */
export function writeStun(message: StunMessage, options: StunWriteOptions = {}): Uint8Array {
  const { method, transactionId } = message
  assert(transactionId.length === 12, 'a transaction id has 12 bytes')
  const writer = new ByteWriter(128)
  writer
    .u16(CLASS_BITS[message.class] | (method & 0xf) | ((method & 0x70) << 1) | ((method & 0xf80) << 2))
    .u16(0)
    .u32(MAGIC_COOKIE)
    .bytes(transactionId)
  writeAttributes(writer, message)
  const fingerprint = options.fingerprint ?? true
  const integrityAt = writer.length
  if (options.integrity !== undefined) attribute(writer, Attribute.messageIntegrity, () => writer.zeros(20))
  const fingerprintAt = writer.length
  if (fingerprint) attribute(writer, Attribute.fingerprint, () => writer.u32(0))
  writer.setU16(2, writer.length - STUN_HEADER_LENGTH)
  const bytes = writer.finish()
  if (options.integrity !== undefined) {
    bytes.set(integrityOf(bytes, integrityAt, options.integrity), integrityAt + 4)
  }
  if (fingerprint) writer.setU32(fingerprintAt + 4, fingerprintOf(bytes, fingerprintAt))
  return bytes
}

function writeAttributes(writer: ByteWriter, message: StunMessage): void {
  text(writer, Attribute.software, message.software)
  text(writer, Attribute.username, message.username)
  text(writer, Attribute.realm, message.realm)
  text(writer, Attribute.nonce, message.nonce)
  const { errorCode, mappedAddress, xorMappedAddress, alternateServer, priority } = message
  if (errorCode !== undefined) {
    attribute(writer, Attribute.errorCode, () => {
      writer
        .u16(0)
        .u8(Math.floor(errorCode.code / 100))
        .u8(errorCode.code % 100)
      writer.bytes(encodeUtf8(errorCode.reason))
    })
  }
  if (message.unknownAttributes !== undefined) {
    const types = message.unknownAttributes
    attribute(writer, Attribute.unknownAttributes, () => types.forEach((type) => writer.u16(type)))
  }
  if (mappedAddress !== undefined) {
    attribute(writer, Attribute.mappedAddress, () => writeAddress(writer, mappedAddress))
  }
  if (xorMappedAddress !== undefined) {
    const mask = xorMask(message.transactionId)
    attribute(writer, Attribute.xorMappedAddress, () => writeAddress(writer, xorMappedAddress, mask))
  }
  if (alternateServer !== undefined) {
    attribute(writer, Attribute.alternateServer, () => writeAddress(writer, alternateServer))
  }
  if (priority !== undefined) attribute(writer, Attribute.priority, () => writer.u32(priority))
  if (message.useCandidate === true) attribute(writer, Attribute.useCandidate, () => writer)
  tieBreaker(writer, Attribute.iceControlled, message.iceControlled)
  tieBreaker(writer, Attribute.iceControlling, message.iceControlling)
  for (const { type, value } of message.others ?? []) attribute(writer, type, () => writer.bytes(value))
}

/** An attribute with its header and padding, RFC 8489 section 14. */
function attribute(writer: ByteWriter, type: number, writeValue: () => void): void {
  writer.u16(type).u16(0)
  const start = writer.length
  writeValue()
  const length = writer.length - start
  writer.setU16(start - 2, length)
  writer.zeros(-length & 3)
}

function text(writer: ByteWriter, type: number, value: string | undefined): void {
  if (value !== undefined) attribute(writer, type, () => writer.bytes(encodeUtf8(value)))
}

function tieBreaker(writer: ByteWriter, type: number, value: bigint | undefined): void {
  if (value !== undefined) attribute(writer, type, () => writer.u64(value))
}
