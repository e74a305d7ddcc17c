import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SeededRandom } from '@str0m/sans-io'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { type Delivery, SctpAssociation, type SctpEvent, type SctpOptions } from '../src/index.ts'

const CC = process.env['CC'] ?? 'cc'
const SOURCE = fileURLToPath(new URL('peers/usrsctp.c', import.meta.url))
/** How long is waited for the other program, ms: however busy the machine is. */
const PATIENCE = 60_000

function hasCompiler(): boolean {
  try {
    execFileSync(CC, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The message that `usrsctp.c` sends with this length, and what it says of one. */
function messageOf(stream: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (stream * 31 + length + i * 7) & 0xff)
}

function sumOf(bytes: Uint8Array): number {
  let sum = 1
  for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) >>> 0
  return sum
}

function lineOf(stream: number, ppid: number, bytes: Uint8Array, order: 'u' | 'o'): string {
  return `msg ${stream} ${ppid} ${bytes.length} ${sumOf(bytes)} ${order}`
}

/** An association on a socket, and usrsctp at the other end of it. */
class World {
  readonly machine: SctpAssociation
  readonly events: SctpEvent[] = []
  /** What usrsctp has said. */
  lines: string[] = []
  /** The share of datagrams that are lost, each way. */
  loss = 0
  readonly #program: string
  readonly #random: SeededRandom
  readonly #socket: Socket
  #child: ChildProcessWithoutNullStreams | undefined
  #port = 0
  /** Done when usrsctp is heard of, before what it says is taken. */
  #atFirst: (() => void) | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(program: string, socket: Socket, seed: number, options: SctpOptions) {
    this.#program = program
    this.#random = new SeededRandom(seed)
    this.#socket = socket
    this.machine = new SctpAssociation(options)
    socket.on('message', (contents) => {
      // one that was lost its peer, and has not its next
      if (this.#port === 0) return
      if (this.#random.float() < this.loss) return
      const atFirst = this.#atFirst
      this.#atFirst = undefined
      atFirst?.()
      this.machine.handleInput({ kind: 'receive', now: this.now, contents: new Uint8Array(contents) })
      this.drain()
    })
  }

  get now(): number {
    return performance.now()
  }

  /** Starts usrsctp, once more where it was: it knows nothing of what was. */
  async start(role: 'listen' | 'connect', ...options: string[]): Promise<void> {
    await this.#end()
    this.lines = []
    const child = spawn(this.#program, [String(this.#socket.address().port), role, ...options])
    this.#child = child
    let rest = ''
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop()!
      this.lines.push(...lines)
    })
    child.stderr.on('data', (chunk: Buffer) => this.lines.push(chunk.toString()))
    await this.until(() => this.lines.some((line) => line.startsWith('ready')))
    this.#port = Number(this.lines.find((line) => line.startsWith('ready'))!.split(' ')[1])
  }

  tell(line: string): void {
    this.#child!.stdin.write(`${line}\n`)
  }

  drain(): void {
    for (;;) {
      const output = this.machine.pollOutput()
      if (output.kind === 'event') {
        this.events.push(output.event)
      } else if (output.kind === 'transmit') {
        if (this.#random.float() >= this.loss) this.#socket.send(output.contents, this.#port, '127.0.0.1')
      } else {
        clearTimeout(this.#timer)
        if (output.at === Number.POSITIVE_INFINITY) return
        this.#timer = setTimeout(
          () => {
            this.machine.handleInput({ kind: 'timeout', now: this.now })
            this.drain()
          },
          Math.max(1, output.at - this.now),
        )
        return
      }
    }
  }

  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE
    while (!condition()) {
      if (Date.now() > deadline) {
        const events = this.events.map((event) =>
          event.type === 'message' ? 'message' : JSON.stringify(event),
        )
        const { state, statistics } = this.machine
        const said = this.lines.slice(-20).join('\n')
        throw new Error(`${state} ${JSON.stringify(statistics)}\n${events.slice(-20).join('\n')}\n${said}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  /** Both are connected; `by` whom. */
  async connect(by: 'us' | 'usrsctp' | 'both', ...options: string[]): Promise<void> {
    // its INIT and ours pass each other: before it has sent one, it knows of no association and aborts ours
    if (by === 'both') this.#atFirst = () => this.machine.connect(this.now)
    await this.start(by === 'us' ? 'listen' : 'connect', ...options)
    if (by === 'us') this.machine.connect(this.now)
    this.drain()
    await this.until(() => this.isConnected && (this.lines.includes('up') || this.lines.includes('accepted')))
  }

  get isConnected(): boolean {
    return this.events.some(({ type }) => type === 'connected')
  }

  get messages(): string[] {
    return this.events.flatMap((event) =>
      event.type === 'message'
        ? [lineOf(event.stream, event.ppid, event.data, event.unordered ? 'u' : 'o')]
        : [],
    )
  }

  /** What usrsctp has got. */
  get received(): string[] {
    return this.lines.filter((line) => line.startsWith('msg '))
  }

  send(stream: number, length: number, delivery: Delivery = {}): string {
    const data = messageOf(stream, length)
    if (!this.machine.send(this.now, stream, 53, data, delivery)) throw new Error('the send buffer is full')
    return lineOf(stream, 53, data, delivery.unordered === true ? 'u' : 'o')
  }

  async #end(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#socket.close()
    await this.#end()
  }
}

const isHere = existsSync('/usr/include/usrsctp.h') && hasCompiler()

describe.skipIf(!isHere)('[usrsctp]', { timeout: 2 * PATIENCE }, () => {
  const program = join(scratchDirectory(), 'usrsctp-peer')
  let world: World | undefined
  beforeAll(() => {
    execFileSync(CC, ['-O1', SOURCE, '-o', program, '-lusrsctp', '-lpthread'])
  })
  afterEach(async () => {
    await world?.close()
    world = undefined
  })

  async function make(seed = 1, options: SctpOptions = {}): Promise<World> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    world = new World(program, socket, seed, options)
    return world
  }

  for (const kind of ['DATA', 'I-DATA'] as const) {
    const idata = kind === 'I-DATA' ? ['idata'] : []
    for (const by of ['us', 'usrsctp', 'both'] as const) {
      it(`${kind}, connected by ${by}: messages of any size on many streams, and the end of it`, async () => {
        const world = await make()
        await world.connect(by, ...idata, ...(by === 'us' ? ['eor'] : []))
        const sizes = [1, 2, 1159, 1160, 1161, 5000, 65_535, 262_144, 400_000]
        const sent: string[] = []
        const expected: string[] = []
        for (const [i, size] of sizes.entries()) {
          // usrsctp's window stays closed where a long unordered one follows another in I-DATA
          const unordered = i % 3 === 2 && (size < 10_000 || kind === 'DATA')
          const order = unordered ? 'u' : 'o'
          for (const stream of [0, 1, 100 * i + 7]) {
            sent.push(world.send(stream, size, { unordered }))
            expected.push(lineOf(stream, 51, messageOf(stream, size), order))
            world.tell(`send ${stream} 51 ${size} ${order}`)
          }
        }
        world.drain()
        await world.until(() => world.received.length >= sent.length && world.messages.length >= sent.length)
        expect(world.received.toSorted()).toEqual(sent.toSorted())
        expect(world.messages.toSorted()).toEqual(expected.toSorted())
        const { duplicate: _, ...dropped } = world.machine.statistics.dropped
        expect(dropped).toEqual({})
        if (by === 'us') {
          world.machine.shutdown(world.now)
          world.drain()
        } else {
          world.tell(by === 'both' ? 'abort' : 'shutdown')
        }
        await world.until(() => world.machine.state === 'closed')
        expect(world.events.at(-1)).toEqual({
          type: 'closed',
          reason: by === 'both' ? 'aborted-by-peer' : 'shutdown',
        })
      })
    }
  }

  it.each([
    ['DATA', []],
    ['I-DATA', ['idata']],
  ])(
    '%s, with losses: all arrives in order, and what is not to be sent again may be missing',
    async (_, options) => {
      const world = await make(7)
      await world.connect('us', ...options)
      world.loss = 0.1
      // in I-DATA, usrsctp says that messages are given up that are not, and then sends nothing more
      const givesUp = options.length === 0
      const reliable: string[] = []
      const expected: string[] = []
      for (let i = 0; i < 40; i++) {
        reliable.push(world.send(1, 2000 + i))
        expected.push(lineOf(1, 53, messageOf(1, 2000 + i), 'o'))
        world.send(2, 3000 + i, { maxRetransmits: 0 })
        world.send(3, 3000 + i, { lifetime: 30, unordered: true })
        world.tell(`send 1 53 ${2000 + i} o`)
        world.tell(`send 2 53 ${3000 + i} o${givesUp ? ' rtx 0' : ''}`)
        world.tell(`send 3 53 ${3000 + i} u${givesUp ? ' ttl 30' : ''}`)
      }
      const last = [world.send(2, 10), world.send(3, 10, { unordered: true })]
      for (const line of ['send 2 53 10 o', 'send 3 53 10 u']) world.tell(line)
      world.drain()
      const of = (lines: readonly string[], stream: number) =>
        lines.filter((line) => line.startsWith(`msg ${stream} `))
      for (const got of [() => world.received, () => world.messages]) {
        await world.until(() => of(got(), 1).length === 40 && last.every((line) => got().includes(line)))
        expect(of(got(), 1)).toEqual(reliable)
      }
      expect(expected).toEqual(reliable)
      // in order, what has come of it
      for (const lines of [world.received, world.messages]) {
        const lengths = of(lines, 2).map((line) => Number(line.split(' ')[3]))
        expect(lengths.slice(0, -1)).toEqual(lengths.slice(0, -1).toSorted((a, b) => a - b))
        expect(lengths.length).toBeLessThanOrEqual(41)
      }
      expect(world.machine.statistics.messagesAbandoned).toBeGreaterThan(0)
    },
  )

  it('streams are reset by either end, in the midst of data and losses, and used again', async () => {
    const world = await make(5)
    await world.connect('us')
    world.loss = 0.05
    const resets = (type: SctpEvent['type']) => world.events.filter((event) => event.type === type).length
    const said = (start: string) => world.lines.filter((line) => line.startsWith(start)).length
    for (let round = 1; round <= 8; round++) {
      for (let i = 0; i < 5; i++) {
        world.send(4, 3000 + i)
        world.send(6, 3000 + i)
        world.tell(`send 5 53 ${3000 + i} o`)
      }
      for (const stream of [4, 6]) world.machine.resetStream(world.now, stream)
      world.tell('reset 5')
      world.drain()
      await world.until(
        () =>
          resets('incomingReset') === round &&
          world.events.flatMap((event) => (event.type === 'outgoingReset' ? event.streams : [])).length ===
            2 * round &&
          said('reset out') === round,
      )
      await world.until(() => world.received.length === 10 * round && world.messages.length === 5 * round)
    }
    expect(said('reset failed')).toBe(0)
    expect(world.events.every((event) => event.type !== 'outgoingReset' || event.performed)).toBe(true)
  })

  it('one that does not read, and then does: the window closes, and opens', async () => {
    const world = await make(1, { rtoMax: 500, maxRetransmissions: 3 })
    await world.connect('us', 'window=65536')
    world.tell('pause')
    const sent = Array.from({ length: 100 }, (_, i) => world.send(0, 4000 + i))
    world.drain()
    await world.until(() => world.machine.statistics.peerWindow === 0)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(world.machine.state).toBe('established')
    expect(world.received.length).toBeLessThan(50)
    world.tell('resume')
    await world.until(() => world.received.length === sent.length)
    expect(world.received).toEqual(sent)
  })

  it('one that has lost its state connects again, and once more', async () => {
    const world = await make()
    await world.connect('usrsctp')
    for (const stream of [3, 4]) {
      const before = world.send(stream, 5000)
      world.drain()
      await world.until(() => world.received.includes(before))
      await world.start('connect')
      await world.until(() => world.lines.includes('up'))
      expect(world.events.findLast((event) => event.type !== 'connected')!.type).toBe('restarted')
      world.tell(`send ${stream} 53 70000 o`)
      const after = world.send(stream, 70_000)
      world.drain()
      await world.until(() => world.received.includes(after) && world.messages.includes(after))
    }
  })

  it('a path that is down for a while, and one that is down for good', async () => {
    const world = await make(3, {
      rtoMax: 400,
      rtoInitial: 400,
      maxRetransmissions: 5,
      heartbeatInterval: 300,
    })
    await world.connect('usrsctp')
    const sent = [world.send(0, 1000)]
    world.drain()
    // heartbeats of both
    await new Promise((resolve) => setTimeout(resolve, 500))
    world.loss = 1
    sent.push(world.send(0, 100_000))
    world.tell('send 0 53 100000 o')
    world.drain()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    world.loss = 0
    await world.until(() => world.received.length === 2 && world.messages.length === 1)
    expect(world.received).toEqual(sent)
    world.loss = 1
    world.send(0, 1000)
    world.drain()
    await world.until(() => world.machine.state === 'closed')
    expect(world.events.at(-1)).toEqual({ type: 'closed', reason: 'timeout' })
  })

  it('one that knows nothing of the association: ABORT, whichever end', async () => {
    const world = await make()
    await world.connect('us')
    await world.start('listen')
    world.send(0, 100)
    world.drain()
    await world.until(() => world.machine.state === 'closed')
    expect(world.events.at(-1)).toEqual({ type: 'closed', reason: 'aborted-by-peer' })
    await world.start('connect')
    await world.until(() => world.lines.some((line) => line.startsWith('usrsctp_connect')))
  })
})
