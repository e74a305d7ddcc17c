import type { CryptoProvider } from '@str0m/crypto'
import { RECORD_HEADROOM, RECORD_TAILROOM } from '@str0m/dtls'
import {
  channelParameters,
  type ChannelOptions,
  type ChannelParameters,
  type DataChannelEvent,
  DataChannels,
  type SctpStatistics,
} from '@str0m/sctp'
import { isBytes, type Instant, NEVER, OutputQueue, UsageError } from '@str0m/sans-io'
import { Channel, type ChannelId, type ChannelOwner, type ChannelState } from './channel.ts'
import type { RtcEvent } from './events.ts'
import { FLIGHT_LIMITS, HoldBack } from './hold-back.ts'
import { DEFAULT_SCTP_PORT, type RemoteData } from './remote-data.ts'
import type { ChannelStatistics } from './statistics.ts'

/** ms between two tries to reach the peer, at most, so that a path that is back is soon used. */
const MAX_TIMEOUT = 3000

/** A channel that is to be opened when an offer is answered. */
export interface PlannedChannel {
  readonly id: ChannelId
  readonly label: string
  readonly options: ChannelOptions
}

/** One channel, and what was said of it that the association does not keep. */
interface Entry {
  readonly channel: Channel
  readonly options: ChannelOptions
  /** `undefined` until it is handed to the association. */
  stream: number | undefined
  state: ChannelState
  lowThreshold: number
  messagesSent: number
  bytesSent: number
  messagesReceived: number
  bytesReceived: number
}

export interface ChannelsOptions {
  readonly crypto: CryptoProvider
  readonly mtu: number
  readonly maxMessageSize: number
}

export type ChannelsOutput =
  | { readonly kind: 'transmit'; readonly contents: Uint8Array }
  | { readonly kind: 'event'; readonly event: RtcEvent }

/** The data channels of a peer: ids that hold before streams are known, and the association beneath. */
export class Channels implements ChannelOwner {
  readonly #options: ChannelsOptions
  readonly #entries = new Map<ChannelId, Entry>()
  readonly #byStream = new Map<number, Entry>()
  readonly #events = new OutputQueue<RtcEvent>()
  /** Packets that came before the section of data channels was agreed on here. */
  readonly #early = new HoldBack<{ readonly contents: Uint8Array }>(FLIGHT_LIMITS, 'newest')
  #machine: DataChannels | undefined
  #remoteMaxMessageSize = 0
  #transportUp = false
  /** Both sides want data channels. */
  #agreed = false
  /** The peer's INIT chunk, where its description had one. */
  #peerInit: Uint8Array | undefined
  #ended = false
  #nextId: ChannelId = 0
  #now: Instant = Number.NEGATIVE_INFINITY
  /** `-Infinity`: it was touched and not polled since. */
  #at: Instant = NEVER

  constructor(options: ChannelsOptions) {
    this.#options = options
  }

  get deadline(): Instant {
    return this.#at
  }

  /** The time at which packets come and all methods act. It does not go backwards. */
  setNow(now: Instant): void {
    if (now > this.#now) this.#now = now
  }

  get statistics(): SctpStatistics | undefined {
    return this.#machine?.statistics
  }

  get channelStatistics(): ChannelStatistics[] {
    return Array.from(this.#entries.values(), (entry) => ({
      id: entry.channel.id,
      label: entry.channel.label,
      protocol: entry.channel.parameters.protocol,
      ...(entry.stream === undefined ? {} : { dataChannelIdentifier: entry.stream }),
      state: entry.state,
      messagesSent: entry.messagesSent,
      bytesSent: entry.bytesSent,
      messagesReceived: entry.messagesReceived,
      bytesReceived: entry.bytesReceived,
    }))
  }

  find(id: ChannelId): Channel | undefined {
    return this.#entries.get(id)?.channel
  }

  get all(): Channel[] {
    return Array.from(this.#entries.values(), ({ channel }) => channel)
  }

  /** Checks what is asked for and gives it an id. */
  plan(label: string, options: ChannelOptions): PlannedChannel {
    channelParameters(label, options)
    const { id, negotiated = false } = options
    if (id !== undefined && !negotiated) {
      throw new UsageError('invalid-option', 'an id goes with negotiated: true, else the peers choose it')
    }
    if (negotiated && id === undefined) {
      throw new UsageError('invalid-option', 'a negotiated channel needs the id that both ends agreed on')
    }
    if (id !== undefined && this.#isTaken(id)) {
      throw new UsageError('id-in-use', `there is a channel with the stream ${id}`)
    }
    return { id: this.#nextId++, label, options }
  }

  #isTaken(stream: number): boolean {
    if (this.#byStream.has(stream)) return true
    for (const { options } of this.#entries.values()) if (options.id === stream) return true
    return false
  }

  /** Opens channels whose negotiation is done; those that cannot be are closed. */
  open(planned: readonly PlannedChannel[]): void {
    for (const { id, label, options } of planned) {
      const entry = this.#add(id, channelParameters(label, options), options)
      this.#openOnStream(entry)
    }
  }

  /**
   * The INIT chunk that goes with a description (`a=sctp-init`, SNAP): where the peer's has one too, there is no handshake. `undefined` where the
   * association is under way.
   */
  initChunk(): Uint8Array | undefined {
    if (this.#agreed || this.#ended) return undefined
    // who is who and the peer's port are not known yet; the one is told later, the other is hardly ever another
    this.#machine ??= this.#make('client', DEFAULT_SCTP_PORT)
    return this.#machine.initChunk()
  }

  /** Takes what both sides agreed on. `role` is ours in DTLS. */
  negotiated(remote: RemoteData, role: 'client' | 'server'): void {
    this.#remoteMaxMessageSize = remote.maxMessageSize
    if (this.#agreed || this.#ended) return
    this.#agreed = true
    if (remote.sctpPort === DEFAULT_SCTP_PORT && this.#machine !== undefined) {
      this.#machine.setRole(role)
      this.#peerInit = remote.init
    } else {
      this.#machine = this.#make(role, remote.sctpPort)
    }
    if (this.#transportUp) this.#start()
  }

  #make(role: 'client' | 'server', remotePort: number): DataChannels {
    const { crypto, mtu, maxMessageSize } = this.#options
    return new DataChannels({
      role,
      crypto,
      remotePort,
      maxPacketSize: mtu - RECORD_HEADROOM - RECORD_TAILROOM,
      headroom: RECORD_HEADROOM,
      tailroom: RECORD_TAILROOM,
      maxMessageSize,
      // RFC 9653: DTLS protects better than a checksum
      zeroChecksum: true,
      // whether there still is a peer is for ICE to say (RFC 7675), and a path that is gone may come back, or another by a restart: the channels wait for it
      maxRetransmissions: Number.POSITIVE_INFINITY,
      rtoMax: MAX_TIMEOUT,
    })
  }

  /** The section of the data channels is gone, or the whole peer: all channels close. */
  end(): void {
    this.#ended ||= this.#agreed
    if (this.#agreed) this.#machine?.abort(this.#now)
    this.#touch()
    this.#closeAll()
  }

  /** DTLS is connected. */
  transportConnected(): void {
    this.#transportUp = true
    if (this.#agreed) this.#start()
  }

  /** Takes an SCTP packet. False where there is no one to take it. */
  handleReceive(contents: Uint8Array): boolean {
    if (!this.#agreed || !this.#transportUp || this.#machine === undefined)
      return this.#early.keep({ contents }) === 0
    this.#machine.handleInput({ kind: 'receive', now: this.#now, contents })
    this.#touch()
    return true
  }

  handleTimeout(): void {
    if (this.#machine === undefined || !this.#agreed || this.#at > this.#now) return
    this.#machine.handleInput({ kind: 'timeout', now: this.#now })
    this.#touch()
  }

  /** The next output; `undefined`: drained. */
  poll(): ChannelsOutput | undefined {
    for (;;) {
      const event = this.#events.shift()
      if (event !== undefined) return { kind: 'event', event }
      if (this.#machine === undefined || this.#at !== Number.NEGATIVE_INFINITY) return undefined
      const output = this.#machine.pollOutput()
      if (output.kind === 'transmit') return output
      if (output.kind === 'timeout') this.#at = output.at
      else this.#onEvent(output.event)
    }
  }

  // --- the handles'

  stateOf(id: ChannelId): ChannelState {
    const state = this.#entries.get(id)?.state ?? 'closed'
    // the peer's SHUTDOWN closes all
    return state === 'open' && this.#machine?.isShuttingDown === true ? 'closing' : state
  }

  streamOf(id: ChannelId): number | undefined {
    const entry = this.#entries.get(id)
    return entry?.stream ?? entry?.options.id
  }

  bufferedAmount(id: ChannelId): number {
    const stream = this.#entries.get(id)?.stream
    return stream === undefined ? 0 : (this.#machine?.bufferedAmount(stream) ?? 0)
  }

  lowThreshold(id: ChannelId): number {
    return this.#entries.get(id)?.lowThreshold ?? 0
  }

  setLowThreshold(id: ChannelId, bytes: number): void {
    const entry = this.#entry(id)
    if (!(bytes >= 0)) {
      throw new UsageError('invalid-option', `bufferedAmountLowThreshold is 0 or more, not ${bytes}`)
    }
    entry.lowThreshold = bytes
    if (entry.stream !== undefined) this.#machine?.setBufferedAmountLowThreshold(entry.stream, bytes)
  }

  write(id: ChannelId, data: string | Uint8Array): boolean {
    const entry = this.#entry(id)
    const { stream } = entry
    const state = this.stateOf(id)
    if (state === 'closing') throw closed(id)
    if (state !== 'open' || stream === undefined || this.#machine === undefined) {
      throw new UsageError('not-open', `The channel ${id} is not open yet: wait for channelOpen`)
    }
    if (typeof data !== 'string' && !isBytes(data)) {
      throw new UsageError('invalid-message', 'A message is a string or a Uint8Array: new Uint8Array(buffer)')
    }
    const length = byteLength(data)
    if (length > this.#remoteMaxMessageSize) {
      throw new UsageError(
        'message-too-large',
        `The peer takes messages of ${this.#remoteMaxMessageSize} bytes, not ${length}: send it in pieces`,
      )
    }
    if (!this.#machine.send(this.#now, stream, data)) return false
    entry.messagesSent++
    entry.bytesSent += length
    this.#touch()
    return true
  }

  closeChannel(id: ChannelId): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.state === 'closing') return
    if (entry.stream === undefined) {
      this.#forget(entry)
      return
    }
    entry.state = 'closing'
    this.#machine?.close(this.#now, entry.stream)
    this.#touch()
  }

  // ---

  #entry(id: ChannelId): Entry {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw closed(id)
    return entry
  }

  #add(id: ChannelId, parameters: ChannelParameters, options: ChannelOptions): Entry {
    const entry: Entry = {
      channel: new Channel(id, parameters, this),
      options,
      stream: undefined,
      state: 'connecting',
      lowThreshold: 0,
      messagesSent: 0,
      bytesSent: 0,
      messagesReceived: 0,
      bytesReceived: 0,
    }
    this.#entries.set(id, entry)
    return entry
  }

  /** Hands a channel to the association. */
  #openOnStream(entry: Entry): void {
    const machine = this.#machine
    if (machine === undefined || !this.#agreed) {
      // the answer has refused data channels
      this.#forget(entry)
      return
    }
    try {
      entry.stream = machine.open(this.#now, entry.channel.label, entry.options)
    } catch (error) {
      // the peer has taken the stream meanwhile, has too few, or has ended the association: the channel was checked before
      if (!(error instanceof UsageError)) throw error
      this.#forget(entry)
      return
    }
    this.#byStream.set(entry.stream, entry)
    if (entry.lowThreshold > 0) machine.setBufferedAmountLowThreshold(entry.stream, entry.lowThreshold)
    this.#touch()
  }

  #start(): void {
    const machine = this.#machine
    if (machine === undefined) return
    const init = this.#peerInit
    if (init === undefined || !this.#connectWith(machine, init)) machine.connect(this.#now)
    for (const { contents } of this.#early.release()) this.handleReceive(contents)
    this.#touch()
  }

  /** Without a handshake, as far as both ends have described themselves. */
  #connectWith(machine: DataChannels, init: Uint8Array): boolean {
    const ours = machine.initChunk()
    // some peers send back what they do not know
    const isEcho = init.length === ours.length && init.every((byte, i) => byte === ours[i])
    return !isEcho && machine.connectWith(this.#now, init)
  }

  #onEvent(event: DataChannelEvent): void {
    switch (event.type) {
      case 'channelOpen': {
        let entry = this.#byStream.get(event.id)
        if (entry === undefined) {
          entry = this.#add(this.#nextId++, event.parameters, {})
          entry.stream = event.id
          this.#byStream.set(event.id, entry)
        }
        if (entry.state !== 'connecting') break
        entry.state = 'open'
        this.#events.push({ type: 'channelOpen', id: entry.channel.id, label: entry.channel.label })
        break
      }
      case 'channelData': {
        const entry = this.#byStream.get(event.id)
        if (entry === undefined) break
        entry.messagesReceived++
        entry.bytesReceived += byteLength(event.data)
        this.#events.push({ type: 'channelData', id: entry.channel.id, data: event.data })
        break
      }
      case 'channelClose': {
        const entry = this.#byStream.get(event.id)
        if (entry !== undefined) this.#forget(entry)
        break
      }
      case 'bufferedAmountLow': {
        const entry = this.#byStream.get(event.id)
        if (entry !== undefined) this.#events.push({ type: 'bufferedAmountLow', id: entry.channel.id })
        break
      }
      case 'closed':
        this.#ended = true
        this.#closeAll()
        break
      case 'connected':
        break
    }
  }

  #forget(entry: Entry): void {
    const { id } = entry.channel
    this.#entries.delete(id)
    if (entry.stream !== undefined) this.#byStream.delete(entry.stream)
    this.#events.push({ type: 'channelClose', id })
  }

  #closeAll(): void {
    for (const entry of this.#entries.values()) this.#forget(entry)
  }

  #touch(): void {
    if (this.#agreed) this.#at = Number.NEGATIVE_INFINITY
  }
}

/** Bytes of a message; of a string, in UTF-8. */
function byteLength(data: string | Uint8Array): number {
  let bytes = data.length
  if (typeof data !== 'string') return bytes
  for (let i = 0; i < data.length; i++) {
    const unit = data.charCodeAt(i)
    if (unit < 0x80) continue
    // a surrogate is half of four bytes; one that stands alone is replaced by a character of three
    if (unit >= 0xd800 && unit < 0xe000) {
      const pair = unit < 0xdc00 && (data.charCodeAt(i + 1) & 0xfc00) === 0xdc00
      bytes += 2
      if (pair) i++
    } else {
      bytes += unit < 0x800 ? 1 : 2
    }
  }
  return bytes
}

function closed(id: ChannelId): UsageError {
  return new UsageError('channel-closed', `The channel ${id} is closed or closing: nothing can be sent on it`)
}
