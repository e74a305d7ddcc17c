import type { CryptoProvider } from '@str0m/crypto'
import {
  type Dependency,
  Forwarder,
  type FullIntraRequest,
  type HeaderExtensions,
  KeyframeResponder,
  type Packetizer,
  packetizerFor,
  type PayloadPieces,
  RedPacketizer,
  type ReportBlock,
  SendCache,
  StreamTx,
  type TelephoneEventOptions,
  TelephoneEventSender,
  type WrittenPacket,
  writeRtx,
} from '@str0m/rtp'
import { datagramBytes, type Instant, NEVER, type Pt, serial32, type Ssrc, UsageError } from '@str0m/sans-io'
import type { SrtpContext } from '@str0m/srtp'
import type { Codec } from './codec.ts'
import type { LocalStream, Media } from './media.ts'
import { OutgoingExtensions } from './outgoing-extensions.ts'
import { type RtpPacket, sharedBytes } from './rtp-packet.ts'
import type { RtpFields } from './rtp-writer.ts'
import type { OutboundStreamStatistics } from './statistics.ts'
import type { MediaTime, WriteOptions } from './writer.ts'

/** The header without extensions, and the profile and length of those. */
const RTP_HEADER_LENGTH = 12
const EXTENSION_HEADER_LENGTH = 4

/** What is kept of a video stream for when packets are asked for again: bytes, and ms. */
const MAX_CACHE_BYTES = 512 * 1024
const MAX_CACHE_AGE = 2000
/** Milliseconds within which a packet is not sent again where the round trip is not known. */
const DEFAULT_RESEND_INTERVAL = 50
/** Of a round trip: who asks again after a whole one, as it measures it, is to be answered. */
const RESEND_INTERVAL = 0.7
/** How many frames of audio are repeated with each, where it is redundant: what browsers send. */
const REDUNDANCY = 1

/** One stream that goes out. */
export interface Sender {
  readonly media: Media
  readonly local: LocalStream
  readonly stream: StreamTx
  readonly packetizers: Map<Pt, Packetizer>
  /** Added to the user's time: RFC 3550 section 5.1 wants the first timestamp to be random. */
  readonly timestampOffset: number
  readonly extensions: OutgoingExtensions
  /** Where the peer asks for lost packets. */
  readonly cache: SendCache | undefined
  /** The stream of its retransmissions, RFC 4588. */
  readonly rtx: StreamTx | undefined
  codec: Codec
  /** Packets sent when the last report was made. */
  reportedAt: number
  /** Whose time of capture the reports state: that of frames of ours, or of a source that is forwarded; `undefined` before they state one. */
  timedBy: Ssrc | undefined
  readonly keyframes: KeyframeResponder
  /** Redundant audio, by its payload type. */
  readonly redundant: Map<Pt, RedPacketizer>
  /** The events of a telephone's keys, once there was one. */
  telephoneEvents: TelephoneEventSender | undefined
  telephoneEventPt: Pt
}

/** The streams that go out: packetizes and protects frames, and takes what the peer says of them. */
export class Senders {
  readonly #crypto: CryptoProvider
  readonly #maxPacket: number
  readonly #bySsrc = new Map<Ssrc, Sender>()
  /** Those in the middle of a telephone event. */
  readonly #signalling = new Set<Sender>()

  constructor(crypto: CryptoProvider, mtu: number) {
    this.#crypto = crypto
    this.#maxPacket = mtu
  }

  /** All streams that anything was sent on. */
  get all(): Iterable<Sender> {
    return this.#bySsrc.values()
  }

  find(ssrc: Ssrc): Sender | undefined {
    return this.#bySsrc.get(ssrc)
  }

  /** The datagrams of a frame; `undefined` where it cannot be packetized. */
  packetize(
    now: Instant,
    sender: Sender,
    codec: Codec,
    time: MediaTime,
    data: Uint8Array,
    options: WriteOptions,
    srtp: SrtpContext,
  ): Uint8Array[] | undefined {
    const { audioLevel } = options
    const extensions = sender.extensions.of(
      audioLevel === undefined ? undefined : { audioLevel, voiceActivity: options.voiceActivity ?? false },
    )
    const headerLength =
      RTP_HEADER_LENGTH + (extensions === undefined ? 0 : EXTENSION_HEADER_LENGTH + extensions.bytes.length)
    const maxPayload = this.#maxPacket - headerLength - srtp.rtpOverhead - spareOf(sender)
    const value = Math.round((time.value * codec.clockRate) / time.clockRate)
    const timestamp = serial32.add(sender.timestampOffset, value % 0x1_0000_0000)
    const payloads = this.#payloads(sender, codec, timestamp, data, maxPayload, options.keyframe ?? false)
    if (payloads === undefined) return undefined
    sender.codec = codec
    sender.stream.countFrame(options.keyframe ?? false)
    const isVideo = sender.media.kind === 'video'
    const datagrams: Uint8Array[] = []
    for (let i = 0; i < payloads.length; i++) {
      // the marker ends a video frame, RFC 3551 section 5; in audio it would start a talkspurt
      const marker = isVideo && i === payloads.length - 1
      const fields = { pt: codec.sendPt, timestamp, marker, extensions }
      const sequenceNumber = sender.stream.sequenceNumber
      const { buffer, length } = sender.stream.packet(now, fields, payloads[i]!, srtp.rtpOverhead)
      sender.cache?.add(now, sequenceNumber, buffer, length, headerLength)
      datagrams.push(protect(buffer, length, srtp))
    }
    return datagrams
  }

  /** The datagram of a packet. Throws a `UsageError` (`invalid-packet`, `sequence-number-used`). */
  packet(
    now: Instant,
    sender: Sender,
    codec: Codec,
    fields: RtpFields,
    payload: Uint8Array,
    srtp: SrtpContext,
  ): Uint8Array {
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
      length + srtp.rtpOverhead + spareOf(sender) > this.#maxPacket
    ) {
      throw new UsageError(
        'invalid-packet',
        `A packet fits a datagram of ${this.#maxPacket} bytes and has a sequence number of 16 bits, a timestamp of 32, up to 15 CSRCs, and was captured at an instant`,
      )
    }
    if (!srtp.isFresh(sender.stream.ssrc, sequenceNumber)) {
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
      srtp.rtpOverhead,
    )
    return this.#keep(now, sender, written, srtp)
  }

  /** The datagram of a packet of another peer; `undefined` where it does not go out. */
  forward(
    now: Instant,
    sender: Sender,
    codec: Codec,
    forwarder: Forwarder,
    packet: RtpPacket,
    srtp: SrtpContext,
  ): Uint8Array | undefined {
    const values = packet.extensions
    const fields = {
      pt: codec.sendPt,
      extensions: sender.extensions.ofForwarded(values),
      dependency: dependencyOf(values, sender.extensions),
    }
    sender.codec = codec
    const { header, capturedAt } = packet
    // what goes out is of the same bytes as what is kept, should it be asked for again
    const shared = sender.cache === undefined ? undefined : sharedBytes(packet)
    const bytes = shared ?? packet.bytes
    const written = forwarder.handlePacket(now, bytes, header, fields, srtp.rtpOverhead, capturedAt)
    if (written === undefined) return undefined
    if (shared === undefined) return this.#keep(now, sender, written, srtp)
    const { buffer, length, payloadStart, unchanged } = written
    const from = header.payloadStart + header.payloadLength - unchanged
    const sequenceNumber = (buffer[2]! << 8) | buffer[3]!
    sender.cache?.add(now, sequenceNumber, buffer, length, payloadStart, shared, from, unchanged)
    return protect(buffer, length, srtp)
  }

  /** The datagram of a packet that had to wait for one that was just forwarded; `undefined`: there is none. */
  forwardHeld(
    now: Instant,
    sender: Sender,
    codec: Codec,
    forwarder: Forwarder,
    srtp: SrtpContext,
  ): Uint8Array | undefined {
    const fields = { pt: codec.sendPt, extensions: sender.extensions.of(undefined) }
    const written = forwarder.pollHeld(now, fields, srtp.rtpOverhead)
    return written === undefined ? undefined : this.#keep(now, sender, written, srtp)
  }

  #keep(now: Instant, { cache }: Sender, written: WrittenPacket, srtp: SrtpContext): Uint8Array {
    const { buffer, length, payloadStart } = written
    cache?.add(now, (buffer[2]! << 8) | buffer[3]!, buffer, length, payloadStart)
    return protect(buffer, length, srtp)
  }

  /** What makes one stream of packets of several sources, for a stream that nothing else is sent on. */
  forwarder(sender: Sender, { name, clockRate }: Codec): Forwarder {
    return new Forwarder({
      stream: sender.stream,
      codec: name,
      clockRate,
      timestamp: sender.timestampOffset,
    })
  }

  /**
   * The datagrams that answer a request for lost packets: each under the header of its retransmission, or, where none was negotiated, the
   * same again.
   */
  retransmit(
    now: Instant,
    mediaSsrc: Ssrc,
    sequenceNumbers: readonly number[],
    srtp: SrtpContext,
  ): Uint8Array[] {
    const sender = this.#bySsrc.get(mediaSsrc)
    if (sender?.cache === undefined) return []
    sender.stream.countFeedback('nack')
    const { roundTripTime } = sender.stream.statistics
    const interval =
      roundTripTime === undefined ? DEFAULT_RESEND_INTERVAL : RESEND_INTERVAL * 1000 * roundTripTime
    const datagrams: Uint8Array[] = []
    for (const sequenceNumber of sequenceNumbers) {
      const cached = sender.cache.take(now, sequenceNumber, interval)
      if (cached === undefined) continue
      const { packet, payloadStart } = cached
      const pt = sender.media.rtxPt(packet[1]! & 0x7f)
      let buffer: Uint8Array
      let { length } = packet
      if (pt === undefined || sender.rtx === undefined) {
        buffer = datagramBytes(length + srtp.rtpOverhead)
        buffer.set(packet)
      } else {
        const { ssrc } = sender.rtx
        const rtx = { pt, ssrc, sequenceNumber: sender.rtx.takeSequenceNumber(packet.length - payloadStart) }
        ;({ buffer, length } = writeRtx(packet, payloadStart, rtx, srtp.rtpOverhead))
        sender.extensions.repairRid(buffer)
      }
      sender.stream.countRetransmission(packet.length - payloadStart, payloadStart)
      datagrams.push(buffer.subarray(0, srtp.protectRtp(buffer, length)))
    }
    return datagrams
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
    for (const block of reports) this.#bySsrc.get(block.ssrc)?.stream.handleReport(now, block)
  }

  /** The streams of ours that a full intra request is new for. */
  handleFir(now: Instant, { senderSsrc, entries }: FullIntraRequest): Sender[] {
    const asked: Sender[] = []
    for (const { ssrc, sequenceNumber } of entries) {
      const sender = this.#bySsrc.get(ssrc)
      if (sender?.keyframes.handleFir(now, senderSsrc, sequenceNumber) !== true) continue
      sender.stream.countFeedback('fir')
      asked.push(sender)
    }
    return asked
  }

  get statistics(): OutboundStreamStatistics[] {
    return Array.from(this.#bySsrc.values(), (sender) => ({
      ...sender.stream.statistics,
      mid: sender.media.mid,
      ...(sender.local.rid === undefined ? {} : { rid: sender.local.rid }),
    }))
  }

  /** The sender of a stream; it is made with the first. */
  of(media: Media, local: LocalStream, codec: Codec): Sender {
    return this.#bySsrc.get(local.ssrc) ?? this.#create(media, local, codec)
  }

  #create(media: Media, local: LocalStream, codec: Codec): Sender {
    const random = this.#crypto.randomBytes(8)
    const { ssrc, rtxSsrc, rid } = local
    const sender: Sender = {
      media,
      local,
      stream: new StreamTx({ ssrc, sequenceNumber: (random[0]! << 8) | random[1]! }),
      packetizers: new Map(),
      timestampOffset: ((random[2]! << 24) | (random[3]! << 16) | (random[4]! << 8) | random[5]!) >>> 0,
      extensions: new OutgoingExtensions(media.extensionIds, media.mid, rid),
      cache: media.nack ? new SendCache(MAX_CACHE_BYTES, MAX_CACHE_AGE) : undefined,
      rtx:
        rtxSsrc === undefined
          ? undefined
          : new StreamTx({ ssrc: rtxSsrc, sequenceNumber: (random[6]! << 8) | random[7]! }),
      codec,
      reportedAt: 0,
      timedBy: undefined,
      keyframes: new KeyframeResponder(),
      redundant: new Map(),
      telephoneEvents: undefined,
      telephoneEventPt: 0,
    }
    this.#bySsrc.set(ssrc, sender)
    return sender
  }

  #payloads(
    sender: Sender,
    codec: Codec,
    timestamp: number,
    data: Uint8Array,
    maxPayload: number,
    keyframe: boolean,
  ): readonly PayloadPieces[] | undefined {
    const { primary } = codec
    if (primary === undefined) {
      return this.#packetizer(sender, codec)?.packetize(data, maxPayload, keyframe)
    }
    let packetizer = sender.redundant.get(codec.pt)
    if (packetizer === undefined) {
      packetizer = new RedPacketizer({ pt: primary.sendPt, redundancy: REDUNDANCY })
      sender.redundant.set(codec.pt, packetizer)
    }
    const payload = packetizer.packetize(timestamp, data, maxPayload)
    return payload === undefined ? undefined : [payload]
  }

  /** The deadline of telephone events, over all streams. */
  get deadline(): Instant {
    let at = NEVER
    for (const { telephoneEvents } of this.#signalling) {
      if (telephoneEvents !== undefined) at = Math.min(at, telephoneEvents.deadline)
    }
    return at
  }

  /** Starts a telephone event. Throws a `UsageError` (`busy`, `invalid-option`). */
  startTelephoneEvent(
    now: Instant,
    sender: Sender,
    codec: Codec,
    event: number,
    options: TelephoneEventOptions,
  ): void {
    sender.telephoneEvents ??= new TelephoneEventSender(codec.clockRate)
    const audio = sender.codec.clockRate
    sender.telephoneEvents.start(now, sender.stream.timestampAt(now, audio), event, options)
    sender.telephoneEventPt = codec.sendPt
    this.#signalling.add(sender)
  }

  /** The datagrams of telephone events that are due. */
  takeTelephoneEvents(now: Instant, srtp: SrtpContext): Uint8Array[] {
    const datagrams: Uint8Array[] = []
    for (const sender of this.#signalling) {
      const { telephoneEvents, telephoneEventPt: pt, stream, extensions } = sender
      if (telephoneEvents === undefined) continue
      for (let packet = telephoneEvents.take(now); packet !== undefined; packet = telephoneEvents.take(now)) {
        const { timestamp, marker, payload } = packet
        const fields = { pt, timestamp, marker, extensions: extensions.of(undefined) }
        const pieces = { pieces: [payload], length: payload.length }
        const { buffer, length } = stream.packet(now, fields, pieces, srtp.rtpOverhead)
        datagrams.push(protect(buffer, length, srtp))
      }
      if (telephoneEvents.deadline === NEVER) this.#signalling.delete(sender)
    }
    return datagrams
  }

  #packetizer(sender: Sender, codec: Codec): Packetizer | undefined {
    const known = sender.packetizers.get(codec.pt)
    if (known !== undefined) return known
    const [high, low] = this.#crypto.randomBytes(2)
    const made = packetizerFor(codec.name, codec.parameters, (high! << 8) | low!)
    if (made !== undefined) sender.packetizers.set(codec.pt, made)
    return made
  }
}

const NO_CSRCS: readonly Ssrc[] = []

/** A retransmission is two bytes longer than what it repeats, RFC 4588 section 4. */
function spareOf({ rtx }: Sender): number {
  return rtx === undefined ? 0 : 2
}

function isUint(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max
}

function protect(buffer: Uint8Array, length: number, srtp: SrtpContext): Uint8Array {
  const end = srtp.protectRtp(buffer, length)
  return end === buffer.length ? buffer : buffer.subarray(0, end)
}

/** What says of a packet which layers it is of, and how it goes out with it. */
function dependencyOf(values: HeaderExtensions, outgoing: OutgoingExtensions): Dependency | undefined {
  const { dependencyDescriptor: descriptor } = values
  if (descriptor === undefined) return undefined
  return { descriptor, extensionsWith: (rewritten) => outgoing.ofDependent(values, rewritten) }
}
