import { EXTENSION_URIS } from '@str0m/rtp'
import { describe, expect, it } from 'vitest'
import { type DirectCodec, type DirectMedia, Rtc } from '../src/index.ts'
import { codeOf, directPair, eventsOf } from './harness.ts'

const OPUS: DirectCodec = { pt: 111, name: 'opus', clockRate: 48_000, channels: 2 }
const VP8: DirectCodec = {
  pt: 96,
  name: 'VP8',
  clockRate: 90_000,
  feedback: ['nack', 'nack pli', 'ccm fir'],
  rtxPt: 97,
}
const EXTENSIONS = [
  { id: 1, uri: EXTENSION_URIS.mid },
  { id: 2, uri: EXTENSION_URIS.rid },
  { id: 3, uri: EXTENSION_URIS.repairedRid },
]

describe('the direct API: a session without descriptions', () => {
  it('media goes both ways, with loss repaired', () => {
    const { a, b, da, db, pair } = directPair(1)
    for (const direct of [da, db]) {
      direct.addMedia({
        mid: 'a',
        kind: 'audio',
        direction: 'sendrecv',
        codecs: [OPUS],
        extensions: EXTENSIONS,
      })
      direct.addMedia({
        mid: 'v',
        kind: 'video',
        direction: 'sendrecv',
        codecs: [VP8],
        extensions: EXTENSIONS,
      })
    }
    pair.runUntil(() => a.connected && b.connected)
    for (let i = 0; i < 100; i++) {
      if (i === 1) pair.aToB.configure(pair.now, { latency: 20, loss: 0.1 })
      if (i === 97) pair.aToB.configure(pair.now, { latency: 20 })
      const frame = new Uint8Array(3000).fill(i)
      frame[0] = i === 0 ? 0x10 : 0x11
      a.media('v')!
        .writer(96)
        .write({ value: 3000 * i, clockRate: 90_000 }, frame, { keyframe: i === 0 })
      b.media('a')!
        .writer(111)
        .write({ value: 960 * i, clockRate: 48_000 }, Uint8Array.of(0xfc, i))
      pair.runFor(33)
    }
    pair.runFor(2000)
    expect(eventsOf(pair.b.events, 'mediaData').length).toBe(100)
    expect(eventsOf(pair.a.events, 'mediaData').length).toBe(100)
    expect(b.statistics.inbound[0]!.retransmittedPacketsReceived).toBeGreaterThan(0)
  })

  it('streams are known by their SSRC where no extension says the section', () => {
    const { a, b, da, db, pair } = directPair(2)
    const section = { kind: 'audio', direction: 'sendrecv', codecs: [OPUS] } as const
    for (const [mid, ssrc] of [
      ['x', 1001],
      ['y', 1002],
    ] as const) {
      da.addMedia({ ...section, mid, streams: [{ ssrc }] })
      db.addMedia({ ...section, mid, sources: [{ ssrc }] })
    }
    pair.runUntil(() => a.connected && b.connected)
    a.media('y')!.writer(111).write({ value: 0, clockRate: 48_000 }, Uint8Array.of(0xfc, 1))
    pair.runFor(100)
    expect(eventsOf(pair.b.events, 'mediaData')).toMatchObject([{ mid: 'y', ssrc: 1002 }])
    for (const mid of ['x', 'y']) db.stopMedia(mid)
    a.media('y')!.writer(111).write({ value: 960, clockRate: 48_000 }, Uint8Array.of(0xfc, 2))
    pair.runFor(100)
    expect(eventsOf(pair.b.events, 'mediaData').length).toBe(1)
    expect(b.statistics.dropped.unknownStream).toBe(1)
  })

  it('and so are those of their retransmissions', () => {
    const { a, b, da, db, pair } = directPair(5)
    const section = { kind: 'video', direction: 'sendrecv', codecs: [VP8] } as const
    for (const [mid, ssrc] of [
      ['x', 1001],
      ['y', 2001],
    ] as const) {
      const stream = { ssrc, rtxSsrc: ssrc + 1 }
      da.addMedia({ ...section, mid, streams: [stream] })
      db.addMedia({ ...section, mid, sources: [stream] })
    }
    pair.runUntil(() => a.connected && b.connected)
    for (let i = 0; i < 50; i++) {
      if (i === 1) pair.aToB.configure(pair.now, { latency: 20, loss: 0.2 })
      if (i === 47) pair.aToB.configure(pair.now, { loss: 0 })
      for (const mid of ['x', 'y']) {
        const frame = new Uint8Array(3000).fill(i)
        frame[0] = i === 0 ? 0x10 : 0x11
        a.media(mid)!
          .writer(96)
          .write({ value: 3000 * i, clockRate: 90_000 }, frame)
      }
      pair.runFor(33)
    }
    pair.runFor(2000)
    expect(b.statistics.dropped.unknownStream).toBe(0)
    for (const mid of ['x', 'y']) {
      expect(eventsOf(pair.b.events, 'mediaData').filter((frame) => frame.mid === mid)).toHaveLength(50)
    }
  })

  it('sections that cannot be are refused, and nothing has changed', () => {
    const { a, da } = directPair(6)
    const section = { kind: 'video', direction: 'sendrecv', codecs: [VP8] } as const
    da.addMedia({ ...section, mid: 'a', streams: [{ ssrc: 1, rtxSsrc: 2 }], sources: [{ ssrc: 3 }] })
    const wrong: Partial<DirectMedia>[] = [
      { streams: [{ ssrc: 1 }] },
      { streams: [{ ssrc: 4, rtxSsrc: 2 }] },
      { streams: [{ ssrc: 4, rtxSsrc: 4 }] },
      {
        streams: [
          { rid: 'h', ssrc: 4 },
          { rid: 'h', ssrc: 5 },
        ],
      },
      { streams: [{ rid: 'ä', ssrc: 4 }] },
      { streams: [{ ssrc: -1 }] },
      { streams: [{ ssrc: 2 ** 32 }] },
      { streams: [{ ssrc: Number.NaN }] },
      { sources: [{ ssrc: 3 }] },
      { sources: [{ ssrc: 4, rtxSsrc: 4 }] },
      { sources: [{ ssrc: 0.5 }] },
      { codecs: [{ ...VP8, clockRate: 0 }] },
      { codecs: [{ ...VP8, pt: 64 }] },
      { codecs: [{ ...VP8, rtxPt: 95 }] },
      { codecs: [{ ...VP8, pt: 128 }] },
      { extensions: [{ id: 0, uri: EXTENSION_URIS.mid }] },
      { extensions: [{ id: 256, uri: EXTENSION_URIS.mid }] },
      { extensions: [...EXTENSIONS, { id: 1, uri: EXTENSION_URIS.audioLevel }] },
      { mid: '' },
      { mid: 'a b' },
      { mid: 'x'.repeat(256) },
      { kind: 'application' as 'audio' },
    ]
    for (const [i, media] of wrong.entries()) {
      expect(
        codeOf(() => da.addMedia({ ...section, mid: 'b', ...media })),
        `${i}`,
      ).toBe('invalid-option')
    }
    expect(a.medias.map(({ mid }) => mid)).toEqual(['a'])
    // the two sides choose for themselves, and what has ended is free
    da.addMedia({ ...section, mid: 'b', streams: [{ ssrc: 3 }], sources: [{ ssrc: 1 }] })
    da.stopMedia('a')
    da.addMedia({ ...section, mid: 'c', streams: [{ ssrc: 1 }], sources: [{ ssrc: 3 }] })
  })

  it('several encodings, and data channels', () => {
    const { a, da, db, pair } = directPair(3)
    const streams = ['h', 'q'].map((rid, i) => ({ rid, ssrc: 50 + i, rtxSsrc: 60 + i }))
    const video = { mid: 'v', kind: 'video', codecs: [VP8], extensions: EXTENSIONS } as const
    da.addMedia({ ...video, direction: 'sendonly', streams })
    db.addMedia({ ...video, direction: 'recvonly', streams: [] })
    for (const direct of [da, db]) direct.openDataChannels()
    const id = a.addChannel('d')
    pair.runUntil(() => eventsOf(pair.a.events, 'channelOpen').length === 1)
    expect(a.channel(id)!.write('hello')).toBe(true)
    for (const { rid } of streams) {
      a.media('v')!
        .writer(96, rid)
        .write({ value: 0, clockRate: 90_000 }, Uint8Array.of(0x10, 1, 2), { keyframe: true })
    }
    pair.runFor(100)
    expect(eventsOf(pair.b.events, 'mediaData').map(({ rid }) => rid)).toEqual(['h', 'q'])
    expect(eventsOf(pair.b.events, 'channelData')).toMatchObject([{ data: 'hello' }])
  })

  it('does not mix with descriptions, and checks what it is given', () => {
    const fresh = new Rtc().direct()
    const own = { iceUfrag: 'aaaa', icePwd: 'b'.repeat(22), fingerprints: [fresh.localFingerprint] }
    const wrong = { ...own, iceUfrag: 'a b', dtlsRole: 'client' } as const
    expect(codeOf(() => fresh.connect(wrong))).toBe('invalid-credentials')
    // nothing has changed
    fresh.connect({ ...wrong, iceUfrag: 'aaaa' })

    const { a, b, da } = directPair(4)
    expect(codeOf(() => a.createOffer())).toBe('wrong-state')
    expect(codeOf(() => a.acceptOffer({ type: 'offer', sdp: '' }))).toBe('wrong-state')
    expect(codeOf(() => a.readOffer({ type: 'offer', sdp: '' }))).toBe('wrong-state')
    const connection = {
      iceUfrag: 'aaaa',
      icePwd: 'b'.repeat(22),
      fingerprints: [],
      dtlsRole: 'client',
    } as const
    expect(codeOf(() => da.connect(connection))).toBe('invalid-option')
    for (const dtlsRole of ['active', undefined] as unknown as readonly ['client']) {
      const roleless = { ...connection, fingerprints: [da.localFingerprint], dtlsRole }
      expect(codeOf(() => da.connect(roleless))).toBe('invalid-option')
    }
    const malformed = [{ algorithm: 'sha-256', value: '00:11' }]
    expect(codeOf(() => da.connect({ ...connection, fingerprints: malformed }))).toBe('invalid-fingerprint')
    expect(codeOf(() => da.connect({ ...connection, fingerprints: [da.localFingerprint] }))).toBe(
      'wrong-state',
    )
    const media = { mid: 'm', kind: 'video', direction: 'sendrecv', codecs: [VP8] } as const
    expect(codeOf(() => da.addMedia({ ...media, kind: 'text' as 'audio' }))).toBe('invalid-option')
    expect(codeOf(() => da.addMedia({ ...media, direction: '' as 'inactive' }))).toBe('invalid-option')
    expect(codeOf(() => da.addMedia({ ...media, codecs: [] }))).toBe('invalid-option')
    expect(codeOf(() => da.addMedia({ ...media, codecs: [VP8, VP8] }))).toBe('invalid-option')
    expect(codeOf(() => da.addMedia({ ...media, codecs: [{ ...VP8, pt: 128 }] }))).toBe('invalid-option')
    expect(codeOf(() => da.addMedia({ ...media, streams: [{ ssrc: 1 }, { ssrc: 2 }] }))).toBe(
      'invalid-option',
    )
    da.addMedia(media)
    expect(codeOf(() => da.addMedia(media))).toBe('wrong-state')
    expect(codeOf(() => da.stopMedia('n'))).toBe('unknown-mid')
    const described = new Rtc()
    described.createOffer().addMedia('audio')
    expect(codeOf(() => described.direct())).toBeUndefined()
    expect(codeOf(() => new Rtc().direct().openDataChannels())).toBe('wrong-state')
    for (const wrongEnd of [
      { sctpPort: 0 },
      { sctpPort: 65_536 },
      { sctpPort: 1.5 },
      { maxMessageSize: 0 },
    ]) {
      expect(codeOf(() => da.openDataChannels(wrongEnd))).toBe('invalid-option')
    }
    da.openDataChannels()
    b.close()
    expect(codeOf(() => b.direct())).toBe('closed')
    const offering = new Rtc()
    const change = offering.createOffer()
    change.addMedia('audio')
    change.apply()
    expect(codeOf(() => offering.direct())).toBe('wrong-state')
  })

  it('refuses header extensions that no packet can carry', () => {
    const { a, da } = directPair(31)
    for (const id of [0, 256, 1.5, Number.NaN]) {
      const extensions = [{ id, uri: EXTENSION_URIS.mid }]
      const add = () =>
        da.addMedia({ mid: 'a', kind: 'audio', direction: 'sendrecv', codecs: [OPUS], extensions })
      expect(codeOf(add)).toBe('invalid-option')
    }
    expect(a.medias).toEqual([])
  })

  it('says how data channels begin', () => {
    const { a } = directPair(32)
    expect(() => a.addChannel('early')).toThrow(/direct\(\)\.openDataChannels\(\)/)
  })
})
