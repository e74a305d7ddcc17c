import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { OutgoingMessage, SendQueue } from '../src/outgoing.ts'
import { connected, messagesOf, numbered, numberOf } from './support.ts'

const LONG = 262_144

/** An integer from `from` on, below `to`. */
function below(random: SeededRandom, from: number, to: number): number {
  return from + Math.floor(random.float() * (to - from))
}

describe('S19: messages that are longer together than the window', () => {
  it.each([4 << 20, 8 << 20])(
    'a hundred streams send 256 KiB at once to a window of %d bytes: none waits for ever',
    (receiveWindow) => {
      const { pair, a, b } = connected(1, { latency: 5 }, { receiveWindow, sendBuffer: 32 << 20 })
      for (let i = 0; i < 100; i++) expect(a.send(pair.now, i, 53, numbered(i, LONG))).toBe(true)
      pair.runUntil(() => b.statistics.messagesReceived === 100, 2000)
      const order = messagesOf(pair.b.events).map(({ data }) => numberOf(data))
      expect(order.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 100 }, (_, i) => i))
    },
  )

  it('small ones pass those that wait', () => {
    const { pair, a } = connected(2, { latency: 5, rate: 50_000_000 }, { sendBuffer: 32 << 20 })
    for (let i = 0; i < 100; i++) a.send(pair.now, i, 53, numbered(i, LONG))
    pair.runFor(50)
    for (let i = 0; i < 10; i++) {
      const start = pair.now
      a.send(start, 200 + i, 53, numbered(1000 + i, 1000))
      pair.runUntil(() => messagesOf(pair.b.events).some(({ data }) => numberOf(data) === 1000 + i))
      // 5 ms of the path, and what stands in its queue
      expect(pair.now - start).toBeLessThan(45)
    }
  })

  it('those that wait begin in proportion to their priority', () => {
    const { pair, a, b } = connected(
      3,
      { latency: 5, rate: 50_000_000 },
      { receiveWindow: 1 << 19, maxMessageSize: 1 << 19 },
    )
    a.setPriority(1, 768)
    for (const stream of [1, 2]) {
      for (let i = 0; i < 30; i++) a.send(pair.now, stream, 53, numbered(i, LONG))
    }
    pair.runUntil(() => b.statistics.messagesReceived === 24, 5000)
    const first = messagesOf(pair.b.events).filter(({ stream }) => stream === 1).length
    expect(first).toBeGreaterThanOrEqual(17)
    expect(first).toBeLessThanOrEqual(19)
  })

  it.each([true, false])(
    'as long as the window, through loss and reordering: interleaving %s',
    (interleaving) => {
      for (const seed of [4, 5, 6]) {
        const options = { receiveWindow: 1 << 20, maxMessageSize: 1 << 20, interleaving }
        const { pair, a, b } = connected(seed, { latency: 5, loss: 0.02, reorder: 0.05 }, options)
        const random = new SeededRandom(seed)
        for (let i = 0; i < 12; i++) {
          const length = i % 3 === 0 ? 1 << 20 : 4 + below(random, 0, 500_000)
          expect(a.send(pair.now, i % 4, 53, numbered(i, length))).toBe(true)
        }
        pair.runUntil(() => b.statistics.messagesReceived === 12, 10_000)
        expect(b.statistics.heldBytes).toBe(0)
      }
    },
  )

  it('the least window, and streams of ordered messages of all lengths through reordering', () => {
    for (const interleaving of [true, false]) {
      const options = { receiveWindow: 65_536, maxMessageSize: 65_536, interleaving }
      const { pair, a, b } = connected(7, { latency: 5, loss: 0.01, reorder: 0.1, reorderDelay: 30 }, options)
      const random = new SeededRandom(7)
      let sent = 0
      for (; sent < 300; sent++) {
        a.send(
          pair.now,
          below(random, 0, 40),
          53,
          numbered(sent, 4 + below(random, 0, sent % 10 === 0 ? 65_500 : 3000)),
        )
      }
      pair.runUntil(() => b.statistics.messagesReceived === sent, 60_000)
    }
  })

  it('one that is given up, begun or not, makes room for others', () => {
    const { pair, a } = connected(8, { latency: 5, rate: 10_000_000 }, { sendBuffer: 32 << 20 })
    for (let i = 0; i < 40; i++) a.send(pair.now, i, 53, numbered(i, LONG), { lifetime: 50 + 10 * i })
    a.send(pair.now, 50, 53, numbered(1000, LONG))
    pair.runUntil(() => messagesOf(pair.b.events).some(({ data }) => numberOf(data) === 1000), 20_000)
    expect(a.statistics.messagesAbandoned).toBeGreaterThan(20)
    expect(a.bufferedAmount(0)).toBe(0)
    a.shutdown(pair.now)
    pair.runUntil(() => a.state === 'closed', 20_000)
  })

  it('those that are begun are never longer together than half the window, one by itself excepted', () => {
    const queue = new SendQueue()
    queue.interleaving = true
    queue.fragmentSize = 1000
    queue.onPeerWindow(20_000)
    const random = new SeededRandom(9)
    const begun = new Set<OutgoingMessage>()
    for (let i = 0; i < 500; i++) {
      const data = new Uint8Array(below(random, 1, 1 + below(random, 1, 15_000)))
      queue.push(new OutgoingMessage(queue.stream(below(random, 0, 50)), 0, 53, data, {}))
    }
    for (
      let message = queue.current(0, () => true);
      message !== undefined;
      message = queue.current(0, () => true)
    ) {
      if (message.data.length > 1000) begun.add(message)
      queue.take(message, Math.min(1000, message.data.length - message.taken))
      if (message.taken === message.data.length) begun.delete(message)
      const sum = [...begun].reduce((total, { data }) => total + data.length, 0)
      expect(sum <= 10_000 || begun.size === 1).toBe(true)
    }
    expect(queue.isEmpty).toBe(true)
    expect(queue.bytes).toBe(0)
  })
})
