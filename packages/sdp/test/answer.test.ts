import { describe, expect, it } from 'vitest'
import {
  answeredSections,
  answerSections,
  type Capabilities,
  DEFAULT_CODECS,
  type MediaSection,
  pairPayloads,
  parseSdp,
  type Rejection,
  type SectionAnswer,
} from '../src/index.ts'
import { description, fixture } from './support.ts'

const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid'
const LEVEL = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level'
const CSRC_LEVEL = 'urn:ietf:params:rtp-hdrext:csrc-audio-level'
const CAPABILITIES: Capabilities = {
  codecs: DEFAULT_CODECS,
  extensions: { audio: [MID, LEVEL, CSRC_LEVEL], video: [MID] },
}

function answers(text: string, capabilities = CAPABILITIES): readonly SectionAnswer[] {
  return answerSections(parseSdp(text), capabilities).sections
}

/** The answer to the one section of `description`. */
function answer(...lines: string[]): MediaSection {
  const [first] = answers(description(lines))
  expect(first!.accepted).toBe(true)
  return first!.section
}

function outcome(text: string): ('accepted' | Rejection)[] {
  return answers(text).map((section) => (section.accepted ? 'accepted' : section.reason))
}

const names = (section: MediaSection): string[] => section.payloads.map(({ pt, name }) => `${pt} ${name}`)

describe('offers of browsers', () => {
  it('Chromium: its numbers, in its order, without what is not known here', () => {
    const [audio, video, data] = answers(fixture('chromium-offer'))
    expect(audio).toMatchObject({
      accepted: true,
      section: { mid: '0', direction: 'sendrecv', rtcpMux: true },
    })
    expect(names(audio!.section)).toEqual([
      '111 opus',
      '63 red',
      '9 G722',
      '0 PCMU',
      '8 PCMA',
      '13 CN',
      '110 telephone-event',
      '126 telephone-event',
    ])
    expect(audio!.section.formats).toEqual(['111', '63', '9', '0', '8', '13', '110', '126'])
    expect(audio!.section.payloads[0]).toMatchObject({
      parameters: 'minptime=10;useinbandfec=1',
      feedback: ['transport-cc'],
    })
    expect(audio!.section.extensions).toEqual([
      { id: 1, uri: LEVEL },
      { id: 4, uri: MID },
    ])
    expect(names(video!.section)).toEqual([
      '96 VP8',
      '97 rtx',
      '102 H264',
      '103 rtx',
      '104 H264',
      '107 rtx',
      '108 H264',
      '109 rtx',
      '114 H264',
      '115 rtx',
      '116 H264',
      '117 rtx',
      '39 H264',
      '40 rtx',
      '45 AV1',
      '46 rtx',
      '98 VP9',
      '99 rtx',
      '100 VP9',
      '101 rtx',
    ])
    expect(video!.section.payloads[0]!.feedback).toEqual(['transport-cc', 'ccm fir', 'nack', 'nack pli'])
    expect(video!.section.rtcpReducedSize).toBe(true)
    expect(data).toMatchObject({
      accepted: false,
      reason: 'unsupported-media',
      section: { port: 0, mid: '2', direction: 'inactive', formats: ['webrtc-datachannel'] },
    })
  })

  it('Firefox: a direction of an extension is turned round', () => {
    const [audio, video] = answers(fixture('firefox-offer'))
    expect(names(audio!.section)).toEqual(['109 opus', '9 G722', '0 PCMU', '8 PCMA', '101 telephone-event'])
    expect(audio!.section.extensions[1]).toEqual({ id: 2, direction: 'sendonly', uri: CSRC_LEVEL })
    expect(names(video!.section)).toEqual(['120 VP8', '124 rtx', '121 VP9', '125 rtx', '99 AV1', '100 rtx'])
    expect(video!.section.payloads[0]!.feedback).toEqual(['nack', 'nack pli', 'ccm fir', 'transport-cc'])
  })

  it('Pion: feedback that is offered twice, with a blank behind it, is answered once', () => {
    const offered = fixture('firefox-offer').replaceAll(
      /a=rtcp-fb:120 nack\r?\n/g,
      '$&a=rtcp-fb:120 nack \r\n',
    )
    const [, video] = answers(offered)
    expect(video!.section.payloads[0]!.feedback).toEqual(['nack', 'nack pli', 'ccm fir', 'transport-cc'])
  })
})

describe('a section is rejected', () => {
  const VIDEO = ['m=video 9 UDP/TLS/RTP/SAVPF 96', 'a=mid:1', 'a=rtcp-mux', 'a=rtpmap:96 VP8/90000']

  it('where the offerer did, unless it is bundle-only', () => {
    const text = description(VIDEO, ['a=group:BUNDLE 0 1'])
    expect(outcome(text)).toEqual(['accepted', 'accepted'])
    expect(outcome(text.replace('m=video 9', 'm=video 0'))).toEqual(['accepted', 'rejected-by-offerer'])
    const only = description([...VIDEO, 'a=bundle-only'], ['a=group:BUNDLE 0 1'])
    expect(outcome(only.replace('m=video 9', 'm=video 0'))).toEqual(['accepted', 'accepted'])
  })

  it('with what its formats mean', () => {
    const [, video] = answers(description([...VIDEO, 'a=fmtp:96 max-fr=30'], ['a=group:BUNDLE 0']))
    expect(video!.accepted).toBe(false)
    expect(video!.section).toMatchObject({ port: 0, formats: ['96'], direction: 'inactive' })
    expect(video!.section.payloads).toMatchObject([
      { pt: 96, name: 'VP8', clockRate: 90_000, parameters: 'max-fr=30' },
    ])
  })

  it('but for what static types do not mean, which Chromium does not read', () => {
    const lines = ['m=audio 9 UDP/TLS/RTP/SAVPF 0 9 10 127', 'c=IN IP4 0.0.0.0', 'a=mid:1']
    const types = ['a=rtpmap:9 xG722/8000', 'a=rtpmap:10 x/8000', 'a=rtpmap:127 x/8000']
    const [, rejected] = answers(description([...lines, ...types], ['a=group:BUNDLE 0']))
    expect(rejected!.accepted).toBe(false)
    expect(rejected!.section.formats).toEqual(['0', '9', '10', '127'])
    expect(names(rejected!.section)).toEqual(['0 PCMU', '127 x'])
  })

  it('outside of the first BUNDLE group', () => {
    expect(outcome(description(VIDEO, ['a=group:LS 0 1', 'a=group:BUNDLE 0']))).toEqual([
      'accepted',
      'not-bundled',
    ])
    expect(outcome(description(VIDEO, ['a=group:BUNDLE 1', 'a=group:BUNDLE 0']))).toEqual([
      'not-bundled',
      'accepted',
    ])
    expect(outcome(description(VIDEO, ['a=group:BUNDLE']))).toEqual(['accepted', 'not-bundled'])
  })

  it('outside of the first BUNDLE group that has one to be accepted', () => {
    const unknown = (text: string) => text.replace('opus', 'speex')
    expect(outcome(unknown(description(VIDEO, ['a=group:BUNDLE 0', 'a=group:BUNDLE 1'])))).toEqual([
      'no-common-codec',
      'accepted',
    ])
    // what is in no group stands back behind those that are
    expect(outcome(description(VIDEO, ['a=group:BUNDLE 1']))).toEqual(['not-bundled', 'accepted'])
    expect(outcome(unknown(description(VIDEO, ['a=group:BUNDLE 0'])))).toEqual([
      'no-common-codec',
      'accepted',
    ])
    // a section is in the first group alone that names it (RFC 9143 section 7.2), and once
    expect(outcome(description(VIDEO, ['a=group:BUNDLE 0 0', 'a=group:BUNDLE 0 1']))).toEqual([
      'accepted',
      'not-bundled',
    ])
  })

  it('at port 0 outside of a group, also where it is bundle-only', () => {
    const only = description([...VIDEO, 'a=bundle-only']).replace('m=video 9', 'm=video 0')
    expect(outcome(only)).toEqual(['accepted', 'not-bundled'])
    expect(outcome(only.replace('m=audio 9', 'm=audio 0'))).toEqual(['rejected-by-offerer', 'not-bundled'])
  })

  it('without rtcp-mux, unless the first in use of its group has it (RFC 9143 section 7.1.3)', () => {
    const without = VIDEO.filter((line) => line !== 'a=rtcp-mux')
    expect(without).not.toEqual(VIDEO)
    expect(outcome(description(without, ['a=group:BUNDLE 0 1']))).toEqual(['accepted', 'accepted'])
    expect(outcome(description(without, ['a=group:BUNDLE 1 0']))).toEqual(['accepted', 'no-rtcp-mux'])
    expect(outcome(description(without))).toEqual(['accepted', 'no-rtcp-mux'])
    expect(outcome(description(without, ['a=group:BUNDLE 0 1']).replace('m=audio 9', 'm=audio 0'))).toEqual([
      'rejected-by-offerer',
      'no-rtcp-mux',
    ])
  })

  it('but for what shares a transport with a section that stands', () => {
    const stands = (text: string, index: number) => {
      const { sections, shared, bundled } = answerSections(parseSdp(text), CAPABILITIES, (i) => i === index)
      return [sections.map(({ accepted }) => accepted), shared.map(({ mid }) => mid), bundled]
    }
    expect(stands(description(VIDEO), 0)).toEqual([[true, false], ['0'], false])
    expect(stands(description(VIDEO), 1)).toEqual([[false, true], ['1'], false])
    expect(stands(description(VIDEO, ['a=group:BUNDLE 0', 'a=group:BUNDLE 1']), 1)).toEqual([
      [false, true],
      ['1'],
      true,
    ])
    // in the order of the group, which says whose transport counts
    expect(stands(description(VIDEO, ['a=group:BUNDLE 1 0']), 0)).toEqual([[true, true], ['1', '0'], true])
  })

  it('without a group: all but the first that can be accepted', () => {
    expect(outcome(description(VIDEO).replace('opus', 'speex'))).toEqual(['no-common-codec', 'accepted'])
    expect(outcome(description(VIDEO).replace('m=audio', 'm=text'))).toEqual([
      'unsupported-media',
      'accepted',
    ])
    expect(outcome(description(VIDEO))).toEqual(['accepted', 'not-bundled'])
    expect(outcome(description(VIDEO).replace('m=audio 9', 'm=audio 0'))).toEqual([
      'rejected-by-offerer',
      'accepted',
    ])
    expect(outcome(description().replace('m=audio 9', 'm=audio 0'))).toEqual(['rejected-by-offerer'])
    // neither has a mid
    expect(outcome(description().replace('a=mid:0\r\n', ''))).toEqual(['accepted'])
    expect(outcome(description([], ['a=group:BUNDLE']).replace('a=mid:0\r\n', ''))).toEqual(['accepted'])
  })

  it('with another medium or protocol, without rtcp-mux, without a codec that both have', () => {
    expect(outcome(description().replace('m=audio', 'm=text'))).toEqual(['unsupported-media'])
    expect(outcome(description().replace('UDP/TLS/RTP/SAVPF', 'RTP/AVP'))).toEqual(['unsupported-protocol'])
    expect(outcome(description().replace('a=rtcp-mux\r\n', ''))).toEqual(['no-rtcp-mux'])
    expect(outcome(description().replace('opus', 'speex'))).toEqual(['no-common-codec'])
    // a video codec in an audio section
    expect(outcome(description().replace('opus/48000/2', 'VP8/90000'))).toEqual(['no-common-codec'])
    for (const [pt, expected] of [
      [63, 'accepted'],
      [64, 'no-common-codec'],
      [95, 'no-common-codec'],
      [96, 'accepted'],
    ] as const) {
      expect(outcome(description().replaceAll('111', `${pt}`)), `${pt}`).toEqual([expected])
    }
    for (const protocol of [
      'UDP/TLS/RTP/SAVP',
      'RTP/SAVPF',
      'RTP/SAVP',
      'TCP/DTLS/RTP/SAVPF',
      'TCP/DTLS/RTP/SAVP',
      'TCP/TLS/RTP/SAVPF',
    ]) {
      expect(outcome(description().replace('UDP/TLS/RTP/SAVPF', protocol))).toEqual(['accepted'])
    }
    // RFC 8829 section 5.1.2: the fingerprint says that it is over DTLS
    const fingerprint = `a=fingerprint:sha-256 ${'AB:'.repeat(31)}CD`
    for (const protocol of ['RTP/AVP', 'RTP/AVPF']) {
      const plain = (text: string) => outcome(text.replace('UDP/TLS/RTP/SAVPF', protocol))
      expect(plain(description())).toEqual(['unsupported-protocol'])
      expect(plain(description([fingerprint]))).toEqual(['accepted'])
      expect(plain(description([], [fingerprint]))).toEqual(['accepted'])
    }
    expect(outcome(description([fingerprint]).replace('UDP/TLS/RTP/SAVPF', 'RTP/FOO'))).toEqual([
      'unsupported-protocol',
    ])
  })
})

describe('directions', () => {
  it.each([
    ['sendrecv', 'sendrecv'],
    ['sendonly', 'recvonly'],
    ['recvonly', 'sendonly'],
    ['inactive', 'inactive'],
  ])('%s is answered %s, from the session level too', (offered, answered) => {
    expect(answer(`a=${offered}`).direction).toBe(answered)
    expect(answers(description([], [`a=${offered}`]))[0]!.section.direction).toBe(answered)
  })
})

it('parameters are the offerer’s, without those of its own stream', () => {
  const parameters = (offered: string) => answer(`a=fmtp:111 ${offered}`).payloads[0]!.parameters
  expect(parameters('minptime=10; stereo=1')).toBe('minptime=10; stereo=1')
  expect(parameters('sprop-stereo=1; minptime=10;SPROP-maxcapturerate=16000;x-sprop-y=1')).toBe(
    'minptime=10;x-sprop-y=1',
  )
  expect(parameters('sprop-stereo=1')).toBeUndefined()
})

describe('header extensions', () => {
  it('once each, with ids that are ids', () => {
    expect(
      answer(
        `a=extmap:0 ${MID}`,
        `a=extmap:4100 ${MID}`,
        `a=extmap:256 ${MID}`,
        `a=extmap:3/recvonly ${MID}`,
        `a=extmap:4 ${MID}`,
        `a=extmap:3 ${LEVEL}`,
        `a=extmap:5 urn:unknown`,
        `a=extmap:255/inactive ${LEVEL} vad=on`,
      ).extensions,
    ).toEqual([
      { id: 3, direction: 'sendonly', uri: MID },
      { id: 255, direction: 'inactive', uri: LEVEL },
    ])
  })

  it('mixed forms are allowed where either level says so', () => {
    expect(answer().extmapAllowMixed).toBe(false)
    expect(answer('a=extmap-allow-mixed').extmapAllowMixed).toBe(true)
    expect(answers(description([], ['a=extmap-allow-mixed']))[0]!.section.extmapAllowMixed).toBe(true)
  })
})

describe('simulcast, RFC 8853 section 5.3', () => {
  const RIDS = [
    'a=rid:hi send pt=111',
    'a=rid:lo send',
    'a=rid:un send pt=96,97',
    'a=rid:extra send',
    'a=rid:r recv',
  ]

  it('what is to be sent is received and the other way round, as far as rids and codecs are known', () => {
    const section = answer(...RIDS, 'a=simulcast:send hi,un;~lo;un;unknown recv r,hi', 'a=sendrecv')
    expect(section.simulcast).toEqual({
      send: [[{ rid: 'r', paused: false }]],
      recv: [[{ rid: 'hi', paused: false }], [{ rid: 'lo', paused: true }]],
    })
    expect(section.rids).toEqual([
      { id: 'hi', direction: 'recv', pts: [111], restrictions: {} },
      { id: 'lo', direction: 'recv', restrictions: {} },
      { id: 'r', direction: 'send', restrictions: {} },
    ])
  })

  it('is left out where nothing of it is left', () => {
    expect(answer(...RIDS, 'a=simulcast:send un').simulcast).toBeUndefined()
    expect(answer(...RIDS, 'a=simulcast:recv hi').simulcast).toBeUndefined()
    expect(answer(...RIDS)).toMatchObject({ rids: [] })
  })

  it.each(['sendrecv', 'sendonly', 'recvonly', 'inactive'])(
    'is answered whatever the direction: %s',
    (direction) => {
      // an offerer that is held and finds it left out has but one encoding ever after
      expect(answer(...RIDS, 'a=simulcast:send hi;lo recv r', `a=${direction}`).simulcast).toEqual({
        send: [[{ rid: 'r', paused: false }]],
        recv: [[{ rid: 'hi', paused: false }], [{ rid: 'lo', paused: false }]],
      })
    },
  )
})

describe('the sections of an answer that are in use', () => {
  const VIDEO = ['m=video 9 UDP/TLS/RTP/SAVPF 96', 'a=mid:1', 'a=rtcp-mux', 'a=rtpmap:96 VP8/90000']
  const mids = (text: string) => answeredSections(parseSdp(text))?.map(({ mid }) => mid)

  it('are all in one group, in its order', () => {
    expect(mids(description(VIDEO, ['a=group:BUNDLE 0 1']))).toEqual(['0', '1'])
    expect(mids(description(VIDEO, ['a=group:BUNDLE 1 0']))).toEqual(['1', '0'])
    expect(mids(description(VIDEO, ['a=group:LS 0', 'a=group:BUNDLE', 'a=group:BUNDLE 0 1']))).toEqual([
      '0',
      '1',
    ])
  })

  it('need no group where there is but one, or none', () => {
    const one = description(VIDEO).replace('m=audio 9', 'm=audio 0')
    expect(mids(one)).toEqual(['1'])
    expect(mids(one.replace('m=video 9', 'm=video 0'))).toEqual([])
  })

  it('are not rejected, though the group still names one that is', () => {
    const text = description(VIDEO, ['a=group:BUNDLE 0 1']).replace('m=audio 9', 'm=audio 0')
    expect(mids(text)).toEqual(['1'])
  })

  it('are none where they have several transports', () => {
    for (const groups of [
      [],
      ['a=group:BUNDLE'],
      ['a=group:BUNDLE 0'],
      ['a=group:BUNDLE 1'],
      ['a=group:BUNDLE 0', 'a=group:BUNDLE 1'],
      ['a=group:BUNDLE 0', 'a=group:BUNDLE 0 1'],
      ['a=group:LS 0 1'],
    ]) {
      expect(mids(description(VIDEO, groups))).toBeUndefined()
    }
    expect(mids(description(VIDEO).replace('a=mid:0\r\n', ''))).toBeUndefined()
  })

  it('are bundle-only at port 0, as RFC 8843 had it (RFC 9143 section 7.4.1)', () => {
    const only = description([...VIDEO, 'a=bundle-only'], ['a=group:BUNDLE 1 0'])
    const text = only.replace('m=video 9', 'm=video 0')
    expect(mids(text)).toEqual(['0', '1'])
    // with nothing that they could go with, they are rejected
    expect(mids(text.replace('BUNDLE 1 0', 'BUNDLE 0'))).toEqual(['0'])
    expect(mids(text.replace('BUNDLE 1 0', 'BUNDLE 1'))).toEqual(['0'])
    expect(mids(text.replace('m=audio 9', 'm=audio 0'))).toEqual([])
  })
})

describe('payload types that RTCP would be taken for, RFC 5761 section 4', () => {
  const section = (codec: number, retransmission: number): MediaSection =>
    parseSdp(
      [
        'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0',
        `m=video 9 UDP/TLS/RTP/SAVPF ${codec} ${retransmission} 98`,
        'a=rtcp-mux',
        `a=rtpmap:${codec} VP8/90000`,
        `a=rtpmap:${retransmission} rtx/90000`,
        `a=fmtp:${retransmission} apt=${codec}`,
        'a=rtpmap:98 VP9/90000',
        '',
      ].join('\r\n'),
    ).media[0]!

  it.each([
    [96, 97, ['96 VP8', '97 rtx', '98 VP9']],
    [96, 72, ['96 VP8', '98 VP9']],
    [64, 97, ['98 VP9']],
    [95, 97, ['98 VP9']],
  ])('are not taken of an offer with %i and %i, nor of such an answer', (codec, retransmission, expected) => {
    const offer = { ...parseSdp(description()), media: [section(codec, retransmission)] }
    const [answered] = answerSections(offer, CAPABILITIES).sections
    expect(names(answered!.section)).toEqual(expected)

    const { payloads, sendPts } = pairPayloads(
      section(96, 97).payloads,
      section(codec, retransmission).payloads,
    )
    expect(payloads.map(({ pt, name }) => `${pt} ${name}`).sort()).toEqual(expected)
    expect([...sendPts]).toEqual([])
  })
})

describe('the formats of an answer with payload types of its own', () => {
  it('are told apart by their clock rates too', () => {
    const events = (first: number, second: number): MediaSection['payloads'] =>
      parseSdp(
        description([
          `a=rtpmap:${first} telephone-event/48000`,
          `a=rtpmap:${second} telephone-event/8000`,
        ]).replace('SAVPF 111', `SAVPF 111 ${first} ${second}`),
      ).media[0]!.payloads
    const { payloads, sendPts } = pairPayloads(events(110, 126), events(126, 110))
    expect(payloads.map(({ pt, clockRate }) => [pt, clockRate])).toEqual([
      [111, 48_000],
      [110, 48_000],
      [126, 8000],
    ])
    expect([...sendPts]).toEqual([
      [110, 126],
      [126, 110],
    ])
  })
})
