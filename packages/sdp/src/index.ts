export {
  answerSections,
  type Capabilities,
  dataSection,
  type OfferAnswer,
  type Rejection,
  rejectedSection,
  RTP_PROTOCOL,
  type SectionAnswer,
} from './answer.ts'
export { answeredSections, multiplexedSections } from './bundle.ts'
export {
  type CodecCapability,
  type CodecIdentity,
  CONGESTION_CONTROL_FEEDBACK,
  DEFAULT_CODECS,
  isPayloadType,
  isSameCodec,
  matchesCodec,
  parseParameters,
  redundantPt,
  retransmittedPt,
} from './codec.ts'
export { MAX_LINE_LENGTH, MAX_MEDIA_SECTIONS, MAX_SDP_LENGTH, MAX_SECTION_LINES } from './lines.ts'
export {
  type Direction,
  DIRECTIONS,
  directionOf,
  type ExtensionMap,
  type Fingerprint,
  type Group,
  intersectDirections,
  isInUse,
  type MediaSection,
  mediaSection,
  type Origin,
  type PayloadFormat,
  receives,
  reverseDirection,
  type RidDescription,
  sends,
  type SessionDescription,
  sessionDescription,
  type Setup,
  type Simulcast,
  type SimulcastStream,
  type SsrcDescription,
  type SsrcGroup,
  type TransportAttributes,
  transportOf,
} from './model.ts'
export { type Encoding, offerEncodings, OfferNumbering, offerSection } from './offer.ts'
export { type PairedPayloads, pairExtensions, pairPayloads } from './pairing.ts'
export { parseSdp } from './parse.ts'
export { SdpError } from './sdp-error.ts'
export { writeSdp } from './write.ts'
