import type { ChildProcess } from 'node:child_process'
import { startChild } from './child.ts'
import { type FromAnswerer, monotonicTime, readUsage, type ToAnswerer, type Usage } from './signalling.ts'
import { loadStack, type StackName } from './load-stack.ts'
import type { OpenOptions, Peer, Stack } from './stack.ts'

/** How long one connection may take, ms. */
const CONNECT_TIMEOUT = 30_000

export interface Connection {
  readonly id: number
  readonly peer: Peer
  /** From making the first peer to both being connected, ms. */
  readonly latency: number
}

/** The usage of both sides at about the same time. */
export interface BothUsages {
  readonly offerer: Usage
  readonly answerer: Usage
  /** Messages or packets that the side that answers has received so far. */
  readonly received: number
}

const NOTHING_MORE: OpenOptions = { purpose: 'connection' }

/** The side that offers, in this process; it starts the process of the other side. */
export class Offerer {
  readonly #stack: Stack
  readonly #answerer: ChildProcess
  #waiting: ((message: FromAnswerer) => void)[] = []
  #ids = 0

  private constructor(stack: Stack, answerer: ChildProcess) {
    this.#stack = stack
    this.#answerer = answerer
    answerer.on('message', (message) => {
      for (const take of this.#waiting.slice()) take(message as FromAnswerer)
    })
    answerer.once('exit', (code) => {
      if (code !== null) {
        console.error(`The side that answers ended with ${code}`)
        process.exit(1)
      }
    })
  }

  /** `other`: the stack of the side that answers. */
  static async start(name: StackName, other: StackName = name): Promise<Offerer> {
    const stack = await loadStack(name)
    const offerer = new Offerer(stack, startChild('./answer-process.js', [other]))
    await offerer.#next('ready')
    return offerer
  }

  /** Connects; where that fails, tries again until it has tried `tries` times. */
  async connect(tries = 1, options: OpenOptions = NOTHING_MORE): Promise<Connection> {
    for (let left = tries - 1; ; left--) {
      try {
        return await this.#connectOnce(options)
      } catch (error) {
        if (left === 0) throw error
      }
    }
  }

  async #connectOnce(options: OpenOptions): Promise<Connection> {
    const id = this.#ids++
    const start = monotonicTime()
    const peer = await this.#stack.open(options)
    const remote = this.#next('connected', id)
    const answer = this.#next('answer', id)
    // either may fail while the other is waited for
    remote.catch(() => {})
    answer.catch(() => {})
    this.#say({ kind: 'offer', id, purpose: options.purpose, sdp: await peer.createOffer() })
    await peer.acceptAnswer((await answer).sdp)
    await peer.connected
    const local = monotonicTime()
    const { at } = await remote
    return { id, peer, latency: Math.max(local, at) - start }
  }

  async close({ id, peer }: Connection): Promise<void> {
    const closed = this.#next('closed', id)
    this.#say({ kind: 'close', id })
    await Promise.all([peer.close(), closed])
  }

  async usage(collect: boolean): Promise<BothUsages> {
    const theirs = this.#next('usage')
    this.#say({ kind: 'usage', collect })
    const offerer = readUsage(collect)
    const { usage, received } = await theirs
    return { offerer, answerer: usage, received }
  }

  /** Waits until the other side has received so many messages or packets in all. Answers when that was, see `monotonicTime`. */
  async arrival(received: number): Promise<number> {
    const arrived = this.#next('arrived')
    this.#say({ kind: 'await', received })
    return (await arrived).at
  }

  /** Lets the other side send on what it receives on one connection to all the others. */
  forward(publisher: Connection, subscribers: readonly Connection[]): void {
    this.#say({ kind: 'forward', publisher: publisher.id, subscribers: subscribers.map(({ id }) => id) })
  }

  /** Ends the other process. */
  stop(): void {
    this.#answerer.removeAllListeners('exit')
    this.#answerer.kill('SIGKILL')
  }

  #say(message: ToAnswerer): void {
    this.#answerer.send(message)
  }

  #next<K extends FromAnswerer['kind']>(kind: K, id?: number): Promise<Extract<FromAnswerer, { kind: K }>> {
    return new Promise((resolve, reject) => {
      const forget = (): void => {
        clearTimeout(timer)
        this.#waiting = this.#waiting.filter((other) => other !== take)
      }
      const timer = setTimeout(() => {
        forget()
        reject(new Error(`No "${kind}" came within ${CONNECT_TIMEOUT / 1000} s`))
      }, CONNECT_TIMEOUT)
      const take = (message: FromAnswerer): void => {
        if (!isKind(message, kind)) return
        if (id !== undefined && 'id' in message && message.id !== id) return
        forget()
        resolve(message)
      }
      this.#waiting.push(take)
    })
  }
}

function isKind<K extends FromAnswerer['kind']>(
  message: FromAnswerer,
  kind: K,
): message is Extract<FromAnswerer, { kind: K }> {
  return message.kind === kind
}
