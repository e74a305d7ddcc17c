import { canonicalIpAddress, type Instant, NEVER, type SocketAddress } from '@str0m/sans-io'

/** Transport addresses of peers that an allocation knows of at a time. As many may have a permission each, and a channel. */
export const MAX_PEERS = 256
/** Of these, ports of one IP address: a host that answers from any number of ports takes no room from others. */
export const MAX_PORTS_PER_HOST = 16
/** Datagrams that wait for a permission, of all peers together. */
export const MAX_WAITING_DATAGRAMS = 64
/** Their bytes. */
export const MAX_WAITING_BYTES = 65_536

/** A transport address that data goes to. */
export interface TurnPeer {
  readonly address: SocketAddress
  readonly host: PeerHost
  /** Datagrams that went to it, up to where it is to have a channel. */
  sent: number
  channel: Channel | undefined
}

/** An IP address of peers, and its permission: RFC 8656 section 9. */
export interface PeerHost {
  readonly address: string
  readonly peers: Map<number, TurnPeer>
  permission: 'none' | 'installed' | 'refused'
  /** A request for it is under way. */
  asking: boolean
  /** Something was sent since it was last asked for. */
  used: boolean
  /** When it is to be asked for again. */
  refreshAt: Instant
  /** When `installed` or `refused` is over. */
  until: Instant
}

/** A channel number that was asked to be bound to a peer: RFC 8656 section 12. */
export interface Channel {
  readonly number: number
  readonly peer: TurnPeer
  state: 'unbound' | 'bound' | 'refused'
  asking: boolean
  used: boolean
  refreshAt: Instant
  /** When the server may have unbound it. */
  expiresAt: Instant
  /** From when on the number, and the peer, may be bound otherwise. */
  freeAt: Instant
}

interface WaitingDatagram {
  readonly peer: TurnPeer
  readonly contents: Uint8Array
}

/** The peers of one allocation, found by IP address and port without a key being made of both. */
export class TurnPeers {
  readonly #hosts = new Map<string, PeerHost>()
  #size = 0
  #waiting: WaitingDatagram[] = []
  #waitingBytes = 0

  get hosts(): IterableIterator<PeerHost> {
    return this.#hosts.values()
  }

  find({ address, port }: SocketAddress): TurnPeer | undefined {
    const host = this.findHost(address)
    return host?.peers.get(port)
  }

  findHost(address: string): PeerHost | undefined {
    const host = this.#hosts.get(address)
    if (host !== undefined || !address.includes(':')) return host
    // IPv6 in another form, or IPv4 as IPv6
    const canonical = canonicalIpAddress(address)
    return canonical === undefined ? undefined : this.#hosts.get(canonical)
  }

  /**
   * Adds one that is not there, of a canonical address. `undefined` where there are too many. Of a host that has too many ports, one without a channel
   * makes room; where there is none, or no room at all, the port is not kept, and gets no channel.
   */
  add(address: SocketAddress): TurnPeer | undefined {
    const known = this.#hosts.get(address.address)
    if (known === undefined && this.#size >= MAX_PEERS) return undefined
    const host = known ?? this.#addHost(address.address)
    const peer: TurnPeer = { address, host, sent: 0, channel: undefined }
    const isFull = this.#size >= MAX_PEERS || host.peers.size >= MAX_PORTS_PER_HOST
    if (isFull && !this.#removeIdle(host)) {
      peer.sent = Number.NEGATIVE_INFINITY
      return peer
    }
    host.peers.set(address.port, peer)
    this.#size++
    return peer
  }

  #addHost(address: string): PeerHost {
    const host: PeerHost = {
      address,
      peers: new Map(),
      permission: 'none',
      asking: false,
      used: false,
      refreshAt: NEVER,
      until: NEVER,
    }
    this.#hosts.set(address, host)
    return host
  }

  /** Forgets the oldest port without a channel. False where there is none. */
  #removeIdle(host: PeerHost): boolean {
    for (const [port, peer] of host.peers) {
      if (peer.channel !== undefined) continue
      // what waits for it still goes, and makes no channel for a port that is not kept
      peer.sent = Number.NEGATIVE_INFINITY
      this.#size--
      return host.peers.delete(port)
    }
    return false
  }

  /** Forgets a host and its peers. */
  remove(host: PeerHost): void {
    this.#hosts.delete(host.address)
    this.#size -= host.peers.size
  }

  clear(): void {
    this.#hosts.clear()
    this.#size = 0
    this.#waiting = []
    this.#waitingBytes = 0
  }

  /** Keeps a datagram until there is a permission for it. False at the bound. */
  hold(peer: TurnPeer, contents: Uint8Array): boolean {
    const bytes = this.#waitingBytes + contents.length
    if (this.#waiting.length >= MAX_WAITING_DATAGRAMS || bytes > MAX_WAITING_BYTES) return false
    this.#waiting.push({ peer, contents })
    this.#waitingBytes = bytes
    return true
  }

  /** What waits for the permission of a host, in order. It waits no more. */
  release(host: PeerHost): WaitingDatagram[] {
    const released = this.#waiting.filter(({ peer }) => peer.host === host)
    this.#waiting = this.#waiting.filter(({ peer }) => peer.host !== host)
    for (const { contents } of released) this.#waitingBytes -= contents.length
    return released
  }

  isAwaited(host: PeerHost): boolean {
    return this.#waiting.some(({ peer }) => peer.host === host)
  }
}
