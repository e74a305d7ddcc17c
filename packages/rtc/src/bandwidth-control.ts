import { BandwidthEstimator, type BandwidthEstimatorOptions, Pacer, type PacerPriority } from '@str0m/bwe'
import { findHeaderExtension, parseRtpHeader, type TransportFeedback } from '@str0m/rtp'
import { type Instant, readU16, readU32, serial16, type Ssrc, writeU16 } from '@str0m/sans-io'
import type { IcePair } from '@str0m/stun-ice'
import { protect } from './egress.ts'
import type { BandwidthStatistics } from './statistics.ts'
import type { Transport } from './transport.ts'

/** How much the estimate changes, of itself, before it is told again. */
const TOLD_CHANGE = 0.01

/** What is probed for, where nobody says what would be sent: bits per second. */
const DEFAULT_DESIRED_BITRATE = 2_500_000

/** A packet before it is protected, in a buffer that has room for that. */
export interface PlainPacket {
  readonly buffer: Uint8Array
  /** Bytes of it. */
  readonly length: number
}

/** What the control has of the peer that it is of. */
export interface BandwidthOwner {
  /** A packet to be sent for its length alone; `undefined`: no stream can send one. */
  padding(): PlainPacket | undefined
  /** What the path takes has changed: bits per second. */
  handleEstimate(bitrate: number): void
}

/**
 * Sends packets evenly, at what the path is estimated to take, with one number after the other over all streams: the peer tells when each of them came
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01). They get that number, and are protected, when they leave.
 */
export class BandwidthControl {
  readonly #transport: Transport
  readonly #owner: BandwidthOwner
  readonly #options: BandwidthEstimatorOptions
  #estimator: BandwidthEstimator
  #desiredBitrate = DEFAULT_DESIRED_BITRATE
  /** What the estimate is of. */
  #path: IcePair | undefined
  readonly #pacer = new Pacer<PlainPacket>()
  /** The id of the number among the header extensions; 0 where the peer does not tell when packets came. */
  #numberId = 0
  #sequenceNumber = 0
  #toldBitrate = 0
  /** Sources and sequence numbers of what waits. */
  readonly #held = new Set<number>()
  /** The newest sequence number of each source of ours, sent or waiting. */
  readonly #newest = new Map<Ssrc, number>()

  constructor(transport: Transport, options: BandwidthEstimatorOptions, owner: BandwidthOwner) {
    this.#transport = transport
    this.#owner = owner
    this.#options = options
    this.#estimator = this.#newEstimator(0)
  }

  /** Whether the peer tells when packets came. Where it does not, nothing is paced: there is no rate to go by. */
  get active(): boolean {
    return this.#numberId !== 0
  }

  /** When `handleTimeout` is next needed. */
  get deadline(): Instant {
    return Math.min(this.#pacer.deadline, this.#estimator.deadline)
  }

  get statistics(): BandwidthStatistics | undefined {
    if (!this.active) return undefined
    return {
      ...this.#estimator.statistics,
      availableOutgoingBitrate: this.#estimator.bitrate,
      packetsQueued: this.#pacer.queuedPackets,
      bytesQueued: this.#pacer.queuedBytes,
    }
  }

  /** Takes the id of the transport-wide number among the header extensions, as it was negotiated; 0: it was not. */
  setNumberId(id: number): void {
    this.#numberId = id
  }

  setDesiredBitrate(now: Instant, bitrate: number): void {
    this.#desiredBitrate = bitrate
    this.#estimator.setDesiredBitrate(now, bitrate)
    this.#heedEstimate(now)
  }

  /** Whether a packet of this source and number waits, or lies so far behind one that waits that it will be too late for it. */
  isTaken(ssrc: Ssrc, sequenceNumber: number, replayWindow: number): boolean {
    if (this.#held.has(ssrc * 0x1_0000 + sequenceNumber)) return true
    const newest = this.#newest.get(ssrc)
    return newest !== undefined && serial16.diff(sequenceNumber, newest) <= -replayWindow
  }

  /** Takes a packet that is to be sent: `flush` lets it go when its turn comes. */
  push(now: Instant, buffer: Uint8Array, length: number, priority: PacerPriority): void {
    this.#held.add(identityOf(buffer))
    const ssrc = readU32(buffer, 8)
    const sequenceNumber = readU16(buffer, 2)
    const newest = this.#newest.get(ssrc)
    if (newest === undefined || serial16.diff(sequenceNumber, newest) > 0) {
      this.#newest.set(ssrc, sequenceNumber)
    }
    this.#pacer.push(now, { buffer, length }, this.#sizeOf(length), priority)
  }

  handleFeedback(now: Instant, feedback: TransportFeedback): void {
    this.#estimator.handleFeedback(now, feedback)
    this.#heedEstimate(now)
  }

  handleTimeout(now: Instant): void {
    if (now >= this.#estimator.deadline) {
      this.#estimator.handleTimeout(now)
      this.#heedEstimate(now)
    }
    if (now >= this.#pacer.deadline) this.flush(now)
  }

  /** Sends what is due. */
  flush(now: Instant): void {
    for (;;) {
      const probe = this.#estimator.pollProbe()
      if (probe !== undefined) this.#pacer.startProbe(now, probe)
      const packet = this.#pacer.poll(now)
      if (packet !== undefined) {
        this.#held.delete(identityOf(packet.buffer))
        this.#transmit(now, packet)
        continue
      }
      if (this.#pacer.paddingDue(now) === 0) return
      const padding = this.#owner.padding()
      if (padding === undefined) return
      this.#transmit(now, padding)
      this.#pacer.handlePadding(now, this.#sizeOf(padding.length))
    }
  }

  #transmit(now: Instant, { buffer, length }: PlainPacket): void {
    const { outbound, path } = this.#transport
    if (outbound === undefined) return
    if (path !== this.#path) {
      this.#path = path
      this.#estimator = this.#newEstimator(now)
    }
    // only the header is looked at
    const header = parseRtpHeader(buffer, length, true)
    const at = header === undefined ? -1 : findHeaderExtension(buffer, header, this.#numberId)
    if (at >= 0) {
      writeU16(buffer, at, this.#sequenceNumber)
      this.#estimator.handleSent(now, this.#sequenceNumber, this.#sizeOf(length), this.#pacer.probe)
      this.#sequenceNumber = serial16.add(this.#sequenceNumber, 1)
    }
    this.#transport.transmit(protect(buffer, length, outbound))
  }

  /** What was learned of another path does not hold for a new one. */
  #newEstimator(now: Instant): BandwidthEstimator {
    const estimator = new BandwidthEstimator(this.#options)
    estimator.setDesiredBitrate(now, this.#desiredBitrate)
    this.#pacer.setBitrate(now, estimator.bitrate)
    return estimator
  }

  #sizeOf(length: number): number {
    return length + (this.#transport.outbound?.rtpOverhead ?? 0)
  }

  /** Puts what is now known of the path to work. */
  #heedEstimate(now: Instant): void {
    const { bitrate } = this.#estimator
    this.#pacer.setBitrate(now, bitrate)
    this.flush(now)
    if (Math.abs(bitrate - this.#toldBitrate) < TOLD_CHANGE * this.#toldBitrate) return
    this.#toldBitrate = bitrate
    this.#owner.handleEstimate(bitrate)
  }
}

/** A packet's source and sequence number as one. */
function identityOf(packet: Uint8Array): number {
  return readU32(packet, 8) * 0x1_0000 + readU16(packet, 2)
}
