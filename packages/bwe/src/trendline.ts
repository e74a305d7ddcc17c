/** Groups of packets that the slope is of. */
const WINDOW = 20
/** The part of the smoothed delay that stays at each group. */
const SMOOTHING = 0.9

/**
 * How fast the delay on the path grows: the slope of a line of least squares through the smoothed one-way delay of the last groups, over the time of
 * their arrival. What the draft has a Kalman filter for (draft-ietf-rmcat-gcc-02 section 5.3).
 */
export class Trendline {
  /** ms of delay a ms of time; 0 until there are enough groups. */
  slope = 0
  /** Groups so far. */
  groups = 0

  readonly #times = new Float64Array(WINDOW)
  readonly #delays = new Float64Array(WINDOW)
  #next = 0
  #firstArrival = 0
  #delay = 0
  #smoothed = 0

  /** A group was sent `sendDelta` ms after the one before, and came `arrivalDelta` ms after it, at `arrival`. */
  add(sendDelta: number, arrivalDelta: number, arrival: number): void {
    if (this.groups === 0) this.#firstArrival = arrival
    this.groups++
    this.#delay += arrivalDelta - sendDelta
    this.#smoothed = SMOOTHING * this.#smoothed + (1 - SMOOTHING) * this.#delay
    this.#times[this.#next] = arrival - this.#firstArrival
    this.#delays[this.#next] = this.#smoothed
    this.#next = this.#next + 1 === WINDOW ? 0 : this.#next + 1
    if (this.groups >= WINDOW) this.#fit()
  }

  reset(): void {
    this.slope = this.groups = this.#next = 0
    this.#delay = this.#smoothed = 0
  }

  /** Sums are of differences from the means: those of the numbers themselves would lose digits. Their order is not asked for. */
  #fit(): void {
    const times = this.#times
    const delays = this.#delays
    let time = 0
    let delay = 0
    for (let i = 0; i < WINDOW; i++) {
      time += times[i]!
      delay += delays[i]!
    }
    time /= WINDOW
    delay /= WINDOW
    let numerator = 0
    let denominator = 0
    for (let i = 0; i < WINDOW; i++) {
      const x = times[i]! - time
      numerator += x * (delays[i]! - delay)
      denominator += x * x
    }
    // all at one instant have no slope: the last one stays
    if (denominator > 0) this.slope = numerator / denominator
  }
}
