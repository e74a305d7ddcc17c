/** How much of a measurement goes into the estimate: one at overuse, and that of a probe. */
const OVERUSE_WEIGHT = 0.05
const PROBE_WEIGHT = 0.5
/** The variance, of which the unit is kbit/s squared for each kbit/s of the estimate: at first, and its bounds. */
const INITIAL_VARIANCE = 0.4
const MIN_VARIANCE = 0.4
const MAX_VARIANCE = 2.5
/** So many standard deviations around the estimate are near it. */
const DEVIATIONS = 3

/** What the bottleneck seems to take: an average of what arrived whenever it was full, and how much that varies (draft-ietf-rmcat-gcc-02 section 5.5). */
export class LinkCapacity {
  /** kbit/s; `undefined`: not known, or what was known no longer holds. */
  #estimate: number | undefined
  #variance = INITIAL_VARIANCE

  /** Bits per second; `undefined`: not known. */
  get estimate(): number | undefined {
    return this.#estimate === undefined ? undefined : this.#estimate * 1000
  }

  /** Bits per second above which it has changed; `Infinity` where it is not known. */
  get upper(): number {
    if (this.#estimate === undefined) return Number.POSITIVE_INFINITY
    return (this.#estimate + this.#deviation(this.#estimate)) * 1000
  }

  /** Bits per second below which it has changed; 0 where it is not known. */
  get lower(): number {
    if (this.#estimate === undefined) return 0
    return Math.max(0, this.#estimate - this.#deviation(this.#estimate)) * 1000
  }

  handleOveruse(acknowledged: number): void {
    this.#update(acknowledged / 1000, OVERUSE_WEIGHT)
  }

  handleProbe(bitrate: number): void {
    this.#update(bitrate / 1000, PROBE_WEIGHT)
  }

  /** It has changed. */
  forget(): void {
    this.#estimate = undefined
  }

  #deviation(estimate: number): number {
    return DEVIATIONS * Math.sqrt(this.#variance * estimate)
  }

  #update(sample: number, weight: number): void {
    const estimate = this.#estimate === undefined ? sample : (1 - weight) * this.#estimate + weight * sample
    const error = estimate - sample
    const variance = (1 - weight) * this.#variance + (weight * error * error) / Math.max(estimate, 1)
    this.#estimate = estimate
    this.#variance = Math.min(Math.max(variance, MIN_VARIANCE), MAX_VARIANCE)
  }
}
