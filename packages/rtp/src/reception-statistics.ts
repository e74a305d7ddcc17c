import { type Instant, serial16 } from '@str0m/sans-io'
import { ntpMiddle } from './ntp.ts'
import type { ReportBlock } from './rtcp/rtcp.ts'

/** What a receiver counts of one stream for its reports, RFC 3550 section 6.4.1 and appendix A. */
export class ReceptionStatistics {
  readonly #ssrc: number
  readonly #clockRate: number
  #base = -1
  #highest = -1
  #received = 0
  #expectedPrior = 0
  #receivedPrior = 0
  #jitter = 0
  #lastArrival = 0
  #lastTimestamp = 0
  #lastSenderReport = 0
  #lastSenderReportAt: Instant = 0

  /** `clockRate` is the payload's, in hertz. */
  constructor(ssrc: number, clockRate: number) {
    this.#ssrc = ssrc
    this.#clockRate = clockRate
  }

  /** Packets received, duplicates with them. */
  get packetsReceived(): number {
    return this.#received
  }

  /** Packets expected less packets received; negative where duplicates came. */
  get packetsLost(): number {
    return this.#base < 0 ? 0 : this.#highest - this.#base + 1 - this.#received
  }

  /** Interarrival jitter in seconds. */
  get jitter(): number {
    return this.#jitter / this.#clockRate
  }

  /** The highest sequence number, with the cycles above its 16 bits; -1 before the first packet. */
  get highestSequence(): number {
    return this.#highest
  }

  handlePacket(now: Instant, sequenceNumber: number, timestamp: number): void {
    this.#received++
    if (this.#base < 0) {
      this.#base = this.#highest = sequenceNumber
    } else {
      const sequence = serial16.unwrap(sequenceNumber, this.#highest)
      if (sequence > this.#highest) this.#highest = sequence
    }
    // appendix A.8: the change of the transit time, in timestamp units; it wraps with the timestamp
    const arrival = (now / 1000) * this.#clockRate
    if (this.#received > 1) {
      const difference = Math.abs(arrival - this.#lastArrival - ((timestamp - this.#lastTimestamp) | 0))
      this.#jitter += (difference - this.#jitter) / 16
    }
    this.#lastArrival = arrival
    this.#lastTimestamp = timestamp
  }

  handleSenderReport(now: Instant, ntpTime: bigint): void {
    this.#lastSenderReport = ntpMiddle(ntpTime)
    this.#lastSenderReportAt = now
  }

  /** The block for the next report; its fraction lost is since the block before. */
  report(now: Instant): ReportBlock {
    const expected = this.#base < 0 ? 0 : this.#highest - this.#base + 1
    const expectedInterval = expected - this.#expectedPrior
    const lostInterval = expectedInterval - (this.#received - this.#receivedPrior)
    this.#expectedPrior = expected
    this.#receivedPrior = this.#received
    const lost = Math.max(-0x80_0000, Math.min(0x7f_ffff, this.packetsLost))
    const delay = (now - this.#lastSenderReportAt) * 65.536
    return {
      ssrc: this.#ssrc,
      fractionLost:
        lostInterval <= 0 || expectedInterval <= 0
          ? 0
          : Math.min(255, Math.floor((lostInterval * 256) / expectedInterval)),
      cumulativeLost: lost,
      highestSequence: Math.max(0, this.#highest) >>> 0,
      jitter: Math.floor(this.#jitter) >>> 0,
      lastSenderReport: this.#lastSenderReport,
      delaySinceLastSenderReport:
        this.#lastSenderReport === 0 ? 0 : Math.min(0xffff_ffff, Math.floor(delay)) >>> 0,
    }
  }
}
