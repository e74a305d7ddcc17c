import { type Instant, NEVER } from '@str0m/sans-io'
import type { ProbeCluster } from './probe-cluster.ts'

/** All are optional. Bits per second. */
export interface BandwidthEstimatorOptions {
  /** What is taken for the bandwidth before anything is known. Default 300 000. */
  readonly initialBitrate?: number
  /** The estimate does not fall below it. Default 30 000. */
  readonly minBitrate?: number
  /** The estimate does not rise above it. Default: no bound. */
  readonly maxBitrate?: number
}

/**
 * What a receiver tells of the packets that came, as in its RTCP (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
 * `TransportFeedback` of `@str0m/rtp` is one.
 */
export interface Feedback {
  /** The sequence number that `deltas[0]` is of. 16 bits. */
  readonly baseSequence: number
  /** In units of 64 ms, on the receiver's clock; 24 bits, signed. */
  readonly referenceTime: number
  /** Of packets that came, the time since the one before (the first: since the reference time), in units of 250 µs; `undefined`: it had not come. */
  readonly deltas: readonly (number | undefined)[]
}

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

/** Estimates how many bits per second the path takes, from when packets were sent and when they came. A part of a sender, driven by it. */
export class BandwidthEstimator {
  constructor(_options: BandwidthEstimatorOptions = {}) {}

  /** The estimate, bits per second. Where it has changed after a call, the pacer is to be told. */
  get bitrate(): number {
    return 0
  }

  /** When `handleTimeout` is next needed; `Infinity` while nothing is sent. */
  get deadline(): Instant {
    return NEVER
  }

  get statistics(): BandwidthEstimatorStatistics {
    throw new Error()
  }

  /** What would be sent if there were room for it, bits per second: it is probed up to that. `undefined`: as much as there is. */
  setDesiredBitrate(_now: Instant, _desiredBitrate: number | undefined): void {}

  /**
   * A packet goes out. `sequenceNumber` is its transport-wide one, 16 bits, each one more than the one before; `size` is what counts for the path, bytes. `probe` is the
   * id of the cluster that it is part of.
   */
  handleSent(_now: Instant, _sequenceNumber: number, _size: number, _probe?: number): void {}

  handleFeedback(_now: Instant, _feedback: Feedback): void {}

  handleTimeout(_now: Instant): void {}

  /** A cluster to be given to the pacer; `undefined`: there is none. */
  pollProbe(): ProbeCluster | undefined {
    return undefined
  }
}
