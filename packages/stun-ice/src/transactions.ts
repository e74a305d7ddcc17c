import { type Instant, NEVER, readU16, readU32 } from '@str0m/sans-io'

/** Rc: how often a request is sent. RFC 8489 section 6.2.1. */
export const TRANSMISSIONS = 7
/** Rm: how many RTO the last one is waited for. RFC 8489 section 6.2.1. */
const FINAL_WAIT = 16

/** A request that may be answered. Who asks keeps beside it what it was for. */
export interface Transaction {
  /** The transaction id of its message, 12 bytes. */
  readonly id: Uint8Array
  /** As it was sent; empty for one that is never sent again. */
  readonly bytes: Uint8Array
  readonly sentAt: Instant
  /** `TRANSMISSIONS`, or fewer; 1 for one that is never sent again. */
  readonly maxTransmissions: number
  /** Doubles at each. */
  rto: number
  transmissions: number
  /** Not retransmitted any more, and no failure where it is not answered: RFC 8445 section 7.3.1.4. */
  cancelled: boolean
  /** When it is sent again or given up. */
  at: Instant
}

/** RFC 8489 section 6.2.1. */
const RTO = 500
/** Ti: how long a request that is sent once is waited for, ms. RFC 8489 section 6.2.2. */
export const RELIABLE_WAIT = 39_500

/** A request that has just been sent to a server, to be retransmitted as RFC 8489 section 6.2.1 has it. */
export function requestTransaction(
  id: Uint8Array,
  bytes: Uint8Array,
  sentAt: Instant,
  maxTransmissions: number = TRANSMISSIONS,
): Transaction {
  const at = sentAt + (maxTransmissions === 1 ? RELIABLE_WAIT : RTO)
  return { id, bytes, sentAt, maxTransmissions, rto: RTO, transmissions: 1, cancelled: false, at }
}

/** What has come of the passing of time. */
export interface DueTransactions<T> {
  readonly again: readonly T[]
  readonly failed: readonly T[]
}

const NONE_DUE = { again: [], failed: [] } as const

/** Requests under way, by transaction id, and when each is sent again: RFC 8489 section 6.2.1. */
export class Transactions<T extends Transaction> {
  /** By 48 of the 96 bits of the id, which as a number are exact. No two of ours share them. */
  readonly #byId = new Map<number, T>()
  readonly #limit: number

  /**
   * `limit`: how many may be answered at a time. The oldest cancelled one makes room: it is then too late for its answer. Those that are not cancelled are
   * bounded by who asks.
   */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Adds a request that has just been sent. */
  add(transaction: T): void {
    if (this.#byId.size >= this.#limit) this.#evict()
    this.#byId.set(keyOf(transaction.id), transaction)
  }

  #evict(): void {
    for (const transaction of this.#byId.values()) {
      if (transaction.cancelled) return this.remove(transaction)
    }
  }

  find(transactionId: Uint8Array): T | undefined {
    const transaction = this.#byId.get(keyOf(transactionId))
    return transaction !== undefined && sameId(transaction.id, transactionId) ? transaction : undefined
  }

  remove(transaction: T): void {
    this.#byId.delete(keyOf(transaction.id))
  }

  /** Stops retransmitting some of them; a late answer still counts. */
  cancel(which: (transaction: T) => boolean): void {
    for (const transaction of this.#byId.values()) {
      if (transaction.cancelled || !which(transaction)) continue
      transaction.cancelled = true
      transaction.at += remainingWait(transaction)
    }
  }

  /** Forgets those that are not kept. */
  retain(keep: (transaction: T) => boolean): void {
    for (const [id, transaction] of this.#byId) if (!keep(transaction)) this.#byId.delete(id)
  }

  clear(): void {
    this.#byId.clear()
  }

  nextAt(): Instant {
    let at = NEVER
    for (const transaction of this.#byId.values()) if (transaction.at < at) at = transaction.at
    return at
  }

  /** What is due at `now`: each is to be sent again, or has been given up and is no longer here. */
  due(now: Instant): DueTransactions<T> {
    if (this.nextAt() > now) return NONE_DUE
    const again: T[] = []
    const failed: T[] = []
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
