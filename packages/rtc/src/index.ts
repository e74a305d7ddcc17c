export { Candidate, type IceState } from '@str0m/stun-ice'
export { DtlsCertificate, type DtlsVersion } from '@str0m/dtls'
export { type Direction, type Encoding as EncodingOptions, isSameCodec } from '@str0m/sdp'
export type { ChannelOptions, ChannelParameters } from '@str0m/sctp'
export { type AddMediaOptions, ChangeSet, PendingChanges } from './change-set.ts'
export type { Channel, ChannelId, ChannelState } from './channel.ts'
export type { Codec } from './codec.ts'
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
export type { DirectApi, DirectCodec, DirectConnection, DirectMedia, DirectSource } from './direct-api.ts'
export type { IncomingOffer, OfferedMedia } from './incoming-offer.ts'
export { Rtc } from './rtc.ts'
export { RtpPacket } from './rtp-packet.ts'
export type { PacketForwarder, RtpFields, RtpWriter } from './rtp-writer.ts'
export type { Answer, Offer } from './session.ts'
export type {
  ChannelStatistics,
  DropReason,
  InboundStreamStatistics,
  OutboundStreamStatistics,
  RtcStatistics,
} from './statistics.ts'
export type { MediaTime, WriteOptions, Writer } from './writer.ts'
