import type { Instant, Ssrc } from '@str0m/sans-io'
import type { MediaTime } from '@str0m/rtc'

/** Milliseconds that a sender's clock may run away from the time of arrival before it counts as set anew. */
const MAX_DEVIATION = 10_000
/** Seconds: the step that every container can tell. */
const MIN_STEP = 0.001

/** What a clock looks at of a frame. */
export interface TimedFrame {
  readonly ssrc: Ssrc
  readonly time: MediaTime
  readonly receivedAt: Instant
}

/**
 * Maps the time of a track to that of the file. Steps are those of the RTP timestamps, so that a loss leaves a gap of its own length. Where the timestamps start is
 * found by the time of arrival: of the frames seen until the file starts, the one that came quickest tells.
 */
export class TrackClock {
  /** Arrival less media time, ms. */
  #transit = Infinity
  #ssrc: Ssrc | undefined
  #last = -Infinity

  /** Seconds of the frame that was placed last. */
  get last(): number {
    return this.#last
  }

  /** Takes a frame's arrival into account, before the file starts. */
  observe(frame: TimedFrame): void {
    if (frame.ssrc !== this.#ssrc) this.#transit = Infinity
    this.#ssrc = frame.ssrc
    this.#transit = Math.min(this.#transit, frame.receivedAt - milliseconds(frame.time))
  }

  /** When a frame would have come by the quickest way, on the clock of the arrivals. */
  arrival(frame: TimedFrame): Instant {
    const arrival = milliseconds(frame.time) + this.#transit
    // another source, or a clock that jumped: it starts anew where it arrives
    if (frame.ssrc === this.#ssrc && Math.abs(arrival - frame.receivedAt) <= MAX_DEVIATION) return arrival
    this.#ssrc = frame.ssrc
    this.#transit = frame.receivedAt - milliseconds(frame.time)
    return frame.receivedAt
  }

  /** Seconds in a file that has started at `start`; later than the frame before. Negative: it belongs before the start. */
  place(frame: TimedFrame, start: Instant): number {
    const time = Math.max((this.arrival(frame) - start) / 1000, this.#last + MIN_STEP)
    if (time >= 0) this.#last = time
    return time
  }

  /** Counts something that was put in by ourselves. */
  advance(time: number): void {
    this.#last = Math.max(this.#last, time)
  }
}

function milliseconds({ value, clockRate }: MediaTime): number {
  return (value / clockRate) * 1000
}
