import { type Instant, NEVER, readU16, readU32 } from '@str0m/sans-io'
import type { CandidatePair } from './candidate-pair.ts'

/** Rc: how often a request is sent. RFC 8489 section 6.2.1. */
const TRANSMISSIONS = 7
/** Rm: how many RTO the last one is waited for. RFC 8489 section 6.2.1. */
const FINAL_WAIT = 16
/** Requests that may be answered. The oldest cancelled one makes room: it is then too late for its answer. */
const MAX_TRANSACTIONS = 256

/** A Binding request that may be answered. */
export interface Transaction {
  readonly pair: CandidatePair
  /** The transaction id of its message, 12 bytes. */
  readonly id: Uint8Array
  /** As it was sent; empty for a consent check, which is never sent again. */
  readonly bytes: Uint8Array
  readonly sentAt: Instant
  /** The role that it spoke of. */
  readonly controlling: boolean
  readonly useCandidate: boolean
  /** The value of PRIORITY. */
  readonly priority: number
  /** 1 for a consent check, which is never retransmitted: RFC 7675 section 5.1. */
  readonly maxTransmissions: number
  /** Doubles at each. */
  rto: number
  transmissions: number
  /** Not retransmitted any more, and no failure where it is not answered: RFC 8445 section 7.3.1.4. */
  cancelled: boolean
  /** When it is sent again or given up. */
  at: Instant
}

/** What has come of the passing of time. */
export interface DueTransactions {
  readonly again: readonly Transaction[]
  readonly failed: readonly Transaction[]
}

const NONE_DUE: DueTransactions = { again: [], failed: [] }

/** Requests under way, by transaction id, and when each is sent again: RFC 8489 section 6.2.1. */
export class Transactions {
  /** By 48 of the 96 bits of the id, which as a number are exact. No two of ours share them. */
  readonly #byId = new Map<number, Transaction>()

  /** Adds a request that has just been sent. */
  add(
    fields: Pick<Transaction, 'pair' | 'bytes' | 'sentAt' | 'controlling' | 'useCandidate' | 'priority'>,
    transactionId: Uint8Array,
    rto: number,
    consentTimeout?: number,
  ): void {
    const isConsent = consentTimeout !== undefined
    const { pair, bytes, sentAt, controlling, useCandidate, priority } = fields
    // field by field: an object that is spread into another is made twice, slowly
    const transaction: Transaction = {
      pair,
      bytes,
      sentAt,
      controlling,
      useCandidate,
      priority,
      id: transactionId,
      maxTransmissions: isConsent ? 1 : TRANSMISSIONS,
      rto,
      transmissions: 1,
      cancelled: isConsent,
      at: sentAt + (consentTimeout ?? rto),
    }
    if (this.#byId.size >= MAX_TRANSACTIONS) this.#evict()
    this.#byId.set(keyOf(transactionId), transaction)
  }

  /** Forgets the oldest cancelled one. There are some: each of at most 100 pairs has at most one that is not. */
  #evict(): void {
    for (const transaction of this.#byId.values()) {
      if (transaction.cancelled) return this.remove(transaction)
    }
  }

  find(transactionId: Uint8Array): Transaction | undefined {
    const transaction = this.#byId.get(keyOf(transactionId))
    return transaction !== undefined && sameId(transaction.id, transactionId) ? transaction : undefined
  }

  remove(transaction: Transaction): void {
    this.#byId.delete(keyOf(transaction.id))
  }

  /** Stops retransmitting what is under way for a pair; a late answer still counts. */
  cancel(pair: CandidatePair): void {
    for (const transaction of this.#byId.values()) {
      if (transaction.pair !== pair || transaction.cancelled) continue
      transaction.cancelled = true
      transaction.at += remainingWait(transaction)
    }
  }

  /** Forgets those of pairs that are not kept. */
  retain(keep: (pair: CandidatePair) => boolean): void {
    for (const [id, transaction] of this.#byId) if (!keep(transaction.pair)) this.#byId.delete(id)
  }

  nextAt(): Instant {
    let at = NEVER
    for (const transaction of this.#byId.values()) if (transaction.at < at) at = transaction.at
    return at
  }

  /** What is due at `now`: each is to be sent again, or has been given up and is no longer here. */
  due(now: Instant): DueTransactions {
    if (this.nextAt() > now) return NONE_DUE
    const again: Transaction[] = []
    const failed: Transaction[] = []
    for (const transaction of this.#byId.values()) {
      if (transaction.at > now) continue
      if (transaction.cancelled) {
        this.remove(transaction)
      } else if (transaction.transmissions >= transaction.maxTransmissions) {
        this.remove(transaction)
        failed.push(transaction)
      } else {
        transaction.transmissions++
        transaction.rto *= 2
        const isLast = transaction.transmissions === transaction.maxTransmissions
        transaction.at = now + (isLast ? FINAL_WAIT * firstRto(transaction) : transaction.rto)
        again.push(transaction)
      }
    }
    return { again, failed }
  }
}

function keyOf(id: Uint8Array): number {
  return readU32(id, 0) * 0x1_0000 + readU16(id, 4)
}

function sameId(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return a.length === b.length
}

function firstRto(transaction: Transaction): number {
  return transaction.rto / 2 ** (transaction.transmissions - 1)
}

/** How long the transaction would go on after its next deadline: all retransmissions and the last wait. */
function remainingWait(transaction: Transaction): number {
  let wait = 0
  for (let i = transaction.transmissions; i < transaction.maxTransmissions - 1; i++) {
    wait += firstRto(transaction) * 2 ** i
  }
  return transaction.transmissions < transaction.maxTransmissions
    ? wait + FINAL_WAIT * firstRto(transaction)
    : 0
}
