import { ntpFromUnix, type Rtcp } from '@str0m/rtp'
import { describe, expect, it } from 'vitest'
import { MAX_EARLY_REPORTS } from '../src/receivers.ts'
import type { BrowserPeer } from './browser-peer.ts'
import { connectedCall, connectedPair, eventsOf } from './harness.ts'

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

describe('of frames that the encoder is late with', () => {
  it('is what the user says, for sound and picture to stay in step', () => {
    const { a, pair } = connectedPair({ seed: 8, link: LINK, a: { wallClock: { now: 0, unixTime: DAY } } })
    const [audio, video] = a.medias.map((media) =>
      media.writer(media.codecs.find(({ name }) => name === 'opus' || name === 'VP8')!.pt),
    )
    const start = pair.now
    for (let i = 0; i < 200; i++) {
      a.handleInput({ kind: 'timeout', now: pair.now })
      // sound is written 10 ms after it was captured, the picture 100 to 150 ms
      for (const [writer, late, rate] of [
        [audio!, 10, 48],
        [video!, 100 + 10 * (i % 6), 90],
      ] as const) {
        const capturedAt = pair.now - late
        const time = { value: (capturedAt - start) * rate, clockRate: 1000 * rate }
        const data = rate === 48 ? Uint8Array.of(0xfc, i) : Uint8Array.of(0x10, i, 0x9d, 1, 0x2a)
        writer.write(time, data, { keyframe: true, capturedAt })
      }
      pair.runFor(20)
    }
    const known = eventsOf(pair.b.events, 'mediaData').filter(({ captureTime }) => captureTime !== undefined)
    expect(known.length).toBeGreaterThan(300)
    for (const { mid, data, captureTime } of known) {
      const index = data[1]!
      const late = mid === '0' ? 10 : 100 + 10 * (index % 6)
      expect(Math.abs(captureTime! - DAY - (start + 20 * index - late)), `${mid} ${index}`).toBeLessThan(0.1)
    }
  })

  it('is an instant', () => {
    const { a, pair } = connectedPair({ seed: 9, link: LINK })
    a.handleInput({ kind: 'timeout', now: pair.now })
    const media = a.medias[0]!
    const write = (capturedAt: number) => () =>
      media
        .writer(media.codecs[0]!.pt)
        .write({ value: 0, clockRate: 48_000 }, Uint8Array.of(1), { capturedAt })
    for (const wrong of [Number.NaN, Infinity, '1' as unknown as number]) {
      expect(write(wrong)).toThrow(expect.objectContaining({ code: 'invalid-time' }))
    }
    expect(write(pair.now - 5)()).toBe(true)
  })
})

describe('a sender report', () => {
  it('goes out with the first packets of each stream', () => {
    const { a, pair } = connectedPair({ seed: 3, link: LINK, a: { wallClock: { now: 0, unixTime: DAY } } })
    const [audio, video] = a.medias.map((media) =>
      media.writer(media.codecs.find(({ name }) => name === 'opus' || name === 'VP8')!.pt),
    )
    const reports = () => a.statistics.outbound.map(({ roundTripTime }) => roundTripTime !== undefined)
    for (let i = 0; i < 30; i++) {
      a.handleInput({ kind: 'timeout', now: pair.now })
      audio!.write({ value: 960 * i, clockRate: 48_000 }, Uint8Array.of(0xfc, i))
      if (i >= 2) video!.write({ value: 1800 * i, clockRate: 90_000 }, Uint8Array.of(0x10, i, 0x9d, 1, 0x2a))
      pair.runFor(20)
    }
    const frames = eventsOf(pair.b.events, 'mediaData')
    const untimed = frames.filter(({ captureTime }) => captureTime === undefined)
    // sound from the next frame on; the picture, which started later, a tenth of a second after that report
    expect(untimed.filter(({ mid }) => mid === '0').length).toBeLessThanOrEqual(1)
    expect(untimed.filter(({ mid }) => mid === '1').length).toBeLessThanOrEqual(4)
    expect(reports()).toHaveLength(2)
  })

  it('reorder: that overtakes the first packet of its stream is kept for it', () => {
    const { peer, pair } = connectedCall(4, { link: LINK })
    peer.sendRtcp([senderReport(1, DAY, 960)])
    pair.runFor(50)
    sendAudio(peer, 1, 0)
    pair.runFor(50)
    const [frame] = eventsOf(pair.a.events, 'mediaData')
    expect(frame!.captureTime).toBeCloseTo(DAY - 20, 3)
  })

  it('exhaust: of sources of which nothing comes, so many are kept, the newest ones', () => {
    const { peer, pair } = connectedCall(5, { link: LINK })
    const sources = Array.from({ length: MAX_EARLY_REPORTS + 1 }, (_, i) => 100 + i)
    for (const ssrc of sources) peer.sendRtcp([senderReport(ssrc, DAY, 960)])
    // the second one reports again, so that the third is the oldest
    peer.sendRtcp([senderReport(101, DAY + 1000, 48_960)])
    peer.sendRtcp([senderReport(99, DAY, 960)])
    peer.sendRtcp([{ type: 'goodbye', ssrcs: [104] }])
    pair.runFor(50)
    for (const ssrc of [100, 101, 102, 103, 104, sources.at(-1)!]) sendAudio(peer, ssrc, 960)
    pair.runFor(50)
    const times = eventsOf(pair.a.events, 'mediaData').map(({ captureTime }) => captureTime)
    const from = (time: number) => expect.closeTo(time, 3) as number
    expect(times).toEqual([undefined, from(DAY), undefined, from(DAY), undefined, from(DAY)])
  })
})

function senderReport(ssrc: number, unixTime: number, rtpTime: number): Rtcp {
  const ntpTime = ntpFromUnix(unixTime)
  return { type: 'senderReport', ssrc, ntpTime, rtpTime, packetCount: 0, octetCount: 0, reports: [] }
}

function sendAudio(peer: BrowserPeer, ssrc: number, timestamp: number): void {
  const payload = Uint8Array.of(0xfc, 1)
  peer.sendRtp({ pt: 111, mid: [4, '0'], ssrc, sequenceNumber: 1, timestamp, payload })
}
