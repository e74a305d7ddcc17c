import { runChild } from './child.ts'
import type { ConnectResult } from './connect-process.ts'
import type { Cell, Goal, Section } from './report.ts'
import type { Settings } from './settings.ts'
import type { StackName } from './load-stack.ts'
import type { Purpose } from './stack.ts'
import { median, percentile } from './statistics.ts'

interface Connecting {
  readonly stack: StackName
  readonly what: string
  readonly purpose: Purpose
  /** How many times as many were made before, in the same processes: what was compiled by then is not of these. */
  readonly earlier?: number
  readonly full: number
  readonly quick: number
}

const COUNTS: readonly Connecting[] = [
  { stack: 'bare', what: 'nothing', purpose: 'connection', full: 1000, quick: 100 },
  { stack: '@str0m', what: 'video', purpose: 'connection', full: 1000, quick: 100 },
  { stack: '@str0m', what: 'video, the next', purpose: 'connection', earlier: 1, full: 1000, quick: 100 },
  { stack: '@str0m', what: 'video, warm', purpose: 'connection', earlier: 5, full: 1000, quick: 100 },
  { stack: '@str0m', what: 'data channel', purpose: 'data', full: 1000, quick: 100 },
  { stack: 'node-datachannel', what: 'data channel', purpose: 'data', full: 100, quick: 8 },
  { stack: 'werift', what: 'data channel', purpose: 'data', full: 100, quick: 10 },
]
const GOAL_CPU = 2.5
const GOAL_MEDIAN = 15
const GOAL_MOST = 100
const TIMEOUT = 180_000

/** Connections between two processes over real sockets. */
export async function measureConnect({ quick, alone }: Settings): Promise<Section> {
  const rows: Cell[][] = []
  const bothSides: { readonly stack: StackName; readonly cpu: number }[] = []
  const leftOut: string[] = []
  const goals: Goal[] = []
  for (const { stack, what, purpose, earlier = 0, full, quick: few } of COUNTS) {
    if (alone && stack !== '@str0m' && stack !== 'bare') continue
    const count = quick ? few : full
    const isOurs = stack === '@str0m'
    const result = await runChild<ConnectResult>(
      './connect-process.js',
      [stack, String(count), isOurs ? '1' : '3', purpose, String(earlier * count)],
      {
        timeout: TIMEOUT,
      },
    ).catch((error: Error) => error)
    if (result instanceof Error) {
      if (isOurs) throw result
      leftOut.push(`${stack} is left out: ${result.message}`)
      continue
    }
    const { latencies } = result
    const offererCpu = result.offererCpu / count
    const answererCpu = result.answererCpu / count
    bothSides.push({ stack, cpu: offererCpu + answererCpu })
    rows.push([
      stack === 'bare' ? 'floor: no stack' : stack,
      what,
      count,
      offererCpu,
      answererCpu,
      median(latencies),
      percentile(latencies, 0.99),
      Math.max(...latencies),
      latencies.filter((latency) => latency > GOAL_MOST).length,
    ])
    if (isOurs && purpose === 'connection' && earlier === 0)
      goals.push(...goalsOf(offererCpu, answererCpu, latencies))
  }
  const reference = bothSides.find(({ stack }) => stack === 'node-datachannel')?.cpu
  for (const [i, { cpu }] of bothSides.entries()) {
    rows[i]!.push(reference === undefined ? undefined : cpu / reference)
  }
  return {
    title: 'Connecting over sockets, two processes on loopback, one connection after the other',
    notes: [
      'CPU: of the whole process, with the descriptions over IPC, a socket for each peer, certificates, compiling, and closing; the mean of all.',
      '"The next": those after as many others in the same processes; "warm": those after five times as many, when V8 has compiled what is called often. The goals are for the first.',
      'Latency: from making the peer that offers to "connected" on both sides, with the descriptions over IPC; the first connection is among them.',
      'A new certificate for each peer in all stacks. @str0m connects a video section, and a data channel, as the others do.',
      ...leftOut,
    ],
    columns: [
      'stack',
      'what',
      'count',
      'CPU ms offerer',
      'CPU ms answerer',
      'median ms',
      'p99 ms',
      'most ms',
      `over ${GOAL_MOST} ms`,
      'of nd',
    ],
    rows,
    goals,
  }
}

function goalsOf(offererCpu: number, answererCpu: number, latencies: readonly number[]): Goal[] {
  const bound = 'under'
  return [
    { text: 'CPU of the side that offers', measured: offererCpu, bound, limit: GOAL_CPU, unit: 'ms' },
    { text: 'CPU of the side that answers', measured: answererCpu, bound, limit: GOAL_CPU, unit: 'ms' },
    { text: 'median latency', measured: median(latencies), bound, limit: GOAL_MEDIAN, unit: 'ms' },
    {
      text: `longest of ${latencies.length} latencies`,
      measured: Math.max(...latencies),
      bound: 'at most',
      limit: GOAL_MOST,
      unit: 'ms',
    },
  ]
}
