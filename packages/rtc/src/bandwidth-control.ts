import {
  BandwidthEstimator,
  type BandwidthEstimatorOptions,
  type BandwidthEstimatorStatistics,
  Pacer,
  type PacerPriority,
  ReportEstimator,
} from '@str0m/bwe'
import {
  type CongestionControlFeedback,
  findHeaderExtension,
  parseRtpHeader,
  type ReportBlock,
  type StreamTx,
  type TransportFeedback,
} from '@str0m/rtp'
import { type Instant, readU16, readU32, serial16, type Ssrc, writeU16 } from '@str0m/sans-io'
import type { IcePair } from '@str0m/stun-ice'
import { GivenNumbers } from './given-numbers.ts'
import type { NegotiatedFeedback } from './negotiated-feedback.ts'
import { type PlainPacket, protect, type Repetition } from './plain-packet.ts'
import { RetransmissionRate } from './retransmission-rate.ts'
import type { BandwidthStatistics } from './statistics.ts'
import type { Transport } from './transport.ts'

/** How much the estimate changes, of itself, before it is told again. */
const TOLD_CHANGE = 0.01
/**
 * What is sent again takes of the path too: it is left out of what is told, up to this part. Else a queue that has overflowed stays full of what it lost, for many seconds.
 */
const MAX_RETRANSMITTED = 0.5
/** A report that came at most so many ms ago tells that the path is alive: where the peer then does not tell when packets came, it does not do as was agreed. */
const FRESH_REPORT = 1500

/** What is probed for, where nobody says what would be sent: bits per second. */
const DEFAULT_DESIRED_BITRATE = 2_500_000

/** One that waits: what it is of, and since when. */
interface WaitingPacket extends PlainPacket {
  readonly stream: StreamTx
  readonly since: Instant
  readonly repetition: Repetition
}

/** What the control has of the peer that it is of. */
export interface BandwidthOwner {
  /** A packet to be sent for its length alone; `undefined`: no stream can send one. */
  padding(): PlainPacket | undefined
  /** What the path takes of new media has changed: bits per second. */
  handleEstimate(bitrate: number): void
}

type Counts = Pick<
  BandwidthEstimatorStatistics,
  'packetsAcknowledged' | 'packetsLost' | 'feedbackIgnored' | 'probesSent' | 'probesSucceeded'
>

/**
 * Sends packets evenly, at what the path is estimated to take: by when each of them came, as the peer tells it (draft-holmer-rmcat-transport-wide-cc-extensions-01, by one number after
 * the other over all streams; or RFC 8888), or else by the loss that it reports. They get that number, and are protected, when they leave.
 */
export class BandwidthControl {
  readonly #transport: Transport
  readonly #owner: BandwidthOwner
  readonly #options: BandwidthEstimatorOptions
  /** By when packets came; or by reports of loss, where nobody tells that. */
  #estimator: BandwidthEstimator | ReportEstimator
  /** When reports on what we send last came. */
  #reportedAt: Instant = Number.NEGATIVE_INFINITY
  #desiredBitrate = DEFAULT_DESIRED_BITRATE
  /** What the estimators before counted, of other paths. */
  #before: Counts = {
    packetsAcknowledged: 0,
    packetsLost: 0,
    feedbackIgnored: 0,
    probesSent: 0,
    probesSucceeded: 0,
  }
  /** What the estimate is of. */
  #path: IcePair | undefined
  readonly #pacer = new Pacer<WaitingPacket>()
  /** `undefined` before there are sections. */
  #feedback: NegotiatedFeedback | undefined
  #sequenceNumber = 0
  #toldBitrate = 0
  readonly #retransmitted = new RetransmissionRate()
  readonly #given = new GivenNumbers()
  /** Sources and sequence numbers of what waits. */
  readonly #held = new Set<number>()
  /** The newest sequence number of each source of ours that is there, sent or waiting. */
  readonly #newest = new Map<Ssrc, number>()

  constructor(transport: Transport, options: BandwidthEstimatorOptions, owner: BandwidthOwner) {
    this.#transport = transport
    this.#owner = owner
    this.#options = options
    // also finds out whether the options are right
    this.#estimator = new BandwidthEstimator(options)
    this.#applyRates(Number.NEGATIVE_INFINITY)
  }

  /** Whether packets are paced: once it is known what the peer tells. */
  get active(): boolean {
    return this.#feedback !== undefined
  }

  /** Whether packets have transport-wide numbers. */
  get numbers(): boolean {
    return this.#feedback?.kind === 'transport-wide'
  }

  /** When `handleTimeout` is next needed. */
  get deadline(): Instant {
    return Math.min(this.#pacer.deadline, this.#estimator.deadline)
  }

  get statistics(): BandwidthStatistics | undefined {
    if (!this.active) return undefined
    return {
      ...this.#estimator.statistics,
      ...this.#counts(),
      availableOutgoingBitrate: this.#estimator.bitrate,
      packetsQueued: this.#pacer.queuedPackets,
      bytesQueued: this.#pacer.queuedBytes,
    }
  }

  /** Takes how the peer tells which packets came, as it was negotiated. */
  setFeedback(now: Instant, feedback: NegotiatedFeedback): void {
    const before = this.#feedback?.kind
    this.#feedback = feedback
    if (before !== feedback.kind) this.#begin(now)
  }

  setDesiredBitrate(now: Instant, bitrate: number): void {
    this.#desiredBitrate = bitrate
    this.#byArrivals?.setDesiredBitrate(now, bitrate)
    this.#heedEstimate(now)
  }

  /** Whether a packet of this source and number waits. */
  holds(ssrc: Ssrc, sequenceNumber: number): boolean {
    return this.#held.has(ssrc * 0x1_0000 + sequenceNumber)
  }

  /** Whether a packet of this source and number waits, or lies so far behind one that waits that it will be too late for it. */
  isTaken(ssrc: Ssrc, sequenceNumber: number, replayWindow: number): boolean {
    if (this.holds(ssrc, sequenceNumber)) return true
    const newest = this.#newest.get(ssrc)
    return newest !== undefined && serial16.diff(sequenceNumber, newest) <= -replayWindow
  }

  /** Takes a packet that is to be sent: `flush` lets it go when its turn comes. */
  push(
    now: Instant,
    { buffer, length }: PlainPacket,
    stream: StreamTx,
    priority: PacerPriority,
    repetition: Repetition,
  ): void {
    this.#held.add(identityOf(buffer))
    const ssrc = readU32(buffer, 8)
    const sequenceNumber = readU16(buffer, 2)
    const newest = this.#newest.get(ssrc)
    if (newest === undefined || serial16.diff(sequenceNumber, newest) > 0) {
      this.#newest.set(ssrc, sequenceNumber)
    }
    const size = this.#sizeOf(length)
    if (priority === 'retransmission') this.#retransmitted.add(now, size)
    this.#pacer.push(now, { buffer, length, stream, since: now, repetition }, size, priority)
  }

  /** Nothing more is sent of a source, nor what waits of it: it has said goodbye. */
  forget(ssrc: Ssrc): void {
    this.#given.forget(ssrc)
    this.#newest.delete(ssrc)
    this.#pacer.discard(({ buffer }) => {
      const isGone = readU32(buffer, 8) === ssrc
      if (isGone) this.#held.delete(identityOf(buffer))
      return isGone
    })
  }

  handleFeedback(now: Instant, feedback: TransportFeedback): void {
    if (this.#feedback?.kind !== 'transport-wide') return
    if (this.#byArrivals === undefined) this.#begin(now)
    this.#byArrivals?.handleFeedback(now, feedback)
    this.#heedEstimate(now)
  }

  handleStreamFeedback(now: Instant, feedback: CongestionControlFeedback): void {
    if (this.#feedback?.kind !== 'congestion-control') return
    if (this.#byArrivals === undefined) this.#begin(now)
    this.#byArrivals?.handleStreamFeedback(now, feedback)
    this.#heedEstimate(now)
  }

  handleReports(now: Instant, reports: readonly ReportBlock[]): void {
    if (reports.some(({ ssrc }) => this.#newest.has(ssrc))) this.#reportedAt = now
    if (this.#byReports === undefined || reports.length === 0) return
    this.#byReports.handleReports(now, reports, this.#transport.roundTripTime)
    this.#heedEstimate(now)
  }

  /** The peer says what it takes at most: bits per second. */
  handleReceiverLimit(now: Instant, bitrate: number): void {
    this.#estimator.handleReceiverLimit(now, bitrate)
    this.#heedEstimate(now)
  }

  handleTimeout(now: Instant): void {
    const estimator = this.#estimator
    if (now >= estimator.deadline) {
      const { bitrate } = estimator
      estimator.handleTimeout(now)
      // it falls for want of feedback
      const isSilent = this.#byArrivals !== undefined && estimator.bitrate < bitrate
      if (isSilent && now - this.#reportedAt <= FRESH_REPORT) this.#begin(now, true)
      this.#heedEstimate(now)
    }
    if (now >= this.#pacer.deadline) this.flush(now)
  }

  /** Sends what is due. */
  flush(now: Instant): void {
    for (;;) {
      const probe = this.#byArrivals?.pollProbe()
      if (probe !== undefined) this.#pacer.startProbe(now, probe)
      const packet = this.#pacer.poll(now)
      if (packet !== undefined) {
        this.#held.delete(identityOf(packet.buffer))
        packet.stream.countSendDelay(now - packet.since)
        this.#transmit(now, packet, packet.repetition)
        continue
      }
      if (this.#pacer.paddingDue(now) === 0) return
      const padding = this.#owner.padding()
      if (padding === undefined) return
      this.#transmit(now, padding, 'never')
      this.#pacer.handlePadding(now, this.#sizeOf(padding.length))
    }
  }

  #transmit(now: Instant, packet: PlainPacket, repetition: Repetition): void {
    const { outboundMedia, path } = this.#transport
    if (outboundMedia === undefined) return
    if (path !== this.#path) {
      this.#path = path
      this.#begin(now)
    }
    if (repetition === 'again') {
      const number = this.#given.restore(packet.buffer)
      if (number === undefined) return
      if (number >= 0) this.#byArrivals?.handleRepeated(now, number)
    }
    this.#noteSent(now, packet, repetition)
    this.#transport.transmit(protect(packet, outboundMedia))
  }

  #noteSent(now: Instant, packet: PlainPacket, repetition: Repetition): void {
    const { buffer, length } = packet
    const feedback = this.#feedback
    const size = this.#sizeOf(length)
    this.#byReports?.handleSent(now, readU32(buffer, 8), size)
    if (feedback?.kind === 'transport-wide') {
      const at = repetition === 'again' ? -1 : this.#number(now, packet, feedback.numberId)
      if (repetition === 'possible') this.#given.add(buffer, at)
      return
    }
    if (repetition === 'possible') this.#given.add(buffer, -1)
    if (feedback?.kind === 'congestion-control') {
      const ssrc = readU32(buffer, 8)
      this.#byArrivals?.handleSentOfStream(now, ssrc, readU16(buffer, 2), size, this.#pacer.probe)
    }
  }

  /** Answers where the packet has its number; -1: it has no room for one. */
  #number(now: Instant, { buffer, length }: PlainPacket, id: number): number {
    // only the header is looked at
    const header = parseRtpHeader(buffer, length, true)
    const at = header === undefined ? -1 : findHeaderExtension(buffer, header, id)
    if (at < 0) return -1
    writeU16(buffer, at, this.#sequenceNumber)
    this.#byArrivals?.handleSent(now, this.#sequenceNumber, this.#sizeOf(length), this.#pacer.probe)
    this.#sequenceNumber = serial16.add(this.#sequenceNumber, 1)
    return at
  }

  get #byArrivals(): BandwidthEstimator | undefined {
    return this.#estimator instanceof BandwidthEstimator ? this.#estimator : undefined
  }

  get #byReports(): ReportEstimator | undefined {
    return this.#estimator instanceof ReportEstimator ? this.#estimator : undefined
  }

  /** Since the start, of all paths. */
  #counts(): Counts {
    const before = this.#before
    const now = this.#estimator.statistics
    return {
      packetsAcknowledged: before.packetsAcknowledged + now.packetsAcknowledged,
      packetsLost: before.packetsLost + now.packetsLost,
      feedbackIgnored: before.feedbackIgnored + now.feedbackIgnored,
      probesSent: before.probesSent + now.probesSent,
      probesSucceeded: before.probesSucceeded + now.probesSucceeded,
    }
  }

  /** What was learned of another path, or by other means, does not hold for a new one. */
  #begin(now: Instant, byReports: boolean = this.#feedback?.kind === 'reports'): void {
    this.#before = this.#counts()
    this.#estimator = byReports ? new ReportEstimator(this.#options) : new BandwidthEstimator(this.#options)
    this.#applyRates(now)
  }

  /** To an estimator that is new, and the pacer. */
  #applyRates(now: Instant): void {
    this.#byArrivals?.setDesiredBitrate(now, this.#desiredBitrate)
    this.#pacer.setBitrate(now, this.#estimator.bitrate)
  }

  #sizeOf(length: number): number {
    return length + (this.#transport.outbound?.rtpOverhead ?? 0)
  }

  /** Puts what is now known of the path to work. */
  #heedEstimate(now: Instant): void {
    const { bitrate } = this.#estimator
    this.#pacer.setBitrate(now, bitrate)
    this.flush(now)
    const left = bitrate - Math.min(this.#retransmitted.at(now), MAX_RETRANSMITTED * bitrate)
    if (Math.abs(left - this.#toldBitrate) < TOLD_CHANGE * this.#toldBitrate) return
    this.#toldBitrate = left
    this.#owner.handleEstimate(left)
  }
}

/** A packet's source and sequence number as one. */
function identityOf(packet: Uint8Array): number {
  return readU32(packet, 8) * 0x1_0000 + readU16(packet, 2)
}
