/** ms of the first measurement, and of each after it. */
const FIRST_WINDOW = 500
const WINDOW = 150
/** kbit/s squared: how uncertain the first estimate is, and by how much each window of time makes it more so. */
const INITIAL_VARIANCE = 50
const DRIFT = 5
/** What is added when the application starts to send more: a fast change is expected. */
const FAST_CHANGE = 200
/** So many windows in a row with less than this part of the estimate are no chance: what arrives has fallen, and the estimate with it at once. */
const COLLAPSED_WINDOWS = 2
const COLLAPSED = 0.5
/**
 * And so many with more than this times the estimate are no burst: what arrives has risen, to the lesser of the last two. Such samples are the least certain of all, so that what was little
 * for long would else be believed in for a minute, while much more comes.
 */
const SURGE_WINDOWS = 3
const SURGE = 2
/** A measurement is the less certain the further it is from the estimate, by this factor of the relative distance. */
const UNCERTAINTY = 10

/** How many bits per second arrive: measured in windows of time, each of which moves the estimate by how far it can be trusted (as Bayes has it). */
export class AcknowledgedBitrate {
  /** kbit/s. */
  #estimate: number | undefined
  #variance = INITIAL_VARIANCE
  #collapsed = 0
  #surged = 0
  /** kbit/s, of the window before. */
  #previous = 0
  #bytes = 0
  /** ms of the window that have passed. */
  #elapsed = 0
  #lastArrival = Number.NaN

  /** Bits per second; `undefined` before there was enough. */
  get bitrate(): number | undefined {
    return this.#estimate === undefined ? undefined : this.#estimate * 1000
  }

  /** A packet of `size` bytes came, at `arrival` on the receiver's clock. */
  add(arrival: number, size: number): void {
    const window = this.#estimate === undefined ? FIRST_WINDOW : WINDOW
    const sample = this.#advance(arrival, window)
    this.#bytes += size
    if (sample !== undefined) this.#update(sample)
  }

  /** The application sends more than before, from here on. */
  expectFastChange(): void {
    this.#variance += FAST_CHANGE
  }

  /** Between the last packet and the next one some came that nothing was told of, or the receiver's clock was set anew: that time is left out. */
  skip(): void {
    this.#lastArrival = Number.NaN
  }

  /** Time has come to `arrival`: the kbit/s of the window, where one is complete. */
  #advance(arrival: number, window: number): number | undefined {
    if (!Number.isNaN(this.#lastArrival)) {
      const gap = Math.max(0, arrival - this.#lastArrival)
      this.#elapsed += gap
      // nothing came for longer than a window: the time before is no part of any
      if (gap > window) {
        this.#bytes = 0
        this.#elapsed %= window
      }
    }
    this.#lastArrival = arrival
    if (this.#elapsed < window) return undefined
    const sample = (8 * this.#bytes) / window
    this.#elapsed -= window
    this.#bytes = 0
    return sample
  }

  #update(sample: number): void {
    const estimate = this.#estimate
    if (estimate === undefined) {
      this.#set(sample)
      return
    }
    this.#collapsed = sample < COLLAPSED * estimate ? this.#collapsed + 1 : 0
    this.#surged = sample > SURGE * estimate ? this.#surged + 1 : 0
    const lesser = Math.min(sample, this.#previous)
    this.#previous = sample
    if (this.#collapsed >= COLLAPSED_WINDOWS) {
      this.#set(sample)
      return
    }
    if (this.#surged >= SURGE_WINDOWS) {
      this.#set(lesser)
      return
    }
    const uncertainty = (UNCERTAINTY * Math.abs(estimate - sample)) / Math.max(estimate, 1)
    const sampleVariance = uncertainty * uncertainty
    const variance = this.#variance + DRIFT
    this.#estimate = (sampleVariance * estimate + variance * sample) / (sampleVariance + variance)
    this.#variance = (sampleVariance * variance) / (sampleVariance + variance)
  }

  /** It is this, whatever it was. */
  #set(sample: number): void {
    this.#estimate = sample
    this.#variance = INITIAL_VARIANCE
    this.#collapsed = this.#surged = 0
  }
}
