import { describe, expect, it } from 'vitest'
import { connectedPair, eventsOf } from './harness.ts'

/** Some day, as milliseconds since 1970. */
const DAY = 1_800_000_000_000
const LINK = { latency: 30 }

describe('the time of capture', () => {
  it.each([false, true])(
    'of sound and picture, by the sender reports: one clock for both (RTP mode: %s)',
    (rtpMode) => {
      const wallClock = { now: 0, unixTime: DAY }
      const { a, pair } = connectedPair({ seed: 1, link: LINK, a: { wallClock }, b: { rtpMode } })
      const [audio, video] = a.medias.map((media) =>
        media.writer(media.codecs.find(({ name }) => name === 'opus' || name === 'VP8')!.pt),
      )
      const sentAt = new Map<string, number>()
      const start = pair.now
      for (let i = 0; i < 200; i++) {
        a.handleInput({ kind: 'timeout', now: pair.now })
        // the media time starts anywhere, and says how late the encoder was
        const late = i % 7
        audio!.write({ value: (pair.now - start) * 48, clockRate: 48_000 }, Uint8Array.of(0xfc, i))
        sentAt.set(`0 ${i}`, pair.now)
        if (i % 2 === 0) {
          const value = 5_000_000 + (pair.now - start - late) * 90
          video!.write({ value, clockRate: 90_000 }, Uint8Array.of(0x10, i, 0x9d, 1, 0x2a), {
            keyframe: true,
          })
          sentAt.set(`1 ${i}`, pair.now - late)
        }
        pair.runFor(20)
      }
      pair.runFor(100)
      const frames = rtpMode
        ? eventsOf(pair.b.events, 'rtpPacket').map(({ mid, captureTime, payload }) => ({
            mid,
            captureTime,
            index: mid === '0' ? payload[1]! : payload[payload.length - 4]!,
          }))
        : eventsOf(pair.b.events, 'mediaData').map(({ mid, captureTime, data }) => ({
            mid,
            captureTime,
            index: data[1]!,
          }))
      expect(frames).toHaveLength(300)
      expect(frames[0]!.captureTime).toBeUndefined()
      const known = frames.filter(({ captureTime }) => captureTime !== undefined)
      // reports come within some 1.5 s
      expect(known.length).toBeGreaterThan(150)
      for (const { mid, index, captureTime } of known) {
        // a report maps the timestamp of the last frame to when that was written: up to `late` off
        expect(Math.abs(captureTime! - DAY - sentAt.get(`${mid} ${index}`)!)).toBeLessThan(8)
      }
    },
  )
})
