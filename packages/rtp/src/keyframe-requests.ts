import { type Instant, type Ssrc, UsageError } from '@str0m/sans-io'
import type { FullIntraRequest, PictureLossIndication } from './rtcp/rtcp.ts'

/** Those that ask for keyframes of one stream by full intra requests: in a conference they come through one server. */
export const MAX_FIR_SOURCES: number = 64

function checkInterval(interval: number): number {
  if (interval >= 0 && interval < Number.POSITIVE_INFINITY) return interval
  throw new UsageError('invalid-option', `An interval is a number of milliseconds, not ${interval}`)
}

/** Asks for keyframes of one received stream: at most one request in an interval, by PLI (RFC 4585 section 6.3.1) or FIR (RFC 5104 section 4.3.1). */
export class KeyframeRequester {
  readonly #interval: number
  #allowedAt: Instant = Number.NEGATIVE_INFINITY
  #firSequence = 0
  #pliCount = 0
  #firCount = 0

  /** `interval` is in milliseconds, 500 by default. Throws a `UsageError` (`invalid-option`) where it is none. */
  constructor(interval = 500) {
    this.#interval = checkInterval(interval)
  }

  /** Requests that were made. */
  get pliCount(): number {
    return this.#pliCount
  }

  get firCount(): number {
    return this.#firCount
  }

  /** When `take` next answers a request. */
  get allowedAt(): Instant {
    return this.#allowedAt
  }

  /**
   * A request to be sent now; `undefined` where the last one was less than the interval ago. `senderSsrc` is ours, `mediaSsrc` the stream's. Each
   * FIR is a new command with a new sequence number (RFC 5104 section 4.3.1.2), for the answer to the one before may have been lost.
   */
  take(
    now: Instant,
    kind: 'pli' | 'fir',
    senderSsrc: Ssrc,
    mediaSsrc: Ssrc,
  ): PictureLossIndication | FullIntraRequest | undefined {
    if (now < this.#allowedAt) return undefined
    this.#allowedAt = now + this.#interval
    if (kind === 'pli') {
      this.#pliCount++
      return { type: 'pli', senderSsrc, mediaSsrc }
    }
    this.#firCount++
    const sequenceNumber = this.#firSequence
    this.#firSequence = (sequenceNumber + 1) & 0xff
    return { type: 'fir', senderSsrc, entries: [{ ssrc: mediaSsrc, sequenceNumber }] }
  }
}

/** Takes the requests for keyframes of one sent stream: says which are new, and at most one in an interval. `StreamTx` counts them. */
export class KeyframeResponder {
  readonly #interval: number
  #allowedAt: Instant = Number.NEGATIVE_INFINITY
  /** The last sequence number of each that asked. */
  readonly #firSequences = new Map<Ssrc, number>()

  /** `interval` is in milliseconds, 300 by default. Throws a `UsageError` (`invalid-option`) where it is none. */
  constructor(interval = 300) {
    this.#interval = checkInterval(interval)
  }

  /** Takes a PLI. True where the encoder is to make a keyframe. */
  handlePli(now: Instant): boolean {
    return this.#allow(now)
  }

  /**
   * Takes a FIR of `senderSsrc` for this stream. True where the encoder is to make a keyframe; a repetition of one that was answered is no new
   * request (RFC 5104 section 4.3.1.2).
   */
  handleFir(now: Instant, senderSsrc: Ssrc, sequenceNumber: number): boolean {
    if (this.#firSequences.get(senderSsrc) === sequenceNumber || !this.#allow(now)) return false
    if (this.#firSequences.size >= MAX_FIR_SOURCES && !this.#firSequences.has(senderSsrc))
      this.#firSequences.clear()
    this.#firSequences.set(senderSsrc, sequenceNumber)
    return true
  }

  #allow(now: Instant): boolean {
    if (now < this.#allowedAt) return false
    this.#allowedAt = now + this.#interval
    return true
  }
}
