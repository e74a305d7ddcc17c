import { type Instant, NEVER, serial16, type Ssrc } from '@str0m/sans-io'
import type { TransportFeedback } from './rtcp/rtcp.ts'

/** Milliseconds that packets are gathered for: a sender's estimate wants several reports in a round trip. */
const FEEDBACK_INTERVAL = 75
/** Packets in one report, at most. */
const MAX_PACKETS_PER_REPORT = 400
/** Bytes of a report on nothing, with what fills it up to whole words; and of a packet at most: its time, and two of the 14 bits of a chunk's two bytes. */
const EMPTY_LENGTH = 28
const PACKET_LENGTH = 2 + 2 / 7
/** Sequence numbers back from the newest that are still reported on. */
const MAX_SPAN = 4000
/** What was reported is remembered this long, ms: a late packet makes what lies after it be told again. */
const REMEMBERED = 500
/** Ticks of 250 µs in a millisecond, and in the 64 ms of the reference time. */
const TICKS_PER_MS = 4
const TICKS_PER_REFERENCE = 256

/**
 * Tells the sender when each of its packets came, of all its streams together: the receiver's part of transport-wide congestion control
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01).
 */
export class TransportFeedbackGenerator {
  /** When each packet came, by unwrapped sequence number, in the order of their coming. */
  readonly #arrivals = new Map<number, Instant>()
  /** The first that is to be reported on next; -1 before the first packet. */
  #base = -1
  #highest = -1
  #feedbackCount = 0
  #mediaSsrc: Ssrc = 0
  #deadline: Instant = NEVER

  /** When `take` is next due; `Infinity` while nothing comes in. */
  get deadline(): Instant {
    return this.#deadline
  }

  /** A packet came, of the stream `ssrc`, with this transport-wide sequence number. */
  handlePacket(now: Instant, ssrc: Ssrc, sequenceNumber: number): void {
    if (this.#highest < 0) this.#base = this.#highest = sequenceNumber + 0x1_0000
    const sequence = serial16.unwrap(sequenceNumber, this.#highest)
    if (sequence <= this.#highest - MAX_SPAN || this.#arrivals.has(sequence)) return
    this.#arrivals.set(sequence, now)
    this.#mediaSsrc = ssrc
    this.#base = Math.min(this.#base, sequence)
    if (sequence > this.#highest) {
      this.#highest = sequence
      this.#base = Math.max(this.#base, sequence - MAX_SPAN + 1)
    }
    if (this.#deadline === NEVER) this.#deadline = now + FEEDBACK_INTERVAL
  }

  /** The reports on what came since the last ones, of at most `maxBytes` each, 32 or more. Default: no bound. */
  take(now: Instant, senderSsrc: Ssrc, maxBytes: number = Number.POSITIVE_INFINITY): TransportFeedback[] {
    const fitting = Math.max(1, Math.floor((maxBytes - EMPTY_LENGTH) / PACKET_LENGTH))
    const most = Math.min(MAX_PACKETS_PER_REPORT, fitting)
    const reports: TransportFeedback[] = []
    this.#deadline = NEVER
    let at = this.#base
    while (at >= 0 && at <= this.#highest) {
      const report = this.#report(at, most, senderSsrc)
      if (report === undefined) break
      reports.push(report)
      at += report.deltas.length
    }
    this.#base = this.#highest + 1
    for (const [sequence, arrival] of this.#arrivals) {
      if (arrival > now - REMEMBERED) break
      this.#arrivals.delete(sequence)
    }
    return reports
  }

  /** One report from `base` on: up to the newest, or as far as its bounds go. */
  #report(base: number, most: number, senderSsrc: Ssrc): TransportFeedback | undefined {
    const end = Math.min(this.#highest + 1, base + most)
    let first = base
    while (first < end && !this.#arrivals.has(first)) first++
    if (first > this.#highest) return undefined
    const deltas: (number | undefined)[] = []
    // where there are losses alone, the next report starts with what came. A sender follows the time of each
    const referenceArrival = this.#arrivals.get(first) ?? this.#arrivals.get(this.#highest) ?? 0
    const referenceTime = Math.floor((referenceArrival * TICKS_PER_MS) / TICKS_PER_REFERENCE)
    let ticks = referenceTime * TICKS_PER_REFERENCE
    for (let sequence = base; sequence < end; sequence++) {
      const arrival = this.#arrivals.get(sequence)
      if (arrival === undefined) {
        deltas.push(undefined)
        continue
      }
      const arrivedAt = Math.round(arrival * TICKS_PER_MS)
      const delta = arrivedAt - ticks
      if (delta < -0x8000 || delta > 0x7fff) break
      deltas.push(delta)
      ticks = arrivedAt
    }
    return this.#feedback(base, referenceTime, deltas, senderSsrc)
  }

  #feedback(
    base: number,
    referenceTime: number,
    deltas: readonly (number | undefined)[],
    senderSsrc: Ssrc,
  ): TransportFeedback {
    const feedbackCount = this.#feedbackCount
    this.#feedbackCount = (feedbackCount + 1) & 0xff
    return {
      type: 'transportFeedback',
      senderSsrc,
      mediaSsrc: this.#mediaSsrc,
      baseSequence: base & 0xffff,
      referenceTime: (referenceTime << 8) >> 8,
      feedbackCount,
      deltas,
    }
  }
}
