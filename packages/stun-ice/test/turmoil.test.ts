import { type Instant, SeededRandom, type SocketAddress } from '@str0m/sans-io'
import { describe, expect, test } from 'vitest'
import { Candidate, IceAgent, type IcePair } from '../src/index.ts'
import { at, receive, seededCrypto } from './support.ts'

/** A path between an address of the one side and one of the other. */
interface Path {
  isUp: boolean
  readonly latency: number
}

/**
 * Two agents with up to three addresses each, on paths that come and go. What the first one sends goes through a NAT that may give each of its addresses
 * another port at any time.
 */
class Turmoil {
  readonly random: SeededRandom
  readonly a: IceAgent
  readonly b: IceAgent
  now: Instant = 0
  loss = 0.1
  readonly #paths = new Map<string, Path>()
  /** The port that the NAT gives, by the address inside. */
  readonly #ports = new Map<string, number>()
  readonly #planned: { readonly at: Instant; run(): void }[] = []
  #generation = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    const lite = this.chance(0.2)
    const controlling = this.chance(0.7)
    this.a = new IceAgent({ crypto: seededCrypto(2 * seed), controlling })
    this.b = new IceAgent({
      crypto: seededCrypto(2 * seed + 1),
      lite,
      controlling: !lite && this.chance(0.3),
    })
    const [left, right] = [this.#addresses('192.0.2'), this.#addresses('198.51.100')]
    for (const address of left) this.a.addLocalCandidate(Candidate.host(at(address, 5000)))
    for (const address of right) this.b.addLocalCandidate(Candidate.host(at(address, 5000)))
    for (const from of left) {
      this.#ports.set(from, 5000)
      for (const to of right) {
        this.#paths.set(`${from} ${to}`, { isUp: this.chance(0.8), latency: 1 + this.random.integer(150) })
      }
    }
    if (lite) this.a.setRemoteLite(true)
    this.calm()
    this.#signalBoth(this.a, this.b)
  }

  #addresses(network: string): string[] {
    return Array.from({ length: 1 + this.random.integer(3) }, (_, i) => `${network}.${i + 1}`)
  }

  chance(probability: number): boolean {
    return this.random.integer(1000) < probability * 1000
  }

  /** Something changes, and time passes. */
  disturb(): void {
    const kind = this.random.integer(4)
    if (kind === 0) this.#restart()
    else if (kind === 1) this.#rebind()
    else this.#any([...this.#paths.values()]).isUp = this.chance(0.5)
    this.runFor(this.random.integer(12_000))
  }

  /** There is a path. */
  calm(): void {
    const paths = [...this.#paths.values()]
    if (!paths.some(({ isUp }) => isUp)) this.#any(paths).isUp = true
  }

  #any<T>(of: readonly T[]): T {
    return of[this.random.integer(of.length)]!
  }

  #rebind(): void {
    const address = this.#any([...this.#ports.keys()])
    this.#ports.set(address, this.#ports.get(address)! + 1)
  }

  #restart(): void {
    const sides = this.chance(0.5) ? ([this.a, this.b] as const) : ([this.b, this.a] as const)
    sides[0].restart()
    this.runFor(this.random.integer(1000))
    sides[1].restart()
    this.#signalBoth(...sides)
    // one after the other
    this.runFor(2000)
  }

  #signalBoth(from: IceAgent, to: IceAgent): void {
    this.#generation++
    this.#signal(from, to)
    this.#plan(this.random.integer(1000), () => this.#signal(to, from))
  }

  #signal(from: IceAgent, to: IceAgent): void {
    to.setRemoteCredentials(from.localCredentials)
    for (const candidate of from.localCandidates) {
      const parsed = Candidate.parse(candidate.toString())!
      this.#plan(this.random.integer(500), () => to.addRemoteCandidate(parsed))
    }
    this.#plan(500, () => to.endOfRemoteCandidates())
  }

  /** For this generation. */
  #plan(delay: number, what: () => void): void {
    const generation = this.#generation
    const run = (): void => {
      if (generation === this.#generation) what()
    }
    this.#planned.push({ at: this.now + delay, run })
  }

  runFor(ms: number): void {
    for (const end = this.now + ms; ;) {
      this.#planned.sort((one, other) => one.at - other.at)
      const next = Math.min(this.#drain(this.a), this.#drain(this.b), this.#planned[0]?.at ?? Infinity)
      if (next > end) {
        this.now = end
        return
      }
      this.now = Math.max(this.now, next)
      while (this.#planned.length > 0 && this.#planned[0]!.at <= this.now) this.#planned.shift()!.run()
      for (const agent of [this.a, this.b]) agent.handleInput({ kind: 'timeout', now: this.now })
    }
  }

  /** Answers when the agent is due. */
  #drain(agent: IceAgent): Instant {
    for (;;) {
      const output = agent.pollOutput()
      if (output.kind === 'timeout') return output.at
      if (output.kind === 'transmit') this.#carry(agent, output.source, output.destination, output.contents)
    }
  }

  #carry(from: IceAgent, source: SocketAddress, destination: SocketAddress, contents: Uint8Array): void {
    const isOut = from === this.a
    const [inside, outside] = isOut ? [source, destination] : [destination, source]
    const path = this.#paths.get(`${inside.address} ${outside.address}`)
    const port = this.#ports.get(inside.address)!
    if (path?.isUp !== true || this.chance(this.loss) || (!isOut && inside.port !== port)) return
    const arrives = isOut
      ? { source: at(inside.address, port), destination, contents }
      : { source, destination: at(inside.address, 5000), contents }
    const to = isOut ? this.b : this.a
    this.#planned.push({ at: this.now + path.latency, run: () => to.handleInput(receive(this.now, arrives)) })
  }

  /** Both send on one nominated pair, which is up. */
  get isJoined(): boolean {
    const [left, right] = [this.a.selectedPair, this.b.selectedPair]
    if (left?.nominated !== true || right?.nominated !== true) return false
    const { source, destination } = left
    return this.#paths.get(`${source.address} ${destination.address}`)!.isUp && this.#isReverse(left, right)
  }

  #isReverse({ source, destination }: IcePair, back: IcePair): boolean {
    return (
      back.source.address === destination.address &&
      back.destination.address === source.address &&
      back.destination.port === this.#ports.get(source.address)
    )
  }
}

describe('two agents on paths that come and go, behind NATs that forget, with restarts', () => {
  test('agree on one pair that works, unless consent was lost on all', () => {
    let failed = 0
    for (let seed = 1; seed <= 300; seed++) {
      const turmoil = new Turmoil(seed)
      turmoil.runFor(3000)
      for (let i = seed % 8; i > 0; i--) turmoil.disturb()
      turmoil.calm()
      turmoil.loss = 0
      // the slowest way to it: a pair expires, and its peer asks for it again
      turmoil.runFor(80_000)
      const { a, b } = turmoil
      if (a.state === 'failed' || b.state === 'failed') failed++
      else expect(turmoil.isJoined, `seed ${seed}: ${a.state}, ${b.state}`).toBe(true)
    }
    expect(failed).toBeLessThan(5)
  })
})
