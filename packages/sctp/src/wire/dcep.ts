import { ByteReader, ByteWriter, decodeUtf8Strict, encodeUtf8 } from '@str0m/sans-io'

/** Payload protocol identifiers, RFC 8831 section 8 and RFC 8832 section 8.1. */
export const Ppid = {
  dcep: 50,
  string: 51,
  binaryPartial: 52,
  binary: 53,
  stringPartial: 54,
  stringEmpty: 56,
  binaryEmpty: 57,
} as const

const MESSAGE_ACK = 0x02
const MESSAGE_OPEN = 0x03
const TYPE_UNORDERED = 0x80
const TYPE_REXMIT = 0x01
const TYPE_TIMED = 0x02

/** How a channel treats its messages, as DATA_CHANNEL_OPEN says it. At most one of the two limits is there. */
export interface ChannelParameters {
  readonly label: string
  readonly protocol: string
  /** RFC 8831 section 6.4: 128, 256, 512 or 1024, or any 16 bits. */
  readonly priority: number
  readonly ordered: boolean
  /** Times that a message is sent again, at most. */
  readonly maxRetransmits?: number
  /** Milliseconds after which a message is not sent any more. */
  readonly maxPacketLifeTime?: number
}

export type DcepMessage =
  | { readonly type: 'ack' }
  | { readonly type: 'open'; readonly parameters: ChannelParameters }

export const DCEP_ACK: Uint8Array = Uint8Array.of(MESSAGE_ACK)

/** A DATA_CHANNEL_OPEN message, RFC 8832 section 5.1. */
export function writeOpen(parameters: ChannelParameters): Uint8Array {
  const label = encodeUtf8(parameters.label)
  const protocol = encodeUtf8(parameters.protocol)
  let type = parameters.ordered ? 0 : TYPE_UNORDERED
  if (parameters.maxRetransmits !== undefined) type |= TYPE_REXMIT
  else if (parameters.maxPacketLifeTime !== undefined) type |= TYPE_TIMED
  return new ByteWriter(12 + label.length + protocol.length)
    .u8(MESSAGE_OPEN)
    .u8(type)
    .u16(parameters.priority)
    .u32(parameters.maxRetransmits ?? parameters.maxPacketLifeTime ?? 0)
    .u16(label.length)
    .u16(protocol.length)
    .bytes(label)
    .bytes(protocol)
    .finish()
}

/** Reads a DCEP message. `undefined` where it is none. */
export function readDcep(bytes: Uint8Array): DcepMessage | undefined {
  const reader = new ByteReader(bytes)
  const message = reader.u8()
  if (message === MESSAGE_ACK && !reader.failed) return { type: 'ack' }
  if (message !== MESSAGE_OPEN) return undefined
  const type = reader.u8()
  const priority = reader.u16()
  const limit = reader.u32()
  const labelLength = reader.u16()
  const protocolLength = reader.u16()
  const label = decodeUtf8Strict(reader.view(labelLength))
  const protocol = decodeUtf8Strict(reader.view(protocolLength))
  const reliability = type & ~TYPE_UNORDERED
  if (!reader.finished || label === undefined || protocol === undefined || reliability > TYPE_TIMED) {
    return undefined
  }
  const parameters = { label, protocol, priority, ordered: (type & TYPE_UNORDERED) === 0 }
  if (reliability === TYPE_REXMIT)
    return { type: 'open', parameters: { ...parameters, maxRetransmits: limit } }
  if (reliability === TYPE_TIMED) {
    return { type: 'open', parameters: { ...parameters, maxPacketLifeTime: limit } }
  }
  return { type: 'open', parameters }
}
