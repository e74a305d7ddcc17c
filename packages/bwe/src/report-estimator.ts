import { type Instant, latestInstant, type Ssrc } from '@str0m/sans-io'
import type { BandwidthEstimatorStatistics } from './bandwidth-estimator.ts'
import { type BandwidthEstimatorOptions, boundsOf } from './bounds.ts'
import { FeedbackTimeout } from './feedback-timeout.ts'
import { checkSize } from './packet-size.ts'
import { ReceiverLimit } from './receiver-limit.ts'
import { type LossReport, ReportLosses } from './report-losses.ts'

/** Packets that are judged by together, at least. */
const MIN_PACKETS = 20
/** Loss below which the estimate grows, and above which it falls: between them it stays (draft-ietf-rmcat-gcc-02 section 6). */
const LOW_LOSS = 0.02
const HIGH_LOSS = 0.1
/** It falls by this part of the loss: not before the effect of the last fall can be seen, ms and a round trip. */
const DECREASE = 0.5
const DECREASE_INTERVAL = 300
/** The growth a second, and how many seconds count at most: reports come each five (RFC 3550 section 6.2). */
const GROWTH = 1.08
const MAX_GROWTH_TIME = 5000
/** It does not grow above what arrives times this, and so many bits per second: it would not be known to get through. */
const MAX_OVER_RECEIVED = 1.5
const MAX_OVER_RECEIVED_CONSTANT = 10_000
/** ms without a report, three of five seconds, after which the path is taken to be congested, or dead. */
const REPORT_TIMEOUT = 15_000
/** What the estimate falls to, each second of that. */
const NO_REPORT_DECREASE = 0.8

/**
 * Estimates how many bits per second the path takes where nobody tells when packets came: by the loss that receiver reports tell of, and what the receiver says that it takes
 * (draft-ietf-rmcat-gcc-02 section 6). It fills the queue of a bottleneck before it yields: where there is better feedback, use a `BandwidthEstimator`.
 *
 * Where `now` is no number, or `Infinity`, every method throws a `UsageError` (`invalid-time`).
 */
export class ReportEstimator {
  readonly #min: number
  readonly #max: number
  readonly #losses = new ReportLosses()
  readonly #timeout = new FeedbackTimeout(REPORT_TIMEOUT)
  readonly #receiverLimit = new ReceiverLimit()

  #now: Instant = Number.NEGATIVE_INFINITY
  /** Without the receiver's limit. */
  #byLoss: number
  /** When losses were last judged by. */
  #judgedAt: Instant = Number.NEGATIVE_INFINITY
  #decreasedAt: Instant = Number.NEGATIVE_INFINITY
  /** Since then, bytes were sent. */
  #sentSince: Instant = Number.NaN
  #sentBytes = 0
  #receivedBitrate: number | undefined
  #roundTripTime: number | undefined
  #packetsAcknowledged = 0
  #packetsLost = 0
  #feedbackIgnored = 0

  /** Throws a `UsageError` (`invalid-option`) where a bitrate is not above 0, or the least is above the greatest. */
  constructor(options: BandwidthEstimatorOptions = {}) {
    const { initial, min, max } = boundsOf(options)
    this.#min = min
    this.#max = max
    this.#byLoss = initial
  }

  /** The estimate, bits per second. */
  get bitrate(): number {
    return Math.max(Math.min(this.#byLoss, this.#receiverLimit.bitrate), this.#min)
  }

  /** When `handleTimeout` is next needed. */
  get deadline(): Instant {
    return Math.min(this.#timeout.deadline, this.#receiverLimit.deadline)
  }

  get statistics(): BandwidthEstimatorStatistics {
    return {
      receivedBitrate: this.#receivedBitrate,
      roundTripTime: this.#roundTripTime,
      packetsAcknowledged: this.#packetsAcknowledged,
      packetsLost: this.#packetsLost,
      feedbackIgnored: this.#feedbackIgnored,
      probesSent: 0,
      probesSucceeded: 0,
    }
  }

  /** A packet of the stream `ssrc` goes out, of `size` bytes. Throws a `UsageError` (`invalid-size`) for a size that is no number of bytes. */
  handleSent(now: Instant, ssrc: Ssrc, size: number): void {
    checkSize(size)
    this.#advance(now)
    if (Number.isNaN(this.#sentSince)) this.#sentSince = this.#judgedAt = this.#now
    this.#sentBytes += size
    this.#losses.handleSent(ssrc)
    this.#timeout.handleSent(this.#now)
  }

  /** The blocks of a receiver's reports. `roundTripTime`: ms, where it is known. */
  handleReports(now: Instant, reports: readonly LossReport[], roundTripTime?: number): void {
    this.#advance(now)
    let known = false
    for (const report of reports) {
      if (this.#losses.handleReport(report)) known = true
      else this.#feedbackIgnored++
    }
    if (!known) return
    if (roundTripTime !== undefined) this.#roundTripTime = roundTripTime / 1000
    this.#timeout.handleFeedback(this.#now)
    if (this.#losses.expected >= MIN_PACKETS) this.#judge()
  }

  /** As that of a `BandwidthEstimator`. */
  handleReceiverLimit(now: Instant, bitrate: number): void {
    this.#advance(now)
    this.#receiverLimit.set(this.#now, bitrate)
  }

  /** Time has come to `deadline`: reports stay away, or the receiver's limit is no longer fresh. */
  handleTimeout(now: Instant): void {
    this.#advance(now)
    this.#receiverLimit.handleTimeout(this.#now)
    if (this.#timeout.handleTimeout(this.#now)) this.#set(NO_REPORT_DECREASE * this.bitrate)
  }

  /** Time does not go backwards. Throws a `UsageError` (`invalid-time`) for what is none. */
  #advance(now: Instant): void {
    this.#now = latestInstant(this.#now, now)
  }

  #judge(): void {
    const now = this.#now
    const { expected, lost } = this.#losses
    this.#losses.clear()
    const loss = lost / expected
    this.#packetsAcknowledged += expected
    this.#packetsLost += lost
    this.#measure(loss)
    const elapsed = Math.min(now - this.#judgedAt, MAX_GROWTH_TIME)
    this.#judgedAt = now
    if (loss <= LOW_LOSS) {
      this.#grow(elapsed)
    } else if (loss > HIGH_LOSS) {
      const interval = DECREASE_INTERVAL + 1000 * (this.#roundTripTime ?? 0)
      if (now - this.#decreasedAt < interval) return
      this.#decreasedAt = now
      // of what was sent, which the receiver's limit may have held below
      this.#set((1 - DECREASE * loss) * this.bitrate)
    }
  }

  /** What arrives, of what was sent since the last time. */
  #measure(loss: number): void {
    const duration = this.#now - this.#sentSince
    if (!(duration > 0)) return
    this.#receivedBitrate = ((1 - loss) * this.#sentBytes * 8000) / duration
    this.#sentSince = this.#now
    this.#sentBytes = 0
  }

  #grow(elapsed: number): void {
    const received = this.#receivedBitrate
    if (received === undefined) return
    const limit = MAX_OVER_RECEIVED * received + MAX_OVER_RECEIVED_CONSTANT
    const grown = Math.min(this.#byLoss * GROWTH ** (elapsed / 1000), limit)
    if (grown > this.#byLoss) this.#set(grown)
  }

  #set(bitrate: number): void {
    this.#byLoss = Math.min(Math.max(bitrate, this.#min), this.#max)
  }
}
