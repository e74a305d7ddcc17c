import { SeededRandom } from '@str0m/sans-io'
import { DEFAULT_CODECS } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import type { Rtc, RtpPacket } from '../src/index.ts'
import { codeOf, connectedPair, eventsOf } from './harness.ts'

const LINK = { latency: 20 }
const RTP = { rtpMode: true } as const
const VIDEO = '1'
const AUDIO = '0'

function vp8Pt(rtc: Rtc): number {
  return rtc.media(VIDEO)!.codecs.find(({ name }) => name === 'VP8')!.pt
}

/** A VP8 frame of so many bytes, which says itself whether it is a keyframe. */
function vp8(length: number, keyframe: boolean, fill: number): Uint8Array {
  const frame = new Uint8Array(length).fill(fill)
  frame[0] = keyframe ? 0x10 : 0x11
  return frame
}

describe('RTP mode', () => {
  it('gives the packets as they were sent, with their extensions', () => {
    const { a, b, pair } = connectedPair({ seed: 1, link: LINK, a: RTP, b: RTP })
    const writer = a.media(AUDIO)!.rtpWriter()
    const { pt } = a.media(AUDIO)!.codecs[0]!
    for (let i = 0; i < 5; i++) {
      const sent = writer.write(
        {
          pt,
          sequenceNumber: (65_533 + i) & 0xffff,
          timestamp: 960 * i,
          marker: i === 0,
          csrcs: [7],
          ...(i === 2 ? { extensions: { audioLevel: 30, voiceActivity: true } } : {}),
        },
        Uint8Array.of(0xfc, i),
      )
      expect(sent).toBe(true)
    }
    pair.runFor(100)
    const packets = eventsOf(pair.b.events, 'rtpPacket')
    expect(packets.map(({ header }) => header.sequenceNumber)).toEqual([65_533, 65_534, 65_535, 0, 1])
    expect(packets.map(({ header }) => header.timestamp)).toEqual([0, 960, 1920, 2880, 3840])
    expect(packets.map(({ header }) => header.marker)).toEqual([true, false, false, false, false])
    expect(packets.map(({ payload }) => payload[1])).toEqual([0, 1, 2, 3, 4])
    expect(packets.map(({ extensions }) => extensions.audioLevel)).toEqual([
      undefined,
      undefined,
      30,
      undefined,
      undefined,
    ])
    expect(packets[2]).toMatchObject({ mid: AUDIO, retransmitted: false, startsKeyframe: true })
    expect(packets[2]!.extensions).toMatchObject({ mid: AUDIO, voiceActivity: true })
    expect(packets[0]!.header.csrcs).toEqual([7])
    expect(b.statistics.inbound[0]).toMatchObject({ packetsReceived: 5, packetsLost: 0 })
    expect(eventsOf(pair.b.events, 'mediaData')).toEqual([])
  })

  it('lost packets come again under the header that they had', () => {
    const { a, b, pair } = connectedPair({ seed: 2, link: LINK, a: RTP, b: RTP })
    const writer = a.media(VIDEO)!.rtpWriter()
    const pt = vp8Pt(a)
    const count = 400
    for (let i = 0; i < count; i++) {
      // nobody knows of a loss at the very ends
      if (i === 1) pair.aToB.configure(pair.now, { latency: 20, loss: 0.1 })
      if (i === count - 5) pair.aToB.configure(pair.now, { latency: 20 })
      const sequenceNumber = (65_400 + i) & 0xffff
      writer.write({ pt, sequenceNumber, timestamp: 3000 * i }, vp8(900, i === 0, i))
      pair.runFor(5)
    }
    pair.runFor(2000)
    const packets = eventsOf(pair.b.events, 'rtpPacket')
    const bySequence = new Map(packets.map((packet) => [packet.header.sequenceNumber, packet]))
    expect(packets.some(({ retransmitted }) => retransmitted)).toBe(true)
    expect(bySequence.size).toBe(count)
    for (let i = 0; i < count; i++) {
      const packet = bySequence.get((65_400 + i) & 0xffff)!
      expect(packet.header.timestamp).toBe((3000 * i) >>> 0)
      expect(packet.header.payloadType).toBe(pt)
      expect(packet.ssrc).toBe(a.media(VIDEO)!.localStreams[0]!.ssrc)
      expect(packet.payload.subarray(1, 3)).toEqual(vp8(900, i === 0, i).subarray(1, 3))
    }
    expect(b.statistics.inbound[0]!.retransmittedPacketsReceived).toBeGreaterThan(0)
  })

  it('lost packets that come again as they were are told from others', () => {
    const codecs = DEFAULT_CODECS.map((codec) => {
      const { preferredRtxPt, ...rest } = codec
      return preferredRtxPt === undefined ? codec : rest
    })
    const { a, pair } = connectedPair({ seed: 2, link: LINK, a: { ...RTP, codecs }, b: { ...RTP, codecs } })
    const writer = a.media(VIDEO)!.rtpWriter()
    for (let i = 0; i < 20; i++) {
      pair.aToB.configure(pair.now, { latency: 20, loss: i === 7 || i === 8 ? 1 : 0 })
      writer.write({ pt: vp8Pt(a), sequenceNumber: i, timestamp: 3000 * i }, vp8(90, i === 0, i))
      pair.runFor(20)
    }
    pair.runFor(500)
    const packets = eventsOf(pair.b.events, 'rtpPacket')
    expect(packets.length).toBe(20)
    const again = packets.filter(({ retransmitted }) => retransmitted)
    expect(again.map(({ header }) => header.sequenceNumber)).toEqual([7, 8])
  })

  it('refuses a sequence number that was used, since its keystream was', () => {
    const { a } = connectedPair({ seed: 3, link: LINK, a: RTP, b: RTP })
    const writer = a.media(AUDIO)!.rtpWriter()
    const { pt } = a.media(AUDIO)!.codecs[0]!
    const write = (sequenceNumber: number) => () =>
      writer.write({ pt, sequenceNumber, timestamp: 0 }, Uint8Array.of(1))
    expect(codeOf(write(10))).toBeUndefined()
    expect(codeOf(write(12))).toBeUndefined()
    expect(codeOf(write(11))).toBeUndefined()
    expect(codeOf(write(11))).toBe('sequence-number-used')
    expect(codeOf(write(10))).toBe('sequence-number-used')
    expect(codeOf(write(65_536))).toBe('invalid-packet')
    expect(codeOf(write(0.5))).toBe('invalid-packet')
    for (const csrc of [-1, 0.5, 2 ** 32]) {
      const fields = { pt, sequenceNumber: 13, timestamp: 0, csrcs: [csrc] }
      expect(codeOf(() => writer.write(fields, Uint8Array.of(1)))).toBe('invalid-packet')
    }
    expect(codeOf(() => writer.write({ pt, sequenceNumber: 13, timestamp: 0 }, new Uint8Array(1200)))).toBe(
      'invalid-packet',
    )
    expect(codeOf(() => writer.write({ pt: 127, sequenceNumber: 13, timestamp: 0 }, Uint8Array.of(1)))).toBe(
      'unknown-payload-type',
    )
  })

  it('reports say when a packet was captured, where that is told', () => {
    const wallClock = { now: 0, unixTime: 1_800_000_000_000 }
    const link = { latency: 20, jitter: 40 }
    const { a, pair } = connectedPair({ seed: 6, link, a: { ...RTP, wallClock }, b: RTP })
    const writer = a.media(AUDIO)!.rtpWriter()
    const { pt } = a.media(AUDIO)!.codecs[0]!
    const captured: number[] = []
    for (let i = 0; i < 200; i++) {
      a.handleInput({ kind: 'timeout', now: pair.now })
      const capturedAt = pair.now - 100 - 3 * (i % 10)
      captured.push(capturedAt)
      const timestamp = Math.round(48 * capturedAt)
      writer.write({ pt, sequenceNumber: i, timestamp, capturedAt }, Uint8Array.of(0xfc, i))
      pair.runFor(20)
    }
    pair.runFor(200)
    const timed = eventsOf(pair.b.events, 'rtpPacket').filter((packet) => packet.capturedAt !== undefined)
    expect(timed.length).toBeGreaterThan(190)
    const ways = timed.map((packet) => {
      const index = packet.payload[1]!
      expect(Math.abs(packet.captureTime! - wallClock.unixTime - captured[index]!)).toBeLessThan(0.1)
      return packet.capturedAt! - captured[index]!
    })
    // the way of the first report, and little of the jitter of the others
    expect(Math.max(...ways) - Math.min(...ways)).toBeLessThan(3)
    expect(Math.min(...ways)).toBeGreaterThan(20)
    const write = () =>
      writer.write({ pt, sequenceNumber: 900, timestamp: 0, capturedAt: NaN }, new Uint8Array(1))
    expect(codeOf(write)).toBe('invalid-packet')
  })

  it('and frames do not mix', () => {
    const { a, b } = connectedPair({ seed: 4, link: LINK, a: RTP })
    expect(codeOf(() => a.media(AUDIO)!.writer(a.media(AUDIO)!.codecs[0]!.pt))).toBe('wrong-mode')
    expect(codeOf(() => b.media(AUDIO)!.rtpWriter())).toBe('wrong-mode')
    expect(codeOf(() => b.media(AUDIO)!.forwarder(0))).toBe('wrong-mode')
    expect(codeOf(() => a.media(AUDIO)!.rtpWriter('x'))).toBe('unknown-rid')
  })
})

describe('forwarding', () => {
  /** Two publishers of frames, each to a peer of the server's in RTP mode, and one subscriber: what a small SFU has. */
  function conference(seed: number, loss = 0) {
    const publishers = [0, 1].map((i) =>
      connectedPair({ seed: seed + i, link: { latency: 10, loss }, b: RTP }),
    )
    const subscriber = connectedPair({ seed: seed + 2, link: { latency: 10, loss }, a: RTP })
    const out = subscriber.a.media(VIDEO)!
    const forwarder = out.forwarder(vp8Pt(subscriber.a))
    const seen = [0, 0]
    /** Runs all for so long, and hands on what came. */
    const run = (milliseconds: number): void => {
      publishers.forEach(({ b, pair }, i) => {
        pair.runFor(milliseconds)
        const packets = eventsOf(pair.b.events, 'rtpPacket')
        for (const packet of packets.slice(seen[i])) {
          forwarder.forward(packet)
        }
        if (forwarder.needsKeyframe && packets.some(({ ssrc }) => ssrc === forwarder.selected)) {
          b.media(VIDEO)!.requestKeyframe('pli', forwarder.selected)
        }
        seen[i] = packets.length
      })
      subscriber.pair.runFor(milliseconds)
    }
    return { publishers, subscriber, forwarder, run }
  }

  it('one source after the other, as one stream that never needs a keyframe of its own', () => {
    for (let seed = 10; seed < 20; seed++) {
      const { publishers, subscriber, forwarder, run } = conference(seed)
      const random = new SeededRandom(seed)
      const sources = publishers.map(({ a }) => a.media(VIDEO)!.localStreams[0]!.ssrc)
      const answered = [0, 0]
      let frames = 0
      for (let i = 0; i < 200; i++) {
        if (i % 50 === 0) forwarder.select(sources[(i / 50) % 2])
        publishers.forEach(({ a, pair }, k) => {
          const asked = eventsOf(pair.a.events, 'keyframeRequest').length
          const keyframe = i === 0 || asked > answered[k]!
          answered[k] = asked
          a.media(VIDEO)!
            .writer(vp8Pt(a))
            .write({ value: 3000 * i, clockRate: 90_000 }, vp8(1 + random.integer(4000), keyframe, i), {
              keyframe,
            })
        })
        frames++
        run(33)
      }
      run(500)
      const received = eventsOf(subscriber.pair.b.events, 'mediaData')
      expect(received.length, `seed ${seed}`).toBeGreaterThan(0.9 * frames)
      expect(
        received.every(({ contiguous }) => contiguous),
        `seed ${seed}: a gap at a switch`,
      ).toBe(true)
      const times = received.map(({ time }) => time.value)
      expect(
        times.every((time, i) => i === 0 || time > times[i - 1]!),
        `seed ${seed}: times go back`,
      ).toBe(true)
      expect(forwarder.statistics.switches, `seed ${seed}`).toBe(4)
      expect(eventsOf(subscriber.pair.a.events, 'keyframeRequest').length, `seed ${seed}`).toBe(0)
    }
  })

  it('temporal layers are left out without a hole in the picture ids', () => {
    const { subscriber, forwarder } = conference(30)
    // packets of VP8 with 15-bit picture ids and three temporal layers, as an encoder of conferences makes them
    const source = connectedPair({ seed: 40, link: LINK, a: RTP, b: RTP })
    const writer = source.a.media(VIDEO)!.rtpWriter()
    forwarder.select(source.a.media(VIDEO)!.localStreams[0]!.ssrc)
    forwarder.maxTemporalLayer = 0
    const tids = [0, 2, 1, 2]
    for (let i = 0; i < 80; i++) {
      const tid = tids[i % 4]!
      const tl0 = i >> 2
      const descriptor = [0x90, 0xe0, 0x80 | (i >> 8), i & 0xff, tl0, tid << 6]
      const payload = Uint8Array.from([...descriptor, ...vp8(50, i === 0, i)])
      writer.write({ pt: vp8Pt(source.a), sequenceNumber: i, timestamp: 3000 * i, marker: true }, payload)
      source.pair.runFor(10)
    }
    source.pair.runFor(100)
    for (const packet of eventsOf(source.pair.b.events, 'rtpPacket')) forwarder.forward(packet)
    subscriber.pair.runFor(100)
    const received = eventsOf(subscriber.pair.b.events, 'mediaData')
    expect(received.length).toBe(20)
    expect(received.every(({ contiguous }) => contiguous)).toBe(true)
  })

  it('hands on what the codec says, and the level of audio', () => {
    const source = connectedPair({ seed: 50, link: LINK, a: RTP, b: RTP })
    const sink = connectedPair({ seed: 51, link: LINK, a: RTP, b: RTP })
    const { pt } = sink.a.media(AUDIO)!.codecs[0]!
    const forwarder = sink.a.media(AUDIO)!.forwarder(pt)
    const { ssrc } = source.a.media(AUDIO)!.localStreams[0]!
    forwarder.select(ssrc)
    expect(forwarder).toMatchObject({ selected: ssrc, current: undefined, needsKeyframe: true })
    const writer = source.a.media(AUDIO)!.rtpWriter()
    for (let i = 0; i < 3; i++) {
      writer.write(
        {
          pt,
          sequenceNumber: i,
          timestamp: 960 * i,
          extensions: { audioLevel: 10 + i, voiceActivity: i === 1 },
        },
        Uint8Array.of(0xfc, i),
      )
    }
    source.pair.runFor(50)
    for (const packet of eventsOf(source.pair.b.events, 'rtpPacket')) forwarder.forward(packet)
    expect(forwarder.current).toBe(ssrc)
    sink.pair.runFor(50)
    const packets: RtpPacket[] = eventsOf(sink.pair.b.events, 'rtpPacket')
    expect(packets.map(({ extensions }) => [extensions.audioLevel, extensions.voiceActivity])).toEqual([
      [10, false],
      [11, true],
      [12, false],
    ])
    expect(packets.every((packet) => packet.ssrc === sink.a.media(AUDIO)!.localStreams[0]!.ssrc)).toBe(true)
    forwarder.select(undefined)
    expect(forwarder.forward(packets[0]!)).toBe(false)
  })

  it('leaves out packets of another codec, without a hole', () => {
    const source = connectedPair({ seed: 52, link: LINK, a: RTP, b: RTP })
    const sink = connectedPair({ seed: 53, link: LINK, a: RTP, b: RTP })
    const { codecs } = source.a.media(AUDIO)!
    const [opus, event] = ['opus', 'telephone-event'].map((name) =>
      codecs.find((codec) => codec.name === name)!,
    )
    const forwarder = sink.a.media(AUDIO)!.forwarder(opus!.pt)
    const { ssrc } = source.a.media(AUDIO)!.localStreams[0]!
    forwarder.select(ssrc)
    const writer = source.a.media(AUDIO)!.rtpWriter()
    // a key is pressed before the sound begins, and in it; the last of its packets comes late
    for (const i of [0, 1, 2, 3, 4, 6, 5, 7]) {
      const { pt } = [0, 3, 5].includes(i) ? event! : opus!
      writer.write({ pt, sequenceNumber: 100 + i, timestamp: 960 * i }, Uint8Array.of(5, 10, 0, i))
    }
    source.pair.runFor(50)
    for (const packet of eventsOf(source.pair.b.events, 'rtpPacket')) forwarder.forward(packet)
    sink.pair.runFor(50)
    const packets = eventsOf(sink.pair.b.events, 'rtpPacket').filter(({ payload }) => payload.length > 0)
    expect(packets.map(({ payload }) => payload[3])).toEqual([1, 2, 4, 6, 7])
    expect(packets.every(({ codec }) => codec.name === 'opus')).toBe(true)
    const first = packets[0]!.header.sequenceNumber
    const numbers = packets.map(({ header }) => (header.sequenceNumber - first) & 0xffff)
    // the place of the late one was open, and is filled
    expect(numbers).toEqual([0, 1, 2, 4, 5])
    expect(forwarder.statistics).toMatchObject({ packetsForwarded: 5, packetsLeftOut: 2, placesFilled: 1 })
    expect(sink.b.statistics.inbound[0]).toMatchObject({ packetsReceived: 6, packetsLost: 0 })
  })

  it('goes on in time where another codec takes over, with a forwarder of its own', () => {
    const { a, pair } = connectedPair({ seed: 62, link: LINK, a: RTP, b: RTP })
    const subscriber = connectedPair({ seed: 63, link: LINK, a: RTP })
    // all on one clock
    for (const of of [pair, subscriber.pair]) of.runFor(1000 - of.now)
    const out = subscriber.a.media(VIDEO)!
    const ptOf = (rtc: Rtc, name: string): number =>
      rtc.media(VIDEO)!.codecs.find((codec) => codec.name === name)!.pt
    const writer = a.media(VIDEO)!.rtpWriter()
    const { ssrc } = a.media(VIDEO)!.localStreams[0]!
    let sequenceNumber = 0
    for (const name of ['VP8', 'AV1', 'VP8']) {
      const forwarder = out.forwarder(ptOf(subscriber.a, name))
      forwarder.select(ssrc)
      const payload = name === 'VP8' ? Uint8Array.of(0x10, 0, 9) : Uint8Array.of(0x18, 0x08, 1)
      // it is made some time before the first keyframe of its codec
      for (let i = 0; i < 4; i++) {
        pair.runFor(250)
        subscriber.pair.runFor(250)
        if (i === 0) continue
        a.handleInput({ kind: 'timeout', now: pair.now })
        const timestamp = Math.round(90 * pair.now)
        writer.write(
          { pt: ptOf(a, name), sequenceNumber: sequenceNumber++, timestamp, marker: true },
          payload,
        )
        pair.runFor(25)
        subscriber.pair.runFor(25)
        expect(forwarder.forward(eventsOf(pair.b.events, 'rtpPacket').at(-1)!)).toBe(true)
      }
    }
    subscriber.pair.runFor(100)
    const frames = eventsOf(subscriber.pair.b.events, 'mediaData')
    expect(frames.map(({ codec }) => codec.name)).toEqual(
      ['VP8', 'AV1', 'VP8'].flatMap((name) => [name, name, name]),
    )
    const elapsed = frames.map(({ time }) => Math.round((time.value - frames[0]!.time.value) / 90))
    expect(elapsed).toEqual([0, 275, 550, 1075, 1350, 1625, 2150, 2425, 2700])
  })

  it('S5: one that another has taken the stream over from sends no more, since its numbers are used', () => {
    const { a, pair } = connectedPair({ seed: 64, link: LINK, a: RTP, b: RTP })
    const sink = connectedPair({ seed: 65, link: LINK, a: RTP })
    const media = sink.a.media(VIDEO)!
    const [first, second] = [media.forwarder(vp8Pt(sink.a)), media.forwarder(vp8Pt(sink.a))]
    const { ssrc } = a.media(VIDEO)!.localStreams[0]!
    for (const forwarder of [first, second]) forwarder.select(ssrc)
    const fields = { pt: vp8Pt(a), sequenceNumber: 1, timestamp: 0, marker: true }
    a.media(VIDEO)!
      .rtpWriter()
      .write(fields, Uint8Array.of(0x10, 0, 9))
    pair.runFor(100)
    const [packet] = eventsOf(pair.b.events, 'rtpPacket')
    expect(second.forward(packet!)).toBe(true)
    expect(codeOf(() => first.forward(packet!))).toBe('forwarder-replaced')
  })

  it('acts at the time at which a packet came, also where the subscriber heard nothing since', () => {
    const { publishers, subscriber, forwarder } = conference(60)
    const { pair } = subscriber
    const [first, second] = publishers.map((publisher) => {
      const { ssrc } = publisher.a.media(VIDEO)!.localStreams[0]!
      /** A keyframe that comes at a time; the subscriber is not driven meanwhile. */
      const keyframeAt = (now: number): RtpPacket => {
        publisher.pair.runFor(now - publisher.pair.now - 10)
        const codec = vp8Pt(publisher.a)
        publisher.a
          .media(VIDEO)!
          .writer(codec)
          .write({ value: 0, clockRate: 90_000 }, vp8(50, true, 1), { keyframe: true })
        publisher.pair.runFor(20)
        return eventsOf(publisher.pair.b.events, 'rtpPacket').at(-1)!
      }
      return { ssrc, keyframeAt }
    })
    forwarder.select(first!.ssrc)
    expect(forwarder.forward(first!.keyframeAt(2000))).toBe(true)
    forwarder.select(second!.ssrc)
    expect(forwarder.forward(second!.keyframeAt(2500))).toBe(true)
    pair.runFor(100)
    const times = eventsOf(pair.b.events, 'mediaData').map(({ time }) => time.value)
    expect(times.length).toBe(2)
    // half a second of 90 kHz lies between them
    expect(times[1]! - times[0]!).toBe(45_000)
  })

  it('to several at once: each gets again what it lost, whatever becomes of the packet that came', () => {
    const source = connectedPair({ seed: 70, link: LINK, a: RTP, b: RTP })
    const writer = source.a.media(VIDEO)!.rtpWriter()
    const pt = vp8Pt(source.a)
    const subscribers = [1, 2, 3, 4].map((i) => {
      const subscriber = connectedPair({ seed: 70 + i, link: LINK, a: RTP, b: RTP })
      const forwarder = subscriber.a.media(VIDEO)!.forwarder(vp8Pt(subscriber.a))
      forwarder.select(source.a.media(VIDEO)!.localStreams[0]!.ssrc)
      // of some, the picture ids are others than those that come in
      forwarder.maxTemporalLayer = i % 2 === 0 ? 0 : 7
      return { ...subscriber, forwarder }
    })
    const count = 300
    let seen = 0
    for (let i = 0; i < count; i++) {
      const descriptor = [0x90, 0xe0, 0x80 | (i >> 8), i & 0xff, i >> 1, (i % 2) << 6]
      const frame = vp8(900, i === 0, i)
      frame[1] = i >> 8
      const payload = Uint8Array.from([...descriptor, ...frame])
      writer.write({ pt, sequenceNumber: 60 + i, timestamp: 3000 * i, marker: true }, payload)
      source.pair.runFor(5)
      for (const { pair } of subscribers) {
        // a receiver does not know of what comes before the first packet that it gets
        if (i === 10) pair.aToB.configure(pair.now, { latency: 20, loss: 0.15 })
        if (i === count - 20) pair.aToB.configure(pair.now, { latency: 20, loss: 0 })
      }
      const packets = eventsOf(source.pair.b.events, 'rtpPacket')
      for (const packet of packets.slice(seen)) {
        for (const { forwarder } of subscribers) forwarder.forward(packet)
        packet.bytes.fill(0xff)
      }
      seen = packets.length
      for (const { pair } of subscribers) pair.runFor(5)
    }
    for (const { pair } of subscribers) pair.runFor(2000)
    const delivered = seen
    subscribers.forEach(({ pair, forwarder }, k) => {
      const packets = eventsOf(pair.b.events, 'rtpPacket')
      expect(packets.filter(({ retransmitted }) => retransmitted).length, `subscriber ${k}`).toBeGreaterThan(
        10,
      )
      const step = forwarder.maxTemporalLayer === 0 ? 2 : 1
      const expected = Array.from({ length: Math.ceil(delivered / step) }, (_, i) => step * i)
      const frames = packets.map(({ payload }) => payload.subarray(6))
      const numbers = frames.map((frame) => 256 * frame[1]! + frame[2]!).toSorted((a, b) => a - b)
      expect(numbers, `subscriber ${k}`).toEqual(expected)
      for (const frame of frames) expect(new Set(frame.subarray(2)).size, `subscriber ${k}`).toBe(1)
      const ids = packets.map(({ payload }) => ((payload[2]! & 0x7f) << 8) | payload[3]!)
      expect(ids.toSorted((a, b) => a - b)).toEqual(expected.map((_, i) => i))
    })
  })
})
