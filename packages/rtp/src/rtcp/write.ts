import { ByteWriter, encodeUtf8, UsageError } from '@str0m/sans-io'
import { writeCongestionControlFeedback } from './congestion-control-feedback.ts'
import { writeExtendedReport } from './extended-report.ts'
import { writeFir, writeNack, writeRemb } from './feedback.ts'
import {
  type Goodbye,
  PACKET_TYPE,
  PAYLOAD_FORMAT,
  type ReportBlock,
  type Rtcp,
  type SourceDescription,
  TRANSPORT_FORMAT,
} from './rtcp.ts'
import { writeTransportFeedback } from './transport-feedback.ts'

/** The most that the five bits of a count hold: blocks of a report, chunks, sources of a goodbye. */
export const MAX_COUNT = 31

/**
 * Writes packets one after the other. Throws a `UsageError` (`invalid-rtcp`) where a list has more entries than the wire can count
 * (`MAX_COUNT` for blocks, chunks and sources of a goodbye), or a packet would be longer than its length can say. Of a text that
 * is longer than 255 bytes the beginning is written.
 */
export function writeRtcp(packets: readonly Rtcp[], writer: ByteWriter = new ByteWriter(256)): Uint8Array {
  for (const packet of packets) {
    const start = writer.length
    writer.u32(0)
    const { packetType, count } = writeBody(writer, packet)
    // only transport-wide feedback and unknown contents end within a word: padded as browsers do
    const unaligned = (writer.length - start) % 4
    const padding = unaligned === 0 ? 0 : 4 - unaligned
    if (padding > 0) writer.zeros(padding - 1).u8(padding)
    const words = (writer.length - start) / 4 - 1
    if (count > MAX_COUNT || words > 0xffff) {
      throw new UsageError(
        'invalid-rtcp',
        `A "${packet.type}" of ${count} entries and ${words + 1} words cannot be written: split it`,
      )
    }
    writer.setU32(
      start,
      ((0x80 | (padding > 0 ? 0x20 : 0) | count) * 0x100_0000 + packetType * 0x1_0000 + words) >>> 0,
    )
  }
  return writer.finish()
}

function writeBody(writer: ByteWriter, packet: Rtcp): { packetType: number; count: number } {
  switch (packet.type) {
    case 'senderReport':
      writer.u32(packet.ssrc).u64(packet.ntpTime).u32(packet.rtpTime)
      writer.u32(packet.packetCount).u32(packet.octetCount)
      writeReports(writer, packet.reports)
      return { packetType: PACKET_TYPE.senderReport, count: packet.reports.length }
    case 'receiverReport':
      writer.u32(packet.ssrc)
      writeReports(writer, packet.reports)
      return { packetType: PACKET_TYPE.receiverReport, count: packet.reports.length }
    case 'sourceDescription':
      writeSourceDescription(writer, packet)
      return { packetType: PACKET_TYPE.sourceDescription, count: packet.chunks.length }
    case 'goodbye':
      writeGoodbye(writer, packet)
      return { packetType: PACKET_TYPE.goodbye, count: packet.ssrcs.length }
    case 'nack':
      writeNack(writer, packet)
      return { packetType: PACKET_TYPE.transportLayerFeedback, count: TRANSPORT_FORMAT.nack }
    case 'transportFeedback':
      writeTransportFeedback(writer, packet)
      return { packetType: PACKET_TYPE.transportLayerFeedback, count: TRANSPORT_FORMAT.transportWide }
    case 'congestionControlFeedback':
      writeCongestionControlFeedback(writer, packet)
      return { packetType: PACKET_TYPE.transportLayerFeedback, count: TRANSPORT_FORMAT.congestionControl }
    case 'pli':
      writer.u32(packet.senderSsrc).u32(packet.mediaSsrc)
      return { packetType: PACKET_TYPE.payloadSpecificFeedback, count: PAYLOAD_FORMAT.pli }
    case 'fir':
      writeFir(writer, packet)
      return { packetType: PACKET_TYPE.payloadSpecificFeedback, count: PAYLOAD_FORMAT.fir }
    case 'remb':
      writeRemb(writer, packet)
      return { packetType: PACKET_TYPE.payloadSpecificFeedback, count: PAYLOAD_FORMAT.applicationLayer }
    case 'extendedReport':
      writeExtendedReport(writer, packet)
      return { packetType: PACKET_TYPE.extendedReport, count: 0 }
    case 'unknown':
      writer.bytes(packet.contents)
      return { packetType: packet.packetType, count: packet.count }
  }
}

function writeReports(writer: ByteWriter, reports: readonly ReportBlock[]): void {
  for (const report of reports) {
    writer
      .u32(report.ssrc)
      .u8(report.fractionLost)
      .u24(report.cumulativeLost & 0xff_ffff)
    writer.u32(report.highestSequence).u32(report.jitter)
    writer.u32(report.lastSenderReport).u32(report.delaySinceLastSenderReport)
  }
}

function writeSourceDescription(writer: ByteWriter, description: SourceDescription): void {
  for (const { ssrc, items } of description.chunks) {
    const start = writer.length
    writer.u32(ssrc)
    for (const { type, text } of items) writeText(writer.u8(type), text)
    // at least one zero ends the list
    writer.zeros(4 - ((writer.length - start) % 4))
  }
}

function writeGoodbye(writer: ByteWriter, goodbye: Goodbye): void {
  const start = writer.length
  for (const ssrc of goodbye.ssrcs) writer.u32(ssrc)
  if (goodbye.reason === undefined) return
  writeText(writer, goodbye.reason)
  writer.zeros((4 - ((writer.length - start) % 4)) % 4)
}

function writeText(writer: ByteWriter, text: string): void {
  const bytes = encodeUtf8(text)
  let length = Math.min(bytes.length, 255)
  // cut between characters
  while (length < bytes.length && (bytes[length]! & 0xc0) === 0x80) length--
  writer.u8(length).bytes(bytes.subarray(0, length))
}
