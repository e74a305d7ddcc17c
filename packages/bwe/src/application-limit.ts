import type { Instant } from '@str0m/sans-io'

/** The budget grows by this part of the estimate: less than that being sent is a limit of the application's. */
const USAGE = 0.65
/** ms of it that are kept at most, and owed at most. */
const WINDOW = 500
/** The part of the kept at which the limited region starts, and at which it ends. */
const START = 0.8
const END = 0.5

/**
 * Tells whether the application sends much less than the estimate: then its packets cannot show whether the path takes more, and probes have to. A budget
 * grows with time and shrinks with what is sent.
 */
export class ApplicationLimit {
  /** Since when less is sent; `undefined`: it is not. */
  since: Instant | undefined

  #bitrate: number
  #bytes = 0
  #sentAt: Instant = Number.NaN

  constructor(bitrate: number) {
    this.#bitrate = bitrate
  }

  /** The estimate, bits per second. */
  setBitrate(bitrate: number): void {
    this.#bitrate = bitrate
    this.#bytes = Math.min(Math.max(this.#bytes, -this.#capacity), this.#capacity)
  }

  handleSent(now: Instant, size: number): void {
    const capacity = this.#capacity
    const elapsed = Number.isNaN(this.#sentAt) ? 0 : now - this.#sentAt
    this.#sentAt = now
    const owed = Math.max(this.#bytes - size, -capacity)
    this.#bytes = Math.min(owed + (elapsed * capacity) / WINDOW, capacity)
    if (this.#bytes > START * capacity) this.since ??= now
    else if (this.#bytes < END * capacity) this.since = undefined
  }

  /** Bytes. */
  get #capacity(): number {
    return (USAGE * this.#bitrate * WINDOW) / 8000
  }
}
