import { describe, expect, it } from 'vitest'
import {
  type Capabilities,
  type CodecCapability,
  DEFAULT_CODECS,
  type Encoding,
  mediaSection,
  offerEncodings,
  OfferNumbering,
  offerSection,
  parseSdp,
  sessionDescription,
  writeSdp,
} from '../src/index.ts'

const URIS = Array.from({ length: 20 }, (_, i) => `urn:x:${i}`)
const CAPABILITIES: Capabilities = {
  codecs: DEFAULT_CODECS,
  extensions: { audio: URIS.slice(0, 2), video: URIS.slice(1, 4) },
}

function codec(name: string, preferredPt: number): CodecCapability {
  return { kind: 'video', name, clockRate: 90_000, feedback: [], preferredPt }
}

describe('a section of an offer', () => {
  it('has all codecs and extensions, and is read as it was written', () => {
    const numbering = new OfferNumbering()
    const offer = sessionDescription('1', '1')
    offer.media.push(
      offerSection('audio', '0', 'sendrecv', CAPABILITIES, numbering),
      offerSection('video', '1', 'recvonly', CAPABILITIES, numbering),
    )
    const parsed = parseSdp(writeSdp(offer))
    expect(parsed.media[0]).toMatchObject({
      kind: 'audio',
      mid: '0',
      direction: 'sendrecv',
      formats: ['111', '63', '9', '0', '8', '13', '110', '126'],
    })
    expect(parsed.media[1]).toMatchObject({
      mid: '1',
      direction: 'recvonly',
      rtcpMux: true,
      rtcpReducedSize: true,
    })
    expect(parsed.media[1]!.payloads.map(({ pt }) => pt)).toEqual(
      DEFAULT_CODECS.filter(({ kind }) => kind === 'video').flatMap(({ preferredPt, preferredRtxPt }) => [
        preferredPt,
        preferredRtxPt,
      ]),
    )
    // one id for one URI in both
    expect(parsed.media[0]!.extensions).toEqual([
      { id: 1, uri: URIS[0] },
      { id: 2, uri: URIS[1] },
    ])
    expect(parsed.media[1]!.extensions.map(({ id }) => id)).toEqual([2, 3, 4])
  })
})

describe('encodings', () => {
  it('are offered to be sent, received, or both, by their rids', () => {
    const small = { rid: 'q', restrictions: { 'max-width': '320', 'max-fps': '15' } }
    const offered = (...encodings: [Encoding[], Encoding[]?]) => {
      const offer = sessionDescription('1', '1')
      const section = offerSection('video', '0', 'sendrecv', CAPABILITIES, new OfferNumbering())
      offerEncodings(section, ...encodings)
      offer.media.push(section)
      const text = writeSdp(offer)
      const [read] = parseSdp(text).media
      expect({ rids: read!.rids, simulcast: read!.simulcast }).toEqual({
        rids: section.rids,
        simulcast: section.simulcast,
      })
      return text.match(/^a=(rid|simulcast):.*$/gm)
    }
    expect(offered([{ rid: 'h' }, small])).toEqual([
      'a=rid:h send',
      'a=rid:q send max-width=320;max-fps=15',
      'a=simulcast:send h;q',
    ])
    expect(offered([], [{ rid: 'h' }, small])).toEqual([
      'a=rid:h recv',
      'a=rid:q recv max-width=320;max-fps=15',
      'a=simulcast:recv h;q',
    ])
    expect(offered([{ rid: 'h' }], [small])).toEqual([
      'a=rid:h send',
      'a=rid:q recv max-width=320;max-fps=15',
      'a=simulcast:send h recv q',
    ])
  })
})

describe('numbers', () => {
  it('are the preferred ones, else free ones, the same for the same codec', () => {
    const numbering = new OfferNumbering()
    const [a, b, c] = [codec('A', 96), codec('B', 96), codec('C', 200)]
    expect(numbering.payloadType(a)).toBe(96)
    expect(numbering.payloadType(b)).toBe(127)
    expect(numbering.payloadType(c)).toBe(126)
    expect(numbering.payloadType(a)).toBe(96)
    // RTCP would be taken for it
    expect(numbering.payloadType(codec('D', 72))).toBe(125)
    expect(numbering.payloadType(codec('E', 1.5))).toBe(124)
  })

  it('end where all are taken', () => {
    const numbering = new OfferNumbering()
    const pts = Array.from({ length: 70 }, (_, i) => numbering.payloadType(codec(`X${i}`, 96)))
    const given = pts.filter((pt) => pt !== undefined)
    expect(new Set(given).size).toBe(32 + 29)
    expect(given.every((pt) => pt >= 35 && pt <= 127 && !(pt >= 64 && pt <= 95))).toBe(true)
    const section = offerSection(
      'video',
      '0',
      'sendrecv',
      { ...CAPABILITIES, codecs: [codec('last', 96)], extensions: { audio: [], video: URIS } },
      numbering,
    )
    expect(section.payloads).toEqual([])
    expect(section.extensions.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
    expect(numbering.extensionId('urn:y')).toBeUndefined()
  })

  it('of sections that stand are kept: by configuration, not by name', () => {
    const numbering = new OfferNumbering()
    const section = mediaSection('video', 'UDP/TLS/RTP/SAVPF')
    const format = { clockRate: 90_000, feedback: [] }
    section.payloads = [
      { ...format, pt: 98, name: 'vp9', parameters: 'profile-id=2' },
      { ...format, pt: 96, name: 'unknown' },
    ]
    section.extensions = [{ id: 1, uri: 'urn:taken' }]
    numbering.adopt(section, DEFAULT_CODECS)
    const vp9 = DEFAULT_CODECS.filter(({ name }) => name === 'VP9')
    const vp8 = DEFAULT_CODECS.find(({ name }) => name === 'VP8')!
    // profile 2 has 98; profile 0, which wants it, and VP8, which wants 96, get others
    expect(numbering.payloadType(vp9[1]!)).toBe(98)
    expect(numbering.payloadType(vp9[0]!)).toBe(127)
    expect(numbering.payloadType(vp8)).toBe(126)
    expect(numbering.extensionId('urn:taken')).toBe(1)
    expect(numbering.extensionId('urn:new')).toBe(2)
    // what was given out first stays
    numbering.adopt({ ...section, payloads: [{ ...format, pt: 127, name: 'VP8' }] }, DEFAULT_CODECS)
    expect(numbering.payloadType(vp9[0]!)).toBe(127)
  })
})
