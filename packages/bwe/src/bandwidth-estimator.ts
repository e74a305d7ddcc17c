import { type Instant, latestInstant, type Ssrc, UsageError } from '@str0m/sans-io'
import { AcknowledgedBitrate } from './acknowledged-bitrate.ts'
import { ApplicationLimit } from './application-limit.ts'
import { DelayControl } from './delay-control.ts'
import { type BandwidthEstimatorOptions, boundsOf } from './bounds.ts'
import type { Feedback, StreamFeedback } from './feedback.ts'
import { FeedbackReader } from './feedback-reader.ts'
import { FeedbackTimeout } from './feedback-timeout.ts'
import { LossControl } from './loss-control.ts'
import { checkSize } from './packet-size.ts'
import type { ProbeCluster } from './probe-cluster.ts'
import { ProbeController, type ProbePermission } from './probe-controller.ts'
import { ProbeResults } from './probe-results.ts'
import { ReceiverLimit } from './receiver-limit.ts'
import { NO_PROBE, SentPackets } from './sent-packets.ts'

/** ms without feedback after which the path is taken to be congested, or dead. */
const FEEDBACK_TIMEOUT = 3000
/** What the estimate falls to each time that feedback stays away. */
const NO_FEEDBACK_DECREASE = 0.8
/**
 * Nothing is probed for as a packet goes out that has fewer bytes, and takes fewer ms of the estimate: it is of sound, which cannot fill a probe, and video that comes later would find
 * the tries used up.
 */
const MIN_PROBING_SIZE = 250
const MIN_PROBING_TIME = 8
/** A probe does not lower the estimate below this part of what arrives. */
const MIN_PROBED = 0.85
/**
 * Where the application sent less than it could so many ms ago, a fall of the estimate may have been of what it sent for a moment: it is probed for. And what was lost was of
 * little: it does not stand against what a probe shows.
 */
const LIMITED_LATELY = 3000
/** For so many ms what a probe has shown that filled the path is what it takes. */
const SHOWN_LATELY = 1000
/** Arrivals so many ms before the last one are of a clock that was set back; others that lie before it are of feedback that was overtaken. */
const CLOCK_JUMP = 3000

export interface BandwidthEstimatorStatistics {
  /** Bits per second that arrive, as the last feedback tells; `undefined` before there was enough of it. */
  readonly receivedBitrate: number | undefined
  /** Seconds, from a packet's being sent to the feedback on it, the shortest of the last feedback; `undefined` before one. */
  readonly roundTripTime: number | undefined
  /** Packets that feedback has told of. */
  readonly packetsAcknowledged: number
  readonly packetsLost: number
  /** Feedback that was on nothing that is remembered. */
  readonly feedbackIgnored: number
  readonly probesSent: number
  readonly probesSucceeded: number
}

/**
 * Estimates how many bits per second the path takes, from when packets were sent and when they came. A part of a sender, driven by it.
 *
 * Google Congestion Control, all of it in the sender (draft-ietf-rmcat-gcc-02): the least of what the delay and what the loss allows, found out faster by
 * probes.
 *
 * Where `now` is no number, or `Infinity`, every method throws a `UsageError` (`invalid-time`).
 */
export class BandwidthEstimator {
  readonly #min: number
  readonly #max: number
  readonly #sent = new SentPackets()
  readonly #reader = new FeedbackReader(this.#sent)
  readonly #delay: DelayControl
  #loss: LossControl
  readonly #acknowledged = new AcknowledgedBitrate()
  readonly #limit: ApplicationLimit
  readonly #probes: ProbeController
  readonly #results = new ProbeResults()
  readonly #timeout = new FeedbackTimeout(FEEDBACK_TIMEOUT)
  readonly #receiverLimit = new ReceiverLimit()

  #now: Instant = Number.NEGATIVE_INFINITY
  #bitrate: number
  #wasLimited = false
  /** When the application was last found to send less than it could. */
  #limitedAt: Instant = Number.NEGATIVE_INFINITY
  /** What the last probe has shown that filled the path, bits per second, and when. */
  #shown = 0
  #shownAt: Instant = Number.NEGATIVE_INFINITY
  #lastArrival = Number.NEGATIVE_INFINITY
  /** Loss of packets that were sent before does not count. */
  #lossFrom: Instant = Number.NEGATIVE_INFINITY
  #roundTripTime: number | undefined
  #packetsAcknowledged = 0
  #packetsLost = 0
  #feedbackIgnored = 0
  #probesSent = 0
  #lastProbe = NO_PROBE

  /** Throws a `UsageError` (`invalid-option`) where a bitrate is not above 0, or the least is above the greatest. */
  constructor(options: BandwidthEstimatorOptions = {}) {
    const { initial, min, max } = boundsOf(options)
    this.#min = min
    this.#max = max
    this.#bitrate = initial
    this.#delay = new DelayControl(initial, min, max)
    this.#loss = new LossControl(min, max)
    this.#limit = new ApplicationLimit(this.#bitrate)
    this.#probes = new ProbeController(this.#bitrate, max)
  }

  /** The estimate, bits per second. Where it has changed after a call, the pacer is to be told. */
  get bitrate(): number {
    return this.#bitrate
  }

  /** When `handleTimeout` is next needed; `Infinity` while nothing is sent and the receiver sets no limit. */
  get deadline(): Instant {
    return Math.min(this.#timeout.deadline, this.#receiverLimit.deadline)
  }

  get statistics(): BandwidthEstimatorStatistics {
    return {
      receivedBitrate: this.#acknowledged.bitrate,
      roundTripTime: this.#roundTripTime,
      packetsAcknowledged: this.#packetsAcknowledged,
      packetsLost: this.#packetsLost,
      feedbackIgnored: this.#feedbackIgnored,
      probesSent: this.#probesSent,
      probesSucceeded: this.#results.succeeded,
    }
  }

  /**
   * What would be sent if there were room for it, bits per second: it is probed up to that. `undefined`: as much as there is. Throws a `UsageError`
   * (`invalid-bitrate`) for what is below 0.
   */
  setDesiredBitrate(now: Instant, desiredBitrate: number | undefined): void {
    if (desiredBitrate !== undefined && !(desiredBitrate >= 0)) {
      throw new UsageError('invalid-bitrate', `a desired bitrate is 0 or more, not ${desiredBitrate}`)
    }
    this.#advance(now)
    this.#probes.setDesired(this.#now, desiredBitrate)
  }

  /**
   * A packet goes out. `sequenceNumber` is its transport-wide one, 16 bits, each one more than the one before; `size` is what counts for the path, bytes. `probe` is the
   * id of the cluster that it is part of. Throws a `UsageError` (`invalid-size`) for a size that is no number of bytes.
   */
  handleSent(now: Instant, sequenceNumber: number, size: number, probe: number = NO_PROBE): void {
    checkSize(size)
    this.#advance(now)
    this.#sent.add(this.#now, sequenceNumber, size, probe)
    this.#noteSent(size, probe)
  }

  /** A packet was sent again just as it was, with the number that it had: of when that comes nothing is made. */
  handleRepeated(now: Instant, sequenceNumber: number): void {
    this.#advance(now)
    this.#sent.repeat(sequenceNumber)
  }

  /**
   * The same of a packet that is told of by its source and RTP sequence number, 16 bits (RFC 8888): then all that is sent is to be given here, retransmissions too. Throws a
   * `UsageError` (`invalid-size`).
   */
  handleSentOfStream(
    now: Instant,
    ssrc: Ssrc,
    sequenceNumber: number,
    size: number,
    probe: number = NO_PROBE,
  ): void {
    checkSize(size)
    this.#advance(now)
    this.#sent.addOfStream(this.#now, ssrc, sequenceNumber, size, probe)
    this.#noteSent(size, probe)
  }

  #noteSent(size: number, probe: number): void {
    this.#limit.handleSent(this.#now, size)
    this.#timeout.handleSent(this.#now)
    if (size >= Math.min(MIN_PROBING_SIZE, (this.#bitrate * MIN_PROBING_TIME) / 8000))
      this.#probes.handleSent(this.#now, this.#limit.since)
    if (probe > this.#lastProbe) {
      this.#lastProbe = probe
      this.#probesSent++
    }
  }

  /** What the receiver tells. Nothing that it tells throws; see `feedbackIgnored`. */
  handleFeedback(now: Instant, feedback: Feedback): void {
    this.#advance(now)
    this.#handleRead(this.#reader.read(feedback))
  }

  /** The same of what it tells stream by stream (RFC 8888), of packets that were given to `handleSentOfStream`. */
  handleStreamFeedback(now: Instant, feedback: StreamFeedback): void {
    this.#advance(now)
    this.#handleRead(this.#reader.readStreams(feedback))
  }

  /**
   * The receiver takes at most so many bits per second, as it says by REMB (draft-alvestrand-rmcat-remb-03): the estimate does not rise above that for 15 s, or until it says
   * something else. It does not fall below `minBitrate` for it.
   */
  handleReceiverLimit(now: Instant, bitrate: number): void {
    this.#advance(now)
    this.#receiverLimit.set(this.#now, bitrate)
    this.#settle()
  }

  /** `known`: whether what was read was on packets that are remembered. */
  #handleRead(known: boolean): void {
    if (!known) {
      this.#feedbackIgnored++
      return
    }
    const reader = this.#reader
    if (this.#timeout.handleFeedback(this.#now)) this.#startAnew()
    this.#packetsAcknowledged += reader.packets
    this.#packetsLost += reader.lost - reader.recovered
    this.#updateLimit()
    const limited = this.#limit.since !== undefined
    if (reader.received > 0) this.#updateDelay(limited)
    this.#updateLoss(this.#acknowledged.bitrate, limited)
    const recovered = this.#delay.takeRecovered()
    this.#settle()
    if (recovered && this.#now - this.#limitedAt < LIMITED_LATELY) this.#probes.handleRecovery(this.#now)
  }

  /** Time has come to `deadline`: feedback stays away, or the receiver's limit is no longer fresh. */
  handleTimeout(now: Instant): void {
    this.#advance(now)
    if (this.#receiverLimit.handleTimeout(this.#now)) this.#settle()
    if (!this.#timeout.handleTimeout(this.#now)) return
    this.#delay.lower(this.#now, NO_FEEDBACK_DECREASE * this.#bitrate)
    this.#settle()
  }

  /** A cluster to be given to the pacer; `undefined`: there is none. */
  pollProbe(): ProbeCluster | undefined {
    const cluster = this.#probes.poll()
    if (cluster !== undefined) this.#results.expect(cluster)
    return cluster
  }

  /** Time does not go backwards. Throws a `UsageError` (`invalid-time`) for what is none. */
  #advance(now: Instant): void {
    this.#now = latestInstant(this.#now, now)
  }

  #updateLimit(): void {
    const limited = this.#limit.since !== undefined
    if (this.#wasLimited && !limited) this.#acknowledged.expectFastChange()
    this.#wasLimited = limited
    if (limited) this.#limitedAt = this.#now
  }

  #updateDelay(limited: boolean): void {
    let probed = this.#addPackets()
    const { last, saturated } = this.#results
    if (probed !== undefined && !this.#probes.handleResult(last, probed, saturated)) probed = undefined
    if (probed !== undefined && saturated) {
      this.#shown = probed
      this.#shownAt = this.#now
    }
    const acknowledged = this.#acknowledged.bitrate
    const bounded = this.#bounded(probed, acknowledged)
    this.#delay.update(this.#now, this.#arriving(acknowledged), bounded, saturated, limited)
    if (probed !== undefined && this.#now - this.#limitedAt < LIMITED_LATELY) {
      this.#loss.handleProbe(this.#delay.bitrate)
    }
  }

  /** What arrives where the path is full: the average is still of little, where little was sent until a probe showed more. */
  #arriving(acknowledged: number | undefined): number | undefined {
    if (acknowledged === undefined || this.#now - this.#shownAt > SHOWN_LATELY) return acknowledged
    return this.#now - this.#limitedAt < LIMITED_LATELY ? Math.max(acknowledged, this.#shown) : acknowledged
  }

  /** The packets of a feedback that had come, to all who measure. Answers what a probe has shown, bits per second. */
  #addPackets(): number | undefined {
    const now = this.#now
    const sent = this.#sent
    const reader = this.#reader
    if (reader.afterGap) this.#acknowledged.skip()
    if (reader.arrival(0) < this.#lastArrival - CLOCK_JUMP) this.#restart()
    let probed: number | undefined
    let roundTripTime = Number.POSITIVE_INFINITY
    for (let i = 0; i < reader.received; i++) {
      const slot = reader.slot(i)
      const arrival = reader.arrival(i)
      const sentAt = sent.sentAt(slot)
      roundTripTime = Math.min(roundTripTime, now - sentAt)
      const probe = sent.probe(slot)
      if (probe !== NO_PROBE) probed = this.#results.add(probe, sentAt, arrival, sent.size(slot)) ?? probed
      // of a feedback that was overtaken by another: what is measured in the order of arrival has been
      if (arrival < this.#lastArrival) continue
      this.#lastArrival = arrival
      this.#acknowledged.add(arrival, sent.size(slot))
      // a try may fill the queue for a moment: that says nothing of the rate that is sent at
      if (probe === NO_PROBE || !this.#probes.isRecovery(probe)) this.#delay.addPacket(now, sentAt, arrival)
    }
    this.#roundTripTime = roundTripTime / 1000
    this.#delay.roundTripTime = roundTripTime
    return probed
  }

  /** There is feedback again, after the estimate has fallen for want of it. What was lost meanwhile, on a path that was dead, tells nothing of this one. */
  #startAnew(): void {
    this.#loss = new LossControl(this.#min, this.#max)
    this.#lossFrom = this.#now
    this.#probes.restart()
  }

  /** The receiver's clock is not the one it was. */
  #restart(): void {
    this.#lastArrival = Number.NEGATIVE_INFINITY
    this.#acknowledged.skip()
    this.#delay.reset()
  }

  #bounded(probed: number | undefined, acknowledged: number | undefined): number | undefined {
    if (probed === undefined || acknowledged === undefined) return probed
    return Math.max(probed, Math.min(this.#delay.bitrate, MIN_PROBED * acknowledged))
  }

  #updateLoss(acknowledged: number | undefined, applicationLimited: boolean): void {
    const reader = this.#reader
    if (reader.firstSentAt < this.#lossFrom) return
    this.#loss.update(reader, { delayBased: this.#delay.bitrate, acknowledged, applicationLimited })
  }

  #settle(): void {
    const { bitrate: limit } = this.#receiverLimit
    const bitrate = Math.min(this.#delay.bitrate, this.#loss.bitrate, limit)
    this.#bitrate = Math.min(Math.max(bitrate, this.#min), this.#max)
    this.#probes.max = Math.min(this.#max, limit)
    this.#limit.setBitrate(this.#bitrate)
    this.#probes.setEstimate(this.#now, this.#bitrate, this.#probePermission())
  }

  #probePermission(): ProbePermission {
    if (this.#delay.usage !== 'normal' || this.#loss.state === 'decreasing') return 'forbidden'
    return this.#loss.state === 'increasing' ? 'limited' : 'free'
  }
}
