import { type ByteReader, type ByteWriter, UsageError } from '@str0m/sans-io'
import type { ExtendedReport, ExtendedReportBlock } from './rtcp.ts'

/** RFC 3611 sections 4.4 and 4.5. */
const RECEIVER_REFERENCE_TIME = 4
const DELAY_SINCE_LAST_RECEIVER_REPORT = 5

export function parseExtendedReport(reader: ByteReader): ExtendedReport {
  const ssrc = reader.u32()
  const blocks: ExtendedReportBlock[] = []
  while (reader.remaining >= 4) {
    const blockType = reader.u8()
    const specific = reader.u8()
    const block = reader.sub(4 * reader.u16())
    if (reader.failed) break
    blocks.push(parseBlock(block, blockType, specific))
  }
  return { type: 'extendedReport', ssrc, blocks }
}

function parseBlock(block: ByteReader, blockType: number, specific: number): ExtendedReportBlock {
  if (blockType === RECEIVER_REFERENCE_TIME && block.remaining === 8) {
    return { type: 'receiverReferenceTime', ntpTime: block.u64() }
  }
  if (blockType === DELAY_SINCE_LAST_RECEIVER_REPORT && block.remaining % 12 === 0) {
    const reports: { ssrc: number; lastReceiverReport: number; delaySinceLastReceiverReport: number }[] = []
    while (block.remaining > 0) {
      reports.push({
        ssrc: block.u32(),
        lastReceiverReport: block.u32(),
        delaySinceLastReceiverReport: block.u32(),
      })
    }
    return { type: 'delaySinceLastReceiverReport', reports }
  }
  return { type: 'other', blockType, specific, contents: block.rest().slice() }
}

export function writeExtendedReport(writer: ByteWriter, report: ExtendedReport): void {
  writer.u32(report.ssrc)
  for (const block of report.blocks) {
    switch (block.type) {
      case 'receiverReferenceTime':
        writer.u8(RECEIVER_REFERENCE_TIME).u8(0).u16(2).u64(block.ntpTime)
        break
      case 'delaySinceLastReceiverReport':
        writer
          .u8(DELAY_SINCE_LAST_RECEIVER_REPORT)
          .u8(0)
          .u16(3 * block.reports.length)
        for (const { ssrc, lastReceiverReport, delaySinceLastReceiverReport } of block.reports) {
          writer.u32(ssrc).u32(lastReceiverReport).u32(delaySinceLastReceiverReport)
        }
        break
      case 'other':
        if (block.contents.length % 4 !== 0 || block.contents.length > 4 * 0xffff) {
          throw new UsageError(
            'invalid-rtcp',
            'A block of an extended report is a number of whole 32-bit words',
          )
        }
        writer
          .u8(block.blockType)
          .u8(block.specific)
          .u16(block.contents.length >> 2)
          .bytes(block.contents)
    }
  }
}
