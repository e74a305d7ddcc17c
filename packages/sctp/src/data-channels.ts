// WebRTC data channels over an SCTP association: RFC 8831, opened by DCEP (RFC 8832).
//
//   opening ─DATA_CHANNEL_ACK or any message→ open ─close() or the peer's reset→ closing ─both resets→ gone
//   The side that gets DATA_CHANNEL_OPEN, and both sides of a negotiated channel, begin as open.

import {
  decodeUtf8,
  encodeUtf8,
  type Instant,
  type Machine,
  type Output,
  OutputQueue,
  type ReceiveInput,
  type TimeoutInput,
  UsageError,
  isBytes,
  latestInstant,
} from '@str0m/sans-io'
import { SctpAssociation } from './association.ts'
import { type ChannelOptions, channelParameters, MAX_CHANNEL_ID } from './channel-options.ts'
import type { CloseReason, SctpEvent } from './events.ts'
import type { SctpOptions } from './options.ts'
import type { Delivery } from './outgoing.ts'
import { isUp } from './state.ts'
import type { IncomingMessage } from './stream-order.ts'
import type { SctpStatistics } from './statistics.ts'
import { type ChannelParameters, DCEP_ACK, Ppid, readDcep, writeOpen } from './wire/dcep.ts'

/** Channels at once, at most. What the peer opens beyond is refused. */
const MAX_CHANNELS = 65_535
/**
 * Messages, and bytes of them, that may wait for the channel before theirs to be gone, over all channels. A channel that would need
 * more is refused.
 */
const MAX_EARLY_MESSAGES = 1024
const MAX_EARLY_BYTES: number = 1 << 20
/** What stands for an empty message (RFC 8831 section 6.6). */
const EMPTY_MESSAGE = Uint8Array.of(0)
/** W3C `bufferedAmount`: bytes of the user's, and of nothing else. */
const UNCOUNTED: Delivery = { uncounted: true }
const NO_BYTES = new Uint8Array(0)

export interface DataChannelsOptions extends SctpOptions {
  /** The role in DTLS: the client's channels have even ids, the server's odd ones (RFC 8832 section 6). */
  readonly role: 'client' | 'server'
}

/** What data channels report. */
export type DataChannelEvent =
  | { readonly type: 'connected' }
  /** A channel that the peer has opened, or one of ours that the peer has taken up. */
  | { readonly type: 'channelOpen'; readonly id: number; readonly parameters: ChannelParameters }
  | { readonly type: 'channelData'; readonly id: number; readonly data: string | Uint8Array }
  /** The channel is gone and its id may be used again. */
  | { readonly type: 'channelClose'; readonly id: number }
  /** What waits to be sent has fallen to the channel's threshold; or there is room again, where `send` said no. */
  | { readonly type: 'bufferedAmountLow'; readonly id: number }
  /** The association has ended, and with it all channels; each had its `channelClose` before. */
  | { readonly type: 'closed'; readonly reason: CloseReason }

interface Channel {
  readonly id: number
  readonly parameters: ChannelParameters
  readonly negotiated: boolean
  state: 'opening' | 'open' | 'closing'
  /** Whether `close` was called: what has come and is not taken yet is discarded. */
  closedHere: boolean
  outgoingReset: boolean
  incomingReset: boolean
  /**
   * What came on the stream after the peer had reset it, while its answer to our reset is on the way: it is of the next channel with
   * this id. `undefined`: more than is kept.
   */
  early: (IncomingMessage | 'reset')[] | undefined
}

/** Data channels over one association, which it drives. */
export class DataChannels implements Machine<DataChannelEvent> {
  readonly #association: SctpAssociation
  #parity: 0 | 1
  readonly #channels = new Map<number, Channel>()
  readonly #events = new OutputQueue<DataChannelEvent>()
  /** Ids that a refused reset has left in doubt: never used again. */
  readonly #spoilt = new Set<number>()
  /** Channels closed before the association was there. */
  readonly #closeOnConnect = new Set<number>()
  #nextId: number
  #now: Instant = Number.NEGATIVE_INFINITY
  #isConnected = false
  #earlyMessages = 0
  #earlyBytes = 0
  #invalidMessages = 0
  #discardedMessages = 0

  /** Throws a `UsageError` (`invalid-option`) where an option is out of its range. */
  constructor(options: DataChannelsOptions) {
    this.#association = new SctpAssociation(options)
    this.#parity = parityOf(options.role)
    this.#nextId = this.#parity
  }

  /** Starts the association. Both ends may. See `SctpAssociation.connect`, also for what is thrown. */
  connect(now: Instant): void {
    this.#association.connect(now)
  }

  /**
   * Takes another role than the options gave: for one who had to make its INIT chunk before the roles were known. Throws a `UsageError`
   * (`invalid-state`) once there is a channel.
   */
  setRole(role: 'client' | 'server'): void {
    if (this.#channels.size > 0) throw new UsageError('invalid-state', 'the role is set before channels are')
    this.#parity = parityOf(role)
    this.#nextId = this.#parity
  }

  /** Our INIT chunk, for `a=sctp-init`: see `SctpAssociation.initChunk`. */
  initChunk(): Uint8Array {
    return this.#association.initChunk()
  }

  /** Starts the association without a handshake: see `SctpAssociation.connectWith`, also for what is thrown. */
  connectWith(now: Instant, peerInit: Uint8Array): boolean {
    return this.#association.connectWith(now, peerInit)
  }

  /** Whether the association is up. */
  get isConnected(): boolean {
    return this.#isConnected
  }

  /** Whether either end shuts the association down: nothing more can be sent, and all channels close soon. */
  get isShuttingDown(): boolean {
    const { state } = this.#association
    return isUp(state) && state !== 'established'
  }

  /** `invalidMessages`: that no channel or format is for. `discardedMessages`: on a channel that was closed here before they came. */
  get statistics(): SctpStatistics & {
    readonly invalidMessages: number
    readonly discardedMessages: number
  } {
    return {
      ...this.#association.statistics,
      invalidMessages: this.#invalidMessages,
      discardedMessages: this.#discardedMessages,
    }
  }

  /**
   * Opens a channel and answers its id. Messages may be sent at once; `channelOpen` says that the peer has it. Throws
   * a `UsageError`: `invalid-option`, `id-in-use`, `no-free-id`, `buffer-full` where `send` would answer false, `invalid-state` where the association has ended or is
   * about to.
   */
  open(now: Instant, label: string, options: ChannelOptions = {}): number {
    this.#setNow(now)
    const parameters = channelParameters(label, options)
    if (!this.#association.isOpen) {
      throw new UsageError('invalid-state', 'the association has ended: there are no more channels')
    }
    const id = this.#idFor(options)
    const isNegotiated = options.negotiated === true
    if (!isNegotiated) {
      // first of all, for it may throw
      const sent = this.#association.send(now, id, Ppid.dcep, writeOpen(parameters), UNCOUNTED)
      if (!sent) throw new UsageError('buffer-full', 'wait for bufferedAmountLow before opening a channel')
      if (options.id === undefined) this.#nextId = id + 2
    }
    const channel = this.#add(id, parameters, isNegotiated)
    if (isNegotiated && this.#isConnected) this.#opened(channel)
    return id
  }

  #idFor(options: ChannelOptions): number {
    const limit = Math.min(MAX_CHANNEL_ID + 1, this.#association.outboundStreams)
    const { id } = options
    if (id === undefined) {
      if (options.negotiated === true) {
        throw new UsageError('invalid-option', 'a negotiated channel needs the id that both ends agreed on')
      }
      return this.#freeId(limit)
    }
    if (!Number.isInteger(id) || id < 0 || id >= limit) {
      throw new UsageError('invalid-option', `an id is from 0 to ${limit - 1}, not ${id}`)
    }
    if (options.negotiated !== true && (id & 1) !== this.#parity) {
      throw new UsageError('invalid-option', `the id ${id} is the peer's to choose: see the role`)
    }
    if (!this.#isFree(id)) throw new UsageError('id-in-use', `there is a channel with id ${id}`)
    return id
  }

  #isFree(id: number): boolean {
    // an id may be without a channel, and its stream being reset: what the peer said on it was refused
    return !this.#channels.has(id) && !this.#spoilt.has(id) && this.#association.isStreamOpen(id)
  }

  /** The next free id, going round, so that one that was closed rests a while. */
  #freeId(limit: number): number {
    const start = this.#nextId < limit ? this.#nextId : this.#parity
    let id = start
    for (let count = 0; count < limit; count += 2) {
      if (this.#isFree(id)) return id
      id += 2
      if (id >= limit) id = this.#parity
    }
    throw new UsageError('no-free-id', 'all channels that the peer has streams for are in use')
  }

  #add(id: number, parameters: ChannelParameters, negotiated: boolean): Channel {
    const channel: Channel = {
      id,
      parameters,
      negotiated,
      state: 'opening',
      closedHere: false,
      outgoingReset: false,
      incomingReset: false,
      early: [],
    }
    this.#channels.set(id, channel)
    this.#association.setPriority(id, Math.max(1, parameters.priority))
    return channel
  }

  /**
   * Queues a message: text for a string, else binary. Leave its bytes be until it is acknowledged. False where the send
   * buffer is full: nothing was queued; wait for `bufferedAmountLow`. Throws a `UsageError`: `no-channel`,
   * `channel-closing`, `invalid-state`, `invalid-message` for what is neither.
   */
  send(now: Instant, id: number, data: string | Uint8Array): boolean {
    this.#setNow(now)
    const channel = this.#channel(id)
    if (channel.state === 'closing') {
      throw new UsageError('channel-closing', `the channel ${id} is closing: nothing more can be sent on it`)
    }
    const isText = typeof data === 'string'
    if (!isText && !isBytes(data)) {
      throw new UsageError('invalid-message', 'a message is a string or a Uint8Array: new Uint8Array(buffer)')
    }
    const bytes = isText ? encodeUtf8(data) : data
    const delivery = deliveryOf(channel)
    if (bytes.length > 0) {
      return this.#association.send(now, id, isText ? Ppid.string : Ppid.binary, bytes, delivery)
    }
    return this.#association.send(now, id, isText ? Ppid.stringEmpty : Ppid.binaryEmpty, EMPTY_MESSAGE, {
      ...delivery,
      ...UNCOUNTED,
    })
  }

  /** Bytes of the user's that are queued on a channel and not yet sent for the first time; 0 for a channel that there is none of. */
  bufferedAmount(id: number): number {
    return this.#association.bufferedAmount(id)
  }

  /** Bytes at or below which `bufferedAmountLow` is reported. Default 0. Throws a `UsageError`: `no-channel`, `invalid-option`. */
  setBufferedAmountLowThreshold(id: number, bytes: number): void {
    this.#channel(id)
    this.#association.setBufferedAmountLowThreshold(id, bytes)
  }

  /**
   * Closes a channel once all that is queued on it is sent; `channelClose` follows. What the peer sends until then is discarded. Throws
   * a `UsageError` (`no-channel`).
   */
  close(now: Instant, id: number): void {
    this.#setNow(now)
    const channel = this.#channel(id)
    if (channel.state === 'closing') return
    channel.closedHere = true
    this.#close(channel)
  }

  /** Ends the association once all that is queued is acknowledged. Throws a `UsageError` (`invalid-state`) unless it is connected. */
  shutdown(now: Instant): void {
    this.#association.shutdown(now)
  }

  /** Ends the association at once. */
  abort(now: Instant, reason = ''): void {
    this.#association.abort(now, reason)
  }

  #channel(id: number): Channel {
    const channel = this.#channels.get(id)
    if (channel === undefined) throw new UsageError('no-channel', `there is no channel with id ${id}`)
    return channel
  }

  #setNow(now: Instant): void {
    this.#now = latestInstant(this.#now, now)
  }

  /** Throws as that of a `SctpAssociation`. */
  handleInput(input: TimeoutInput | ReceiveInput): void {
    this.#association.handleInput(input)
    this.#setNow(input.now)
  }

  pollOutput(): Output<DataChannelEvent> {
    for (;;) {
      const event = this.#events.shift()
      if (event?.type === 'channelData' && this.#channels.get(event.id)?.closedHere === true) {
        this.#discardedMessages++
        continue
      }
      if (event !== undefined) return { kind: 'event', event }
      const output = this.#association.pollOutput()
      if (output.kind !== 'event') return output
      this.#onEvent(output.event)
    }
  }

  #onEvent(event: SctpEvent): void {
    switch (event.type) {
      case 'connected':
        this.#onConnected()
        break
      case 'message':
        this.#onMessage(event)
        break
      case 'bufferedAmountLow':
        if (this.#channels.has(event.stream))
          this.#events.push({ type: 'bufferedAmountLow', id: event.stream })
        break
      case 'incomingReset':
        for (const id of event.streams) this.#onIncomingReset(id)
        break
      case 'outgoingReset':
        for (const id of event.streams) this.#onOutgoingReset(id, event.performed)
        break
      case 'restarted':
        // the peer knows none of them any more
        this.#closeAll()
        this.#spoilt.clear()
        break
      case 'closed':
        this.#isConnected = false
        this.#closeAll()
        this.#events.push(event)
    }
  }

  #onConnected(): void {
    this.#isConnected = true
    this.#events.push({ type: 'connected' })
    for (const channel of this.#channels.values()) {
      if (channel.id >= this.#association.outboundStreams) {
        this.#forget(channel)
      } else if (this.#closeOnConnect.has(channel.id)) {
        this.#reset(channel)
      } else if (channel.state === 'opening' && channel.negotiated) {
        this.#opened(channel)
      }
    }
    this.#closeOnConnect.clear()
  }

  #opened(channel: Channel): void {
    channel.state = 'open'
    this.#events.push({ type: 'channelOpen', id: channel.id, parameters: channel.parameters })
  }

  #onMessage(message: IncomingMessage): void {
    const before = this.#channels.get(message.stream)
    if (before?.incomingReset === true) {
      this.#keep(before, message)
      return
    }
    if (message.ppid === Ppid.dcep) {
      this.#onDcep(message)
      return
    }
    const channel = this.#channels.get(message.stream)
    const data = contentOf(message)
    if (channel === undefined || data === undefined) {
      this.#invalidMessages++
      return
    }
    // RFC 8832 section 6: any message stands for the acknowledgement
    if (channel.state === 'opening') this.#opened(channel)
    this.#events.push({ type: 'channelData', id: channel.id, data })
  }

  #onDcep({ stream: id, data }: IncomingMessage): void {
    const message = readDcep(data)
    const channel = this.#channels.get(id)
    if (message?.type === 'ack') {
      if (channel?.state === 'opening') this.#opened(channel)
      return
    }
    const isValid = message !== undefined && (id & 1) !== this.#parity && id <= MAX_CHANNEL_ID
    // not free where the peer does not let us answer on the stream, too
    if (!isValid || !this.#isFree(id) || this.#channels.size >= MAX_CHANNELS) {
      // RFC 8832 section 6: closed without an acknowledgement
      this.#invalidMessages++
      if (channel === undefined) this.#refuse(id)
      else if (channel.state !== 'closing') this.#close(channel)
      return
    }
    if (this.#association.state !== 'established') return
    if (this.#association.send(this.#now, id, Ppid.dcep, DCEP_ACK, UNCOUNTED)) {
      this.#opened(this.#add(id, message.parameters, false))
    } else {
      this.#refuse(id)
    }
  }

  /** Keeps what came for the next channel with the id of `channel`, which is not gone yet. */
  #keep(channel: Channel, what: IncomingMessage | 'reset'): void {
    if (channel.early === undefined) return
    channel.early.push(what)
    this.#earlyMessages++
    if (what !== 'reset') this.#earlyBytes += what.data.length
    if (this.#earlyMessages <= MAX_EARLY_MESSAGES && this.#earlyBytes <= MAX_EARLY_BYTES) return
    this.#takeEarly(channel)
    channel.early = undefined
  }

  #takeEarly(channel: Channel): (IncomingMessage | 'reset')[] | undefined {
    const { early } = channel
    channel.early = []
    for (const what of early ?? []) {
      this.#earlyMessages--
      if (what !== 'reset') this.#earlyBytes -= what.data.length
    }
    return early
  }

  #refuse(id: number): void {
    if (this.#mayReset && id < this.#association.outboundStreams) this.#association.resetStream(this.#now, id)
  }

  get #mayReset(): boolean {
    return this.#association.state === 'established' && this.#association.canResetStreams
  }

  #close(channel: Channel): void {
    channel.state = 'closing'
    if (this.#isConnected) this.#reset(channel)
    else this.#closeOnConnect.add(channel.id)
  }

  /** RFC 8831 section 6.7. */
  #reset(channel: Channel): void {
    if (this.#mayReset) {
      this.#association.resetStream(this.#now, channel.id)
    } else {
      this.#spoilt.add(channel.id)
      this.#forget(channel)
    }
  }

  #onIncomingReset(id: number): void {
    const channel = this.#channels.get(id)
    if (channel === undefined) return
    if (channel.incomingReset) {
      // of the next one
      this.#keep(channel, 'reset')
      return
    }
    channel.incomingReset = true
    if (channel.state !== 'closing') this.#close(channel)
    else this.#forgetIfDone(channel)
  }

  #onOutgoingReset(id: number, performed: boolean): void {
    const channel = this.#channels.get(id)
    if (!performed) this.#spoilt.add(id)
    if (channel === undefined) return
    channel.outgoingReset = true
    if (performed && !channel.incomingReset) return
    this.#forget(channel)
    this.#begin(id, this.#takeEarly(channel))
  }

  /** The next channel with `id`, of which something has come before the last one was gone. */
  #begin(id: number, early: readonly (IncomingMessage | 'reset')[] | undefined): void {
    if (early === undefined) {
      this.#invalidMessages++
      this.#refuse(id)
      return
    }
    for (const what of early) {
      if (what === 'reset') this.#onIncomingReset(id)
      else this.#onMessage(what)
    }
  }

  /** An id is free where both directions have started anew. */
  #forgetIfDone(channel: Channel): void {
    if (channel.incomingReset && channel.outgoingReset) this.#forget(channel)
  }

  #forget(channel: Channel): void {
    this.#channels.delete(channel.id)
    this.#events.push({ type: 'channelClose', id: channel.id })
  }

  #closeAll(): void {
    for (const channel of this.#channels.values()) {
      this.#takeEarly(channel)
      this.#forget(channel)
    }
    this.#closeOnConnect.clear()
  }
}

function contentOf({ ppid, data }: IncomingMessage): string | Uint8Array | undefined {
  switch (ppid) {
    case Ppid.string:
      return decodeUtf8(data)
    case Ppid.binary:
      return data
    case Ppid.stringEmpty:
      return ''
    case Ppid.binaryEmpty:
      return NO_BYTES
    default:
      return undefined
  }
}

function deliveryOf({ parameters, state, negotiated }: Channel): Delivery {
  // RFC 8832 section 6: in order until the peer is known to have the channel
  const unordered = !parameters.ordered && (state === 'open' || negotiated)
  if (parameters.maxRetransmits !== undefined) return { unordered, maxRetransmits: parameters.maxRetransmits }
  if (parameters.maxPacketLifeTime !== undefined) return { unordered, lifetime: parameters.maxPacketLifeTime }
  return { unordered }
}

/** RFC 8832 section 6. Throws a `UsageError` (`invalid-option`). */
function parityOf(role: 'client' | 'server'): 0 | 1 {
  if (role === 'client') return 0
  if (role === 'server') return 1
  throw new UsageError('invalid-option', `the role in DTLS is "client" or "server", not "${String(role)}"`)
}
