import { runChild } from './child.ts'
import type { ForwardEngineResult } from './forward-engine-process.ts'
import type { Cell, Goal, Section } from './report.ts'
import type { Settings } from './settings.ts'
import type { StackName } from './load-stack.ts'
import { median, pairedRatio } from './statistics.ts'
import { type Contender, runTraffic } from './traffic.ts'
import type { TrafficResult, TrafficRound } from './traffic-process.ts'

type Round = Extract<TrafficRound, { kind: 'packets' }>

const SUBSCRIBERS = [1, 10, 100]
/** Packets each ms on the way in: some ten thousand a second on the way out, which the slowest has time for. */
const BURSTS: Record<number, { burst: number; bursts: number }> = {
  1: { burst: 10, bursts: 400 },
  10: { burst: 1, bursts: 400 },
  100: { burst: 1, bursts: 60 },
}
const STACKS: readonly { name: string; client: StackName; server: StackName; other: boolean }[] = [
  { name: 'floor: no stack', client: 'bare', server: 'bare-shared', other: false },
  { name: '@str0m', client: '@str0m', server: '@str0m-shared', other: false },
  { name: 'werift', client: 'werift', server: 'werift', other: true },
]
const FLOOR = STACKS[0]!.name
const OURS = STACKS[1]!.name
const GOAL_RATIO = 1.5
const GOAL_BUFFERS = 1.1
const TIMEOUT = 120_000

/** One publisher's packets to many. */
export async function measureForward({ quick, alone }: Settings): Promise<Section> {
  const rows: Cell[][] = []
  const goals: Goal[] = []
  const leftOut: string[] = []
  for (const subscribers of quick ? SUBSCRIBERS.slice(0, 2) : SUBSCRIBERS) {
    const engine = await runChild<ForwardEngineResult>(
      './forward-engine-process.js',
      [String(subscribers), quick ? '15' : '101'],
      { timeout: TIMEOUT },
    )
    const found = engineRow(subscribers, engine)
    rows.push(found.row)
    goals.push(...found.goals)
    const round: Round = { kind: 'packets', pace: 'each ms', ...BURSTS[subscribers]! }
    const contenders = STACKS.filter(({ other }) => !alone || !other).map(
      ({ name, client, server }): Contender<Round> => ({
        name,
        options: { stack: client, other: server, purpose: 'packets', subscribers },
        rounds: [round],
      }),
    )
    const traffic = await runTraffic(contenders, { repeats: quick ? 2 : 11, warmUp: quick ? 1 : 3 })
    leftOut.push(...traffic.leftOut.map((line) => `${subscribers}: ${line}`))
    const floor = traffic.results.get(FLOOR)?.get(round) ?? []
    for (const { name } of contenders) {
      const own = traffic.results.get(name)?.get(round) ?? []
      if (own.length === 0) continue
      const cpu = own.map(perForwarded)
      const sent = own.reduce((total, result) => total + result.sent, 0)
      const forwarded = own.reduce((total, result) => total + result.forwarded, 0)
      rows.push([
        name,
        subscribers,
        median(cpu),
        1e6 / median(cpu),
        own.length === floor.length ? pairedRatio(cpu, floor.map(perForwarded)) : undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        100 * (1 - forwarded / (sent * subscribers)),
      ])
    }
  }
  const failure = leftOut.find((line) => line.includes(OURS))
  if (failure !== undefined) throw new Error(failure)
  return {
    title: `One publisher's packets of 1200 bytes forwarded to 1, 10 and 100 subscribers`,
    notes: [
      'CPU µs a forwarded packet, with what receiving it once takes. With sockets: of the whole process in the middle, one socket (werift: one each), some 10 000 packets a second.',
      'Engine: peers in one process, no sockets; ratios to protecting alone, with a key for each subscriber, and to that with opening the packet that came in: by our context, and by a one-shot AES-128-GCM of node:crypto.',
      `Packets/s: what one core would do. Buffers: byte buffers allocated for a forwarded packet, keystream for several at once with them. "Of floor": a one-shot cipher and a socket.`,
      ...leftOut,
    ],
    columns: [
      'stack',
      'subscribers',
      'CPU µs',
      'packets/s',
      'of floor',
      'of our cipher',
      'with opening',
      "of Node's cipher",
      'with opening',
      'buffers',
      'lost %',
    ],
    rows,
    goals,
  }
}

function engineRow(subscribers: number, found: ForwardEngineResult): { row: Cell[]; goals: Goal[] } {
  const { engine = [], protect = [], unprotect = [], 'node:crypto': node = [] } = found.times
  const opening = found.times['node:crypto, opening'] ?? []
  const ours = pairedRatio(engine, protect)
  const nodes = pairedRatio(engine, node)
  const oursWithOpening = pairedRatio(
    engine,
    protect.map((time, i) => time + unprotect[i]! / subscribers),
  )
  const nodesWithOpening = pairedRatio(
    engine,
    node.map((time, i) => time + opening[i]! / subscribers),
  )
  const cpu = median(engine)
  const bound = 'at most'
  const text = `forwarding to ${subscribers}`
  return {
    row: [
      '@str0m engine',
      subscribers,
      cpu,
      1e6 / cpu,
      undefined,
      ours,
      oursWithOpening,
      nodes,
      nodesWithOpening,
      found.packetBuffers,
      100 * found.lost,
    ],
    goals: [
      { text: `${text}, engine, of our own cipher`, measured: ours, bound, limit: GOAL_RATIO, unit: '' },
      { text: `${text}, engine, of Node's cipher`, measured: nodes, bound, limit: GOAL_RATIO, unit: '' },
      {
        text: `${text}, engine, of Node's cipher with opening`,
        measured: nodesWithOpening,
        bound,
        limit: GOAL_RATIO,
        unit: '',
      },
      {
        text: `${text}, buffers for a packet`,
        measured: found.packetBuffers,
        bound,
        limit: GOAL_BUFFERS,
        unit: '',
      },
    ],
  }
}

function perForwarded({ answererCpu, forwarded }: TrafficResult): number {
  return (1000 * answererCpu) / forwarded
}
