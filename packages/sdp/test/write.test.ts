import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  DEFAULT_CODECS,
  OfferNumbering,
  offerSection,
  parseSdp,
  type SessionDescription,
  sessionDescription,
  writeSdp,
} from '../src/index.ts'
import { writeByGrammar } from './grammar-writer.ts'
import { description, FIXTURES, fixture } from './support.ts'

/** A description with some of its lines gone, some twice and some in other places; `undefined` where it is none any more. */
function shuffled(seed: number, text: string): SessionDescription | undefined {
  const random = new SeededRandom(seed)
  const lines = text.split('\r\n')
  for (let edits = 1 + random.integer(20); edits > 0; edits--) {
    const [line] = lines.splice(4 + random.integer(lines.length - 5), 1)
    if (random.chance(0.6)) lines.splice(4 + random.integer(lines.length - 5), 0, line!)
  }
  try {
    return parseSdp(lines.join('\r\n'))
  } catch {
    return undefined
  }
}

describe('what is written is what the writer of sdp-transform writes', () => {
  it.each(FIXTURES)('of %s, and of what its lines make in other orders', (name) => {
    const text = fixture(name)
    const parsed = parseSdp(text)
    expect(writeSdp(parsed)).toBe(writeByGrammar(parsed))
    let compared = 0
    for (let seed = 1; seed <= 300; seed++) {
      const other = shuffled(seed, text)
      if (other === undefined) continue
      compared++
      expect(writeSdp(other), `seed ${seed}`).toBe(writeByGrammar(other))
    }
    expect(compared).toBeGreaterThan(50)
  })

  it('of an offer of ours', () => {
    const offer = sessionDescription('18446744073709551615', '1')
    const numbering = new OfferNumbering()
    const capabilities = {
      codecs: DEFAULT_CODECS,
      extensions: { audio: ['urn:a'], video: ['urn:a', 'urn:b'] },
    }
    offer.media.push(
      offerSection('audio', 'a', 'sendonly', capabilities, numbering),
      offerSection('video', 'v', 'sendrecv', capabilities, numbering),
    )
    expect(writeSdp(offer)).toBe(writeByGrammar(offer))
    expect(parseSdp(writeSdp(offer))).toEqual(offer)
  })

  it('of what browsers seldom write', () => {
    const text = description(
      [
        'b=AS:500',
        'a=fmtp:111 minptime=10',
        'a=rtcp-fb:111 nack',
        'a=rtcp-fb:* transport-cc',
        'a=extmap:1/sendonly urn:x with config',
        'a=extmap:2 urn:y',
        'a=extmap-allow-mixed',
        'a=setup:holdconn',
        'a=recvonly',
        'a=ice-ufrag:abcd',
        'a=ice-pwd:abcdefghijklmnopqrstuv',
        'a=fingerprint:sha-1 AA:BB',
        'a=fingerprint:sha-256 CC:DD',
        'a=end-of-candidates',
        'a=ice-options:trickle renomination',
        'a=rtcp-rsize',
        'a=bundle-only',
        'a=rid:q send pt=111;max-width=320;empty',
        'a=rid:h recv',
        'a=simulcast:send q,~h;q recv h',
        'a=sctp-port:5000',
        'a=max-message-size:0',
        'a=msid:- track',
        'a=msid:stream',
        'a=ssrc:1',
        'a=ssrc:2 cname:x',
        'a=ssrc:2 flag',
        'a=ssrc-group:FID 1 2',
        'a=candidate:1 1 udp 1 192.0.2.1 9 typ host',
        'a=other',
      ],
      [
        'a=group:LS',
        'a=group:BUNDLE 0',
        'a=ice-lite',
        'a=extmap-allow-mixed',
        'a=sendonly',
        'a=setup:passive',
        'a=fingerprint:sha-256 EE:FF',
        'a=fingerprint:sha-512 11:22',
        'a=msid-semantic: WMS',
      ],
    )
    const parsed = parseSdp(text)
    parsed.origin = { ...parsed.origin, addressType: 'IP6', address: '::1' }
    parsed.media[0]!.connection = '2001:db8::1'
    expect(writeSdp(parsed)).toBe(writeByGrammar(parsed))
    expect(parseSdp(writeSdp(parsed))).toEqual(parsed)
  })
})
