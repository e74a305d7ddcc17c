import { describe, expect, it } from 'vitest'
import {
  answerSections,
  type CodecCapability,
  CONGESTION_CONTROL_FEEDBACK,
  DEFAULT_CODECS,
  OfferNumbering,
  offerSection,
  parseSdp,
  sessionDescription,
  writeSdp,
} from '../src/index.ts'

// RFC 8888 section 6: `a=rtcp-fb:* ack ccfb`

const WILDCARD = 'a=rtcp-fb:* ack ccfb\r\n'
const CODECS: readonly CodecCapability[] = DEFAULT_CODECS.map((codec) => ({
  ...codec,
  feedback: [...codec.feedback, CONGESTION_CONTROL_FEEDBACK],
}))
const CAPABILITIES = { codecs: CODECS, extensions: { audio: [], video: [] } }

function offer(change: (sdp: string) => string = (sdp) => sdp) {
  const description = sessionDescription('1', '1')
  description.groups.push({ semantics: 'BUNDLE', mids: ['0', '1'] })
  const numbering = new OfferNumbering()
  description.media.push(offerSection('audio', '0', 'sendrecv', CAPABILITIES, numbering))
  description.media.push(offerSection('video', '1', 'sendrecv', CAPABILITIES, numbering))
  return change(writeSdp(description))
}

function answer(text: string, codecs: readonly CodecCapability[] = CODECS): string {
  const { sections } = answerSections(parseSdp(text), { ...CAPABILITIES, codecs })
  const description = sessionDescription('2', '1')
  for (const { section } of sections) description.media.push(section)
  return writeSdp(description)
}

describe('feedback that is of all payload types', () => {
  it('is written so, and read as of each', () => {
    const text = offer()
    expect(text.split(WILDCARD)).toHaveLength(3)
    expect(text).not.toMatch(/rtcp-fb:\d+ ack/)
    const read = parseSdp(text)
    for (const { payloads } of read.media) {
      for (const { feedback } of payloads) expect(feedback.at(-1)).toBe(CONGESTION_CONTROL_FEEDBACK)
    }
    expect(writeSdp(read)).toBe(text)
  })

  it.each([
    ['as the RFC has it', (sdp: string) => sdp],
    [
      'for each payload type, as Chromium does',
      (sdp: string) =>
        sdp
          .replaceAll(WILDCARD, '')
          .replaceAll(/a=rtpmap:(\d+) .*\r\n/g, (line, pt) => `${line}a=rtcp-fb:${pt} ack ccfb\r\n`),
    ],
    [
      'before all else, and twice',
      (sdp: string) => sdp.replaceAll(WILDCARD, '').replaceAll(/(m=.*\r\n)/g, `$1${WILDCARD}${WILDCARD}`),
    ],
  ])('is answered, for retransmissions too: offered %s', (_, change) => {
    const text = answer(offer(change))
    expect(text.split(WILDCARD)).toHaveLength(3)
    expect(text).not.toMatch(/rtcp-fb:\d+ ack/)
  })

  it('is not answered where it is not known', () => {
    expect(answer(offer(), DEFAULT_CODECS)).not.toContain('ccfb')
    expect(answer(offer((sdp) => sdp.replaceAll(WILDCARD, '')))).not.toContain('ccfb')
  })

  it('of some payload types alone is written as it was read', () => {
    const text = offer((sdp) => sdp.replaceAll(WILDCARD, '')).replace(
      'a=rtcp-fb:96 nack\r\n',
      'a=rtcp-fb:96 ack ccfb\r\na=rtcp-fb:96 nack\r\n',
    )
    expect(writeSdp(parseSdp(text))).toBe(text)
  })
})
