import { assert, datagramBytes, readU16, readU32, writeU16, writeU32 } from '@str0m/sans-io'
import { COMMON_HEADER, TLV_HEADER } from './constants.ts'
import { crc32c } from './crc32c.ts'
import { padded } from './tlv.ts'

/** The common header of a packet, RFC 9260 section 3.1. */
export interface CommonHeader {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly verificationTag: number
}

export function readHeader(bytes: Uint8Array): CommonHeader {
  return {
    sourcePort: readU16(bytes, 0),
    destinationPort: readU16(bytes, 2),
    verificationTag: readU32(bytes, 4),
  }
}

/** The checksum field as it stands, little-endian (RFC 9260 appendix A). */
export function readChecksum(bytes: Uint8Array): number {
  return (bytes[8]! | (bytes[9]! << 8) | (bytes[10]! << 16) | (bytes[11]! << 24)) >>> 0
}

/** Whether the checksum is right. Leaves the field zero. */
export function verifyChecksum(bytes: Uint8Array): boolean {
  const expected = readChecksum(bytes)
  bytes.fill(0, 8, 12)
  return crc32c(bytes) === expected
}

function writeChecksum(bytes: Uint8Array): void {
  const crc = crc32c(bytes)
  bytes[8] = crc
  bytes[9] = crc >>> 8
  bytes[10] = crc >>> 16
  bytes[11] = crc >>> 24
}

/** Bytes that stay free in a packet's buffer. */
export interface Margins {
  readonly headroom: number
  readonly tailroom: number
}

const NO_MARGINS: Margins = { headroom: 0, tailroom: 0 }

/** Writes one packet, chunk by chunk, into one buffer. */
export class PacketWriter {
  readonly bytes: Uint8Array
  #length = COMMON_HEADER

  constructor(capacity: number, header: CommonHeader, { headroom, tailroom }: Margins = NO_MARGINS) {
    if (headroom + tailroom === 0) {
      // of its own: what writes around a packet without margins is to find none
      this.bytes = new Uint8Array(capacity)
    } else {
      this.bytes = datagramBytes(headroom + capacity + tailroom).subarray(headroom, headroom + capacity)
    }
    writeU16(this.bytes, 0, header.sourcePort)
    writeU16(this.bytes, 2, header.destinationPort)
    writeU32(this.bytes, 4, header.verificationTag)
  }

  /** Whether there is no chunk in it. */
  get isEmpty(): boolean {
    return this.#length === COMMON_HEADER
  }

  /** Bytes left for a chunk's value. Negative where not even its header fits. */
  get room(): number {
    return this.bytes.length - this.#length - TLV_HEADER
  }

  /** Adds a chunk whose value has `length` bytes, and answers where the value is to be written. */
  chunk(type: number, flags: number, length: number): number {
    const at = this.#length
    assert(length <= this.room, 'a chunk that does not fit its packet')
    this.bytes[at] = type
    this.bytes[at + 1] = flags
    writeU16(this.bytes, at + 2, length + TLV_HEADER)
    this.#length = Math.min(at + padded(length + TLV_HEADER), this.bytes.length)
    return at + TLV_HEADER
  }

  /** Adds a chunk that is made already, header and all. */
  append(chunk: Uint8Array): void {
    const at = this.#length
    assert(chunk.length - TLV_HEADER <= this.room, 'a chunk that does not fit its packet')
    this.bytes.set(chunk, at)
    this.#length = Math.min(at + padded(chunk.length), this.bytes.length)
  }

  /** The packet. Its checksum is zero (RFC 9653) where `checksum` is false. */
  finish(checksum: boolean): Uint8Array {
    const packet = this.#length === this.bytes.length ? this.bytes : this.bytes.subarray(0, this.#length)
    if (checksum) writeChecksum(packet)
    return packet
  }
}

/** One chunk by itself, header and all, without padding. */
export function makeChunk(type: number, flags: number, value: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(TLV_HEADER + value.length)
  chunk[0] = type
  chunk[1] = flags
  writeU16(chunk, 2, chunk.length)
  chunk.set(value, TLV_HEADER)
  return chunk
}

/** One parameter or error cause by itself, header and all, without padding. */
export function makeParameter(type: number, value: Uint8Array): Uint8Array {
  const parameter = makeChunk(type >>> 8, type & 0xff, value)
  return parameter
}

/** Parameters one after the other, each padded. */
export function joinPadded(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += padded(part.length)
  const joined = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += padded(part.length)
  }
  return joined
}

/** As `joinPadded`: those that come first and have `room` bytes together, at most. */
export function joinFitting(parts: readonly Uint8Array[], room: number): Uint8Array {
  let length = 0
  let count = 0
  for (; count < parts.length; count++) {
    length += padded(parts[count]!.length)
    if (length > room) break
  }
  return joinPadded(parts.slice(0, count))
}
