import { runChild } from './child.ts'
import type { DataEngineResult } from './data-engine-process.ts'
import type { Cell, Goal, Section } from './report.ts'
import type { Settings } from './settings.ts'
import type { StackName } from './load-stack.ts'
import { median, pairedRatio } from './statistics.ts'
import { type Contender, runTraffic } from './traffic.ts'
import type { TrafficResult, TrafficRound } from './traffic-process.ts'

type Round = Extract<TrafficRound, { kind: 'messages' }>

const SIZES = [1024, 16 * 1024, 64 * 1024]
const STACKS: readonly { name: string; stack: StackName; other: boolean }[] = [
  { name: 'floor: no stack', stack: 'bare', other: false },
  { name: '@str0m', stack: '@str0m', other: false },
  { name: 'node-datachannel', stack: 'node-datachannel', other: true },
  { name: 'werift', stack: 'werift', other: true },
]
const OURS = '@str0m'
const GOAL = 'node-datachannel'
const MB = 1e6
const ENGINE_TIMEOUT = 120_000

/** Messages by one data channel. */
export async function measureData({ quick, alone }: Settings): Promise<Section> {
  const rounds = SIZES.map((size): Round => ({ kind: 'messages', size, duration: quick ? 150 : 800 }))
  const contenders = STACKS.filter(({ other }) => !alone || !other).map(
    ({ name, stack }): Contender<Round> => ({
      name,
      options: { stack, purpose: 'data', subscribers: 0 },
      rounds,
    }),
  )
  const { results, leftOut } = await runTraffic(contenders, { repeats: quick ? 1 : 7, warmUp: quick ? 1 : 2 })
  const failure = leftOut.find((line) => line.startsWith(OURS))
  if (failure !== undefined) throw new Error(failure)
  const engine = await runChild<DataEngineResult>(
    './data-engine-process.js',
    [JSON.stringify(SIZES), quick ? '1' : '5'],
    {
      timeout: ENGINE_TIMEOUT,
    },
  )
  const rows: Cell[][] = []
  const goals: Goal[] = []
  for (const [i, round] of rounds.entries()) {
    const found = (name: string): readonly TrafficResult[] => results.get(name)?.get(round) ?? []
    const goal = found(GOAL)
    for (const { name } of contenders) {
      const own = found(name)
      if (own.length === 0) continue
      const speeds = own.map((result) => speed(result, round))
      const efficiencies = own.map((result) => efficiency(result, round))
      const speedRatio = ratio(
        speeds,
        goal.map((result) => speed(result, round)),
      )
      const efficiencyRatio = ratio(
        efficiencies,
        goal.map((result) => efficiency(result, round)),
      )
      rows.push([name, round.size / 1024, median(speeds), speedRatio, median(efficiencies), efficiencyRatio])
      if (name !== OURS || speedRatio === undefined || efficiencyRatio === undefined) continue
      const what = `${round.size / 1024} KiB, of ${GOAL}`
      const bound = 'at least'
      goals.push({ text: `MB/s with ${what}`, measured: speedRatio, bound, limit: 1, unit: '' })
      goals.push({
        text: `MB per CPU-second with ${what}`,
        measured: efficiencyRatio,
        bound,
        limit: 1,
        unit: '',
      })
    }
    const efficiencies = engine.bytes.map((bytes, n) => bytes / MB / (engine.cpu[i]![n]! / 1000))
    rows.push([
      `${OURS}, no sockets`,
      round.size / 1024,
      undefined,
      undefined,
      median(efficiencies),
      undefined,
    ])
  }
  return {
    title: 'Messages by one data channel, reliable and ordered, two processes on loopback',
    notes: [
      'As fast as backpressure allows; MB/s until the last has arrived, MB by the CPU time of both processes together. Medians of rounds in turns.',
      `Ratios are medians of the ratios to ${GOAL}'s rounds, which ran right before or after.`,
      'floor: pieces of messages with a one-shot AES-128-GCM each, every second one acknowledged, a window of 256. No sockets: two Rtc in one process, in virtual time.',
      ...leftOut,
    ],
    columns: ['stack', 'KiB', 'MB/s', 'ratio', 'MB per CPU-s', 'ratio'],
    rows,
    goals,
  }
}

function ratio(values: readonly number[], base: readonly number[]): number | undefined {
  return values.length === base.length ? pairedRatio(values, base) : undefined
}

function speed({ received, time }: TrafficResult, { size }: Round): number {
  return (received * size) / MB / (time / 1000)
}

function efficiency({ received, offererCpu, answererCpu }: TrafficResult, { size }: Round): number {
  return (received * size) / MB / ((offererCpu + answererCpu) / 1000)
}
