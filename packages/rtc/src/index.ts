export { Candidate, type IceState } from '@str0m/stun-ice'
export { DtlsCertificate } from '@str0m/dtls'
export type { ChannelOptions, ChannelParameters } from '@str0m/sctp'
export { ChangeSet, PendingChanges } from './change-set.ts'
export type { Channel, ChannelId, ChannelState } from './channel.ts'
export type { Codec } from './codec.ts'
export type {
  ChannelData,
  CloseReason,
  MediaData,
  MediaTime,
  Receive,
  RtcEvent,
  RtcInput,
  RtcOutput,
  Transmit,
} from './events.ts'
export type { Media, WriteOptions, Writer } from './media.ts'
export type { RtcOptions } from './options.ts'
export { MAX_RECEIVE_STREAMS } from './receivers.ts'
export { RtcRouter, type RtcRouterOutput } from './rtc-router.ts'
export { Rtc } from './rtc.ts'
export type { Answer, Offer } from './session.ts'
export type {
  ChannelStatistics,
  DropReason,
  InboundStreamStatistics,
  OutboundStreamStatistics,
  RtcStatistics,
} from './statistics.ts'
