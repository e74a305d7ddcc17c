import type { Instant, Ssrc } from '@str0m/sans-io'
import { ntpMiddle } from '../ntp.ts'
import { delaySince, roundTripOf } from './report-delay.ts'
import type { ExtendedReport, ExtendedReportBlock } from './rtcp.ts'

/** Reference times of ours that an answer can refer to: a peer answers within the next few. */
const REMEMBERED = 8
/** Peers that asked since the last report: on one transport there is one. */
export const MAX_REFERENCE_TIMES: number = 32

type Delays = Extract<ExtendedReportBlock, { type: 'delaySinceLastReceiverReport' }>

/**
 * The round-trip time without sender reports, RFC 3611 sections 4.4 and 4.5: one that only receives states its clock (RRTR), and the peer
 * answers how long ago that was (DLRR). Both roles in one: each report is to be given to `handleReport`, and the blocks of `blocks` sent.
 */
export class ExtendedReportTimes {
  readonly #ssrc: Ssrc
  readonly #sent: { readonly middle: number; readonly at: Instant }[] = []
  #roundTripTime: number | undefined
  /** What the peers stated since the last report. */
  readonly #heard = new Map<Ssrc, { readonly middle: number; readonly at: Instant }>()

  /** `ssrc` is that of our reports. */
  constructor(ssrc: Ssrc) {
    this.#ssrc = ssrc
  }

  /** Seconds; `undefined` before an answer. */
  get roundTripTime(): number | undefined {
    return this.#roundTripTime
  }

  /**
   * The blocks of the next report, whose time is `ntpTime`: our own reference time where we `ask`, and the answers to those that came since
   * the last call.
   */
  blocks(now: Instant, ntpTime: bigint, ask: boolean): ExtendedReportBlock[] {
    const blocks: ExtendedReportBlock[] = []
    if (ask) {
      this.#sent.push({ middle: ntpMiddle(ntpTime), at: now })
      if (this.#sent.length > REMEMBERED) this.#sent.shift()
      blocks.push({ type: 'receiverReferenceTime', ntpTime })
    }
    if (this.#heard.size > 0) {
      const reports: Delays['reports'][number][] = []
      for (const [ssrc, { middle, at }] of this.#heard) {
        const delay = delaySince(now, at)
        if (delay !== undefined)
          reports.push({ ssrc, lastReceiverReport: middle, delaySinceLastReceiverReport: delay })
      }
      this.#heard.clear()
      if (reports.length > 0) blocks.push({ type: 'delaySinceLastReceiverReport', reports })
    }
    return blocks
  }

  /** Takes a peer's report. */
  handleReport(now: Instant, report: ExtendedReport): void {
    for (const block of report.blocks) {
      if (block.type === 'delaySinceLastReceiverReport') this.#handleDelays(now, block)
      if (block.type !== 'receiverReferenceTime') continue
      if (!this.#heard.has(report.ssrc) && this.#heard.size >= MAX_REFERENCE_TIMES) continue
      this.#heard.set(report.ssrc, { middle: ntpMiddle(block.ntpTime), at: now })
    }
  }

  #handleDelays(now: Instant, { reports }: Delays): void {
    for (const { ssrc, lastReceiverReport, delaySinceLastReceiverReport } of reports) {
      if (ssrc !== this.#ssrc) continue
      const sent = this.#sent.find(({ middle }) => middle === lastReceiverReport)
      if (sent === undefined) continue
      const roundTrip = roundTripOf(now, sent.at, delaySinceLastReceiverReport)
      if (roundTrip !== undefined) this.#roundTripTime = roundTrip / 1000
    }
  }
}
