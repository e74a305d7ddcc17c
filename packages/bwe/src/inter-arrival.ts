import type { Instant } from '@str0m/sans-io'

/** Packets sent within so many ms of a group's first are part of it: the pacer's lumps (draft-ietf-rmcat-gcc-02 section 5.2). */
const GROUP_LENGTH = 5
/** Packets that come within so many ms of the one before, with less delay than it, left a queue together: one group. */
const BURST_GAP = 5
/** A burst is not longer than so many ms. */
const MAX_BURST = 100
/** Arrivals further apart than the feedback on them by so many ms: the receiver's clock has jumped. */
const CLOCK_JUMP = 3000
/** So many groups one after the other that came before the one before: its clock was set back. */
const MAX_BACKWARD_GROUPS = 3

/**
 * Puts packets into groups that were sent together, and tells for each two groups how much further apart they came than they were sent
 * (draft-ietf-rmcat-gcc-02 sections 5.1 and 5.2).
 */
export class InterArrival {
  /** Between the last two groups, ms: set where `add` answers true. */
  sendDelta = 0
  arrivalDelta = 0

  // the group that is being filled
  #firstSentAt = Number.NaN
  #sentAt = 0
  #firstArrival = 0
  #lastArrival = 0
  #toldAt = 0
  // the one before
  #previousSentAt = Number.NaN
  #previousArrival = 0
  #previousToldAt = 0
  #backwardGroups = 0

  /** A packet came, told of at `now`. Answers whether that completed a group after another one. */
  add(now: Instant, sentAt: Instant, arrival: number): boolean {
    if (Number.isNaN(this.#firstSentAt)) {
      this.#start(sentAt, arrival)
    } else if (sentAt < this.#firstSentAt) {
      // overtaken by the whole group
      return false
    } else if (this.#isNewGroup(sentAt, arrival)) {
      const complete = this.#complete()
      this.#start(sentAt, arrival)
      this.#toldAt = now
      return complete
    } else {
      this.#sentAt = Math.max(this.#sentAt, sentAt)
      this.#lastArrival = arrival
    }
    this.#toldAt = now
    return false
  }

  reset(): void {
    this.#firstSentAt = Number.NaN
    this.#previousSentAt = Number.NaN
    this.#backwardGroups = 0
  }

  #start(sentAt: Instant, arrival: number): void {
    this.#firstSentAt = this.#sentAt = sentAt
    this.#firstArrival = this.#lastArrival = arrival
  }

  #isNewGroup(sentAt: Instant, arrival: number): boolean {
    const arrivalDelta = arrival - this.#lastArrival
    const sendDelta = sentAt - this.#sentAt
    const burst =
      sendDelta === 0 ||
      (arrivalDelta - sendDelta < 0 && arrivalDelta <= BURST_GAP && arrival - this.#firstArrival < MAX_BURST)
    return !burst && sentAt - this.#firstSentAt > GROUP_LENGTH
  }

  /** Ends the group. Answers whether it can be compared to the one before. */
  #complete(): boolean {
    let comparable = false
    if (!Number.isNaN(this.#previousSentAt)) {
      this.sendDelta = this.#sentAt - this.#previousSentAt
      this.arrivalDelta = this.#lastArrival - this.#previousArrival
      if (this.arrivalDelta - (this.#toldAt - this.#previousToldAt) >= CLOCK_JUMP) {
        this.reset()
        return false
      }
      if (this.arrivalDelta < 0) {
        if (++this.#backwardGroups >= MAX_BACKWARD_GROUPS) this.reset()
        return false
      }
      this.#backwardGroups = 0
      comparable = true
    }
    this.#previousSentAt = this.#sentAt
    this.#previousArrival = this.#lastArrival
    this.#previousToldAt = this.#toldAt
    return comparable
  }
}
