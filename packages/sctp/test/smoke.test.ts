import { expect, it } from 'vitest'
import { connected, messagesOf, numbered, closeReason } from './support.ts'

it('moves messages', () => {
  const w = connected(1)
  for (let i = 0; i < 50; i++) w.a.send(w.pair.now, i % 3, 51, numbered(i, 100 + i * 1000))
  w.pair.runUntil(() => messagesOf(w.pair.b.events).length === 50)
  for (const m of messagesOf(w.pair.b.events)) {
    const n = new DataView(m.data.buffer, m.data.byteOffset).getUint32(0)
    expect(m.data).toEqual(numbered(n, 100 + n * 1000))
  }
  w.a.shutdown(w.pair.now)
  w.pair.runUntil(() => w.a.state === 'closed' && w.b.state === 'closed')
  expect(closeReason(w.pair.a.events)).toBe('shutdown')
  expect(closeReason(w.pair.b.events)).toBe('shutdown')
  console.log(w.pair.now, w.a.statistics)
})
it('survives loss', () => {
  const w = connected(3, { latency: 20, loss: 0.2, reorder: 0.05, duplicate: 0.05 })
  for (let i = 0; i < 200; i++) w.a.send(w.pair.now, i % 3, 51, numbered(i, 5000))
  w.pair.runUntil(() => messagesOf(w.pair.b.events).length === 200)
  console.log(w.pair.now, w.a.statistics, w.b.statistics)
})
