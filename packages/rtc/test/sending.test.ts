import type { LinkOptions } from '@str0m/netem'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Candidate, Rtc } from '../src/index.ts'
import { codeOf, connectedCall, eventsOf, negotiatedPair, RTC_ADDRESS, rtcPair } from './harness.ts'

const LINK = { latency: 20 }

function connectedPair(seed: number, link: LinkOptions = LINK) {
  const made = rtcPair(seed, link)
  made.pair.runUntil(() => made.a.connected && made.b.connected)
  return made
}

/** A VP8 frame of so many bytes, which says itself whether it is a keyframe. */
function vp8(length: number, keyframe: boolean, fill: number): Uint8Array {
  const frame = new Uint8Array(length).fill(fill)
  frame[0] = keyframe ? 0x10 : 0x11
  return frame
}

const audio = (value: number) => ({ value, clockRate: 48_000 })
const video = (value: number) => ({ value, clockRate: 90_000 })

describe('frames that are sent arrive', () => {
  it('whole, in order, with their times, both ways at once', () => {
    const { a, b, pair } = connectedPair(1)
    const random = new SeededRandom(1)
    const opusPt = a.media('0')!.codecs[0]!.pt
    const vp8Pt = a.media('1')!.codecs.find(({ name }) => name === 'VP8')!.pt
    const sent: Uint8Array[] = []
    for (let i = 0; i < 50; i++) {
      const frame = vp8(1 + random.integer(8000), i === 0, i)
      sent.push(frame)
      expect(
        a
          .media('1')!
          .writer(vp8Pt)
          .write(video(3000 * i), frame, { keyframe: i === 0 }),
      ).toBe(true)
      expect(
        b
          .media('0')!
          .writer(opusPt)
          .write(audio(960 * i), Uint8Array.of(0xfc, i)),
      ).toBe(true)
      pair.runFor(33)
    }
    pair.runFor(100)
    const frames = eventsOf(pair.b.events, 'mediaData')
    expect(frames.map(({ data }) => data)).toEqual(sent)
    expect(frames.every(({ mid, contiguous }) => mid === '1' && contiguous)).toBe(true)
    expect(frames.map(({ keyframe }) => keyframe)).toEqual(sent.map((_, i) => i === 0))
    expect(frames.map(({ time }) => time.value - frames[0]!.time.value)).toEqual(sent.map((_, i) => 3000 * i))
    const heard = eventsOf(pair.a.events, 'mediaData')
    expect(heard.map(({ data }) => data[1])).toEqual(Array.from({ length: 50 }, (_, i) => i))
  })

  it('in every codec that was negotiated', () => {
    const { a, pair } = connectedPair(2)
    const frames: Record<string, Uint8Array> = {
      opus: Uint8Array.of(0xfc, 1),
      PCMU: new Uint8Array(160).fill(1),
      PCMA: new Uint8Array(160).fill(2),
      G722: new Uint8Array(160).fill(3),
      CN: Uint8Array.of(60),
      red: Uint8Array.of(0xfc, 2),
      VP8: vp8(3000, true, 3),
      VP9: Uint8Array.from([0x80, ...new Uint8Array(3000).fill(4)]),
      H264: Uint8Array.from([0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x65, ...new Uint8Array(900).fill(5)]),
      AV1: Uint8Array.from([0x0a, 1, 7, 0x32, 0x10, ...new Uint8Array(16).fill(6)]),
      H265: Uint8Array.from([0, 0, 0, 1, 0x40, 1, 7, 0, 0, 0, 1, 0x26, 1, ...new Uint8Array(900).fill(5)]),
    }
    let time = 0
    for (const media of a.medias) {
      for (const codec of media.codecs) {
        if (codec.name === 'telephone-event') continue
        time += codec.clockRate
        media.writer(codec.pt).write({ value: time, clockRate: codec.clockRate }, frames[codec.name]!)
        pair.runFor(200)
        const [last] = eventsOf(pair.b.events, 'mediaData').slice(-1)
        expect({ name: codec.name, pt: last?.pt, data: last?.data }).toEqual({
          name: codec.name,
          pt: (codec.primary ?? codec).pt,
          data: frames[codec.name],
        })
      }
    }
  })

  it('and those that cannot are told apart where something was lost', () => {
    const { a, pair } = connectedPair(3, { ...LINK, loss: 0.1 })
    const { pt } = a.media('0')!.codecs[0]!
    for (let i = 0; i < 200; i++) {
      a.media('0')!
        .writer(pt)
        .write(audio(960 * i), Uint8Array.of(i))
      pair.runFor(20)
    }
    pair.runFor(500)
    const frames = eventsOf(pair.b.events, 'mediaData')
    expect(frames.length).toBeGreaterThan(150)
    expect(frames.length).toBeLessThan(200)
    for (let i = 1; i < frames.length; i++) {
      expect(frames[i]!.contiguous).toBe(frames[i]!.data[0] === frames[i - 1]!.data[0]! + 1)
    }
  })

  it('carry the loudness where it is given', () => {
    const { a, b, pair } = connectedPair(4)
    const { pt } = a.media('0')!.codecs[0]!
    a.media('0')!.writer(pt).write(audio(0), Uint8Array.of(1), { audioLevel: 30, voiceActivity: true })
    pair.runFor(100)
    expect(eventsOf(pair.b.events, 'mediaData')).toHaveLength(1)
    expect(b.statistics.inbound[0]!.headerBytesReceived).toBe(12 + 4 + 4)
  })
})

describe('reports on what is sent', () => {
  it('tell the round trip, the loss and the time', () => {
    const { a, b, pair } = connectedPair(5)
    const { pt } = a.media('0')!.codecs[0]!
    for (let i = 0; i < 400; i++) {
      a.media('0')!
        .writer(pt)
        .write(audio(960 * i), Uint8Array.of(i))
      pair.runFor(20)
    }
    const [outbound] = a.statistics.outbound
    expect(outbound).toMatchObject({ mid: '0', packetsSent: 400, framesSent: 400, packetsLost: 0 })
    expect(outbound!.roundTripTime).toBeCloseTo(0.04, 3)
    expect(outbound!.bytesSent).toBe(400)
    expect(b.statistics.inbound[0]!.packetsReceived).toBeGreaterThan(395)
  })

  it('count keyframes by what the frames say, unless told otherwise', () => {
    const idr = [0, 0, 0, 1, 0x65, ...new Uint8Array(900).fill(5)]
    const keyframes: Record<string, Uint8Array> = {
      VP8: vp8(3000, true, 3),
      VP9: Uint8Array.from([0x80, ...new Uint8Array(3000).fill(4)]),
      H264: Uint8Array.from([0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 1, ...idr]),
      AV1: Uint8Array.from([0x0a, 1, 7, 0x32, 0x10, ...new Uint8Array(16).fill(6)]),
      H265: Uint8Array.from([0, 0, 0, 1, 0x40, 1, 7, 0, 0, 0, 1, 0x26, 1, ...new Uint8Array(900).fill(5)]),
    }
    const others: Record<string, Uint8Array> = {
      VP8: vp8(3000, false, 3),
      VP9: Uint8Array.from([0x84, ...new Uint8Array(3000).fill(4)]),
      H264: Uint8Array.from([0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x41, ...new Uint8Array(900).fill(5)]),
      AV1: Uint8Array.from([0x32, 0x10, ...new Uint8Array(16).fill(6)]),
      H265: Uint8Array.from([0, 0, 0, 1, 0x02, 1, ...new Uint8Array(900).fill(5)]),
    }
    const { a, pair } = connectedPair(8)
    const media = a.media('1')!
    let keyFramesSent = 0
    for (const { pt, name, parameters } of media.codecs) {
      // where each NAL unit is a packet, the first one is the delimiter
      if (name === 'H264' && parameters.get('packetization-mode') !== '1') continue
      const writer = media.writer(pt)
      writer.write(video(0), keyframes[name]!)
      for (let i = 1; i <= 3; i++) writer.write(video(3000 * i), others[name]!)
      // the encoder's word
      writer.write(video(12_000), keyframes[name]!, { keyframe: false })
      writer.write(video(15_000), others[name]!, { keyframe: true })
      pair.runFor(100)
      keyFramesSent += 2
      expect(a.statistics.outbound[0], `after ${name}`).toMatchObject({ keyFramesSent })
    }
  })

  it('stop with the media, and both sides then wake for keepalives alone', () => {
    const { a, pair } = connectedPair(6)
    const { pt } = a.media('0')!.codecs[0]!
    a.media('0')!.writer(pt).write(audio(0), Uint8Array.of(1))
    pair.runFor(10_000)
    const before = a.statistics.packetsSent
    pair.runFor(60_000)
    expect(a.statistics.packetsSent).toBe(before)
  })

  it('say goodbye', () => {
    const { a, b, pair } = connectedPair(7)
    const { pt } = a.media('0')!.codecs[0]!
    a.media('0')!.writer(pt).write(audio(0), Uint8Array.of(1))
    pair.runFor(100)
    expect(b.statistics.inbound).toHaveLength(1)
    a.close()
    pair.runUntil(() => b.closed)
    expect(b.statistics.inbound).toHaveLength(0)
  })
})

describe('requests for a keyframe', () => {
  it('come as events, a repeated full intra request once', () => {
    const { a, b, pair } = connectedPair(8)
    const { pt } = a.media('1')!.codecs[0]!
    a.media('1')!
      .writer(pt)
      .write(video(0), vp8(100, true, 1))
    pair.runFor(100)
    expect(b.media('1')!.requestKeyframe('pli')).toBe(true)
    // the answer is on its way
    expect(b.media('1')!.requestKeyframe('fir')).toBe(false)
    pair.runFor(600)
    // as a driver does before it calls methods: nothing else may have been due meanwhile
    b.handleInput({ kind: 'timeout', now: pair.now })
    expect(b.media('1')!.requestKeyframe('fir')).toBe(true)
    pair.runFor(100)
    expect(eventsOf(pair.a.events, 'keyframeRequest')).toEqual([
      { type: 'keyframeRequest', mid: '1', kind: 'pli' },
      { type: 'keyframeRequest', mid: '1', kind: 'fir' },
    ])
    expect(a.statistics.outbound[0]).toMatchObject({ pliCount: 1, firCount: 1 })
  })

  it('of a browser are taken for our source, and a repetition of one is the same', () => {
    const { rtc, peer, pair } = connectedCall(9, { link: LINK })
    const { pt } = rtc.media('1')!.codecs[0]!
    rtc
      .media('1')!
      .writer(pt)
      .write(video(0), vp8(100, true, 1))
    const { ssrc } = rtc.statistics.outbound[0]!
    for (const sequenceNumber of [7, 7, 8]) {
      peer.sendRtcp([{ type: 'fir', senderSsrc: 5, entries: [{ ssrc, sequenceNumber }] }])
      pair.runFor(400)
    }
    peer.sendRtcp([{ type: 'pli', senderSsrc: 5, mediaSsrc: 12345 }])
    pair.runFor(50)
    expect(eventsOf(pair.a.events, 'keyframeRequest')).toHaveLength(2)
    // the counter is of what came, RFC 5104 section 4.3.1 by the W3C's words
    expect(rtc.statistics.outbound[0]).toMatchObject({ firCount: 3, pliCount: 0 })
  })

  it('are full intra requests where the peer understands nothing else', () => {
    const { a, b, pair } = negotiatedPair({
      seed: 12,
      link: LINK,
      answered: (sdp) => sdp.replaceAll(/a=rtcp-fb:.* nack pli\r\n/g, ''),
      offered: (sdp) => sdp.replaceAll(/a=rtcp-fb:.* nack pli\r\n/g, ''),
    })
    pair.runUntil(() => a.connected && b.connected)
    for (const media of [a.media('1')!, b.media('1')!]) expect(media.canRequestKeyframe).toBe(true)
    const { pt } = b.media('1')!.codecs[0]!
    // no keyframe
    b.media('1')!
      .writer(pt)
      .write(video(0), vp8(100, false, 1))
    pair.runFor(100)
    expect(eventsOf(pair.b.events, 'keyframeRequest')).toEqual([
      { type: 'keyframeRequest', mid: '1', kind: 'fir' },
    ])
    a.handleInput({ kind: 'timeout', now: pair.now + 600 })
    expect(a.media('1')!.requestKeyframe()).toBe(true)
    expect(a.statistics.inbound[0]).toMatchObject({ pliCount: 0, firCount: 2 })
  })
})

describe('what cannot be sent is refused', () => {
  it('and nothing has changed', () => {
    const { a } = connectedPair(10)
    const media = a.media('0')!
    const { pt } = media.codecs[0]!
    expect(() => media.writer(99)).toThrow(expect.objectContaining({ code: 'unknown-payload-type' }))
    expect(() => media.writer(pt).write(audio(0), new Uint8Array(0))).toThrow(
      expect.objectContaining({ code: 'invalid-frame' }),
    )
    expect(() => media.writer(pt).write(audio(0), new Uint8Array(2000))).toThrow(
      expect.objectContaining({ code: 'invalid-frame' }),
    )
    a.close()
    expect(() => media.writer(pt).write(audio(0), new Uint8Array(1))).toThrow(
      expect.objectContaining({ code: 'closed' }),
    )
  })

  it('at a time that is none', () => {
    const { a, pair } = connectedPair(13)
    const media = a.media('0')!
    const writer = media.writer(media.codecs[0]!.pt)
    for (const time of [
      { value: Number.NaN, clockRate: 48_000 },
      { value: Number.POSITIVE_INFINITY, clockRate: 48_000 },
      { value: 0, clockRate: 0 },
      { value: 1, clockRate: Number.NaN },
      { value: 1, clockRate: -1 },
    ]) {
      expect(codeOf(() => writer.write(time, Uint8Array.of(1)))).toBe('invalid-time')
    }
    // before zero, and backwards, are times all the same
    for (const value of [-960, 0, -480]) expect(writer.write(audio(value), Uint8Array.of(1))).toBe(true)
    pair.runFor(100)
    expect(a.statistics.outbound[0]).toMatchObject({ packetsSent: 3, framesSent: 3 })
    expect(eventsOf(pair.b.events, 'mediaData')).toHaveLength(3)
  })

  it('with a payload type that a later negotiation left out', () => {
    const { a, b, pair } = connectedPair(14)
    const media = a.media('1')!
    const [kept, gone] = media.codecs
    const writers = [kept, gone].map((codec) => media.writer(codec!.pt))
    const change = b.createOffer()
    change.setDirection('1', 'sendrecv')
    const { pt } = gone!
    const sdp = change
      .apply()
      .sdp.replaceAll(new RegExp(`a=(rtpmap|fmtp|rtcp-fb):${pt} .*\r\n`, 'g'), '')
      .replaceAll(new RegExp(`(m=video .*) ${pt}\\b`, 'g'), '$1')
    b.pendingChanges()!.acceptAnswer(a.acceptOffer({ type: 'offer', sdp }))
    expect(media.codec(pt)).toBeUndefined()
    expect(codeOf(() => writers[1]!.write(video(0), vp8(100, true, 1)))).toBe('unknown-payload-type')
    expect(writers[0]!.write(video(0), vp8(100, true, 1))).toBe(true)
    pair.runFor(100)
    expect(a.statistics.outbound.map(({ packetsSent }) => packetsSent)).toEqual([1])
  })

  it('where the direction does not allow it, or nobody is there yet', () => {
    const { a } = rtcPair(11)
    const media = a.media('0')!
    expect(media.writer(media.codecs[0]!.pt).write(audio(0), Uint8Array.of(1))).toBe(false)
    const rtc = new Rtc()
    rtc.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
    const change = rtc.createOffer()
    change.addMedia('audio', 'recvonly')
    const other = new Rtc()
    rtc.pendingChanges()
    const answer = other.acceptOffer(change.apply())
    rtc.pendingChanges()!.acceptAnswer(answer)
    const receiving = rtc.media('0')!
    expect(() => receiving.writer(receiving.codecs[0]!.pt).write(audio(0), Uint8Array.of(1))).toThrow(
      expect.objectContaining({ code: 'not-sending' }),
    )
  })

  it('for audio lead to nothing', () => {
    const { rtc, peer, pair } = connectedCall(10, { link: LINK })
    const media = rtc.media('0')!
    media.writer(media.codecs[0]!.pt).write({ value: 0, clockRate: 48_000 }, Uint8Array.of(0xfc, 1))
    const { ssrc } = rtc.statistics.outbound[0]!
    peer.sendRtcp([{ type: 'pli', senderSsrc: 5, mediaSsrc: ssrc }])
    pair.runFor(400)
    peer.sendRtcp([{ type: 'fir', senderSsrc: 5, entries: [{ ssrc, sequenceNumber: 1 }] }])
    pair.runFor(50)
    expect(eventsOf(pair.a.events, 'keyframeRequest')).toEqual([])
    expect(rtc.statistics.outbound[0]).toMatchObject({ pliCount: 1, firCount: 1 })
  })
})

// Pion does: what comes as a retransmission is not taken off its list of what is missing (pion/interceptor, issue 320)
it('a peer that asks on and on for what it has is not answered each time', () => {
  const { rtc, peer, pair } = connectedCall(12, { link: LINK })
  const media = rtc.media('1')!
  const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
  // RFC 3550 section 5.1; SRTP leaves the header as it is
  let sequenceNumber = -1
  const handle = peer.handleInput.bind(peer)
  peer.handleInput = (input) => {
    if (input.kind === 'receive' && (input.contents[1]! & 127) === pt) {
      sequenceNumber = (input.contents[2]! << 8) | input.contents[3]!
    }
    handle(input)
  }
  media.writer(pt).write(video(0), vp8(1000, true, 1))
  pair.runFor(50)
  const { ssrc } = rtc.statistics.outbound[0]!
  for (let i = 0; i < 19; i++) {
    peer.sendRtcp([{ type: 'nack', senderSsrc: 5, mediaSsrc: ssrc, sequenceNumbers: [sequenceNumber] }])
    pair.runFor(100)
  }
  const [stream] = rtc.statistics.outbound
  expect(stream).toMatchObject({ ssrc, nackCount: 19, retransmittedPacketsSent: 7 })
})
