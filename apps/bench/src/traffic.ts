import type { ChildProcess } from 'node:child_process'
import { startChild } from './child.ts'
import type { FromTraffic, TrafficOptions, TrafficResult, TrafficRound } from './traffic-process.ts'

/** Connecting a hundred peers one after the other takes some stacks a while, ms. */
const CONNECT_TIMEOUT = 60_000
const ROUND_TIMEOUT = 30_000

/** A pair of processes that are connected, from the one that runs the benchmarks. */
class Traffic {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(options: TrafficOptions): Promise<Traffic> {
    const traffic = new Traffic(startChild('./traffic-process.js', [JSON.stringify(options)]))
    await traffic.#next(CONNECT_TIMEOUT)
    return traffic
  }

  async run(round: TrafficRound): Promise<TrafficResult> {
    const next = this.#next(ROUND_TIMEOUT)
    this.#child.send(round)
    const message = await next
    if (message === 'ready' || !('result' in message)) throw new Error('No result')
    return message.result
  }

  /** Ends both processes. */
  stop(): void {
    this.#child.removeAllListeners()
    if (this.#child.connected) this.#child.disconnect()
  }

  #next(timeout: number): Promise<FromTraffic> {
    return new Promise((resolve, reject) => {
      const done = (take: () => void): void => {
        clearTimeout(timer)
        this.#child.removeAllListeners()
        take()
      }
      const fail = (text: string): void =>
        done(() => {
          this.stop()
          reject(new Error(text))
        })
      const timer = setTimeout(() => fail(`nothing came within ${timeout / 1000} s`), timeout)
      this.#child.once('message', (value) => {
        const message = value as FromTraffic
        if (message !== 'ready' && 'error' in message) fail(message.error)
        else done(() => resolve(message))
      })
      this.#child.once('error', (error) => fail(error.message))
      this.#child.once('exit', (code, signal) => fail(`the process ended with ${signal ?? code}`))
    })
  }
}

/** What one contender of `runTraffic` found: a list of results for each round that it was asked for, or why it is left out. */
export interface Contender<R> {
  readonly name: string
  readonly options: TrafficOptions
  readonly rounds: readonly R[]
}

export interface TrafficRounds<R> {
  /** By the name of the contender, then by round. */
  readonly results: ReadonlyMap<string, ReadonlyMap<R, readonly TrafficResult[]>>
  readonly leftOut: readonly string[]
}

/**
 * Runs the rounds of all contenders, each a pair of processes, in turns: what slows the machine for a while slows all. One that fails is left out from
 * then on. `warmUp` rounds of each come before those that count.
 */
export async function runTraffic<R extends TrafficRound>(
  contenders: readonly Contender<R>[],
  { repeats, warmUp }: { readonly repeats: number; readonly warmUp: number },
): Promise<TrafficRounds<R>> {
  const results = new Map<string, Map<R, TrafficResult[]>>()
  const leftOut: string[] = []
  const running = new Map<Contender<R>, Traffic>()
  const leaveOut = ({ name }: Contender<R>, error: unknown): void => {
    leftOut.push(`${name} is left out: ${error instanceof Error ? error.message : String(error)}`)
  }
  for (const contender of contenders) {
    try {
      running.set(contender, await Traffic.start(contender.options))
      results.set(contender.name, new Map(contender.rounds.map((round) => [round, []])))
    } catch (error) {
      leaveOut(contender, error)
    }
  }
  const most = Math.max(0, ...contenders.map(({ rounds }) => rounds.length))
  for (let repeat = -warmUp; repeat < repeats; repeat++) {
    for (let i = 0; i < most; i++) {
      for (const [contender, traffic] of rotated([...running], repeat + warmUp)) {
        const round = contender.rounds[i]
        if (round === undefined) continue
        try {
          const result = await traffic.run(round)
          if (repeat >= 0) results.get(contender.name)?.get(round)?.push(result)
        } catch (error) {
          running.delete(contender)
          leaveOut(contender, error)
        }
      }
    }
  }
  for (const traffic of running.values()) traffic.stop()
  return { results, leftOut }
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}
