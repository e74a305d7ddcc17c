export { SctpAssociation, type SctpOutput } from './association.ts'
export { Bbr } from './bbr.ts'
export { type CongestionController, Cubic, NewReno } from './congestion.ts'
export {
  channelParameters,
  type ChannelOptions,
  type DataChannelEvent,
  DataChannels,
  type DataChannelsOptions,
} from './data-channels.ts'
export type { CloseReason, SctpEvent } from './events.ts'
export type { SctpOptions } from './options.ts'
export type { Delivery } from './outgoing.ts'
export type { IncomingMessage } from './stream-order.ts'
export type { DropReason, SctpStatistics } from './statistics.ts'
export type { ChannelParameters } from './wire/dcep.ts'
export type { SctpState } from './state.ts'
