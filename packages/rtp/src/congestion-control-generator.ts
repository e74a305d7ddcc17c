import { type Instant, NEVER, serial16, type Ssrc } from '@str0m/sans-io'
import {
  ARRIVAL_OVER_RANGE,
  ARRIVAL_UNAVAILABLE,
  EMPTY_FEEDBACK_LENGTH,
  STREAM_LENGTH,
} from './rtcp/congestion-control-feedback.ts'
import type { CongestionControlFeedback, StreamArrivals } from './rtcp/rtcp.ts'

/** ms between two reports, at least and at most: what RFC 8888 section 4 says algorithms do with. */
const MIN_INTERVAL = 50
const MAX_INTERVAL = 200
/** Between these, reports take this part of what comes in (RFC 3550 section 6.2). */
const SHARE = 0.05
/** Bytes that carrying a report adds to it: the headers of IP, UDP and SRTCP. */
const CARRIAGE = 42
/** Streams that are reported on at once: more are not told of before others have fallen silent. */
export const MAX_REPORTED_STREAMS = 1024
/** ms after which a stream that fell silent is forgotten. */
const SILENCE = 10_000
/** Packets of a stream that there is room for at first, and back from its newest at most. Powers of two. */
const INITIAL_SPAN = 64
const MAX_SPAN = 1024
/** Reports that go out together at most; what does not fit in them waits for the next ones. */
const MAX_REPORTS = 8
/** Units of the arrival offset in a millisecond. */
const OFFSETS_PER_MS = 1.024

/** When the last packets of one stream came: a ring, in which a packet's place follows from its sequence number. */
class StreamLog {
  readonly ssrc: Ssrc
  #arrivals = emptyRing(INITIAL_SPAN)
  /** Unwrapped: the first that is to be reported next, and the newest. */
  base = 0
  highest = 0
  /** Whether there is something to be reported. */
  pending = false
  heardAt: Instant = Number.NEGATIVE_INFINITY
  /** What a packet far behind makes the next number of a sender that has started anew; -1: there was none. */
  #restart = -1

  constructor(ssrc: Ssrc, sequenceNumber: number) {
    this.ssrc = ssrc
    this.#start(sequenceNumber)
  }

  /** Answers whether the packet is to be told of. */
  add(now: Instant, sequenceNumber: number): boolean {
    this.heardAt = now
    const sequence = serial16.unwrap(sequenceNumber, this.highest)
    if (sequence <= this.highest - this.#arrivals.length && !this.#isRestart(sequence, sequenceNumber))
      return false
    if (sequence > this.highest) this.#advance(sequence)
    const place = this.#place(sequence)
    // RFC 8888 section 3.1: of several copies the first counts
    if (!Number.isNaN(this.#arrivals[place]!)) return false
    this.#arrivals[place] = now
    if (sequence < this.base) this.base = sequence
    return true
  }

  /** When the packet came; NaN where it did not. */
  arrival(sequence: number): Instant {
    return this.#arrivals[this.#place(sequence)]!
  }

  #place(sequence: number): number {
    return sequence & (this.#arrivals.length - 1)
  }

  #start(sequenceNumber: number): void {
    // one turn up, so that what lies before it is not negative
    this.base = this.highest = sequenceNumber + 0x1_0000
    this.#restart = -1
  }

  /** RFC 3550 appendix A.1: two packets in a row, far behind, are of a sender that has started anew. Its second is then the first. */
  #isRestart(sequence: number, sequenceNumber: number): boolean {
    if (sequence > this.highest - MAX_SPAN) return false
    if (this.#restart !== sequenceNumber) {
      this.#restart = serial16.add(sequenceNumber, 1)
      return false
    }
    this.#arrivals.fill(Number.NaN)
    this.#start(sequenceNumber)
    return true
  }

  #advance(sequence: number): void {
    while (sequence - this.base >= this.#arrivals.length && this.#arrivals.length < MAX_SPAN) this.#grow()
    const { length } = this.#arrivals
    const first = Math.max(this.highest + 1, sequence - length + 1)
    for (let missing = first; missing <= sequence; missing++)
      this.#arrivals[this.#place(missing)] = Number.NaN
    this.highest = sequence
    this.base = Math.max(this.base, sequence - length + 1)
  }

  #grow(): void {
    const before = this.#arrivals
    const { length } = before
    this.#arrivals = emptyRing(2 * length)
    for (let sequence = this.highest - length + 1; sequence <= this.highest; sequence++) {
      this.#arrivals[this.#place(sequence)] = before[sequence & (length - 1)]!
    }
  }
}

function emptyRing(length: number): Float64Array {
  return new Float64Array(length).fill(Number.NaN)
}

/** A report that is being filled. */
interface Draft {
  readonly streams: StreamArrivals[]
  /** Bytes that are left. */
  room: number
}

/**
 * Tells the sender when each of its packets came, stream by stream: the receiver's part of RFC 8888. Whether a packet came with an ECN mark is not known here, so that none
 * is reported.
 */
export class CongestionControlFeedbackGenerator {
  readonly #logs = new Map<Ssrc, StreamLog>()
  #latest: StreamLog | undefined
  /** Those with something to be reported, in the order in which it came. */
  #pending: StreamLog[] = []
  #deadline: Instant = NEVER
  #takenAt: Instant = Number.NEGATIVE_INFINITY
  #interval = MIN_INTERVAL
  /** Bytes that came since the last reports. */
  #received = 0
  #sweptAt: Instant = Number.NEGATIVE_INFINITY

  /** When `take` is next due; `Infinity` while nothing comes in. */
  get deadline(): Instant {
    return this.#deadline
  }

  /** Streams that are known. */
  get streams(): number {
    return this.#logs.size
  }

  /** A packet of the stream `ssrc` came, of `size` bytes. */
  handlePacket(now: Instant, ssrc: Ssrc, sequenceNumber: number, size: number): void {
    const log = this.#log(ssrc, sequenceNumber)
    if (log?.add(now, sequenceNumber) !== true) return
    this.#received += size
    if (!log.pending) {
      log.pending = true
      this.#pending.push(log)
    }
    if (this.#deadline === NEVER) {
      this.#deadline = Math.max(now + MIN_INTERVAL, this.#takenAt + this.#interval)
    }
  }

  /** Nothing that came so far is reported any more. */
  reset(): void {
    this.#logs.clear()
    this.#latest = undefined
    this.#pending = []
    this.#deadline = NEVER
    this.#received = 0
  }

  /**
   * The reports on what came since the last ones, of at most `maxBytes` each, 32 or more. `reportTimestamp`: the middle 32 bits of the NTP time that `now` is on the clock of our
   * sender reports.
   */
  take(
    now: Instant,
    senderSsrc: Ssrc,
    reportTimestamp: number,
    maxBytes: number,
  ): CongestionControlFeedback[] {
    const drafts: Draft[] = []
    let done = 0
    while (done < this.#pending.length) {
      const log = this.#pending[done]!
      let draft = drafts.at(-1)
      if (draft === undefined || packetsIn(draft.room) === 0) {
        if (drafts.length === MAX_REPORTS) break
        draft = { streams: [], room: maxBytes - EMPTY_FEEDBACK_LENGTH }
        drafts.push(draft)
      }
      report(now, log, draft)
      if (log.base <= log.highest) continue
      log.pending = false
      done++
    }
    this.#pending.splice(0, done)
    this.#schedule(now, drafts, maxBytes)
    this.#sweep(now)
    return drafts.map(({ streams }) => ({
      type: 'congestionControlFeedback',
      senderSsrc,
      reportTimestamp,
      streams,
    }))
  }

  #log(ssrc: Ssrc, sequenceNumber: number): StreamLog | undefined {
    if (this.#latest?.ssrc === ssrc) return this.#latest
    let log = this.#logs.get(ssrc)
    if (log === undefined) {
      if (this.#logs.size >= MAX_REPORTED_STREAMS) return undefined
      log = new StreamLog(ssrc, sequenceNumber)
      this.#logs.set(ssrc, log)
    }
    this.#latest = log
    return log
  }

  /** The more of it there is for what came, the longer until the next. */
  #schedule(now: Instant, drafts: readonly Draft[], maxBytes: number): void {
    const elapsed = Math.min(now - this.#takenAt, MAX_INTERVAL)
    let bytes = 0
    for (const { room } of drafts) bytes += maxBytes - room + CARRIAGE
    const interval = this.#received === 0 ? MIN_INTERVAL : (elapsed * bytes) / (SHARE * this.#received)
    this.#interval = Math.min(Math.max(interval, MIN_INTERVAL), MAX_INTERVAL)
    this.#takenAt = now
    this.#received = 0
    this.#deadline = this.#pending.length === 0 ? NEVER : now + this.#interval
  }

  #sweep(now: Instant): void {
    if (now - this.#sweptAt < SILENCE) return
    this.#sweptAt = now
    for (const [ssrc, { heardAt, pending }] of this.#logs) {
      if (now - heardAt > SILENCE && !pending) this.#logs.delete(ssrc)
    }
    this.#latest = undefined
  }
}

/** How many packets of one more stream have room, an even number: they are filled up to whole words. */
function packetsIn(room: number): number {
  return Math.max(0, 2 * Math.floor((room - STREAM_LENGTH) / 4))
}

/** Puts what there is room for of a stream into a report. */
function report(now: Instant, log: StreamLog, draft: Draft): void {
  const end = Math.min(log.highest + 1, log.base + packetsIn(draft.room))
  const beginSequence = log.base & 0xffff
  const arrivalOffsets: (number | undefined)[] = []
  for (let sequence = log.base; sequence < end; sequence++) {
    const arrival = log.arrival(sequence)
    arrivalOffsets.push(Number.isNaN(arrival) ? undefined : offsetOf(now - arrival))
  }
  draft.streams.push({ ssrc: log.ssrc, beginSequence, arrivalOffsets })
  draft.room -= STREAM_LENGTH + 4 * Math.ceil(arrivalOffsets.length / 2)
  log.base = end
}

function offsetOf(age: number): number {
  if (age < 0) return ARRIVAL_UNAVAILABLE
  return Math.min(Math.round(age * OFFSETS_PER_MS), ARRIVAL_OVER_RANGE)
}
