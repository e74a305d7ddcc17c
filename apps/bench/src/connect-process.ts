// One connection after the other, of one stack: the side that offers.
import { finish } from './child.ts'
import { Offerer } from './offerer.ts'
import type { StackName } from './load-stack.ts'
import type { Purpose } from './stack.ts'

export interface ConnectResult {
  /** ms, in the order in which they were made. */
  readonly latencies: readonly number[]
  /** CPU time in all, ms. */
  readonly offererCpu: number
  readonly answererCpu: number
}

const [stack, count, tries, purpose, earlier] = process.argv.slice(2) as [
  StackName,
  string,
  string,
  Purpose,
  string,
]
const offerer = await Offerer.start(stack)
for (let i = 0; i < Number(earlier); i++) {
  await offerer.close(await offerer.connect(Number(tries), { purpose }))
}
const before = await offerer.usage(false)
const latencies: number[] = []
for (let i = 0; i < Number(count); i++) {
  const connection = await offerer.connect(Number(tries), { purpose })
  latencies.push(connection.latency)
  await offerer.close(connection)
}
const after = await offerer.usage(false)
offerer.stop()
const result: ConnectResult = {
  latencies,
  offererCpu: after.offerer.cpu - before.offerer.cpu,
  answererCpu: after.answerer.cpu - before.answerer.cpu,
}
finish(result)
