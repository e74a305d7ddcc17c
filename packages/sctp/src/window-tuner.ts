import type { Instant } from '@str0m/sans-io'

/** What the peer is told at first, bytes. */
export const INITIAL_WINDOW: number = 256 * 1024

/**
 * How much the peer may have under way: grows with what it sends in a round trip, as TCP's dynamic right-sizing does, so that a
 * window is only as wide as its path has shown to need. What is held is bounded apart from it.
 */
export class WindowTuner {
  readonly #max: number
  /** Bytes. */
  window: number
  #since: Instant = Number.NEGATIVE_INFINITY
  #bytes = 0
  /** A round trip is not longer than what a whole window took to come, ms: it stands for one that is not known. */
  #bound = Number.POSITIVE_INFINITY

  constructor(max: number) {
    this.#max = max
    this.window = Math.min(max, INITIAL_WINDOW)
  }

  /** `bytes` came that are new. `roundTrip`, ms: 0 where this end has not measured it. */
  onData(now: Instant, bytes: number, roundTrip: number): void {
    if (this.window >= this.#max) return
    if (this.#since === Number.NEGATIVE_INFINITY) this.#since = now
    this.#bytes += bytes
    const elapsed = now - this.#since
    const used = this.#bytes >= this.window
    if (used) this.#bound = Math.min(this.#bound, elapsed)
    if (!used && elapsed < (roundTrip || this.#bound)) return
    // twice for a sender that doubles each round trip, and twice for this news to reach it
    if (2 * this.#bytes > this.window)
      this.window = Math.min(this.#max, Math.max(this.window, 4 * this.#bytes))
    this.#since = now
    this.#bytes = 0
  }
}
