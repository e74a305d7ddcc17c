import { isRtcp } from '@str0m/rtp'

export type DatagramProtocol = 'stun' | 'dtls' | 'rtp' | 'rtcp'

/** What a datagram is, by its first byte (RFC 7983 section 7) and, for RTP and RTCP, its second (RFC 5761 section 4). */
export function demultiplex(contents: Uint8Array): DatagramProtocol | undefined {
  const first = contents[0]
  if (first === undefined) return undefined
  if (first <= 3) return 'stun'
  if (first >= 20 && first <= 63) return 'dtls'
  if (first >= 128 && first <= 191) return isRtcp(contents) ? 'rtcp' : 'rtp'
  return undefined
}
