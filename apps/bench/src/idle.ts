import { runChild } from './child.ts'
import type { IdleOptions, IdleResult } from './idle-process.ts'
import type { Cell, Goal, Section } from './report.ts'
import type { Settings } from './settings.ts'
import type { StackName } from './load-stack.ts'

const GOAL_MEMORY = 100
const GOAL_CPU_PERCENT = 3
const GOAL_PEERS = 1000
const NAMES: Partial<Record<StackName, string>> = {
  'bare-shared': 'floor: no stack, one socket',
  '@str0m-shared': '@str0m, one socket',
}
const TIMEOUT = 180_000

const FULL: readonly IdleOptions[] = [
  { stack: 'bare-shared', peers: GOAL_PEERS, tries: 1, warmUp: 100, settle: 2000, watch: 15_000 },
  { stack: '@str0m-shared', peers: GOAL_PEERS, tries: 1, warmUp: 100, settle: 8000, watch: 30_000 },
  { stack: 'node-datachannel', peers: 60, tries: 3, warmUp: 10, settle: 2000, watch: 5000 },
  { stack: 'werift', peers: 60, tries: 3, warmUp: 10, settle: 2000, watch: 5000 },
]
const QUICK: readonly IdleOptions[] = [
  { stack: 'bare-shared', peers: 200, tries: 1, warmUp: 50, settle: 500, watch: 2000 },
  { stack: '@str0m-shared', peers: 200, tries: 1, warmUp: 50, settle: 1000, watch: 3000 },
  { stack: 'node-datachannel', peers: 5, tries: 3, warmUp: 2, settle: 500, watch: 1000 },
  { stack: 'werift', peers: 10, tries: 3, warmUp: 2, settle: 500, watch: 1000 },
]

/** What a peer costs that is connected and does nothing. */
export async function measureIdle({ quick, alone }: Settings): Promise<Section> {
  const rows: Cell[][] = []
  const leftOut: string[] = []
  const goals: Goal[] = []
  for (const options of quick ? QUICK : FULL) {
    const { stack, peers } = options
    const isOurs = stack === '@str0m-shared'
    if (alone && NAMES[stack] === undefined) continue
    const result = await runChild<IdleResult>('./idle-process.js', [JSON.stringify(options)], {
      timeout: TIMEOUT,
    }).catch((error: Error) => error)
    if (result instanceof Error) {
      if (isOurs) throw result
      leftOut.push(`${stack} is left out: ${result.message}`)
      continue
    }
    const percent = 100 * result.cpuShare
    rows.push([
      NAMES[stack] ?? stack,
      peers,
      result.rss,
      result.heap,
      percent,
      (percent * GOAL_PEERS) / peers,
    ])
    if (isOurs) goals.push(...goalsOf(peers, result))
  }
  return {
    title: 'Idle peers, connected over sockets: the process that answered',
    notes: [
      'Memory: how much that process has grown since before the first of them, after collecting garbage, by the number of peers. Heap: with what JavaScript holds outside of it.',
      'CPU: of that process, in % of one core, while nothing but keepalives happens.',
      ...leftOut,
    ],
    columns: ['stack', 'peers', 'RSS KiB a peer', 'heap KiB a peer', 'CPU %', `CPU % by ${GOAL_PEERS} peers`],
    rows,
    goals,
  }
}

function goalsOf(peers: number, { rss, heap, cpuShare }: IdleResult): Goal[] {
  const bound = 'under'
  return [
    { text: 'resident memory of an idle peer', measured: rss, bound, limit: GOAL_MEMORY, unit: 'KiB' },
    { text: 'heap of an idle peer', measured: heap, bound, limit: GOAL_MEMORY, unit: 'KiB' },
    {
      text: `${peers} idle peers, of one core`,
      measured: 100 * cpuShare,
      bound,
      limit: (GOAL_CPU_PERCENT * peers) / GOAL_PEERS,
      unit: '%',
    },
  ]
}
