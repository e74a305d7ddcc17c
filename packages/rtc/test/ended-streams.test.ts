import { EXTENSION_URIS } from '@str0m/rtp'
import { describe, expect, it, vi } from 'vitest'
import { Reporter } from '../src/reporter.ts'
import { MAX_SEND_STREAMS } from '../src/senders.ts'
import { codeOf, connectedPair, directPair, eventsOf } from './harness.ts'

const OPUS = { pt: 111, name: 'opus', clockRate: 48_000, channels: 2 } as const
const VP8 = {
  pt: 96,
  name: 'VP8',
  clockRate: 90_000,
  rtxPt: 97,
  feedback: ['nack', 'nack pli'],
} as const
const EXTENSIONS = [{ id: 1, uri: EXTENSION_URIS.mid }]
const LINK = { latency: 10 }

type Peer = ReturnType<typeof connectedPair>['a']

function send(peer: Peer, mid: string, i: number): void {
  const media = peer.media(mid)!
  media.writer(media.codecs[0]!.pt).write({ value: 960 * i, clockRate: 48_000 }, Uint8Array.of(0xfc, i))
}

describe('the streams of a section that ends', () => {
  it('are forgotten on both sides, with a goodbye', () => {
    const { a, b, pair } = connectedPair({
      seed: 1,
      link: LINK,
      change: (c) => c.addMedia('audio', 'sendonly'),
    })
    for (let i = 0; i < 5; i++) {
      const change = a.createOffer()
      const mid = change.addMedia('audio', 'sendonly')
      const offer = change.apply()
      a.pendingChanges()!.acceptAnswer(b.acceptOffer(offer))
      for (const sent of ['0', mid]) send(a, sent, i)
      pair.runFor(50)
      expect(a.statistics.outbound.map((stream) => stream.mid)).toEqual(['0', mid])
      expect(b.statistics.inbound.map((stream) => stream.mid)).toEqual(['0', mid])
      const end = a.createOffer()
      end.stopMedia(mid)
      const last = end.apply()
      a.pendingChanges()!.acceptAnswer(b.acceptOffer(last))
      pair.runFor(50)
      expect(a.statistics.outbound.map((stream) => stream.mid)).toEqual(['0'])
      expect(b.statistics.inbound.map((stream) => stream.mid)).toEqual(['0'])
    }
  })

  it('say so to a peer that does not hear of it otherwise', () => {
    const { a, b, da, db, pair } = directPair(2, LINK)
    const section = { mid: 'x', kind: 'audio', codecs: [OPUS], extensions: EXTENSIONS } as const
    da.addMedia({ ...section, direction: 'sendonly', streams: [{ ssrc: 7 }] })
    db.addMedia({ ...section, direction: 'recvonly' })
    pair.runUntil(() => a.connected && b.connected)
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < 10; k++) send(a, 'x', 10 * i + k)
      pair.runFor(50)
      expect(b.statistics.inbound).toMatchObject([{ ssrc: 7, packetsReceived: 10, packetsLost: 0 }])
      da.stopMedia('x')
      pair.runFor(50)
      expect(b.statistics.inbound).toEqual([])
      expect(a.statistics.outbound).toEqual([])
      // the same source again: no number of it comes twice
      const again = da.addMedia({ ...section, direction: 'sendonly', streams: [{ ssrc: 7 }] })
      expect(a.media('x')).toBe(again)
      expect(a.medias).toEqual([again])
    }
    expect(eventsOf(pair.b.events, 'mediaData').map(({ data }) => data[1])).toEqual(
      Array.from({ length: 30 }, (_, i) => i),
    )
  })

  it.each([false, true])(
    'and a source that goes on in another section is of that one (RTP mode: %s)',
    (rtpMode) => {
      const { a, b, da, db, pair } = directPair(5, LINK, { rtpMode })
      const section = { kind: 'audio', codecs: [OPUS], extensions: EXTENSIONS } as const
      for (const mid of ['x', 'y']) db.addMedia({ ...section, mid, direction: 'recvonly' })
      const midsOf = () =>
        pair.b.events.flatMap(({ event }) =>
          event.type === 'mediaData' || event.type === 'rtpPacket' ? [event.mid] : [],
        )
      da.addMedia({ ...section, mid: 'x', direction: 'sendonly', streams: [{ ssrc: 7 }] })
      pair.runUntil(() => a.connected && b.connected)
      const sendOne = (mid: string, i: number): void => {
        if (!rtpMode) return send(a, mid, i)
        const fields = { pt: OPUS.pt, sequenceNumber: 65_534 + i, timestamp: 960 * i }
        a.media(mid)!
          .rtpWriter()
          .write({ ...fields, sequenceNumber: fields.sequenceNumber & 0xffff }, Uint8Array.of(0xfc, i))
      }
      for (const i of [0, 1, 2]) sendOne('x', i)
      pair.runFor(50)
      // the goodbye is lost
      pair.aToB.addOutage(pair.now, pair.now + 5)
      da.stopMedia('x')
      pair.runFor(20)
      da.addMedia({ ...section, mid: 'y', direction: 'sendonly', streams: [{ ssrc: 7 }] })
      for (const i of [3, 4]) sendOne('y', i)
      pair.runFor(50)
      expect(midsOf()).toEqual(['x', 'x', 'x', 'y', 'y'])
      // it is one stream all the same
      expect(b.statistics.inbound).toMatchObject([{ mid: 'y', ssrc: 7, packetsReceived: 5, packetsLost: 0 }])
    },
  )

  it('that never sent anything say no goodbye (RFC 3550 section 6.3.7)', () => {
    const { a, b, da, db, pair } = directPair(7, LINK, { rtpMode: true })
    for (const mid of ['x', 'y', 'z']) {
      const section = { mid, kind: 'audio', codecs: [OPUS], extensions: EXTENSIONS } as const
      da.addMedia({ ...section, direction: 'sendonly' })
      db.addMedia({ ...section, direction: 'recvonly' })
    }
    pair.runUntil(() => a.connected && b.connected)
    const goodbyes: number[] = []
    const goodbye = vi.spyOn(Reporter.prototype, 'goodbye')
    for (const mid of ['x', 'y', 'z']) a.media(mid)!.forwarder(OPUS.pt)
    a.media('z')!.rtpWriter().write({ pt: OPUS.pt, sequenceNumber: 1, timestamp: 1 }, Uint8Array.of(0xfc))
    da.stopMedia('x')
    a.close()
    for (const [ssrcs] of goodbye.mock.calls) goodbyes.push(...ssrcs)
    goodbye.mockRestore()
    expect(goodbyes).toEqual([a.media('z')!.localStreams[0]!.ssrc])
  })

  it('exhaust: of one that went on for ever, that is said where a source is new, and not in the middle of a time-out', () => {
    const { a, b, da, db, pair } = directPair(6, LINK)
    const video = { mid: 'v', kind: 'video', codecs: [VP8], extensions: EXTENSIONS } as const
    da.addMedia({ ...video, direction: 'sendonly', streams: [{ ssrc: 7, rtxSsrc: 8 }] })
    db.addMedia({ ...video, direction: 'recvonly' })
    pair.runUntil(() => a.connected && b.connected)
    let pictures = 0
    const sendPicture = (): void => {
      const time = { value: 3000 * pictures++, clockRate: 90_000 }
      a.media('v')!.writer(VP8.pt).write(time, Uint8Array.of(0x10, pictures), { keyframe: true })
      pair.runFor(30)
    }
    sendPicture()
    // its retransmissions have a source of their own, which sends nothing yet
    const section = { mid: 'x', kind: 'audio', codecs: [OPUS], extensions: EXTENSIONS } as const
    const next = (i: number): void => {
      da.addMedia({ ...section, direction: 'sendonly', streams: [{ ssrc: 1000 + i }] })
      send(a, 'x', 0)
      da.stopMedia('x')
      while (a.pollOutput().kind !== 'timeout');
    }
    for (let i = 2; i < MAX_SEND_STREAMS; i++) next(i)
    expect(codeOf(() => next(0))).toBe('too-many-streams')
    da.stopMedia('x')
    // one that was there before may come again
    next(2)
    sendPicture()
    pair.aToB.addOutage(pair.now, pair.now + 5)
    for (let i = 0; i < 10; i++) sendPicture()
    pair.runFor(5000)
    expect(a.statistics.outbound.find(({ mid }) => mid === 'v')).toMatchObject({
      retransmittedPacketsSent: 1,
    })
    expect(eventsOf(pair.b.events, 'mediaData').map(({ data }) => data[1])).toEqual(
      Array.from({ length: 12 }, (_, i) => i + 1),
    )
  })

  it('are more than one goodbye has room for', () => {
    const { a, b, da, db, pair } = directPair(3, LINK)
    for (let i = 0; i < 70; i++) {
      const section = { mid: `${i}`, kind: 'audio', codecs: [OPUS], extensions: EXTENSIONS } as const
      da.addMedia({ ...section, direction: 'sendonly' })
      db.addMedia({ ...section, direction: 'recvonly' })
    }
    pair.runUntil(() => a.connected && b.connected)
    for (let i = 0; i < 70; i++) send(a, `${i}`, i)
    pair.runFor(100)
    expect(b.statistics.inbound).toHaveLength(70)
    a.close()
    pair.runFor(100)
    expect(b.statistics.inbound).toEqual([])
  })
})

it('a stream goes on with the extensions of a later negotiation', () => {
  const withoutLevel = (sdp: string): string => sdp.replaceAll(/a=extmap:.*audio-level\r\n/g, '')
  const { a, b, pair } = connectedPair({
    seed: 4,
    link: LINK,
    change: (c) => c.addMedia('audio', 'sendonly'),
    answered: withoutLevel,
    offered: withoutLevel,
  })
  const write = (i: number): void => {
    const media = a.media('0')!
    const writer = media.writer(media.codecs[0]!.pt)
    writer.write({ value: 960 * i, clockRate: 48_000 }, Uint8Array.of(0xfc, i), { audioLevel: 30 })
  }
  write(0)
  pair.runFor(50)
  const change = a.createOffer()
  change.setDirection('0', 'sendonly')
  const offer = change.apply()
  a.pendingChanges()!.acceptAnswer(b.acceptOffer(offer))
  write(1)
  pair.runFor(50)
  expect(eventsOf(pair.b.events, 'mediaData').map(({ extensions }) => extensions.audioLevel)).toEqual([
    undefined,
    30,
  ])
})
