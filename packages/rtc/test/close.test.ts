import { expect, it } from 'vitest'
import type { RtcEvent } from '../src/index.ts'
import { connectedPair, eventsOf, received } from './harness.ts'

it('closes where the peer has just closed, before that is polled', () => {
  const { a, b, pair } = connectedPair({ seed: 1, change: (change) => change.addChannel('channel') })
  pair.runUntil(() => b.channels[0]?.state === 'open')
  a.close()
  for (let output = a.pollOutput(); output.kind !== 'timeout'; output = a.pollOutput()) {
    if (output.kind === 'transmit') b.handleInput(received(pair.now, output))
  }
  b.close()
  const events: { readonly event: RtcEvent }[] = []
  for (let output = b.pollOutput(); output.kind !== 'timeout'; output = b.pollOutput()) {
    if (output.kind === 'event') events.push(output)
  }
  expect(b.closed).toBe(true)
  expect(eventsOf(events, 'closed')).toHaveLength(1)
})

it('wakes nobody any more, whatever was due', () => {
  for (const closes of ['a', 'b'] as const) {
    const { a, b, pair } = connectedPair({ seed: 2, link: { latency: 5 } })
    const { pt } = a.media('0')!.codecs[0]!
    // a report is due on both sides, and a telephone's event on one
    a.media('0')!.writer(pt).write({ value: 0, clockRate: 48_000 }, Uint8Array.of(0xfc))
    const keys = a.media('0')!.codecs.find(({ name }) => name === 'telephone-event')!
    a.media('0')!.sendTelephoneEvent(keys.pt, '1', { duration: 2000 })
    pair.runFor(100)
    const closing = closes === 'a' ? a : b
    closing.close()
    pair.runUntil(() => a.closed && b.closed)
    for (const rtc of [a, b]) {
      rtc.handleInput({ kind: 'timeout', now: pair.now + 60_000 })
      let output = rtc.pollOutput()
      while (output.kind !== 'timeout') output = rtc.pollOutput()
      expect(output.at).toBe(Infinity)
    }
  }
})

it('sends what was written just before, though it was not polled in between', () => {
  const { a, b, pair } = connectedPair({ seed: 3, change: (change) => change.addChannel('channel') })
  pair.runUntil(() => a.channels[0]?.state === 'open')
  a.handleInput({ kind: 'timeout', now: pair.now })
  expect(a.channels[0]!.write('call me at another place')).toBe(true)
  a.close()
  pair.runUntil(() => b.closed)
  const events = pair.b.events.map(({ event }) => event)
  expect(eventsOf(pair.b.events, 'channelData').map(({ data }) => data)).toEqual(['call me at another place'])
  expect(events.at(-1)).toEqual({ type: 'closed', reason: 'remote' })
})
