import { datagramBytes, readU16, writeU16 } from '@str0m/sans-io'
import type { RtpHeader } from './rtp-header.ts'

/** The original sequence number before a retransmitted payload, RFC 4588 section 4. */
const OSN_LENGTH = 2

/**
 * Makes a retransmission packet of a packet: its header with another payload type, SSRC and sequence number, then the original sequence number, then
 * its payload (RFC 4588 section 4). The buffer has room for `overhead` bytes more.
 */
export function writeRtx(
  packet: Uint8Array,
  payloadStart: number,
  rtx: { pt: number; ssrc: number; sequenceNumber: number },
  overhead: number,
): { buffer: Uint8Array; length: number } {
  const length = packet.length + OSN_LENGTH
  const buffer = datagramBytes(length + overhead)
  buffer.set(packet.subarray(0, payloadStart))
  buffer.set(packet.subarray(payloadStart), payloadStart + OSN_LENGTH)
  buffer[1] = (packet[1]! & 0x80) | rtx.pt
  writeU16(buffer, payloadStart, readU16(packet, 2))
  writeU16(buffer, 2, rtx.sequenceNumber)
  buffer[8] = rtx.ssrc >>> 24
  buffer[9] = rtx.ssrc >>> 16
  buffer[10] = rtx.ssrc >>> 8
  buffer[11] = rtx.ssrc
  return { buffer, length }
}

/**
 * The original packet's header and where its payload is, out of a retransmission's; `undefined` where it holds none: padding alone, which probes
 * for bandwidth.
 */
export function readRtx(
  bytes: Uint8Array,
  header: RtpHeader,
  original: { pt: number; ssrc: number },
): RtpHeader | undefined {
  if (header.payloadLength < OSN_LENGTH) return undefined
  return {
    ...header,
    payloadType: original.pt,
    ssrc: original.ssrc,
    sequenceNumber: readU16(bytes, header.payloadStart),
    payloadStart: header.payloadStart + OSN_LENGTH,
    payloadLength: header.payloadLength - OSN_LENGTH,
  }
}
