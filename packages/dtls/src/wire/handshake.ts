import { type ByteReader, ByteWriter, writeU16 } from '@str0m/sans-io'

/** Bytes of a handshake header, RFC 4347 section 4.2.2. */
export const HANDSHAKE_HEADER_LENGTH = 12

/** One fragment of a handshake message. */
export interface HandshakeFragment {
  readonly type: number
  /** Of the whole message's body, in bytes. */
  readonly length: number
  readonly messageSequence: number
  readonly offset: number
  /** A view of the record. */
  readonly body: Uint8Array
}

/** A whole handshake message. */
export interface HandshakeMessage {
  readonly type: number
  readonly messageSequence: number
  readonly body: Uint8Array
  /** Header and body as though sent in one fragment: what the transcript takes, RFC 4347 section 4.2.6. */
  readonly bytes: Uint8Array
}

/** The next fragment of a handshake record, `undefined` where it does not fit the record or its own message. */
export function readHandshakeFragment(reader: ByteReader): HandshakeFragment | undefined {
  const type = reader.u8()
  const length = reader.u24()
  const messageSequence = reader.u16()
  const offset = reader.u24()
  const fragmentLength = reader.u24()
  const body = reader.view(fragmentLength)
  if (reader.failed || offset + fragmentLength > length) return undefined
  return { type, length, messageSequence, offset, body }
}

export function handshakeMessage(type: number, messageSequence: number, body: Uint8Array): HandshakeMessage {
  const { length } = body
  const bytes = new Uint8Array(HANDSHAKE_HEADER_LENGTH + length)
  bytes[0] = type
  writeU24(bytes, 1, length)
  writeU16(bytes, 4, messageSequence)
  // one fragment, from 0
  writeU24(bytes, 9, length)
  bytes.set(body, HANDSHAKE_HEADER_LENGTH)
  return { type, messageSequence, body: bytes.subarray(HANDSHAKE_HEADER_LENGTH), bytes }
}

/** The fragment of `message` from `offset`, `length` bytes of its body, with its header. */
export function handshakeFragment(message: HandshakeMessage, offset: number, length: number): Uint8Array {
  if (offset === 0 && length === message.body.length) return message.bytes
  return new ByteWriter(HANDSHAKE_HEADER_LENGTH + length)
    .u8(message.type)
    .u24(message.body.length)
    .u16(message.messageSequence)
    .u24(offset)
    .u24(length)
    .bytes(message.body.subarray(offset, offset + length))
    .finish()
}

function writeU24(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 16
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value
}
