import { type Rtcp, SDES_CNAME } from './rtcp.ts'

/**
 * Whether packets that came in one datagram are a compound of RFC 3550 section 6.1: a report first, and a CNAME among them. What is not is of
 * reduced size, which is to be sent only where `a=rtcp-rsize` was negotiated (RFC 5506 section 5).
 */
export function isCompoundRtcp(packets: readonly Rtcp[]): boolean {
  const first = packets[0]?.type
  if (first !== 'senderReport' && first !== 'receiverReport') return false
  return packets.some(
    (packet) =>
      packet.type === 'sourceDescription' &&
      packet.chunks.some(({ items }) => items.some(({ type }) => type === SDES_CNAME)),
  )
}
