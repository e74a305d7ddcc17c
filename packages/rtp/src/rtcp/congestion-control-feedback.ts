import { type ByteReader, type ByteWriter, UsageError } from '@str0m/sans-io'
import type { CongestionControlFeedback, StreamArrivals } from './rtcp.ts'

// RFC 8888 section 3.1: the sender of the report, a block for each stream with 16 bits for each packet, and the time that all arrivals are counted back from.

/** Bits of a packet's 16: whether it came, its ECN mark, how long before the report it came. */
const RECEIVED = 0x8000
const ECN_SHIFT = 13
const OFFSET_MASK = 0x1fff
/** The source, the first sequence number, how many packets follow. */
const BLOCK_HEADER_LENGTH = 8
const TIMESTAMP_LENGTH = 4

/** Most packets that one block may tell of: a quarter of the circle of sequence numbers. */
export const MAX_BLOCK_PACKETS = 16_384
/** The arrival offset of a packet that came longer before the report than can be said: 8 s. */
export const ARRIVAL_OVER_RANGE = 0x1ffe
/** The arrival offset of a packet that came, it is not known when. */
export const ARRIVAL_UNAVAILABLE = 0x1fff

/** Bytes of a report on nothing, and what a stream adds without its packets. */
export const EMPTY_FEEDBACK_LENGTH = 12
export const STREAM_LENGTH: number = BLOCK_HEADER_LENGTH

/** Each block takes eight bytes or more, and each packet of it two. */
export function parseCongestionControlFeedback(reader: ByteReader): CongestionControlFeedback | undefined {
  const senderSsrc = reader.u32()
  const streams: StreamArrivals[] = []
  while (reader.remaining >= BLOCK_HEADER_LENGTH + TIMESTAMP_LENGTH) {
    const stream = parseStream(reader)
    if (stream === undefined) return undefined
    streams.push(stream)
  }
  const reportTimestamp = reader.u32()
  if (!reader.finished) return undefined
  return { type: 'congestionControlFeedback', senderSsrc, reportTimestamp, streams }
}

function parseStream(reader: ByteReader): StreamArrivals | undefined {
  const ssrc = reader.u32()
  const beginSequence = reader.u16()
  const count = reader.u16()
  const padding = count % 2
  if (count > MAX_BLOCK_PACKETS || 2 * (count + padding) + TIMESTAMP_LENGTH > reader.remaining)
    return undefined
  const arrivalOffsets: (number | undefined)[] = []
  let ecn: number[] | undefined
  for (let i = 0; i < count; i++) {
    const metric = reader.u16()
    const received = (metric & RECEIVED) !== 0
    arrivalOffsets.push(received ? metric & OFFSET_MASK : undefined)
    const mark = received ? (metric >> ECN_SHIFT) & 3 : 0
    if (mark === 0) continue
    ecn ??= Array.from({ length: count }, () => 0)
    ecn[i] = mark
  }
  reader.skip(2 * padding)
  return { ssrc, beginSequence, arrivalOffsets, ...(ecn === undefined ? {} : { ecn }) }
}

export function writeCongestionControlFeedback(
  writer: ByteWriter,
  feedback: CongestionControlFeedback,
): void {
  writer.u32(feedback.senderSsrc)
  for (const { ssrc, beginSequence, arrivalOffsets, ecn } of feedback.streams) {
    const count = arrivalOffsets.length
    if (count > MAX_BLOCK_PACKETS) {
      throw new UsageError(
        'invalid-rtcp',
        `A report is on up to ${MAX_BLOCK_PACKETS} packets of a stream, not ${count}`,
      )
    }
    writer.u32(ssrc).u16(beginSequence).u16(count)
    for (let i = 0; i < count; i++) writer.u16(metricOf(arrivalOffsets[i], ecn?.[i] ?? 0))
    if (count % 2 !== 0) writer.u16(0)
  }
  writer.u32(feedback.reportTimestamp)
}

function metricOf(offset: number | undefined, ecn: number): number {
  if (offset === undefined) return 0
  if (!(Number.isInteger(offset) && offset >= 0 && offset <= OFFSET_MASK && ecn >= 0 && ecn <= 3)) {
    throw new UsageError(
      'invalid-rtcp',
      'An arrival offset is an integer of 13 bits, and an ECN mark one of 2',
    )
  }
  return RECEIVED | (ecn << ECN_SHIFT) | offset
}
