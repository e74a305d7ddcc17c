import { unwrapTimestamp } from './elapsed-timestamp.ts'
import { unixFromNtp } from './ntp.ts'
import type { SenderReport } from './rtcp/rtcp.ts'

/**
 * Maps the timestamps of one stream to its sender's wall clock, by the last sender report (RFC 3550 section 6.4.1): the two clocks may run
 * apart, and are together again with each report.
 */
export class SenderClock {
  #unixTime: number | undefined
  #rtpTime = 0

  /** Forgets what it knows: the timestamps are of another clock from here on. */
  reset(): void {
    this.#unixTime = undefined
  }

  handleSenderReport({ ntpTime, rtpTime }: SenderReport): void {
    // RFC 3550 section 6.4.1: zero is said by a sender that has no clock
    this.#unixTime = ntpTime === 0n ? undefined : unixFromNtp(ntpTime)
    this.#rtpTime = rtpTime
  }

  /**
   * What the sender's wall clock showed at a timestamp, in milliseconds since 1970; `undefined` before the first report. The timestamp, unwrapped or not,
   * is taken as the nearest one to the report's; after a silence of hours, `elapsed` milliseconds since the report came, as one that is as much later.
   */
  captureTime(timestamp: number, clockRate: number, elapsed = 0): number | undefined {
    if (this.#unixTime === undefined) return undefined
    const ticks = unwrapTimestamp(timestamp, this.#rtpTime, elapsed, clockRate) - this.#rtpTime
    return this.#unixTime + (1000 * ticks) / clockRate
  }
}
