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
