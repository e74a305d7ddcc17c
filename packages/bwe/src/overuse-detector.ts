/** What the delay tells of the path's queue: it grows, it shrinks, or neither. */
export type PathUsage = 'normal' | 'overuse' | 'underuse'

/** What a slope is multiplied with to be compared to the threshold, times the number of groups up to `MAX_GROUPS`. */
const GAIN = 4
const MAX_GROUPS = 60
/** Where the threshold starts, and its bounds (draft-ietf-rmcat-gcc-02 section 5.4: del_var_th). */
const INITIAL_THRESHOLD = 12.5
const MIN_THRESHOLD = 6
const MAX_THRESHOLD = 600
/** How fast the threshold follows what lies above it and below it, of the difference each ms: K_u and K_d. */
const UP = 0.0087
const DOWN = 0.039
/** What is more than this above the threshold does not move it: a sudden queue is not the path's habit. */
const MAX_ABOVE = 15
/** The threshold moves for at most so many ms at once. */
const MAX_STEP = 100
/** So many ms above the threshold are overuse: overuse_time_th. */
const OVERUSE_TIME = 10

/**
 * Tells from the slope of the delay whether the path is used beyond what it takes, by a threshold that adapts so that a flow is not starved by others
 * which fill the queue (draft-ietf-rmcat-gcc-02 section 5.4).
 */
export class OveruseDetector {
  usage: PathUsage = 'normal'
  threshold: number = INITIAL_THRESHOLD

  /** ms for which the slope has been too steep; negative: it is not. */
  #above = -1
  #groupsAbove = 0
  #previousSlope = 0
  #updatedAt = Number.NaN

  /** The slope after the group number `groups`, which was sent `sendDelta` ms after the one before and came at `arrival`. */
  update(slope: number, groups: number, sendDelta: number, arrival: number): void {
    if (groups < 2) return
    const modified = Math.min(groups, MAX_GROUPS) * slope * GAIN
    if (modified > this.threshold) {
      // it got too steep somewhere between the groups
      this.#above = this.#above < 0 ? sendDelta / 2 : this.#above + sendDelta
      this.#groupsAbove++
      if (this.#above > OVERUSE_TIME && this.#groupsAbove > 1 && slope >= this.#previousSlope) {
        this.#above = 0
        this.#groupsAbove = 0
        this.usage = 'overuse'
      }
    } else {
      this.#above = -1
      this.#groupsAbove = 0
      this.usage = modified < -this.threshold ? 'underuse' : 'normal'
    }
    this.#previousSlope = slope
    this.#adapt(Math.abs(modified), arrival)
  }

  /** What was measured so far is of another time; the threshold stays. */
  reset(): void {
    this.usage = 'normal'
    this.#above = -1
    this.#groupsAbove = 0
    this.#previousSlope = 0
    this.#updatedAt = Number.NaN
  }

  #adapt(modified: number, arrival: number): void {
    const elapsed = Number.isNaN(this.#updatedAt) ? 0 : arrival - this.#updatedAt
    this.#updatedAt = arrival
    if (modified > this.threshold + MAX_ABOVE) return
    const rate = modified < this.threshold ? DOWN : UP
    const step = Math.min(Math.max(elapsed, 0), MAX_STEP)
    const threshold = this.threshold + rate * (modified - this.threshold) * step
    this.threshold = Math.min(Math.max(threshold, MIN_THRESHOLD), MAX_THRESHOLD)
  }
}
