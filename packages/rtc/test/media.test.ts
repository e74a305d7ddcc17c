import { describe, expect, it } from 'vitest'
import { type Rtcp, SDES_CNAME } from '@str0m/rtp'
import { MAX_RECEIVE_STREAMS, Rtc, type RtcOptions } from '../src/index.ts'
import type { BrowserPeer } from './browser-peer.ts'
import { connectedCall, connectedPair, eventsOf } from './harness.ts'

// as the fixtures have them: payload types, SSRCs and the id of the mid's extension
const OPUS = 111
const VP8 = 96
const MID_EXTENSION = 4
const AUDIO_SSRC = 3490220795
const VIDEO_SSRC = 612556335
const LINK = { latency: 10 }

function opus(peer: BrowserPeer, index: number, ssrc = AUDIO_SSRC, mid?: string): void {
  peer.sendRtp({
    pt: OPUS,
    ssrc,
    sequenceNumber: (65_530 + index) & 0xffff,
    timestamp: (0xffff_f000 + 960 * index) >>> 0,
    payload: Uint8Array.of(0xfc, index),
    ...(mid === undefined ? {} : { mid: [MID_EXTENSION, mid] as const }),
  })
}

/** One packet of a VP8 frame: a descriptor of one byte, then a frame header. */
function vp8(peer: BrowserPeer, index: number, keyframe: boolean, sequenceNumber = index): void {
  const payload = new Uint8Array(40).fill(index)
  payload[0] = 0x10
  payload[1] = keyframe ? 0x00 : 0x01
  peer.sendRtp({
    pt: VP8,
    ssrc: VIDEO_SSRC,
    sequenceNumber,
    timestamp: 3000 * index,
    payload,
    marker: true,
    mid: [MID_EXTENSION, '1'],
  })
}

function rtcpTo(peer: { events: readonly { event: unknown }[] }): Rtcp[] {
  return peer.events.flatMap(({ event }) => {
    const { kind, packets } = event as { kind: string; packets: Rtcp[] }
    return kind === 'rtcp' ? packets : []
  })
}

describe('media that comes in', () => {
  it('is handed out frame by frame, and its time goes on where the timestamp wraps', () => {
    const { peer, pair } = connectedCall(1, { link: LINK })
    for (let i = 0; i < 20; i++) {
      opus(peer, i, AUDIO_SSRC, '0')
      pair.runFor(20)
    }
    pair.runFor(100)
    const frames = eventsOf(pair.a.events, 'mediaData')
    expect(frames).toHaveLength(20)
    expect(frames.map(({ time }) => time.value - frames[0]!.time.value)).toEqual(
      Array.from({ length: 20 }, (_, i) => 960 * i),
    )
    expect(frames[0]).toMatchObject({ mid: '0', pt: OPUS, ssrc: AUDIO_SSRC, contiguous: true })
    expect(frames[0]!.codec).toMatchObject({ name: 'opus', clockRate: 48_000, channels: 2 })
    expect(frames[7]!.data).toEqual(Uint8Array.of(0xfc, 7))
  })

  it.each([
    ['by the mid in the packet', 77, '0'],
    ['by the SSRC of the description', AUDIO_SSRC, undefined],
    ['by a payload type that one section alone has', 78, undefined],
  ] as const)('finds its section %s', (_, ssrc, mid) => {
    const { peer, pair } = connectedCall(2, { link: LINK })
    opus(peer, 0, ssrc, mid)
    pair.runFor(50)
    expect(eventsOf(pair.a.events, 'mediaData')).toMatchObject([{ mid: '0', ssrc }])
  })

  it('is dropped and counted where no section or no payload type is to be found', () => {
    const { rtc, peer, pair } = connectedCall(3, { link: LINK })
    opus(peer, 0, 77, 'no-such')
    const packet = { ssrc: 78, sequenceNumber: 1, timestamp: 0, payload: Uint8Array.of(1) }
    peer.sendRtp({ ...packet, pt: 60, mid: [MID_EXTENSION, '0'] })
    peer.sendRtp({ ...packet, pt: 127, sequenceNumber: 2 })
    pair.runFor(50)
    expect(eventsOf(pair.a.events, 'mediaData')).toEqual([])
    expect(rtc.statistics.dropped).toMatchObject({ unknownStream: 2, unknownPayloadType: 1 })
    expect(rtc.statistics.inbound).toEqual([])
  })

  it('comes in the right order and waits for a late packet, but not for ever', () => {
    const { peer, pair } = connectedCall(4, { link: LINK })
    for (const i of [0, 2, 1, 3, 5, 6]) opus(peer, i, AUDIO_SSRC, '0')
    pair.runFor(60)
    expect(eventsOf(pair.a.events, 'mediaData').map(({ data }) => data[1])).toEqual([0, 1, 2, 3])
    pair.runFor(200)
    const frames = eventsOf(pair.a.events, 'mediaData')
    expect(frames.map(({ data }) => data[1])).toEqual([0, 1, 2, 3, 5, 6])
    expect(frames.map(({ contiguous }) => contiguous)).toEqual([true, true, true, true, false, true])
  })

  it('has a bound on its streams', () => {
    const { rtc, peer, pair } = connectedCall(5, { link: LINK })
    for (let i = 0; i < MAX_RECEIVE_STREAMS + 10; i++) opus(peer, 0, 1000 + i, '0')
    pair.runFor(100)
    expect(rtc.statistics.inbound).toHaveLength(MAX_RECEIVE_STREAMS)
    expect(rtc.statistics.dropped.tooManyStreams).toBe(10)
  })

  it('takes a new one in the place of one that was silent for long', () => {
    const { rtc, peer, pair } = connectedCall(5, { link: LINK })
    for (let i = 0; i < MAX_RECEIVE_STREAMS; i++) opus(peer, 0, 1000 + i, '0')
    pair.runFor(29_000)
    for (let i = 1; i < MAX_RECEIVE_STREAMS; i++) opus(peer, 1, 1000 + i, '0')
    opus(peer, 0, 5000, '0')
    pair.runFor(2000)
    expect(rtc.statistics.dropped.tooManyStreams).toBe(1)
    for (let i = 0; i < 2; i++) opus(peer, 1 + i, 5000 + i, '0')
    pair.runFor(100)
    const ssrcs = rtc.statistics.inbound.map(({ ssrc }) => ssrc)
    expect(ssrcs).toHaveLength(MAX_RECEIVE_STREAMS)
    expect(ssrcs).toContain(5000)
    expect(ssrcs).not.toContain(1000)
    expect(rtc.statistics.dropped.tooManyStreams).toBe(2)
  })

  it('is forgotten at a goodbye', () => {
    const { rtc, peer, pair } = connectedCall(6, { link: LINK })
    opus(peer, 0)
    pair.runFor(50)
    expect(rtc.statistics.inbound).toHaveLength(1)
    peer.sendRtcp([{ type: 'goodbye', ssrcs: [AUDIO_SSRC] }])
    pair.runFor(50)
    expect(rtc.statistics.inbound).toEqual([])
  })
})

describe('reports', () => {
  it('tell the loss, and answer the sender report', () => {
    const { rtc, peer, pair } = connectedCall(7, { link: LINK })
    peer.sendRtcp([
      {
        type: 'senderReport',
        ssrc: AUDIO_SSRC,
        ntpTime: 0x1234_5678_9abc_def0n,
        rtpTime: 1,
        packetCount: 0,
        octetCount: 0,
        reports: [],
      },
    ])
    for (let i = 0; i < 100; i++) {
      if (i % 4 !== 3) opus(peer, i, AUDIO_SSRC, '0')
      if (i === 5) {
        peer.sendRtcp([
          {
            type: 'senderReport',
            ssrc: AUDIO_SSRC,
            ntpTime: 0x1234_5678_9abc_def0n,
            rtpTime: 1,
            packetCount: 0,
            octetCount: 0,
            reports: [],
          },
        ])
      }
      pair.runFor(20)
    }
    pair.runFor(2000)
    const reports = rtcpTo(pair.b).filter((packet) => packet.type === 'receiverReport')
    const blocks = reports.flatMap((report) => (report.type === 'receiverReport' ? report.reports : []))
    expect(blocks.length).toBeGreaterThanOrEqual(1)
    expect(blocks.every(({ ssrc }) => ssrc === AUDIO_SSRC)).toBe(true)
    const last = blocks.at(-1)!
    expect(last.fractionLost / 256).toBeCloseTo(0.25, 1)
    expect(last.lastSenderReport).toBe(0x5678_9abc)
    expect(last.delaySinceLastSenderReport).toBeGreaterThan(0)
    expect(rtc.statistics.inbound[0]!.packetsLost).toBe(24)
    expect(rtc.statistics.inbound[0]!.jitter).toBeLessThan(0.02)
  })

  it('stop when nothing comes in', () => {
    const { peer, pair } = connectedCall(8, { link: LINK })
    for (let i = 0; i < 10; i++) opus(peer, i, AUDIO_SSRC, '0')
    pair.runFor(5000)
    const count = rtcpTo(pair.b).length
    expect(count).toBeGreaterThan(0)
    pair.runFor(60_000)
    expect(rtcpTo(pair.b)).toHaveLength(count)
  })

  it('name the source by one cname', () => {
    const { peer, pair } = connectedCall(9, { link: LINK })
    for (let i = 0; i < 100; i++) {
      opus(peer, i, AUDIO_SSRC, '0')
      pair.runFor(50)
    }
    const names = rtcpTo(pair.b)
      .filter((packet) => packet.type === 'sourceDescription')
      .flatMap(({ chunks }) => chunks.flatMap(({ items }) => items))
      .flatMap(({ type, text }) => (type === SDES_CNAME ? text : []))
    expect(names.length).toBeGreaterThan(2)
    expect(new Set(names).size).toBe(1)
  })
})

describe('keyframe requests', () => {
  it('are made by themselves when a loss made one necessary, at most every half second, until one comes', () => {
    const { rtc, peer, pair } = connectedCall(10, { link: LINK, options: { maxReorderWait: 200 } })
    vp8(peer, 0, true)
    pair.runFor(33)
    vp8(peer, 1, false)
    pair.runFor(33)
    expect(rtcpTo(pair.b).filter(({ type }) => type === 'pli')).toEqual([])
    // 2 is lost
    for (let i = 3; i < 33; i++) {
      vp8(peer, i, false)
      pair.runFor(33)
    }
    const requests = rtcpTo(pair.b).filter(({ type }) => type === 'pli')
    expect(requests).toHaveLength(2)
    expect(requests[0]).toMatchObject({ mediaSsrc: VIDEO_SSRC })
    vp8(peer, 33, true)
    for (let i = 34; i < 70; i++) {
      vp8(peer, i, false)
      pair.runFor(33)
    }
    expect(rtcpTo(pair.b).filter(({ type }) => type === 'pli')).toHaveLength(2)
    expect(rtc.statistics.inbound[0]).toMatchObject({ pliCount: 2, keyFramesReceived: 2 })
  })

  it('are made on demand', () => {
    const { rtc, peer, pair } = connectedCall(11, { link: LINK })
    vp8(peer, 0, true)
    pair.runFor(50)
    expect(rtc.media('1')!.requestKeyframe()).toBe(true)
    pair.runFor(510)
    rtc.handleInput({ kind: 'timeout', now: pair.now })
    expect(rtc.media('1')!.requestKeyframe('fir')).toBe(true)
    pair.runFor(510)
    rtc.handleInput({ kind: 'timeout', now: pair.now })
    expect(rtc.media('1')!.requestKeyframe('fir', VIDEO_SSRC)).toBe(true)
    expect(rtc.media('1')!.requestKeyframe('pli', 99)).toBe(false)
    pair.runFor(50)
    const feedback = rtcpTo(pair.b).filter(({ type }) => type === 'pli' || type === 'fir')
    expect(feedback).toMatchObject([
      { type: 'pli', mediaSsrc: VIDEO_SSRC },
      { type: 'fir', entries: [{ ssrc: VIDEO_SSRC, sequenceNumber: 0 }] },
      { type: 'fir', entries: [{ ssrc: VIDEO_SSRC, sequenceNumber: 1 }] },
    ])
    expect(() => rtc.media('0')!.requestKeyframe()).toThrow(expect.objectContaining({ code: 'no-keyframes' }))
    expect(() => rtc.media('1')!.requestKeyframe('nack' as 'pli')).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
  })
})

it('reports are on one section each: Janus reads the first block of a datagram, and takes all of it for that stream’s', () => {
  const { peer, pair } = connectedCall(13, { link: LINK })
  for (let i = 0; i < 400; i++) {
    opus(peer, i, AUDIO_SSRC, '0')
    vp8(peer, i, i === 0)
    pair.runFor(20)
  }
  const reports = rtcpTo(pair.b).filter((packet) => packet.type === 'receiverReport')
  const first = reports.map((report) => report.reports[0]!.ssrc)
  expect(first.length).toBeGreaterThan(8)
  // each of them each time
  for (let i = 0; i < first.length; i += 2)
    expect(new Set(first.slice(i, i + 2))).toEqual(new Set([AUDIO_SSRC, VIDEO_SSRC]))
  for (const { reports: blocks } of reports) expect(blocks).toHaveLength(1)
  const compounds = pair.b.events.flatMap(({ event }) => (event.kind === 'rtcp' ? [event.packets] : []))
  for (const compound of compounds)
    expect(compound.filter(({ type }) => type === 'receiverReport').length).toBeLessThan(2)
})

describe('feedback', () => {
  const fullSize = (sdp: string): string => sdp.replaceAll('a=rtcp-rsize\r\n', '')

  // Janus finds the stream that a datagram is about by the first block in it, and drops one that has none
  it.each([
    [
      'comes behind a report on the stream that it is about',
      ['receiverReport', 'sourceDescription'],
      fullSize,
    ],
    ['of reduced size comes alone', [], (sdp: string) => sdp],
  ])('%s', (_, before, offered) => {
    const { rtc, peer, pair } = connectedCall(12, { link: LINK, offered })
    opus(peer, 0, AUDIO_SSRC, '0')
    for (const i of [0, 1, 2, 4, 5]) vp8(peer, i, i === 0)
    pair.runUntil(() => rtcpTo(pair.b).some(({ type }) => type === 'nack'))
    rtc.handleInput({ kind: 'timeout', now: pair.now })
    expect(rtc.media('1')!.requestKeyframe()).toBe(true)
    pair.runUntil(() => rtcpTo(pair.b).some(({ type }) => type === 'pli'))
    const compounds = pair.b.events.map(({ event }) => (event.kind === 'rtcp' ? event.packets : []))
    for (const feedback of ['nack', 'pli']) {
      const compound = compounds.find((packets) => packets.some(({ type }) => type === feedback))!
      expect(compound.map(({ type }) => type)).toEqual([...before, feedback])
      for (const packet of compound.slice(0, before.length > 0 ? 1 : 0)) {
        expect(packet).toMatchObject({ reports: [{ ssrc: VIDEO_SSRC, cumulativeLost: 1 }] })
      }
    }
  })
})

describe('transport-wide feedback', () => {
  const TRANSPORT_EXTENSION = 3
  const sendNumbered = (peer: BrowserPeer, sequenceNumber: number): void =>
    peer.sendRtp({
      pt: VP8,
      ssrc: VIDEO_SSRC,
      sequenceNumber,
      timestamp: 3000 * sequenceNumber,
      payload: Uint8Array.of(0x10, 0x00, 1, 2),
      marker: true,
      mid: [MID_EXTENSION, '1'],
      transport: [TRANSPORT_EXTENSION, sequenceNumber],
    })

  it('is not agreed on with a peer that offers one encoding, where nothing else is asked for', () => {
    const { answer, peer, pair } = connectedCall(21, { link: LINK })
    expect(answer.sdp).not.toContain('transport-cc')
    for (let i = 0; i < 10; i++) sendNumbered(peer, i)
    pair.runFor(500)
    expect(rtcpTo(pair.b).filter(({ type }) => type === 'transportFeedback')).toEqual([])
  })

  it('tells when each packet came, where it is asked for', () => {
    const { answer, peer, pair } = connectedCall(22, {
      link: LINK,
      options: { transportFeedback: 'always' },
    })
    expect(answer.sdp).toContain('a=rtcp-fb:96 transport-cc')
    const lost = 4
    for (let i = 0; i < 10; i++) {
      if (i !== lost) sendNumbered(peer, i)
      pair.runFor(5)
    }
    pair.runFor(500)
    const reports = rtcpTo(pair.b).flatMap((packet) => (packet.type === 'transportFeedback' ? [packet] : []))
    const came = new Map<number, boolean>()
    for (const { baseSequence, deltas } of reports) {
      deltas.forEach((delta, i) => came.set(baseSequence + i, delta !== undefined))
    }
    expect([...came]).toEqual(Array.from({ length: 10 }, (_, i) => [i, i !== lost]))
  })

  it('is offered, where it is asked for', () => {
    const offer = (options: RtcOptions): string => {
      const change = new Rtc(options).createOffer()
      change.addMedia('video', 'sendrecv')
      return change.apply().sdp
    }
    expect(offer({})).not.toContain('transport')
    expect(offer({ transportFeedback: 'always' })).toContain('transport-wide-cc-extensions-01')
  })
})

it('the dependency descriptor of its packets tells a frame’s layers, where the payload does not', () => {
  const { a, pair } = connectedPair({ seed: 20, link: LINK, a: { rtpMode: true } })
  const media = a.media('1')!
  const { pt } = media.codecs.find(({ name }) => name === 'H264')!
  const writer = media.rtpWriter()
  // one spatial layer and two temporal ones; the second names a template of the first
  const descriptors = ['fc000a87811ea85141010c027c0164', 'fe000b']
  const payloads = [Uint8Array.of(0x67, 1), Uint8Array.of(0x61, 1)]
  descriptors.forEach((hex, i) => {
    const extensions = { dependencyDescriptor: new Uint8Array(Buffer.from(hex, 'hex')) }
    writer.write({ pt, sequenceNumber: i, timestamp: 3000 * i, marker: true, extensions }, payloads[i]!)
  })
  pair.runFor(100)
  expect(eventsOf(pair.b.events, 'mediaData')).toMatchObject([
    { layers: { spatial: 0, temporal: 0 }, dependency: { startsSequence: true, frameNumber: 10 } },
    { layers: { spatial: 0, temporal: 1 }, dependency: { frameDifferences: [1], frameNumber: 11 } },
  ])
})
