import { readU16, readU32, writeU16, writeU32 } from '@str0m/sans-io'

/** Bytes of a DTLSPlaintext header, RFC 4347 section 4.1. */
export const RECORD_HEADER_LENGTH = 13
/** The first sequence number that 48 bits cannot hold. */
export const SEQUENCE_LIMIT = 0x1_0000_0000_0000
/** The most that a record may carry (RFC 5246 section 6.2.1), with what AEADs add (section 6.2.3). */
const FRAGMENT_LENGTH_MAX = (1 << 14) + 2048

/** A record's header, and where its fragment lies in the datagram. Made once and filled for each record. */
export interface RecordHeader {
  type: number
  version: number
  epoch: number
  /** 48 bits. */
  sequence: number
  /** The fragment's first byte. */
  start: number
  /** The first byte after the fragment. */
  end: number
}

export function emptyRecordHeader(): RecordHeader {
  return { type: 0, version: 0, epoch: 0, sequence: 0, start: 0, end: 0 }
}

/** Reads the record that starts at `at` into `header`. False where the datagram does not hold a whole one. */
export function readRecord(datagram: Uint8Array, at: number, header: RecordHeader): boolean {
  const start = at + RECORD_HEADER_LENGTH
  if (start > datagram.length) return false
  const length = readU16(datagram, at + 11)
  if (length > FRAGMENT_LENGTH_MAX || start + length > datagram.length) return false
  // every version of DTLS, RFC 4347 section 4.1 and RFC 9147 section 5.3, has the same first byte
  if (datagram[at + 1] !== 0xfe) return false
  header.type = datagram[at]!
  header.version = readU16(datagram, at + 1)
  header.epoch = readU16(datagram, at + 3)
  header.sequence = readU16(datagram, at + 5) * 0x1_0000_0000 + readU32(datagram, at + 7)
  header.start = start
  header.end = start + length
  return true
}

/** Writes a header of `RECORD_HEADER_LENGTH` bytes at `at`. */
export function writeRecordHeader(
  out: Uint8Array,
  at: number,
  type: number,
  version: number,
  epoch: number,
  sequence: number,
  length: number,
): void {
  out[at] = type
  writeU16(out, at + 1, version)
  writeEpochAndSequence(out, at + 3, epoch, sequence)
  writeU16(out, at + 11, length)
}

/** The 64 bits that nonces and additional data start from, RFC 5246 section 6.2.3.3 with RFC 4347 section 4.1.2.1. */
export function writeEpochAndSequence(out: Uint8Array, at: number, epoch: number, sequence: number): void {
  writeU16(out, at, epoch)
  writeU16(out, at + 2, Math.floor(sequence / 0x1_0000_0000))
  writeU32(out, at + 4, sequence >>> 0)
}
