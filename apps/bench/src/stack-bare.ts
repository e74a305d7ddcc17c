// The floor: what it costs to exchange descriptions and datagrams of the usual sizes, with nothing in them. No cryptography, no SDP, no state
// machine. What another stack takes beyond this is its own.
import { createSocket, type Socket } from 'node:dgram'
import { ACKNOWLEDGEMENT, BareFlow, PACKET } from './bare-flow.ts'
import type { Flow, OpenOptions, Peer, Stack } from './stack.ts'

/** Characters of an offer and of an answer of ours with one video section. */
const DESCRIPTION_LENGTH = 3600
/**
 * Bytes of the datagrams of a connection, each sent as soon as the one before is there: two checks with their answers, four flights of DTLS, and
 * the check that nominates. The side that answers begins.
 */
const FLIGHTS: readonly number[] = [96, 64, 141, 620, 557, 75, 64, 96, 64, 100, 64]
const KEEPALIVE_LENGTH = 100
const KEEPALIVE_ANSWER_LENGTH = 64
/** RFC 7675 section 5.1, ms. */
const KEEPALIVE_INTERVAL = 5000
const RECEIVE_BUFFER = 4 * 1024 * 1024
/** What the first byte of a datagram is, beside the number of a flight. */
const KEEPALIVE = 200
const KEEPALIVE_ANSWER = 201

interface Description {
  readonly port: number
  readonly padding: string
}

class BarePeer implements Peer {
  readonly connected: Promise<void>
  readonly bare: BareFlow
  readonly #station: BareStation
  readonly #options: OpenOptions
  #resolve: () => void = () => {}
  #remotePort = 0
  #timer: NodeJS.Timeout | undefined

  constructor(station: BareStation, options: OpenOptions) {
    this.#station = station
    this.#options = options
    this.bare = new BareFlow(
      (contents) => this.#station.send(contents, this.#remotePort),
      options.onReceived ?? (() => {}),
    )
    this.connected = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  async createOffer(): Promise<string> {
    return this.#describe()
  }

  async acceptOffer(offer: string): Promise<string> {
    this.#takeRemote(offer)
    this.#sendFlight(0)
    return this.#describe()
  }

  async acceptAnswer(answer: string): Promise<void> {
    this.#takeRemote(answer)
  }

  async flow(): Promise<Flow> {
    await this.connected
    return this.#options.purpose === 'data' ? this.bare.messages : this.bare.packets
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#station.forget(this.#remotePort)
  }

  handle(contents: Uint8Array): void {
    const what = contents[0]!
    if (what >= PACKET && what <= ACKNOWLEDGEMENT) this.bare.handle(contents)
    else if (what === KEEPALIVE) this.#send(KEEPALIVE_ANSWER, KEEPALIVE_ANSWER_LENGTH)
    else if (what < FLIGHTS.length) this.#sendFlight(what + 1)
  }

  #sendFlight(flight: number): void {
    const length = FLIGHTS[flight]
    if (length !== undefined) this.#send(flight, length)
    if (flight < FLIGHTS.length - 1) return
    this.#resolve()
    this.#timer ??= setInterval(() => this.#send(KEEPALIVE, KEEPALIVE_LENGTH), KEEPALIVE_INTERVAL)
  }

  #send(what: number, length: number): void {
    const contents = new Uint8Array(length)
    contents[0] = what
    this.#station.send(contents, this.#remotePort)
  }

  #describe(): string {
    const description: Description = { port: this.#station.port, padding: '.'.repeat(DESCRIPTION_LENGTH) }
    return JSON.stringify(description)
  }

  #takeRemote(description: string): void {
    this.#remotePort = (JSON.parse(description) as Description).port
    this.#station.expect(this.#remotePort, this)
  }
}

/** A socket with its peers, known by their ports. */
class BareStation {
  readonly #socket: Socket
  readonly #peers = new Map<number, BarePeer>()
  /** Datagrams that came before the peer was known: the first flight before the answer. */
  #early: { port: number; contents: Uint8Array }[] = []
  readonly #closesWithLast: boolean

  constructor(socket: Socket, closesWithLast: boolean) {
    this.#socket = socket
    this.#closesWithLast = closesWithLast
    socket.on('message', (contents, { port }) => {
      const peer = this.#peers.get(port)
      if (peer === undefined) this.#early.push({ port, contents })
      else peer.handle(contents)
    })
  }

  get port(): number {
    return this.#socket.address().port
  }

  expect(port: number, peer: BarePeer): void {
    this.#peers.set(port, peer)
    const early = this.#early
    this.#early = []
    for (const datagram of early) if (datagram.port === port) peer.handle(datagram.contents)
  }

  forget(port: number): void {
    this.#peers.delete(port)
    if (this.#closesWithLast) this.#socket.close()
  }

  send(contents: Uint8Array, port: number): void {
    this.#socket.send(contents, port, '127.0.0.1')
  }
}

function bind(closesWithLast: boolean): Promise<BareStation> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1', () => {
      socket.setRecvBufferSize(RECEIVE_BUFFER)
      resolve(new BareStation(socket, closesWithLast))
    })
  })
}

export function bareSocketEach(): Stack {
  return { open: async (options) => new BarePeer(await bind(true), options), forward }
}

export function bareSharedSocket(): Stack {
  const station = bind(false)
  return { open: async (options) => new BarePeer(await station, options), forward }
}

function forward(publisher: Peer, subscribers: readonly Peer[]): void {
  if (!(publisher instanceof BarePeer)) throw new Error('A peer of another stack')
  const ways = subscribers.map((peer) => {
    if (!(peer instanceof BarePeer)) throw new Error('A peer of another stack')
    return peer.bare.packets
  })
  publisher.bare.onPacket = (payload) => {
    for (const way of ways) way.send(payload)
  }
}
