import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { Link, type LinkOptions, type LinkStatistics } from '@str0m/netem'

const ADDRESS = '127.0.0.1'

interface Datagram {
  readonly contents: Uint8Array
  readonly send: (contents: Uint8Array) => void
}

/** A UDP relay on loopback that does to datagrams what a bad network does, in real time: for tests with programs that have sockets of their own. */
export class ShapedRelay {
  readonly #front: Socket
  readonly #target: number
  readonly #up: Link<Datagram>
  readonly #down: Link<Datagram>
  /** A socket for each who sends through it, by address: who is behind it sees each as one peer. */
  readonly #backs = new Map<string, Socket>()
  #timer: NodeJS.Timeout | undefined

  private constructor(front: Socket, target: number, seed: number) {
    this.#front = front
    this.#target = target
    this.#up = new Link(2 * seed, {})
    this.#down = new Link(2 * seed + 1, {})
    front.on('message', (contents, from) => this.#receive(contents, from))
  }

  /** Starts one before the port `target`. */
  static async start(target: number, seed: number): Promise<ShapedRelay> {
    const front = createSocket('udp4')
    front.bind(0, ADDRESS)
    await once(front, 'listening')
    return new ShapedRelay(front, target, seed)
  }

  /** Where it is reached. */
  get port(): number {
    return this.#front.address().port
  }

  /** Changes what is done to datagrams on their way to the target. */
  configureUp(options: LinkOptions): void {
    this.#up.configure(performance.now(), options)
  }

  /** Changes what is done to datagrams on their way back. */
  configureDown(options: LinkOptions): void {
    this.#down.configure(performance.now(), options)
  }

  get down(): LinkStatistics {
    return this.#down.statistics
  }

  /** Bytes that wait on their way back. */
  get queuedDown(): number {
    return this.#down.queuedBytes(performance.now())
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#front.close()
    for (const back of this.#backs.values()) back.close()
  }

  #receive(contents: Uint8Array, from: RemoteInfo): void {
    const back = this.#backs.get(`${from.address} ${from.port}`) ?? this.#open(from)
    const send = (bytes: Uint8Array): void => back.send(bytes, this.#target, ADDRESS)
    this.#up.send(performance.now(), { contents, send })
    this.#run()
  }

  #open({ address, port }: RemoteInfo): Socket {
    const back = createSocket('udp4')
    back.bind(0, ADDRESS)
    const send = (bytes: Uint8Array): void => this.#front.send(bytes, port, address)
    back.on('message', (contents) => {
      this.#down.send(performance.now(), { contents, send })
      this.#run()
    })
    this.#backs.set(`${address} ${port}`, back)
    return back
  }

  /** Hands on what has arrived, and sleeps until the next will have. */
  #run(): void {
    const now = performance.now()
    for (const link of [this.#up, this.#down]) {
      for (let item = link.poll(now); item !== undefined; item = link.poll(now)) item.send(item.contents)
    }
    clearTimeout(this.#timer)
    const at = Math.min(this.#up.nextAt(), this.#down.nextAt())
    if (at === Infinity) return
    this.#timer = setTimeout(() => this.#run(), Math.max(0, at - performance.now()))
  }
}
