import type { CryptoProvider } from '@str0m/crypto'
import {
  type Dependency,
  Forwarder,
  type FullIntraRequest,
  type HeaderExtensions,
  isKeyframeStart,
  KeyframeResponder,
  type PayloadPieces,
  type ReportBlock,
  type SendCache,
  StreamTx,
  type TelephoneEventOptions,
  TelephoneEventSender,
  type WrittenPacket,
} from '@str0m/rtp'
import { concatBytes, type Instant, NEVER, type Pt, serial32, type Ssrc, UsageError } from '@str0m/sans-io'
import { sends } from '@str0m/sdp'
import { type Codec, isSameEncoding } from './codec.ts'
import type { Egress } from './egress.ts'
import { FramePacketizers } from './frame-packetizers.ts'
import type { LocalStream, Media } from './media.ts'
import { OutgoingExtensions } from './outgoing-extensions.ts'
import type { PlainPacket, Repetition } from './plain-packet.ts'
import { newSendCache, repairEnd, repeatLast, sendAgain } from './retransmission.ts'
import { type RtpPacket, sharedBytes } from './rtp-packet.ts'
import type { RtpFields } from './rtp-writer.ts'
import type { OutboundStreamStatistics } from './statistics.ts'
import { Talkspurts } from './talkspurts.ts'
import type { MediaTime, WriteOptions } from './writer.ts'

/** The header without extensions, and the profile and length of those. */
const RTP_HEADER_LENGTH = 12
const EXTENSION_HEADER_LENGTH = 4

/** Sources of a session's whole life, those of retransmissions with them: as many as SRTP keeps the numbers of, and one is that of reports. */
export const MAX_SEND_STREAMS = 65_535

/** One stream that goes out. */
export interface Sender {
  readonly media: Media
  local: LocalStream
  readonly stream: StreamTx
  readonly packetizers: FramePacketizers
  /** Added to the user's time: RFC 3550 section 5.1 wants the first timestamp to be random. */
  readonly timestampOffset: number
  extensions: OutgoingExtensions
  /** Where the peer asks for lost packets. */
  cache: SendCache | undefined
  /** The stream of its retransmissions, RFC 4588. */
  readonly rtx: StreamTx | undefined
  codec: Codec
  /** What numbers its packets, where they are forwarded. */
  forwarder: Forwarder | undefined
  /** Packets sent when the last report was made. */
  reportedAt: number
  /** Whose time of capture the reports state: that of frames of ours, or of a source that is forwarded; `undefined` before they state one. */
  timedBy: Ssrc | undefined
  readonly keyframes: KeyframeResponder
  readonly talkspurts: Talkspurts
  /** The keys of a telephone that are being sent. */
  keys: TelephoneKeys | undefined
}

/** Keys of a telephone that are sent one after the other. */
interface TelephoneKeys {
  readonly pt: Pt
  /** What sends one at a time. */
  readonly events: TelephoneEventSender
  readonly waiting: number[]
  readonly options: TelephoneEventOptions
}

/** The streams that go out: makes packets of frames, and takes what the peer says of them. */
export class Senders {
  readonly #crypto: CryptoProvider
  readonly #maxPacket: number
  readonly #egress: Egress
  /** Whether packets have room for a transport-wide number. */
  #numbers = false
  readonly #bySsrc = new Map<Ssrc, Sender>()
  /**
   * Of all sources that there were. Who names one again that is gone goes on with its numbers, for each is encrypted with its own keystream (RFC 3711
   * section 9.1).
   */
  readonly #nextNumbers = new Map<Ssrc, number>()
  /** Those in the middle of a telephone event. */
  readonly #signalling = new Set<Sender>()

  constructor(crypto: CryptoProvider, mtu: number, egress: Egress) {
    this.#crypto = crypto
    this.#maxPacket = mtu
    this.#egress = egress
  }

  /** The sources that anything was sent of. */
  get sources(): Ssrc[] {
    const sources: Ssrc[] = []
    for (const [ssrc, { stream }] of this.#bySsrc) if (stream.packetsSent > 0) sources.push(ssrc)
    return sources
  }

  find(ssrc: Ssrc): Sender | undefined {
    return this.#bySsrc.get(ssrc)
  }

  /** Sends a frame; false where it cannot be packetized. */
  sendFrame(
    now: Instant,
    sender: Sender,
    codec: Codec,
    time: MediaTime,
    data: Uint8Array,
    options: WriteOptions,
  ): boolean {
    const { overhead } = this.#egress
    const { audioLevel, capturedAt } = options
    const extensions = sender.extensions.of(
      audioLevel === undefined ? undefined : { audioLevel, voiceActivity: options.voiceActivity ?? false },
    )
    const headerLength =
      RTP_HEADER_LENGTH + (extensions === undefined ? 0 : EXTENSION_HEADER_LENGTH + extensions.bytes.length)
    const maxPayload = this.#maxPacket - headerLength - overhead - spareOf(sender)
    const value = Math.round((time.value * codec.clockRate) / time.clockRate)
    const timestamp = serial32.add(sender.timestampOffset, value % 0x1_0000_0000)
    const keyframe = options.keyframe ?? false
    const payloads = sender.packetizers.payloads(codec, timestamp, data, maxPayload, keyframe)
    if (payloads === undefined) return false
    sender.codec = codec
    const isVideo = sender.media.kind === 'video'
    sender.stream.countFrame(isVideo && (options.keyframe ?? startsKeyframe(codec, payloads)))
    const beginsTalkspurt = !isVideo && sender.talkspurts.begins(codec, timestamp, data)
    for (let i = 0; i < payloads.length; i++) {
      // the marker ends a video frame, RFC 3551 section 5; in audio it starts a talkspurt
      const marker = isVideo ? i === payloads.length - 1 : beginsTalkspurt
      const fields = { pt: codec.sendPt, timestamp, marker, extensions, capturedAt }
      const sequenceNumber = sender.stream.sequenceNumber
      const packet = sender.stream.packet(now, fields, payloads[i]!, overhead)
      sender.cache?.add(now, sequenceNumber, packet.buffer, packet.length, headerLength)
      this.#send(now, sender, packet)
    }
    return true
  }

  /** Sends a packet. Throws a `UsageError` (`invalid-packet`, `sequence-number-used`). */
  sendPacket(now: Instant, sender: Sender, codec: Codec, fields: RtpFields, payload: Uint8Array): void {
    const { overhead } = this.#egress
    const { sequenceNumber, timestamp, marker = false, csrcs = NO_CSRCS } = fields
    const extensions = sender.extensions.of(fields.extensions)
    const extensionLength = extensions === undefined ? 0 : EXTENSION_HEADER_LENGTH + extensions.bytes.length
    const length = RTP_HEADER_LENGTH + 4 * csrcs.length + extensionLength + payload.length
    const isNumbered = isUint(sequenceNumber, 0xffff) && isUint(timestamp, 0xffff_ffff)
    const { capturedAt } = fields
    const isTimed = capturedAt === undefined || Number.isFinite(capturedAt)
    if (
      !isNumbered ||
      !isTimed ||
      csrcs.length > 15 ||
      !areSsrcs(csrcs) ||
      length + overhead + spareOf(sender) > this.#maxPacket
    ) {
      throw new UsageError(
        'invalid-packet',
        `A packet fits a datagram of ${this.#maxPacket} bytes and has a sequence number of 16 bits, a timestamp of 32, up to 15 CSRCs of 32 each, and was captured at an instant`,
      )
    }
    if (!this.#egress.isFresh(sender.stream.ssrc, sequenceNumber)) {
      throw new UsageError(
        'sequence-number-used',
        `The sequence number ${sequenceNumber} was sent before, or is too far back: each packet has its own`,
      )
    }
    sender.codec = codec
    const written = sender.stream.forward(
      now,
      payload,
      { csrcs, payloadStart: 0, payloadLength: payload.length },
      { pt: codec.sendPt, sequenceNumber, timestamp, marker, extensions, capturedAt },
      overhead,
    )
    this.#keepAndSend(now, sender, written)
  }

  /** Sends a packet of another peer on; false where it does not go out. Throws a `UsageError` (`forwarder-replaced`). */
  forward(now: Instant, sender: Sender, codec: Codec, forwarder: Forwarder, packet: RtpPacket): boolean {
    if (sender.forwarder !== forwarder) {
      throw new UsageError(
        'forwarder-replaced',
        'Another forwarder was made for this stream, which goes on from there: this one would number packets as that one does',
      )
    }
    const values = packet.extensions
    const fields = {
      pt: codec.sendPt,
      extensions: sender.extensions.ofForwarded(values),
      dependency: dependencyOf(values, sender.extensions),
      otherCodec: !isSameEncoding(packet.codec, codec),
      repeated: packet.retransmitted,
    }
    sender.codec = codec
    const { header, capturedAt } = packet
    // what goes out is of the same bytes as what is kept, should it be asked for again
    const shared = sender.cache === undefined ? undefined : sharedBytes(packet)
    const bytes = shared ?? packet.bytes
    const written = forwarder.handlePacket(now, bytes, header, fields, this.#egress.overhead, capturedAt)
    if (written === undefined) return false
    if (shared === undefined) {
      this.#keepAndSend(now, sender, written)
      return true
    }
    const { buffer, length, payloadStart, unchanged } = written
    const from = header.payloadStart + header.payloadLength - unchanged
    const sequenceNumber = (buffer[2]! << 8) | buffer[3]!
    sender.cache?.add(now, sequenceNumber, buffer, length, payloadStart, shared, from, unchanged)
    this.#send(now, sender, written)
    return true
  }

  /** Sends a packet that had to wait for one that was just forwarded; false: there is none. */
  forwardHeld(now: Instant, sender: Sender, codec: Codec, forwarder: Forwarder): boolean {
    const written = forwarder.pollHeld(now, { pt: codec.sendPt }, this.#egress.overhead)
    if (written === undefined) return false
    this.#keepAndSend(now, sender, written)
    return true
  }

  #keepAndSend(now: Instant, sender: Sender, written: WrittenPacket): void {
    const { buffer, length, payloadStart } = written
    sender.cache?.add(now, (buffer[2]! << 8) | buffer[3]!, buffer, length, payloadStart)
    this.#send(now, sender, written)
  }

  #send(now: Instant, sender: Sender, packet: PlainPacket): void {
    const { media, stream, cache, rtx } = sender
    const repeatsApart = rtx !== undefined && media.rtxPt(packet.buffer[1]! & 0x7f) !== undefined
    const repetition: Repetition = cache === undefined || repeatsApart ? 'never' : 'possible'
    this.#egress.send(now, packet, stream, media.kind, repetition)
  }

  /** What makes one stream of packets of several sources, for a stream that nothing else is sent on any more. It goes on from what was. */
  forwarder(sender: Sender, { name, clockRate }: Codec): Forwarder {
    const { stream, timestampOffset, forwarder } = sender
    sender.forwarder = new Forwarder({
      stream,
      codec: name,
      clockRate,
      timestamp: timestampOffset,
      after: forwarder,
    })
    return sender.forwarder
  }

  /**
   * Answers a request for lost packets: sends each under the header of its retransmission, or, where none was negotiated, the
   * same again.
   */
  retransmit(now: Instant, mediaSsrc: Ssrc, sequenceNumbers: readonly number[]): void {
    const sender = this.#bySsrc.get(mediaSsrc)
    if (sender === undefined) return
    sender.stream.countFeedback('nack')
    sendAgain(now, sender, sequenceNumbers, this.#egress)
  }

  /** The last packet of a video once more, as a retransmission: what fills a probe for bandwidth; `undefined` where no stream has such. */
  padding(now: Instant): PlainPacket | undefined {
    for (const sender of this.#bySsrc.values()) {
      const repeated = repeatLast(now, sender, this.#egress.overhead)
      if (repeated !== undefined) return repeated
    }
    return undefined
  }

  /** Those that sent since their last report. */
  takeActive(): Sender[] {
    const active: Sender[] = []
    for (const sender of this.#bySsrc.values()) {
      if (sender.stream.packetsSent === sender.reportedAt) continue
      sender.reportedAt = sender.stream.packetsSent
      active.push(sender)
    }
    return active
  }

  /** Takes what a peer's report says of our streams. */
  handleReports(now: Instant, reports: readonly ReportBlock[]): void {
    for (const block of reports) {
      const sender = this.#bySsrc.get(block.ssrc)
      if (sender === undefined) continue
      sender.stream.handleReport(now, block)
      repairEnd(now, sender, block.highestSequence, this.#egress)
    }
  }

  /** The streams of ours that a full intra request is new for. */
  handleFir(now: Instant, { senderSsrc, entries }: FullIntraRequest): Sender[] {
    const asked: Sender[] = []
    for (const { ssrc, sequenceNumber } of entries) {
      const sender = this.#bySsrc.get(ssrc)
      if (sender === undefined) continue
      sender.stream.countFeedback('fir')
      if (sender.keyframes.handleFir(now, senderSsrc, sequenceNumber)) asked.push(sender)
    }
    return asked
  }

  get statistics(): OutboundStreamStatistics[] {
    return Array.from(this.#bySsrc.values(), (sender) => ({
      ...sender.stream.statistics,
      ...(sender.rtx === undefined ? {} : { rtxSsrc: sender.rtx.ssrc }),
      mid: sender.media.mid,
      ...(sender.local.rid === undefined ? {} : { rid: sender.local.rid }),
    }))
  }

  /** Takes the sections as they now stand: what is sent, and with which extensions, may have been negotiated anew. Answers the sources that are gone, of those that anything was sent of. */
  setMedias(medias: readonly Media[]): Ssrc[] {
    const { numbers } = this.#egress
    const isAsBefore = numbers === this.#numbers
    this.#numbers = numbers
    const gone: Ssrc[] = []
    for (const [ssrc, sender] of this.#bySsrc) {
      const { media } = sender
      const stands = !media.stopped && medias.includes(media)
      const local = stands ? media.localStreams.find((stream) => stream.ssrc === ssrc) : undefined
      if (local === undefined) {
        this.#forget(sender)
        if (sender.stream.packetsSent > 0) gone.push(ssrc)
        continue
      }
      sender.local = local
      if (!isAsBefore || !sender.extensions.isOf(media, local.rid)) {
        sender.extensions = new OutgoingExtensions(media, local.rid, numbers)
      }
      if (media.nack) sender.cache ??= newSendCache()
      if (sender.keys !== undefined && !isSent(media, sender.keys.pt)) this.#stopKeys(sender)
    }
    return gone
  }

  #forget(sender: Sender): void {
    const { stream, rtx } = sender
    this.#bySsrc.delete(stream.ssrc)
    this.#egress.forget(stream.ssrc)
    this.#stopKeys(sender)
    this.#nextNumbers.set(stream.ssrc, stream.sequenceNumber)
    if (rtx === undefined) return
    this.#egress.forget(rtx.ssrc)
    this.#nextNumbers.set(rtx.ssrc, rtx.sequenceNumber)
  }

  /** The sender of a stream; it is made with the first. Throws a `UsageError` (`too-many-streams`). */
  of(media: Media, local: LocalStream, codec: Codec): Sender {
    return this.#bySsrc.get(local.ssrc) ?? this.#create(media, local, codec)
  }

  #create(media: Media, local: LocalStream, codec: Codec): Sender {
    const { ssrc, rtxSsrc, rid } = local
    this.#checkStreams(ssrc, rtxSsrc)
    const random = this.#crypto.randomBytes(8)
    const sender: Sender = {
      media,
      local,
      stream: this.#newStream(ssrc, (random[0]! << 8) | random[1]!),
      packetizers: new FramePacketizers(this.#crypto),
      timestampOffset: ((random[2]! << 24) | (random[3]! << 16) | (random[4]! << 8) | random[5]!) >>> 0,
      extensions: new OutgoingExtensions(media, rid, this.#numbers),
      cache: media.nack ? newSendCache() : undefined,
      rtx: rtxSsrc === undefined ? undefined : this.#newStream(rtxSsrc, (random[6]! << 8) | random[7]!),
      codec,
      forwarder: undefined,
      reportedAt: 0,
      timedBy: undefined,
      keyframes: new KeyframeResponder(),
      talkspurts: new Talkspurts(),
      keys: undefined,
    }
    this.#bySsrc.set(ssrc, sender)
    return sender
  }

  /** Here, where the caller hears of it, and not when a retransmission or a report goes out. */
  #checkStreams(ssrc: Ssrc, rtxSsrc: Ssrc | undefined): void {
    const isNew = this.#nextNumbers.has(ssrc) ? 0 : 1
    const isNewRtx = rtxSsrc === undefined || this.#nextNumbers.has(rtxSsrc) ? 0 : 1
    if (this.#nextNumbers.size + isNew + isNewRtx <= MAX_SEND_STREAMS) return
    throw new UsageError(
      'too-many-streams',
      `A session sends on ${MAX_SEND_STREAMS} sources in its life, those of retransmissions with them: connect anew`,
    )
  }

  #newStream(ssrc: Ssrc, sequenceNumber: number): StreamTx {
    const next = this.#nextNumbers.get(ssrc) ?? sequenceNumber
    this.#nextNumbers.set(ssrc, next)
    return new StreamTx({ ssrc, sequenceNumber: next })
  }

  /** The deadline of telephone events, over all streams. */
  get deadline(): Instant {
    let at = NEVER
    for (const { keys } of this.#signalling) if (keys !== undefined) at = Math.min(at, keys.events.deadline)
    return at
  }

  /** Starts telephone events, which follow each other. Throws a `UsageError` (`busy`, `invalid-option`). */
  startTelephoneEvents(
    now: Instant,
    sender: Sender,
    { clockRate, sendPt: pt }: Codec,
    [first, ...waiting]: readonly [number, ...number[]],
    options: TelephoneEventOptions,
  ): void {
    if (sender.keys !== undefined) {
      throw new UsageError('busy', 'Keys are being sent: wait until they are over, or give them all at once')
    }
    const events = new TelephoneEventSender(clockRate)
    events.start(now, timestampOf(now, sender), first, options)
    sender.keys = { pt, events, waiting, options: { ...options } }
    this.#signalling.add(sender)
  }

  #stopKeys(sender: Sender): void {
    sender.keys = undefined
    this.#signalling.delete(sender)
  }

  /** Sends what is due of telephone events. */
  sendTelephoneEvents(now: Instant): void {
    for (const sender of this.#signalling) {
      const { keys, stream, extensions } = sender
      if (keys === undefined) continue
      const { pt, events, waiting } = keys
      for (let packet = events.take(now); packet !== undefined; packet = events.take(now)) {
        const { timestamp, startedAt, marker, payload } = packet
        const fields = { pt, timestamp, marker, extensions: extensions.of(undefined), capturedAt: startedAt }
        const pieces = { pieces: [payload], length: payload.length }
        const written = stream.packet(now, fields, pieces, this.#egress.overhead)
        this.#egress.send(now, written, stream, 'audio', 'never')
      }
      if (events.deadline !== NEVER) continue
      const next = waiting.shift()
      if (next === undefined) this.#stopKeys(sender)
      else events.start(now, timestampOf(now, sender), next, keys.options)
    }
  }
}

/** Whether this payload type is sent in the section. */
function isSent({ direction, codecs }: Media, pt: Pt): boolean {
  return sends(direction) && codecs.some(({ sendPt }) => sendPt === pt)
}

/** The timestamp of what is heard now. */
function timestampOf(now: Instant, { stream, codec, timestampOffset }: Sender): number {
  return stream.packetsSent === 0 ? timestampOffset : stream.timestampAt(now, codec.clockRate)
}

const NO_CSRCS: readonly Ssrc[] = []

function startsKeyframe({ name }: Codec, [first]: readonly PayloadPieces[]): boolean {
  return first !== undefined && isKeyframeStart(name, concatBytes(first.pieces))
}

/** A retransmission is two bytes longer than what it repeats, RFC 4588 section 4. */
function spareOf({ rtx }: Sender): number {
  return rtx === undefined ? 0 : 2
}

function isUint(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max
}

function areSsrcs(values: readonly Ssrc[]): boolean {
  for (const value of values) if (!isUint(value, 0xffff_ffff)) return false
  return true
}

/** What says of a packet which layers it is of, and how it goes out with it. */
function dependencyOf(values: HeaderExtensions, outgoing: OutgoingExtensions): Dependency | undefined {
  const { dependencyDescriptor: descriptor } = values
  if (descriptor === undefined) return undefined
  return { descriptor, extensionsWith: (rewritten) => outgoing.ofDependent(values, rewritten) }
}
