import { type Instant, NEVER, plainBytes, type Pt, type Ssrc } from '@str0m/sans-io'
import { depacketizerFor } from './codecs/depacketizer-for.ts'
import { type Frame, FrameAssembler } from './frame-assembler.ts'
import { ReceptionStatistics } from './reception-statistics.ts'
import type { ReportBlock, SenderReport } from './rtcp/rtcp.ts'
import type { RtpHeader } from './rtp-header.ts'

/** What a payload type of a stream means. */
export interface StreamCodec {
  readonly pt: Pt
  /** The encoding name, such as `VP8`. */
  readonly name: string
  /** Hertz. */
  readonly clockRate: number
  readonly kind: 'audio' | 'video'
}

/** A frame, and the payload type that its packets had. */
export interface ReceivedFrame extends Frame {
  readonly codec: StreamCodec
}

export interface StreamRxOptions {
  readonly ssrc: Ssrc
  /** Milliseconds that a missing packet is waited for. Default 200 for video, 100 for audio. */
  readonly maxReorderWait?: number
}

/** Counters in the W3C's names (Identifiers for WebRTC's Statistics API, section 8.2). */
export interface StreamRxStatistics {
  readonly ssrc: Ssrc
  readonly packetsReceived: number
  /** May be negative where packets were duplicated. */
  readonly packetsLost: number
  /** Payload bytes. */
  readonly bytesReceived: number
  readonly headerBytesReceived: number
  /** Packets late, duplicated, or of a frame that was given up. */
  readonly packetsDiscarded: number
  /** Seconds. */
  readonly jitter: number
  readonly framesReceived: number
  readonly framesDropped: number
  readonly keyFramesReceived: number
  /** `undefined` before the first packet. */
  readonly lastPacketReceivedTimestamp: Instant | undefined
}

const VIDEO_REORDER_WAIT = 200
const AUDIO_REORDER_WAIT = 100

/**
 * Receives one RTP stream (one SSRC): puts its packets in order, makes frames of them and counts for its reports. A part of a peer,
 * driven by it: packets and time in, frames and report blocks out.
 */
export class StreamRx {
  readonly ssrc: Ssrc
  readonly #maxReorderWait: number | undefined
  #codec: StreamCodec | undefined
  #assembler: FrameAssembler | undefined
  #reception: ReceptionStatistics | undefined
  #bytesReceived = 0
  #headerBytesReceived = 0
  #framesReceived = 0
  #keyFramesReceived = 0
  #discardedBefore = 0
  #droppedBefore = 0
  #lastPacketAt: Instant | undefined
  #needsKeyframe = false
  #lastSenderReport: SenderReport | undefined

  constructor(options: StreamRxOptions) {
    this.ssrc = options.ssrc
    this.#maxReorderWait = options.maxReorderWait
  }

  /** The codec of the newest packet. */
  get codec(): StreamCodec | undefined {
    return this.#codec
  }

  /** Whether a video stream cannot be decoded until a keyframe comes: it started without one, or lost something. */
  get needsKeyframe(): boolean {
    return this.#needsKeyframe
  }

  /** The last sender report, which maps RTP timestamps to the sender's wall clock. */
  get lastSenderReport(): SenderReport | undefined {
    return this.#lastSenderReport
  }

  /** When `handleTimeout` is next needed. */
  get deadline(): Instant {
    return this.#assembler?.deadline ?? NEVER
  }

  /**
   * Takes a packet of this stream. `payload` stays with the stream: it is not to be changed after. A codec that cannot be depacketized is
   * counted, and yields no frames.
   */
  handlePacket(now: Instant, header: RtpHeader, payload: Uint8Array, codec: StreamCodec): void {
    if (this.#codec === undefined || codec.pt !== this.#codec.pt) this.#switchCodec(codec)
    this.#lastPacketAt = now
    this.#bytesReceived += payload.length
    this.#headerBytesReceived += header.payloadStart + header.paddingLength
    this.#reception!.handlePacket(now, header.sequenceNumber, header.timestamp)
    const assembler = this.#assembler
    if (assembler === undefined) return
    const { sequenceNumber, timestamp, marker } = header
    const droppedBefore = assembler.statistics.framesDropped + assembler.statistics.packetsGivenUp
    assembler.handlePacket(now, { sequenceNumber, timestamp, marker, payload: plainBytes(payload) })
    this.#noteLoss(droppedBefore)
  }

  handleSenderReport(now: Instant, report: SenderReport): void {
    this.#lastSenderReport = report
    this.#reception?.handleSenderReport(now, report.ntpTime)
  }

  handleTimeout(now: Instant): void {
    const assembler = this.#assembler
    if (assembler === undefined) return
    const droppedBefore = assembler.statistics.framesDropped + assembler.statistics.packetsGivenUp
    assembler.handleTimeout(now)
    this.#noteLoss(droppedBefore)
  }

  pollFrame(): ReceivedFrame | undefined {
    const frame = this.#assembler?.pollFrame()
    if (frame === undefined) return undefined
    this.#framesReceived++
    if (frame.keyframe) {
      this.#keyFramesReceived++
      this.#needsKeyframe = false
    } else if (this.#keyFramesReceived === 0) {
      this.#needsKeyframe = true
    }
    return { ...frame, codec: this.#codec! }
  }

  /** The block for the next report; `undefined` where no packet came yet. */
  report(now: Instant): ReportBlock | undefined {
    return this.#reception?.report(now)
  }

  get statistics(): StreamRxStatistics {
    const assembly = this.#assembler?.statistics
    return {
      ssrc: this.ssrc,
      packetsReceived: this.#reception?.packetsReceived ?? 0,
      packetsLost: this.#reception?.packetsLost ?? 0,
      bytesReceived: this.#bytesReceived,
      headerBytesReceived: this.#headerBytesReceived,
      packetsDiscarded:
        this.#discardedBefore +
        (assembly === undefined ? 0 : assembly.packetsLate + assembly.packetsDuplicated),
      jitter: this.#reception?.jitter ?? 0,
      framesReceived: this.#framesReceived,
      framesDropped: this.#droppedBefore + (assembly?.framesDropped ?? 0),
      keyFramesReceived: this.#keyFramesReceived,
      lastPacketReceivedTimestamp: this.#lastPacketAt,
    }
  }

  /** Frames that were not yet complete are dropped: they cannot be, once the sender has changed its codec. */
  #switchCodec(codec: StreamCodec): void {
    const before = this.#codec
    const assembly = this.#assembler?.statistics
    if (assembly !== undefined) {
      this.#discardedBefore += assembly.packetsLate + assembly.packetsDuplicated
      this.#droppedBefore += assembly.framesDropped
    }
    this.#codec = codec
    const depacketizer = depacketizerFor(codec.name)
    const wait = codec.kind === 'video' ? VIDEO_REORDER_WAIT : AUDIO_REORDER_WAIT
    this.#assembler =
      depacketizer === undefined ? undefined : new FrameAssembler(depacketizer, this.#maxReorderWait ?? wait)
    this.#needsKeyframe = false
    if (this.#reception === undefined || before?.clockRate !== codec.clockRate) {
      this.#reception = new ReceptionStatistics(this.ssrc, codec.clockRate)
    }
  }

  #noteLoss(before: number): void {
    const { framesDropped, packetsGivenUp } = this.#assembler!.statistics
    if (framesDropped + packetsGivenUp > before && this.#codec?.kind === 'video') this.#needsKeyframe = true
  }
}
