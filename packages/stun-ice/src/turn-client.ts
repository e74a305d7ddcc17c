import { type CryptoProvider, defaultCrypto } from '@str0m/crypto'
import {
  canonicalIpAddress,
  checkInput,
  type EventOutput,
  type Instant,
  latestInstant,
  type Machine,
  NEVER,
  type Output,
  OutputQueue,
  plainBytes,
  readU16,
  sameSocketAddress,
  type SocketAddress,
  socketAddress,
  type TimeoutInput,
  UsageError,
} from '@str0m/sans-io'
import { localAddress } from './candidate.ts'
import type { CandidateProtocol } from './candidate-fields.ts'
import { isChannelData, readChannelData, writeChannelData } from './channel-data.ts'
import { checkAddress } from './ice-path.ts'
import { LongTermCredentials } from './long-term-credentials.ts'
import { isStun, parseStun } from './stun-parse.ts'
import { type AllocationPurpose, type AllocationStep, TurnAllocation } from './turn-allocation.ts'
import { TurnChannels } from './turn-channels.ts'
import { type Channel, MAX_PEERS, type PeerHost, type TurnPeer, TurnPeers } from './turn-peers.ts'
import { TurnPermissions } from './turn-permissions.ts'
import { type TurnOutcome, TurnRequests } from './turn-requests.ts'
import {
  noTurnDrops,
  type RelayedTransmit,
  type TurnClientOptions,
  type TurnDropReason,
  type TurnEvent,
  type TurnReceive,
  type TurnState,
  type TurnStatistics,
  type TurnTransmit,
} from './turn-types.ts'
import {
  channelNumberAttribute,
  DATA_INDICATION,
  Method,
  peerAddressAttribute,
  readDataIndication,
  writeSendIndication,
} from './turn-wire.ts'

const DEFAULT_LIFETIME = 600_000
const MIN_LIFETIME = 60_000
const MAX_LIFETIME = 3_600_000
/** One of the allocation, and of each peer one for its permission and one for its channel. */
const MAX_REQUESTS = 1 + 2 * MAX_PEERS
/** A peer that this many datagrams went to gets a channel. A check of ICE without an answer is seven. */
const CHANNEL_AFTER = 8
/** What fits into a Send indication to an IPv6 address, in a UDP datagram. */
const MAX_DATA_LENGTH = 65_456

type Purpose =
  | AllocationPurpose
  | { readonly kind: 'permission'; readonly host: PeerHost }
  | { readonly kind: 'channel'; readonly channel: Channel }

/**
 * A TURN client, RFC 8656: one allocation on one server, by UDP, or by TCP or TLS where the caller has the connection and a `TurnFraming`. It keeps
 * the allocation up, and the permissions and channels of the peers that data goes to.
 *
 * Drive it beside an agent: give it what comes from the server (`accepts`), hand to `relay` what the agent sends from the relayed address, and to the
 * agent each event `datagram`.
 */
export class TurnClient implements Machine<TurnEvent, TurnTransmit, TimeoutInput | TurnReceive> {
  readonly base: SocketAddress
  readonly proto: CandidateProtocol
  readonly #crypto: CryptoProvider
  readonly #allocation: TurnAllocation
  readonly #requests: TurnRequests<Purpose>
  readonly #peers = new TurnPeers()
  readonly #permissions = new TurnPermissions(this.#peers)
  readonly #channels = new TurnChannels()
  readonly #outputs = new OutputQueue<TurnTransmit | EventOutput<TurnEvent>>()
  readonly #dropped: Record<TurnDropReason, number> = noTurnDrops()
  #datagramsSent = 0
  #bytesSent = 0
  #datagramsReceived = 0
  #bytesReceived = 0
  #now: Instant = Number.NEGATIVE_INFINITY
  /** Something was called since the last input: there may be something to do at once. */
  #isDue = false
  #nextAt: Instant = Number.NEGATIVE_INFINITY

  /** Throws a `UsageError`: `invalid-address`, `invalid-credentials`, or `invalid-option`. */
  constructor(options: TurnClientOptions) {
    const lifetime = options.lifetime ?? DEFAULT_LIFETIME
    if (!(lifetime >= MIN_LIFETIME && lifetime <= MAX_LIFETIME)) {
      throw new UsageError(
        'invalid-option',
        `lifetime is from ${MIN_LIFETIME} to ${MAX_LIFETIME} ms, not ${lifetime}`,
      )
    }
    const { family = 4, proto = 'udp', username, password } = options
    if (proto !== 'udp' && proto !== 'tcp') {
      throw new UsageError('invalid-option', `proto is "udp", or "tcp" also for TLS, not "${String(proto)}"`)
    }
    if (family !== 4 && family !== 6 && family !== 'both') {
      throw new UsageError('invalid-option', `family is 4, 6 or "both", not "${String(family)}"`)
    }
    this.#crypto = options.crypto ?? defaultCrypto()
    // over TCP it may not be known
    this.base = proto === 'udp' ? localAddress(options.base) : socketAddress(options.base)
    this.proto = proto
    const server = socketAddress(options.server)
    const credentials = new LongTermCredentials(this.#crypto, username, password)
    this.#allocation = new TurnAllocation({ server, base: this.base, proto, family, lifetime, credentials })
    this.#requests = new TurnRequests(
      this.#crypto,
      credentials,
      proto === 'tcp',
      MAX_REQUESTS,
      (contents) => {
        this.#transmit(contents)
      },
    )
  }

  /** The server: another one than was given, where that has sent the client on. */
  get server(): SocketAddress {
    return this.#allocation.server
  }

  get state(): TurnState {
    return this.#allocation.state
  }

  /** What the server has allotted. None before the event `allocated`; they stay known after the end. */
  get relayedAddresses(): readonly SocketAddress[] {
    return this.#allocation.relayed
  }

  get statistics(): TurnStatistics {
    const { expiresAt } = this.#allocation
    return {
      dropped: { ...this.#dropped },
      permissions: this.#permissions.installed,
      permissionsRefused: this.#permissions.refused,
      channels: this.#channels.bound,
      requestsSent: this.#requests.requestsSent,
      retransmissionsSent: this.#requests.retransmissionsSent,
      datagramsSent: this.#datagramsSent,
      bytesSent: this.#bytesSent,
      datagramsReceived: this.#datagramsReceived,
      bytesReceived: this.#bytesReceived,
      expiresAt: expiresAt === NEVER ? undefined : expiresAt,
    }
  }

  /** Whether a datagram that came to `base` is for this client: whether it is from the server. */
  accepts(source: SocketAddress): boolean {
    const { server } = this.#allocation
    if (source.port !== server.port) return false
    return source.address === server.address || canonicalIpAddress(source.address) === server.address
  }

  /**
   * Sends a datagram from the relayed address. False where its `source` is no such address: then it is to be sent by the socket. Otherwise `contents` belongs to
   * the client from here on; it goes out now, or with a permission for the peer, or is dropped and counted. Throws a `UsageError`: `invalid-address` for a
   * destination that is none, or `too-long` beyond 65456 bytes.
   */
  relay({ source, destination, contents }: RelayedTransmit): boolean {
    const { relayed, state } = this.#allocation
    const own = relayedLike(relayed, source)
    if (own === undefined || !sameSocketAddress(own, source)) return false
    if (contents.length > MAX_DATA_LENGTH) {
      throw new UsageError('too-long', `a relayed datagram has at most ${MAX_DATA_LENGTH} bytes`)
    }
    if (state !== 'allocated') {
      this.#drop('ended')
      return true
    }
    const peer = this.#peers.find(destination) ?? this.#addPeer(source, destination)
    if (peer !== undefined) this.#relayTo(peer, contents)
    return true
  }

  /** Gives the allocation back to the server. The event `ended` follows: at the latest 10 s later, or 40 s over TCP. */
  close(): void {
    const step = this.#allocation.close()
    if (step === undefined) return
    this.#forget()
    this.#take(step)
    this.#isDue = this.state !== 'ended'
  }

  handleInput(input: TimeoutInput | TurnReceive): void {
    checkInput(input)
    if (input.kind === 'receive') checkAddress(input.source)
    this.#now = latestInstant(this.#now, input.now)
    const isControl = input.kind === 'receive' && this.#receive(input)
    if (!isControl && this.#now < this.#nextAt && !this.#isDue) return
    this.#settle()
  }

  pollOutput(): Output<TurnEvent, TurnTransmit> {
    return this.#outputs.shift() ?? { kind: 'timeout', at: this.#isDue ? this.#now : this.#nextAt }
  }

  // --- to peers

  #addPeer(source: SocketAddress, destination: SocketAddress): TurnPeer | undefined {
    const address = socketAddress(destination)
    // in another form it may be there
    const known = this.#peers.find(address)
    if (known !== undefined) return known
    if (address.address.includes(':') !== source.address.includes(':')) {
      this.#drop('family')
      return undefined
    }
    const peer = this.#peers.add(address)
    if (peer === undefined) this.#drop('limit')
    return peer
  }

  #relayTo(peer: TurnPeer, contents: Uint8Array): void {
    const { host } = peer
    if (!host.used) {
      host.used = true
      this.#isDue = true
    }
    if (host.permission === 'installed') return this.#send(peer, contents)
    if (host.permission === 'refused') return this.#drop('permission')
    if (this.#peers.hold(peer, contents)) this.#isDue = true
    else this.#drop('limit')
  }

  #send(peer: TurnPeer, contents: Uint8Array): void {
    const { channel } = peer
    this.#datagramsSent++
    this.#bytesSent += contents.length
    if (channel === undefined) {
      if (++peer.sent === CHANNEL_AFTER) {
        this.#channels.add(peer)
        this.#isDue = true
      }
    } else if (!channel.used) {
      channel.used = true
      this.#isDue = true
    }
    this.#transmit(
      channel?.state === 'bound'
        ? writeChannelData(channel.number, contents, this.proto === 'tcp')
        : writeSendIndication(peer.address, contents, this.#crypto.randomBytes(12)),
    )
  }

  #transmit(contents: Uint8Array): void {
    const { proto, base: source, server: destination } = this
    this.#outputs.push({ kind: 'transmit', proto, source, destination, contents })
  }

  // --- from the server

  /** Whether there may be more to do: it was no data. */
  #receive({ contents, source }: TurnReceive): boolean {
    const bytes = plainBytes(contents)
    if (this.state === 'ended') this.#drop('ended')
    else if (!this.accepts(source)) this.#drop('source')
    else if (isChannelData(bytes)) this.#receiveChannelData(bytes)
    else if (!isStun(bytes)) this.#drop('malformed')
    else if (readU16(bytes, 0) === DATA_INDICATION) this.#receiveIndication(bytes)
    else return this.#receiveResponse(bytes)
    return false
  }

  #receiveChannelData(bytes: Uint8Array): void {
    const peer = this.#channels.peerOf(readU16(bytes, 0))
    const data = readChannelData(bytes)
    if (data === undefined) this.#drop('malformed')
    // RFC 8656 section 12: also before the answer to its ChannelBind
    else if (peer === undefined || !isExpected(peer.host)) this.#drop('peer')
    else this.#deliver(peer.address, data)
  }

  #receiveIndication(bytes: Uint8Array): void {
    const indication = readDataIndication(bytes)
    if (indication === 'malformed') return this.#drop('malformed')
    if (indication === 'no-data') return this.#drop('unsupported')
    const { peer, data } = indication
    // RFC 8656 section 11.4: a permission is of an IP address, of any port
    const host = this.#peers.findHost(peer.address)
    if (host === undefined || !isExpected(host)) this.#drop('peer')
    else this.#deliver(host.peers.get(peer.port)?.address ?? peer, data)
  }

  #deliver(source: SocketAddress, contents: Uint8Array): void {
    const destination = relayedLike(this.#allocation.relayed, source)
    if (destination === undefined || this.state !== 'allocated') return this.#drop('peer')
    this.#datagramsReceived++
    this.#bytesReceived += contents.length
    const now = this.#now
    this.#emit({ type: 'datagram', kind: 'receive', now, proto: 'udp', source, destination, contents })
  }

  #receiveResponse(bytes: Uint8Array): boolean {
    const message = parseStun(bytes)
    if (typeof message === 'string') {
      this.#drop('malformed')
    } else if (message.class !== 'success' && message.class !== 'error') {
      this.#drop('unsupported')
    } else {
      const outcome = this.#requests.receive(this.#now, message)
      if (typeof outcome === 'object') this.#conclude(outcome)
      else if (outcome !== 'retried') this.#drop(outcome)
      return true
    }
    return false
  }

  // --- what comes of requests and of time

  #conclude({ purpose, sentAt, answer }: TurnOutcome<Purpose>): void {
    const now = this.#now
    if (purpose.kind !== 'permission' && purpose.kind !== 'channel') {
      return this.#take(this.#allocation.answer(now, purpose, sentAt, answer))
    }
    const ended = answer.type === 'error' ? this.#allocation.refuse(answer.code) : undefined
    if (ended !== undefined) return this.#take(ended)
    const host = purpose.kind === 'permission' ? purpose.host : purpose.channel.peer.host
    if (purpose.kind === 'permission') {
      this.#permissions.answer(now, host, sentAt, answer)
    } else {
      this.#channels.answer(now, purpose.channel, sentAt, answer)
      if (answer.type === 'success') this.#permissions.install(host, sentAt)
    }
    if (host.permission === 'none') return
    for (const { peer, contents } of this.#peers.release(host)) {
      if (host.permission === 'installed') this.#send(peer, contents)
      else this.#drop('permission')
    }
  }

  #take(step: AllocationStep): void {
    if (step === undefined) return
    if ('purpose' in step) return this.#requests.ask(this.#now, step)
    if (step.type === 'ended') this.#forget()
    this.#emit(step)
  }

  /** Nothing is asked for any more, nor awaited. */
  #forget(): void {
    this.#requests.clear()
    this.#channels.clear()
    this.#peers.clear()
    this.#isDue = false
    this.#nextAt = NEVER
  }

  /** Does what is due. */
  #settle(): void {
    this.#isDue = false
    for (const outcome of this.#requests.advance(this.#now)) this.#conclude(outcome)
    this.#take(this.#allocation.advance(this.#now))
    if (this.state === 'allocated') {
      for (const host of this.#permissions.advance(this.#now)) this.#askPermission(host)
      for (const channel of this.#channels.advance(this.#now)) this.#askChannel(channel)
    }
    this.#nextAt = Math.min(
      this.#allocation.nextAt(),
      this.#requests.nextAt(),
      this.#permissions.nextAt(),
      this.#channels.nextAt(),
    )
  }

  #askPermission(host: PeerHost): void {
    // the port is of no account, RFC 8656 section 10.1
    const { address } = host
    this.#requests.ask(this.#now, {
      purpose: { kind: 'permission', host },
      method: Method.createPermission,
      attributes: (id) => [peerAddressAttribute({ address, port: 0 }, id)],
    })
  }

  #askChannel(channel: Channel): void {
    const { number, peer } = channel
    this.#requests.ask(this.#now, {
      purpose: { kind: 'channel', channel },
      method: Method.channelBind,
      attributes: (id) => [channelNumberAttribute(number), peerAddressAttribute(peer.address, id)],
    })
  }

  #emit(event: TurnEvent): void {
    this.#outputs.push({ kind: 'event', event })
  }

  #drop(reason: TurnDropReason): void {
    this.#dropped[reason]++
  }
}

/** The relayed address of the family of `other`: there is at most one of each. */
function relayedLike(relayed: readonly SocketAddress[], other: SocketAddress): SocketAddress | undefined {
  const isIpv6 = other.address.includes(':')
  for (const address of relayed) if (address.address.includes(':') === isIpv6) return address
  return undefined
}

/** Whether data may come from it: a permission is installed, or asked for and perhaps installed already. */
function isExpected({ permission, asking }: PeerHost): boolean {
  return permission === 'installed' || asking
}
