import { encodeUtf8, UsageError } from '@str0m/sans-io'
import { checkInteger } from './options.ts'
import type { ChannelParameters } from './wire/dcep.ts'

/** RFC 8832 section 8.2.1: 65535 is no stream that a channel may have. */
export const MAX_CHANNEL_ID = 65_534
const MAX_LABEL_LENGTH = 65_535
/** RFC 8831 section 6.4: normal. */
const DEFAULT_PRIORITY = 256

/** How a channel is to be. At most one of `maxRetransmits` and `maxPacketLifeTime`. */
export interface ChannelOptions {
  /** Default true. */
  readonly ordered?: boolean
  /** Times that a message is sent again, 0 to 2³² − 1. Default: for ever. */
  readonly maxRetransmits?: number
  /** Milliseconds after which a message is given up, 0 to 2³² − 1. Default: never. */
  readonly maxPacketLifeTime?: number
  /** At most 65535 bytes of UTF-8, as a label. Default: empty. */
  readonly protocol?: string
  /** The channel's share where several have something to send, RFC 8831 section 6.4: 0 to 65535, where 0 counts as 1; told to the peer. Default 256. */
  readonly priority?: number
  /** Both ends open the channel with the same `id`, and nothing is sent for it. Default false. */
  readonly negotiated?: boolean
  /** 0 to 65534. Needed where `negotiated`; else even for the client and odd for the server, and by default one that is free. */
  readonly id?: number
}

/** What a channel that is opened so will be. Throws a `UsageError` (`invalid-option`), as `DataChannels.open` does. */
export function channelParameters(label: string, options: ChannelOptions = {}): ChannelParameters {
  const {
    ordered = true,
    protocol = '',
    priority = DEFAULT_PRIORITY,
    maxRetransmits,
    maxPacketLifeTime,
  } = options
  if (encodeUtf8(label).length > MAX_LABEL_LENGTH || encodeUtf8(protocol).length > MAX_LABEL_LENGTH) {
    throw new UsageError('invalid-option', 'a label and a protocol have at most 65535 bytes each')
  }
  if (maxRetransmits !== undefined && maxPacketLifeTime !== undefined) {
    throw new UsageError('invalid-option', 'give one of maxRetransmits and maxPacketLifeTime, not both')
  }
  if (options.id !== undefined) checkInteger('id', options.id, MAX_CHANNEL_ID)
  checkInteger('priority', priority, 0xffff)
  if (maxRetransmits !== undefined) checkInteger('maxRetransmits', maxRetransmits, 0xffff_ffff)
  if (maxPacketLifeTime !== undefined) checkInteger('maxPacketLifeTime', maxPacketLifeTime, 0xffff_ffff)
  return {
    label,
    protocol,
    priority,
    ordered,
    ...(maxRetransmits === undefined ? {} : { maxRetransmits }),
    ...(maxPacketLifeTime === undefined ? {} : { maxPacketLifeTime }),
  }
}
