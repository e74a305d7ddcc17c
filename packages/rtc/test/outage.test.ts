import { describe, expect, it } from 'vitest'
import type { Rtc } from '../src/index.ts'
import { connectedPair } from './harness.ts'

const SOUND_INTERVAL = 20

function speak(rtc: Rtc, time: number): void {
  const audio = rtc.media('0')!
  const { pt, clockRate } = audio.codecs[0]!
  audio.writer(pt).write({ value: (time * clockRate) / 1000, clockRate }, Uint8Array.of(0xf8, 0xff, 0xfe))
}

describe('after an outage', () => {
  it.each([11_000, 15_000, 20_000])('of %i ms the state is `connected` as soon as sound comes', (outage) => {
    for (let seed = 1; seed <= 5; seed++) {
      const { a, b, pair } = connectedPair({ seed, link: { latency: 20 } })
      const talk = (duration: number): void => {
        for (const end = pair.now + duration; pair.now < end; pair.runFor(SOUND_INTERVAL)) {
          for (const rtc of [a, b]) {
            rtc.handleInput({ kind: 'timeout', now: pair.now })
            speak(rtc, pair.now)
          }
        }
      }
      talk(4000 + 100 * seed)
      for (const link of [pair.aToB, pair.bToA]) link.addOutage(pair.now, pair.now + outage)
      talk(outage)
      expect([a.iceState, b.iceState], `seed ${seed}`).toEqual(['disconnected', 'disconnected'])
      talk(2 * SOUND_INTERVAL)
      expect([a.iceState, b.iceState], `seed ${seed}`).toEqual(['connected', 'connected'])
      talk(30_000)
      const states = [...pair.a.events, ...pair.b.events].filter(
        ({ event }) => event.type === 'iceConnectionStateChange' && event.state === 'disconnected',
      )
      expect(states, `seed ${seed}`).toHaveLength(2)
    }
  })
})
