import { parseSdp } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { Candidate, type ChangeSet, DEFAULT_CODECS, Rtc } from '../src/index.ts'
import { BrowserPeer, fixture } from './browser-peer.ts'
import {
  codeOf,
  connectedCall,
  connectedPair,
  eventsOf,
  negotiatedPair,
  PEER_ADDRESS,
  RTC_ADDRESS,
  rtcPair,
  seededCrypto,
} from './harness.ts'

function fresh(): Rtc {
  const rtc = new Rtc({ crypto: seededCrypto(1) })
  rtc.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  return rtc
}

const offer = (name: 'chromium' | 'firefox') =>
  ({ type: 'offer', sdp: fixture(`${name}-offer.sdp`) }) as const

describe('an offer is answered', () => {
  it.each(['chromium', 'firefox'] as const)('of %s', (name) => {
    const rtc = fresh()
    const answer = rtc.acceptOffer(offer(name))
    expect(answer.type).toBe('answer')
    const description = parseSdp(answer.sdp)
    expect(description.media.map(({ kind, mid, port }) => [kind, mid, port !== 0])).toEqual([
      ['audio', '0', true],
      ['video', '1', true],
      ['application', '2', true],
    ])
    expect(description.groups).toEqual([{ semantics: 'BUNDLE', mids: ['0', '1', '2'] }])
    const [audio, video] = description.media
    expect(audio).toMatchObject({ rtcpMux: true, setup: 'active', direction: 'sendrecv' })
    expect(audio!.candidates).toEqual([expect.stringContaining('192.0.2.1 5000 typ host')])
    expect(video!.candidates).toEqual([])
    expect(video!.payloads.map((payload) => payload.name)).toContain('VP8')
    expect(audio!.fingerprints[0]!.algorithm).toBe('sha-256')
    expect(rtc.medias.map(({ mid, kind }) => [mid, kind])).toEqual([
      ['0', 'audio'],
      ['1', 'video'],
    ])
    expect(rtc.media('1')!.codecs[0]).toMatchObject({ name: 'VP8', clockRate: 90_000 })
  })

  it('with the sections of media rejected where no codec is known', () => {
    const rtc = new Rtc({ codecs: [] })
    const description = parseSdp(rtc.acceptOffer(offer('chromium')).sdp)
    expect(description.media.map(({ port }) => port !== 0)).toEqual([false, false, true])
    expect(rtc.medias).toEqual([])
    // GStreamer takes no answer in which a section says nothing of the transport, rejected or not
    const [audio, , data] = description.media
    expect(audio).toMatchObject({
      rtcpMux: true,
      connection: '0.0.0.0',
      iceUfrag: data!.iceUfrag,
      icePwd: data!.icePwd,
      fingerprints: data!.fingerprints,
      setup: data!.setup,
      candidates: [],
    })
    expect(description.groups).toEqual([{ semantics: 'BUNDLE', mids: ['2'] }])
  })

  it('with what the formats of a rejected section mean: the Rust stacks and Pion take no answer with one that is not said', () => {
    const rtc = new Rtc({ codecs: DEFAULT_CODECS.filter(({ kind }) => kind === 'audio') })
    const offered = parseSdp(offer('chromium').sdp).media[1]!
    const video = parseSdp(rtc.acceptOffer(offer('chromium')).sdp).media[1]!
    expect(video).toMatchObject({ port: 0, formats: offered.formats, payloads: offered.payloads })
  })

  it('with a rejected section whose numbers stay free for codecs of ours', () => {
    const rtc = fresh()
    const { sdp } = offer('chromium')
    const text = sdp.replace(/a=rtpmap:(\d+) (VP8|VP9|H264|H265|AV1)\/90000/g, 'a=rtpmap:$1 other/90000')
    expect(parseSdp(rtc.acceptOffer({ type: 'offer', sdp: text }).sdp).media[1]!.port).toBe(0)
    const change = rtc.createOffer()
    change.addMedia('video')
    const numbersOf = (description: string): number[] =>
      parseSdp(description).media[1]!.payloads.map(({ pt }) => pt)
    const alone = new Rtc().createOffer()
    alone.addMedia('audio')
    alone.addMedia('video')
    expect(numbersOf(change.apply().sdp)).toEqual(numbersOf(alone.apply().sdp))
  })

  it('with nothing to connect for, where all are rejected', () => {
    const rtc = new Rtc({ codecs: [] })
    const { sdp } = offer('chromium')
    const text = sdp.slice(0, sdp.indexOf('m=application')).replace('BUNDLE 0 1 2', 'BUNDLE 0 1')
    const media = { type: 'offer', sdp: text } as const
    expect(parseSdp(rtc.acceptOffer(media).sdp).media.every(({ port }) => port === 0)).toBe(true)
    expect(rtc.iceState).toBe('new')
  })
})

describe('an offer of another stack', () => {
  it('with data channels in the form of the drafts (aiortc) opens them', () => {
    let answer = ''
    const { pair } = negotiatedPair({
      seed: 1,
      change: (made) => void made.addChannel('draft'),
      offered: (sdp) =>
        sdp
          .replace('UDP/DTLS/SCTP webrtc-datachannel', 'DTLS/SCTP 5000')
          .replace('a=sctp-port:5000', 'a=sctpmap:5000 webrtc-datachannel 65535'),
      answered: (sdp) => (answer = sdp),
    })
    expect(answer).toMatch(/m=application \d+ DTLS\/SCTP 5000\r\n/)
    expect(answer).toContain('a=sctpmap:5000 webrtc-datachannel 65535\r\n')
    pair.runUntil(() => eventsOf(pair.b.events, 'channelOpen').length > 0)
    expect(eventsOf(pair.b.events, 'channelOpen')[0]!.label).toBe('draft')
  })
})

it('an offer whose ICE credentials have what some stacks put in them is answered', () => {
  const { sdp } = offer('chromium')
  const other = sdp.replace(/(a=ice-(ufrag|pwd):.*)\r/g, '$1_-= \r')
  expect(other).not.toBe(sdp)
  expect(fresh().acceptOffer({ type: 'offer', sdp: other }).type).toBe('answer')
})

describe('an offer that cannot be taken throws and changes nothing', () => {
  const { sdp } = offer('chromium')
  it.each([
    ['no SDP', 'hello', 'invalid-sdp'],
    ['empty', '', 'invalid-sdp'],
    ['no media', sdp.slice(0, sdp.indexOf('m=')).replace(/a=group.*\r\n/, ''), 'invalid-offer'],
    ['no credentials', sdp.replace(/a=ice-(ufrag|pwd).*\r\n/g, ''), 'invalid-offer'],
    ['no fingerprint', sdp.replace(/a=fingerprint.*\r\n/g, ''), 'invalid-offer'],
    ['a fingerprint that is too short', sdp.replace(/(a=fingerprint.*):..\r\n/g, '$1\r\n'), 'invalid-offer'],
    [
      'a fingerprint of sha-1 alone',
      sdp.replace(/a=fingerprint:sha-256/g, 'a=fingerprint:sha-1'),
      'invalid-offer',
    ],
    ['held connection', sdp.replace(/a=setup.*/g, 'a=setup:holdconn'), 'invalid-offer'],
    ['a line that is none', `${sdp}what is this\r\n`, 'invalid-sdp'],
  ])('%s', (_, text, code) => {
    const rtc = fresh()
    const before = rtc.iceUfrag
    expect(() => rtc.acceptOffer({ type: 'offer', sdp: text })).toThrow(expect.objectContaining({ code }))
    expect(rtc.medias).toEqual([])
    expect(rtc.iceUfrag).toBe(before)
    expect(rtc.iceState).toBe('new')
    // and a good one is still taken
    expect(rtc.acceptOffer({ type: 'offer', sdp }).type).toBe('answer')
  })

  it('what is no offer at all', () => {
    const wrong = { type: 'answer', sdp } as unknown as { type: 'offer'; sdp: string }
    expect(() => fresh().acceptOffer(wrong)).toThrow(expect.objectContaining({ code: 'invalid-offer' }))
  })
})

describe('an offer is made', () => {
  it('needs a media section', () => {
    expect(() => fresh().createOffer().apply()).toThrow(expect.objectContaining({ code: 'no-changes' }))
  })

  it('has what was added, and is applied once', () => {
    const rtc = fresh()
    const change = rtc.createOffer()
    expect([change.addMedia('audio'), change.addMedia('video', 'recvonly')]).toEqual(['0', '1'])
    const made = change.apply()
    const description = parseSdp(made.sdp)
    expect(description.groups).toEqual([{ semantics: 'BUNDLE', mids: ['0', '1'] }])
    expect(description.media).toMatchObject([
      { kind: 'audio', mid: '0', direction: 'sendrecv', setup: 'actpass' },
      { kind: 'video', mid: '1', direction: 'recvonly', setup: 'actpass' },
    ])
    const types = description.media[1]!.payloads.map(({ pt }) => pt)
    expect(new Set(types).size).toBe(types.length)
    expect(() => change.apply()).toThrow(expect.objectContaining({ code: 'already-applied' }))
    expect(() => {
      const second = rtc.createOffer()
      second.addMedia('audio')
      second.apply()
    }).toThrow(expect.objectContaining({ code: 'wrong-state' }))
    expect(() => rtc.acceptOffer(offer('chromium'))).toThrow(expect.objectContaining({ code: 'wrong-state' }))
    expect(rtc.pendingChanges()!.offer).toEqual(made)
  })

  it('is rolled back, and then theirs is taken', () => {
    const rtc = fresh()
    const change = rtc.createOffer()
    change.addMedia('audio')
    change.apply()
    const pending = rtc.pendingChanges()!
    pending.rollback()
    expect(rtc.pendingChanges()).toBeUndefined()
    expect(() => pending.rollback()).toThrow(expect.objectContaining({ code: 'wrong-state' }))
    expect(rtc.acceptOffer(offer('firefox')).type).toBe('answer')
  })

  it('is answered by another Rtc, with the direction that both allow', () => {
    const { a, b } = rtcPair(2)
    expect(a.medias.map(({ mid, direction }) => [mid, direction])).toEqual([
      ['0', 'sendrecv'],
      ['1', 'sendrecv'],
    ])
    expect(b.medias.map(({ mid }) => mid)).toEqual(['0', '1'])
    expect(a.media('1')!.codecs.map(({ pt }) => pt)).toEqual(b.media('1')!.codecs.map(({ pt }) => pt))
  })

  it('refuses an answer to something else', () => {
    const rtc = fresh()
    const change = rtc.createOffer()
    change.addMedia('audio')
    change.apply()
    const answer = { type: 'answer', sdp: fixture('chromium-answer.sdp') } as const
    expect(() => rtc.pendingChanges()!.acceptAnswer(answer)).toThrow(
      expect.objectContaining({ code: 'invalid-answer' }),
    )
    expect(rtc.pendingChanges()).toBeDefined()
    expect(rtc.medias).toEqual([])
  })
})

describe('a session is negotiated again', () => {
  it('by the peer, which adds a section, stops another and turns a third round', () => {
    const { rtc, peer, pair } = connectedCall(3, { link: { latency: 10 } })
    const first = peer.offer().sdp
    const video = first.slice(first.indexOf('m=video'), first.indexOf('m=application'))
    const second = `${first
      .replace('BUNDLE 0 1 2', 'BUNDLE 0 3')
      .replace(/m=video \d+/, 'm=video 0')
      .replace(
        'a=sendrecv',
        'a=sendonly',
      )}${video.replace('a=mid:1', 'a=mid:3').replaceAll('612556335', '612556336')}`
    const description = parseSdp(rtc.acceptOffer({ type: 'offer', sdp: second }).sdp)
    pair.runFor(10)
    expect(description.media.map(({ port }) => port !== 0)).toEqual([true, false, false, true])
    expect(description.media[0]!.direction).toBe('recvonly')
    expect(description.origin.sessionVersion).toBe('2')
    const changes = pair.a.events
      .map(({ event }) => event)
      .filter(({ type }) => type === 'mediaAdded' || type === 'mediaChanged')
    expect(changes.slice(2)).toEqual([
      { type: 'mediaChanged', mid: '0', direction: 'recvonly' },
      { type: 'mediaChanged', mid: '1', direction: 'inactive' },
      { type: 'mediaAdded', mid: '3', kind: 'video', direction: 'sendrecv' },
    ])
    expect(rtc.connected).toBe(true)
  })

  it('by us, and the sections that stood stay', () => {
    const { a, b, pair } = rtcPair(4, { latency: 10 })
    pair.runUntil(() => a.connected && b.connected)
    const change = b.createOffer()
    const mid = change.addMedia('video', 'sendonly')
    expect(mid).toBe('2')
    const made = change.apply()
    const answer = a.acceptOffer(made)
    b.pendingChanges()!.acceptAnswer(answer)
    pair.runFor(10)
    expect(a.medias.map((media) => [media.mid, media.direction])).toEqual([
      ['0', 'sendrecv'],
      ['1', 'sendrecv'],
      ['2', 'recvonly'],
    ])
    expect(b.media('2')!.direction).toBe('sendonly')
    expect(a.connected && b.connected).toBe(true)
  })

  it('by us: turned round, stopped, and its place used again', () => {
    const { a, b, pair } = rtcPair(7, { latency: 10 })
    pair.runUntil(() => a.connected && b.connected)
    const exchange = (change: ChangeSet): string => {
      const { sdp } = change.apply()
      a.pendingChanges()!.acceptAnswer(b.acceptOffer({ type: 'offer', sdp }))
      pair.runFor(10)
      return sdp
    }
    exchange(a.createOffer().setDirection('0', 'sendonly'))
    expect([a.media('0')!.direction, b.media('0')!.direction]).toEqual(['sendonly', 'recvonly'])
    const stopped = exchange(a.createOffer().setDirection('0', 'sendrecv').stopMedia('1'))
    expect([a.media('0')!.direction, b.media('0')!.direction]).toEqual(['sendrecv', 'sendrecv'])
    expect([a.media('1')!.stopped, b.media('1')!.stopped]).toEqual([true, true])
    // RFC 8829 section 5.2.2: but for its port and its names it is as before; the Rust stacks take no offer in which a format is not said
    const { port, formats, payloads } = parseSdp(stopped).media[1]!
    expect(port).toBe(0)
    expect(payloads.map((payload) => String(payload.pt))).toEqual(formats)
    const change = a.createOffer()
    const mid = change.addMedia('audio', 'recvonly')
    const description = parseSdp(exchange(change))
    expect(description.media.map((section) => [section.mid, section.kind])).toEqual([
      ['0', 'audio'],
      [mid, 'audio'],
    ])
    expect([a.media(mid)!.direction, b.media(mid)!.direction]).toEqual(['recvonly', 'sendonly'])
    expect(() => a.createOffer().stopMedia('1')).toThrow(expect.objectContaining({ code: 'unknown-mid' }))
    expect(a.connected && b.connected).toBe(true)
  })

  it('by us, with new ICE credentials, and stays connected', () => {
    const { a, b, pair } = rtcPair(8, { latency: 10 })
    pair.runUntil(() => a.connected && b.connected)
    const before = [a.iceUfrag, b.iceUfrag]
    const change = a.createOffer().iceRestart()
    const answer = b.acceptOffer(change.apply())
    expect(a.iceUfrag).toBe(before[0])
    a.pendingChanges()!.acceptAnswer(answer)
    pair.runFor(3000)
    expect(a.iceUfrag).not.toBe(before[0])
    expect(b.iceUfrag).not.toBe(before[1])
    expect(a.connected && b.connected).toBe(true)
    expect(['connected', 'completed']).toContain(a.iceState)
    const { pt } = a.media('0')!.codecs[0]!
    a.media('0')!.writer(pt).write({ value: 0, clockRate: 48_000 }, Uint8Array.of(1))
    pair.runFor(100)
    expect(eventsOf(pair.b.events, 'mediaData')).toHaveLength(1)
  })

  it('with glare: one side rolls back, takes the other offer, and offers again', () => {
    const { a, b, pair } = rtcPair(9, { latency: 10 })
    pair.runUntil(() => a.connected && b.connected)
    const ours = a.createOffer()
    ours.addMedia('audio')
    const theirs = b.createOffer()
    theirs.addMedia('video')
    ours.apply()
    const offer = theirs.apply()
    expect(() => a.acceptOffer(offer)).toThrow(expect.objectContaining({ code: 'wrong-state' }))
    a.pendingChanges()!.rollback()
    b.pendingChanges()!.acceptAnswer(a.acceptOffer(offer))
    const again = a.createOffer()
    again.addMedia('audio')
    const answer = b.acceptOffer(again.apply())
    a.pendingChanges()!.acceptAnswer(answer)
    expect(a.medias.map(({ mid, kind }) => `${mid} ${kind}`)).toEqual([
      '0 audio',
      '1 video',
      '2 video',
      '3 audio',
    ])
    expect(b.medias.map(({ mid, kind }) => `${mid} ${kind}`)).toEqual(
      a.medias.map(({ mid, kind }) => `${mid} ${kind}`),
    )
  })

  it('with new ICE credentials of the peer, and stays connected', () => {
    const { rtc, peer, pair } = connectedCall(5, { link: { latency: 10 } })
    const before = rtc.iceUfrag
    peer.transport.ice.restart()
    const answer = rtc.acceptOffer(peer.offer())
    peer.accept(answer)
    expect(rtc.iceUfrag).not.toBe(before)
    pair.runFor(3000)
    expect(rtc.connected).toBe(true)
    expect(['connected', 'completed']).toContain(rtc.iceState)
    expect(eventsOf(pair.a.events, 'connected')).toHaveLength(1)
  })

  it('refuses another certificate (RFC 8842 section 5.3), and takes the same one by another name', () => {
    const { rtc, peer, pair } = connectedCall(10)
    const before = rtc.iceUfrag
    // a page that was loaded again: a new connection, of which this one cannot know
    const other = new BrowserPeer(fixture('chromium-offer.sdp'), PEER_ADDRESS, seededCrypto(99))
    expect(() => rtc.acceptOffer(other.offer())).toThrow(
      expect.objectContaining({
        code: 'invalid-offer',
        message: expect.stringContaining('another certificate'),
      }),
    )
    expect(rtc.iceUfrag).toBe(before)
    const { sdp } = peer.offer()
    const more = sdp.replaceAll(/a=fingerprint:.*\r\n/g, `$&a=fingerprint:sha-512 ${'AB:'.repeat(63)}CD\r\n`)
    expect(more).not.toBe(sdp)
    rtc.acceptOffer({ type: 'offer', sdp: more })
    pair.runFor(3000)
    expect(rtc.connected).toBe(true)

    // before DTLS has begun there is nothing that would have to end
    const early = fresh()
    early.acceptOffer(offer('chromium'))
    const sdpOfOther = other.offer('active').sdp
    const answered = parseSdp(early.acceptOffer({ type: 'offer', sdp: sdpOfOther }).sdp)
    expect(answered.media[0]!.setup).toBe('passive')

    const { a, b } = connectedPair({ seed: 11 })
    const change = a.createOffer().setDirection('0', 'inactive')
    const answer = b.acceptOffer(change.apply())
    const wrong = answer.sdp.replaceAll(/(a=fingerprint:sha-256 ).*/g, `$1${'AB:'.repeat(31)}CD`)
    expect(() => a.pendingChanges()!.acceptAnswer({ type: 'answer', sdp: wrong })).toThrow(
      expect.objectContaining({ code: 'invalid-answer' }),
    )
    expect(a.media('0')!.direction).toBe('sendrecv')
    a.pendingChanges()!.acceptAnswer(answer)
  })

  it('refuses an offer that forgets or changes a section', () => {
    const { rtc, peer } = connectedCall(6)
    const { sdp } = peer.offer()
    const shorter = sdp.slice(0, sdp.indexOf('m=video')).replace('BUNDLE 0 1 2', 'BUNDLE 0')
    const changed = sdp.replace('a=mid:0', 'a=mid:9').replace('BUNDLE 0 1 2', 'BUNDLE 9 1 2')
    for (const wrong of [shorter, changed]) {
      expect(() => rtc.acceptOffer({ type: 'offer', sdp: wrong })).toThrow(
        expect.objectContaining({ code: 'invalid-offer' }),
      )
    }
    expect(rtc.medias).toHaveLength(2)
  })
})

describe('a mistake of the caller’s throws, and nothing has changed', () => {
  const wrong = (value: unknown): never => value as never

  it('of changes', () => {
    const rtc = fresh()
    const change = rtc.createOffer()
    for (const call of [
      () => change.addMedia(wrong('text')),
      () => change.addMedia('audio', wrong('both')),
      () => rtc.readOffer(offer('chromium')).setDirection('0', wrong('')),
      () => rtc.readOffer(offer('chromium')).setDirection('0', wrong(undefined)),
    ]) {
      expect(codeOf(call)).toBe('invalid-option')
    }
    expect(change.addMedia('audio')).toBe('0')
    expect(change.apply().sdp).toContain('a=sendrecv')
    const { a } = negotiatedPair({ seed: 12 })
    expect(codeOf(() => a.createOffer().setDirection('0', wrong('on')))).toBe('invalid-option')
  })

  it('of candidates', () => {
    const rtc = fresh()
    const text = 'candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host'
    for (const call of [
      () => rtc.addRemoteCandidate(wrong(null)),
      () => rtc.addRemoteCandidate(wrong(undefined)),
      () => rtc.addRemoteCandidate(wrong({ candidate: text, sdpMid: '0' })),
      () => rtc.addLocalCandidate(wrong(text)),
      () => rtc.addLocalCandidate(Candidate.parse('candidate:1 1 tcp 1 192.0.2.7 9 typ host tcptype so')!),
    ]) {
      expect(codeOf(call)).toBe('invalid-candidate')
    }
    // the same one again
    rtc.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
    const [audio] = parseSdp(rtc.acceptOffer(offer('chromium')).sdp).media
    expect(audio!.candidates).toHaveLength(1)
  })

  it('of a set of changes that the peer was faster than', () => {
    const { a, b } = negotiatedPair({ seed: 13 })
    const late = a.createOffer()
    const mid = late.addMedia('audio')
    const change = b.createOffer()
    expect(change.addMedia('video')).toBe(mid)
    const answer = a.acceptOffer(change.apply())
    b.pendingChanges()!.acceptAnswer(answer)
    expect(codeOf(() => late.apply())).toBe('wrong-state')
    expect(a.pendingChanges()).toBeUndefined()
    const anew = a.createOffer()
    anew.addMedia('audio')
    const { sdp } = anew.apply()
    expect(parseSdp(sdp).media.map((section) => section.mid)).toEqual(['0', '1', '2', '3'])
  })
})

describe('candidates trickle', () => {
  it('not in other shapes than a Candidate or its text: what would never be used is refused', () => {
    const rtc = fresh()
    const text = 'candidate:1 1 udp 2122194687 192.0.2.2 6000 typ host'
    for (const none of [{ candidate: text, sdpMid: '0' }, null, undefined]) {
      expect(() => rtc.addRemoteCandidate(none as unknown as string)).toThrow(
        expect.objectContaining({ code: 'invalid-candidate' }),
      )
    }
  })

  it('out once each, and not where they were refused', () => {
    const rtc = new Rtc({ crypto: seededCrypto(1) })
    const candidate = Candidate.host(RTC_ADDRESS, 'udp')
    rtc.addLocalCandidate(candidate)
    rtc.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
    const tcp = Candidate.parse('candidate:1 1 tcp 1 192.0.2.9 9 typ host tcptype so')!
    expect(() => rtc.addLocalCandidate(tcp)).toThrow(expect.objectContaining({ code: 'invalid-candidate' }))
    const change = rtc.createOffer()
    change.addMedia('audio')
    expect(change.apply().sdp.match(/a=candidate:.*/g)).toEqual([`a=${candidate.toString()}`])
  })

  it('in, after the answer', () => {
    const rtc = fresh()
    const peer = new BrowserPeer(fixture('chromium-offer.sdp'), PEER_ADDRESS)
    peer.accept(rtc.acceptOffer(peer.offer()))
    rtc.addRemoteCandidate('candidate:1 1 udp 2122194687 192.0.2.2 6000 typ host generation 0')
    rtc.addRemoteCandidate('candidate:nonsense')
    rtc.addRemoteCandidate('')
    rtc.handleInput({ kind: 'timeout', now: 0 })
    const output = rtc.pollOutput()
    expect(output.kind).toBe('event')
    const sent = []
    for (let next = rtc.pollOutput(); next.kind !== 'timeout'; next = rtc.pollOutput()) {
      if (next.kind === 'transmit') sent.push(next.destination)
    }
    expect(sent).toEqual([{ address: '192.0.2.2', port: 6000 }])
  })

  it('as names that the driver resolves', () => {
    const rtc = fresh()
    const { sdp } = offer('chromium')
    const name = '0d3a4e5c-1111-4222-8333-444455556666.local'
    rtc.acceptOffer({
      type: 'offer',
      sdp: sdp.replaceAll(/ 192\.0\.2\.2 (\d+) typ host/g, ` ${name} $1 typ host`),
    })
    rtc.handleInput({ kind: 'timeout', now: 0 })
    const events = []
    for (let next = rtc.pollOutput(); next.kind !== 'timeout'; next = rtc.pollOutput()) {
      if (next.kind === 'event') events.push(next.event)
    }
    expect(events).toContainEqual({ type: 'resolveMdns', name })
    rtc.resolveMdns(name, '192.0.2.2')
    rtc.handleInput({ kind: 'timeout', now: 100 })
    expect(rtc.statistics.ice.pairs.map(({ pair }) => pair.destination.address)).toContain('192.0.2.2')
  })
})

describe('options', () => {
  it.each([100, 70_000, 1.5])('refuse an mtu of %d', (mtu) => {
    expect(() => new Rtc({ mtu })).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  })
})

it('a source that came before its section was described goes to that section from then on', () => {
  const withoutMid = (sdp: string): string =>
    sdp.replaceAll(/a=extmap:\d+ urn:ietf:params:rtp-hdrext:sdes:mid\r\n/g, '')
  const change = (set: ChangeSet): void => void set.addMedia('audio', 'sendonly')
  const { a, b, pair } = connectedPair({ seed: 70, change, offered: withoutMid })
  const { pt } = a.media('0')!.codecs[0]!
  const [source] = a.media('0')!.localStreams
  const write = (time: number): void => {
    a.handleInput({ kind: 'timeout', now: pair.now })
    a.media('0')!
      .writer(pt)
      .write({ value: 960 * time, clockRate: 48_000 }, Uint8Array.of(0xf8, 0xff, 0xfe))
    pair.runFor(20)
  }
  const mids = (): string[] => eventsOf(pair.b.events, 'mediaData').map(({ mid }) => mid)
  write(0)
  expect(mids()).toEqual(['0'])

  // as the new description has it, the source was of its new section all along
  const more = a.createOffer()
  change(more)
  const offer = withoutMid(more.apply().sdp)
  const [own, other] = [...offer.matchAll(/a=ssrc:(\d+) cname/g)].map(([, ssrc]) => ssrc!)
  expect(Number(own)).toBe(source!.ssrc)
  const swapped = offer.replaceAll(/a=ssrc:(\d+)/g, (_, ssrc) => `a=ssrc:${ssrc === own ? other : own}`)
  const answer = b.acceptOffer({ type: 'offer', sdp: swapped })
  a.pendingChanges()!.acceptAnswer(answer)
  write(1)
  write(2)
  expect(mids()).toEqual(['0', '1', '1'])
})
