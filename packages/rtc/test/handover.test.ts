import { expect, it } from 'vitest'
import { Candidate } from '../src/index.ts'
import { codeOf, connectedPair, RTC_ADDRESS } from './harness.ts'

const SOUND_INTERVAL = 20

it('a phone that changes its network a hundred times in a call is heard again within half a second each time', () => {
  const seed = 1
  const { a, b, pair } = connectedPair({ seed, link: { latency: 20 } })
  let here = Candidate.host(RTC_ADDRESS, 'udp')
  const [up, down] = [pair.aToB.send.bind(pair.aToB), pair.bToA.send.bind(pair.bToA)]
  pair.aToB.send = (now, item) => {
    if (item.source.address === here.address.address) up(now, item)
  }
  pair.bToA.send = (now, item) => {
    if (item.destination.address === here.address.address) down(now, item)
  }
  const talk = (duration: number): void => {
    for (const end = pair.now + duration; pair.now < end; pair.runFor(SOUND_INTERVAL)) {
      for (const rtc of [a, b]) {
        rtc.handleInput({ kind: 'timeout', now: pair.now })
        const audio = rtc.media('0')!
        const { pt, clockRate } = audio.codecs[0]!
        const value = (pair.now * clockRate) / 1000
        audio.writer(pt).write({ value, clockRate }, Uint8Array.of(0xf8, 0xff, 0xfe))
      }
    }
  }
  const heard = (): number[] =>
    [pair.a, pair.b].map(({ events }) => events.filter(({ event }) => event.type === 'mediaData').length)
  let length = 0
  for (let i = 1; i <= 100; i++) {
    const before = here
    here = Candidate.host(`203.0.113.${i}:7000`, 'udp')
    a.addLocalCandidate(here)
    a.removeLocalCandidate(before)
    const change = a.createOffer()
    change.iceRestart()
    const offer = change.apply()
    a.pendingChanges()!.acceptAnswer(b.acceptOffer(offer))
    // as long as at first, but for the digits of the address and of the version
    length ||= offer.sdp.length
    expect(offer.sdp.length, `move ${i}`).toBeLessThan(length + 20)
    expect(offer.sdp, `move ${i}`).not.toContain(before.address.address)
    talk(500)
    const [heardByA, heardByB] = heard()
    talk(200)
    expect(heard(), `move ${i}`).toEqual([heardByA! + 10, heardByB! + 10])
    expect([a.iceState, b.iceState], `move ${i}`).toEqual(['connected', 'connected'])
  }
  a.close()
  expect(codeOf(() => a.removeLocalCandidate(here))).toBe('closed')
})
