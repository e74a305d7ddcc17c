import type { Instant, Ssrc } from '@str0m/sans-io'
import type { MediaTime } from '@str0m/rtc'

/** Milliseconds that a sender's clock may run away from the time of arrival before it counts as set anew. */
const MAX_DEVIATION = 10_000
/** Milliseconds by which sender reports may put a track elsewhere than its arrival does: what says more is no clock to go by. */
const MAX_SKEW = 5000
/** Seconds: the step that every container can tell. */
const MIN_STEP = 0.001

/** What a clock looks at of a frame. */
export interface TimedFrame {
  readonly ssrc: Ssrc
  readonly time: MediaTime
  readonly receivedAt: Instant
  /** On the sender's wall clock, ms. */
  readonly captureTime: number | undefined
}

/**
 * Maps the time of a track to that of the file. Steps are those of the RTP timestamps, so that a loss leaves a gap of its own length. Where the timestamps start is
 * found by the time of arrival: of the frames seen until the file starts, the one that came quickest tells. Where the sender's wall clock is known,
 * a second track is put in step with the first by it instead.
 */
export class TrackClock {
  /** Arrival less media time, ms. */
  #transit = Infinity
  /** The sender's wall clock less media time, ms. */
  #capture: number | undefined
  /** Arrival less the sender's wall clock, ms, as another track has it. */
  #delay: number | undefined
  #ssrc: Ssrc | undefined
  #last = -Infinity

  /** Seconds of the frame that was placed last. */
  get last(): number {
    return this.#last
  }

  /** Whether the sender's wall clock is known. */
  get hasCaptureTime(): boolean {
    return this.#capture !== undefined
  }

  /** Takes a frame's arrival into account, before the file starts. */
  observe(frame: TimedFrame): void {
    if (frame.ssrc !== this.#ssrc) {
      this.#transit = Infinity
      this.#capture = undefined
    }
    this.#ssrc = frame.ssrc
    this.#transit = Math.min(this.#transit, frame.receivedAt - milliseconds(frame.time))
    if (frame.captureTime !== undefined) this.#capture = frame.captureTime - milliseconds(frame.time)
  }

  /**
   * Puts the track in step with one that was observed: by the sender's wall clock, where it is known of both. Where it is not known of this one yet, by the
   * arrivals, but a source that comes later is put in step.
   */
  follow(other: TrackClock): void {
    if (other.#capture === undefined) return
    this.#delay = other.#transit - other.#capture
    if (this.#capture === undefined) return
    const transit = this.#capture + this.#delay
    if (Math.abs(transit - this.#transit) <= MAX_SKEW) this.#transit = transit
  }

  /** When a frame would have come by the quickest way, on the clock of the arrivals. */
  arrival(frame: TimedFrame): Instant {
    const arrival = milliseconds(frame.time) + this.#transit
    if (frame.ssrc === this.#ssrc && Math.abs(arrival - frame.receivedAt) <= MAX_DEVIATION) return arrival
    // another source, or a clock that jumped: it starts anew, where the sender's clock says so or where it arrives
    const { captureTime, receivedAt } = frame
    const said = captureTime === undefined || this.#delay === undefined ? NaN : captureTime + this.#delay
    const start = Math.abs(said - receivedAt) <= MAX_SKEW ? said : receivedAt
    this.#ssrc = frame.ssrc
    this.#transit = start - milliseconds(frame.time)
    return start
  }

  /** Seconds in a file that has started at `start`; later than the frame before. Negative: it belongs before the start. */
  place(frame: TimedFrame, start: Instant): number {
    const time = Math.max((this.arrival(frame) - start) / 1000, this.#last + MIN_STEP)
    // what is as old as the start is not before it, whatever the rounding
    if (time <= -MIN_STEP) return time
    this.#last = Math.max(0, time)
    return this.#last
  }

  /** Counts something that was put in by ourselves. */
  advance(time: number): void {
    this.#last = Math.max(this.#last, time)
  }
}

function milliseconds({ value, clockRate }: MediaTime): number {
  return (value / clockRate) * 1000
}
