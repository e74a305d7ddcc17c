// The record layer of DTLS 1.3 under one epoch's keys: RFC 9147 section 4 with RFC 8446 section 5.

import type { Aead, CryptoProvider } from '@str0m/crypto'
import { assert, writeU16, writeU32 } from '@str0m/sans-io'
import { NO_BYTES } from './bytes.ts'
import type { TrafficSecret } from './key-schedule13.ts'
import type { RecordWriter } from './record-protection.ts'
import { ReplayWindow } from './replay-window.ts'
import { SEQUENCE_LIMIT } from './wire/record.ts'
import {
  EPOCH_BITS,
  UNIFIED_HEADER_LENGTH,
  type UnifiedHeader,
  writeUnifiedHeader,
} from './wire/unified-header.ts'

const TAG_LENGTH = 16
const NONCE_LENGTH = 12
/** What the mask of a record number is made of. */
const MASK_INPUT_LENGTH = 16
/** Records that fail under one key: RFC 9147 section 4.5.3. From there on nothing is tried any more. */
export const FORGERIES_MAX: number = 2 ** 36

type RecordNumberMask = (ciphertext: Uint8Array) => Uint8Array

function chachaMask(crypto: CryptoProvider, key: Uint8Array): RecordNumberMask {
  const blocks = crypto.chachaBlocks(key)
  return (ciphertext) => blocks.block(ciphertext)
}

function aesMask(crypto: CryptoProvider, key: Uint8Array): RecordNumberMask {
  const blocks = crypto.aesBlocks(key)
  return (ciphertext) => blocks.encrypt(ciphertext)
}

/** The AEAD of one direction of an epoch, and the mask of its record numbers. */
class Protection13 {
  readonly aead: Aead
  readonly nonce: Uint8Array = new Uint8Array(NONCE_LENGTH)
  readonly #iv: Uint8Array
  readonly #mask: RecordNumberMask
  readonly #maskInput = new Uint8Array(MASK_INPUT_LENGTH)

  constructor(crypto: CryptoProvider, secret: TrafficSecret) {
    const { aead } = secret.suite
    this.aead = crypto.aead(aead, secret.key())
    this.#iv = secret.iv()
    this.nonce.set(this.#iv)
    const recordNumberKey = secret.recordNumberKey()
    this.#mask =
      aead === 'chacha20-poly1305' ? chachaMask(crypto, recordNumberKey) : aesMask(crypto, recordNumberKey)
  }

  /** RFC 9147 section 4.2.3: the mask, of which two bytes at most are used, from the ciphertext that starts at `start`. */
  mask(datagram: Uint8Array, start: number): Uint8Array {
    const input = this.#maskInput
    for (let i = 0; i < MASK_INPUT_LENGTH; i++) input[i] = datagram[start + i]!
    return this.#mask(input)
  }

  /** Fills `nonce`, RFC 8446 section 5.3: of 64 bits, without the epoch. */
  prepare(sequence: number): void {
    const { nonce } = this
    writeU16(nonce, 6, Math.floor(sequence / 0x1_0000_0000))
    writeU32(nonce, 8, sequence >>> 0)
    for (let i = 6; i < NONCE_LENGTH; i++) nonce[i]! ^= this.#iv[i]!
  }
}

/** What is sent under one epoch. */
export class WriteEpoch13 implements RecordWriter {
  readonly epoch: number
  readonly overhead: number = UNIFIED_HEADER_LENGTH + 1 + TAG_LENGTH
  readonly headroom: number = UNIFIED_HEADER_LENGTH
  readonly #protection: Protection13
  readonly #recordsMax: number
  readonly #header = new Uint8Array(UNIFIED_HEADER_LENGTH)
  #sequence = 0

  constructor(crypto: CryptoProvider, secret: TrafficSecret, epoch: number) {
    this.epoch = epoch
    this.#protection = new Protection13(crypto, secret)
    this.#recordsMax = secret.suite.recordsMax
  }

  get exhausted(): boolean {
    return this.#sequence >= this.#recordsMax
  }

  /** Whether half of the key's records are used up: time for the next key, RFC 9147 section 4.5.3. */
  get isWorn(): boolean {
    return this.#sequence >= this.#recordsMax / 2
  }

  /** Skips forward to `sequence`; never back. */
  advanceTo(sequence: number): void {
    if (sequence > this.#sequence) this.#sequence = sequence
  }

  seal(type: number, _version: number, plaintext: Uint8Array, out: Uint8Array, at: number): number {
    assert(!this.exhausted, 'a record past the last that the key may protect')
    const sequence = this.#sequence++
    const protection = this.#protection
    const start = at + UNIFIED_HEADER_LENGTH
    const length = plaintext.length + 1 + TAG_LENGTH
    const header = this.#header
    writeUnifiedHeader(header, 0, this.epoch, sequence, length)
    // DTLSInnerPlaintext without padding, in its place
    out.set(plaintext, start)
    out[start + plaintext.length] = type
    protection.prepare(sequence)
    const inner = out.subarray(start, start + plaintext.length + 1)
    protection.aead.seal(protection.nonce, header, inner, out, start)
    const mask = protection.mask(out, start)
    header[1]! ^= mask[0]!
    header[2]! ^= mask[1]!
    for (let i = 0; i < UNIFIED_HEADER_LENGTH; i++) out[at + i] = header[i]!
    return sequence
  }
}

/** A header of each length, over the same bytes. */
function headerViews(): readonly Uint8Array[] {
  const header = new Uint8Array(UNIFIED_HEADER_LENGTH)
  return Array.from({ length: UNIFIED_HEADER_LENGTH + 1 }, (_, length) => header.subarray(0, length))
}

/** What came of a record. */
export type Opened = 'opened' | 'rejected' | 'replayed'

/** What is received under one epoch, and its replay window. */
export class ReadEpoch13 {
  readonly epoch: number
  readonly #protection: Protection13
  readonly #window = new ReplayWindow()
  readonly #headers = headerViews()
  /** Of the record that was opened last: its number, content type, and plaintext in its place in the datagram. */
  sequence = 0
  type = 0
  plaintext: Uint8Array = NO_BYTES
  /** Records that were not authentic under this key. */
  forgeries = 0

  constructor(crypto: CryptoProvider, secret: TrafficSecret, epoch: number) {
    this.epoch = epoch
    this.#protection = new Protection13(crypto, secret)
  }

  /**
   * Decrypts a record where it lies, and notes what it is. The datagram is as it was where the record is not authentic. Only an authentic
   * one moves the replay window, and is looked up in it: RFC 9147 section 4.5.1.
   */
  open(datagram: Uint8Array, header: UnifiedHeader): Opened {
    if (this.forgeries >= FORGERIES_MAX) return 'rejected'
    const { at, start, end, sequenceBytes } = header
    const protection = this.#protection
    const mask = protection.mask(datagram, start)
    const aad = this.#headers[start - at]
    assert(aad !== undefined, 'a header is no longer than the longest')
    for (let i = 0; i < aad.length; i++) aad[i] = datagram[at + i]!
    let low = 0
    for (let i = 0; i < sequenceBytes; i++) {
      aad[1 + i]! ^= mask[i]!
      low = low * 256 + aad[1 + i]!
    }
    const sequence = reconstruct(low, 8 * sequenceBytes, this.#window.highest + 1)
    protection.prepare(sequence)
    const isAuthentic =
      sequence < SEQUENCE_LIMIT &&
      protection.aead.open(protection.nonce, aad, datagram.subarray(start, end), datagram, start)
    if (!isAuthentic) {
      this.forgeries++
      return 'rejected'
    }
    if (!this.#window.accepts(sequence)) return 'replayed'
    this.#window.commit(sequence)
    this.sequence = sequence
    // RFC 8446 section 5.4: the content type is the last byte that is not padding
    let last = end - TAG_LENGTH - 1
    while (last >= start && datagram[last] === 0) last--
    this.type = last < start ? 0 : datagram[last]!
    this.plaintext = datagram.subarray(start, Math.max(start, last))
    return 'opened'
  }
}

/** The sequence number whose low `bits` are `low`, the closest to `expected`: RFC 9147 section 4.2.2. */
export function reconstruct(low: number, bits: number, expected: number): number {
  const size = 2 ** bits
  const ahead = (low - (expected % size) + size) % size
  const sequence = expected + (ahead >= size / 2 ? ahead - size : ahead)
  return sequence < 0 ? sequence + size : sequence
}

/** The two bits of `epoch` that records carry. */
export function epochBits(epoch: number): number {
  return epoch % (EPOCH_BITS + 1)
}
