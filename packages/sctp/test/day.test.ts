import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Instant } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { hasV8Heap } from '../../../vitest.alone.ts'
import { DataChannels } from '../src/index.ts'
import { seededCrypto } from './support.ts'

const HOUR = 3_600_000
const LATENCY = 20
/** Bytes in half a day, of 9360 messages and 720 channels: 32 for each message would be seen. */
const MOST_GROWTH = 256 * 1024

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

describe('days', () => {
  it.skipIf(!hasV8Heap)(
    'of sparse traffic, with channels that come and go, leave the heap as it was half a day before',
    () => {
      const machines = [
        new DataChannels({ role: 'client', crypto: seededCrypto(1) }),
        new DataChannels({ role: 'server', crypto: seededCrypto(2) }),
      ] as const
      const [a, b] = machines
      let link: { readonly at: Instant; readonly to: DataChannels; readonly contents: Uint8Array }[] = []
      let received = 0
      let closed = 0
      let wakeAt = 0
      const drain = (now: Instant): void => {
        wakeAt = Number.POSITIVE_INFINITY
        for (const machine of machines) {
          for (;;) {
            const output = machine.pollOutput()
            if (output.kind === 'timeout') {
              wakeAt = Math.min(wakeAt, output.at)
              break
            }
            if (output.kind === 'transmit') {
              // every 50th is lost
              const isLost = machine.statistics.packetsSent % 50 === 0
              const to = machine === a ? b : a
              if (!isLost) link.push({ at: now + LATENCY, to, contents: output.contents })
            } else if (output.event.type === 'channelData') received++
            else if (output.event.type === 'channelClose') closed++
          }
        }
      }
      let now = 0
      const runUntil = (end: Instant): void => {
        for (;;) {
          drain(now)
          const next = Math.min(wakeAt, link[0]?.at ?? Number.POSITIVE_INFINITY)
          if (next > end) break
          now = Math.max(now, next)
          const due = link.filter((one) => one.at <= now)
          link = link.filter((one) => one.at > now)
          for (const { to, contents } of due) to.handleInput({ kind: 'receive', now, contents })
          for (const machine of machines) machine.handleInput({ kind: 'timeout', now })
        }
        now = end
      }
      a.connect(0)
      const id = a.open(0, 'day')
      runUntil(1000)
      let sent = 0
      const traffic = (duration: number): void => {
        for (let round = 0; round < duration / 10_000; round++) {
          a.send(now, id, `tick ${round}`)
          b.send(now, id, new Uint8Array(3000))
          sent += 2
          if (round % 6 === 0) {
            const other = a.open(now, 'short')
            a.send(now, other, 'bye')
            a.close(now, other)
            sent++
          }
          runUntil(now + 10_000)
        }
      }
      // by noon all that is kept for use again is there
      traffic(12 * HOUR)
      // code is compiled when the machine has time for it, and held by the same heap: what leaks does so in each half of a day
      const grown: number[] = []
      do {
        const before = heapUsed()
        traffic(12 * HOUR)
        grown.push(heapUsed() - before)
      } while (grown.at(-1)! >= MOST_GROWTH && grown.length < 4)
      runUntil(now + 10_000)
      expect(received).toBe(sent)
      expect(closed).toBe(2 * Math.round((12 * (1 + grown.length) * HOUR) / 60_000))
      expect(
        a.statistics.heldBytes + b.statistics.heldBytes + a.statistics.inFlight + b.statistics.inFlight,
      ).toBe(0)
      expect(Math.min(...grown), `grown by ${grown.join()}`).toBeLessThan(MOST_GROWTH)
    },
  )
})
