import type { CryptoProvider } from '@str0m/crypto'
import {
  type FullIntraRequest,
  type HeaderExtensions,
  type Packetizer,
  packetizerFor,
  type ReportBlock,
  SendCache,
  StreamTx,
  writeHeaderExtensions,
  writeRtx,
  type WrittenExtensions,
} from '@str0m/rtp'
import { type Instant, type Pt, serial32, type Ssrc } from '@str0m/sans-io'
import type { SrtpContext } from '@str0m/srtp'
import type { Codec } from './codec.ts'
import type { MediaTime } from './events.ts'
import type { Media, WriteOptions } from './media.ts'
import type { OutboundStreamStatistics } from './statistics.ts'

/** The header without extensions, and the profile and length of those. */
const RTP_HEADER_LENGTH = 12
const EXTENSION_HEADER_LENGTH = 4

/** What is kept of a video stream for when packets are asked for again: bytes, and ms. */
const MAX_CACHE_BYTES = 512 * 1024
const MAX_CACHE_AGE = 2000
/** Milliseconds within which a packet is not sent again where the round trip is not known. */
const DEFAULT_RESEND_INTERVAL = 50

/** One stream that goes out. */
export interface Sender {
  readonly media: Media
  readonly stream: StreamTx
  readonly packetizers: Map<Pt, Packetizer>
  /** Added to the user's time: RFC 3550 section 5.1 wants the first timestamp to be random. */
  readonly timestampOffset: number
  /** The extensions that each packet has; the one with the values of the frame is written anew. */
  readonly extensions: WrittenExtensions | undefined
  /** Where the peer asks for lost packets. */
  readonly cache: SendCache | undefined
  /** The stream of its retransmissions, RFC 4588. */
  readonly rtx: StreamTx | undefined
  codec: Codec
  /** Packets sent when the last report was made. */
  reportedAt: number
  framesSent: number
  retransmittedPacketsSent: number
  nackCount: number
  pliCount: number
  firCount: number
  /** The last command of each that asked, RFC 5104 section 4.3.1.2: a repetition is no new request. */
  readonly firSequences: Map<Ssrc, number>
}

/** Those that ask for a keyframe of one stream by full intra requests: in a conference they come through one server. */
const MAX_FIR_SOURCES = 64

/** The streams that go out: packetizes and protects frames, and takes what the peer says of them. */
export class Senders {
  readonly #crypto: CryptoProvider
  readonly #maxPacket: number
  readonly #bySsrc = new Map<Ssrc, Sender>()

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

  /** The datagrams of a frame; `undefined` where it cannot be packetized. `ssrc` is the section's. */
  packetize(
    now: Instant,
    media: Media,
    ssrc: Ssrc,
    codec: Codec,
    time: MediaTime,
    data: Uint8Array,
    options: WriteOptions,
    srtp: SrtpContext,
  ): Uint8Array[] | undefined {
    const sender = this.#bySsrc.get(ssrc) ?? this.#create(media, ssrc, codec)
    const extensions =
      options.audioLevel === undefined ? sender.extensions : this.#extensionsOf(media, options)
    const headerLength =
      RTP_HEADER_LENGTH + (extensions === undefined ? 0 : EXTENSION_HEADER_LENGTH + extensions.bytes.length)
    // a retransmission is two bytes longer, RFC 4588 section 4
    const spare = sender.rtx === undefined ? 0 : 2
    const maxPayload = this.#maxPacket - headerLength - srtp.rtpOverhead - spare
    const payloads = this.#packetizer(sender, codec)?.packetize(data, maxPayload, options.keyframe ?? false)
    if (payloads === undefined) return undefined
    sender.codec = codec
    sender.framesSent++
    const value = Math.round((time.value * codec.clockRate) / time.clockRate)
    const timestamp = serial32.add(sender.timestampOffset, value % 0x1_0000_0000)
    const isVideo = media.kind === 'video'
    const datagrams: Uint8Array[] = []
    for (let i = 0; i < payloads.length; i++) {
      // the marker ends a video frame, RFC 3551 section 5; in audio it would start a talkspurt
      const marker = isVideo && i === payloads.length - 1
      const fields = { pt: codec.pt, timestamp, marker, extensions }
      const sequenceNumber = sender.stream.sequenceNumber
      const { buffer, length } = sender.stream.packet(now, fields, payloads[i]!, srtp.rtpOverhead)
      sender.cache?.add(now, sequenceNumber, buffer, length, headerLength)
      const end = srtp.protectRtp(buffer, length)
      datagrams.push(end === buffer.length ? buffer : buffer.subarray(0, end))
    }
    return datagrams
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
    sender.nackCount++
    const { roundTripTime } = sender.stream.statistics
    const interval = roundTripTime === undefined ? DEFAULT_RESEND_INTERVAL : 1000 * roundTripTime
    const datagrams: Uint8Array[] = []
    for (const sequenceNumber of sequenceNumbers) {
      const cached = sender.cache.take(now, sequenceNumber, interval)
      if (cached === undefined) continue
      const { packet, payloadStart } = cached
      const pt = sender.media.rtxPt(packet[1]! & 0x7f)
      let buffer: Uint8Array
      let { length } = packet
      if (pt === undefined || sender.rtx === undefined) {
        buffer = new Uint8Array(length + srtp.rtpOverhead)
        buffer.set(packet)
      } else {
        const { ssrc } = sender.rtx
        const rtx = { pt, ssrc, sequenceNumber: sender.rtx.takeSequenceNumber(packet.length - payloadStart) }
        ;({ buffer, length } = writeRtx(packet, payloadStart, rtx, srtp.rtpOverhead))
      }
      sender.retransmittedPacketsSent++
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
  handleFir(request: FullIntraRequest): Sender[] {
    const asked: Sender[] = []
    for (const { ssrc, sequenceNumber } of request.entries) {
      const sender = this.#bySsrc.get(ssrc)
      if (sender === undefined || sender.firSequences.get(request.senderSsrc) === sequenceNumber) continue
      if (sender.firSequences.size === MAX_FIR_SOURCES) sender.firSequences.clear()
      sender.firSequences.set(request.senderSsrc, sequenceNumber)
      sender.firCount++
      asked.push(sender)
    }
    return asked
  }

  get statistics(): OutboundStreamStatistics[] {
    return Array.from(this.#bySsrc.values(), (sender) => ({
      ...sender.stream.statistics,
      mid: sender.media.mid,
      framesSent: sender.framesSent,
      retransmittedPacketsSent: sender.retransmittedPacketsSent,
      nackCount: sender.nackCount,
      pliCount: sender.pliCount,
      firCount: sender.firCount,
    }))
  }

  #create(media: Media, ssrc: Ssrc, codec: Codec): Sender {
    const random = this.#crypto.randomBytes(8)
    const rtxSsrc = media.localRtxSsrc
    const sender: Sender = {
      media,
      stream: new StreamTx({ ssrc, sequenceNumber: (random[0]! << 8) | random[1]! }),
      packetizers: new Map(),
      timestampOffset: ((random[2]! << 24) | (random[3]! << 16) | (random[4]! << 8) | random[5]!) >>> 0,
      extensions: this.#extensionsOf(media, {}),
      cache: media.nack ? new SendCache(MAX_CACHE_BYTES, MAX_CACHE_AGE) : undefined,
      rtx:
        rtxSsrc === undefined
          ? undefined
          : new StreamTx({ ssrc: rtxSsrc, sequenceNumber: (random[6]! << 8) | random[7]! }),
      codec,
      reportedAt: 0,
      framesSent: 0,
      retransmittedPacketsSent: 0,
      nackCount: 0,
      pliCount: 0,
      firCount: 0,
      firSequences: new Map(),
    }
    this.#bySsrc.set(ssrc, sender)
    return sender
  }

  #extensionsOf(media: Media, { audioLevel, voiceActivity }: WriteOptions): WrittenExtensions | undefined {
    const extensions: HeaderExtensions = { mid: media.mid }
    if (audioLevel !== undefined) {
      extensions.audioLevel = Math.max(0, Math.min(127, Math.round(audioLevel)))
      extensions.voiceActivity = voiceActivity ?? false
    }
    return writeHeaderExtensions(extensions, media.extensionIds)
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
