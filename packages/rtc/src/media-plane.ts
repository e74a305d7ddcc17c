import type { BandwidthEstimatorOptions } from '@str0m/bwe'
import type { CryptoProvider } from '@str0m/crypto'
import {
  dtmfDigit,
  type Forwarder,
  type HeaderExtensions,
  MAX_COUNT,
  parseRtcp,
  type ReportBlock,
  type Rtcp,
  type TelephoneEventOptions,
} from '@str0m/rtp'
import {
  type Instant,
  NEVER,
  type OutputQueue,
  type Pt,
  type Rid,
  type Ssrc,
  UsageError,
  type WallClock,
} from '@str0m/sans-io'
import { sends } from '@str0m/sdp'
import type { SrtpContext } from '@str0m/srtp'
import { BandwidthControl } from './bandwidth-control.ts'
import { type Codec, isSameEncoding } from './codec.ts'
import type { DropReason } from './drops.ts'
import { Egress } from './egress.ts'
import type { Receive, RtcEvent, RtcOutput } from './events.ts'
import { HoldBack, MEDIA_LIMITS } from './hold-back.ts'
import type { LocalStream, Media, MediaOwner } from './media.ts'
import { type Receiver, Receivers } from './receivers.ts'
import { Reporter } from './reporter.ts'
import { RtpPacket } from './rtp-packet.ts'
import type { RtpFields } from './rtp-writer.ts'
import { type Sender, Senders } from './senders.ts'
import { randomSsrc } from './random-ids.ts'
import type { BandwidthStatistics, InboundStreamStatistics, OutboundStreamStatistics } from './statistics.ts'
import type { Transport } from './transport.ts'
import type { MediaTime, WriteOptions } from './writer.ts'

/** What passes before a packet that is asked for again can come, where it was not measured, ms. */
const DEFAULT_ROUND_TRIP = 100
const NO_EXTENSIONS: HeaderExtensions = {}

export interface MediaPlaneOptions {
  readonly crypto: CryptoProvider
  readonly mtu: number
  readonly rtpMode: boolean
  readonly maxReorderWait: number | undefined
  readonly cname: string
  readonly wallClock: WallClock
  readonly bandwidthEstimation: BandwidthEstimatorOptions | undefined
}

/** A packet, decrypted, that no section takes yet. */
interface UndescribedPacket {
  readonly at: Instant
  readonly contents: Uint8Array
  /** Bytes of it in `contents`. */
  readonly length: number
}

/** All media of a peer: SRTP and SRTCP in, frames or packets out, and the other way; with the feedback that keeps it flowing. */
export class MediaPlane implements MediaOwner {
  readonly rtpMode: boolean
  readonly #transport: Transport
  readonly #outputs: OutputQueue<RtcOutput>
  readonly #receivers: Receivers
  readonly #senders: Senders
  /** `undefined` where the bandwidth is not estimated. */
  readonly #bandwidth: BandwidthControl | undefined
  readonly #reporter: Reporter
  readonly #undescribed = new HoldBack<UndescribedPacket>(MEDIA_LIMITS, 'oldest')
  #awaitsAnswer = false
  #now: Instant = Number.NEGATIVE_INFINITY
  #closed = false

  /** What happens goes to `outputs`, what is to be sent to `transport`. */
  constructor(options: MediaPlaneOptions, transport: Transport, outputs: OutputQueue<RtcOutput>) {
    const { crypto, mtu, rtpMode, maxReorderWait, cname, wallClock } = options
    this.rtpMode = rtpMode
    this.#transport = transport
    this.#outputs = outputs
    this.#receivers = new Receivers(maxReorderWait, !rtpMode)
    const { bandwidthEstimation } = options
    if (bandwidthEstimation !== undefined) {
      this.#bandwidth = new BandwidthControl(transport, bandwidthEstimation, {
        padding: () => this.#senders.padding(this.#now),
        handleEstimate: (bitrate) => this.#event({ type: 'egressBitrateEstimate', bitrate }),
      })
    }
    this.#senders = new Senders(crypto, mtu, new Egress(transport, this.#bandwidth))
    this.#reporter = new Reporter(randomSsrc(crypto), cname, mtu, wallClock, (bytes) =>
      bytes.set(crypto.randomBytes(bytes.length)),
    )
  }

  /** When `handleTimeout` is next needed. */
  get deadline(): Instant {
    return Math.min(
      this.#receivers.deadline,
      this.#senders.deadline,
      this.#reporter.deadline,
      this.#bandwidth?.deadline ?? NEVER,
    )
  }

  /** The time at which packets come and all methods act. It does not go backwards. */
  setNow(now: Instant): void {
    if (now > this.#now) this.#now = now
  }

  get inbound(): InboundStreamStatistics[] {
    return this.#receivers.statistics
  }

  /** Of reports without media of ours, in seconds; `undefined` before one. */
  get roundTripTime(): number | undefined {
    return this.#reporter.roundTripTime
  }

  get outbound(): OutboundStreamStatistics[] {
    return this.#senders.statistics
  }

  /** Takes the sections as they now stand. */
  setMedias(medias: readonly Media[]): void {
    this.#receivers.setMedias(medias)
    if (medias.length > 0) this.#bandwidth?.setFeedback(this.#now, this.#receivers.negotiated)
    const gone = [...this.#senders.setMedias(medias), ...this.#reporter.setMedias(medias)]
    this.#sayGoodbye([...new Set(gone)])
  }

  /** Throws a `UsageError` (`invalid-option`, `wrong-mode` where the bandwidth is not estimated). */
  setDesiredBitrate(bitrate: number): void {
    if (this.#bandwidth === undefined) {
      throw new UsageError(
        'wrong-mode',
        'The bandwidth is not estimated: new Rtc({ bandwidthEstimation: {} }) does',
      )
    }
    if (!(bitrate > 0)) {
      throw new UsageError('invalid-option', `A bitrate is more than 0 bits per second, not ${bitrate}`)
    }
    this.#bandwidth.setDesiredBitrate(this.#now, bitrate)
  }

  /** `undefined` where the bandwidth is not estimated. */
  get bandwidth(): BandwidthStatistics | undefined {
    return this.#bandwidth?.statistics
  }

  /**
   * An offer of ours waits for its answer. The peer may send what it has agreed to before we hear of it (RFC 3264 section 5.1), so that packets that no section
   * takes are kept, within bounds.
   */
  awaitAnswer(): void {
    this.#awaitsAnswer = true
  }

  /** The answer was taken, or the offer was. Packets that were kept go to the sections that there are now. */
  answered(): void {
    this.#awaitsAnswer = false
    for (const { at, contents, length } of this.#undescribed.release()) {
      this.#handlePacket(at, contents, length, this.#receivers.handleLate(at, contents, length))
    }
  }

  /** RFC 5506: feedback may go without a report before it. */
  setReducedSize(reducedSize: boolean): void {
    this.#reporter.reducedSize = reducedSize
  }

  /** Says goodbye. Nothing is sent after it. */
  close(): void {
    this.#sayGoodbye([...new Set([...this.#senders.sources, ...this.#reporter.sources])])
    this.#closed = true
  }

  /** RFC 3550 section 6.6, of all sources that are gone: a packet has room for some. One that sent nothing and has reported nothing has none (section 6.3.7). */
  #sayGoodbye(ssrcs: readonly Ssrc[]): void {
    const { outbound } = this.#transport
    if (outbound === undefined) return
    for (let i = 0; i < ssrcs.length; i += MAX_COUNT) {
      this.#transport.transmit(this.#reporter.goodbye(ssrcs.slice(i, i + MAX_COUNT), outbound))
    }
  }

  handleTimeout(): void {
    const now = this.#now
    for (const receiver of this.#receivers.handleTimeout(now)) this.#attend(receiver)
    const { outbound } = this.#transport
    if (outbound !== undefined && now >= this.#senders.deadline) {
      this.#senders.sendTelephoneEvents(now)
    }
    this.#bandwidth?.handleTimeout(now)
    if (outbound !== undefined) this.#tellArrivals(now, outbound)
    if (now >= this.#reporter.deadline && outbound !== undefined) {
      const datagrams = this.#reporter.reports(
        now,
        this.#receivers.takeActive(),
        this.#senders.takeActive(),
        outbound,
      )
      for (const datagram of datagrams) this.#transport.transmit(datagram)
    }
  }

  /** Tells the peer which packets came when, where it is due. */
  #tellArrivals(now: Instant, outbound: SrtpContext): void {
    const { feedback, streamFeedback } = this.#receivers
    const { ssrc } = this.#reporter
    const reports: Rtcp[] = []
    const room = this.#reporter.feedbackRoom(outbound)
    if (now >= feedback.deadline) reports.push(...feedback.take(now, ssrc, room))
    if (now >= streamFeedback.deadline) {
      reports.push(...streamFeedback.take(now, ssrc, this.#reporter.timestampOf(now), room))
    }
    for (const report of reports) {
      this.#transport.transmit(this.#reporter.feedback(now, report, outbound))
    }
  }

  handleRtp(input: Receive): void {
    const length = this.#transport.unprotect(input, false)
    if (length < 0) return
    const { contents } = input
    const receiver = this.#receivers.handleRtp(this.#now, contents, length)
    if (this.#awaitsAnswer && (receiver === 'unknownStream' || receiver === 'unknownPayloadType')) {
      this.#transport.dropped[receiver] += this.#undescribed.keep({ at: this.#now, contents, length })
      return
    }
    this.#handlePacket(this.#now, contents, length, receiver)
  }

  /** A packet that came at `at`, and where it went or why it went nowhere. */
  #handlePacket(at: Instant, contents: Uint8Array, length: number, receiver: Receiver | DropReason): void {
    if (typeof receiver === 'string') {
      this.#transport.dropped[receiver]++
      return
    }
    this.#reporter.noteActivity(this.#now)
    if (this.rtpMode) this.#givePacket(at, receiver, contents, length)
    this.#attend(receiver)
  }

  #givePacket(at: Instant, { media, rid, stream }: Receiver, contents: Uint8Array, length: number): void {
    const { lastHeader: header, lastCodec: codec, lastRetransmitted: retransmitted } = this.#receivers
    if (header === undefined || codec === undefined) return
    const bytes = contents.subarray(0, length)
    const captureTime = stream.captureTime(header.timestamp)
    const capturedAt = this.#receivers.clock.instantOf(captureTime, this.#now)
    this.#event(new RtpPacket(media, rid, codec, header, bytes, at, captureTime, capturedAt, retransmitted))
  }

  /** What a stream has for us after a packet or some time: frames, and losses. */
  #attend(receiver: Receiver): void {
    const { media, rid, stream } = receiver
    for (let frame = stream.pollFrame(); frame !== undefined; frame = stream.pollFrame()) {
      const codec = media.codec(frame.codec.pt)
      if (codec === undefined) continue
      if (codec.name === 'telephone-event') {
        this.#telephoneEvent(receiver, codec, frame.timestamp, frame.data)
        continue
      }
      const { extensions = NO_EXTENSIONS } = frame
      this.#event({
        type: 'mediaData',
        mid: media.mid,
        ...(rid === undefined ? {} : { rid }),
        ssrc: stream.ssrc,
        pt: codec.pt,
        codec,
        time: { value: frame.timestamp, clockRate: codec.clockRate },
        data: frame.data,
        keyframe: frame.keyframe,
        contiguous: frame.contiguous,
        receivedAt: frame.receivedAt,
        captureTime: frame.captureTime,
        layers: frame.layers,
        dependency: frame.dependency,
        extensions,
      })
    }
    const { keyframeFeedback } = media
    if (keyframeFeedback !== undefined && stream.needsKeyframe) {
      this.#requestKeyframe(receiver, keyframeFeedback)
    }
    if (stream.nackDeadline <= this.#now) this.#sendNacks(receiver)
  }

  handleRtcp(input: Receive): void {
    const length = this.#transport.unprotect(input, true)
    if (length < 0) return
    const { packets, malformed } = parseRtcp(input.contents, length)
    for (let i = 0; i < malformed; i++) this.#transport.dropped.malformedRtcp++
    for (const packet of packets) this.#handleRtcpPacket(packet)
  }

  #handleRtcpPacket(packet: Rtcp): void {
    switch (packet.type) {
      case 'senderReport':
        this.#receivers.handleSenderReport(this.#now, packet)
        this.#handleReports(packet.reports)
        break
      case 'receiverReport':
        this.#handleReports(packet.reports)
        break
      case 'sourceDescription':
        this.#receivers.handleDescription(this.#now, packet)
        break
      case 'goodbye':
        for (const ssrc of packet.ssrcs) this.#receivers.handleGoodbye(ssrc)
        break
      case 'pli': {
        const sender = this.#senders.find(packet.mediaSsrc)
        sender?.stream.countFeedback('pli')
        if (sender?.keyframes.handlePli(this.#now) === true) this.#keyframeRequested(sender, 'pli')
        break
      }
      case 'nack':
        this.#retransmit(packet.mediaSsrc, packet.sequenceNumbers)
        break
      case 'fir':
        for (const sender of this.#senders.handleFir(this.#now, packet))
          this.#keyframeRequested(sender, 'fir')
        break
      case 'extendedReport':
        this.#reporter.handleExtendedReport(this.#now, packet)
        break
      case 'transportFeedback':
        this.#bandwidth?.handleFeedback(this.#now, packet)
        break
      case 'congestionControlFeedback':
        this.#bandwidth?.handleStreamFeedback(this.#now, packet)
        break
      case 'remb':
        this.#bandwidth?.handleReceiverLimit(this.#now, packet.bitrate)
        break
      default:
        break
    }
  }

  #handleReports(reports: readonly ReportBlock[]): void {
    this.#senders.handleReports(this.#now, reports)
    this.#bandwidth?.handleReports(this.#now, reports)
  }

  /** Of audio, a peer may ask for one too: there is none. */
  #keyframeRequested({ media, local: { rid } }: Sender, kind: 'pli' | 'fir'): void {
    if (media.kind !== 'video') return
    this.#event({ type: 'keyframeRequest', mid: media.mid, ...(rid === undefined ? {} : { rid }), kind })
  }

  // --- the sections' handles

  write(
    media: Media,
    rid: Rid | undefined,
    codec: Codec,
    time: MediaTime,
    data: Uint8Array,
    options: WriteOptions,
  ): boolean {
    const agreed = currentCodec(media, codec)
    const sender = this.#sender(media, rid, agreed)
    if (this.#transport.outboundMedia === undefined) return false
    if (!this.#senders.sendFrame(this.#now, sender, agreed, time, data, options)) {
      throw new UsageError('invalid-frame', `This is no ${codec.name} frame, or it does not fit a datagram`)
    }
    this.#noteSent(sender, sender.stream.ssrc)
    return true
  }

  writeRtp(media: Media, rid: Rid | undefined, fields: RtpFields, payload: Uint8Array): boolean {
    const codec = agreedCodec(media, fields.pt)
    const sender = this.#sender(media, rid, codec)
    if (this.#transport.outboundMedia === undefined) return false
    this.#senders.sendPacket(this.#now, sender, codec, fields, payload)
    this.#noteSent(sender, sender.stream.ssrc)
    return true
  }

  forwarder(media: Media, rid: Rid | undefined, codec: Codec): Forwarder {
    return this.#senders.forwarder(this.#sender(media, rid, codec), codec)
  }

  forward(
    media: Media,
    rid: Rid | undefined,
    codec: Codec,
    forwarder: Forwarder,
    packet: RtpPacket,
  ): boolean {
    const agreed = currentCodec(media, codec)
    const sender = this.#sender(media, rid, agreed)
    if (this.#transport.outboundMedia === undefined) return false
    // this peer may have had no input for long: the one that the packet came to has
    this.setNow(packet.receivedAt)
    let sent = this.#senders.forward(this.#now, sender, agreed, forwarder, packet)
    if (!sent) return false
    while (sent) sent = this.#senders.forwardHeld(this.#now, sender, agreed, forwarder)
    // until its source has reported, when it came is all that can be said: that is in time with the next report
    this.#noteSent(sender, packet.capturedAt === undefined ? sender.timedBy : packet.ssrc)
    return true
  }

  /** Something was sent, whose time of capture is known of that source. */
  #noteSent(sender: Sender, timedBy: Ssrc | undefined): void {
    this.#bandwidth?.flush(this.#now)
    this.#reporter.noteSent(this.#now, sender)
    if (sender.timedBy === timedBy) return
    sender.timedBy = timedBy
    this.#reporter.hasten(this.#now)
  }

  sendTelephoneEvent(
    media: Media,
    rid: Rid | undefined,
    codec: Codec,
    events: readonly [number, ...number[]],
    options: TelephoneEventOptions,
  ): boolean {
    const sender = this.#sender(media, rid, codec)
    if (this.#transport.outboundMedia === undefined) return false
    this.#senders.startTelephoneEvents(this.#now, sender, codec, events, options)
    this.#reporter.noteActivity(this.#now)
    return true
  }

  requestKeyframe(media: Media, kind: 'pli' | 'fir', ssrc: Ssrc | undefined): boolean {
    let asked = false
    for (const receiver of this.#receivers.of(media, ssrc)) {
      if (this.#requestKeyframe(receiver, kind)) asked = true
    }
    return asked
  }

  /** The stream that is sent on. Throws a `UsageError` (`closed`, `not-sending`, `unknown-rid`, `too-many-streams`). */
  #sender(media: Media, rid: Rid | undefined, codec: Codec): Sender {
    if (this.#closed) throw new UsageError('closed', 'The peer is closed: make another')
    const local: LocalStream | undefined = media.localStream(rid)
    if (!sends(media.direction) || (local === undefined && rid === undefined)) {
      throw new UsageError('not-sending', `"${media.mid}" is ${media.direction}: nothing can be sent on it`)
    }
    if (local === undefined) {
      throw new UsageError('unknown-rid', `The encoding "${rid}" is not to be sent: see media.sendEncodings`)
    }
    return this.#senders.of(media, local, codec)
  }

  #telephoneEvent(
    { media, stream, telephoneEvents }: Receiver,
    codec: Codec,
    time: number,
    data: Uint8Array,
  ): void {
    const report = telephoneEvents.handlePacket(time % 0x1_0000_0000, data)
    if (report === undefined) return
    const { event, started, ended, duration } = report
    const digit = dtmfDigit(event)
    this.#event({
      type: 'telephoneEvent',
      mid: media.mid,
      ssrc: stream.ssrc,
      event,
      ...(digit === undefined ? {} : { digit }),
      started,
      ended,
      duration: (1000 * duration) / codec.clockRate,
    })
  }

  #sendNacks(receiver: Receiver): void {
    const { stream, media } = receiver
    const { outbound } = this.#transport
    const sequenceNumbers = stream.takeNacks(this.#now, this.#transport.roundTripTime ?? DEFAULT_ROUND_TRIP)
    if (outbound === undefined || sequenceNumbers.length === 0) return
    const about = this.#about(receiver)
    const room = this.#reporter.feedbackRoom(outbound, about)
    for (const nack of nacksOf(this.#reporter.sourceOf(media), stream.ssrc, sequenceNumbers, room)) {
      this.#transport.transmit(this.#reporter.feedback(this.#now, nack, outbound, about))
    }
  }

  /** What feedback on a stream is about: that, and then the others of its section. */
  #about(receiver: Receiver): readonly Receiver[] {
    if (this.#reporter.reducedSize) return [receiver]
    return [receiver, ...this.#receivers.of(receiver.media).filter((other) => other !== receiver)]
  }

  #retransmit(mediaSsrc: Ssrc, sequenceNumbers: readonly number[]): void {
    if (this.#transport.outbound === undefined) return
    this.#senders.retransmit(this.#now, mediaSsrc, sequenceNumbers)
    this.#bandwidth?.flush(this.#now)
  }

  /** Asks for a keyframe, where none was asked for lately. */
  #requestKeyframe(receiver: Receiver, kind: 'pli' | 'fir'): boolean {
    const { stream, media } = receiver
    const { outbound } = this.#transport
    if (outbound === undefined) return false
    const request = stream.requestKeyframe(this.#now, kind, this.#reporter.sourceOf(media))
    if (request === undefined) return false
    this.#transport.transmit(this.#reporter.feedback(this.#now, request, outbound, this.#about(receiver)))
    return true
  }

  #event(event: RtcEvent): void {
    this.#outputs.push({ kind: 'event', event })
  }
}

/** Requests of at most `room` bytes each: 12, and up to four for each number. */
function nacksOf(
  senderSsrc: Ssrc,
  mediaSsrc: Ssrc,
  sequenceNumbers: readonly number[],
  room: number,
): Rtcp[] {
  const count = Math.floor((room - 12) / 4)
  const nacks: Rtcp[] = []
  for (let i = 0; i < sequenceNumbers.length; i += count) {
    const some = sequenceNumbers.slice(i, i + count)
    nacks.push({ type: 'nack', senderSsrc, mediaSsrc, sequenceNumbers: some })
  }
  return nacks
}

/** The codec that a payload type stands for by now. Throws a `UsageError` (`unknown-payload-type`). */
function agreedCodec(media: Media, pt: Pt): Codec {
  const codec = media.codec(pt)
  if (codec !== undefined) return codec
  throw new UsageError('unknown-payload-type', `Payload type ${pt} was not negotiated: see media.codecs`)
}

/** What a handle's codec has become: it may have been negotiated away since (RFC 3264 section 8.3.2). Throws a `UsageError` (`unknown-payload-type`). */
function currentCodec(media: Media, codec: Codec): Codec {
  const current = media.codec(codec.pt)
  if (current !== undefined && isSameEncoding(current, codec)) return current
  throw new UsageError(
    'unknown-payload-type',
    `${codec.name} as payload type ${codec.pt} was negotiated away: choose another of media.codecs`,
  )
}
