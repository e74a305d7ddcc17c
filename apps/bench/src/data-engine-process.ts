// Messages from one peer to another in this process, without sockets, in virtual time.
import type { Channel } from '@str0m/rtc'
import { finish } from './child.ts'
import { MemoryWire } from './memory-wire.ts'
import { readUsage } from './signalling.ts'
import { HIGH_WATER, LOW_WATER } from './stack.ts'

export interface DataEngineResult {
  /** Of each round, the same for all sizes. */
  readonly bytes: readonly number[]
  /** CPU ms of both peers together, by size and round. */
  readonly cpu: readonly (readonly number[])[]
}

const BYTES = 16 * 1024 * 1024
const WARM_UP = 2

const [sizes, rounds] = process.argv.slice(2).map((arg) => JSON.parse(arg)) as [number[], number]
let received = 0
let channel: Channel | undefined
const wire = new MemoryWire({}, 0, (event, side) => {
  if (event.type === 'channelData') received += event.data.length
  else if (event.type === 'channelOpen' && side === wire.offerer) channel = side.rtc.channel(event.id)
})
wire.connect((change) => void change.addChannel('bench'))
wire.run(() => channel !== undefined)

function transfer(to: Channel, message: Uint8Array): void {
  const end = received + BYTES
  let left = BYTES
  while (left > 0) {
    while (left > 0 && to.bufferedAmount < HIGH_WATER && to.write(message)) left -= message.length
    wire.run(() => to.bufferedAmount <= LOW_WATER)
  }
  wire.run(() => received >= end)
}

const cpu = sizes.map((): number[] => [])
for (let round = -WARM_UP; round < rounds; round++) {
  for (const [i, size] of sizes.entries()) {
    const message = new Uint8Array(size).fill(0x5a)
    const before = readUsage(false).cpu
    transfer(channel!, message)
    if (round >= 0) cpu[i]!.push(readUsage(false).cpu - before)
  }
}
const result: DataEngineResult = { bytes: Array.from({ length: rounds }, () => BYTES), cpu }
finish(result)
