import { describe, expect, it } from 'vitest'
import {
  directionOf,
  intersectDirections,
  MAX_LINE_LENGTH,
  MAX_MEDIA_SECTIONS,
  MAX_SDP_LENGTH,
  MAX_SECTION_LINES,
  type MediaSection,
  parseSdp,
  reverseDirection,
  SdpError,
  transportOf,
  writeSdp,
} from '../src/index.ts'
import { description, FIXTURES, fixture, SECTION_LINE, SESSION_LINE, sortedLines } from './support.ts'

/** The section of a description with these lines more. */
function section(...lines: string[]): MediaSection {
  return parseSdp(description(lines)).media[0]!
}

function errorOf(text: string): SdpError {
  try {
    parseSdp(text)
  } catch (error) {
    if (error instanceof SdpError) return error
    throw error
  }
  throw new Error('it was read')
}

describe('descriptions of browsers', () => {
  it.each(FIXTURES)('%s: every line is kept', (name) => {
    const text = fixture(name)
    const parsed = parseSdp(text)
    expect(sortedLines(writeSdp(parsed))).toEqual(sortedLines(text))
    expect(parseSdp(writeSdp(parsed))).toEqual(parsed)
    expect(parseSdp(text.replaceAll('\r\n', '\n'))).toEqual(parsed)
    expect(parseSdp(text.replaceAll('\r\n', '\r'))).toEqual(parsed)
  })

  it('are understood', () => {
    const offer = parseSdp(fixture('firefox-offer'))
    expect(offer.origin).toEqual({
      username: 'mozilla...THIS_IS_SDPARTA-99.0',
      sessionId: '8383716366615210145',
      sessionVersion: '0',
      addressType: 'IP4',
      address: '0.0.0.0',
    })
    expect(offer.groups).toEqual([{ semantics: 'BUNDLE', mids: ['0', '1', '2'] }])
    const [audio, video, data] = offer.media
    expect(audio!.msids).toEqual([
      { stream: '{b3b96541-4dc1-4d1d-917c-702f9794dba0}', track: '{17a46384-5c43-45bf-84ad-a4e498307c60}' },
    ])
    expect(audio!.extensions[1]).toEqual({
      id: 2,
      direction: 'recvonly',
      uri: 'urn:ietf:params:rtp-hdrext:csrc-audio-level',
    })
    expect(audio!.payloads.find(({ pt }) => pt === 9)).toEqual({
      pt: 9,
      name: 'G722',
      clockRate: 8000,
      channels: 1,
      feedback: ['transport-cc'],
    })
    expect(video!.ssrcGroups).toEqual([{ semantics: 'FID', ssrcs: [4_249_541_548, 2_620_578_437] }])
    expect(video!.candidates).toHaveLength(8)
    expect(video!.endOfCandidates).toBe(true)
    expect(data).toMatchObject({
      kind: 'application',
      protocol: 'UDP/DTLS/SCTP',
      formats: ['webrtc-datachannel'],
      payloads: [],
      sctpPort: 5000,
      maxMessageSize: 1_073_741_823,
    })
    // the fingerprint and the ICE options stand at the session level alone
    expect(transportOf(offer, audio!)).toEqual({
      iceUfrag: '3d4de9e4',
      icePwd: '70800fa0088a541226ddc62bbdbec6b5',
      iceOptions: ['trickle'],
      setup: 'actpass',
      fingerprints: offer.fingerprints,
    })
    expect(offer.fingerprints).toHaveLength(1)
  })
})

describe('what stands at the session level', () => {
  it('goes for the sections that do not say it', () => {
    const session = [
      'a=ice-ufrag:abcd',
      `a=ice-pwd:${'p'.repeat(22)}`,
      'a=setup:passive',
      'a=recvonly',
      'a=ice-lite',
      'a=ice-options:trickle ice2',
      'a=extmap-allow-mixed',
      'a=fingerprint:SHA-256 aa:bb',
      'a=fingerprint:sha-1 CC',
    ]
    const inherits = parseSdp(description([], session))
    expect(directionOf(inherits, inherits.media[0]!)).toBe('recvonly')
    expect(inherits).toMatchObject({ iceLite: true, extmapAllowMixed: true })
    expect(transportOf(inherits, inherits.media[0]!)).toEqual({
      iceUfrag: 'abcd',
      icePwd: 'p'.repeat(22),
      setup: 'passive',
      iceOptions: ['trickle', 'ice2'],
      fingerprints: [
        { algorithm: 'sha-256', value: 'AA:BB' },
        { algorithm: 'sha-1', value: 'CC' },
      ],
    })
    const own = [
      'a=ice-ufrag:1234',
      'a=setup:active',
      'a=inactive',
      'a=fingerprint:sha-256 DD',
      'a=ice-options:x',
    ]
    const says = parseSdp(description(own, session))
    expect(directionOf(says, says.media[0]!)).toBe('inactive')
    expect(transportOf(says, says.media[0]!)).toMatchObject({
      iceUfrag: '1234',
      setup: 'active',
      iceOptions: ['x'],
      fingerprints: [{ algorithm: 'sha-256', value: 'DD' }],
    })
    const neither = parseSdp(description())
    expect(directionOf(neither, neither.media[0]!)).toBe('sendrecv')
    expect(transportOf(neither, neither.media[0]!)).toEqual({ iceOptions: [], fingerprints: [] })
  })

  it('keeps an IPv6 origin and numbers of 64 bits', () => {
    const text = description().replace(
      'o=- 1 2 IN IP4 127.0.0.1',
      'o=me 18446744073709551615 18446744073709551614 IN IP6 ::1',
    )
    expect(writeSdp(parseSdp(text))).toContain(
      'o=me 18446744073709551615 18446744073709551614 IN IP6 ::1\r\n',
    )
  })
})

describe('attributes', () => {
  it.each([
    ['a=group:LS 0', 'a=group:X-Y.z 0'],
    ['a=x-unknown', 'a=x-unknown:with a value', 'a=framerate:29.97', 'a=ptime:20', 'a=simulcast-x:1'],
  ])('are kept at the session level: %s', (...lines) => {
    const text = description([], lines)
    expect(sortedLines(writeSdp(parseSdp(text)))).toEqual(sortedLines(text))
  })

  it.each([
    ['a=extmap:3 urn:ietf:params:rtp-hdrext:encrypt urn:ietf:params:rtp-hdrext:smpte-tc 25@600/24'],
    ['a=extmap:1/sendonly URI-toffset', 'a=extmap:4100 URI-x a b c'],
    ['a=ice-options:trickle renomination'],
    ['a=ssrc:1', 'a=ssrc:2 x.y:z', 'a=ssrc:2 previous-ssrc:5', 'a=ssrc:4294967295 cname:a b:c'],
    ['a=ssrc-group:FEC-FR 3004364195 1080772241', 'a=ssrc-group:SIM 1 2 3'],
    [
      'a=rid:hi-1 send pt=111;max-width=1280;depend=a=b;x',
      'a=rid:lo recv',
      'a=simulcast:send hi-1;~lo,x recv y',
    ],
    ['a=msid:- track', 'a=msid:{a}', 'a=msid:stream'],
    ['b=AS:500', 'b=TIAS:500000', 'b=X-YZ:128', 'c=IN IP6 ff1e::1/3'],
    ['a=fingerprint:sha-256 AA', 'a=fingerprint:sha-512 BB:CC'],
    ['a=rtcp-fb:111 a b c d', 'a=rtcp-fb:111 nack'],
    ['a=fmtp:111 minptime=10; useinbandfec=1\tx=y'],
    ['a=candidate:1 1 udp 1 1.2.3.4 5 typ relay raddr 1.1.1.1 rport 1 x y generation 0'],
    [
      'a=ice-ufrag:1e10',
      'a=ice-pwd:1234567890123456789012',
      'a=setup:holdconn',
      'a=bundle-only',
      'a=rtcp-rsize',
    ],
    ['a=toString:1', 'a=__proto__:x', 'a=constructor', 'a=hasOwnProperty:a=b'],
    ['a=end-of-candidates', 'a=extmap-allow-mixed', 'a=sendonly', 'a=x y:z'],
  ])('are kept in a section: %s', (...lines) => {
    const text = description(lines)
    expect(sortedLines(writeSdp(parseSdp(text)))).toEqual(sortedLines(text))
  })

  it('are read past the forms of early drafts', () => {
    expect(section('a=simulcast: send a;b', 'a=rid:a send', 'a=rid:b send').simulcast).toEqual({
      send: [[{ rid: 'a', paused: false }], [{ rid: 'b', paused: false }]],
      recv: [],
    })
    expect(section('a=sctp-port:5000 ', 'a=max-message-size:1 ')).toMatchObject({
      sctpPort: 5000,
      maxMessageSize: 1,
    })
  })

  it('rid restrictions', () => {
    expect(section('a=rid:a send pt=111,0;max-width=1280;flag').rids).toEqual([
      { id: 'a', direction: 'send', pts: [111, 0], restrictions: { 'max-width': '1280', flag: '' } },
    ])
  })

  it('feedback for every payload type, static payload types, and formats without a meaning', () => {
    const text = description(['a=rtcp-fb:* nack', 'a=rtcp-fb:111 ccm fir']).replace(
      'SAVPF 111',
      'SAVPF 111 0 96 111 13',
    )
    const [audio] = parseSdp(text).media
    expect(audio!.formats).toEqual(['111', '0', '96', '111', '13'])
    expect(audio!.payloads).toEqual([
      { pt: 111, name: 'opus', clockRate: 48_000, channels: 2, feedback: ['nack', 'ccm fir'] },
      { pt: 0, name: 'PCMU', clockRate: 8000, feedback: ['nack'] },
      { pt: 13, name: 'CN', clockRate: 8000, feedback: ['nack'] },
    ])
  })
})

it('spaces at the end of a line are of no matter', () => {
  const lines = [
    'a=rtcp-mux',
    'a=rtcp-rsize',
    'a=sendonly',
    'a=extmap-allow-mixed',
    'a=bundle-only',
    'a=end-of-candidates',
    'a=setup:active',
    'a=sctp-port:5000',
  ]
  const plain = parseSdp(description(lines, ['a=ice-lite', 'a=recvonly']))
  expect(plain).toMatchObject({ iceLite: true, direction: 'recvonly' })
  expect(plain.media[0]).toMatchObject({ rtcpMux: true, direction: 'sendonly', endOfCandidates: true })
  for (const end of [' ', '  ', '\t']) {
    const spaced = description(
      lines.map((line) => line + end),
      [`a=ice-lite${end}`, `a=recvonly${end}`],
    )
    // read anew, and as known
    for (let i = 0; i < 2; i++) expect(parseSdp(spaced)).toEqual(plain)
  }
  expect(errorOf(description(['a=sendonly ', 'a=recvonly'])).line).toBe(SECTION_LINE + 1)
})

describe('an error names the line', () => {
  it.each([
    'a=rtpmap:111',
    'a=rtpmap:111 opus',
    'a=rtpmap:111 opus/fast',
    `a=rtpmap:111 opus/${'9'.repeat(400)}`,
    'a=rtpmap:1111 opus/48000',
    'a=fmtp:111',
    'a=fmtp:111  ',
    'a=fmtp:x y=z',
    'a=rtcp-fb:111',
    'a=rtcp-fb:x nack',
    'a=extmap:x urn:y',
    'a=extmap:1/upwards urn:y',
    'a=extmap:1',
    'a=mid:1',
    'a=mid:é',
    'a=ice-ufrag:abc',
    'a=ice-ufrag:a b c d',
    'a=ice-pwd:short',
    'a=fingerprint:sha-256',
    'a=fingerprint:sha-256 AA:B',
    'a=fingerprint:sha-256 AA:BB:',
    'a=setup:maybe',
    'a=setup',
    'a=candidate:1 1 udp',
    'a=ssrc:x cname:y',
    'a=ssrc:4294967296 cname:y',
    'a=ssrc-group:FID',
    'a=ssrc-group:FID 1 4294967296',
    'a=ssrc-group:FID 1 x',
    'a=rid:1',
    'a=rid:1 sideways',
    'a=rid:a_b! send',
    'a=rid:a send pt=x',
    'a=rid:a send pt=128',
    'a=simulcast:a',
    'a=simulcast:send a send b',
    'a=simulcast:send a;;b',
    'a=simulcast:send ~',
    'a=sctp-port:65536',
    'a=sctp-port:x',
    'a=max-message-size:-1',
    'a=msid:',
    'a=msid:a b c',
    'c=IN IP4',
    'c=IN IP5 1.2.3.4',
    'b=AS',
    'b=AS:x',
    'A=x',
    'a',
    'ab=c',
    ' a=x',
    'a=x\0y',
    `a=${'x'.repeat(MAX_LINE_LENGTH)}`,
  ])('%s', (line) => {
    const error = errorOf(description(['a=fine', line, 'a=fine']))
    expect(error.line).toBe(SECTION_LINE + 1)
    expect(error.code).toBe('invalid-sdp')
    expect(error.name).toBe('SdpError')
    expect(error.message.length).toBeLessThan(250)
  })

  it.each([
    ['a=group:BUNDLE 0 1', SESSION_LINE],
    ['a=group:', SESSION_LINE],
    ['v=0', SESSION_LINE],
    ['o=- 1 2 IN IP4 127.0.0.1', SESSION_LINE],
    ['a=setup:x', SESSION_LINE],
    ['nonsense', SESSION_LINE],
  ])('at the session level: %s', (line, number) => {
    expect(errorOf(description([], [line])).line).toBe(number)
  })

  it.each([
    'm=audio 65536 UDP/TLS/RTP/SAVPF 111',
    'm=audio x UDP/TLS/RTP/SAVPF 111',
    'm=audio -1 UDP/TLS/RTP/SAVPF 111',
    'm=audio 9 UDP/TLS/RTP/SAVPF',
    'm=audio 9',
    'm=audio 9 UDP/TLS/RTP/SAVPF 128',
    'm=audio 9 UDP/TLS/RTP/SAVPF opus',
    'm=audio  9 UDP/TLS/RTP/SAVPF 111',
    'm=',
  ])('of a section: %s', (line) => {
    expect(errorOf(description([line])).line).toBe(SECTION_LINE)
  })

  it.each([
    'a=mid:0',
    'a=ice-ufrag:abcd',
    `a=ice-pwd:${'p'.repeat(22)}`,
    'a=setup:active',
    'a=sctp-port:5000',
    'a=max-message-size:5',
    'a=simulcast:send a',
    'a=rid:a send',
    'a=sendrecv',
  ])('that says a thing twice: %s', (line) => {
    expect(errorOf(description([line, 'a=x', line])).line).toBe(
      line === 'a=mid:0' ? SECTION_LINE : SECTION_LINE + 2,
    )
  })

  it('of the second of two sections with one mid, and of two directions', () => {
    expect(errorOf(description(['m=video 9 RTP/SAVPF 96', 'a=mid:0'])).line).toBe(SECTION_LINE + 1)
    expect(errorOf(description(['a=sendonly', 'a=recvonly'])).line).toBe(SECTION_LINE + 1)
  })

  it('where the opening is wrong', () => {
    const lines = description().split('\r\n')
    expect(errorOf('')).toMatchObject({ line: 0 })
    expect(errorOf('\r\n\r\n')).toMatchObject({ line: 0 })
    expect(errorOf(lines.slice(1).join('\n'))).toMatchObject({ line: 1 })
    expect(errorOf(['v=1', ...lines.slice(1)].join('\n'))).toMatchObject({ line: 1 })
    expect(errorOf(['m=audio 9 RTP/SAVPF 0', ...lines].join('\n'))).toMatchObject({ line: 0 })
    expect(errorOf(lines.filter((line) => !line.startsWith('o=')).join('\n'))).toMatchObject({ line: 0 })
    for (const origin of [
      'o=',
      'o=- 1',
      'o=- x 2 IN IP4 1.1.1.1',
      'o=- 1 2 IN IP5 1.1.1.1',
      `o=- ${'1'.repeat(21)} 2 IN IP4 a`,
    ]) {
      expect(errorOf([lines[0], origin, ...lines.slice(2)].join('\n'))).toMatchObject({ line: 2 })
    }
    // what JavaScript callers may pass
    const nothing: unknown = undefined
    expect(() => parseSdp(nothing as string)).toThrow(SdpError)
  })

  it('counts lines that end in CR or LF alone', () => {
    const lines = description(['broken']).split('\r\n')
    for (const end of ['\r', '\n', '\r\n']) expect(errorOf(lines.join(end)).line).toBe(SECTION_LINE)
  })
})

describe('exhaust', () => {
  it('is bounded in length, lines and sections', () => {
    expect(errorOf(`v=0\r\n${' '.repeat(MAX_SDP_LENGTH)}`).line).toBe(0)
    const many = (count: number, line: string): string[] => Array.from({ length: count }, () => line)
    expect(parseSdp(description(many(MAX_MEDIA_SECTIONS - 1, 'm=a 9 X y'))).media).toHaveLength(
      MAX_MEDIA_SECTIONS,
    )
    expect(errorOf(description(many(MAX_MEDIA_SECTIONS, 'm=a 9 X y'))).line).toBe(
      SECTION_LINE + MAX_MEDIA_SECTIONS - 1,
    )
    expect(section(...many(MAX_SECTION_LINES - 4, 'a=x')).attributes).toHaveLength(MAX_SECTION_LINES - 4)
    expect(errorOf(description(many(MAX_SECTION_LINES - 3, 'a=x'))).line).toBe(
      SECTION_LINE + MAX_SECTION_LINES - 4,
    )
    expect(errorOf(description([], many(MAX_SECTION_LINES, 'a=x'))).line).toBe(MAX_SECTION_LINES + 1)
  })
})

describe('writing', () => {
  it('refuses a text of two lines: it would be another line to the peer', () => {
    for (const end of ['\r', '\n', '\0']) {
      const parsed = parseSdp(description())
      parsed.media[0]!.mid = `0${end}a=setup:active`
      expect(() => writeSdp(parsed)).toThrow(expect.objectContaining({ code: 'invalid-description' }))
      const keyed = parseSdp(description())
      keyed.media[0]!.rids = [{ id: 'a', direction: 'send', restrictions: { [`x${end}y`]: '' } }]
      expect(() => writeSdp(keyed)).toThrow(expect.objectContaining({ code: 'invalid-description' }))
    }
  })
})

describe('directions', () => {
  it('turn round and meet', () => {
    expect(
      ['sendrecv', 'sendonly', 'recvonly', 'inactive'].map((d) => reverseDirection(d as 'sendrecv')),
    ).toEqual(['sendrecv', 'recvonly', 'sendonly', 'inactive'])
    expect(intersectDirections('sendrecv', 'sendonly')).toBe('sendonly')
    expect(intersectDirections('sendrecv', 'recvonly')).toBe('recvonly')
    expect(intersectDirections('sendonly', 'recvonly')).toBe('inactive')
    expect(intersectDirections('sendrecv', 'sendrecv')).toBe('sendrecv')
  })
})
