import { type ByteReader, type ByteWriter, UsageError } from '@str0m/sans-io'
import { parseCongestionControlFeedback } from './congestion-control-feedback.ts'
import {
  type FullIntraRequest,
  type Nack,
  PACKET_TYPE,
  PAYLOAD_FORMAT,
  type ReceiverEstimatedMaximumBitrate,
  type Rtcp,
  TRANSPORT_FORMAT,
} from './rtcp.ts'
import { parseTransportFeedback } from './transport-feedback.ts'

/** "REMB" */
const REMB_IDENTIFIER = 0x52454d42
/** What fits: 18 bits of mantissa, 6 of exponent. */
const MAX_REMB_BITRATE = 0x3ffff * 2 ** 63

export function parseTransportLayerFeedback(reader: ByteReader, format: number): Rtcp | undefined {
  switch (format) {
    case TRANSPORT_FORMAT.nack:
      return parseNack(reader)
    case TRANSPORT_FORMAT.congestionControl:
      return parseCongestionControlFeedback(reader)
    case TRANSPORT_FORMAT.transportWide:
      return parseTransportFeedback(reader)
    default:
      return unknown(reader, PACKET_TYPE.transportLayerFeedback, format)
  }
}

export function parsePayloadFeedback(reader: ByteReader, format: number): Rtcp | undefined {
  switch (format) {
    case PAYLOAD_FORMAT.pli:
      return { type: 'pli', senderSsrc: reader.u32(), mediaSsrc: reader.u32() }
    case PAYLOAD_FORMAT.fir:
      return parseFir(reader)
    case PAYLOAD_FORMAT.applicationLayer:
      return parseApplicationLayer(reader)
    default:
      return unknown(reader, PACKET_TYPE.payloadSpecificFeedback, format)
  }
}

function unknown(reader: ByteReader, packetType: number, count: number): Rtcp {
  return { type: 'unknown', packetType, count, contents: reader.rest().slice() }
}

/** RFC 4585 section 6.2.1: a packet id, and a bit for each of the 16 that follow it. */
function parseNack(reader: ByteReader): Nack {
  const senderSsrc = reader.u32()
  const mediaSsrc = reader.u32()
  const sequenceNumbers: number[] = []
  while (reader.remaining >= 4) {
    const packetId = reader.u16()
    const following = reader.u16()
    sequenceNumbers.push(packetId)
    for (let bit = 0; bit < 16; bit++) {
      if ((following & (1 << bit)) !== 0) sequenceNumbers.push((packetId + bit + 1) & 0xffff)
    }
  }
  return { type: 'nack', senderSsrc, mediaSsrc, sequenceNumbers }
}

/** Takes the least room where the sequence numbers ascend, by serial-number arithmetic. */
export function writeNack(writer: ByteWriter, nack: Nack): void {
  writer.u32(nack.senderSsrc).u32(nack.mediaSsrc)
  const { sequenceNumbers } = nack
  let i = 0
  while (i < sequenceNumbers.length) {
    const packetId = sequenceNumbers[i++]!
    let following = 0
    while (i < sequenceNumbers.length) {
      const distance = (sequenceNumbers[i]! - packetId) & 0xffff
      if (distance > 16) break
      if (distance > 0) following |= 1 << (distance - 1)
      i++
    }
    writer.u16(packetId).u16(following)
  }
}

function parseFir(reader: ByteReader): FullIntraRequest {
  const senderSsrc = reader.u32()
  // RFC 5104 section 4.3.1.2: the media source is 0
  reader.skip(4)
  const entries: { ssrc: number; sequenceNumber: number }[] = []
  while (reader.remaining >= 8) {
    entries.push({ ssrc: reader.u32(), sequenceNumber: reader.u8() })
    reader.skip(3)
  }
  return { type: 'fir', senderSsrc, entries }
}

export function writeFir(writer: ByteWriter, fir: FullIntraRequest): void {
  writer.u32(fir.senderSsrc).u32(0)
  for (const { ssrc, sequenceNumber } of fir.entries) writer.u32(ssrc).u8(sequenceNumber).u24(0)
}

function parseApplicationLayer(reader: ByteReader): Rtcp | undefined {
  const start = reader.position
  const senderSsrc = reader.u32()
  reader.skip(4)
  if (reader.remaining < 8 || reader.u32() !== REMB_IDENTIFIER) {
    reader.position = start
    return unknown(reader, PACKET_TYPE.payloadSpecificFeedback, PAYLOAD_FORMAT.applicationLayer)
  }
  const count = reader.u8()
  const packed = reader.u24()
  const ssrcs: number[] = []
  for (let i = 0; i < count && !reader.failed; i++) ssrcs.push(reader.u32())
  // six bits of exponent, eighteen of mantissa
  return { type: 'remb', senderSsrc, bitrate: (packed & 0x3ffff) * 2 ** (packed >> 18), ssrcs }
}

export function writeRemb(writer: ByteWriter, remb: ReceiverEstimatedMaximumBitrate): void {
  if (remb.ssrcs.length > 255)
    throw new UsageError('invalid-rtcp', 'A bitrate is estimated for up to 255 sources')
  let exponent = 0
  let mantissa = Math.min(MAX_REMB_BITRATE, Math.max(0, Math.floor(remb.bitrate)))
  while (mantissa > 0x3ffff) {
    mantissa = Math.floor(mantissa / 2)
    exponent++
  }
  writer.u32(remb.senderSsrc).u32(0).u32(REMB_IDENTIFIER).u8(remb.ssrcs.length)
  writer.u24((exponent << 18) | mantissa)
  for (const ssrc of remb.ssrcs) writer.u32(ssrc)
}
