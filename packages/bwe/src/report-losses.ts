import { serial32, type Ssrc } from '@str0m/sans-io'

/** What a receiver reports of one stream: a block of its reports (RFC 3550 section 6.4.1). `ReportBlock` of `@str0m/rtp` is one. */
export interface LossReport {
  readonly ssrc: Ssrc
  /** Packets that were lost since the beginning; signed. */
  readonly cumulativeLost: number
  /** The highest sequence number that came, with cycles in the upper 16 bits. */
  readonly highestSequence: number
}

/** A step between two reports that no stream makes: its receiver has started anew. */
const MAX_STEP = 0x1_0000

interface Stream {
  /** `undefined` before the first report. */
  last: LossReport | undefined
}

/** Adds up what reports tell of the loss of all streams. Of sources that nothing was sent of, nothing is remembered. */
export class ReportLosses {
  /** Packets that were reported on, and those of them that were lost, since they were last taken. */
  expected = 0
  lost = 0
  readonly #streams = new Map<Ssrc, Stream>()
  #latest: Ssrc | undefined

  /** A packet of this source is sent. */
  handleSent(ssrc: Ssrc): void {
    if (ssrc === this.#latest) return
    this.#latest = ssrc
    if (!this.#streams.has(ssrc)) this.#streams.set(ssrc, { last: undefined })
  }

  /** Answers whether it is on a stream of ours. */
  handleReport(report: LossReport): boolean {
    const stream = this.#streams.get(report.ssrc)
    if (stream === undefined) return false
    const { last } = stream
    stream.last = report
    if (last === undefined) return true
    const expected = serial32.diff(report.highestSequence, last.highestSequence)
    if (expected < 0 || expected > MAX_STEP) return true
    // duplicates make it fall
    const lost = Math.min(Math.max(report.cumulativeLost - last.cumulativeLost, 0), expected)
    this.expected += expected
    this.lost += lost
    return true
  }

  clear(): void {
    this.expected = this.lost = 0
  }
}
