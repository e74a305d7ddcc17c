import {
  type ExtendedReport,
  ExtendedReportTimes,
  MAX_COUNT,
  ntpFromUnix,
  ntpMiddle,
  type ReportBlock,
  type Rtcp,
  SDES_CNAME,
  type StreamRx,
  type SourceDescription,
  writeRtcp,
} from '@str0m/rtp'
import {
  datagramBytes,
  type Instant,
  NEVER,
  type RandomSource,
  type Ssrc,
  unixTimeAt,
  type WallClock,
} from '@str0m/sans-io'
import type { SrtpContext } from '@str0m/srtp'
import type { Receiver } from './receivers.ts'
import type { Sender } from './senders.ts'

/** Milliseconds between reports, times 0.5 to 1.5: RFC 3550 section 6.2, with the reduced minimum that RFC 4585 section 3.5.2 allows. */
const REPORT_INTERVAL = 1000
/** Milliseconds between a report and one that is hastened. */
const HASTENED_INTERVAL = 100
/** Sources of ours in one datagram, where it has room for so many: the rest is for blocks. */
const MAX_SENDERS_PER_REPORT = 8
/** Bytes of a sender report and of a receiver report without blocks, of a block, and of the header of a source description (RFC 3550 sections 6.4 and 6.5). */
const SENDER_REPORT_LENGTH = 28
const RECEIVER_REPORT_LENGTH = 8
const BLOCK_LENGTH = 24
const DESCRIPTION_LENGTH = 4

/** Writes our RTCP: reports while something comes in or goes out, and feedback when it is wanted. */
export class Reporter {
  /** Our SSRC in reports, where we send no media. */
  readonly ssrc: Ssrc
  /** RFC 7022 section 4.2: of one session, and of no use outside it. */
  readonly cname: string
  /** RFC 5506: feedback may go without a report before it. */
  reducedSize = false
  readonly #mtu: number
  readonly #wallClock: WallClock
  readonly #random: () => number
  readonly #times: ExtendedReportTimes
  /** How many reports there were. */
  #turn = 0
  #reportAt: Instant = NEVER
  #reportedAt: Instant = Number.NEGATIVE_INFINITY

  /** `mtu`: bytes of a datagram at most. */
  constructor(ssrc: Ssrc, cname: string, mtu: number, wallClock: WallClock, random: RandomSource) {
    this.ssrc = ssrc
    this.#mtu = mtu
    this.#times = new ExtendedReportTimes(ssrc)
    this.cname = cname
    this.#wallClock = wallClock
    const byte = new Uint8Array(1)
    this.#random = () => {
      random(byte)
      return byte[0]! / 256
    }
  }

  /** Seconds, without media of ours (RFC 3611 section 4.5); `undefined` before an answer. */
  get roundTripTime(): number | undefined {
    return this.#times.roundTripTime
  }

  handleExtendedReport(now: Instant, report: ExtendedReport): void {
    this.#times.handleReport(now, report)
  }

  /** When reports are next due; `Infinity` while nothing comes in or goes out. */
  get deadline(): Instant {
    return this.#reportAt
  }

  /** Something came in or went out: a report is to follow. */
  noteActivity(now: Instant): void {
    if (this.#reportAt === NEVER) this.#reportAt = now + REPORT_INTERVAL * (0.5 + this.#random())
  }

  /**
   * A stream started, or its timestamps became known to mean another time: the receiver cannot put it in step with the others before it has a report. RFC 3550
   * section 6.2 lets the first one come at once (see RFC 6051 section 2.1.1 for what it saves).
   */
  hasten(now: Instant): void {
    this.#reportAt = Math.min(this.#reportAt, Math.max(now, this.#reportedAt + HASTENED_INTERVAL))
  }

  /**
   * The reports on what came in and went out since the last ones, as datagrams. Another stream is the first each time: Janus reads no further, and keeps
   * nothing to be sent again of a stream before it has read a report on it.
   */
  reports(
    now: Instant,
    activeReceivers: readonly Receiver[],
    activeSenders: readonly Sender[],
    srtp: SrtpContext,
  ): Uint8Array[] {
    const receivers = rotated(activeReceivers, this.#turn)
    const senders = rotated(activeSenders, this.#turn++)
    this.#reportAt = NEVER
    this.#reportedAt = now
    const ntpTime = ntpFromUnix(unixTimeAt(this.#wallClock, now))
    const blocks = receivers.map(({ stream }) => stream.report(now)).filter((block) => block !== undefined)
    // RFC 3611 section 4.4: one that sends has its sender reports to measure by
    const times = this.#times.blocks(now, ntpTime, senders.length === 0)
    let extended: Rtcp[] =
      times.length === 0 ? [] : [{ type: 'extendedReport', ssrc: this.ssrc, blocks: times }]
    const datagrams: Uint8Array[] = []
    for (let b = 0, s = 0; b < blocks.length || s < senders.length;) {
      let room = this.#mtu - srtp.rtcpOverhead - DESCRIPTION_LENGTH - writeRtcp(extended).length
      const ours = senders.slice(s, s + this.#sendersIn(room))
      s += ours.length
      const names = this.#names(ours.length === 0 ? [this.ssrc] : ours.map(({ stream }) => stream.ssrc))
      room -= ours.length === 0 ? RECEIVER_REPORT_LENGTH : ours.length * SENDER_REPORT_LENGTH
      room -= names.chunks.length * this.#nameLength
      const least = ours.length === 0 ? 1 : 0
      const some = blocks.slice(b, b + Math.min(MAX_COUNT, Math.max(least, Math.floor(room / BLOCK_LENGTH))))
      b += some.length
      const reports = ours.map(({ stream, codec }, i) =>
        stream.report(now, ntpTime, codec.clockRate, i === 0 ? some : []),
      )
      const first: Rtcp[] = ours.length === 0 ? [this.#receiverReport(some)] : reports
      datagrams.push(protect(srtp, [...first, names, ...extended]))
      extended = []
    }
    return datagrams
  }

  /** A datagram of feedback, on the stream `about` where it is on one. */
  feedback(now: Instant, feedback: Rtcp, srtp: SrtpContext, about?: StreamRx): Uint8Array {
    if (this.reducedSize) return protect(srtp, [feedback])
    // RFC 3550 section 6.1: a report first, then the name. Section 6.4.2: it is empty where there is nothing to report. Janus knows the stream by its
    // first block alone, where it does not know our SSRC: without one it drops the whole.
    const block = about?.report(now)
    const report = this.#receiverReport(block === undefined ? [] : [block])
    return protect(srtp, [report, this.#names([this.ssrc]), feedback])
  }

  /** What reports on when packets came say of `now`: the middle 32 bits of NTP time (RFC 8888 section 3.1). */
  timestampOf(now: Instant): number {
    return ntpMiddle(ntpFromUnix(unixTimeAt(this.#wallClock, now)))
  }

  /** Bytes that feedback may have so that it fits a datagram. `about`: whether it is on one stream. */
  feedbackRoom(srtp: SrtpContext, about = false): number {
    const room = this.#mtu - srtp.rtcpOverhead
    if (this.reducedSize) return room
    const before = RECEIVER_REPORT_LENGTH + DESCRIPTION_LENGTH + this.#nameLength
    return room - before - (about ? BLOCK_LENGTH : 0)
  }

  /** Sources of ours are gone, RFC 3550 section 6.6: `MAX_COUNT` of them at most. */
  goodbye(ssrcs: readonly Ssrc[], srtp: SrtpContext): Uint8Array {
    return protect(srtp, [this.#receiverReport([]), this.#names([this.ssrc]), { type: 'goodbye', ssrcs }])
  }

  /** Our sources that a datagram has room for, of so many bytes: one at least. */
  #sendersIn(room: number): number {
    const count = Math.floor(room / (SENDER_REPORT_LENGTH + this.#nameLength))
    return Math.min(MAX_SENDERS_PER_REPORT, Math.max(1, count))
  }

  /** Bytes of a chunk: a source, an item, and one to four zeros (RFC 3550 section 6.5). */
  get #nameLength(): number {
    return 4 * Math.floor((4 + 2 + this.cname.length) / 4 + 1)
  }

  #receiverReport(reports: readonly ReportBlock[]): Rtcp {
    return { type: 'receiverReport', ssrc: this.ssrc, reports }
  }

  #names(ssrcs: readonly Ssrc[]): SourceDescription {
    const items = [{ type: SDES_CNAME, text: this.cname }]
    return { type: 'sourceDescription', chunks: ssrcs.map((ssrc) => ({ ssrc, items })) }
  }
}

/** The same in a circle, from another one on. */
function rotated<T>(list: readonly T[], by: number): readonly T[] {
  if (list.length < 2) return list
  const start = by % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}

function protect(srtp: SrtpContext, packets: readonly Rtcp[]): Uint8Array {
  const plain = writeRtcp(packets)
  const datagram = datagramBytes(plain.length + srtp.rtcpOverhead)
  datagram.set(plain)
  return datagram.subarray(0, srtp.protectRtcp(datagram, plain.length))
}
