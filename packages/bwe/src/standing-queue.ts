import type { Instant } from '@str0m/sans-io'

/** Delay above the least, ms, that is a queue's. */
const MIN_DELAY = 100
/** Loss above which the queue is taken to be full. */
const MIN_LOSS = 0.05
/** ms of sending for which both have to last. */
const DURATION = 500
/** The least delay is that of so many ms before at least, and of twice as many at most. */
const BASE_WINDOW = 10_000

/**
 * Finds a queue that stays full. Its delay does not grow, so the slope shows nothing; and its loss can be that of a path which loses by itself, so the loss
 * model, where rates are low, lets it be. Both together are neither. (An addition to what libwebrtc has.)
 */
export class StandingQueue {
  /** The least delay of this window of time and of the one before, ms; the receiver's clock is in it. */
  #least = Number.POSITIVE_INFINITY
  #leastBefore = Number.POSITIVE_INFINITY
  #windowFrom: Instant = Number.NEGATIVE_INFINITY
  /** Packets that were sent before are not counted. */
  #from: Instant = Number.NEGATIVE_INFINITY
  /** Of those that are: the least delay, ms, and the bytes. */
  #delay = Number.POSITIVE_INFINITY
  #bytes = 0
  #lostBytes = 0

  /**
   * Feedback came on so many bytes, sent between these times, of which so many were lost; `delay` is the least between sending and arrival, in ms of two clocks, `Infinity`
   * where none came. Answers whether the queue is full, and has been since the last time that it was answered.
   */
  update(
    now: Instant,
    bytes: number,
    lostBytes: number,
    firstSentAt: Instant,
    lastSentAt: Instant,
    delay: number,
  ): boolean {
    this.#updateLeast(now, delay)
    if (bytes === 0 || firstSentAt < this.#from) return false
    if (this.#bytes === 0) this.#from = firstSentAt
    this.#bytes += bytes
    this.#lostBytes += lostBytes
    this.#delay = Math.min(this.#delay, delay)
    if (lastSentAt - this.#from < DURATION) return false
    const above = this.#delay - Math.min(this.#least, this.#leastBefore)
    const full =
      above > MIN_DELAY && above < Number.POSITIVE_INFINITY && this.#lostBytes > MIN_LOSS * this.#bytes
    // what is to be seen of a decrease is in what is sent after it
    this.#from = full ? now : lastSentAt
    this.#bytes = this.#lostBytes = 0
    this.#delay = Number.POSITIVE_INFINITY
    return full
  }

  /** The receiver's clock was set anew. */
  restart(): void {
    this.#least = this.#leastBefore = this.#delay = Number.POSITIVE_INFINITY
  }

  #updateLeast(now: Instant, delay: number): void {
    if (now - this.#windowFrom >= BASE_WINDOW) {
      this.#windowFrom = now
      this.#leastBefore = this.#least
      this.#least = delay
    } else if (delay < this.#least) {
      this.#least = delay
    }
  }
}
