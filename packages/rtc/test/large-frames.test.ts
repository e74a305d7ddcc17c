import type { LinkOptions } from '@str0m/netem'
import { SeededRandom } from '@str0m/sans-io'
import { DEFAULT_CODECS } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import type { RtcOptions } from '../src/index.ts'
import { eventsOf, rtcPair } from './harness.ts'

const SIZE = 5_000_000
const AT_ONCE: RtcOptions = {}
const IN_TURNS: RtcOptions = {
  bandwidthEstimation: { initialBitrate: 20_000_000 },
  transportFeedback: 'always',
}
const WITHOUT_RTX: RtcOptions = {
  codecs: DEFAULT_CODECS.map((codec) => {
    const { preferredRtxPt, ...rest } = codec
    return preferredRtxPt === undefined ? codec : rest
  }),
}

/** A picture of VP8, of which the first byte says whether it is a keyframe. */
function picture(seed: number, length: number, keyframe: boolean): Uint8Array {
  const bytes = new Uint8Array(length)
  new SeededRandom(seed).fill(bytes)
  bytes[0] = keyframe ? 0x10 : 0x11
  return bytes
}

/** A large keyframe and three seconds of small pictures after it over a link that is bad, and then another keyframe. */
function call(seed: number, link: LinkOptions, options: RtcOptions) {
  const { a, b, pair } = rtcPair(seed, { latency: 25 }, options)
  pair.runUntil(() => a.connected && b.connected)
  const media = a.media('1')!
  const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
  const sent: Uint8Array[] = []
  const write = (length: number, keyframe: boolean): void => {
    const data = picture(100 * seed + sent.length, length, keyframe)
    media.writer(pt).write({ value: 3000 * sent.length, clockRate: 90_000 }, data, { keyframe })
    sent.push(data)
    pair.runFor(33)
  }
  write(1000, true)
  for (const way of [pair.aToB, pair.bToA]) way.configure(pair.now, link)
  write(SIZE, true)
  for (let i = 0; i < 90; i++) write(3000, false)
  for (const way of [pair.aToB, pair.bToA]) way.configure(pair.now, { loss: 0 })
  write(1000, true)
  pair.runFor(2000)
  return { b, sent, frames: eventsOf(pair.b.events, 'mediaData') }
}

describe('a frame of 5 MB', () => {
  it.each([
    ['at once', AT_ONCE],
    ['in turns', IN_TURNS],
  ])(
    'arrives where a tenth is lost, and all after it: sent %s',
    (_, options) => {
      for (let seed = 1; seed <= 3; seed++) {
        const { frames, sent } = call(seed, { loss: 0.1 }, options)
        expect(frames, `seed ${seed}`).toHaveLength(sent.length)
        for (const [i, { data, contiguous }] of frames.entries()) {
          expect(contiguous, `seed ${seed}, frame ${i}`).toBe(true)
          expect(Buffer.compare(data, sent[i]!), `seed ${seed}, frame ${i}`).toBe(0)
        }
      }
    },
    30_000,
  )

  it.each([
    ['what is lost comes again under its own number', AT_ONCE, WITHOUT_RTX, { loss: 0.1 }],
    ['the path takes a hundredth of it', AT_ONCE, {}, { rate: 5_000_000 }],
    ['the path is slow, and known to be', IN_TURNS, {}, { rate: 5_000_000, loss: 0.1 }],
  ])(
    'is given up in time where it cannot arrive: %s',
    (_, one, other, link) => {
      for (let seed = 1; seed <= 3; seed++) {
        const { frames, sent, b } = call(seed, link, { ...one, ...other })
        expect(frames.length, `seed ${seed}`).toBeGreaterThan(60)
        // two seconds after it was sent at the latest
        expect(Buffer.compare(frames.at(-1)!.data, sent.at(-1)!), `seed ${seed}`).toBe(0)
        expect(b.statistics.inbound[0]!.framesReceived, `seed ${seed}`).toBe(frames.length)
      }
    },
    30_000,
  )
})
