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
  nextAt: Instant = NEVER

  constructor(crypto: CryptoProvider, interval: number) {
    this.#crypto = crypto
    this.#interval = interval
  }

  /** Something was sent at `now`. */
  postpone(now: Instant): void {
    this.nextAt = now + this.#interval
  }

  stop(): void {
    this.nextAt = NEVER
    this.#nonce = undefined
  }

  /** Whether the last one was not answered. */
  get isUnanswered(): boolean {
    return this.#nonce !== undefined
  }

  /** The nonce of a new one. */
  start(): Uint8Array {
    this.#nonce = this.#crypto.randomBytes(NONCE_LENGTH)
    return this.#nonce
  }

  /** Whether a HEARTBEAT ACK's value answers the last one. */
  isAnsweredBy(value: Uint8Array): boolean {
    const nonce = this.#nonce
    if (nonce === undefined || value.length !== INFO_HEADER + NONCE_LENGTH) return false
    if (!equalConstantTime(value.subarray(INFO_HEADER), nonce)) return false
    this.#nonce = undefined
    return true
  }
}
