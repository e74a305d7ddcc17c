import {
  canonicalIpAddress,
  type EventOutput,
  type Instant,
  latestInstant,
  NEVER,
  readU16,
  readU32,
  type SocketAddress,
  type TimeoutOutput,
  UsageError,
} from '@str0m/sans-io'
import { type CandidateProtocol, stunUsername } from '@str0m/stun-ice'
import { checkReceive } from './check-receive.ts'
import { DeadlineHeap, type Scheduled } from './deadline-heap.ts'
import { demultiplex } from './demultiplex.ts'
import type { Receive, RtcEvent, RtcInput, Transmit } from './events.ts'
import type { Rtc } from './rtc.ts'

/** Addresses that one peer is known by at once: a NAT may give it several ports, a phone changes its network. */
export const MAX_ADDRESSES_PER_PEER = 16
/** Checks of one peer whose answers are waited for. */
const MAX_TRANSACTIONS_PER_PEER = 128
/** User names of one peer: the newest, and the one before an ICE restart. */
const MAX_UFRAGS_PER_PEER = 2

/** Ports of TCP are kept beyond those of UDP: a number that both have is of two peers, behind one NAT. */
const TCP_PORTS = 0x1_0000

const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const STUN_HEADER_LENGTH = 20

/** What a router answers: what its peers do, and which of them it was. */
export type RtcRouterOutput =
  | (Transmit & { readonly rtc: Rtc })
  | (EventOutput<RtcEvent> & { readonly rtc: Rtc })
  | TimeoutOutput

interface Peer extends Scheduled {
  readonly rtc: Rtc
  readonly ufrags: string[]
  readonly addresses: SocketAddress[]
  readonly transactions: number[]
  /** Whether it is among those that are to be polled. */
  dirty: boolean
  /** Whether it is here no more: nothing that it still says leads to it. */
  forgotten: boolean
}

/**
 * Many peers on one socket, and on connections beside it, driven as one machine: finds the peer that a datagram is for, and the one whose time has come, in a time that
 * does not grow with their number.
 *
 * A datagram's peer is known by the address that it comes from, once ICE has validated that, or where an authentic check of that peer came from
 * there and it is nobody else's; a check is known by the user name in it, and the answer to a check by its transaction. So nobody can draw
 * another's datagrams to himself.
 */
export class RtcRouter {
  readonly #peers = new Map<Rtc, Peer>()
  readonly #byUfrag = new Map<string, Peer>()
  readonly #byTransaction = new Map<number, Peer>()
  /** By port, then by address: no key is put together for a datagram. */
  readonly #byAddress = new Map<number, Map<string, Peer>>()
  readonly #deadlines = new DeadlineHeap<Peer>()
  readonly #dirty: Peer[] = []
  #now: Instant = Number.NEGATIVE_INFINITY
  /** Datagrams that were for no peer. */
  unrouted = 0

  /** How many peers there are. */
  get size(): number {
    return this.#peers.size
  }

  /** The peers, in the order in which they were added. */
  get peers(): Iterable<Rtc> {
    return this.#peers.keys()
  }

  /** Adds a peer. It is forgotten by itself once it has said `closed`. Throws a `UsageError` (`ufrag-in-use`). */
  add(rtc: Rtc): void {
    if (this.#peers.has(rtc)) return
    if (this.#byUfrag.has(rtc.iceUfrag)) {
      throw new UsageError(
        'ufrag-in-use',
        `Another peer has the ICE user name "${rtc.iceUfrag}": make this one anew`,
      )
    }
    const peer: Peer = {
      rtc,
      ufrags: [],
      addresses: [],
      transactions: [],
      dirty: false,
      forgotten: false,
      at: NEVER,
      heapIndex: -1,
    }
    this.#peers.set(rtc, peer)
    this.changed(rtc)
  }

  /** Says that a method of this peer was called, so that it is polled. Does nothing for one that was not added. */
  changed(rtc: Rtc): void {
    const peer = this.#peers.get(rtc)
    if (peer === undefined) return
    if (peer.ufrags.at(-1) !== rtc.iceUfrag) this.#addUfrag(peer)
    this.#markDirty(peer)
  }

  /** Forgets a peer at once, without a goodbye: what it has to say already is not answered any more. */
  remove(rtc: Rtc): void {
    const peer = this.#peers.get(rtc)
    if (peer === undefined) return
    this.#forget(peer)
    if (peer.dirty) this.#dirty.splice(this.#dirty.indexOf(peer), 1)
  }

  #forget(peer: Peer): void {
    peer.forgotten = true
    this.#peers.delete(peer.rtc)
    this.#deadlines.remove(peer)
    for (const ufrag of peer.ufrags) this.#byUfrag.delete(ufrag)
    for (const transaction of peer.transactions) this.#byTransaction.delete(transaction)
    for (const address of peer.addresses.slice()) this.#forgetAddress(address)
  }

  /** Gives a datagram to the peer that it is for, or the time to those that wait for it. Throws as `Rtc.handleInput` does. */
  handleInput(input: RtcInput): void {
    if (input.kind !== 'timeout') checkReceive(input)
    this.#now = latestInstant(this.#now, input.now)
    if (input.kind === 'timeout') this.#handleTimeout(this.#now)
    else this.#handleReceive(input.now < this.#now ? { ...input, now: this.#now } : input)
  }

  /** What to do next. Poll until it answers `timeout`. */
  pollOutput(): RtcRouterOutput {
    for (;;) {
      const peer = this.#dirty.at(-1)
      if (peer === undefined) return { kind: 'timeout', at: this.#deadlines.earliest }
      const output = peer.rtc.pollOutput()
      if (output.kind === 'timeout') {
        this.#dirty.pop()
        peer.dirty = false
        if (peer.forgotten) continue
        // it has said so before it came here
        if (peer.rtc.closed) this.#forget(peer)
        else this.#deadlines.schedule(peer, output.at)
        continue
      }
      const { rtc } = peer
      if (output.kind === 'transmit') {
        const { proto, source, destination, contents } = output
        if (!peer.forgotten) this.#noteTransmit(peer, contents, remoteKey(proto, destination))
        return { kind: 'transmit', proto, source, destination, contents, rtc }
      }
      // what it says after that, of its channels, is still to be heard
      if (output.event.type === 'closed' && !peer.forgotten) this.#forget(peer)
      return { kind: 'event', event: output.event, rtc }
    }
  }

  #peerAt({ address, port }: SocketAddress): Peer | undefined {
    const addresses = this.#byAddress.get(port)
    if (addresses === undefined) return undefined
    // a socket of both families has IPv4 addresses mapped; an agent's own are canonical
    return addresses.get(address) ?? (address.includes(':') ? addresses.get(canonical(address)) : undefined)
  }

  #handleReceive(input: Receive): void {
    const source = remoteKey(input.proto, input.source)
    const known = this.#peerAt(source)
    const stun = demultiplex(input.contents) === 'stun'
    const peer = stun ? (this.#byStun(input.contents) ?? known) : known
    if (peer === undefined) {
      this.unrouted++
      return
    }
    peer.rtc.handleInput(input)
    this.#markDirty(peer)
    if (stun && peer !== known && peer.rtc.isValidatedPath(input)) this.#learnAddress(peer, source)
  }

  #handleTimeout(now: Instant): void {
    for (let peer = this.#deadlines.takeDue(now); peer !== undefined; peer = this.#deadlines.takeDue(now)) {
      peer.rtc.handleInput({ kind: 'timeout', now })
      this.#markDirty(peer)
    }
  }

  #markDirty(peer: Peer): void {
    if (peer.dirty) return
    peer.dirty = true
    this.#dirty.push(peer)
  }

  #byStun(contents: Uint8Array): Peer | undefined {
    if (contents.length < STUN_HEADER_LENGTH) return undefined
    if (readU16(contents, 0) !== BINDING_REQUEST) return this.#byTransaction.get(transactionKey(contents))
    const username = stunUsername(contents)
    return username === undefined ? undefined : this.#byUfrag.get(username)
  }

  /** Takes from a datagram of this peer's what says which datagrams to come are for it. */
  #noteTransmit(peer: Peer, contents: Uint8Array, destination: SocketAddress): void {
    if (contents.length < STUN_HEADER_LENGTH) return
    const type = readU16(contents, 0)
    if (type === BINDING_REQUEST) {
      // the answer from an address that is this peer's is found by that: an idle peer's checks are not kept
      if (this.#peerAt(destination) !== peer) this.#noteTransaction(peer, contents)
    } else if (type === BINDING_SUCCESS) {
      this.#expectFrom(peer, destination)
    }
  }

  /**
   * The peer has answered a check from `address`, which was authentic. The ClientHello may follow from there before we have validated the path
   * ourselves; the peer keeps it until then. An address that is somebody's stays so.
   */
  #expectFrom(peer: Peer, address: SocketAddress): void {
    if (peer.addresses.length >= MAX_ADDRESSES_PER_PEER) return
    if (this.#peerAt(address) !== undefined) return
    this.#learnAddress(peer, address)
  }

  #noteTransaction(peer: Peer, contents: Uint8Array): void {
    const key = transactionKey(contents)
    if (this.#byTransaction.has(key)) return
    this.#byTransaction.set(key, peer)
    peer.transactions.push(key)
    if (peer.transactions.length > MAX_TRANSACTIONS_PER_PEER) {
      this.#byTransaction.delete(peer.transactions.shift()!)
    }
  }

  #addUfrag(peer: Peer): void {
    const { iceUfrag } = peer.rtc
    if (this.#byUfrag.has(iceUfrag)) return
    peer.ufrags.push(iceUfrag)
    this.#byUfrag.set(iceUfrag, peer)
    if (peer.ufrags.length > MAX_UFRAGS_PER_PEER) this.#byUfrag.delete(peer.ufrags.shift()!)
  }

  #learnAddress(peer: Peer, source: SocketAddress): void {
    const address = { address: canonical(source.address), port: source.port }
    this.#forgetAddress(address)
    let addresses = this.#byAddress.get(address.port)
    if (addresses === undefined) {
      addresses = new Map()
      this.#byAddress.set(address.port, addresses)
    }
    addresses.set(address.address, peer)
    peer.addresses.push(address)
    if (peer.addresses.length > MAX_ADDRESSES_PER_PEER) this.#forgetAddress(peer.addresses[0]!)
  }

  /** `address` is canonical. */
  #forgetAddress(address: SocketAddress): void {
    const addresses = this.#byAddress.get(address.port)
    const peer = addresses?.get(address.address)
    if (addresses === undefined || peer === undefined) return
    addresses.delete(address.address)
    if (addresses.size === 0) this.#byAddress.delete(address.port)
    const index = peer.addresses.findIndex(
      (known) => known.port === address.port && known.address === address.address,
    )
    peer.addresses.splice(index, 1)
  }
}

/** What a peer's end of a path is known by. */
function remoteKey(protocol: CandidateProtocol, end: SocketAddress): SocketAddress {
  return protocol === 'tcp' ? { address: end.address, port: TCP_PORTS + end.port } : end
}

function canonical(address: string): string {
  return canonicalIpAddress(address) ?? address
}

/** 48 of a transaction's 96 bits: as a number they are exact, and the agent compares them all. */
function transactionKey(contents: Uint8Array): number {
  return readU32(contents, 8) * 0x1_0000 + readU16(contents, 12)
}
