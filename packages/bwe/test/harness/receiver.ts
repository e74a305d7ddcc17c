import { serial16, serial24 } from '@str0m/sans-io'
import type { Feedback } from '../../src/index.ts'

/** Packets in one feedback, as browsers bound it by the datagram. */
const MAX_PACKETS = 400

/** Writes feedback as a browser does: on all from the first that was not told of, to the newest that came. */
export class Receiver {
  readonly #arrivals = new Map<number, number>()
  readonly #clock: number
  #base = -1
  #highest = -1

  /** `clock`: ms that its clock is ahead. */
  constructor(clock: number) {
    this.#clock = clock
  }

  handle(now: number, sequenceNumber: number): void {
    if (this.#highest < 0) this.#base = this.#highest = sequenceNumber + 0x1_0000
    const sequence = serial16.unwrap(sequenceNumber, this.#highest)
    if (this.#arrivals.has(sequence)) return
    this.#arrivals.set(sequence, now + this.#clock)
    this.#base = Math.min(this.#base, sequence)
    this.#highest = Math.max(this.#highest, sequence)
  }

  take(): Feedback[] {
    const feedbacks: Feedback[] = []
    while (this.#base <= this.#highest && this.#highest >= 0) {
      const end = Math.min(this.#highest + 1, this.#base + MAX_PACKETS)
      feedbacks.push(this.#feedback(this.#base, end))
      this.#base = end
    }
    for (const sequence of this.#arrivals.keys()) {
      if (sequence < this.#highest - 1000) this.#arrivals.delete(sequence)
    }
    return feedbacks
  }

  #feedback(base: number, end: number): Feedback {
    const deltas: (number | undefined)[] = []
    let reference: number | undefined
    let ticks = 0
    for (let sequence = base; sequence < end; sequence++) {
      const arrival = this.#arrivals.get(sequence)
      if (arrival === undefined) {
        deltas.push(undefined)
        continue
      }
      if (reference === undefined) {
        reference = Math.floor(arrival / 64)
        ticks = reference * 256
      }
      const at = Math.round(arrival * 4)
      deltas.push(at - ticks)
      ticks = at
    }
    return {
      baseSequence: base & 0xffff,
      referenceTime: serial24.diff((reference ?? 0) & 0xff_ffff, 0),
      deltas,
    }
  }
}
