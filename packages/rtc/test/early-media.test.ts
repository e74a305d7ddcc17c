import { describe, expect, it } from 'vitest'
import { MEDIA_LIMITS } from '../src/hold-back.ts'
import type { Rtc, RtcOptions } from '../src/index.ts'
import { connectedPair, eventsOf } from './harness.ts'

// RFC 3264 section 5.1: once it has offered, a side is ready to receive; the answerer's media may be faster than its answer

const LATENCY = 10
const FRAMES = 10

/** A call with audio, in which `a` offers video too; `b` has answered and `a` does not know yet. */
function halfAnswered(seed: number, options: RtcOptions = {}) {
  const { a, b, pair } = connectedPair({
    seed,
    link: { latency: LATENCY },
    a: options,
    b: options,
    change: (change) => change.addMedia('audio', 'sendrecv'),
  })
  const change = a.createOffer()
  const mid = change.addMedia('video', 'sendrecv')
  const answer = b.acceptOffer(change.apply())
  return { a, b, pair, mid, answer }
}

/** Sends a frame of one packet each 10 ms. */
function sendFrames(from: Rtc, mid: string, runFor: (ms: number) => void, count = FRAMES): void {
  const { pt } = from.media(mid)!.codecs.find(({ name }) => name === 'VP8')!
  for (let i = 0; i < count; i++) {
    const frame = new Uint8Array(100).fill(i)
    frame[0] = i === 0 ? 0x10 : 0x11
    from
      .media(mid)!
      .writer(pt)
      .write({ value: 900 * i, clockRate: 90_000 }, frame, { keyframe: i === 0 })
    runFor(10)
  }
}

describe('media that overtakes the answer', () => {
  it('is handed out once the answer is there, whole and without a word to the sender', () => {
    const { a, b, pair, mid, answer } = halfAnswered(1)
    const since = pair.now
    sendFrames(b, mid, (ms) => pair.runFor(ms))
    pair.runFor(LATENCY)
    expect(eventsOf(pair.a.events, 'mediaData')).toEqual([])
    a.pendingChanges()!.acceptAnswer(answer)
    pair.runFor(100)
    const frames = eventsOf(pair.a.events, 'mediaData')
    expect(frames.map(({ data }) => data[1])).toEqual(Array.from({ length: FRAMES }, (_, i) => i))
    expect(frames.every((frame) => frame.mid === mid && frame.contiguous)).toBe(true)
    // each has the time at which it came, not that at which it was understood
    expect(frames.map(({ receivedAt }) => Math.round(receivedAt - since))).toEqual(
      Array.from({ length: FRAMES }, (_, i) => 10 * i + LATENCY),
    )
    expect(eventsOf(pair.b.events, 'keyframeRequest')).toEqual([])
    expect(a.statistics.dropped).toMatchObject({ unknownStream: 0, unknownPayloadType: 0 })
  })

  it('is handed out packet by packet in RTP mode, with the time at which each came', () => {
    const { a, b, pair, mid, answer } = halfAnswered(2, { rtpMode: true })
    const since = pair.now
    const { pt } = b.media(mid)!.codecs.find(({ name }) => name === 'VP8')!
    for (let i = 0; i < FRAMES; i++) {
      b.media(mid)!
        .rtpWriter()
        .write({ pt, sequenceNumber: i, timestamp: 900 * i }, Uint8Array.of(0x10, i))
      pair.runFor(10)
    }
    pair.runFor(LATENCY)
    a.pendingChanges()!.acceptAnswer(answer)
    pair.runFor(10)
    const packets = eventsOf(pair.a.events, 'rtpPacket')
    expect(packets.map(({ header }) => header.sequenceNumber)).toEqual(
      Array.from({ length: FRAMES }, (_, i) => i),
    )
    expect(packets.map(({ receivedAt }) => Math.round(receivedAt - since))).toEqual(
      Array.from({ length: FRAMES }, (_, i) => 10 * i + LATENCY),
    )
  })

  it('is dropped and counted where the offer is rolled back', () => {
    const { a, b, pair, mid } = halfAnswered(3)
    sendFrames(b, mid, (ms) => pair.runFor(ms))
    pair.runFor(LATENCY)
    expect(a.statistics.dropped.unknownStream).toBe(0)
    a.pendingChanges()!.rollback()
    expect(a.statistics.dropped.unknownStream).toBe(FRAMES)
    sendFrames(b, mid, (ms) => pair.runFor(ms), 1)
    pair.runFor(LATENCY)
    expect(a.statistics.dropped.unknownStream).toBe(FRAMES + 1)
    expect(eventsOf(pair.a.events, 'mediaData')).toEqual([])
  })

  it('is kept within bounds, the newest of it', () => {
    const { a, b, pair, mid, answer } = halfAnswered(4)
    const extra = 5
    sendFrames(b, mid, (ms) => pair.runFor(ms), MEDIA_LIMITS.datagrams + extra)
    pair.runFor(LATENCY)
    expect(a.statistics.dropped.unknownStream).toBe(extra)
    a.pendingChanges()!.acceptAnswer(answer)
    expect(a.media(mid)).toBeDefined()
    pair.runFor(1000)
    expect(a.statistics.dropped.unknownStream).toBe(extra)
    expect(eventsOf(pair.b.events, 'keyframeRequest').length).toBeGreaterThan(0)
  })
})
