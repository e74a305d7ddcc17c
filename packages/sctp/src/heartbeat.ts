import { type CryptoProvider, equalConstantTime } from '@str0m/crypto'
import { type Instant, NEVER } from '@str0m/sans-io'

/** Bytes of a heartbeat's nonce. */
const NONCE_LENGTH = 8
/** Bytes of the parameter's header before it. */
const INFO_HEADER = 4

/** Probes a path that is silent, RFC 9260 section 8.3. */
export class Heartbeat {
  readonly #crypto: CryptoProvider
  readonly #interval: number
  #nonce: Uint8Array | undefined
  #sentAt: Instant = 0
  /** When the next one is due, or when the last one has failed. */
  nextAt: Instant = NEVER

  constructor(crypto: CryptoProvider, interval: number) {
    this.#crypto = crypto
    this.#interval = interval
  }

  /** Something was sent at `now`. One that is under way still has its time to be answered. */
  postpone(now: Instant): void {
    if (this.#nonce === undefined) this.nextAt = now + this.#interval
  }

  stop(): void {
    this.nextAt = NEVER
    this.#nonce = undefined
  }

  /** Whether one is under way. */
  get isUnanswered(): boolean {
    return this.#nonce !== undefined
  }

  /** The nonce of a new one, which is to be answered within `timeout` ms. */
  start(now: Instant, timeout: number): Uint8Array {
    this.#nonce = this.#crypto.randomBytes(NONCE_LENGTH)
    this.#sentAt = now
    this.nextAt = now + timeout
    return this.#nonce
  }

  /** The one under way was not answered in time. */
  giveUp(now: Instant): void {
    this.#nonce = undefined
    this.postpone(now)
  }

  /** The round-trip time, ms, where a HEARTBEAT ACK's value answers the one under way. */
  answer(now: Instant, value: Uint8Array): number | undefined {
    const nonce = this.#nonce
    if (nonce === undefined || value.length !== INFO_HEADER + NONCE_LENGTH) return undefined
    if (!equalConstantTime(value.subarray(INFO_HEADER), nonce)) return undefined
    this.#nonce = undefined
    this.postpone(now)
    return now - this.#sentAt
  }
}
