export { type ComfortNoise, readComfortNoise, writeComfortNoise } from './audio/comfort-noise.ts'
export {
  MAX_RED_BLOCKS,
  readRed,
  type RedBlock,
  RedPacketizer,
  type RedPacketizerOptions,
} from './audio/red.ts'
export {
  dtmfDigit,
  dtmfEvent,
  readTelephoneEvent,
  type TelephoneEvent,
  type TelephoneEventOptions,
  type TelephoneEventPacket,
  TelephoneEventReader,
  type TelephoneEventReport,
  TelephoneEventSender,
  writeTelephoneEvent,
} from './audio/telephone-event.ts'
export { wholePayloadDepacketizer } from './codecs/audio.ts'
export { av1Depacketizer } from './codecs/av1.ts'
export { depacketizerFor } from './codecs/depacketizer-for.ts'
export type { DepacketizedFrame, Depacketizer, FrameLayers, FrameStart } from './codecs/depacketizer.ts'
export { h264Depacketizer } from './codecs/h264.ts'
export { h265Depacketizer } from './codecs/h265.ts'
export { vp8Depacketizer, vp8KeyframeSize } from './codecs/vp8.ts'
export { parseVp8Descriptor, type Vp8Descriptor } from './codecs/vp8-descriptor.ts'
export { vp9Depacketizer } from './codecs/vp9.ts'
export {
  parseVp9Descriptor,
  type Vp9Descriptor,
  type Vp9ScalabilityStructure,
} from './codecs/vp9-descriptor.ts'
export {
  type DecodeTargetIndication,
  type DependencyDescriptor,
  DependencyDescriptorReader,
  type FrameDependencyStructure,
  type FrameDependencyTemplate,
} from './dependency-descriptor.ts'
export type { DescriptorRewriter, PacketPlace } from './forwarding/descriptor-rewriter.ts'
export {
  type Dependency,
  Forwarder,
  type ForwarderOptions,
  type ForwarderStatistics,
  type ForwardingFields,
  MAX_HELD_PACKETS,
  MAX_JOIN_DEVIATION,
} from './forwarding/forwarder.ts'
export { isKeyframeStart } from './forwarding/keyframe-start.ts'
export {
  REWRITE_WINDOW,
  type RewrittenPacket,
  RtpRewriter,
  type RtpRewriterOptions,
} from './forwarding/rtp-rewriter.ts'
export { Vp8DescriptorRewriter } from './forwarding/vp8-rewriter.ts'
export { Vp9DescriptorRewriter } from './forwarding/vp9-rewriter.ts'
export {
  type Frame,
  FrameAssembler,
  type FrameAssemblerStatistics,
  MAX_REORDERED_PACKETS,
} from './frame-assembler.ts'
export type { FramePacket } from './packet-ring.ts'
export {
  EXTENSION_URIS,
  ExtensionIds,
  type ExtensionName,
  type ExtensionPlace,
  findHeaderExtension,
  hasOtherExtension,
  type HeaderExtensions,
  readHeaderExtensions,
  renameHeaderExtension,
  writeHeaderExtensions,
  type WrittenExtensions,
} from './header-extensions.ts'
export { KeyframeRequester, KeyframeResponder, MAX_FIR_SOURCES } from './keyframe-requests.ts'
export { isCompoundRtcp } from './rtcp/compound.ts'
export { ExtendedReportTimes, MAX_REFERENCE_TIMES } from './rtcp/round-trip.ts'
export { ntpFromUnix, ntpMiddle, unixFromNtp } from './ntp.ts'
export { RECEIVED_NUMBERS } from './received-numbers.ts'
export { ReceptionStatistics } from './reception-statistics.ts'
export { CongestionControlFeedbackGenerator, MAX_REPORTED_STREAMS } from './congestion-control-generator.ts'
export {
  ARRIVAL_OVER_RANGE,
  ARRIVAL_UNAVAILABLE,
  MAX_BLOCK_PACKETS,
} from './rtcp/congestion-control-feedback.ts'
export { parseRtcp } from './rtcp/parse.ts'
export {
  type CongestionControlFeedback,
  type ExtendedReport,
  type ExtendedReportBlock,
  type FullIntraRequest,
  type Goodbye,
  type Nack,
  type PictureLossIndication,
  type ReceiverEstimatedMaximumBitrate,
  type ReceiverReport,
  type ReportBlock,
  type Rtcp,
  SDES_CNAME,
  SDES_MID,
  type SenderReport,
  type SourceDescription,
  type StreamArrivals,
  type TransportFeedback,
  type UnknownRtcp,
} from './rtcp/rtcp.ts'
export { MAX_FEEDBACK_PACKETS } from './rtcp/transport-feedback.ts'
export { MAX_COUNT, writeRtcp } from './rtcp/write.ts'
export {
  isRtcp,
  parseRtpHeader,
  RTP_FIXED_HEADER_LENGTH,
  type RtpHeader,
  type RtpHeaderFields,
  writeRtpHeader,
} from './rtp-header.ts'
export {
  type ReceivedFrame,
  StreamRx,
  type StreamCodec,
  type StreamRxOptions,
  type StreamRxStatistics,
} from './stream-rx.ts'
export { type Packetizer, type PayloadPieces } from './packetizers/packetizer.ts'
export { MAX_MISSING_PACKETS } from './nack-generator.ts'
export { readRtx, writeRtx } from './rtx.ts'
export { SenderClock } from './sender-clock.ts'
export { type CachedPacket, SendCache } from './send-cache.ts'
export { packetizerFor } from './packetizers/packetizer-for.ts'
export { TransportFeedbackGenerator } from './transport-feedback-generator.ts'
export {
  type ForwardFields,
  type PacketFields,
  StreamTx,
  type StreamTxOptions,
  type StreamTxStatistics,
  type WrittenPacket,
} from './stream-tx.ts'
