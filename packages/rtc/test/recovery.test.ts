import type { GilbertElliott, LinkOptions } from '@str0m/netem'
import { DEFAULT_CODECS } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import type { RtcOptions } from '../src/index.ts'
import { eventsOf, rtcPair } from './harness.ts'

/** A tenth is lost, in bursts. */
const BURSTS: GilbertElliott = { degrade: 0.04, recover: 0.36 }
const FRAMES = 300

function frame(i: number): Uint8Array {
  const bytes = new Uint8Array(3000 + 100 * (i % 7)).fill(i)
  bytes[0] = i === 0 ? 0x10 : 0x11
  return bytes
}

/**
 * Sends a video of ten seconds over a link that is bad but for the first frame and the last: of a loss at the very ends of a stream nobody
 * can know.
 */
function call(seed: number, link: LinkOptions, options: RtcOptions = {}) {
  const { a, b, pair } = rtcPair(seed, { latency: 25 }, options)
  pair.runUntil(() => a.connected && b.connected)
  const media = a.media('1')!
  const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
  for (let i = 0; i < FRAMES; i++) {
    for (const way of [pair.aToB, pair.bToA]) {
      if (i === 1) way.configure(pair.now, link)
      if (i === FRAMES - 1) way.configure(pair.now, { loss: 0 })
    }
    media.writer(pt).write({ value: 3000 * i, clockRate: 90_000 }, frame(i))
    pair.runFor(33)
  }
  pair.runFor(3000)
  return { a, b, pair, frames: eventsOf(pair.b.events, 'mediaData') }
}

const withoutRtx = DEFAULT_CODECS.map((codec) => {
  const { preferredRtxPt, ...rest } = codec
  return preferredRtxPt === undefined ? codec : rest
})
const withoutNack = withoutRtx.map((codec) => ({
  ...codec,
  feedback: codec.feedback.filter((type) => type !== 'nack'),
}))

describe('a path that is gone', () => {
  it.each([
    ['at once', {}],
    ['in turns', { bandwidthEstimation: {}, transportFeedback: 'always' }],
  ] as const)(
    'takes nothing more, so that the peer understands what comes by the next: sent %s',
    (_, options) => {
      const { a, b, pair } = rtcPair(60, { latency: 10 }, options)
      pair.runUntil(() => a.connected && b.connected)
      const media = a.media('1')!
      const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
      let count = 0
      const write = (): boolean => {
        const data = frame(count)
        data[0] = 0x10
        return media.writer(pt).write({ value: 3000 * count++, clockRate: 90_000 }, data)
      }
      expect(write()).toBe(true)
      pair.runFor(100)
      for (const way of [pair.aToB, pair.bToA]) way.configure(pair.now, { loss: 1 })
      pair.runFor(40_000)
      expect(a.statistics.iceState).toBe('failed')
      // more packets than a receiver can tell the high bits of
      for (let i = 0; i < 20_000; i++) expect(write()).toBe(false)
      for (const way of [pair.aToB, pair.bToA]) way.configure(pair.now, { loss: 0 })
      const offer = a.createOffer().iceRestart().apply()
      a.pendingChanges()!.acceptAnswer(b.acceptOffer(offer))
      pair.runFor(1000)
      expect(write()).toBe(true)
      pair.runFor(500)
      expect(eventsOf(pair.b.events, 'mediaData').map(({ data }) => data[1])).toEqual([0, (count - 1) & 0xff])
    },
  )
})

describe('S5: what is sent again under its own number', () => {
  it('is the same byte by byte, also where packets have transport-wide numbers', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const options: RtcOptions = {
        codecs: withoutRtx,
        bandwidthEstimation: {},
        transportFeedback: 'always',
        srtpProfiles: ['AEAD_AES_128_GCM'],
      }
      const { a, b, pair } = rtcPair(seed, { latency: 25 }, options)
      pair.runUntil(() => a.connected && b.connected)
      const sent = new Map<string, Uint8Array>()
      let repeats = 0
      const send = pair.aToB.send.bind(pair.aToB)
      pair.aToB.send = (now, datagram) => {
        const bytes = Buffer.from(datagram.contents)
        // RTP, and no RTCP (RFC 5761 section 4)
        if (bytes[0]! >> 6 === 2 && !(bytes[1]! >= 192 && bytes[1]! <= 223)) {
          const key = `${bytes.readUInt32BE(8)} ${bytes.readUInt16BE(2)}`
          const before = sent.get(key)
          sent.set(key, bytes)
          if (before !== undefined) {
            repeats++
            expect(bytes.equals(before), `seed ${seed}: the packet ${key}`).toBe(true)
          }
        }
        send(now, datagram)
      }
      const media = a.media('1')!
      const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
      pair.aToB.configure(pair.now, { loss: 0.1 })
      for (let i = 0; i < 100; i++) {
        media.writer(pt).write({ value: 3000 * i, clockRate: 90_000 }, frame(i))
        pair.runFor(33)
      }
      expect(repeats, `seed ${seed}`).toBeGreaterThan(20)
      expect(b.statistics.inbound[0]!.framesReceived, `seed ${seed}`).toBeGreaterThan(80)
    }
  })
})

describe('lost packets are sent again', () => {
  it.each([
    ['as retransmissions (RFC 4588)', {}],
    ['as they were, where no retransmission was negotiated', { codecs: withoutRtx }],
  ])('%s: every frame arrives at a loss of 10 % in bursts', (_, options) => {
    for (let seed = 1; seed <= 25; seed++) {
      const { a, b, frames } = call(seed, { loss: BURSTS }, options)
      expect(frames.length, `seed ${seed}`).toBe(FRAMES)
      expect(
        frames.every(({ contiguous }) => contiguous),
        `seed ${seed}`,
      ).toBe(true)
      for (let i = 0; i < FRAMES; i++)
        expect(Buffer.compare(frames[i]!.data, frame(i)), `seed ${seed}`).toBe(0)
      const [inbound] = b.statistics.inbound
      const [outbound] = a.statistics.outbound
      const again = outbound!.retransmittedPacketsSent
      expect(inbound!.nackCount, `seed ${seed}`).toBeGreaterThan(10)
      expect(again, `seed ${seed}`).toBeGreaterThan(30)
      // a packet is not sent again before the answer to the first can have been lost
      expect(again, `seed ${seed}`).toBeLessThan(0.4 * outbound!.packetsSent)
    }
  })

  it('as they were, hundreds of packets later: 5 Mbit/s over a round trip of 300 ms', () => {
    for (let seed = 1; seed <= 3; seed++) {
      const { a, b, pair } = rtcPair(seed, { latency: 150 }, { codecs: withoutRtx })
      pair.runUntil(() => a.connected && b.connected)
      const media = a.media('1')!
      const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
      const data = new Uint8Array(20_000)
      for (let i = 0; i < 60; i++) {
        // a loss here and there, in the middle
        pair.aToB.configure(pair.now, { latency: 150, loss: i > 5 && i < 40 ? 0.01 : 0 })
        data[0] = i === 0 ? 0x10 : 0x11
        media.writer(pt).write({ value: 3000 * i, clockRate: 90_000 }, data)
        pair.runFor(33)
      }
      pair.runFor(3000)
      const frames = eventsOf(pair.b.events, 'mediaData')
      expect(a.statistics.outbound[0]!.retransmittedPacketsSent, `seed ${seed}`).toBeGreaterThan(2)
      expect(frames.length, `seed ${seed}`).toBe(60)
    }
  })

  it.each([
    ['at the start', 0, [0]],
    ['at the start', 0, [0, 1, 2]],
    ['at the end', 9, [3]],
    ['at the end', 9, [1, 2, 3]],
  ] as const)('also %s, in frame %i: packets %j of four', (_, lossy, lost) => {
    for (const options of [{}, { codecs: withoutRtx }, { bandwidthEstimation: {} }] satisfies RtcOptions[]) {
      const { a, b, pair } = rtcPair(61, { latency: 25 }, options)
      pair.runUntil(() => a.connected && b.connected)
      const media = a.media('1')!
      const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
      const send = pair.aToB.send.bind(pair.aToB)
      for (let i = 0; i < 10; i++) {
        let count = 0
        pair.aToB.send = (now, datagram) => {
          const isMedia = datagram.contents[0]! >> 6 === 2 && datagram.contents.length > 500
          const isLost = isMedia && i === lossy && lost.some((number) => number === count)
          if (isMedia) count++
          if (!isLost) send(now, datagram)
        }
        const data = new Uint8Array(4400).fill(i)
        data[0] = i === 0 ? 0x10 : 0x11
        media.writer(pt).write({ value: 18_000 * i, clockRate: 90_000 }, data)
        pair.runFor(200)
      }
      pair.aToB.send = send
      pair.runFor(2000)
      const frames = eventsOf(pair.b.events, 'mediaData')
      expect(frames.map(({ data }) => data[1])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      expect(frames.every(({ contiguous }) => contiguous)).toBe(true)
      // and no more of it
      const { packetsSent, retransmittedPacketsSent: sent } = a.statistics.outbound[0]!
      expect(packetsSent - sent).toBe(40)
      pair.runFor(20_000)
      expect(a.statistics.outbound[0]!.retransmittedPacketsSent).toBe(sent)
      // that of probes is sent again too
      if (!('bandwidthEstimation' in options)) expect(sent).toBeLessThanOrEqual(lost.length + 1)
    }
  })

  it('and arrive soon', () => {
    const { frames, pair } = call(20, { loss: BURSTS })
    const start = pair.b.events.find(({ event }) => event.type === 'mediaData')!.at
    const delays = pair.b.events
      .filter(({ event }) => event.type === 'mediaData')
      .map(({ at }, i) => at - start - 33 * i)
    expect(frames).toHaveLength(FRAMES)
    expect(Math.max(...delays)).toBeLessThan(1000)
    expect(delays.toSorted((x, y) => x - y)[Math.floor(FRAMES / 2)]).toBeLessThan(100)
  })

  it('not where nobody asks', () => {
    const { a, frames } = call(21, { loss: BURSTS }, { codecs: withoutNack })
    expect(frames.length).toBeLessThan(FRAMES)
    expect(frames.some(({ contiguous }) => !contiguous)).toBe(true)
    expect(a.statistics.outbound[0]!.retransmittedPacketsSent).toBe(0)
  })

  it('what cannot arrive is given up in time, and a keyframe is asked for', () => {
    const { a, b, pair } = rtcPair(22, { latency: 25 })
    pair.runUntil(() => a.connected && b.connected)
    const media = a.media('1')!
    const { pt } = media.codecs[0]!
    for (let i = 0; i < 200; i++) {
      if (i === 50) pair.aToB.addOutage(pair.now, pair.now + 3000)
      media.writer(pt).write({ value: 3000 * i, clockRate: 90_000 }, frame(i))
      pair.runFor(33)
    }
    pair.runFor(3000)
    const frames = eventsOf(pair.b.events, 'mediaData')
    const last = frames.at(-1)!
    expect(last.data[1]).toBe(199)
    expect(frames.filter(({ contiguous }) => !contiguous)).toHaveLength(1)
    expect(eventsOf(pair.a.events, 'keyframeRequest').length).toBeGreaterThan(0)
  })
})
