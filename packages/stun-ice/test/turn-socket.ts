import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { SocketAddress } from '@str0m/sans-io'
import {
  TurnClient,
  type TurnClientOptions,
  type TurnEnded,
  type TurnEvent,
  TurnFraming,
  type TurnTransmit,
} from '../src/index.ts'

export type Way = 'udp' | 'tcp' | 'tls'

interface Line {
  readonly base: SocketAddress
  send(transmit: TurnTransmit): void
  close(): void
}

/** A TURN client on a socket of its own, in real time. */
export class TurnSocket {
  readonly client: TurnClient
  readonly events: TurnEvent[] = []
  /** Called with each event. */
  onEvent: ((event: TurnEvent) => void) | undefined
  readonly #line: Line
  #timer: NodeJS.Timeout | undefined
  #abandoned = false

  private constructor(client: TurnClient, line: Line) {
    this.client = client
    this.#line = line
  }

  static async open(
    way: Way,
    server: SocketAddress,
    options: Omit<TurnClientOptions, 'server' | 'base'>,
  ): Promise<TurnSocket> {
    let receive = (_contents: Uint8Array, _source: SocketAddress): void => {}
    const take = (contents: Uint8Array, source: SocketAddress): void => receive(contents, source)
    const line = await (way === 'udp' ? udp(server, take) : stream(way, server, take))
    const { base } = line
    const client = new TurnClient({ server, base, proto: way === 'udp' ? 'udp' : 'tcp', ...options })
    const socket = new TurnSocket(client, line)
    receive = (contents, source) => {
      client.handleInput({ kind: 'receive', now: performance.now(), source, contents })
      socket.run()
    }
    socket.#wake()
    return socket
  }

  get relayed(): SocketAddress {
    return this.client.relayedAddresses[0]!
  }

  get ended(): TurnEnded | undefined {
    return this.events.find((event) => event.type === 'ended')
  }

  /** The datagrams from peers, as text. */
  get texts(): string[] {
    return this.events.flatMap((event) =>
      event.type === 'datagram' ? [Buffer.from(event.contents).toString()] : [],
    )
  }

  send(text: string, destination: SocketAddress): void {
    this.client.relay({ source: this.relayed, destination, contents: new Uint8Array(Buffer.from(text)) })
    this.run()
  }

  async until(condition: () => boolean, what: string, within = 10_000): Promise<void> {
    for (const end = performance.now() + within; !condition();) {
      if (performance.now() > end) throw new Error(`${what} has not come`)
      await new Promise((resolve) => {
        setTimeout(resolve, 10)
      })
    }
  }

  /** Drives the client on. */
  run(): void {
    for (;;) {
      const output = this.client.pollOutput()
      if (output.kind === 'transmit') this.#line.send(output)
      else if (output.kind === 'timeout') return this.#wakeAt(output.at)
      else {
        this.events.push(output.event)
        this.onEvent?.(output.event)
      }
    }
  }

  async close(): Promise<void> {
    this.client.close()
    this.run()
    await this.until(() => this.client.state === 'ended', 'the end')
    this.abandon()
  }

  /** As where the process has died. */
  abandon(): void {
    if (this.#abandoned) return
    this.#abandoned = true
    clearTimeout(this.#timer)
    this.#line.close()
  }

  #wakeAt(at: number): void {
    clearTimeout(this.#timer)
    if (at === Infinity) return
    // Node's timers cut off fractions: rounded down, each would come twice
    const delay = Math.ceil(Math.max(0, at - performance.now()))
    this.#timer = setTimeout(() => this.#wake(), delay)
  }

  #wake(): void {
    this.client.handleInput({ kind: 'timeout', now: performance.now() })
    this.run()
  }
}

type Take = (contents: Uint8Array, source: SocketAddress) => void

async function udp(server: SocketAddress, take: Take): Promise<Line> {
  const socket = createSocket('udp4')
  socket.bind(0, server.address)
  await once(socket, 'listening')
  socket.on('message', take)
  return {
    base: { address: server.address, port: socket.address().port },
    send: ({ contents, destination }) => socket.send(contents, destination.port, destination.address),
    close: () => socket.close(),
  }
}

async function stream(way: 'tcp' | 'tls', server: SocketAddress, take: Take): Promise<Line> {
  const to = { host: server.address, port: server.port }
  const socket = way === 'tcp' ? connectTcp(to) : connectTls({ ...to, rejectUnauthorized: false })
  await once(socket, way === 'tcp' ? 'connect' : 'secureConnect')
  const framing = new TurnFraming()
  socket.on('data', (part) => {
    for (const message of framing.read(part)) take(message, server)
    if (framing.broken) socket.destroy()
  })
  socket.on('error', () => socket.destroy())
  return {
    base: { address: socket.localAddress!, port: socket.localPort! },
    send: ({ contents }) => socket.write(contents),
    close: () => socket.destroy(),
  }
}
