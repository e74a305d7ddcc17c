import { describe, expect, it } from 'vitest'
import { Candidate, Rtc, RtcRouter } from '../src/index.ts'
import { received, seededCrypto } from './harness.ts'

/** Two peers, each behind a router of its own, on a wire without delay whose offerer gets the answer late. */
function connect(seed: number): { elapsed: number; unrouted: number } {
  const now = 1000
  const sides = [0, 1].map((i) => {
    const rtc = new Rtc({ crypto: seededCrypto(2 * seed + i) })
    rtc.addLocalCandidate(Candidate.host(`192.0.2.${i + 1}:5000`))
    const router = new RtcRouter()
    router.add(rtc)
    return { rtc, router, at: 0 }
  })
  const [offerer, answerer] = sides as [(typeof sides)[number], (typeof sides)[number]]
  let time = now
  const drain = (): void => {
    for (let moved = true; moved;) {
      moved = false
      for (const [side, other] of [
        [offerer, answerer],
        [answerer, offerer],
      ] as const) {
        for (;;) {
          const output = side.router.pollOutput()
          if (output.kind === 'timeout') {
            side.at = output.at
            break
          }
          if (output.kind === 'event') continue
          moved = true
          other.router.handleInput(received(time, output))
        }
      }
    }
  }
  const step = (to: number): void => {
    time = to
    for (const { router } of sides) router.handleInput({ kind: 'timeout', now: time })
    drain()
  }

  const change = offerer.rtc.createOffer()
  change.addMedia('video')
  const answer = answerer.rtc.acceptOffer(change.apply())
  for (const { rtc, router } of sides) router.changed(rtc)
  // the answerer checks while the answer is on its way, is answered, and sends its ClientHello at once
  step(now)
  step(now + 1)
  offerer.rtc.pendingChanges()!.acceptAnswer(answer)
  offerer.router.changed(offerer.rtc)
  drain()
  for (let i = 0; i < 100 && !sides.every(({ rtc }) => rtc.connected); i++) {
    step(Math.max(time + 0.1, Math.min(...sides.map(({ at }) => at))))
  }
  expect(sides.every(({ rtc }) => rtc.connected)).toBe(true)
  return { elapsed: time - now, unrouted: offerer.router.unrouted }
}

describe('a ClientHello that comes before its path is validated here', () => {
  it('reaches the peer that has answered a check from there, and waits for no timer', () => {
    const { elapsed, unrouted } = connect(1)
    expect(unrouted).toBe(0)
    // the first retransmission of DTLS is after 100 ms
    expect(elapsed).toBeLessThan(50)
  })
})
