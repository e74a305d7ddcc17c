/** Chunk types: RFC 9260 section 3.2, RFC 3758 section 3.2, RFC 6525 section 3.1, RFC 8260 section 2. */
export const ChunkType = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  shutdownComplete: 14,
  iData: 64,
  reConfig: 130,
  forwardTsn: 192,
  iForwardTsn: 194,
} as const

/** Flags of a DATA chunk, RFC 9260 section 3.3.1. */
export const DataFlag = { end: 1, begin: 2, unordered: 4, immediate: 8 } as const

/** The T bit of ABORT and SHUTDOWN COMPLETE: the verification tag is the receiver's of the packet answered. */
export const FLAG_T = 1

/** Parameter types: RFC 9260 section 3.3.2, RFC 3758 3.1, RFC 5061 4.2.7, RFC 6525 4, RFC 9653 4. */
export const ParameterType = {
  heartbeatInfo: 1,
  ipv4Address: 5,
  ipv6Address: 6,
  stateCookie: 7,
  unrecognizedParameter: 8,
  cookiePreservative: 9,
  hostNameAddress: 11,
  supportedAddressTypes: 12,
  outgoingResetRequest: 13,
  incomingResetRequest: 14,
  tsnResetRequest: 15,
  reconfigurationResponse: 16,
  addOutgoingStreams: 17,
  addIncomingStreams: 18,
  zeroChecksum: 0x8001,
  supportedExtensions: 0x8008,
  forwardTsnSupported: 0xc000,
} as const

/** Error causes, RFC 9260 section 3.3.10. */
export const CauseCode = {
  invalidStream: 1,
  staleCookie: 3,
  outOfResource: 4,
  unresolvableAddress: 5,
  unrecognizedChunk: 6,
  invalidMandatoryParameter: 7,
  unrecognizedParameters: 8,
  noUserData: 9,
  cookieWhileShuttingDown: 10,
  userInitiatedAbort: 12,
  protocolViolation: 13,
} as const

/** Bytes of the common header, RFC 9260 section 3.1. */
export const COMMON_HEADER = 12
/** Bytes of a chunk's or a parameter's type, flags and length. */
export const TLV_HEADER = 4
/** Bytes of a SACK before its blocks. */
export const SACK_HEADER = 16
/** Bytes of a DATA chunk before its user data. */
export const DATA_HEADER = 16
/** Bytes of an I-DATA chunk before its user data, RFC 8260 section 2.1. */
export const I_DATA_HEADER = 20
/** The U bit of an entry in an I-FORWARD-TSN, RFC 8260 section 2.3.1. */
export const FORWARD_UNORDERED = 1
/** The error detection method of RFC 9653 section 8 that stands for DTLS. */
export const EDMID_DTLS = 1

/** What to do with an unknown chunk or parameter: the two high bits of its type, RFC 9260 sections 3.2 and 3.2.1. */
export function unknownType(topBits: number): { readonly stop: boolean; readonly report: boolean } {
  return { stop: (topBits & 2) === 0, report: (topBits & 1) === 1 }
}
