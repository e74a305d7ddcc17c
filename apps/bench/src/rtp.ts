import type { Cell, Goal, Section } from './report.ts'
import type { Settings } from './settings.ts'
import type { StackName } from './stack.ts'
import { median, pairedRatio } from './statistics.ts'
import { type Contender, runTraffic } from './traffic.ts'
import type { TrafficResult, TrafficRound } from './traffic-process.ts'

type Round = Extract<TrafficRound, { kind: 'packets' }>

const FLOOR = 'floor: no stack'
const OURS = '@str0m'
const STACKS: readonly { name: string; stack: StackName; other: boolean }[] = [
  { name: FLOOR, stack: 'bare', other: false },
  { name: OURS, stack: '@str0m', other: false },
  { name: 'node-datachannel', stack: 'node-datachannel', other: true },
  { name: 'werift', stack: 'werift', other: true },
]
const GOAL_CPU = 6
/** Packets each ms: the slowest receiver has time for them. */
const BURST = 32

/** RTP packets through a connected pair. */
export async function measureRtp({ quick, alone }: Settings): Promise<Section> {
  const round: Round = { kind: 'packets', burst: BURST, bursts: quick ? 100 : 400 }
  const contenders = STACKS.filter(({ other }) => !alone || !other).map(
    ({ name, stack }): Contender<Round> => ({
      name,
      options: { stack, purpose: 'packets', subscribers: 0 },
      rounds: [round],
    }),
  )
  const { results, leftOut } = await runTraffic(contenders, {
    repeats: quick ? 2 : 15,
    warmUp: quick ? 2 : 4,
  })
  const failure = leftOut.find((line) => line.startsWith(OURS))
  if (failure !== undefined) throw new Error(failure)
  const floor = results.get(FLOOR)?.get(round) ?? []
  const rows: Cell[][] = []
  const goals: Goal[] = []
  for (const { name } of contenders) {
    const own = results.get(name)?.get(round) ?? []
    if (own.length === 0) continue
    const sent = own.map(toSend)
    const received = own.map(toReceive)
    const isPaired = own.length === floor.length
    const lost = 1 - sum(own.map((result) => result.received)) / sum(own.map((result) => result.sent))
    rows.push([
      name,
      median(sent),
      isPaired ? pairedRatio(sent, floor.map(toSend)) : undefined,
      median(received),
      isPaired ? pairedRatio(received, floor.map(toReceive)) : undefined,
      100 * lost,
    ])
    if (name !== OURS) continue
    const bound = 'under'
    goals.push({ text: 'CPU to send a packet', measured: median(sent), bound, limit: GOAL_CPU, unit: 'µs' })
    goals.push({
      text: 'CPU to receive a packet',
      measured: median(received),
      bound,
      limit: GOAL_CPU,
      unit: 'µs',
    })
  }
  return {
    title: 'RTP packets of 1200 bytes through a connected pair of processes',
    notes: [
      `CPU µs a packet of the whole process; ${BURST} packets each ms, so that no receiver is drowned. Medians of rounds in turns.`,
      `Ratios are medians of the ratios to the floor's rounds: a one-shot AES-128-GCM of node:crypto and a socket.`,
      ...leftOut,
    ],
    columns: ['stack', 'to send µs', 'ratio', 'to receive µs', 'ratio', 'lost %'],
    rows,
    goals,
  }
}

function toSend({ offererCpu, sent }: TrafficResult): number {
  return (1000 * offererCpu) / sent
}

function toReceive({ answererCpu, received }: TrafficResult): number {
  return (1000 * answererCpu) / received
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
