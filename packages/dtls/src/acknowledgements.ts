// ACKs of DTLS 1.3, RFC 9147 section 7: what of our messages has arrived, and which of the peer's records we have.

import { encodeAcknowledgement, type RecordNumber } from './wire/acknowledgement.ts'

/** Records of one message that an ACK may still name, the newest: those of some retransmissions. */
export const SENT_RECORDS_MAX = 64
/** Record numbers that one ACK of ours names, the newest: with their 16 bytes each they fill the smallest datagram of ours. */
export const RECEIVED_RECORDS_MAX = 11

interface Range {
  readonly offset: number
  readonly end: number
}

interface SentRecord extends Range {
  readonly sequence: number
}

/** How much of one of our messages has arrived, as the peer's ACKs say. */
export class Delivery {
  #missing: readonly Range[]
  /** The newest is at the end. */
  readonly #sent: SentRecord[] = []

  /** Of a message whose body has `length` bytes. */
  constructor(length: number) {
    this.#missing = [{ offset: 0, end: length }]
  }

  /** The parts of the body that are to be sent again, in order. That of a message without a body is empty. */
  get missing(): readonly Range[] {
    return this.#missing
  }

  get isComplete(): boolean {
    return this.#missing.length === 0
  }

  /** The record `sequence` carries the body from `offset` up to `end`. */
  noteSent(sequence: number, offset: number, end: number): void {
    if (this.#sent.length === SENT_RECORDS_MAX) this.#sent.shift()
    this.#sent.push({ sequence, offset, end })
  }

  /** The peer has the record `sequence`, of the message's epoch. Whether that is news. */
  acknowledge(sequence: number): boolean {
    const at = this.#sent.findIndex((record) => record.sequence === sequence)
    const record = this.#sent[at]
    if (record === undefined) return false
    this.#sent.splice(at, 1)
    this.#missing = this.#missing.flatMap(({ offset, end }) => {
      // that of a message without a body is within any record of it
      if (record.offset <= offset && end <= record.end) return []
      const left = { offset, end: Math.min(end, record.offset) }
      const right = { offset: Math.max(offset, record.end), end }
      return [left, right].filter((range) => range.offset < range.end)
    })
    return true
  }
}

/** The records of the peer's current flight that we have, to be named in an ACK. */
export class ReceivedRecords {
  readonly #numbers: RecordNumber[] = []

  get isEmpty(): boolean {
    return this.#numbers.length === 0
  }

  /** At the bound the oldest goes, which an ACK has named before. */
  add(epoch: number, sequence: number): void {
    if (this.#numbers.length === RECEIVED_RECORDS_MAX) this.#numbers.shift()
    this.#numbers.push({ epoch, sequence })
  }

  clear(): void {
    this.#numbers.length = 0
  }

  /** The body of an ACK that names them all. */
  encode(): Uint8Array {
    return encodeAcknowledgement(
      this.#numbers.toSorted((a, b) => a.epoch - b.epoch || a.sequence - b.sequence),
    )
  }
}
