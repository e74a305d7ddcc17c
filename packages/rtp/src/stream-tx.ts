import { type Instant, serial16, serial32, type Ssrc } from '@str0m/sans-io'
import type { PayloadPieces } from './packetizers/packetizer.ts'
import type { ReportBlock, SenderReport } from './rtcp/rtcp.ts'
import { RTP_FIXED_HEADER_LENGTH, writeRtpHeader } from './rtp-header.ts'
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
}

/** Counters in the W3C's names (Identifiers for WebRTC's Statistics API, sections 8.4 and 8.5). */
export interface StreamTxStatistics {
  readonly ssrc: Ssrc
  readonly packetsSent: number
  /** Payload bytes. */
  readonly bytesSent: number
  readonly headerBytesSent: number
  /** As the peer last reported; may be negative. */
  readonly packetsLost: number
  /** From 0 to 1, as the peer last reported. */
  readonly fractionLost: number
  /** Seconds, as the peer last reported; `undefined` before it did, or where it had no sender report of ours. */
  readonly roundTripTime: number | undefined
  /** In units of the timestamp, as the peer last reported. */
  readonly jitter: number
}

/** How many sender reports are remembered, so that an answer to one can be told: a peer answers within the next few. */
const REMEMBERED_REPORTS = 8

/** Sends one RTP stream (one SSRC): numbers its packets, counts for its reports and reads the peer's. A part of a peer, driven by it. */
export class StreamTx {
  readonly ssrc: Ssrc
  #sequenceNumber: number
  #packetsSent = 0
  #bytesSent = 0
  #headerBytesSent = 0
  #lastTimestamp = 0
  #lastTimestampAt: Instant = 0
  #lastReport: ReportBlock | undefined
  #roundTripTime: number | undefined
  readonly #reportsSent: { middle: number; at: Instant }[] = []

  constructor(options: StreamTxOptions) {
    this.ssrc = options.ssrc
    this.#sequenceNumber = options.sequenceNumber & 0xffff
  }

  get packetsSent(): number {
    return this.#packetsSent
  }

  /** The sequence number of the next packet. */
  get sequenceNumber(): number {
    return this.#sequenceNumber
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
    const buffer = new Uint8Array(length + overhead)
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
    this.#lastTimestamp = fields.timestamp
    this.#lastTimestampAt = now
    return { buffer, length }
  }

  /** A sender report, RFC 3550 section 6.4.1: what the timestamp would be now goes with the wall clock's time now. */
  report(now: Instant, ntpTime: bigint, clockRate: number, reports: readonly ReportBlock[]): SenderReport {
    this.#reportsSent.push({ middle: ntpMiddle(ntpTime), at: now })
    if (this.#reportsSent.length > REMEMBERED_REPORTS) this.#reportsSent.shift()
    const elapsed = Math.round(((now - this.#lastTimestampAt) * clockRate) / 1000)
    return {
      type: 'senderReport',
      ssrc: this.ssrc,
      ntpTime,
      rtpTime: serial32.add(this.#lastTimestamp, elapsed),
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
    const delay = block.delaySinceLastSenderReport / 65.536
    const roundTrip = now - sent.at - delay
    // a peer that says it waited longer than it can have is not believed
    if (roundTrip >= 0) this.#roundTripTime = roundTrip / 1000
  }

  get statistics(): StreamTxStatistics {
    return {
      ssrc: this.ssrc,
      packetsSent: this.#packetsSent,
      bytesSent: this.#bytesSent,
      headerBytesSent: this.#headerBytesSent,
      packetsLost: this.#lastReport?.cumulativeLost ?? 0,
      fractionLost: (this.#lastReport?.fractionLost ?? 0) / 256,
      roundTripTime: this.#roundTripTime,
      jitter: this.#lastReport?.jitter ?? 0,
    }
  }
}
