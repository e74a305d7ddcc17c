// Connects peers, keeps them, and does nothing: what they cost the side that answers.
import { setTimeout as sleep } from 'node:timers/promises'
import { finish } from './child.ts'
import { type Connection, Offerer } from './offerer.ts'
import type { StackName } from './load-stack.ts'

export interface IdleOptions {
  readonly stack: StackName
  readonly peers: number
  /** How often each may try to connect. */
  readonly tries: number
  /** Connected and closed before the memory is first read: the code is compiled then. */
  readonly warmUp: number
  /** After the last is connected, ms. */
  readonly settle: number
  /** How long the CPU time is measured, ms. */
  readonly watch: number
}

export interface IdleResult {
  /** KiB for each peer. */
  readonly rss: number
  readonly heap: number
  /** Of one core, 0 to 1, for all peers together. */
  readonly cpuShare: number
}

const SINGLE: Partial<Record<StackName, StackName>> = { '@str0m-shared': '@str0m', 'bare-shared': 'bare' }

const options = JSON.parse(process.argv[2]!) as IdleOptions
// those who call have an address each, or nobody could tell them apart
const offerer = await Offerer.start(SINGLE[options.stack] ?? options.stack, options.stack)
const warm: Connection[] = []
for (let i = 0; i < options.warmUp; i++) warm.push(await offerer.connect(options.tries))
for (const connection of warm) await offerer.close(connection)
await sleep(500)
const empty = await offerer.usage(true)
const kept: Connection[] = []
for (let i = 0; i < options.peers; i++) kept.push(await offerer.connect(options.tries))
await sleep(options.settle)
const full = await offerer.usage(true)
await sleep(500)
const before = await offerer.usage(false)
await sleep(options.watch)
const after = await offerer.usage(false)
offerer.stop()
const result: IdleResult = {
  rss: (full.answerer.rss - empty.answerer.rss) / kept.length,
  heap: (full.answerer.heap - empty.answerer.heap) / kept.length,
  cpuShare: (after.answerer.cpu - before.answerer.cpu) / (after.answerer.at - before.answerer.at),
}
finish(result)
