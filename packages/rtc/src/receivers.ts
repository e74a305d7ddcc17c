import {
  CongestionControlFeedbackGenerator,
  ExtensionIds,
  hasOtherExtension,
  type HeaderExtensions,
  parseRtpHeader,
  readHeaderExtensions,
  readRtx,
  type ReportBlock,
  type RtpHeader,
  type SenderReport,
  type SourceDescription,
  StreamRx,
  TelephoneEventReader,
  TransportFeedbackGenerator,
} from '@str0m/rtp'
import { type Instant, type Mid, NEVER, type Rid, type Ssrc } from '@str0m/sans-io'
import type { Codec } from './codec.ts'
import { type DescribedSource, describedSource, DescribedSources } from './described-sources.ts'
import type { DropReason } from './drops.ts'
import type { Media } from './media.ts'
import { negotiatedFeedback, type NegotiatedFeedback } from './negotiated-feedback.ts'
import { PeerClock } from './peer-clock.ts'
import type { InboundStreamStatistics } from './statistics.ts'

/** Streams that are received at once, without those of retransmissions: a browser sends two or three a section, an SFU some hundred. */
export const MAX_RECEIVE_STREAMS = 1024
/** Where there are that many, one that was silent for so long (ms) gives way to a new one, RFC 3550 section 6.3.5: not all sources say goodbye. */
const SILENCE = 30_000

/** Sender reports that are kept for streams of which no packet has come: a browser's are some, an SFU's may all come first. */
export const MAX_EARLY_REPORTS = 64

/** For so long (ms) after a packet has said which section its source is of, a description may be one that it has overtaken (RFC 7941 section 4.2.6): it moves nothing. */
const OVERTAKEN = 2000

const NONE: readonly Receiver[] = []
const NO_REPORTS: readonly ReportBlock[] = []

/** A sender report, and when it came. */
interface EarlyReport {
  readonly report: SenderReport
  readonly at: Instant
}

/** One stream and the section that it belongs to. */
export interface Receiver {
  media: Media
  rid: Rid | undefined
  readonly stream: StreamRx
  /** Whether packets came since the last report. */
  active: boolean
  /** Whether its source has said goodbye, and only what is missing is waited for. */
  ended: boolean
  /** When a packet of its own said which section it is of, and that was new. */
  placedAt: Instant
  readonly telephoneEvents: TelephoneEventReader
}

/** The streams that come in: finds or makes the one of each packet, and keeps what is due for them. */
export class Receivers {
  readonly #bySsrc = new Map<Ssrc, Receiver>()
  /** By the SSRC of their retransmissions. */
  readonly #byRtxSsrc = new Map<Ssrc, Receiver>()
  readonly #maxReorderWait: number | undefined
  readonly #makesFrames: boolean
  /** Of the packet last taken; a retransmission's are those of the packet that it repeats. `undefined` where it is a copy of one that was taken before. */
  lastHeader: RtpHeader | undefined
  lastCodec: Codec | undefined
  /** Whether it was lost, and was sent again: as a retransmission, or as it was. */
  lastRetransmitted = false
  /** Those that wait for a missing packet. */
  readonly #waiting = new Set<Receiver>()
  /** Those with packets since the last report. */
  readonly #active: Receiver[] = []
  #medias: readonly Media[] = []
  #mediaByMid: ReadonlyMap<Mid, Media> = new Map()
  /** Ids are the same in all sections of a BUNDLE group, so that the mid can be read before the section is known. */
  #extensionIds = new ExtensionIds()
  #midId = -1
  /** The one extension that each packet is looked at for; `undefined` where the peer does not want to know by it. */
  #transportIds: ExtensionIds | undefined
  /** How the peer wants to know which packets came. */
  negotiated: NegotiatedFeedback = { kind: 'reports' }
  /** When each packet came, of all streams; or, stream by stream. */
  readonly feedback: TransportFeedbackGenerator = new TransportFeedbackGenerator()
  readonly streamFeedback: CongestionControlFeedbackGenerator = new CongestionControlFeedbackGenerator()
  /** What the peer's reports say of its clock. */
  readonly clock: PeerClock = new PeerClock()
  /** The last report of each source of which no packet has come. The oldest one first. */
  readonly #earlyReports = new Map<Ssrc, EarlyReport>()
  readonly #described = new DescribedSources()
  #latest: Receiver | undefined

  constructor(maxReorderWait: number | undefined, makesFrames: boolean) {
    this.#maxReorderWait = maxReorderWait
    this.#makesFrames = makesFrames
  }

  /** When `handleTimeout` is next needed. */
  get deadline(): Instant {
    let at = Math.min(this.feedback.deadline, this.streamFeedback.deadline)
    for (const { stream } of this.#waiting) at = Math.min(at, stream.deadline)
    return at
  }

  /** The streams that are to be reported on; they are as if unheard after. */
  takeActive(): Receiver[] {
    const active = this.#active.splice(0)
    for (const receiver of active) receiver.active = false
    return active
  }

  /** Takes the sections as they now stand. Streams of those that were stopped are forgotten. */
  setMedias(medias: readonly Media[]): void {
    this.#medias = medias.filter((media) => !media.stopped)
    this.#mediaByMid = new Map(this.#medias.map((media) => [media.mid, media]))
    this.#extensionIds = new ExtensionIds()
    for (const media of this.#medias) {
      for (const name of ['mid', 'rid', 'repairedRid'] as const) {
        const id = media.extensionIds.id(name)
        if (id !== undefined) this.#extensionIds.map(id, name)
      }
    }
    this.#midId = this.#extensionIds.id('mid') ?? -1
    this.#setFeedback(negotiatedFeedback(this.#medias))
    // what a description says of a source counts from then on
    for (const { remoteSsrcs } of this.#medias) for (const ssrc of remoteSsrcs) this.#described.forget(ssrc)
    if (this.#bySsrc.size > 0) this.#forgetMoved()
  }

  #setFeedback(negotiated: NegotiatedFeedback): void {
    this.negotiated = negotiated
    this.#transportIds = undefined
    if (negotiated.kind === 'transport-wide') {
      this.#transportIds = new ExtensionIds()
      this.#transportIds.map(negotiated.numberId, 'transportSequenceNumber')
    }
    if (negotiated.kind !== 'congestion-control') this.streamFeedback.reset()
  }

  /** Forgets the sources of sections that were stopped, and those that were taken for another section's than they now are said to be of. */
  #forgetMoved(): void {
    // RFC 9143 section 9.2: what a description says of a source counts from then on. What came before it, without a mid, is only guessed
    const mediaBySsrc = new Map(
      this.#medias.flatMap((media) => Array.from(media.remoteSsrcs, (ssrc) => [ssrc, media])),
    )
    for (const [ssrc, receiver] of this.#bySsrc) {
      const { media } = receiver
      if (media.stopped || (mediaBySsrc.get(ssrc) ?? media) !== media) this.#forget(ssrc, receiver)
    }
    for (const [rtx, { media, stream }] of this.#byRtxSsrc) {
      if ((media.originalSsrc(rtx) ?? stream.ssrc) !== stream.ssrc) this.#byRtxSsrc.delete(rtx)
    }
  }

  /**
   * Takes a decrypted packet: the first `length` bytes of `packet`. Answers the receiver that it went to, whose frames are
   * to be polled, or why it was dropped.
   */
  handleRtp(now: Instant, packet: Uint8Array, length: number): Receiver | DropReason {
    this.lastHeader = undefined
    const header = parseRtpHeader(packet, length)
    if (header === undefined) return 'malformedRtp'
    if (this.#transportIds !== undefined) {
      const { transportSequenceNumber } = readHeaderExtensions(packet, header, this.#transportIds)
      if (transportSequenceNumber !== undefined) {
        this.feedback.handlePacket(now, header.ssrc, transportSequenceNumber)
      }
    }
    if (this.negotiated.kind === 'congestion-control') {
      this.streamFeedback.handlePacket(now, header.ssrc, header.sequenceNumber, length)
    }
    return this.#deliver(now, packet, header)
  }

  /** The same of a packet that came at `at` and found no receiver then; when it came is told already. */
  handleLate(at: Instant, packet: Uint8Array, length: number): Receiver | DropReason {
    this.lastHeader = undefined
    const header = parseRtpHeader(packet, length)
    return header === undefined ? 'malformedRtp' : this.#deliver(at, packet, header)
  }

  #deliver(now: Instant, packet: Uint8Array, header: RtpHeader): Receiver | DropReason {
    const found = this.#find(now, packet, header)
    if (typeof found === 'string') return found
    const codec = found.media.codec(header.payloadType)
    if (codec === undefined) return this.#handleRtx(now, packet, header, found)
    const payload = packet.subarray(header.payloadStart, header.payloadStart + header.payloadLength)
    const extensions = this.#extensionsOf(packet, header, found.media)
    const requested = found.stream.isRequested(header.sequenceNumber)
    if (found.ended && !requested) found.ended = false
    this.lastRetransmitted = requested && !found.media.isRetransmittedApart(codec.pt)
    if (found.stream.handlePacket(now, header, payload, codec, extensions)) this.lastHeader = header
    this.lastCodec = codec
    if (!found.active) {
      found.active = true
      this.#active.push(found)
    }
    this.#noteDeadline(found)
    return found
  }

  /** RFC 4588: a packet of the receiver's stream, under a header of its own. */
  #handleRtx(now: Instant, packet: Uint8Array, header: RtpHeader, receiver: Receiver): Receiver | DropReason {
    const { media, stream } = receiver
    const codec = media.codec(media.originalPt(header.payloadType) ?? -1)
    if (codec === undefined || header.ssrc === stream.ssrc) return 'unknownPayloadType'
    const original = readRtx(packet, header, { pt: codec.pt, ssrc: stream.ssrc })
    // without a payload it is padding, which probes for bandwidth
    if (original === undefined) return receiver
    const payload = packet.subarray(original.payloadStart, original.payloadStart + original.payloadLength)
    const extensions = this.#extensionsOf(packet, original, media)
    if (stream.handleRetransmission(now, original, payload, codec, extensions)) this.lastHeader = original
    this.lastRetransmitted = true
    this.lastCodec = codec
    this.#noteDeadline(receiver)
    return receiver
  }

  /** What goes out with the frame; a packet by itself reads them when it is asked. */
  #extensionsOf(packet: Uint8Array, header: RtpHeader, media: Media): HeaderExtensions | undefined {
    if (!this.#makesFrames || header.extensionLength === 0) return undefined
    return readHeaderExtensions(packet, header, media.extensionIds)
  }

  /** Takes a sender report; one that overtakes the first packet of its stream is kept for it. */
  handleSenderReport(now: Instant, report: SenderReport): void {
    const { ssrc, ntpTime } = report
    this.clock.handleReport(now, ntpTime)
    const receiver = this.#bySsrc.get(ssrc)
    if (receiver !== undefined) {
      receiver.stream.handleSenderReport(now, report)
      return
    }
    const early = this.#earlyReports
    early.delete(ssrc)
    if (early.size === MAX_EARLY_REPORTS) early.delete(early.keys().next().value!)
    early.set(ssrc, { report: { ...report, reports: NO_REPORTS }, at: now })
  }

  /** RFC 9143 section 9.2: takes what is said of sources, also of those of which no packet has come. */
  handleDescription(now: Instant, { chunks }: SourceDescription): void {
    for (const { ssrc, items } of chunks) {
      const source = describedSource(items)
      if (source === undefined) continue
      const receiver = this.#bySsrc.get(ssrc)
      if (receiver === undefined) this.#described.set(ssrc, source)
      else this.#place(now, receiver, source)
    }
  }

  #place(now: Instant, receiver: Receiver, { mid, rid }: DescribedSource): void {
    const media = mid === undefined ? receiver.media : this.#mediaByMid.get(mid)
    if (media === undefined) return
    if (media === receiver.media) {
      receiver.rid ??= rid
      return
    }
    if (now - receiver.placedAt < OVERTAKEN) return
    receiver.media = media
    receiver.rid = rid
  }

  handleGoodbye(ssrc: Ssrc): void {
    this.#earlyReports.delete(ssrc)
    this.#described.forget(ssrc)
    this.#byRtxSsrc.delete(ssrc)
    const receiver = this.#bySsrc.get(ssrc)
    if (receiver === undefined) return
    // RFC 3550 section 6.2.1: what was sent before may still be under way
    receiver.ended = true
    this.#noteDeadline(receiver)
  }

  /** Gives up what was waited for too long. Answers the receivers whose frames are to be polled. */
  handleTimeout(now: Instant): readonly Receiver[] {
    if (this.#waiting.size === 0) return NONE
    const due: Receiver[] = []
    for (const receiver of this.#waiting) {
      const { deadline } = receiver.stream
      if (deadline > now && deadline !== NEVER) continue
      receiver.stream.handleTimeout(now)
      due.push(receiver)
    }
    for (const receiver of due) this.#noteDeadline(receiver)
    return due
  }

  /** The streams of a section; of one source alone where `ssrc` is given. */
  of(media: Media, ssrc?: Ssrc): Receiver[] {
    return [...this.#bySsrc.values()].filter(
      (receiver) => receiver.media === media && (ssrc === undefined || receiver.stream.ssrc === ssrc),
    )
  }

  get statistics(): InboundStreamStatistics[] {
    return Array.from(this.#bySsrc.values(), ({ media, rid, stream }) => ({
      ...stream.statistics,
      mid: media.mid,
      ...(rid === undefined ? {} : { rid }),
    }))
  }

  #find(now: Instant, packet: Uint8Array, header: RtpHeader): Receiver | DropReason {
    const latest = this.#latest
    const known =
      latest !== undefined && latest.stream.ssrc === header.ssrc ? latest : this.#bySsrc.get(header.ssrc)
    if (known !== undefined) {
      this.#latest = known
      if (header.extensionLength > 0 && this.#midId > 0) this.#followMid(now, packet, header, known)
      return known
    }
    const repaired = this.#byRtxSsrc.get(header.ssrc)
    if (repaired === undefined) return this.#create(now, packet, header)
    if (repaired.media.codec(header.payloadType) === undefined) return repaired
    // it sends media now: not what it repaired
    this.#byRtxSsrc.delete(header.ssrc)
    return this.#create(now, packet, header)
  }

  /** RFC 9143 section 9.2: a source goes over to the section whose mid its newest packet has. */
  #followMid(now: Instant, packet: Uint8Array, header: RtpHeader, receiver: Receiver): void {
    if (!hasOtherExtension(packet, header, this.#midId, receiver.media.midBytes)) return
    const { mid, rid } = readHeaderExtensions(packet, header, this.#extensionIds)
    const media = mid === undefined ? undefined : this.#mediaByMid.get(mid)
    if (media === undefined || media === receiver.media) return
    if (!receiver.stream.isNewest(header.sequenceNumber)) return
    receiver.media = media
    receiver.rid = rid
    receiver.placedAt = now
  }

  /**
   * RFC 9143 section 9.2: by the mid in the packet, or that RTCP has told of its source, by the SSRCs of the description, by a payload type that one section alone
   * has.
   */
  #create(now: Instant, packet: Uint8Array, header: RtpHeader): Receiver | DropReason {
    const { mid, ...own } = readHeaderExtensions(packet, header, this.#extensionIds)
    const described = this.#described.of(header.ssrc)
    const media = mid === undefined ? this.#mediaOf(header, described) : this.#mediaByMid.get(mid)
    if (media === undefined) return 'unknownStream'
    // RFC 8852 section 3: the other ids are of the section
    const known = described?.mid === undefined || described.mid === media.mid ? described : undefined
    const { rid = known?.rid, repairedRid = known?.repairedRid } = own
    if (media.originalPt(header.payloadType) !== undefined)
      return this.#findOriginal(media, packet, header, repairedRid)
    if (media.codec(header.payloadType) === undefined) return 'unknownPayloadType'
    if (this.#bySsrc.size >= MAX_RECEIVE_STREAMS && !this.#forgetSilent(now)) return 'tooManyStreams'
    const receiver: Receiver = {
      media,
      rid,
      stream: new StreamRx({
        ssrc: header.ssrc,
        ...(this.#maxReorderWait === undefined ? {} : { maxReorderWait: this.#maxReorderWait }),
        nack: media.nack,
        frames: this.#makesFrames,
      }),
      active: false,
      ended: false,
      placedAt: mid === undefined ? Number.NEGATIVE_INFINITY : now,
      telephoneEvents: new TelephoneEventReader(),
    }
    // RFC 4588 section 5.3: upon packets with a new SSRC, the association is made again
    for (const [rtx, before] of this.#byRtxSsrc) {
      if (before.media === media && before.rid === rid && media.originalSsrc(rtx) === undefined)
        this.#byRtxSsrc.delete(rtx)
    }
    this.#bySsrc.set(header.ssrc, receiver)
    this.#latest = receiver
    this.#described.forget(header.ssrc)
    const early = this.#earlyReports.get(header.ssrc)
    if (early !== undefined) {
      this.#earlyReports.delete(header.ssrc)
      receiver.stream.handleSenderReport(early.at, early.report)
    }
    return receiver
  }

  /**
   * What a source of retransmissions goes with: the packet says it (RFC 8852 section 3.2), or the description, or the section has one
   * stream alone; or one of several has asked for this packet (RFC 4588 section 5.3).
   */
  #findOriginal(
    media: Media,
    packet: Uint8Array,
    header: RtpHeader,
    repairedRid: Rid | undefined,
  ): Receiver | DropReason {
    const { ssrc: rtxSsrc } = header
    const ofMedia = this.of(media, media.originalSsrc(rtxSsrc))
    const streams = repairedRid === undefined ? ofMedia : ofMedia.filter(({ rid }) => rid === repairedRid)
    const asking = streams.length > 1 ? askingFor(streams, packet, header) : streams
    const [receiver] = asking
    if (receiver === undefined || asking.length > 1) return 'unknownStream'
    // where another one took its place since, the next retransmission may be of that
    if (streams.findLast(({ rid }) => rid === receiver.rid) !== receiver) return receiver
    if (this.#byRtxSsrc.size >= MAX_RECEIVE_STREAMS) {
      // the oldest: its next packet finds what it goes with again
      const [oldest] = this.#byRtxSsrc.keys()
      this.#byRtxSsrc.delete(oldest!)
    }
    this.#byRtxSsrc.set(rtxSsrc, receiver)
    return receiver
  }

  /** The section of a source whose packet does not say it. */
  #mediaOf({ ssrc, payloadType }: RtpHeader, described: DescribedSource | undefined): Media | undefined {
    const media = described?.mid === undefined ? undefined : this.#mediaByMid.get(described.mid)
    return (
      media ??
      this.#medias.find(({ remoteSsrcs }) => remoteSsrcs.has(ssrc)) ??
      this.#onlyMediaWith(payloadType)
    )
  }

  #onlyMediaWith(payloadType: number): Media | undefined {
    const medias = this.#medias.filter(
      (media) => media.codec(payloadType) !== undefined || media.originalPt(payloadType) !== undefined,
    )
    return medias.length === 1 ? medias[0] : undefined
  }

  #noteDeadline(receiver: Receiver): void {
    if (receiver.stream.deadline !== NEVER) {
      this.#waiting.add(receiver)
      return
    }
    this.#waiting.delete(receiver)
    if (receiver.ended) this.#forget(receiver.stream.ssrc, receiver)
  }

  /** Forgets the stream that was silent for the longest. False where none was for long. */
  #forgetSilent(now: Instant): boolean {
    let longest: Receiver | undefined
    let last = now - SILENCE
    for (const receiver of this.#bySsrc.values()) {
      const { lastPacketAt = last } = receiver.stream
      if (lastPacketAt >= last) continue
      last = lastPacketAt
      longest = receiver
    }
    if (longest === undefined) return false
    this.#forget(longest.stream.ssrc, longest)
    return true
  }

  #forget(ssrc: Ssrc, receiver: Receiver): void {
    this.#bySsrc.delete(ssrc)
    for (const [rtx, of] of this.#byRtxSsrc) if (of === receiver) this.#byRtxSsrc.delete(rtx)
    this.#waiting.delete(receiver)
    const index = this.#active.indexOf(receiver)
    if (index >= 0) this.#active.splice(index, 1)
    if (this.#latest === receiver) this.#latest = undefined
  }
}

/** Those that have asked for what is sent again here. */
function askingFor(streams: readonly Receiver[], packet: Uint8Array, header: RtpHeader): readonly Receiver[] {
  const original = readRtx(packet, header, { pt: header.payloadType, ssrc: header.ssrc })
  if (original === undefined) return NONE
  return streams.filter(({ stream }) => stream.isRequested(original.sequenceNumber))
}
