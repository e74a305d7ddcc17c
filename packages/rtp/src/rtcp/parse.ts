import { ByteReader, decodeUtf8 } from '@str0m/sans-io'
import { parseExtendedReport } from './extended-report.ts'
import { parsePayloadFeedback, parseTransportLayerFeedback } from './feedback.ts'
import {
  type Goodbye,
  PACKET_TYPE,
  type ReceiverReport,
  type ReportBlock,
  type Rtcp,
  type SenderReport,
  type SourceDescription,
} from './rtcp.ts'

/**
 * Reads a compound packet (RFC 3550 section 6.1) or a reduced-size one (RFC 5506). A packet of it that is malformed is left out and
 * counted, and those after it are still read; where a length points past the end, reading ends.
 */
export function parseRtcp(
  bytes: Uint8Array,
  length: number = bytes.length,
): { packets: Rtcp[]; malformed: number } {
  const last = Math.min(length, bytes.length)
  const packets: Rtcp[] = []
  let malformed = 0
  let at = 0
  while (at + 4 <= last) {
    const first = bytes[at]!
    const end = at + 4 + 4 * ((bytes[at + 2]! << 8) | bytes[at + 3]!)
    if (first >> 6 !== 2 || end > last) return { packets, malformed: malformed + 1 }
    const packet = parsePacket(bytes, at, end)
    if (packet === undefined) malformed++
    else packets.push(packet)
    at = end
  }
  if (at !== last) malformed++
  return { packets, malformed }
}

function parsePacket(bytes: Uint8Array, start: number, packetEnd: number): Rtcp | undefined {
  const first = bytes[start]!
  const packetType = bytes[start + 1]!
  const count = first & 0x1f
  let end = packetEnd
  if ((first & 0x20) !== 0) {
    const padding = bytes[packetEnd - 1]!
    // RFC 3550 section 6.4.1 has a multiple of four; browsers fill up transport-wide feedback by one to three bytes
    if (padding === 0 || padding > packetEnd - start - 4) return undefined
    end -= padding
  }
  const reader = new ByteReader(bytes, start + 4, end)
  const packet = parseBody(reader, packetType, count)
  return reader.failed ? undefined : packet
}

function parseBody(reader: ByteReader, packetType: number, count: number): Rtcp | undefined {
  switch (packetType) {
    case PACKET_TYPE.senderReport:
      return parseSenderReport(reader, count)
    case PACKET_TYPE.receiverReport:
      return parseReceiverReport(reader, count)
    case PACKET_TYPE.sourceDescription:
      return parseSourceDescription(reader, count)
    case PACKET_TYPE.goodbye:
      return parseGoodbye(reader, count)
    case PACKET_TYPE.transportLayerFeedback:
      return parseTransportLayerFeedback(reader, count)
    case PACKET_TYPE.payloadSpecificFeedback:
      return parsePayloadFeedback(reader, count)
    case PACKET_TYPE.extendedReport:
      return parseExtendedReport(reader)
    default:
      return { type: 'unknown', packetType, count, contents: reader.rest().slice() }
  }
}

function parseSenderReport(reader: ByteReader, count: number): SenderReport {
  return {
    type: 'senderReport',
    ssrc: reader.u32(),
    ntpTime: reader.u64(),
    rtpTime: reader.u32(),
    packetCount: reader.u32(),
    octetCount: reader.u32(),
    reports: parseReports(reader, count),
  }
}

function parseReceiverReport(reader: ByteReader, count: number): ReceiverReport {
  return { type: 'receiverReport', ssrc: reader.u32(), reports: parseReports(reader, count) }
}

function parseReports(reader: ByteReader, count: number): ReportBlock[] {
  const reports: ReportBlock[] = []
  // what the count promises must be there; what follows the blocks is a profile's extension (section 6.4.3)
  for (let i = 0; i < count && !reader.failed; i++) {
    reports.push({
      ssrc: reader.u32(),
      fractionLost: reader.u8(),
      cumulativeLost: (reader.u24() << 8) >> 8,
      highestSequence: reader.u32(),
      jitter: reader.u32(),
      lastSenderReport: reader.u32(),
      delaySinceLastSenderReport: reader.u32(),
    })
  }
  return reports
}

function parseSourceDescription(reader: ByteReader, count: number): SourceDescription {
  const chunks: { ssrc: number; items: { type: number; text: string }[] }[] = []
  for (let i = 0; i < count && !reader.failed; i++) {
    const start = reader.position
    const ssrc = reader.u32()
    const items: { type: number; text: string }[] = []
    for (;;) {
      const type = reader.u8()
      if (type === 0 || reader.failed) break
      items.push({ type, text: decodeUtf8(reader.view(reader.u8())) })
    }
    // RFC 3550 section 6.5: each chunk ends on a boundary of 32 bits
    reader.skip((4 - ((reader.position - start) % 4)) % 4)
    chunks.push({ ssrc, items })
  }
  return { type: 'sourceDescription', chunks }
}

function parseGoodbye(reader: ByteReader, count: number): Goodbye {
  const ssrcs: number[] = []
  for (let i = 0; i < count && !reader.failed; i++) ssrcs.push(reader.u32())
  if (reader.remaining === 0) return { type: 'goodbye', ssrcs }
  return { type: 'goodbye', ssrcs, reason: decodeUtf8(reader.view(reader.u8())) }
}
