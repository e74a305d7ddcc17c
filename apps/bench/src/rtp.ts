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
/** The same of a floor of 4 µs, which it was on the machine that the goal was set on. */
const GOAL_RATIO = 1.5
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
    const sendRatio = ratio(sent, floor.map(toSend))
    const receiveRatio = ratio(received, floor.map(toReceive))
    const lost = 1 - sum(own.map((result) => result.received)) / sum(own.map((result) => result.sent))
    rows.push([name, median(sent), sendRatio, median(received), receiveRatio, 100 * lost])
    if (name === OURS)
      goals.push(...goalsOf('send', sent, sendRatio), ...goalsOf('receive', received, receiveRatio))
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

function goalsOf(verb: string, cpu: readonly number[], ofFloor: number): Goal[] {
  const bound = 'under'
  return [
    { text: `CPU to ${verb} a packet`, measured: median(cpu), bound, limit: GOAL_CPU, unit: 'µs' },
    { text: `CPU to ${verb} a packet, of the floor`, measured: ofFloor, bound, limit: GOAL_RATIO, unit: '' },
  ]
}

/** `NaN` where the rounds are no pairs. */
function ratio(values: readonly number[], base: readonly number[]): number {
  return values.length === base.length ? pairedRatio(values, base) : Number.NaN
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
