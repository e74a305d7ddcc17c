import { Pair } from '@str0m/netem'
import { describe, expect, it } from 'vitest'
import { Candidate, Rtc, type RtcOptions } from '../src/index.ts'
import { PEER_ADDRESS, received, RTC_ADDRESS, seededCrypto } from './harness.ts'

/** What happens in a call on a clock that starts at `start`, and when; with messages both ways, and then silence. */
function happenings(start: number, options: RtcOptions) {
  const a = new Rtc({ crypto: seededCrypto(1), ...options })
  const b = new Rtc({ crypto: seededCrypto(2), ...options })
  // what is called before there is any time
  if (options.bandwidthEstimation !== undefined) for (const peer of [a, b, a, b]) peer.setDesiredBitrate(1e6)
  a.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  b.addLocalCandidate(Candidate.host(PEER_ADDRESS, 'udp'))
  const change = a.createOffer()
  const mid = change.addMedia('audio')
  const video = change.addMedia('video')
  const id = change.addChannel('chat')
  const answer = b.acceptOffer(change.apply())
  a.pendingChanges()!.acceptAnswer(answer)
  const pair = new Pair(a, b, { seed: 1, link: { latency: 10, loss: 0.05 }, start, receive: received })
  pair.runUntil(() => a.channel(id)?.state === 'open' && b.connected)
  const [sound, pictures] = [mid, video].map((of) => a.media(of)!.writer(a.media(of)!.codecs[0]!.pt))
  for (let i = 0; i < 100; i++) {
    sound!.write({ value: 960 * i, clockRate: 48_000 }, Uint8Array.of(i))
    // VP8, a keyframe first
    const picture = new Uint8Array(2000).fill(i)
    picture[0] = i === 0 ? 0x10 : 0x11
    pictures!.write({ value: 1800 * i, clockRate: 90_000 }, picture)
    a.channel(id)!.write(`message ${i}`)
    pair.runFor(20)
  }
  pair.runFor(60_000)
  const wakeUps = [pair.a.wakeUps, pair.b.wakeUps]
  const happened = [pair.a, pair.b].map(({ events }) =>
    events.map(({ at, event }) => `${(at - start).toFixed(3)} ${event.type}`),
  )
  return { wakeUps, happened }
}

describe('a clock may begin anywhere', () => {
  it.each<[string, RtcOptions]>([
    ['as it is', {}],
    ['with an estimate of the bandwidth', { bandwidthEstimation: {} }],
  ])('the call is the same: %s', (_, options) => {
    const expected = happenings(0, options)
    expect(expected.happened[1]!.filter((what) => what.endsWith(' channelData'))).toHaveLength(100)
    expect(expected.happened[1]!.filter((what) => what.endsWith(' mediaData')).length).toBeGreaterThan(180)
    // powers of two, so that sums with fractions of milliseconds come out the same but for rounding
    for (const start of [-(2 ** 30), -1024, 2 ** 30]) {
      expect(happenings(start, options), `from ${start} on`).toEqual(expected)
    }
  })
})
