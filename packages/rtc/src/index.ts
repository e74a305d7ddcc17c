export type { BandwidthEstimatorOptions } from '@str0m/bwe'
export type { CryptoProvider } from '@str0m/crypto'
export { type CipherSuiteName, DtlsCertificate, type DtlsStatistics, type DtlsVersion } from '@str0m/dtls'
export type {
  DependencyDescriptor,
  ExtensionIds,
  ForwarderStatistics,
  FrameLayers,
  HeaderExtensions,
  RtpHeader,
  TelephoneEventOptions,
} from '@str0m/rtp'
export {
  type EventOutput,
  type Instant,
  type Mid,
  type Pt,
  type Rid,
  type SocketAddress,
  type Ssrc,
  type TimeoutInput,
  type TimeoutOutput,
  UsageError,
  type WallClock,
} from '@str0m/sans-io'
export type { ChannelOptions, ChannelParameters, SctpStatistics } from '@str0m/sctp'
export {
  type CodecCapability,
  DEFAULT_CODECS,
  type Direction,
  type Encoding as EncodingOptions,
  type Fingerprint,
  isSameCodec,
} from '@str0m/sdp'
export type { SrtpProfile, SrtpStatistics } from '@str0m/srtp'
export {
  Candidate,
  type IceCredentials,
  type IcePairStatistics,
  type IcePath,
  type IceState,
  type IceStatistics,
  IceTcpFraming,
} from '@str0m/stun-ice'
export { type AddMediaOptions, ChangeSet, PendingChanges } from './change-set.ts'
export type { Channel, ChannelId, ChannelState } from './channel.ts'
export type { Codec } from './codec.ts'
export type { Answer, Offer } from './description.ts'
export type { DropReason } from './drops.ts'
export type {
  ChannelData,
  CloseReason,
  MediaData,
  Receive,
  RtcEvent,
  RtcInput,
  RtcOutput,
  TelephoneEvent,
  Transmit,
} from './events.ts'
export type { Encoding, LocalStream, Media } from './media.ts'
export type { RtcOptions } from './options.ts'
export { MAX_RECEIVE_STREAMS } from './receivers.ts'
export { RtcRouter, type RtcRouterOutput } from './rtc-router.ts'
export type {
  DirectApi,
  DirectCodec,
  DirectConnection,
  DirectData,
  DirectMedia,
  DirectSource,
} from './direct-api.ts'
export type { IncomingOffer, OfferedMedia } from './incoming-offer.ts'
export { Rtc } from './rtc.ts'
export { RtpPacket } from './rtp-packet.ts'
export type { PacketForwarder, RtpFields, RtpWriter } from './rtp-writer.ts'
export type {
  BandwidthStatistics,
  ChannelStatistics,
  InboundStreamStatistics,
  OutboundStreamStatistics,
  RtcStatistics,
} from './statistics.ts'
export type { DtlsTransportState } from './transport.ts'
export type { MediaTime, WriteOptions, Writer } from './writer.ts'
