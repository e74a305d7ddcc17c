// The header of a DTLSCiphertext, RFC 9147 section 4:
//
//    0 1 2 3 4 5 6 7
//   |0|0|1|C|S|L|E E|   C: connection id present   S: sequence number of 16 bits   L: length present
//   |  sequence no. |   E: the two low bits of the epoch
//   | 16 bit length |

import { readU16, writeU16 } from '@str0m/sans-io'

const FIXED_BITS_MASK = 0b1110_0000
const FIXED_BITS = 0b0010_0000
const CONNECTION_ID = 0b0001_0000
const SEQUENCE_16 = 0b0000_1000
const LENGTH = 0b0000_0100
/** The bits of an epoch that a record carries. */
export const EPOCH_BITS = 0b0000_0011

/** What we write: 16 bits of sequence number, and a length. */
export const UNIFIED_HEADER_LENGTH = 5
/** RFC 8446 section 5.2: what a record may carry, with its content type and what AEADs add. */
const CIPHERTEXT_LENGTH_MAX = (1 << 14) + 256
/** RFC 9147 section 4.2.3: what the mask of the record number is made of. */
const CIPHERTEXT_LENGTH_MIN = 16

/** A record's header, and where it lies in the datagram. Made once and filled for each record. */
export interface UnifiedHeader {
  /** The two low bits of the epoch. */
  epochBits: number
  /** Of the sequence number: 1 or 2. */
  sequenceBytes: 1 | 2
  /** The header's first byte. */
  at: number
  /** The first byte of the encrypted record. */
  start: number
  /** The first byte after it. */
  end: number
}

export function emptyUnifiedHeader(): UnifiedHeader {
  return { epochBits: 0, sequenceBytes: 2, at: 0, start: 0, end: 0 }
}

/** Whether a record that starts with this byte is a DTLSCiphertext, RFC 9147 section 4.1. */
export function isCiphertext(firstByte: number): boolean {
  return (firstByte & FIXED_BITS_MASK) === FIXED_BITS
}

/**
 * Reads the header at `at` into `header`. False where the datagram does not hold a whole record, and for one with a connection
 * id, which nobody was given.
 */
export function readUnifiedHeader(datagram: Uint8Array, at: number, header: UnifiedHeader): boolean {
  const flags = datagram[at]!
  if ((flags & CONNECTION_ID) !== 0) return false
  const sequenceBytes = (flags & SEQUENCE_16) === 0 ? 1 : 2
  const lengthAt = at + 1 + sequenceBytes
  const hasLength = (flags & LENGTH) !== 0
  const start = lengthAt + (hasLength ? 2 : 0)
  if (start > datagram.length) return false
  const length = hasLength ? readU16(datagram, lengthAt) : datagram.length - start
  if (length < CIPHERTEXT_LENGTH_MIN || length > CIPHERTEXT_LENGTH_MAX) return false
  if (start + length > datagram.length) return false
  header.epochBits = flags & EPOCH_BITS
  header.sequenceBytes = sequenceBytes
  header.at = at
  header.start = start
  header.end = start + length
  return true
}

/** Writes a header of `UNIFIED_HEADER_LENGTH` bytes at `at`, its sequence number not yet encrypted. */
export function writeUnifiedHeader(
  out: Uint8Array,
  at: number,
  epoch: number,
  sequence: number,
  length: number,
): void {
  out[at] = FIXED_BITS | SEQUENCE_16 | LENGTH | (epoch % 4)
  writeU16(out, at + 1, sequence % 0x1_0000)
  writeU16(out, at + 3, length)
}
