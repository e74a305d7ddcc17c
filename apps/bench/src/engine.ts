import { runChild } from './child.ts'
import type { EngineResult } from './engine-process.ts'
import type { Cell, Section } from './report.ts'
import type { Settings } from './settings.ts'
import { median, percentile } from './statistics.ts'

const TIMEOUT = 120_000
const RUNS = [
  { provider: 'native', certificates: 'new', full: 500, quick: 100, warmUp: 50 },
  { provider: 'native', certificates: 'shared', full: 500, quick: 100, warmUp: 50 },
  { provider: 'portable', certificates: 'new', full: 50, quick: 10, warmUp: 5 },
] as const

/** Connecting, without sockets. */
export async function measureEngine({ quick }: Settings): Promise<Section> {
  const rows: Cell[][] = []
  for (const run of RUNS) {
    const count = quick ? run.quick : run.full
    const { times, datagrams, virtualTime } = await runChild<EngineResult>(
      './engine-process.js',
      [run.provider, run.certificates, String(count), String(run.warmUp)],
      { timeout: TIMEOUT },
    )
    const perSide = times.map((time) => time / 2)
    rows.push([
      run.provider,
      run.certificates,
      count,
      median(perSide),
      percentile(perSide, 0.99),
      datagrams,
      virtualTime,
    ])
  }
  return {
    title: 'The engine alone: two peers in one process, a wire in memory, virtual time',
    notes: [
      'ms a side: from making both peers to both being connected, with offer and answer, by two.',
      'Virtual ms: what timers make of it where work takes no time and the wire has no latency.',
    ],
    columns: ['provider', 'certificate', 'count', 'ms a side', 'p99 ms', 'datagrams', 'virtual ms'],
    rows,
    goals: [],
  }
}
