import { describe, expect, it } from 'vitest'
import { MAX_REMEMBERED } from '../src/formats.ts'
import {
  answerSections,
  DEFAULT_CODECS,
  MAX_SECTION_LINES,
  type MediaSection,
  pairPayloads,
  parseSdp,
  SdpError,
  writeSdp,
} from '../src/index.ts'
import { description, FIXTURES, fixture, forgetFormats, SECTION_LINE } from './support.ts'

const CAPABILITIES = { codecs: DEFAULT_CODECS, extensions: { audio: [], video: [] } }

function formatsOf(text: string): unknown[] {
  return parseSdp(text).media.map(({ formats, payloads, extensions }) => ({ formats, payloads, extensions }))
}

function only(text: string): MediaSection {
  return parseSdp(text).media[0]!
}

describe('formats that were read before', () => {
  it.each(FIXTURES)('are those of the first time: %s', (name) => {
    const text = fixture(name)
    forgetFormats()
    const first = formatsOf(text)
    expect(formatsOf(text)).toEqual(first)
    forgetFormats()
    expect(formatsOf(text)).toEqual(first)
  })

  it('are the same lists, which cannot be changed', () => {
    const [a, b] = [only(description()), only(description(['a=ice-ufrag:other']))]
    expect(b.payloads).toBe(a.payloads)
    expect(b.extensions).toBe(a.extensions)
    expect(() => (a.payloads as unknown[]).push(1)).toThrow(TypeError)
    expect(() => (a.payloads[0]!.feedback as string[]).push('nack')).toThrow(TypeError)
  })

  it('tell the payload types of the "m=" line, and the kinds of sections, apart', () => {
    const without = (text: string): string => text.replaceAll('SAVPF 111', 'SAVPF 112')
    expect(only(description()).payloads).toHaveLength(1)
    expect(only(without(description())).payloads).toEqual([])
    const data = (text: string): string => text.replace('UDP/TLS/RTP/SAVPF 111', 'UDP/DTLS/SCTP 111')
    expect(only(data(description())).payloads).toEqual([])
    expect(() => only(description().replace('SAVPF 111', 'SAVPF -'))).toThrow('no payload type')
  })

  it('are forgotten, the longest ago the first', () => {
    const of = (i: number): readonly unknown[] => only(description([`a=fmtp:111 number=${i}`])).payloads
    forgetFormats()
    const first = of(0)
    for (let i = 1; i < MAX_REMEMBERED; i++) of(i)
    expect(of(0)).toBe(first)
    of(MAX_REMEMBERED)
    expect(of(0)).toBe(first)
    for (let i = 1; i <= MAX_REMEMBERED; i++) of(i)
    expect(of(0)).not.toBe(first)
  })

  it('are not remembered where they are long', () => {
    const text = description([`a=fmtp:111 ${'x'.repeat(8192)}`])
    expect(only(text).payloads).not.toBe(only(text).payloads)
  })
})

describe('their lines', () => {
  it.each(['a=rtpmap:111', 'a=fmtp:111', 'a=rtcp-fb:x nack', 'a=extmap:1'])(
    'are told where malformed: %s',
    (line) => {
      const text = description(['a=x', line])
      const error = (() => {
        try {
          return parseSdp(text)
        } catch (thrown) {
          return thrown
        }
      })()
      expect(error).toBeInstanceOf(SdpError)
      expect(error).toMatchObject({ line: SECTION_LINE + 1 })
    },
  )

  it('count among those of a section', () => {
    const lines = (length: number): string => description(Array.from({ length }, () => 'a=fmtp:111 x=1'))
    expect(() => parseSdp(lines(MAX_SECTION_LINES - 4))).not.toThrow()
    expect(() => parseSdp(lines(MAX_SECTION_LINES - 3))).toThrow(`${MAX_SECTION_LINES} lines`)
  })

  it('are attributes like others at the session level', () => {
    expect(parseSdp(description([], ['a=extmap:1 urn:x'])).attributes).toEqual(['extmap:1 urn:x'])
  })
})

describe('what is worked out of them', () => {
  it('is the same for the same offer', () => {
    const answered = (ufrag: string): MediaSection => {
      const offer = parseSdp(description([`a=ice-ufrag:${ufrag}`]))
      return answerSections(offer, CAPABILITIES).sections[0]!.section
    }
    const [a, b] = [answered('aaaa'), answered('bbbb')]
    expect(a.payloads).toHaveLength(1)
    expect(b.payloads).toBe(a.payloads)
    expect(pairPayloads(a.payloads, b.payloads)).toBe(pairPayloads(a.payloads, a.payloads))
  })

  it('is of its own where a list may change', () => {
    const parsed = parseSdp(description())
    const section = parsed.media[0]!
    const payloads = [...section.payloads]
    section.payloads = payloads
    expect(writeSdp(parsed)).toContain('opus/48000/2')
    payloads.length = 0
    expect(writeSdp(parsed)).not.toContain('opus/48000/2')
  })
})
