import { type Datagram, type Host, type LinkOptions, Nat, Network } from '@str0m/netem'
import {
  type Instant,
  type Machine,
  type Output,
  OutputQueue,
  type SocketAddress,
  type TimeoutInput,
} from '@str0m/sans-io'
import {
  type IceReceive,
  TurnClient,
  type TurnClientOptions,
  type TurnDatagram,
  type TurnEnded,
  type TurnEvent,
} from '../src/index.ts'
import { at, receive, seededCrypto } from './support.ts'
import { TurnServer, type TurnServerOptions } from './turn-server.ts'

export const SERVER: SocketAddress = at('192.0.2.53', 3478)
export const BASE: SocketAddress = at('10.0.0.1', 5000)
export const PEER: SocketAddress = at('198.51.100.2', 6000)
export const USER = { username: 'relay', password: 'a secret' } as const

/** A peer that sends back what comes. */
export class EchoPeer implements Machine<never, Datagram, TimeoutInput | IceReceive> {
  readonly #outputs = new OutputQueue<Output<never, Datagram>>()
  readonly received: IceReceive[] = []

  handleInput(input: TimeoutInput | IceReceive): void {
    if (input.kind !== 'receive') return
    this.received.push(input)
    this.send(input.destination, input.source, input.contents)
  }

  send(source: SocketAddress, destination: SocketAddress, contents: Uint8Array): void {
    this.#outputs.push({ kind: 'transmit', source, destination, contents: contents.slice() })
  }

  pollOutput(): Output<never, Datagram> {
    return this.#outputs.shift() ?? { kind: 'timeout', at: Infinity }
  }
}

export interface TurnSetup {
  readonly seed?: number
  readonly link?: LinkOptions
  readonly client?: Partial<TurnClientOptions>
  readonly server?: Partial<TurnServerOptions>
}

/** A client behind a NAT, a server, and a peer that echoes, in one network. */
export class TurnStage {
  readonly network: Network
  readonly server: TurnServer
  readonly client: TurnClient
  readonly peer: EchoPeer = new EchoPeer()
  readonly host: Host<TurnClient>

  constructor({ seed = 1, link = { latency: 10 }, client, server }: TurnSetup = {}) {
    this.network = new Network({ seed, link })
    this.server = new TurnServer({ address: SERVER, ...USER, ...server })
    this.client = new TurnClient({
      server: SERVER,
      base: BASE,
      ...USER,
      crypto: seededCrypto(seed),
      ...client,
    })
    const nat = new Nat({ address: '203.0.113.1', behaviour: 'symmetric', lifetime: 600_000 })
    // what is tested is the link of the client
    const good = { latency: 0, jitter: 0, loss: 0, duplicate: 0, reorder: 0 }
    this.network.addHost(
      this.server,
      { name: 'server', addresses: this.server.addresses, link: good },
      receive,
    )
    this.network.addHost(this.peer, { name: 'peer', addresses: [PEER.address], link: good }, receive)
    this.host = this.network.addHost(this.client, { name: 'client', addresses: [BASE.address], nat }, receive)
  }

  /** One more server. */
  addServer(address: SocketAddress, options: Partial<TurnServerOptions> = {}): TurnServer {
    const server = new TurnServer({ address, ...USER, ...options })
    this.network.addHost(server, { name: address.address, addresses: server.addresses }, receive)
    return server
  }

  /** A stage whose client has its allocation. */
  static allocated(setup?: TurnSetup): TurnStage {
    const stage = new TurnStage(setup)
    stage.network.runUntil(() => stage.client.state === 'allocated')
    return stage
  }

  get relayed(): SocketAddress {
    return this.client.relayedAddresses[0]!
  }

  get events(): TurnEvent[] {
    return this.host.events.map(({ event }) => event)
  }

  get ended(): TurnEnded | undefined {
    return this.events.find((event) => event.type === 'ended')
  }

  get datagrams(): TurnDatagram[] {
    return this.events.filter((event) => event.type === 'datagram')
  }

  send(text: string, destination: SocketAddress = PEER): void {
    const contents = new TextEncoder().encode(text)
    if (!this.client.relay({ source: this.relayed, destination, contents })) throw new Error('not relayed')
  }

  /** Sends something every `interval` ms. */
  talk(duration: number, interval: number, destination?: SocketAddress): void {
    for (const end = this.network.now + duration; this.network.now < end;) {
      this.send(`at ${this.network.now}`, destination)
      this.network.runFor(interval)
    }
  }
}

/** All that the client has to send and to tell, and when it is due next. */
export function drain(client: TurnClient): { contents: Uint8Array[]; events: TurnEvent[]; at: Instant } {
  const [contents, events]: [Uint8Array[], TurnEvent[]] = [[], []]
  for (;;) {
    const output = client.pollOutput()
    if (output.kind === 'timeout') return { contents, events, at: output.at }
    if (output.kind === 'event') events.push(output.event)
    else contents.push(output.contents)
  }
}
