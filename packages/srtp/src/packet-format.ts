import { readU16 } from '@str0m/sans-io'

/** RFC 3550 section 5.1: up to the first contributing source. */
export const RTP_HEADER_MIN = 12
/** RFC 3550 section 6.4.1: the first header and the SSRC, which SRTCP leaves in the clear. */
export const RTCP_HEADER = 8
/** The E flag and the SRTCP index, RFC 3711 section 3.4. */
export const RTCP_TRAILER = 4
export const E_FLAG = 0x8000_0000

const VERSION = 2

/**
 * Bytes before the payload of an RTP packet: fixed header, contributing sources, and extension (RFC 3550
 * sections 5.1 and 5.3.1). -1 where `packet`, up to `end`, is no RTP packet.
 */
export function rtpHeaderLength(packet: Uint8Array, end: number): number {
  if (end < RTP_HEADER_MIN) return -1
  const first = packet[0]!
  if (first >>> 6 !== VERSION) return -1
  let length = RTP_HEADER_MIN + 4 * (first & 0x0f)
  if ((first & 0x10) !== 0) {
    if (length + 4 > end) return -1
    length += 4 + 4 * readU16(packet, length + 2)
  }
  return length <= end ? length : -1
}

/** Whether `packet`, up to `end`, starts as an RTCP packet does. */
export function isRtcp(packet: Uint8Array, end: number): boolean {
  return end >= RTCP_HEADER && packet[0]! >>> 6 === VERSION
}
