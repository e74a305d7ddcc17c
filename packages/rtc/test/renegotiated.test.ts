import { parseSdp, writeSdp } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { type ChangeSet, type Media, type Rtc, type RtcOptions } from '../src/index.ts'
import { codeOf, connectedPair, eventsOf } from './harness.ts'

// What a later description changes of a stream that flows

const RTP_MODE: RtcOptions = { rtpMode: true }
const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid'
const LEVEL = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level'

interface Edits {
  readonly change?: (change: ChangeSet) => unknown
  readonly offered?: (sdp: string) => string
  readonly answered?: (sdp: string) => string
}

/** `a` offers again, `b` answers. */
function negotiate(a: Rtc, b: Rtc, { change, offered = (sdp) => sdp, answered = (sdp) => sdp }: Edits): void {
  const set = a.createOffer()
  change?.(set)
  const { sdp } = b.acceptOffer({ type: 'offer', sdp: offered(set.apply().sdp) })
  a.pendingChanges()!.acceptAnswer({ type: 'answer', sdp: answered(sdp) })
}

const onlyAudio = (change: ChangeSet): void => void change.addMedia('audio')
const onlyVideo = (change: ChangeSet): void => void change.addMedia('video')
const ptOf = (media: Media, name: string): number => media.codecs.find((codec) => codec.name === name)!.pt
const frame = (keyframe: boolean, count: number): Uint8Array =>
  Uint8Array.of(keyframe ? 0x10 : 0x11, count, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0)

describe('header extensions (RFC 8285 section 7)', () => {
  /** What the packets that `a` sends have, with an answer that was changed on its way. */
  function sentWith(answered: (sdp: string) => string, offered?: (sdp: string) => string) {
    const made = connectedPair({
      seed: 1,
      a: RTP_MODE,
      b: RTP_MODE,
      change: onlyAudio,
      answered,
      ...(offered === undefined ? {} : { offered }),
    })
    return { ...made, received: () => packetFrom(made.a, made) }
  }

  /** The extensions of a packet from one side to the other, as they stand in it. */
  function packetFrom(from: Rtc, { b, pair }: ReturnType<typeof connectedPair>) {
    const media = from.media('0')!
    const to = from === b ? pair.a : pair.b
    const before = eventsOf(to.events, 'rtpPacket').length
    const { lastSequenceNumber = 0 } = numbers
    numbers.lastSequenceNumber = lastSequenceNumber + 1
    const fields = {
      pt: media.codecs[0]!.pt,
      sequenceNumber: numbers.lastSequenceNumber,
      timestamp: 960 * numbers.lastSequenceNumber,
      extensions: { audioLevel: 30 },
    }
    expect(media.rtpWriter().write(fields, Uint8Array.of(0xf8))).toBe(true)
    pair.runFor(30)
    const packets = eventsOf(to.events, 'rtpPacket')
    expect(packets).toHaveLength(before + 1)
    const { header } = packets.at(-1)!
    return header.extensionLength === 0 ? 0 : header.extensionLength
  }
  const numbers: { lastSequenceNumber?: number } = {}

  it('that the answer leaves out are not sent', () => {
    const { a, received } = sentWith((sdp) => sdp.replaceAll(/a=extmap:.*\r\n/g, ''))
    expect(a.media('0')!.extensionIds.id('mid')).toBeUndefined()
    expect(received()).toBe(0)
  })

  it('that the answer has by another id are none that were offered', () => {
    const { a, received } = sentWith((sdp) => sdp.replaceAll(/a=extmap:(\d+) /g, 'a=extmap:1$1 '))
    expect(a.media('0')!.extensionIds.id('mid')).toBeUndefined()
    expect(received()).toBe(0)
  })

  it('that one side alone sends are sent by that one alone', () => {
    const { a, b, received, ...made } = sentWith(
      (sdp) => sdp,
      (sdp) =>
        sdp
          .replace(new RegExp(`a=extmap:(\\d+) ${LEVEL}`), `a=extmap:$1/recvonly ${LEVEL}`)
          .replace(new RegExp(`a=extmap:(\\d+) ${MID}`), `a=extmap:$1/recvonly ${MID}`),
    )
    // the offerer only takes them: so it says, and the answer that we only send them
    expect(received()).toBe(0)
    expect(packetFrom(b, { a, b, ...made })).toBeGreaterThan(0)
    // both are known still
    expect(a.media('0')!.extensionIds.id('mid')).toBe(1)
  })

  it('are those of the latest description', () => {
    const made = sentWith((sdp) => sdp)
    const { a, b, received } = made
    expect(received()).toBeGreaterThan(0)
    negotiate(a, b, { answered: (sdp) => sdp.replaceAll(/a=extmap:.*\r\n/g, '') })
    expect(received()).toBe(0)
    negotiate(a, b, {})
    expect(received()).toBeGreaterThan(0)
    expect(packetFrom(b, made)).toBeGreaterThan(0)
    negotiate(a, b, { offered: (sdp) => sdp.replaceAll(/a=extmap:.*\r\n/g, '') })
    expect(packetFrom(b, made)).toBe(0)
  })
})

describe('codecs', () => {
  it('that a later description leaves out are not sent any more', () => {
    const { a, b, pair } = connectedPair({ seed: 2, change: onlyAudio })
    const media = a.media('0')!
    const opus = media.writer(ptOf(media, 'opus'))
    const pcmu = media.writer(ptOf(media, 'PCMU'))
    const time = { value: 0, clockRate: 48_000 }
    expect(opus.write(time, Uint8Array.of(0xf8))).toBe(true)
    pair.runFor(30)
    negotiate(b, a, { offered: (sdp) => sdp.replace(/(m=audio \d+ \S+) .*/, '$1 0') })
    expect(codeOf(() => opus.write(time, Uint8Array.of(0xf8)))).toBe('unknown-payload-type')
    expect(pcmu.write({ value: 0, clockRate: 8000 }, new Uint8Array(160))).toBe(true)
    pair.runFor(30)
    expect(eventsOf(pair.b.events, 'mediaData').map(({ codec }) => codec.name)).toEqual(['opus', 'PCMU'])
  })

  it('are sent by the payload type of the latest answer', () => {
    const { a, b, pair } = connectedPair({ seed: 3, change: onlyAudio })
    const media = a.media('0')!
    const writer = media.writer(ptOf(media, 'opus'))
    const own = (sdp: string): string =>
      sdp.replace(/(m=audio .*) 111\b/, '$1 98').replaceAll(/a=(rtpmap|fmtp):111 /g, 'a=$1:98 ')
    negotiate(a, b, { answered: own })
    expect(media.codec(111)!.sendPt).toBe(98)
    writer.write({ value: 0, clockRate: 48_000 }, Uint8Array.of(0xf8))
    pair.runFor(30)
    // who answered so was not told, so that it knows no such payload type
    expect(b.statistics.dropped.unknownPayloadType).toBe(1)
  })

  it('are what a later offer means by a payload type, which RFC 3264 section 8.3.2 forbids, and gateways do', () => {
    const { a, b, pair } = connectedPair({ seed: 4, change: onlyVideo })
    const vp8 = a.media('0')!.writer(ptOf(a.media('0')!, 'VP8'))
    for (let i = 0; i < 2; i++) vp8.write({ value: 3000 * i, clockRate: 90_000 }, frame(i === 0, i))
    pair.runFor(30)
    const { pt } = vp8.codec
    const remapped = (sdp: string): string =>
      sdp
        .replace(/(m=video \d+ \S+) .*/, `$1 ${pt}`)
        .replace(`a=rtpmap:${pt} VP8/90000`, `a=rtpmap:${pt} H264/90000`)
        .replace(/a=fmtp:/, `a=fmtp:${pt} packetization-mode=1;profile-level-id=42e01f\r\na=fmtp:`)
    negotiate(b, a, { offered: remapped, answered: (sdp) => sdp })
    // both say so
    negotiate(a, b, { offered: remapped })
    expect(codeOf(() => vp8.write({ value: 9000, clockRate: 90_000 }, frame(false, 2)))).toBe(
      'unknown-payload-type',
    )
    const h264 = a.media('0')!.writer(pt)
    expect(h264.codec.name).toBe('H264')
    // one that is larger than a packet
    const idr = new Uint8Array(3000).fill(7)
    idr.set([0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80, 0, 0, 0, 1, 0x65])
    expect(h264.write({ value: 9000, clockRate: 90_000 }, idr, { keyframe: true })).toBe(true)
    pair.runFor(50)
    const frames = eventsOf(pair.b.events, 'mediaData')
    expect(frames.map(({ codec }) => codec.name)).toEqual(['VP8', 'VP8', 'H264'])
    expect(frames.at(-1)!.data).toEqual(idr)
  })

  it('described anew do not interrupt a frame', () => {
    const { a, b, pair } = connectedPair({
      seed: 5,
      change: onlyVideo,
      link: { latency: 20, rate: 1_500_000 },
    })
    const writer = a.media('0')!.writer(ptOf(a.media('0')!, 'VP8'))
    const write = (i: number): void => {
      const data = new Uint8Array(6000).fill(i)
      data[0] = i === 0 ? 0x10 : 0x11
      writer.write({ value: 3000 * i, clockRate: 90_000 }, data, { keyframe: i === 0 })
    }
    write(0)
    pair.runFor(100)
    write(1)
    pair.runFor(35)
    const before = b.media('0')!.codecs[0]
    negotiate(b, a, { change: onlyAudio })
    expect(b.media('0')!.codecs[0]).not.toBe(before)
    pair.runFor(100)
    expect(eventsOf(pair.b.events, 'mediaData').map(({ data }) => data.length)).toEqual([6000, 6000])
    expect(b.statistics.inbound[0]!.framesDropped).toBe(0)
  })
})

describe('simulcast (RFC 8853 section 5.3.3)', () => {
  const several = (change: ChangeSet): void =>
    void change.addMedia('video', 'sendonly', { encodings: [{ rid: 'h' }, { rid: 'q' }] })

  it('that the answer does not know is one stream, without a rid', () => {
    const { a, pair } = connectedPair({
      seed: 6,
      change: several,
      answered: (sdp) => sdp.replaceAll(/a=(simulcast|rid):.*\r\n/g, ''),
    })
    const media = a.media('0')!
    const pt = ptOf(media, 'VP8')
    for (const rid of ['h', 'q']) expect(codeOf(() => media.writer(pt, rid))).toBe('unknown-rid')
    media.writer(pt).write({ value: 0, clockRate: 90_000 }, frame(true, 0), { keyframe: true })
    pair.runFor(30)
    expect(eventsOf(pair.b.events, 'mediaData').map(({ rid }) => rid)).toEqual([undefined])
    expect(media.localStreams.map(({ rid }) => rid)).toEqual([undefined])
  })

  it('has the encodings alone that the answer keeps, until a later one has more', () => {
    const { a, b } = connectedPair({
      seed: 7,
      change: several,
      answered: (sdp) =>
        sdp.replace('a=simulcast:recv h;q', 'a=simulcast:recv q').replace(/a=rid:h .*\r\n/, ''),
    })
    const media = a.media('0')!
    const pt = ptOf(media, 'VP8')
    const [q] = media.localStreams
    expect(media.localStreams).toHaveLength(1)
    expect(codeOf(() => media.writer(pt, 'h'))).toBe('unknown-rid')
    expect(media.writer(pt, 'q').rid).toBe('q')
    negotiate(a, b, {})
    expect(media.localStreams).toHaveLength(2)
    expect(media.localStreams[1]).toEqual(q)
  })
})

it('a stream whose place in the description serves another section is forgotten', () => {
  const { a, b, pair } = connectedPair({
    seed: 8,
    change: (change) => {
      change.addChannel('stays')
      change.addMedia('video')
    },
  })
  for (let i = 0; i < 10; i++) {
    const media = a.medias.find(({ stopped }) => !stopped)!
    media
      .writer(ptOf(media, 'VP8'))
      .write({ value: 0, clockRate: 90_000 }, frame(true, i), { keyframe: true })
    pair.runFor(30)
    negotiate(a, b, { change: (change) => change.stopMedia(media.mid) })
    negotiate(a, b, { change: onlyVideo })
    expect(a.statistics.outbound).toEqual([])
    expect(b.statistics.inbound).toEqual([])
  }
  expect(eventsOf(pair.b.events, 'mediaData')).toHaveLength(10)
})

describe('a section that we have stopped', () => {
  /** Pion 3, aiortc and GStreamer have no eye for port 0, and answer as if the section went on: in the group, with a transport, formats and a direction. */
  function asIfItWentOn(sdp: string): string {
    const answer = parseSdp(sdp)
    const [used, stopped] = answer.media.toSorted((a, b) => b.port - a.port)
    const { iceUfrag, icePwd, setup, connection } = used!
    expect(stopped!.port).toBe(0)
    Object.assign(stopped!, {
      port: 9,
      iceUfrag,
      icePwd,
      setup,
      connection,
      rtcpMux: true,
      direction: 'inactive',
    })
    return writeSdp({
      ...answer,
      groups: [{ semantics: 'BUNDLE', mids: answer.media.map(({ mid }) => mid!) }],
    })
  }

  it.each(['0', '1'])(
    'stays so where the peer answers that it goes on, and its place is used again: %s',
    (mid) => {
      const call = connectedPair({ seed: 5 })
      const { a, b, pair } = call
      negotiate(a, b, { change: (change) => change.stopMedia(mid), answered: asIfItWentOn })
      expect(a.media(mid)!.stopped).toBe(true)
      const going = a.medias.find(({ stopped }) => !stopped)!
      expect([going.direction, a.connected]).toEqual(['sendrecv', true])
      // also in the offers that follow
      negotiate(a, b, { change: (change) => change.iceRestart(), answered: asIfItWentOn })
      expect(a.media(mid)!.stopped).toBe(true)
      let again = ''
      negotiate(a, b, { change: (change) => (again = change.addMedia('video')) })
      expect([a.media(again)!.direction, b.media(again)!.direction]).toEqual(['sendrecv', 'sendrecv'])
      pair.runFor(1000)
      const { pt } = a.media(again)!.codecs.find(({ name }) => name === 'VP8')!
      a.media(again)!.writer(pt).write({ value: 0, clockRate: 90_000 }, frame(true, 1), { keyframe: true })
      pair.runFor(100)
      expect(eventsOf(pair.b.events, 'mediaData').map((event) => event.mid)).toEqual([again])
    },
  )

  it('stays so where the answer has it in the group with a=bundle-only, by which port 0 is in use', () => {
    const { a, b, pair } = connectedPair({ seed: 5 })
    const answered = (sdp: string): string => {
      const text = asIfItWentOn(sdp).replace(/^(m=video .*\r\n)/m, '$1a=bundle-only\r\n')
      expect(parseSdp(text).media[1]!.bundleOnly).toBe(true)
      return text
    }
    negotiate(a, b, { change: (change) => change.stopMedia('1'), answered })
    pair.runFor(100)
    expect(a.media('1')!.stopped).toBe(true)
    expect(eventsOf(pair.a.events, 'mediaChanged')).toContainEqual({
      type: 'mediaChanged',
      mid: '1',
      direction: 'inactive',
    })
  })
})
