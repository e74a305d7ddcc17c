import { datagramBytes, type Instant, serial16, serial32, type Ssrc } from '@str0m/sans-io'
import type { PayloadPieces } from './packetizers/packetizer.ts'
import { roundTripOf } from './rtcp/report-delay.ts'
import type { ReportBlock, SenderReport } from './rtcp/rtcp.ts'
import {
  RTP_FIXED_HEADER_LENGTH,
  type RtpHeader,
  type RtpHeaderFields,
  writeRtpHeader,
} from './rtp-header.ts'
import type { WrittenExtensions } from './header-extensions.ts'
import { ntpMiddle } from './ntp.ts'

export interface StreamTxOptions {
  readonly ssrc: Ssrc
  /** Of the first packet: random, RFC 3550 section 5.1. */
  readonly sequenceNumber: number
}

/** What one packet says beside its payload. */
export interface PacketFields {
  readonly pt: number
  /** 32 bits. */
  readonly timestamp: number
  readonly marker: boolean
  readonly extensions?: WrittenExtensions | undefined
  /** When what has this timestamp was captured, on the clock of `now`: sender reports say it. `undefined`: as it is written. */
  readonly capturedAt?: Instant | undefined
}

/** What a forwarded packet goes out with; its payload and its CSRCs are its own. */
export interface ForwardFields {
  readonly pt: number
  /** 16 bits. Never to be used for two packets: SRTP depends on it (RFC 3711 section 9.1). */
  readonly sequenceNumber: number
  /** 32 bits. */
  readonly timestamp: number
  readonly marker: boolean
  /** Those of the way out: ids are negotiated for each peer. `undefined`: none go out. */
  readonly extensions?: WrittenExtensions | undefined
  /**
   * When what has this timestamp was captured, on the clock of `now`, as far as the source's sender reports tell: it is what our own say (RFC 3550
   * section 6.4.1). `undefined`: they say when it was forwarded.
   */
  readonly capturedAt?: Instant | undefined
}

/** A packet in a buffer of its own that has room for more after it. */
export interface WrittenPacket {
  readonly buffer: Uint8Array
  /** Bytes of the packet. */
  readonly length: number
  readonly payloadStart: number
  /** How many of its last bytes are the last ones of the payload that it was made of. */
  unchanged: number
}

/** What fills the place of a packet that was left out, RFC 3550 section 5.1: the last byte is the count. */
const PADDING_LENGTH = 4

/** Counters in the W3C's names (Identifiers for WebRTC's Statistics API, sections 8.4 and 8.5). */
export interface StreamTxStatistics {
  readonly ssrc: Ssrc
  /** Retransmissions with them. */
  readonly packetsSent: number
  /** Payload bytes, of retransmissions too. */
  readonly bytesSent: number
  /** Headers and padding, of retransmissions too. */
  readonly headerBytesSent: number
  readonly retransmittedPacketsSent: number
  readonly retransmittedBytesSent: number
  /** Seconds, the sum of what all packets waited for between being written and being sent, retransmissions too. */
  readonly totalPacketSendDelay: number
  /** Whole frames that were handed in, of forwarded packets none. */
  readonly framesSent: number
  readonly keyFramesSent: number
  /** Feedback that came on this stream: requests for packets, picture loss indications, full intra requests. */
  readonly nackCount: number
  readonly pliCount: number
  readonly firCount: number
  /** As the peer last reported; may be negative. */
  readonly packetsLost: number
  /** From 0 to 1, as the peer last reported. */
  readonly fractionLost: number
  /** Seconds, as the peer last reported; `undefined` before it did, or where it had no sender report of ours. */
  readonly roundTripTime: number | undefined
  /** Seconds, the sum of all round trips that were measured. */
  readonly totalRoundTripTime: number
  readonly roundTripTimeMeasurements: number
  /** Seconds, as the peer last reported; 0 before a report of ours, which states the clock rate. */
  readonly jitter: number
}

/** How many sender reports are remembered, so that an answer to one can be told: a peer answers within the next few. */
const REMEMBERED_REPORTS = 8
const NO_CSRCS: readonly number[] = []

/** Sends one RTP stream (one SSRC): numbers its packets, counts for its reports and reads the peer's. A part of a peer, driven by it. */
export class StreamTx {
  readonly ssrc: Ssrc
  #sequenceNumber: number
  #packetsSent = 0
  #bytesSent = 0
  #headerBytesSent = 0
  /** Whether a packet was forwarded: from then on, numbers come from outside. */
  #forwards = false
  /** Of the packet that is written: one for all, since there may be a hundred thousand in a second. */
  readonly #header: { -readonly [K in keyof RtpHeaderFields]-?: RtpHeaderFields[K] }
  #lastTimestamp = 0
  #lastTimestampAt: Instant = 0
  #lastReport: ReportBlock | undefined
  #roundTripTime: number | undefined
  #totalRoundTripTime = 0
  #roundTripTimeMeasurements = 0
  #clockRate: number | undefined
  #retransmittedPackets = 0
  #retransmittedBytes = 0
  #retransmittedHeaderBytes = 0
  /** ms. */
  #sendDelay = 0
  #framesSent = 0
  #keyFramesSent = 0
  readonly #feedback = { nack: 0, pli: 0, fir: 0 }
  readonly #reportsSent: { middle: number; at: Instant }[] = []

  constructor(options: StreamTxOptions) {
    this.ssrc = options.ssrc
    this.#sequenceNumber = options.sequenceNumber & 0xffff
    this.#header = {
      marker: false,
      payloadType: 0,
      sequenceNumber: 0,
      timestamp: 0,
      ssrc: options.ssrc,
      csrcs: NO_CSRCS,
    }
  }

  /** Without retransmissions: what sender reports state. */
  get packetsSent(): number {
    return this.#packetsSent
  }

  /** The sequence number of the next packet. */
  get sequenceNumber(): number {
    return this.#sequenceNumber
  }

  /** What the timestamp would be now, as the last packet's tells it; 32 bits. `clockRate` is in hertz. */
  timestampAt(now: Instant, clockRate: number): number {
    return serial32.add(
      this.#lastTimestamp,
      Math.round(((now - this.#lastTimestampAt) * clockRate) / 1000) % 0x1_0000_0000,
    )
  }

  /** Takes the next sequence number for a packet of `payloadLength` bytes that is written elsewhere, and counts it. */
  takeSequenceNumber(payloadLength: number): number {
    const taken = this.#sequenceNumber
    this.#sequenceNumber = serial16.add(taken, 1)
    this.#packetsSent++
    this.#bytesSent += payloadLength
    return taken
  }

  /** Writes the next packet into a buffer of its own that has room for `overhead` bytes more. Answers the buffer and the packet's length in it. */
  packet(
    now: Instant,
    fields: PacketFields,
    payload: PayloadPieces,
    overhead: number,
  ): { buffer: Uint8Array; length: number } {
    const { extensions } = fields
    const headerLength =
      RTP_FIXED_HEADER_LENGTH + (extensions === undefined ? 0 : 4 + extensions.bytes.length)
    const length = headerLength + payload.length
    const buffer = datagramBytes(length + overhead)
    let at = writeRtpHeader(
      buffer,
      {
        marker: fields.marker,
        payloadType: fields.pt,
        sequenceNumber: this.#sequenceNumber,
        timestamp: fields.timestamp,
        ssrc: this.ssrc,
      },
      extensions?.profile,
      extensions?.bytes,
    )
    for (const piece of payload.pieces) {
      buffer.set(piece, at)
      at += piece.length
    }
    this.#sequenceNumber = serial16.add(this.#sequenceNumber, 1)
    this.#packetsSent++
    this.#bytesSent += payload.length
    this.#headerBytesSent += headerLength
    // an event's packets all have the time of its start (RFC 4733 section 2.5.1.2)
    if (this.#packetsSent === 1 || serial32.diff(fields.timestamp, this.#lastTimestamp) !== 0) {
      this.#lastTimestamp = fields.timestamp
      this.#lastTimestampAt = fields.capturedAt ?? now
    }
    return { buffer, length }
  }

  /**
   * Writes a packet that came from elsewhere as one of this stream, into a buffer of its own that has room for `overhead` bytes more. `header` is
   * that of `bytes`. Padding stays behind.
   */
  forward(
    now: Instant,
    bytes: Uint8Array,
    header: Pick<RtpHeader, 'csrcs' | 'payloadStart' | 'payloadLength'>,
    fields: ForwardFields,
    overhead: number,
  ): WrittenPacket {
    const { payloadStart: from, payloadLength } = header
    const written = this.#write(fields, header.csrcs, payloadLength, overhead)
    written.buffer.set(bytes.subarray(from, from + payloadLength), written.payloadStart)
    this.#count(now, fields, payloadLength, written.payloadStart)
    return written
  }

  /** A packet of padding alone: in the place of one that is not forwarded after all, so that the receiver does not miss it. */
  padding(now: Instant, fields: ForwardFields, overhead: number): WrittenPacket {
    const written = this.#write(fields, undefined, PADDING_LENGTH, overhead)
    const { buffer, length } = written
    written.unchanged = 0
    buffer[0] = buffer[0]! | 0x20
    buffer[length - 1] = PADDING_LENGTH
    this.#count(now, fields, 0, length)
    return written
  }

  #write(
    fields: ForwardFields,
    csrcs: readonly number[] | undefined,
    payloadLength: number,
    overhead: number,
  ): WrittenPacket {
    const { extensions } = fields
    const headerLength =
      RTP_FIXED_HEADER_LENGTH +
      4 * (csrcs?.length ?? 0) +
      (extensions === undefined ? 0 : 4 + extensions.bytes.length)
    const length = headerLength + payloadLength
    const buffer = datagramBytes(length + overhead)
    const header = this.#header
    header.marker = fields.marker
    header.payloadType = fields.pt
    header.sequenceNumber = fields.sequenceNumber
    header.timestamp = fields.timestamp
    header.csrcs = csrcs ?? NO_CSRCS
    const payloadStart = writeRtpHeader(buffer, header, extensions?.profile, extensions?.bytes)
    return { buffer, length, payloadStart, unchanged: payloadLength }
  }

  #count(now: Instant, fields: ForwardFields, payloadLength: number, headerLength: number): void {
    this.#packetsSent++
    this.#bytesSent += payloadLength
    this.#headerBytesSent += headerLength
    if (!this.#forwards || serial16.diff(fields.sequenceNumber, this.#sequenceNumber) >= 0) {
      this.#sequenceNumber = serial16.add(fields.sequenceNumber, 1)
      this.#lastTimestamp = fields.timestamp
      this.#lastTimestampAt = fields.capturedAt ?? now
    }
    this.#forwards = true
  }

  /**
   * A sender report, RFC 3550 section 6.4.1: what the timestamp would be now goes with the wall clock's time now; or
   * `rtpTime` goes with `ntpTime`, where both are known of the source that is forwarded.
   */
  report(
    now: Instant,
    ntpTime: bigint,
    clockRate: number,
    reports: readonly ReportBlock[],
    rtpTime?: number,
  ): SenderReport {
    this.#reportsSent.push({ middle: ntpMiddle(ntpTime), at: now })
    if (this.#reportsSent.length > REMEMBERED_REPORTS) this.#reportsSent.shift()
    this.#clockRate = clockRate
    return {
      type: 'senderReport',
      ssrc: this.ssrc,
      ntpTime,
      rtpTime: rtpTime ?? this.timestampAt(now, clockRate),
      packetCount: this.#packetsSent >>> 0,
      octetCount: this.#bytesSent >>> 0,
      reports,
    }
  }

  /** Takes a peer's report on this stream. */
  handleReport(now: Instant, block: ReportBlock): void {
    this.#lastReport = block
    const sent = this.#reportsSent.find(({ middle }) => middle === block.lastSenderReport)
    if (sent === undefined) return
    const roundTrip = roundTripOf(now, sent.at, block.delaySinceLastSenderReport)
    if (roundTrip === undefined) return
    this.#roundTripTime = roundTrip / 1000
    this.#totalRoundTripTime += roundTrip / 1000
    this.#roundTripTimeMeasurements++
  }

  /** Counts a frame whose packets are written. */
  countFrame(keyframe: boolean): void {
    this.#framesSent++
    if (keyframe) this.#keyFramesSent++
  }

  /** Counts a packet that was sent again, here or on the stream of its retransmissions (RFC 4588). */
  countRetransmission(payloadLength: number, headerLength: number): void {
    this.#retransmittedPackets++
    this.#retransmittedBytes += payloadLength
    this.#retransmittedHeaderBytes += headerLength
  }

  /** Counts how long a packet has waited, ms, for one that sends packets later than they are written. */
  countSendDelay(delay: number): void {
    this.#sendDelay += delay
  }

  /** Counts a request of the peer: for packets, or for a keyframe. */
  countFeedback(kind: 'nack' | 'pli' | 'fir'): void {
    this.#feedback[kind]++
  }

  get statistics(): StreamTxStatistics {
    return {
      ssrc: this.ssrc,
      packetsSent: this.#packetsSent + this.#retransmittedPackets,
      bytesSent: this.#bytesSent + this.#retransmittedBytes,
      headerBytesSent: this.#headerBytesSent + this.#retransmittedHeaderBytes,
      retransmittedPacketsSent: this.#retransmittedPackets,
      retransmittedBytesSent: this.#retransmittedBytes,
      totalPacketSendDelay: this.#sendDelay / 1000,
      framesSent: this.#framesSent,
      keyFramesSent: this.#keyFramesSent,
      nackCount: this.#feedback.nack,
      pliCount: this.#feedback.pli,
      firCount: this.#feedback.fir,
      packetsLost: this.#lastReport?.cumulativeLost ?? 0,
      fractionLost: (this.#lastReport?.fractionLost ?? 0) / 256,
      roundTripTime: this.#roundTripTime,
      totalRoundTripTime: this.#totalRoundTripTime,
      roundTripTimeMeasurements: this.#roundTripTimeMeasurements,
      jitter: this.#clockRate === undefined ? 0 : (this.#lastReport?.jitter ?? 0) / this.#clockRate,
    }
  }
}
