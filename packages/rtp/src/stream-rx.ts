import {
  type Instant,
  latestInstant,
  NEVER,
  OutputQueue,
  type Pt,
  serial16,
  serial32,
  type Ssrc,
} from '@str0m/sans-io'
import { depacketizerFor } from './codecs/depacketizer-for.ts'
import { readRed } from './audio/red.ts'
import type { Depacketizer } from './codecs/depacketizer.ts'
import type { HeaderExtensions } from './header-extensions.ts'
import { type DependencyDescriptor, DependencyDescriptorReader } from './dependency-descriptor.ts'
import { checkWait, type Frame, FrameAssembler } from './frame-assembler.ts'
import { MAX_MISORDER_OF_REPEATED, ReceptionStatistics } from './reception-statistics.ts'
import { ReceivedNumbers } from './received-numbers.ts'
import { NackGenerator } from './nack-generator.ts'
import { KeyframeRequester } from './keyframe-requests.ts'
import type { FullIntraRequest, PictureLossIndication, ReportBlock, SenderReport } from './rtcp/rtcp.ts'
import type { RtpHeader } from './rtp-header.ts'
import { SenderClock } from './sender-clock.ts'

/** What a payload type of a stream means. */
export interface StreamCodec {
  readonly pt: Pt
  /** The encoding name, such as `VP8`. */
  readonly name: string
  /** Hertz. */
  readonly clockRate: number
  readonly kind: 'audio' | 'video'
  /** Of `a=fmtp`. */
  readonly parameters?: ReadonlyMap<string, string>
  /** For redundant audio (`red`, RFC 2198): the codec of what is inside. Frames come out as of that one. */
  readonly primary?: StreamCodec
}

/** A frame, and the payload type that its packets had. */
export interface ReceivedFrame extends Omit<Frame, 'payloadType'> {
  readonly codec: StreamCodec
  /** What the dependency descriptor of its first packet says, where `extensions` have one that can be read. */
  readonly dependency: DependencyDescriptor | undefined
  /** As `StreamRx.captureTime` has it for its timestamp. */
  readonly captureTime: number | undefined
}

export interface StreamRxOptions {
  readonly ssrc: Ssrc
  /** Milliseconds that a missing packet is waited for, 0 or more. Default 200 for video, 100 for audio, and 1000 with `nack`. */
  readonly maxReorderWait?: number
  /** Whether missing packets are to be asked for again (RFC 4585 section 6.2.1): they are then waited for 1000 ms by default. Default false. */
  readonly nack?: boolean
  /** Whether frames are made of the packets. Default true; false where they are forwarded as they are: then only losses and reports are looked after. */
  readonly frames?: boolean
}

/** Whether the packets of both are read alike. */
function isSame(a: StreamCodec, b: StreamCodec): boolean {
  if (a === b) return true
  return (
    a.name.toLowerCase() === b.name.toLowerCase() &&
    a.clockRate === b.clockRate &&
    depacketizerFor(a.name, a.parameters) === depacketizerFor(b.name, b.parameters)
  )
}

/** Counters in the W3C's names (Identifiers for WebRTC's Statistics API, section 8.2). */
export interface StreamRxStatistics {
  readonly ssrc: Ssrc
  /** Retransmissions with them. */
  readonly packetsReceived: number
  /** May be negative where packets were duplicated. */
  readonly packetsLost: number
  /** Payload bytes, of retransmissions too. */
  readonly bytesReceived: number
  /** Headers and padding, of retransmissions too. */
  readonly headerBytesReceived: number
  /** Packets that came late, or of a codec that the sender had already left. */
  readonly packetsDiscarded: number
  /** Packets that came once more, sent again or not. They are not among the `packetsDiscarded`. */
  readonly packetsDuplicated: number
  /** Packets that came again, for which `packetsLost` still counts. */
  readonly retransmittedPacketsReceived: number
  readonly retransmittedBytesReceived: number
  /** Lost packets that came as a redundant block of a later one (RFC 2198), for which `packetsLost` still counts. */
  readonly packetsRecovered: number
  /** Requests for packets sent (RFC 4585 section 6.2.1). */
  readonly nackCount: number
  /** Picture loss indications and full intra requests that `requestKeyframe` made. */
  readonly pliCount: number
  readonly firCount: number
  /** Seconds. */
  readonly jitter: number
  readonly framesReceived: number
  readonly framesDropped: number
  readonly keyFramesReceived: number
  /** `undefined` before the first packet. */
  readonly lastPacketReceivedTimestamp: Instant | undefined
}

const NO_BYTES = new Uint8Array(0)
const VIDEO_REORDER_WAIT = 200
const AUDIO_REORDER_WAIT = 100
/** Long enough for some tries on a path round the world. */
const NACK_REORDER_WAIT = 1000
/** Milliseconds for which packets from before a change of the codec are told from a second change. */
const CODEC_SWITCH_WAIT = 1000

/**
 * Receives one RTP stream (one SSRC): puts its packets in order, makes frames of them and counts for its reports. A part of a peer,
 * driven by it: packets and time in, frames and report blocks out. After each packet and each timeout, poll the frames.
 *
 * Where `now` is no number, or `Infinity`, every method throws a `UsageError` (`invalid-time`).
 */
export class StreamRx {
  readonly ssrc: Ssrc
  readonly #maxReorderWait: number | undefined
  readonly #makesFrames: boolean
  readonly #receivedNumbers = new ReceivedNumbers()
  readonly #nacks: NackGenerator | undefined
  #nacksSent = 0
  #retransmittedPacketsReceived = 0
  #retransmittedBytesReceived = 0
  readonly #keyframes = new KeyframeRequester()
  #packetsRecovered = 0
  #codec: StreamCodec | undefined
  /** Those that share the assembler, by payload type. */
  readonly #codecs: StreamCodec[] = []
  #depacketizer: Depacketizer | undefined
  #dependencies = new DependencyDescriptorReader()
  #assembler: FrameAssembler | undefined
  /** Of the assembler, as the requests for packets know it. */
  #packetsGivenUp = 0
  #seeksBeginning = false
  #reception: ReceptionStatistics | undefined
  /** Whole frames of the codec before this one, which were not polled yet. */
  readonly #earlier = new OutputQueue<ReceivedFrame>()
  /** The last sequence number of the frame that came out last; -1 before one. */
  #lastSequence = -1
  /** The newest sequence number of this codec, and when one of it last came. */
  #newest = 0
  #codecSeenAt: Instant = 0
  #bytesReceived = 0
  #headerBytesReceived = 0
  #framesReceived = 0
  #keyFramesReceived = 0
  /** What was discarded by the assemblers before this one, less what of this one's was only once more. */
  #discardedBefore = 0
  #packetsDuplicated = 0
  #droppedBefore = 0
  #lastPacketAt: Instant | undefined
  #now: Instant = Number.NEGATIVE_INFINITY
  #lastSenderReport: SenderReport | undefined
  #lastSenderReportAt: Instant = 0
  readonly #senderClock = new SenderClock()

  /** Throws a `UsageError` (`invalid-option`) where `maxReorderWait` is none. */
  constructor(options: StreamRxOptions) {
    const { maxReorderWait } = options
    if (maxReorderWait !== undefined) checkWait('maxReorderWait', maxReorderWait)
    this.ssrc = options.ssrc
    this.#maxReorderWait = maxReorderWait
    this.#makesFrames = options.frames ?? true
    this.#nacks = options.nack === true ? new NackGenerator() : undefined
  }

  /** The codec of the newest packet. */
  get codec(): StreamCodec | undefined {
    return this.#codec
  }

  /** Whether a video stream cannot be decoded until a keyframe comes: it started without one, or lost something. */
  get needsKeyframe(): boolean {
    return this.#codec?.kind === 'video' && this.#assembler?.needsKeyframe === true
  }

  /**
   * A request for a keyframe, to be sent now; `undefined` where the last one was made less than 500 ms ago. To be called while
   * `needsKeyframe`, or when the user wants one. `senderSsrc` is ours.
   */
  requestKeyframe(
    now: Instant,
    kind: 'pli' | 'fir',
    senderSsrc: Ssrc,
  ): PictureLossIndication | FullIntraRequest | undefined {
    return this.#keyframes.take(this.#advance(now), kind, senderSsrc, this.ssrc)
  }

  /** The last sender report, which maps RTP timestamps to the sender's wall clock. */
  get lastSenderReport(): SenderReport | undefined {
    return this.#lastSenderReport
  }

  /**
   * What the sender's wall clock showed when what has this RTP timestamp (32 bits, or unwrapped) was captured, by its last sender report (RFC 3550
   * section 6.4.1): milliseconds since 1970, with a fraction. The streams of one sender have one such clock, which need not be right. `undefined` before the
   * first report and where the sender has no clock.
   */
  captureTime(timestamp: number): number | undefined {
    return this.#codec && this.#captureTime(timestamp, this.#codec)
  }

  /** When `handleTimeout` is next needed. */
  get deadline(): Instant {
    return Math.min(this.#assembler?.deadline ?? NEVER, this.#nacks?.deadline ?? NEVER)
  }

  /** When the last packet came; retransmissions do not count. `undefined` before the first. */
  get lastPacketAt(): Instant | undefined {
    return this.#lastPacketAt
  }

  /** Whether a packet of this number is later than all that came; also where none did. */
  isNewest(sequenceNumber: number): boolean {
    return this.#codec === undefined || serial16.diff(sequenceNumber, this.#newest) > 0
  }

  /**
   * Takes a packet of this stream. `payload` stays with the stream: it is not to be changed after. A codec that cannot be depacketized is
   * counted, and yields no frames. `extensions` come out with the frame, where they are given. False for the second copy of a packet.
   */
  handlePacket(
    now: Instant,
    header: RtpHeader,
    payload: Uint8Array,
    codec: StreamCodec,
    extensions?: HeaderExtensions,
  ): boolean {
    this.#advance(now)
    this.#lastPacketAt = this.#now
    this.#bytesReceived += payload.length
    this.#headerBytesReceived += header.payloadStart + header.paddingLength
    const { sequenceNumber } = header
    const inner = codec.primary ?? codec
    if (inner !== this.#codec && !this.#adopt(inner, sequenceNumber)) {
      this.#reception!.handlePacket(this.#now, sequenceNumber, header.timestamp)
      this.#nacks?.handlePacket(this.#now, sequenceNumber)
      if (!this.#makesFrames) return this.#isFirst(sequenceNumber, false, this.#packetsLate)
      this.#discardedBefore++
      return true
    }
    if (serial16.diff(sequenceNumber, this.#newest) > 0) this.#newest = sequenceNumber
    this.#codecSeenAt = this.#now
    this.#reception!.handlePacket(this.#now, sequenceNumber, header.timestamp)
    // without RFC 4588 it comes again as it was
    const repeated = this.isRequested(sequenceNumber)
    this.#nacks?.handlePacket(this.#now, sequenceNumber)
    const late = this.#packetsLate
    this.#assemble(header, payload, codec, extensions, repeated)
    // nor is what was sent before a packet that was handed on already
    if (this.#packetsLate > late) this.#nacks?.giveUpBefore(this.#now, this.#assembler!.nextSequenceNumber)
    return this.#isFirst(sequenceNumber, repeated, late)
  }

  /**
   * Takes a packet of this stream that was sent again (RFC 4588), with its original header. It counts for no report: for those it was lost. One
   * of another codec than the stream's is dropped. False for the second copy of a packet: senders also repeat packets that were not lost, to
   * probe for bandwidth.
   */
  handleRetransmission(
    now: Instant,
    header: RtpHeader,
    payload: Uint8Array,
    codec: StreamCodec,
    extensions?: HeaderExtensions,
  ): boolean {
    this.#advance(now)
    this.#retransmittedPacketsReceived++
    this.#retransmittedBytesReceived += payload.length
    this.#bytesReceived += payload.length
    this.#headerBytesReceived += header.payloadStart + header.paddingLength
    // what came is not asked for again, of whatever codec it is
    this.#nacks?.handleRetransmission(this.#now, header.sequenceNumber)
    const late = this.#packetsLate
    if (this.#codecs[(codec.primary ?? codec).pt] !== undefined) {
      this.#assemble(header, payload, codec, extensions, true)
    }
    return this.#isFirst(header.sequenceNumber, true, late)
  }

  /** Counts what came once more. `late`: packets that were too late before it. */
  #isFirst(sequenceNumber: number, repeated: boolean, late: number): boolean {
    if (this.#receivedNumbers.take(sequenceNumber, repeated)) return true
    this.#packetsDuplicated++
    // too late, since the first one was in time
    this.#discardedBefore -= this.#packetsLate - late
    return false
  }

  get #packetsLate(): number {
    return this.#assembler?.statistics.packetsLate ?? 0
  }

  /** When `takeNacks` has something. */
  get nackDeadline(): Instant {
    return this.#nacks?.deadline ?? NEVER
  }

  /**
   * The sequence numbers to ask for now: to be called after each packet and each time-out. `roundTripTime`, in milliseconds, is what passes before
   * they can come.
   */
  takeNacks(now: Instant, roundTripTime: number): number[] {
    this.#advance(now)
    const nacks = this.#nacks
    if (nacks === undefined) return []
    nacks.roundTripTime = roundTripTime
    const missing = nacks.take(this.#now)
    if (missing.length > 0) this.#nacksSent++
    return missing
  }

  /** Whether this packet is missed and was asked for: a retransmission of it may be of this stream (RFC 4588 section 5.3). */
  isRequested(sequenceNumber: number): boolean {
    return this.#nacks?.isRequested(sequenceNumber) === true
  }

  handleSenderReport(now: Instant, report: SenderReport): void {
    this.#advance(now)
    this.#lastSenderReport = report
    this.#lastSenderReportAt = this.#now
    this.#senderClock.handleSenderReport(report)
    this.#reception?.handleSenderReport(this.#now, report.ntpTime)
  }

  /** Gives up the packets that were waited for too long. `deadline` is later than `now` after it. */
  handleTimeout(now: Instant): void {
    this.#advance(now)
    const assembler = this.#assembler
    if (assembler === undefined) return
    assembler.handleTimeout(this.#now)
    this.#noteMissing(assembler)
  }

  /** The next frame in order. */
  pollFrame(): ReceivedFrame | undefined {
    const frame = this.#earlier.shift() ?? this.#pollAssembler()
    if (frame === undefined) return undefined
    this.#framesReceived++
    if (frame.keyframe) this.#keyFramesReceived++
    return frame
  }

  /** Time does not go backwards. Answers what it is. */
  #advance(now: Instant): Instant {
    this.#now = latestInstant(this.#now, now)
    return this.#now
  }

  /** The block for the next report; `undefined` where no packet came yet. */
  report(now: Instant): ReportBlock | undefined {
    this.#advance(now)
    return this.#reception?.report(this.#now)
  }

  get statistics(): StreamRxStatistics {
    const assembly = this.#assembler?.statistics
    return {
      ssrc: this.ssrc,
      packetsReceived: (this.#reception?.packetsReceived ?? 0) + this.#retransmittedPacketsReceived,
      packetsLost: this.#reception?.packetsLost ?? 0,
      bytesReceived: this.#bytesReceived,
      headerBytesReceived: this.#headerBytesReceived,
      packetsDiscarded: this.#discardedBefore + this.#packetsLate,
      packetsDuplicated: this.#packetsDuplicated,
      retransmittedPacketsReceived: this.#retransmittedPacketsReceived,
      retransmittedBytesReceived: this.#retransmittedBytesReceived,
      packetsRecovered: this.#packetsRecovered,
      nackCount: this.#nacksSent,
      pliCount: this.#keyframes.pliCount,
      firCount: this.#keyframes.firCount,
      jitter: this.#reception?.jitter ?? 0,
      framesReceived: this.#framesReceived,
      framesDropped: this.#droppedBefore + (assembly?.framesDropped ?? 0),
      keyFramesReceived: this.#keyFramesReceived,
      lastPacketReceivedTimestamp: this.#lastPacketAt,
    }
  }

  #pollAssembler(): ReceivedFrame | undefined {
    const frame = this.#assembler?.pollFrame()
    if (frame === undefined) return undefined
    const { payloadType, data, keyframe, timestamp, firstSequence, lastSequence } = frame
    const { contiguous, receivedAt, extensions } = frame
    this.#lastSequence = lastSequence & 0xffff
    const described = extensions?.dependencyDescriptor
    const dependency = described === undefined ? undefined : this.#readDependency(described, keyframe)
    const layers = frame.layers ?? dependency?.layers
    const codec = this.#codecs[payloadType ?? -1] ?? this.#codec!
    return {
      data,
      keyframe,
      timestamp,
      firstSequence,
      lastSequence,
      contiguous,
      receivedAt,
      layers,
      extensions,
      dependency,
      captureTime: this.#captureTime(timestamp, codec),
      codec,
    }
  }

  #captureTime(timestamp: number, { clockRate }: StreamCodec): number | undefined {
    return this.#senderClock.captureTime(timestamp, clockRate, this.#now - this.#lastSenderReportAt)
  }

  /** Frames come in their order: the structure that a keyframe brings counts, also where frames are numbered anew. */
  #readDependency(described: Uint8Array, keyframe: boolean): DependencyDescriptor | undefined {
    if (keyframe) {
      const reader = new DependencyDescriptorReader()
      const dependency = reader.read(described)
      if (dependency !== undefined) {
        this.#dependencies = reader
        return dependency
      }
    }
    return this.#dependencies.read(described)
  }

  /** Puts a packet in its place; of redundant audio, the blocks that are missing too. */
  #assemble(
    header: RtpHeader,
    payload: Uint8Array,
    codec: StreamCodec,
    extensions: HeaderExtensions | undefined,
    repeated: boolean,
  ): void {
    const assembler = this.#assembler
    if (assembler === undefined) return
    const { primary } = codec
    if (primary !== undefined)
      this.#assembleBlocks(assembler, header, payload, primary.pt, extensions, repeated)
    else if (extensions === undefined) assembler.handlePacket(this.#now, header, payload, repeated)
    else assembler.handlePacket(this.#now, { ...header, extensions }, payload, repeated)
    this.#noteMissing(assembler)
  }

  /** RFC 2198: the frames of before come along. */
  #assembleBlocks(
    assembler: FrameAssembler,
    header: RtpHeader,
    payload: Uint8Array,
    pt: Pt,
    extensions: HeaderExtensions | undefined,
    repeated: boolean,
  ): void {
    // what is malformed still has its place
    const blocks = readRed(payload) ?? [{ pt: -1, timestampOffset: 0, payload: NO_BYTES }]
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i]!
      const back = blocks.length - 1 - i
      const isOurs = block.pt === pt
      const sequenceNumber = serial16.add(header.sequenceNumber, -back)
      const timestamp = serial32.add(header.timestamp, -block.timestampOffset)
      if (back === 0) {
        const { marker } = header
        const { payloadStart } = header
        const packet = { sequenceNumber, timestamp, marker, payloadType: pt, extensions, payloadStart }
        assembler.handlePacket(this.#now, packet, isOurs ? block.payload : NO_BYTES, repeated)
      } else if (isOurs && block.payload.length > 0 && assembler.isMissing(sequenceNumber, timestamp)) {
        // RFC 2198 has no numbers: blocks are taken to be of the packets just before, as browsers send them, unless their times say otherwise
        this.#packetsRecovered++
        this.#nacks?.handleRetransmission(this.#now, sequenceNumber)
        const packet = { sequenceNumber, timestamp, marker: false, payloadType: pt }
        assembler.handlePacket(this.#now, packet, block.payload, true)
      }
    }
  }

  /** Has the assembler's missing packets asked for: what comes before the first one too, as long as it is looked for, and what it has given up no more. */
  #noteMissing(assembler: FrameAssembler): void {
    const { seeksBeginning, statistics } = assembler
    const { packetsGivenUp } = statistics
    if (packetsGivenUp === this.#packetsGivenUp && seeksBeginning === this.#seeksBeginning) return
    this.#packetsGivenUp = packetsGivenUp
    this.#seeksBeginning = seeksBeginning
    const { nextSequenceNumber } = assembler
    if (seeksBeginning) this.#nacks?.missBefore(this.#now, nextSequenceNumber)
    else this.#nacks?.giveUpBefore(this.#now, nextSequenceNumber)
  }

  /** Goes over to a codec; false where the packet was sent before the change to the one that is. */
  #adopt(codec: StreamCodec, sequenceNumber: number): boolean {
    const current = this.#codec
    const before = this.#codecs[codec.pt]
    // the same, though it may have been described anew
    if (before !== undefined && isSame(before, codec)) {
      this.#codec = this.#codecs[codec.pt] = codec
      return true
    }
    const depacketizer = depacketizerFor(codec.name, codec.parameters)
    // packets that are frames, of one clock: audio, the noise in its pauses and its telephone events come in one order
    const shares =
      current !== undefined &&
      depacketizer?.onePacketPerFrame === true &&
      depacketizer === this.#depacketizer &&
      codec.clockRate === current.clockRate
    if (!shares) {
      if (current !== undefined && this.#isOvertaken(sequenceNumber)) return false
      this.#switchCodec(codec, depacketizer)
      this.#newest = sequenceNumber
    }
    this.#codec = this.#codecs[codec.pt] = codec
    return true
  }

  /** Whether a packet of another codec was sent before the change to this one. */
  #isOvertaken(sequenceNumber: number): boolean {
    const behind = serial16.diff(this.#newest, sequenceNumber)
    return (
      behind >= 0 && behind < MAX_MISORDER_OF_REPEATED && this.#now - this.#codecSeenAt < CODEC_SWITCH_WAIT
    )
  }

  /** Frames that were not yet complete are dropped: they cannot be, once the sender has changed its codec. Those behind them come out. */
  #switchCodec(codec: StreamCodec, depacketizer: Depacketizer | undefined): void {
    this.#assembler?.flush()
    for (let frame = this.#pollAssembler(); frame !== undefined; frame = this.#pollAssembler()) {
      this.#earlier.push(frame)
    }
    const assembly = this.#assembler?.statistics
    if (assembly !== undefined) {
      this.#discardedBefore += assembly.packetsLate
      this.#droppedBefore += assembly.framesDropped
    }
    this.#codecs.length = 0
    this.#depacketizer = depacketizer
    const unasked = codec.kind === 'video' ? VIDEO_REORDER_WAIT : AUDIO_REORDER_WAIT
    const wait = this.#nacks === undefined ? unasked : NACK_REORDER_WAIT
    this.#assembler =
      depacketizer === undefined || !this.#makesFrames
        ? undefined
        : new FrameAssembler(depacketizer, this.#maxReorderWait ?? wait, this.#lastSequence, codec.clockRate)
    this.#packetsGivenUp = 0
    this.#seeksBeginning = false
    if (this.#reception === undefined) {
      this.#reception = new ReceptionStatistics(this.ssrc, codec.clockRate, this.#nacks !== undefined)
      const report = this.#lastSenderReport
      if (report !== undefined) this.#reception.handleSenderReport(this.#lastSenderReportAt, report.ntpTime)
    } else {
      if (this.#reception.clockRate !== codec.clockRate) this.#senderClock.reset()
      this.#reception.clockRate = codec.clockRate
    }
  }
}
