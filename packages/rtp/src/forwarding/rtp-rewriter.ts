import { type Instant, serial16, serial32, type Ssrc, UsageError } from '@str0m/sans-io'
import { CLOSED, SourceWindow } from './source-window.ts'

// Source numbers on the left, outgoing ones on the right; a place is kept for what has not come yet:
//
//   A 100 101 102 | switch to B at its keyframe      B 7001 7002 (dropped: 7003) 7004
//   →  50  51  52 |                                 →    53   54                   55

/** How far back a late packet still finds its place: about a second of a 12 Mbit/s stream. A power of two. */
export const REWRITE_WINDOW: number = 1024
/** A packet this far ahead may be a restart of the source, RFC 3550 appendix A.1 (MAX_DROPOUT). */
const MAX_DROPOUT = 3000
/** Ticks after which a later timestamp may look like an earlier one: 6.6 hours at 90 kHz. */
const HALF_CYCLE = 0x8000_0000

/** What a rewriter reads of a packet: a `RtpHeader` has it. */
export interface RewrittenPacket {
  readonly ssrc: Ssrc
  /** 16 bits. */
  readonly sequenceNumber: number
  /** 32 bits. */
  readonly timestamp: number
}

export interface RtpRewriterOptions {
  /** Of the first packet that goes out: random, RFC 3550 section 5.1. */
  readonly sequenceNumber: number
  /** Of the first packet that goes out: random, RFC 3550 section 5.1. */
  readonly timestamp: number
  /** When `timestamp` is due: the first packet's is as much later as time has passed since. Default: with the first packet. */
  readonly timestampAt?: Instant | undefined
  /** Hertz. */
  readonly clockRate: number
}

/**
 * Makes one stream of the packets of several sources, one source after the other: sequence numbers and timestamps go on without a gap
 * where the source changes or packets are left out on purpose, and keep the gaps and the order of the source else.
 *
 * No sequence number is given out twice, since SRTP's keystream depends on it (RFC 3711 section 9.1): a packet that comes again is refused.
 */
export class RtpRewriter {
  readonly #clockRate: number
  #source: Ssrc | undefined
  /** Of each of the newest sequence numbers of the source: what is subtracted from it, until its packet was given out or dropped. */
  readonly #places = new SourceWindow(REWRITE_WINDOW)
  /** What is subtracted from the source's numbers that come next. */
  #offset = 0
  /** The number after one that lies far off: the packet that has it confirms a restart of the source. */
  #suspect = -1
  #timestampDelta = 0
  #newestTimestamp: number
  #newestTimestampAt: Instant | undefined
  #sequenceNumber = 0
  #timestamp = 0

  /** Throws a `UsageError` (`invalid-option`) where the clock rate is none. */
  constructor(options: RtpRewriterOptions) {
    if (!(options.clockRate > 0 && options.clockRate < Number.POSITIVE_INFINITY)) {
      throw new UsageError('invalid-option', `A clock rate is a number of hertz, not ${options.clockRate}`)
    }
    this.#clockRate = options.clockRate
    this.#places.join(options.sequenceNumber & 0xffff)
    this.#newestTimestamp = options.timestamp >>> 0
    this.#newestTimestampAt = options.timestampAt
  }

  /** The source that is forwarded; `undefined` before the first, and after it restarted: then it joins anew, at a keyframe. */
  get source(): Ssrc | undefined {
    return this.#source
  }

  /** What the last packet that was taken goes out with, and what is to fill the place of one for which `drop` answered true. */
  get sequenceNumber(): number {
    return this.#sequenceNumber
  }

  get timestamp(): number {
    return this.#timestamp
  }

  /** The newest timestamp that was given out, or the first one; and when that was, `undefined` where none was yet. */
  get newestTimestamp(): number {
    return this.#newestTimestamp
  }

  get newestTimestampAt(): Instant | undefined {
    return this.#newestTimestampAt
  }

  /** The sequence number that comes after all that were given out or kept. */
  get nextSequenceNumber(): number {
    return serial16.add(this.#places.newest - this.#offset, 1)
  }

  /** What a timestamp of the source goes out as: for its sender reports. */
  mapTimestamp(timestamp: number): number {
    return serial32.add(timestamp, this.#timestampDelta)
  }

  /**
   * Goes over to the source of `packet`, the first of a keyframe, and takes it. Its timestamp is as much later than the newest before it as time
   * has passed since; or `timestamp`, where the caller knows better (from the sources' sender reports), or the next one after the newest where that
   * is no later. What comes of the source before, or of the new one from before this packet, is refused from here on.
   */
  switchTo(now: Instant, packet: RewrittenPacket, timestamp?: number): void {
    this.#rebase(packet.sequenceNumber)
    this.#source = packet.ssrc
    this.#joinTimestamp(now, packet.timestamp, timestamp)
    this.take(now, packet)
  }

  /** Whether a packet goes out, with `sequenceNumber` and `timestamp`. False: of another source, too late, or a second time. */
  take(now: Instant, packet: RewrittenPacket): boolean {
    if (packet.ssrc !== this.#source) return false
    const sequence = this.#locate(packet.sequenceNumber)
    if (sequence < 0) return false
    if (sequence > this.#places.newest) this.#places.advance(sequence, this.#offset)
    return this.#takePlace(now, sequence, packet.timestamp)
  }

  /**
   * Leaves a packet out, so that those after it close up. True where it came after later ones have gone: then its place is open, and
   * an empty packet is to go out with `sequenceNumber` and `timestamp`, lest the receiver asks for it in vain.
   */
  drop(now: Instant, packet: RewrittenPacket): boolean {
    if (packet.ssrc !== this.#source) return false
    const sequence = this.#locate(packet.sequenceNumber)
    if (sequence < 0) return false
    if (sequence <= this.#places.newest) return this.#takePlace(now, sequence, packet.timestamp)
    this.#places.advance(sequence, this.#offset)
    this.#places.setNote(sequence, CLOSED)
    this.#offset = (this.#offset + 1) & 0xffff
    return false
  }

  /**
   * Where a packet lies to those before it: it is `newest`, or `late`, or `refused`, of another source or too far off. The second of two
   * in a row that are far off is taken as a restart of the source, which is then no longer forwarded; not of those that are `repeated`: sent again, or held since long ago.
   */
  locate(packet: RewrittenPacket, repeated = false): 'newest' | 'late' | 'refused' {
    if (packet.ssrc !== this.#source) return 'refused'
    const sequence = this.#locate(packet.sequenceNumber, repeated)
    return sequence < 0 ? 'refused' : sequence > this.#places.newest ? 'newest' : 'late'
  }

  /** The unwrapped number; -1 where it is too far from the others. */
  #locate(sequenceNumber: number, repeated = false): number {
    const { newest } = this.#places
    const sequence = serial16.unwrap(sequenceNumber, newest)
    if (sequence - newest < MAX_DROPOUT && this.#places.reaches(sequence)) {
      this.#suspect = -1
      return sequence
    }
    if (repeated) return -1
    // RFC 3550 appendix A.1
    if (sequenceNumber === this.#suspect) this.#source = undefined
    this.#suspect = serial16.add(sequenceNumber, 1)
    return -1
  }

  #takePlace(now: Instant, sequence: number, timestamp: number): boolean {
    const offset = this.#places.note(sequence)
    if (offset === CLOSED) return false
    this.#places.setNote(sequence, CLOSED)
    this.#sequenceNumber = (sequence - offset) & 0xffff
    this.#timestamp = this.mapTimestamp(timestamp)
    if (this.#isNewest(now)) {
      this.#newestTimestamp = this.#timestamp
      this.#newestTimestampAt = now
    }
    return true
  }

  /** Whether `#timestamp` is later than those before it; after a silence of hours, 32 bits do not tell. */
  #isNewest(now: Instant): boolean {
    if (this.#newestTimestampAt === undefined) return true
    const later = serial32.diff(this.#timestamp, this.#newestTimestamp)
    return later > 0 || (later < 0 && this.#ticksSince(now, this.#newestTimestampAt) >= HALF_CYCLE)
  }

  #ticksSince(now: Instant, at: Instant): number {
    return Math.round(((now - at) * this.#clockRate) / 1000)
  }

  /** The next packet is the one with `sequenceNumber`, and goes out with the next number. */
  #rebase(sequenceNumber: number): void {
    this.#offset = (sequenceNumber - this.nextSequenceNumber) & 0xffff
    this.#places.join(sequenceNumber)
    this.#suspect = -1
  }

  #joinTimestamp(now: Instant, timestamp: number, asked?: number): void {
    let joined = this.#newestTimestamp
    if (this.#newestTimestampAt !== undefined) {
      const passed = this.#ticksSince(now, this.#newestTimestampAt)
      const elapsed = asked === undefined ? passed : serial32.unwrap(asked - joined, passed)
      joined = serial32.add(joined, Math.max(1, elapsed))
    }
    this.#timestampDelta = serial32.diff(joined, timestamp)
  }
}
