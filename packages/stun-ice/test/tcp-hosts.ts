import { type Instant, NEVER, sameSocketAddress, SeededRandom, type SocketAddress } from '@str0m/sans-io'
import { type IceAgent, type IceEvent, IceTcpFraming, type IceTransmit } from '../src/index.ts'

/** The port of an active candidate: RFC 6544 section 4.5. */
export const DISCARD = 9
/** One way, ms. */
const LATENCY = 20
/** Bytes of the stream that come at once, at most. */
const MAX_PIECE = 100

interface Connection {
  readonly client: Host
  /** The end of who has connected, as the other side sees it. */
  readonly from: SocketAddress
  /** The base of the candidate that it was made from. */
  readonly base: SocketAddress
  readonly to: SocketAddress
  readonly server: Host
  readonly framings: ReadonlyMap<Host, IceTcpFraming>
  open: boolean
}

interface Host {
  readonly agent: IceAgent
  readonly events: IceEvent[]
}

interface Arrival {
  readonly at: Instant
  deliver(): void
}

/** Two agents, between which there is no UDP unless it is let through, and TCP: each connection a stream that is cut at random, in order and complete. */
export class TcpHosts {
  now: Instant = 0
  udp = false
  /** Whether connections are accepted. */
  accepts = true
  readonly a: Host
  readonly b: Host
  readonly connections: Connection[] = []
  /** What was sent over TCP, STUN messages all. */
  readonly sent: IceTransmit[] = []
  readonly #random: SeededRandom
  #arrivals: Arrival[] = []
  #ports = 40_000

  constructor(a: IceAgent, b: IceAgent, seed: number) {
    this.a = { agent: a, events: [] }
    this.b = { agent: b, events: [] }
    this.#random = new SeededRandom(seed)
  }

  get open(): readonly Connection[] {
    return this.connections.filter(({ open }) => open)
  }

  /** Closes all connections; what is under way is lost. */
  cut(): void {
    for (const connection of this.connections) connection.open = false
  }

  runFor(ms: number): void {
    this.runUntil(() => false, this.now + ms)
  }

  /** Runs until it is so; answers whether it came to be before `end`. */
  runUntil(done: () => boolean, end: Instant): boolean {
    for (;;) {
      const at = Math.min(this.#drain(this.a), this.#drain(this.b), this.#arrivals[0]?.at ?? NEVER)
      if (done()) return true
      if (at > end) {
        this.now = end
        return false
      }
      this.now = Math.max(this.now, at)
      const due = this.#arrivals.filter((arrival) => arrival.at <= this.now)
      this.#arrivals = this.#arrivals.filter((arrival) => arrival.at > this.now)
      for (const arrival of due) arrival.deliver()
      for (const { agent } of [this.a, this.b]) agent.handleInput({ kind: 'timeout', now: this.now })
    }
  }

  #drain(host: Host): Instant {
    for (;;) {
      const output = host.agent.pollOutput()
      if (output.kind === 'timeout') return output.at
      if (output.kind === 'event') host.events.push(output.event)
      else if (output.proto === 'tcp') this.#sendTcp(host, output)
      else if (this.udp) this.#sendUdp(host, output)
    }
  }

  #sendUdp(host: Host, { source, destination, contents }: IceTransmit): void {
    const { agent } = this.#other(host)
    this.#arrive(() =>
      agent.handleInput({
        kind: 'receive',
        now: this.now,
        proto: 'udp',
        source,
        destination,
        contents: contents.slice(),
      }),
    )
  }

  #sendTcp(host: Host, transmit: IceTransmit): void {
    this.sent.push(transmit)
    const connection = this.#connection(host, transmit)
    if (connection === undefined) return
    const frame = IceTcpFraming.frame(transmit.contents)
    for (let from = 0; from < frame.length;) {
      const piece = frame.slice(from, from + 1 + this.#random.integer(MAX_PIECE))
      from += piece.length
      this.#arrive(() => this.#deliver(connection, this.#other(host), piece))
    }
  }

  #connection(host: Host, { source, destination }: IceTransmit): Connection | undefined {
    if (source.port !== DISCARD) {
      return this.open.find(
        ({ server, from, to }) =>
          server === host && sameSocketAddress(from, destination) && sameSocketAddress(to, source),
      )
    }
    const existing = this.open.find(({ client, to }) => client === host && sameSocketAddress(to, destination))
    if (existing !== undefined) return existing
    const server = this.#other(host)
    const listens = server.agent.localCandidates.some(
      ({ tcpType, base }) => tcpType === 'passive' && sameSocketAddress(base, destination),
    )
    if (!this.accepts || !listens) return undefined
    const connection: Connection = {
      client: host,
      server,
      from: { address: source.address, port: this.#ports++ },
      base: source,
      to: destination,
      framings: new Map([
        [host, new IceTcpFraming()],
        [server, new IceTcpFraming()],
      ]),
      open: true,
    }
    this.connections.push(connection)
    return connection
  }

  #deliver(connection: Connection, to: Host, piece: Uint8Array): void {
    if (!connection.open) return
    const [source, destination] =
      to === connection.server ? [connection.from, connection.to] : [connection.to, connection.base]
    for (const contents of connection.framings.get(to)!.read(piece)) {
      to.agent.handleInput({ kind: 'receive', now: this.now, proto: 'tcp', source, destination, contents })
    }
  }

  #arrive(deliver: () => void): void {
    this.#arrivals.push({ at: this.now + LATENCY, deliver })
  }

  #other(host: Host): Host {
    return host === this.a ? this.b : this.a
  }
}
