import { UsageError } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { type ChangeSet, Rtc } from '../src/index.ts'
import { codeOf, connectedPair, eventsOf, negotiatedPair } from './harness.ts'

const ENCODINGS = [{ rid: 'h', restrictions: { 'max-width': '640' } }, { rid: 'q' }]
const simulcast = (change: ChangeSet) => change.addMedia('video', 'sendonly', { encodings: ENCODINGS })

function frame(length: number, keyframe: boolean, fill: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(fill)
  bytes[0] = keyframe ? 0x10 : 0x11
  return bytes
}

describe('simulcast is sent', () => {
  it('each encoding is a stream of its own, told apart by its rid, and repaired by it', () => {
    const { a, b, pair } = connectedPair({ seed: 1, link: { latency: 20, loss: 0.05 }, change: simulcast })
    const media = a.media('0')!
    expect(media.sendEncodings).toEqual([
      { rid: 'h', paused: false, restrictions: { 'max-width': '640' } },
      { rid: 'q', paused: false, restrictions: {} },
    ])
    expect(b.media('0')!.receiveEncodings.map(({ rid }) => rid)).toEqual(['h', 'q'])
    expect(new Set(media.localStreams.map(({ ssrc }) => ssrc)).size).toBe(2)
    const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
    const count = 100
    for (let i = 0; i < count; i++) {
      if (i === count - 3) pair.aToB.configure(pair.now, { latency: 20 })
      for (const [k, { rid }] of ENCODINGS.entries()) {
        media
          .writer(pt, rid)
          .write({ value: 3000 * i, clockRate: 90_000 }, frame(2500 - 1000 * k, i === 0, i), {
            keyframe: i === 0,
          })
      }
      pair.runFor(33)
    }
    pair.runFor(2000)
    const frames = eventsOf(pair.b.events, 'mediaData')
    for (const [k, { rid }] of ENCODINGS.entries()) {
      const ofRid = frames.filter((data) => data.rid === rid)
      expect(ofRid.length).toBe(count)
      expect(ofRid.every(({ data, contiguous }) => data.length === 2500 - 1000 * k && contiguous)).toBe(true)
    }
    expect(new Set(b.statistics.inbound.map(({ rid }) => rid))).toEqual(new Set(['h', 'q']))
    expect(a.statistics.outbound.map(({ rid }) => rid)).toEqual(['h', 'q'])
    expect(b.statistics.inbound.every((stream) => stream.retransmittedPacketsReceived > 0)).toBe(true)
  })

  it('a keyframe is asked for of one encoding', () => {
    const { a, b, pair } = connectedPair({ seed: 2, link: { latency: 5 }, change: simulcast })
    const media = a.media('0')!
    const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
    for (const { rid } of ENCODINGS) {
      media.writer(pt, rid).write({ value: 0, clockRate: 90_000 }, frame(100, true, 1), { keyframe: true })
    }
    pair.runFor(50)
    const q = eventsOf(pair.b.events, 'mediaData').find(({ rid }) => rid === 'q')!
    b.media('0')!.requestKeyframe('pli', q.ssrc)
    pair.runFor(50)
    expect(eventsOf(pair.a.events, 'keyframeRequest')).toEqual([
      { type: 'keyframeRequest', mid: '0', rid: 'q', kind: 'pli' },
    ])
  })

  it('what the receiver does not take, or pauses, is known', () => {
    const without = negotiatedPair({
      seed: 3,
      change: simulcast,
      answered: (sdp) =>
        sdp.replace('a=simulcast:recv h;q', 'a=simulcast:recv ~h').replace(/a=rid:q .*\r\n/, ''),
    })
    const media = without.a.media('0')!
    expect(media.sendEncodings).toEqual([{ rid: 'h', paused: true, restrictions: { 'max-width': '640' } }])
    const none = negotiatedPair({
      seed: 4,
      change: simulcast,
      answered: (sdp) => sdp.replace(/a=(simulcast|rid):.*\r\n/g, ''),
    })
    expect(none.a.media('0')!.sendEncodings).toEqual([])
    expect(none.a.media('0')!.writer(none.a.media('0')!.codecs[0]!.pt).rid).toBeUndefined()
  })

  it.each([
    ['the encodings that the answer removes', /;q|a=rid:q .*\r\n/g, 'h'],
    ['those before the first that it keeps', /(?<=recv )h;|a=rid:h .*\r\n/g, 'q'],
    ['all but one, which has no rid, where it knows no simulcast', /a=(simulcast|rid):.*\r\n/g, undefined],
  ])('%s are not (RFC 8853 section 5.3.3)', (_, removed, kept) => {
    const { a, b, pair } = connectedPair({
      seed: 6,
      link: { latency: 5 },
      change: simulcast,
      answered: (sdp) => sdp.replaceAll(removed, ''),
    })
    const media = a.media('0')!
    const { pt } = media.codecs[0]!
    for (const rid of ['h', 'q']) {
      if (rid !== kept) expect(codeOf(() => media.writer(pt, rid))).toBe('unknown-rid')
    }
    for (const rid of [kept, undefined]) {
      const writer = media.writer(pt, rid)
      writer.write({ value: 0, clockRate: 90_000 }, frame(100, true, 1), { keyframe: true })
    }
    pair.runFor(50)
    expect(a.statistics.outbound.map(({ rid }) => rid)).toEqual([kept])
    expect(eventsOf(pair.b.events, 'mediaData').map(({ rid }) => rid)).toEqual([kept, kept])
    if (kept === undefined) return
    // nor where it was one before
    const writer = media.writer(pt, kept)
    const offer = b.createOffer()
    offer.setDirection('0', 'recvonly')
    const { sdp } = offer.apply()
    a.acceptOffer({ type: 'offer', sdp: sdp.replaceAll(/a=(simulcast|rid):.*\r\n/g, '') })
    expect(codeOf(() => writer.write({ value: 3000, clockRate: 90_000 }, frame(100, true, 1)))).toBe(
      'unknown-rid',
    )
    expect(media.writer(pt).write({ value: 3000, clockRate: 90_000 }, frame(100, true, 1))).toBe(true)
  })

  it('rids are checked', () => {
    const change = new Rtc().createOffer()
    for (const encodings of [
      [{ rid: 'a' }, { rid: 'a' }],
      [{ rid: '' }],
      [{ rid: 'ä' }],
      [{ rid: 'x'.repeat(17) }],
    ]) {
      expect(() => change.addMedia('video', 'sendonly', { encodings })).toThrow(UsageError)
    }
  })

  it('where the offer asks for it, its encodings are answered and sent', () => {
    const { a, b, pair } = connectedPair({
      seed: 5,
      link: { latency: 5 },
      change: (change) => change.addMedia('video', 'sendonly'),
    })
    // the same session again, now with the other side asking for two encodings
    const change = b.createOffer()
    change.setDirection('0', 'recvonly')
    const offer = change.apply()
    const asking = offer.sdp.replace(
      'a=rtcp-mux',
      'a=rid:x recv\r\na=rid:y recv\r\na=simulcast:recv x;y\r\na=rtcp-mux',
    )
    const answer = a.acceptOffer({ type: 'offer', sdp: asking })
    expect(answer.sdp).toContain('a=simulcast:send x;y')
    expect(a.media('0')!.localStreams.map(({ rid }) => rid)).toEqual(['x', 'y'])
    b.pendingChanges()!.acceptAnswer({
      type: 'answer',
      sdp: answer.sdp.replace(/a=(simulcast|rid):.*\r\n/g, ''),
    })
    const media = a.media('0')!
    const { pt } = media.codecs[0]!
    media.writer(pt, 'y').write({ value: 0, clockRate: 90_000 }, frame(100, true, 1), { keyframe: true })
    pair.runFor(50)
    expect(eventsOf(pair.b.events, 'mediaData').length).toBe(1)
  })
})

describe('simulcast is asked for (RFC 8853 section 5.3)', () => {
  const asked = (change: ChangeSet) => change.addMedia('video', 'recvonly', { receiveEncodings: ENCODINGS })

  it('by rids to be received, and what comes is told apart by them, and repaired', () => {
    let offer = ''
    let answer = ''
    // an SFU, that calls a publisher
    const { a, b, pair } = connectedPair({
      seed: 11,
      link: { latency: 20, loss: 0.05 },
      change: asked,
      offered: (sdp) => (offer = sdp),
      answered: (sdp) => (answer = sdp),
    })
    for (const line of ['a=rid:h recv max-width=640', 'a=rid:q recv', 'a=simulcast:recv h;q', 'a=recvonly']) {
      expect(offer.split('\r\n')).toContain(line)
    }
    expect(offer).not.toMatch(/^a=(msid|ssrc)/m)
    for (const line of ['a=rid:h send max-width=640', 'a=rid:q send', 'a=simulcast:send h;q', 'a=sendonly']) {
      expect(answer.split('\r\n')).toContain(line)
    }
    expect(a.media('0')!.receiveEncodings).toEqual([
      { rid: 'h', paused: false, restrictions: { 'max-width': '640' } },
      { rid: 'q', paused: false, restrictions: {} },
    ])
    expect(a.media('0')!.sendEncodings).toEqual([])
    const media = b.media('0')!
    expect(media.sendEncodings.map(({ rid }) => rid)).toEqual(['h', 'q'])
    const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
    const count = 100
    for (let i = 0; i < count; i++) {
      if (i === count - 3) pair.bToA.configure(pair.now, { latency: 20 })
      for (const [k, { rid }] of ENCODINGS.entries()) {
        media
          .writer(pt, rid)
          .write({ value: 3000 * i, clockRate: 90_000 }, frame(2500 - 1000 * k, i === 0, i), {
            keyframe: i === 0,
          })
      }
      pair.runFor(33)
    }
    pair.runFor(2000)
    const frames = eventsOf(pair.a.events, 'mediaData')
    for (const [k, { rid }] of ENCODINGS.entries()) {
      const ofRid = frames.filter((data) => data.rid === rid)
      expect(ofRid.length).toBe(count)
      expect(ofRid.every(({ data, contiguous }) => data.length === 2500 - 1000 * k && contiguous)).toBe(true)
    }
    expect(a.statistics.inbound.every((stream) => stream.retransmittedPacketsReceived > 0)).toBe(true)

    // a keyframe is asked for of one of them
    const q = frames.find(({ rid }) => rid === 'q')!
    a.media('0')!.requestKeyframe('pli', q.ssrc)
    pair.runFor(100)
    expect(eventsOf(pair.b.events, 'keyframeRequest').map(({ rid }) => rid)).toContain('q')
  })

  it('and the sender is told what came, so that it knows how many there is room for', () => {
    const feedback = (change: (change: ChangeSet) => unknown): boolean[] => {
      const { a, b } = negotiatedPair({ seed: 12, change })
      return [a, b].map((rtc) =>
        rtc.media('0')!.codecs.some((codec) => codec.feedback.includes('transport-cc')),
      )
    }
    expect(feedback(asked)).toEqual([true, true])
    expect(feedback((change) => change.addMedia('video', 'recvonly'))).toEqual([false, false])
  })

  it('as much of it as the peer sends, or as is not paused', () => {
    const { a } = negotiatedPair({
      seed: 13,
      change: asked,
      answered: (sdp) =>
        sdp.replace('a=simulcast:send h;q', 'a=simulcast:send ~q').replace(/a=rid:h .*\r\n/, ''),
    })
    expect(a.media('0')!.receiveEncodings).toEqual([{ rid: 'q', paused: true, restrictions: {} }])
    // what was not offered is not there
    const more = negotiatedPair({
      seed: 14,
      change: asked,
      answered: (sdp) =>
        sdp
          .replace('a=simulcast:send h;q', 'a=rid:x send\r\na=simulcast:send x;q')
          .replace('a=rid:h', 'a=rid:h'),
    })
    expect(more.a.media('0')!.receiveEncodings.map(({ rid }) => rid)).toEqual(['q'])
  })

  it('and one stream comes of a peer that does not know it', () => {
    const { a, b, pair } = connectedPair({
      seed: 15,
      change: asked,
      offered: (sdp) => sdp.replaceAll(/a=(simulcast|rid):.*\r\n/g, ''),
    })
    expect(a.media('0')!.receiveEncodings).toEqual([])
    const media = b.media('0')!
    const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
    media.writer(pt).write({ value: 0, clockRate: 90_000 }, frame(100, true, 1), { keyframe: true })
    pair.runFor(50)
    expect(eventsOf(pair.a.events, 'mediaData').map(({ rid }) => rid)).toEqual([undefined])
  })

  it('in both directions of a section, and still where it is offered again', () => {
    const other = [{ rid: '1' }, { rid: '2' }]
    const { a, b } = connectedPair({
      seed: 16,
      change: (change) =>
        change.addMedia('video', 'sendrecv', { encodings: ENCODINGS, receiveEncodings: other }),
    })
    const rids = (encodings: readonly { rid: string }[]) => encodings.map(({ rid }) => rid)
    const check = () => {
      for (const [one, two] of [
        [a.media('0')!, b.media('0')!],
        [b.media('0')!, a.media('0')!],
      ] as const) {
        expect(rids(one.sendEncodings)).toEqual(rids(two.receiveEncodings))
      }
      expect(rids(a.media('0')!.sendEncodings)).toEqual(['h', 'q'])
      expect(rids(a.media('0')!.receiveEncodings)).toEqual(['1', '2'])
    }
    check()
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const change = from.createOffer()
      change.addMedia('video')
      const offer = change.apply()
      expect(offer.sdp).toContain(
        from === a ? 'a=simulcast:send h;q recv 1;2' : 'a=simulcast:send 1;2 recv h;q',
      )
      from.pendingChanges()!.acceptAnswer(to.acceptOffer(offer))
      check()
    }
  })

  it('and each rid is of one encoding, both ways (RFC 8851 section 6.1)', () => {
    const change = new Rtc().createOffer()
    for (const options of [
      { receiveEncodings: [{ rid: 'a' }, { rid: 'a' }] },
      { receiveEncodings: [{ rid: 'a b' }] },
      { encodings: [{ rid: 'a' }], receiveEncodings: [{ rid: 'a' }] },
    ]) {
      expect(() => change.addMedia('video', 'sendrecv', options)).toThrow(
        expect.objectContaining({ code: 'invalid-option' }),
      )
    }
  })
})

describe('an answer with payload types of its own', () => {
  it('is sent what it wants, and sends what we said', () => {
    // RFC 3264 section 5.1: each side says what it wants to receive
    const answered = (sdp: string): string =>
      sdp
        .replace(/^(m=video .*)$/m, 'm=video 9 UDP/TLS/RTP/SAVPF 120 121')
        .split('\r\n')
        .filter(
          (line) =>
            !/^a=(rtpmap|fmtp|rtcp-fb):(9[6-9]|1[0-2]\d|3\d|4\d|5\d|6\d) ?/.test(line) ||
            line.includes('opus'),
        )
        .join('\r\n')
        .replace('a=sendrecv\r\na=extmap-allow-mixed', 'a=sendrecv\r\na=extmap-allow-mixed')
        .replace(
          /(m=video[^]*?a=rtcp-mux\r\n)/,
          '$1a=rtpmap:120 VP8/90000\r\na=rtcp-fb:120 nack\r\na=rtcp-fb:120 nack pli\r\na=rtpmap:121 rtx/90000\r\na=fmtp:121 apt=120\r\n',
        )
    const { a } = negotiatedPair({ seed: 6, answered })
    const video = a.media('1')!
    expect(video.codecs.length).toBe(1)
    const [codec] = video.codecs
    expect(codec).toMatchObject({ name: 'VP8', pt: 96, sendPt: 120 })
    expect(video.rtxPt(120)).toBe(121)
    expect(video.originalPt(97)).toBe(96)
  })
})
