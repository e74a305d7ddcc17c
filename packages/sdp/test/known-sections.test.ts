import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { parseSdp, SdpError, type SessionDescription } from '../src/index.ts'
import { MAX_KNOWN_SECTIONS, MAX_TRIES, takeApart } from '../src/known-sections.ts'
import { description, FIXTURES, fixture, forgetFormats, mutate } from './support.ts'

/** What comes of a text: a description, or what its error says. */
function outcome(text: string): SessionDescription | string {
  try {
    return parseSdp(text)
  } catch (error) {
    if (error instanceof SdpError) return error.message
    throw error
  }
}

/** The same, read line by line: with line ends of another form, nothing is taken from what was read before. */
function slowOutcome(text: string): SessionDescription | string {
  return outcome(text.replaceAll('\r\n', '\n'))
}

describe('sections that were read before', () => {
  it.each(FIXTURES)('come to the same as line by line: %s', (name) => {
    const text = fixture(name)
    forgetFormats()
    const first = parseSdp(text)
    expect(first).toEqual(slowOutcome(text))
    expect(parseSdp(text)).toEqual(first)
    expect(takeApart(text)).toBeDefined()
  })

  it.each(FIXTURES)('come to the same, or to the same error, where a text was changed: %s', (name) => {
    const text = fixture(name)
    for (let seed = 0; seed < 500; seed++) {
      const random = new SeededRandom(seed)
      const mutant = mutate(random, text)
      // an end of line that the edit made is none of those that are replaced
      if (/\r(?!\n)|(?<!\r)\n/.test(mutant)) continue
      const slow = slowOutcome(mutant)
      for (const round of ['first', 'second']) {
        expect(outcome(mutant), `seed ${seed}, ${round} time`).toEqual(slow)
      }
    }
  })

  it('give lists of its own to each description', () => {
    const text = fixture('chromium-offer')
    const before = slowOutcome(text)
    for (let i = 0; i < 2; i++) {
      const parsed = parseSdp(text)
      expect(parsed).toEqual(before)
      for (const level of [parsed, ...parsed.media]) {
        for (const [key, value] of Object.entries(level)) {
          if (Array.isArray(value) && !Object.isFrozen(value)) value.push('another')
          else if (typeof value === 'string') Object.assign(level, { [key]: 'another' })
        }
      }
    }
  })

  it('share what is in the lists, which cannot be changed', () => {
    const lines = ['a=rid:a send pt=111;max-width=1', 'a=simulcast:send a;~b,c']
    const text = description(lines, ['a=group:BUNDLE 0'])
    parseSdp(text)
    const [{ media, groups }, again] = [parseSdp(text), parseSdp(text)]
    const [section] = media
    expect(again.media[0]!.rids[0]).toBe(section!.rids[0])
    for (const shared of [groups[0]!, groups[0]!.mids, section!.rids[0]!, section!.formats]) {
      expect(Object.isFrozen(shared)).toBe(true)
    }
    const { pts, restrictions } = section!.rids[0]!
    const { send } = section!.simulcast!
    for (const shared of [pts, restrictions, send, send[0], send[0]![0]]) {
      expect(Object.isFrozen(shared)).toBe(true)
    }
  })

  it('are told apart by their "m=" lines, but for the port', () => {
    const of = (line: string): unknown => parseSdp(description().replace(/m=.*/, line)).media[0]
    for (let i = 0; i < 2; i++) {
      expect(of('m=audio 9 UDP/TLS/RTP/SAVPF 111')).toMatchObject({
        kind: 'audio',
        port: 9,
        formats: ['111'],
      })
      expect(of('m=audio 0 UDP/TLS/RTP/SAVPF 111')).toMatchObject({ kind: 'audio', port: 0 })
      expect(of('m=video 9 UDP/TLS/RTP/SAVPF 111')).toMatchObject({ kind: 'video' })
      expect(of('m=audio 9 RTP/AVP 111')).toMatchObject({ protocol: 'RTP/AVP' })
      expect(of('m=audio 9 RTP/AVP 111 0')).toMatchObject({ formats: ['111', '0'] })
      expect(() => of('m=audio 65536 RTP/AVP 111')).toThrow('line 5')
    }
  })

  it('take the port of SCTP of the description at hand', () => {
    const of = (map: string): unknown =>
      parseSdp(description([map]).replace(/m=.*/, 'm=application 9 DTLS/SCTP 111 112')).media[0]?.sctpPort
    for (let i = 0; i < 2; i++) {
      expect(of('a=sctpmap:111 webrtc-datachannel 1024')).toBe(111)
      expect(of('a=sctpmap:112 webrtc-datachannel 1024')).toBe(112)
      expect(of('a=x')).toBeUndefined()
    }
  })

  it('are looked for among a few that begin with the same lines, the latest first', () => {
    const of = (i: number): string => description(['a=own', `a=rid:${i} send`])
    const rid = (i: number): unknown => parseSdp(of(i)).media[0]!.rids[0]
    forgetFormats()
    for (let i = 0; i < MAX_TRIES; i++) rid(i)
    const first = rid(0)
    expect(rid(0)).toBe(first)
    for (let i = 1; i <= MAX_TRIES; i++) rid(i)
    const again = rid(0)
    expect(again).toEqual(first)
    expect(again).not.toBe(first)
    expect(parseSdp(of(0))).toEqual(slowOutcome(of(0)))
  })

  it('fit together: mids and groups', () => {
    const text = description([], ['a=group:BUNDLE 0'])
    const other = text.replace('a=mid:0', 'a=mid:1')
    parseSdp(text)
    parseSdp(other.replace('BUNDLE 0', 'BUNDLE 1'))
    expect(() => parseSdp(other)).toThrow('line 5')
    expect(() => parseSdp(text + text.slice(text.indexOf('m=')))).toThrow('the mid of another section')
  })
})

describe('what is remembered', () => {
  it.each(FIXTURES)('holds nothing of a peer: %s', (name) => {
    const { session, media } = takeApart(fixture(name))!
    const text = [session, ...media].map((part) => part.text).join('')
    expect(text.replaceAll('v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\n', '')).not.toMatch(/^(?!m=|a=)./m)
    expect(text).not.toMatch(/^a=(?:ice-(?:ufrag|pwd)|fingerprint|candidate|ssrc|msid|crypto|identity)/m)
  })

  it('holds no attribute that is unknown, which may be a key', () => {
    const secret = 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0'
    const { session, media } = takeApart(description([secret], [secret]))!
    expect([session, ...media].map((part) => part.text).join('')).not.toContain('crypto')
  })

  it('is bounded in number and length', () => {
    const rids = (text: string): unknown => parseSdp(text).media[0]!.rids[0]
    const of = (i: number): string => description([`a=rid:${i} send`])
    rids(of(0))
    const first = rids(of(0))
    for (let i = 1; i < MAX_KNOWN_SECTIONS; i++) rids(of(i))
    expect(rids(of(0))).toBe(first)
    for (let i = 1; i <= MAX_KNOWN_SECTIONS; i++) rids(of(i))
    expect(rids(of(0))).not.toBe(first)
    const long = description([`a=rid:a send ${'x'.repeat(8192)}`])
    expect(rids(long)).not.toBe(rids(long))
  })
})
