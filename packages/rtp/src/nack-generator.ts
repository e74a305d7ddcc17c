import { type Instant, NEVER, serial16 } from '@str0m/sans-io'
import { MAX_MISORDER_OF_REPEATED } from './reception-statistics.ts'

/** Packets that are missed at once, a tenth of the largest frame and more; beyond it is no loss but an outage, and a keyframe is the answer to it. */
export const MAX_MISSING_PACKETS: number = 1024
/** A packet that far ahead is no loss but may be a restart of the sender, RFC 3550 appendix A.1; so may one that is too far behind to be sent again. */
const MAX_DROPOUT = 3000
/** How close the packet after such a jump has to be, to confirm it. */
const CONFIRMING_DISTANCE = 100
/** How far before the first packet to come one may lie that it has overtaken, and how much later, ms, that one may come. */
const MAX_OVERTAKEN = 100
const OVERTAKING_TIME = 100
/** Packets that are asked for where a stream starts in the middle of a frame: as many as one entry of a request names (RFC 4585 section 6.2.1). */
const MAX_BEGINNING = 17
const SEQUENCE_CYCLE = 0x1_0000
/** How often one packet is asked for: at a round trip of 40 ms, all through the second for which a frame is waited for. */
const MAX_TRIES = 20
/** What comes this late is only out of order, ms. */
const REORDER_TOLERANCE = 10
/** What was asked for and is waited for no longer is still known when it comes, for so many ms: it was sent again. */
const LINGER = 2000
/** The least between two requests for one packet, ms; else it is the round-trip time, and what an answer may be late by. */
const MIN_INTERVAL = 20

interface Missing {
  tries: number
  /** When it is asked for next. */
  at: Instant
}

/** Knows which packets of a stream are missing, and when to ask for them (RFC 4585 section 6.2.1). */
export class NackGenerator {
  readonly #missing = new Map<number, Missing>()
  #highest = -1
  /** The first packet to come, or one sent before it that came soon after. */
  #lowest = -1
  #startedAt: Instant = 0
  /** A packet after a jump, which another one is to confirm; -1: there is none. */
  #suspect = -1
  #deadline: Instant = NEVER
  /** Milliseconds: what passes before an answer can have come. */
  roundTripTime = 100

  /** When `take` is next worth a call. */
  get deadline(): Instant {
    return this.#deadline
  }

  /** Packets that are asked for. */
  get missing(): number {
    return this.#missing.size
  }

  /** A packet came. False where so many are missing, or the sender began anew, that it started over: a keyframe is needed. */
  handlePacket(now: Instant, sequenceNumber: number): boolean {
    if (this.#highest < 0) {
      this.#startAt(now, sequenceNumber + SEQUENCE_CYCLE)
      return true
    }
    const sequence = serial16.unwrap(sequenceNumber, this.#highest)
    if (this.#isFarOff(sequence)) return this.#handleJump(now, sequenceNumber)
    this.#suspect = -1
    return this.#handleNear(now, sequence)
  }

  /** A packet came that was sent again: of a restart it tells nothing. */
  handleRetransmission(now: Instant, sequenceNumber: number): void {
    if (this.#highest < 0) return
    const sequence = serial16.unwrap(sequenceNumber, this.#highest)
    if (!this.#isFarOff(sequence)) this.#handleNear(now, sequence)
  }

  #isFarOff(sequence: number): boolean {
    const ahead = sequence - this.#highest
    return (ahead >= MAX_DROPOUT || ahead <= -MAX_MISORDER_OF_REPEATED) && !this.#missing.has(sequence)
  }

  #handleJump(now: Instant, sequenceNumber: number): boolean {
    const distance = this.#suspect < 0 ? 0 : serial16.diff(sequenceNumber, this.#suspect)
    if (distance <= 0 || distance > CONFIRMING_DISTANCE) {
      this.#suspect = sequenceNumber
      return true
    }
    this.#startOver()
    this.#startAt(now, this.#suspect + SEQUENCE_CYCLE)
    this.#suspect = -1
    this.#handleNear(now, this.#highest + distance)
    return false
  }

  #startAt(now: Instant, sequence: number): void {
    this.#highest = this.#lowest = sequence
    this.#startedAt = now
  }

  #startOver(): void {
    this.#missing.clear()
    this.#deadline = NEVER
  }

  #handleNear(now: Instant, sequence: number): boolean {
    if (sequence <= this.#highest) {
      if (sequence < this.#lowest) this.#handleOvertaken(now, sequence)
      this.#missing.delete(sequence)
      if (this.#missing.size === 0) this.#deadline = NEVER
      return true
    }
    const gap = sequence - this.#highest - 1
    const first = this.#highest + 1
    this.#highest = sequence
    if (gap === 0) return true
    if (this.#missing.size + gap > MAX_MISSING_PACKETS) {
      this.#startOver()
      return false
    }
    const at = now + REORDER_TOLERANCE
    for (let missing = first; missing < sequence; missing++) this.#missing.set(missing, { tries: 0, at })
    this.#deadline = Math.min(this.#deadline, at)
    return true
  }

  /** The stream starts earlier than it seemed to: what was sent between is missing too, and the first to be asked for. */
  #handleOvertaken(now: Instant, sequence: number): void {
    const before = this.#lowest
    if (before - sequence > MAX_OVERTAKEN || now - this.#startedAt > OVERTAKING_TIME) return
    this.#lowest = sequence
    if (before - sequence > 1) this.#missFirst(now, sequence + 1, before)
  }

  /**
   * The packet of this number continues a frame: where it is the first of the stream, what was sent just before it is missing. How much that is the sender knows, who does not
   * send what there never was.
   */
  missBefore(now: Instant, sequenceNumber: number): void {
    const before = this.#lowest
    if (sequenceNumber !== (before & 0xffff)) return
    this.#lowest = before - MAX_BEGINNING
    this.#missFirst(now, this.#lowest, before)
  }

  /** What lies from `from` up to `to` is missing, which is all before what is already. */
  #missFirst(now: Instant, from: number, to: number): void {
    const later = [...this.#missing]
    this.#missing.clear()
    const at = now + REORDER_TOLERANCE
    for (let missing = from; missing < to; missing++) this.#missing.set(missing, { tries: 0, at })
    for (const [missing, state] of later) this.#missing.set(missing, state)
    this.#deadline = Math.min(this.#deadline, at)
  }

  /** Whether a packet is missing and was asked for. */
  isRequested(sequenceNumber: number): boolean {
    if (this.#missing.size === 0) return false
    const missing = this.#missing.get(serial16.unwrap(sequenceNumber, this.#highest))
    return missing !== undefined && missing.tries > 0
  }

  /** Nothing before this packet is waited for any longer: it is not asked for again. */
  giveUpBefore(now: Instant, sequenceNumber: number): void {
    const end = serial16.unwrap(sequenceNumber, this.#highest)
    for (const [sequence, missing] of this.#missing) {
      if (sequence >= end) break
      if (missing.tries === 0) this.#missing.delete(sequence)
      else if (missing.tries < MAX_TRIES) {
        missing.tries = MAX_TRIES
        missing.at = now + LINGER
      }
    }
    if (this.#missing.size === 0) this.#deadline = NEVER
  }

  /** The sequence numbers to ask for now, ascending. */
  take(now: Instant): number[] {
    if (now < this.#deadline) return []
    const due: number[] = []
    this.#deadline = NEVER
    for (const [sequence, missing] of this.#missing) {
      if (missing.at <= now) {
        if (missing.tries === MAX_TRIES) {
          this.#missing.delete(sequence)
          continue
        }
        due.push(sequence & 0xffff)
        missing.tries++
        missing.at = now + Math.max(MIN_INTERVAL, this.roundTripTime + REORDER_TOLERANCE)
      }
      this.#deadline = Math.min(this.#deadline, missing.at)
    }
    return due
  }
}
