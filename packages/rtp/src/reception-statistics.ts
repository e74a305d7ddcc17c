import { type Instant, serial16 } from '@str0m/sans-io'
import { ntpMiddle } from './ntp.ts'
import { delaySince } from './rtcp/report-delay.ts'
import type { ReportBlock } from './rtcp/rtcp.ts'

/** RFC 3550 appendix A.1: farther ahead, a packet is no loss but may be a restart of the sender. */
const MAX_DROPOUT = 3000
/** Farther behind, it is no late packet either; and where packets are sent again as they were, a second of them may lie between. */
const MAX_MISORDER = 100
export const MAX_MISORDER_OF_REPEATED = 1024
const SEQUENCE_CYCLE = 0x1_0000
/** Seconds by which the transit time changes where the sender's clock has jumped: no network does that. */
const CLOCK_JUMP = 5

/**
 * What a receiver counts of one stream for its reports, RFC 3550 section 6.4.1 and appendix A. The probation of appendix A.1 is left
 * out: a stream is known by its negotiated id and its packets are authenticated before they come here.
 */
export class ReceptionStatistics {
  readonly #ssrc: number
  readonly #maxMisorder: number
  #clockRate: number
  /** The first sequence number since the (re)start, and the highest, with cycles; -1 before the first packet. */
  #base = -1
  #highest = -1
  /** Since the (re)start. */
  #received = 0
  /** Until the last restart. */
  #receivedBefore = 0
  #lostBefore = 0
  /** The sequence number that would confirm a restart. */
  #badSequence = -1
  #expectedPrior = 0
  #receivedPrior = 0
  #jitter = 0
  #hasTransit = false
  #lastArrival = 0
  #lastTimestamp = 0
  #lastSenderReport = 0
  #lastSenderReportAt: Instant = 0

  /** `clockRate` is the payload's, in hertz. `repeated`: lost packets may come again as they were. */
  constructor(ssrc: number, clockRate: number, repeated = false) {
    this.#ssrc = ssrc
    this.#maxMisorder = repeated ? MAX_MISORDER_OF_REPEATED : MAX_MISORDER
    this.#clockRate = clockRate
  }

  /** Hertz. Set where the sender goes on with a codec of another clock. */
  get clockRate(): number {
    return this.#clockRate
  }

  set clockRate(clockRate: number) {
    if (clockRate === this.#clockRate) return
    this.#jitter *= clockRate / this.#clockRate
    this.#clockRate = clockRate
    this.#hasTransit = false
  }

  /** Packets received, duplicates with them. */
  get packetsReceived(): number {
    return this.#receivedBefore + this.#received
  }

  /** Packets expected less packets received; negative where duplicates came. */
  get packetsLost(): number {
    return this.#lostBefore + this.#expected - this.#received
  }

  /** Interarrival jitter in seconds. */
  get jitter(): number {
    return this.#jitter / this.#clockRate
  }

  /** The highest sequence number since the sender's last restart, with the cycles above its 16 bits; -1 before the first packet. */
  get highestSequence(): number {
    return this.#highest
  }

  get #expected(): number {
    return this.#base < 0 ? 0 : this.#highest - this.#base + 1
  }

  handlePacket(now: Instant, sequenceNumber: number, timestamp: number): void {
    if (!this.#updateSequence(sequenceNumber)) return
    this.#received++
    // appendix A.8: the change of the transit time, in timestamp units; it wraps with the timestamp
    const arrival = (now / 1000) * this.#clockRate
    if (this.#hasTransit) {
      const difference = Math.abs(arrival - this.#lastArrival - ((timestamp - this.#lastTimestamp) | 0))
      if (difference < CLOCK_JUMP * this.#clockRate) this.#jitter += (difference - this.#jitter) / 16
    }
    this.#hasTransit = true
    this.#lastArrival = arrival
    this.#lastTimestamp = timestamp
  }

  /** Appendix A.1, update_seq; false for a packet that is not counted, unless the next one confirms it. */
  #updateSequence(sequenceNumber: number): boolean {
    if (this.#base < 0) {
      this.#base = this.#highest = sequenceNumber
      return true
    }
    const distance = serial16.diff(sequenceNumber, this.#highest)
    if (distance < MAX_DROPOUT && distance > -this.#maxMisorder) {
      if (distance > 0) this.#highest += distance
      return true
    }
    if (sequenceNumber !== this.#badSequence) {
      this.#badSequence = serial16.add(sequenceNumber, 1)
      return false
    }
    this.#restart(sequenceNumber)
    return true
  }

  /** Appendix A.1, init_seq. The packet before this one is counted too; what is cumulative stays. */
  #restart(sequenceNumber: number): void {
    this.#lostBefore += this.#expected - this.#received
    this.#receivedBefore += this.#received
    this.#highest = sequenceNumber === 0 ? SEQUENCE_CYCLE : sequenceNumber
    this.#base = this.#highest - 1
    this.#received = 1
    this.#badSequence = -1
    this.#expectedPrior = 0
    this.#receivedPrior = 0
    this.#hasTransit = false
  }

  handleSenderReport(now: Instant, ntpTime: bigint): void {
    this.#lastSenderReport = ntpMiddle(ntpTime)
    this.#lastSenderReportAt = now
  }

  /** The block for the next report; its fraction lost is since the block before. */
  report(now: Instant): ReportBlock {
    // appendix A.3
    const expectedInterval = this.#expected - this.#expectedPrior
    const lostInterval = expectedInterval - (this.#received - this.#receivedPrior)
    this.#expectedPrior = this.#expected
    this.#receivedPrior = this.#received
    // what was too long ago to be said is as if it had not been
    const delay = delaySince(now, this.#lastSenderReportAt)
    const lastSenderReport = delay === undefined ? 0 : this.#lastSenderReport
    return {
      ssrc: this.#ssrc,
      fractionLost:
        lostInterval <= 0 || expectedInterval <= 0
          ? 0
          : Math.min(255, Math.floor((lostInterval * 256) / expectedInterval)),
      cumulativeLost: Math.max(-0x80_0000, Math.min(0x7f_ffff, this.packetsLost)),
      highestSequence: Math.max(0, this.#highest) >>> 0,
      jitter: Math.min(0xffff_ffff, Math.floor(this.#jitter)),
      lastSenderReport,
      delaySinceLastSenderReport: lastSenderReport === 0 || delay === undefined ? 0 : delay,
    }
  }
}
