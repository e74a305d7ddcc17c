import type { Aead, CryptoProvider } from '@str0m/crypto'
import { assert, writeU16 } from '@str0m/sans-io'
import type { CipherSuite } from './cipher-suites.ts'
import type { TrafficKeys } from './key-schedule.ts'
import { ReplayWindow } from './replay-window.ts'
import { DTLS_1_2 } from './wire/protocol.ts'
import {
  RECORD_HEADER_LENGTH,
  type RecordHeader,
  SEQUENCE_LIMIT,
  writeEpochAndSequence,
  writeRecordHeader,
} from './wire/record.ts'

const TAG_LENGTH = 16
const NONCE_LENGTH = 12
/** RFC 5288 section 3: sent with each record; here it is the epoch and the sequence number. */
const EXPLICIT_NONCE_LENGTH = 8
const AAD_LENGTH = 13
/** The most bytes of a record before its plaintext, and after it: those of DTLS 1.3 end with a content type too. */
export const RECORD_HEADROOM: number = RECORD_HEADER_LENGTH + EXPLICIT_NONCE_LENGTH
export const RECORD_TAILROOM: number = 1 + TAG_LENGTH

/** What records of one epoch are written with, of either version. */
export interface RecordWriter {
  readonly epoch: number
  /** Bytes that a record adds to its plaintext. */
  readonly overhead: number
  /** Those of them before the plaintext; the others come after it. */
  readonly headroom: number
  /** Whether not one more record may be made. */
  readonly exhausted: boolean
  /**
   * Writes a whole record of `overhead + plaintext.length` bytes into `out` at `at`. `plaintext` may be a view of its place in it. Not to be called
   * when exhausted. The record's sequence number.
   */
  seal(type: number, version: number, plaintext: Uint8Array, out: Uint8Array, at: number): number
}

/** A datagram with one record. */
export function sealDatagram(
  write: RecordWriter,
  type: number,
  version: number,
  plaintext: Uint8Array,
): Uint8Array {
  const datagram = new Uint8Array(write.overhead + plaintext.length)
  write.seal(type, version, plaintext, datagram, 0)
  return datagram
}

/** The AEAD of one direction of an epoch: nonces and additional data, RFC 5246 section 6.2.3.3. */
class Protection {
  readonly aead: Aead
  readonly explicitLength: 0 | 8
  readonly nonce: Uint8Array = new Uint8Array(NONCE_LENGTH)
  readonly aad: Uint8Array = new Uint8Array(AAD_LENGTH)
  /** Where nonces have no explicit part. */
  readonly #iv: Uint8Array

  constructor(crypto: CryptoProvider, suite: CipherSuite, keys: TrafficKeys) {
    this.aead = crypto.aead(suite.aead, keys.key)
    this.explicitLength = suite.ivLength === 4 ? EXPLICIT_NONCE_LENGTH : 0
    this.nonce.set(keys.iv)
    this.#iv = this.explicitLength > 0 ? this.nonce : keys.iv.slice()
  }

  /** Fills `aad`, and `nonce` as the sender of the record does. */
  prepare(type: number, epoch: number, sequence: number, length: number): void {
    const { aad, nonce } = this
    writeEpochAndSequence(aad, 0, epoch, sequence)
    aad[8] = type
    writeU16(aad, 9, DTLS_1_2)
    writeU16(aad, 11, length)
    if (this.explicitLength > 0) {
      for (let i = 0; i < 8; i++) nonce[4 + i] = aad[i]!
    } else {
      // RFC 7905 section 2
      for (let i = 0; i < 8; i++) nonce[4 + i] = this.#iv[4 + i]! ^ aad[i]!
    }
  }
}

/** What is sent under one epoch: its sequence number, and its keys from epoch 1 on. */
export class WriteEpoch implements RecordWriter {
  readonly epoch: number
  readonly overhead: number
  readonly headroom: number
  readonly #protection: Protection | undefined
  #sequence: number

  /** Without keys it is epoch 0, in plaintext. */
  constructor(protection?: ProtectionKeys, sequence = 0) {
    this.epoch = protection === undefined ? 0 : 1
    this.#sequence = sequence
    if (protection !== undefined) {
      this.#protection = new Protection(protection.crypto, protection.suite, protection.keys)
    }
    this.headroom = RECORD_HEADER_LENGTH + (this.#protection?.explicitLength ?? 0)
    this.overhead = this.headroom + (this.#protection === undefined ? 0 : TAG_LENGTH)
  }

  get exhausted(): boolean {
    return this.#sequence >= SEQUENCE_LIMIT
  }

  /** Skips forward to `sequence`; never back. */
  advanceTo(sequence: number): void {
    if (sequence > this.#sequence) this.#sequence = sequence
  }

  seal(type: number, version: number, plaintext: Uint8Array, out: Uint8Array, at: number): number {
    assert(!this.exhausted, 'a record past the last sequence number')
    const { epoch } = this
    const sequence = this.#sequence++
    const protection = this.#protection
    const length = plaintext.length + this.overhead - RECORD_HEADER_LENGTH
    writeRecordHeader(out, at, type, version, epoch, sequence, length)
    const start = at + RECORD_HEADER_LENGTH
    if (protection === undefined) {
      out.set(plaintext, start)
      return sequence
    }
    protection.prepare(type, epoch, sequence, plaintext.length)
    if (protection.explicitLength > 0) writeEpochAndSequence(out, start, epoch, sequence)
    protection.aead.seal(protection.nonce, protection.aad, plaintext, out, start + protection.explicitLength)
    return sequence
  }
}

export interface ProtectionKeys {
  readonly crypto: CryptoProvider
  readonly suite: CipherSuite
  readonly keys: TrafficKeys
}

/** What is received under one epoch with keys, and its replay window. */
export class ReadEpoch {
  readonly #protection: Protection
  readonly #window = new ReplayWindow()

  constructor({ crypto, suite, keys }: ProtectionKeys) {
    this.#protection = new Protection(crypto, suite, keys)
  }

  /** Whether the record was received before, or is too old to tell. */
  isReplay(header: RecordHeader): boolean {
    return !this.#window.accepts(header.sequence)
  }

  /**
   * The plaintext of a record, in its place in the datagram; `undefined` where it is not authentic, and the datagram as it was. Only an authentic one
   * moves the replay window, which is to be asked before.
   */
  open(datagram: Uint8Array, header: RecordHeader): Uint8Array | undefined {
    const protection = this.#protection
    const start = header.start + protection.explicitLength
    const length = header.end - start - TAG_LENGTH
    if (length < 0 || header.version !== DTLS_1_2) return undefined
    protection.prepare(header.type, header.epoch, header.sequence, length)
    // the peer's explicit nonce need not be its sequence number
    for (let i = 0; i < protection.explicitLength; i++) protection.nonce[4 + i] = datagram[header.start + i]!
    const sealed = datagram.subarray(start, header.end)
    if (!protection.aead.open(protection.nonce, protection.aad, sealed, datagram, start)) return undefined
    this.#window.commit(header.sequence)
    return datagram.subarray(start, start + length)
  }
}
