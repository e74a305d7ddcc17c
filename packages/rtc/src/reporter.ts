import {
  type ExtendedReport,
  ExtendedReportTimes,
  MAX_COUNT,
  ntpFromUnix,
  ntpMiddle,
  type ReportBlock,
  type Rtcp,
  SDES_CNAME,
  SDES_MID,
  type SourceDescription,
  writeRtcp,
} from '@str0m/rtp'
import {
  datagramBytes,
  type Instant,
  NEVER,
  readU32,
  type RandomSource,
  type Ssrc,
  unixTimeAt,
  type WallClock,
} from '@str0m/sans-io'
import { sends } from '@str0m/sdp'
import type { SrtpContext } from '@str0m/srtp'
import type { Media } from './media.ts'
import type { Receiver } from './receivers.ts'
import type { Sender } from './senders.ts'

/** Milliseconds between reports, times 0.5 to 1.5: RFC 3550 section 6.2, with the reduced minimum that RFC 4585 section 3.5.2 allows. */
const REPORT_INTERVAL = 1000
/** Milliseconds between a report and one that is hastened. */
const HASTENED_INTERVAL = 100
/** Sources of ours in one datagram, where it has room for so many: the rest is for blocks. */
const MAX_SENDERS_PER_REPORT = 8
/** Streams of a section that are reported on before feedback on one of them: as many as a section mostly has encodings at most. */
const MAX_BLOCKS_BEFORE_FEEDBACK = 4
/** Bytes of a sender report and of a receiver report without blocks, of a block, and of the header of a source description (RFC 3550 sections 6.4 and 6.5). */
const SENDER_REPORT_LENGTH = 28
const RECEIVER_REPORT_LENGTH = 8
const BLOCK_LENGTH = 24
const DESCRIPTION_LENGTH = 4
/** Bytes of the text of an item, RFC 3550 section 6.5. */
const MAX_TEXT_LENGTH = 255

/** A source of ours, and the section that it is of; `undefined`: of none alone. */
interface Source {
  readonly ssrc: Ssrc
  readonly media: Media | undefined
}

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
  readonly #random: RandomSource
  readonly #times: ExtendedReportTimes
  /** Sources of sections on which nothing of ours is sent. */
  readonly #sources = new WeakMap<Media, Ssrc>()
  /** A source that the peer has had something of. */
  #sent: Sender | undefined
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
    this.#random = random
  }

  /**
   * Our source in feedback on a section: the one that is sent there, or else one that is for this alone (RFC 8108 section 5.4.1), which its mid tells of. oRTP, which is Linphone's, and Asterisk
   * find the section by it, and drop what comes from a source that they know none of. Asterisk knows no mids: it is content with a source of another section.
   */
  sourceOf(media: Media): Ssrc {
    const [local] = media.localStreams
    if (local !== undefined && sends(media.direction)) return local.ssrc
    const sent = this.#sent
    if (sent !== undefined && sends(sent.media.direction) && !isNamed(media)) return sent.stream.ssrc
    let ssrc = this.#sources.get(media)
    if (ssrc === undefined) {
      ssrc = this.#randomSsrc()
      this.#sources.set(media, ssrc)
    }
    return ssrc
  }

  #randomSsrc(): Ssrc {
    const bytes = new Uint8Array(4)
    for (;;) {
      this.#random(bytes)
      const ssrc = readU32(bytes, 0)
      if (ssrc !== 0) return ssrc
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
    if (this.#reportAt === NEVER) this.#reportAt = now + REPORT_INTERVAL * (0.5 + this.#fraction())
  }

  /** Something of this source went out. */
  noteSent(now: Instant, sender: Sender): void {
    if (this.#sent === undefined || !sends(this.#sent.media.direction)) this.#sent = sender
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
   * The reports on what came in and went out since the last ones, as datagrams. Another stream is the first each time: Janus reads no further, and keeps
   * nothing to be sent again of a stream before it has read a report on it. Those on a section come from what is sent there, if anything is: oRTP takes the first
   * block of such a report for its own stream.
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
    const blocks = receivers.flatMap(({ stream, media }) => {
      const block = stream.report(now)
      return block === undefined ? [] : [{ block, media }]
    })
    // RFC 3611 section 4.4: one that sends has its sender reports to measure by
    const times = this.#times.blocks(now, ntpTime, senders.length === 0)
    let extended: Rtcp[] =
      times.length === 0 ? [] : [{ type: 'extendedReport', ssrc: this.ssrc, blocks: times }]
    const datagrams: Uint8Array[] = []
    for (let b = 0, s = 0; b < blocks.length || s < senders.length;) {
      let room = this.#mtu - srtp.rtcpOverhead - DESCRIPTION_LENGTH - writeRtcp(extended).length
      const ours = senders.slice(s, s + this.#sendersIn(room, senders, s))
      s += ours.length
      const sources =
        ours.length === 0 ? [this.#self] : ours.map(({ stream, media }) => ({ ssrc: stream.ssrc, media }))
      room -= ours.length === 0 ? RECEIVER_REPORT_LENGTH : ours.length * SENDER_REPORT_LENGTH
      for (const { media } of sources) room -= this.#chunkLength(media)
      const least = ours.length === 0 ? 1 : 0
      const some = blocks.slice(b, b + Math.min(MAX_COUNT, Math.max(least, Math.floor(room / BLOCK_LENGTH))))
      b += some.length
      const mine = ours.map((): ReportBlock[] => [])
      for (const { block, media } of some) {
        const at = ours.findIndex((sender) => sender.media === media)
        mine[Math.max(0, at)]?.push(block)
      }
      const first: Rtcp[] =
        ours.length === 0
          ? [this.#receiverReport(some.map(({ block }) => block))]
          : ours.map(({ stream, codec }, i) => stream.report(now, ntpTime, codec.clockRate, mine[i]!))
      datagrams.push(protect(srtp, [...first, this.#names(sources), ...extended]))
      extended = []
    }
    return datagrams
  }

  /**
   * A datagram of feedback. `about`: the stream that it is on, where it is on one, and then the others of its section; it comes from `sourceOf` that section then, else from
   * `ssrc`.
   */
  feedback(now: Instant, feedback: Rtcp, srtp: SrtpContext, about: readonly Receiver[] = []): Uint8Array {
    if (this.reducedSize) return protect(srtp, [feedback])
    // RFC 3550 section 6.1: a report first, then the name. Section 6.4.2: it is empty where there is nothing to report. Janus knows the stream by its
    // first block alone, where it does not know our SSRC: without one it drops the whole. It need not be a report of the same source (RFC 8108 section 5.4.1).
    // libdatachannel knows one encoding of several alone, and finds the section by any block: OBS sends none of the others again without one on that.
    const blocks = about.slice(0, MAX_BLOCKS_BEFORE_FEEDBACK).map(({ stream }) => stream.report(now))
    const report = this.#receiverReport(blocks.filter((block) => block !== undefined))
    return protect(srtp, [report, this.#names(this.#sourcesAbout(about[0]?.media)), feedback])
  }

  /** What reports on when packets came say of `now`: the middle 32 bits of NTP time (RFC 8888 section 3.1). */
  timestampOf(now: Instant): number {
    return ntpMiddle(ntpFromUnix(unixTimeAt(this.#wallClock, now)))
  }

  /** Bytes that feedback may have so that it fits a datagram. `about` as with `feedback`. */
  feedbackRoom(srtp: SrtpContext, about: readonly Receiver[] = []): number {
    let room = this.#mtu - srtp.rtcpOverhead
    if (this.reducedSize) return room
    room -= RECEIVER_REPORT_LENGTH + DESCRIPTION_LENGTH
    for (const { media } of this.#sourcesAbout(about[0]?.media)) room -= this.#chunkLength(media)
    return room - Math.min(about.length, MAX_BLOCKS_BEFORE_FEEDBACK) * BLOCK_LENGTH
  }

  /** Sources of ours are gone, RFC 3550 section 6.6: `MAX_COUNT` of them at most. */
  goodbye(ssrcs: readonly Ssrc[], srtp: SrtpContext): Uint8Array {
    return protect(srtp, [this.#receiverReport([]), this.#names([this.#self]), { type: 'goodbye', ssrcs }])
  }

  get #self(): Source {
    return { ssrc: this.ssrc, media: undefined }
  }

  /** Who is named before feedback: who reports, then who sends it. */
  #sourcesAbout(media: Media | undefined): Source[] {
    return media === undefined ? [this.#self] : [this.#self, { ssrc: this.sourceOf(media), media }]
  }

  /** Our sources, from the one at `from` on, that a datagram has room for, of so many bytes: one at least. */
  #sendersIn(room: number, senders: readonly Sender[], from: number): number {
    let count = 0
    for (; count < MAX_SENDERS_PER_REPORT && from + count < senders.length; count++) {
      room -= SENDER_REPORT_LENGTH + this.#chunkLength(senders[from + count]!.media)
      if (room < 0) break
    }
    return Math.max(1, count)
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

  #receiverReport(reports: readonly ReportBlock[]): Rtcp {
    return { type: 'receiverReport', ssrc: this.ssrc, reports }
  }

  /**
   * RFC 9143 section 15: with the mid of the last one, which is another one each time. aiortc takes two zeros for the end of a chunk, as they are after our CNAME, and drops the whole datagram where
   * a chunk that is not the last has other ones.
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

/** Whether its mid is told to the peer, who knows it then. */
function isNamed({ sendExtensionIds, midBytes }: Media): boolean {
  return sendExtensionIds.id('mid') !== undefined && midBytes.length <= MAX_TEXT_LENGTH
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
