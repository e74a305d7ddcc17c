/** Why a datagram or a packet was dropped. */
export type DropReason =
  /** The first byte is of no protocol here, RFC 7983. */
  | 'unknownProtocol'
  /** DTLS or SRTP by a path that ICE has not validated, and on which no check of the peer's was answered. */
  | 'unvalidatedPath'
  /** SRTP before its keys, or DTLS before the description that names the peer's certificate. */
  | 'tooEarly'
  /** Decrypted, but no RTP packet. */
  | 'malformedRtp'
  /** Packets of an RTCP compound. */
  | 'malformedRtcp'
  /** No media section is to be found for it. */
  | 'unknownStream'
  /** A payload type that was not negotiated. */
  | 'unknownPayloadType'
  /** The table of streams is full. */
  | 'tooManyStreams'
  /** SCTP where no data channels were agreed on. */
  | 'unexpectedData'
  /** Came after the end. */
  | 'closed'

/** One counter for each. */
export function noDrops(): Record<DropReason, number> {
  return {
    unknownProtocol: 0,
    unvalidatedPath: 0,
    tooEarly: 0,
    malformedRtp: 0,
    malformedRtcp: 0,
    unknownStream: 0,
    unknownPayloadType: 0,
    tooManyStreams: 0,
    unexpectedData: 0,
    closed: 0,
  }
}
