import type { Cell, Goal, Section } from './report.ts'
import type { Settings } from './settings.ts'
import type { StackName } from './load-stack.ts'
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
/** CPU µs a packet, flat out. */
const GOAL_CPU = 6
/** The same of a floor of 4 µs, which it was on the machine that the goal was set on. */
const GOAL_RATIO = 1.5

/** RTP packets through a connected pair. */
export async function measureRtp({ quick, alone }: Settings): Promise<Section> {
  const rounds: readonly Round[] = [
    // the sender's event loop turns after each burst; where all packets of a round are lost, SRTP still knows the rollover counter (RFC 3711 section 3.3.1)
    { kind: 'packets', pace: 'flat out', burst: 16, bursts: quick ? 500 : 1000 },
    // the slowest receiver has time for them
    { kind: 'packets', pace: 'each ms', burst: 32, bursts: quick ? 100 : 400 },
  ]
  const rows: Cell[][] = []
  const goals: Goal[] = []
  const failures: string[] = []
  for (const round of rounds) {
    // new connections for each pace: a stack may not get over what it lost flat out
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
    failures.push(...leftOut)
    const floor = results.get(FLOOR)?.get(round) ?? []
    for (const { name } of contenders) {
      const own = results.get(name)?.get(round) ?? []
      if (own.length === 0) continue
      const sent = own.map(toSend)
      const received = own.map(toReceive)
      const sendRatio = ratio(sent, floor.map(toSend))
      const receiveRatio = ratio(received, floor.map(toReceive))
      const inAll = sum(own.map((result) => result.sent))
      const lost = 1 - sum(own.map((result) => result.received)) / inAll
      const rate = inAll / sum(own.map((result) => result.time))
      rows.push([
        round.pace === 'flat out' ? 'flat out' : `${round.burst} each ms`,
        name,
        median(sent),
        sendRatio,
        median(received),
        receiveRatio,
        100 * lost,
        rate,
      ])
      if (name === OURS)
        goals.push(
          ...goalsOf(`send a packet, ${round.pace}`, round, sent, sendRatio),
          ...goalsOf(`receive a packet, ${round.pace}`, round, received, receiveRatio),
        )
    }
  }
  return {
    title: 'RTP packets of 1200 bytes through a connected pair of processes',
    notes: [
      'CPU µs a packet of the whole process. Medians of rounds in turns.',
      'Ratios are medians of the ratios to the rounds of the floor: a one-shot AES-128-GCM of node:crypto and a socket.',
      'Flat out, some are lost where the receiver is slower; the rate is of those that were sent.',
      ...new Set(failures),
    ],
    columns: ['pace', 'stack', 'to send µs', 'ratio', 'to receive µs', 'ratio', 'lost %', '1000/s'],
    rows,
    goals,
  }
}

function goalsOf(verb: string, { pace }: Round, cpu: readonly number[], ofFloor: number): Goal[] {
  const bound = 'under'
  const relative: Goal = {
    text: `CPU to ${verb}, of the floor`,
    measured: ofFloor,
    bound,
    limit: GOAL_RATIO,
    unit: '',
  }
  if (pace !== 'flat out') return [relative]
  return [{ text: `CPU to ${verb}`, measured: median(cpu), bound, limit: GOAL_CPU, unit: 'µs' }, relative]
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
