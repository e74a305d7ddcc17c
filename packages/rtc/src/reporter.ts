import {
  type ExtendedReport,
  ExtendedReportTimes,
  MAX_COUNT,
  ntpFromUnix,
  ntpMiddle,
  type ReceiverReport,
  type ReportBlock,
  type Rtcp,
  SDES_CNAME,
  SDES_MID,
  type SenderReport,
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
import type { Media } from './media.ts'
import type { Receiver } from './receivers.ts'
import { isNamed, ReportingSources } from './reporting-sources.ts'
import type { Sender } from './senders.ts'

/** Milliseconds between reports, times 0.5 to 1.5: RFC 3550 section 6.2, with the reduced minimum that RFC 4585 section 3.5.2 allows. */
const REPORT_INTERVAL = 1000
/** Milliseconds between a report and one that is hastened. */
const HASTENED_INTERVAL = 100
/** Bytes of a sender report and of a receiver report without blocks, of a block, and of the header of a source description (RFC 3550 sections 6.4 and 6.5). */
const SENDER_REPORT_LENGTH = 28
const RECEIVER_REPORT_LENGTH = 8
const BLOCK_LENGTH = 24
const DESCRIPTION_LENGTH = 4
/** Streams of a section that are reported on before feedback on one of them: as many as a section mostly has encodings at most. */
const MAX_BLOCKS_BEFORE_FEEDBACK = 4

/** A source of ours, and the section that it is of; `undefined`: of none. */
interface Source {
  readonly ssrc: Ssrc
  readonly media: Media | undefined
}

/** What one source of ours reports: on what it sends, where it sends something, and on what comes in on its section. */
interface SourceReport extends Source {
  readonly sender: Sender | undefined
  readonly blocks: ReportBlock[]
}

/** Writes our RTCP: reports while something comes in or goes out, and feedback when it is wanted. */
export class Reporter {
  /** RFC 7022 section 4.2: of one session, and of no use outside it. */
  readonly cname: string
  /** RFC 5506: feedback may go without a report before it. */
  reducedSize = false
  readonly #mtu: number
  readonly #wallClock: WallClock
  readonly #random: RandomSource
  readonly #sources: ReportingSources
  #times: ExtendedReportTimes
  /** How many reports there were. */
  #turn = 0
  #reportAt: Instant = NEVER
  #reportedAt: Instant = Number.NEGATIVE_INFINITY

  /** `ssrc`: our source of what is of no section. `mtu`: bytes of a datagram at most. */
  constructor(ssrc: Ssrc, cname: string, mtu: number, wallClock: WallClock, random: RandomSource) {
    this.#sources = new ReportingSources(ssrc, random)
    this.#mtu = mtu
    this.#times = new ExtendedReportTimes(ssrc)
    this.cname = cname
    this.#wallClock = wallClock
    this.#random = random
  }

  /** Our source in feedback that is of no section, as when packets came. */
  get ssrc(): Ssrc {
    return this.#sources.ofTransport
  }

  /** Our source in feedback on a section. */
  sourceOf(media: Media): Ssrc {
    return this.#sources.of(media)
  }

  /** Those that have reported on sections, and still do. */
  get sources(): Iterable<Ssrc> {
    return this.#sources.ofSections
  }

  /** Takes the sections as they now stand. Answers the sources that are gone, of those that have reported. */
  setMedias(medias: readonly Media[]): Ssrc[] {
    return this.#sources.setMedias(medias)
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
    if (this.#reportAt === NEVER) this.#reportAt = now + REPORT_INTERVAL * (0.5 + this.#fraction())
  }

  /** Something of this source went out. */
  noteSent(now: Instant, sender: Sender): void {
    this.#sources.noteSent(sender)
    this.noteActivity(now)
  }

  /**
   * A stream started, or its timestamps became known to mean another time: the receiver cannot put it in step with the others before it has a report. RFC 3550
   * section 6.2 lets the first one come at once (see RFC 6051 section 2.1.1 for what it saves).
   */
  hasten(now: Instant): void {
    this.#reportAt = Math.min(this.#reportAt, Math.max(now, this.#reportedAt + HASTENED_INTERVAL))
  }

  /**
   * The reports on what came in and went out since the last ones, as datagrams: on a section, from the source that is of it. A datagram is on what came in of one section alone, as
   * browsers' are: Janus takes all of it for what is said of one stream. Another stream of the section is the first each time: Janus reads no further, and keeps nothing to be sent
   * again of a stream before it has read a report on it.
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
    const collided = this.#replaceCollided(activeReceivers)
    const ntpTime = ntpFromUnix(unixTimeAt(this.#wallClock, now))
    // RFC 3611 section 4.4: one that sends has its sender reports to measure by
    const times = this.#times.blocks(now, ntpTime, senders.length === 0)
    const extended: Rtcp[] =
      times.length === 0 ? [] : [{ type: 'extendedReport', ssrc: this.ssrc, blocks: times }]
    const datagrams: Uint8Array[] = []
    let reports: (SenderReport | ReceiverReport)[] = []
    let sources: Source[] = extended.length === 0 ? [] : [this.#transport]
    const whole = this.#mtu - srtp.rtcpOverhead - DESCRIPTION_LENGTH
    let room = whole - writeRtcp(extended).length - (extended.length === 0 ? 0 : this.#chunkLength(undefined))
    const finish = (): void => {
      datagrams.push(protect(srtp, [...reports, this.#names(sources), ...extended.splice(0)]))
      reports = []
      sources = []
      room = whole
    }
    for (const { ssrc, media, sender, blocks } of this.#reportsOf(now, receivers, senders)) {
      const chunk = this.#chunkLength(media)
      for (let b = 0, isFirst = true; isFirst || b < blocks.length; isFirst = false) {
        const sent = isFirst ? sender : undefined
        const length = sent === undefined ? RECEIVER_REPORT_LENGTH : SENDER_REPORT_LENGTH
        const least = length + chunk + (blocks.length === 0 ? 0 : BLOCK_LENGTH)
        const isApart = blocks.length > 0 && reports.some((report) => report.reports.length > 0)
        if (isApart || (reports.length > 0 && (least > room || sources.length === MAX_COUNT))) finish()
        if (!sources.some((named) => named.ssrc === ssrc)) {
          sources.push({ ssrc, media })
          room -= chunk
        }
        const count = Math.max(1, Math.floor((room - length) / BLOCK_LENGTH))
        const some = blocks.slice(b, b + Math.min(MAX_COUNT, count))
        b += some.length
        room -= length + some.length * BLOCK_LENGTH
        reports.push(
          sent === undefined
            ? receiverReport({ ssrc, media }, some)
            : sent.stream.report(now, ntpTime, sent.codec.clockRate, some),
        )
      }
    }
    if (reports.length > 0) finish()
    for (const ssrc of collided) datagrams.push(this.goodbye([ssrc], srtp))
    return datagrams
  }

  /** What each of our sources reports, section by section: they come in the order of the streams. */
  #reportsOf(now: Instant, receivers: readonly Receiver[], senders: readonly Sender[]): SourceReport[] {
    const sections = new Map<Media, { blocks: ReportBlock[]; senders: Sender[] }>()
    const sectionOf = (media: Media): { blocks: ReportBlock[]; senders: Sender[] } => {
      let section = sections.get(media)
      if (section === undefined) sections.set(media, (section = { blocks: [], senders: [] }))
      return section
    }
    for (const { stream, media } of receivers) {
      const block = stream.report(now)
      if (block !== undefined) sectionOf(media).blocks.push(block)
    }
    for (const sender of senders) sectionOf(sender.media).senders.push(sender)
    const reports: SourceReport[] = []
    for (const [media, { blocks, senders: ofSection }] of sections) {
      const source = blocks.length === 0 ? undefined : this.#sourceAbout(media)
      const ours = ofSection.find(({ stream }) => stream.ssrc === source?.ssrc)
      if (source !== undefined) reports.push({ ...source, sender: ours, blocks })
      for (const sender of ofSection) {
        if (sender !== ours) reports.push({ ssrc: sender.stream.ssrc, media, sender, blocks: [] })
      }
    }
    return reports
  }

  /** RFC 3550 section 8.2. Answers what sources of ours were called that have another number now, as the peer has that. */
  #replaceCollided(receivers: readonly Receiver[]): Ssrc[] {
    const { ssrc } = this
    const collided = receivers
      .map(({ stream }) => stream.ssrc)
      .filter((theirs) => this.#sources.replace(theirs))
    if (ssrc !== this.ssrc) this.#times = new ExtendedReportTimes(this.ssrc)
    return collided
  }

  /**
   * A datagram of feedback. `about`: the stream that it is on, where it is on one, and then the others of its section; it comes from the source of that section then, else from
   * `ssrc`.
   */
  feedback(now: Instant, feedback: Rtcp, srtp: SrtpContext, about: readonly Receiver[] = []): Uint8Array {
    if (this.reducedSize) return protect(srtp, [feedback])
    // RFC 3550 section 6.1: a report first, then the name. Section 6.4.2: it is empty where there is nothing to report. Janus knows the stream by its
    // first block alone, where it does not know our SSRC: without one it drops the whole. One that sends has a receiver report here too: the sender reports go at their own time.
    // libdatachannel knows one encoding of several alone, and finds the section by any block: OBS sends none of the others again without one on that.
    const blocks = about.slice(0, MAX_BLOCKS_BEFORE_FEEDBACK).map(({ stream }) => stream.report(now))
    const source = this.#sourceAbout(about[0]?.media)
    const report = receiverReport(
      source,
      blocks.filter((block) => block !== undefined),
    )
    return protect(srtp, [report, this.#names([source]), feedback])
  }

  /** What reports on when packets came say of `now`: the middle 32 bits of NTP time (RFC 8888 section 3.1). */
  timestampOf(now: Instant): number {
    return ntpMiddle(ntpFromUnix(unixTimeAt(this.#wallClock, now)))
  }

  /** Bytes that feedback may have so that it fits a datagram. `about` as with `feedback`. */
  feedbackRoom(srtp: SrtpContext, about: readonly Receiver[] = []): number {
    const room = this.#mtu - srtp.rtcpOverhead
    if (this.reducedSize) return room
    const { media } = this.#sourceAbout(about[0]?.media)
    const before = RECEIVER_REPORT_LENGTH + DESCRIPTION_LENGTH + this.#chunkLength(media)
    return room - before - Math.min(about.length, MAX_BLOCKS_BEFORE_FEEDBACK) * BLOCK_LENGTH
  }

  /** Sources of ours are gone, RFC 3550 section 6.6: `MAX_COUNT` of them at most. */
  goodbye(ssrcs: readonly Ssrc[], srtp: SrtpContext): Uint8Array {
    const source = this.#transport
    return protect(srtp, [receiverReport(source, []), this.#names([source]), { type: 'goodbye', ssrcs }])
  }

  get #transport(): Source {
    return { ssrc: this.ssrc, media: undefined }
  }

  #sourceAbout(media: Media | undefined): Source {
    if (media === undefined) return this.#transport
    const ssrc = this.#sources.of(media)
    return ssrc === this.ssrc ? this.#transport : { ssrc, media }
  }

  /** 0 to 1, in steps of 1/256. */
  #fraction(): number {
    const byte = new Uint8Array(1)
    this.#random(byte)
    return byte[0]! / 256
  }

  /** Bytes of a chunk at most: a source, its items, and one to four zeros (RFC 3550 section 6.5). */
  #chunkLength(media: Media | undefined): number {
    const mid = media === undefined || !isNamed(media) ? 0 : 2 + media.midBytes.length
    return 4 * Math.floor((4 + 2 + this.cname.length + mid) / 4 + 1)
  }

  /**
   * RFC 9143 section 15: with the mid of the last one, which is another one each time. aiortc takes two zeros for the end of a chunk, as they are after our CNAME, and drops the whole datagram where
   * a chunk that is not the last has other ones; oRTP learns the last mid alone.
   */
  #names(sources: readonly Source[]): SourceDescription {
    const name = { type: SDES_CNAME, text: this.cname }
    const chunks = sources.map(({ ssrc, media }, i) => {
      const tellsMid = i === sources.length - 1 && media !== undefined && isNamed(media)
      return { ssrc, items: tellsMid ? [name, { type: SDES_MID, text: media.mid }] : [name] }
    })
    return { type: 'sourceDescription', chunks }
  }
}

function receiverReport({ ssrc }: Source, reports: readonly ReportBlock[]): ReceiverReport {
  return { type: 'receiverReport', ssrc, reports }
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
