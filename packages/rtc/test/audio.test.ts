import { DEFAULT_CODECS } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import type { Rtc } from '../src/index.ts'
import { codeOf, connectedPair, eventsOf } from './harness.ts'

const LINK = { latency: 20 }
const audio = (value: number) => ({ value, clockRate: 48_000 })
const pt = (rtc: Rtc, name: string, clockRate = 48_000): number =>
  rtc.media('0')!.codecs.find((codec) => codec.name === name && codec.clockRate === clockRate)!.pt

describe('redundant audio, RFC 2198', () => {
  it('carries each frame twice, so that single losses leave no gap', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { a, b, pair } = connectedPair({ seed, link: LINK })
      const codec = a.media('0')!.codec(pt(a, 'red'))!
      expect(codec.primary).toMatchObject({ name: 'opus', pt: pt(a, 'opus') })
      const writer = a.media('0')!.writer(codec.pt)
      for (let i = 0; i < 199; i++) {
        // every third packet is lost
        pair.aToB.configure(pair.now, { ...LINK, loss: i % 3 === 1 ? 1 : 0 })
        writer.write(audio(960 * i), Uint8Array.of(0xfc, i))
        pair.runFor(20)
      }
      pair.runFor(500)
      const frames = eventsOf(pair.b.events, 'mediaData')
      expect(
        frames.map(({ data }) => data[1]),
        `seed ${seed}`,
      ).toEqual(Array.from({ length: 199 }, (_, i) => i))
      expect(frames.every(({ codec: { name }, contiguous }) => name === 'opus' && contiguous)).toBe(true)
      expect(frames.map(({ time }) => time.value - frames[0]!.time.value)).toEqual(
        frames.map((_, i) => 960 * i),
      )
      expect(b.statistics.inbound[0]!.packetsRecovered).toBeGreaterThan(60)
    }
  })
})

describe('what goes beside speech', () => {
  it('comfort noise comes in the order of the stream', () => {
    const { a, pair } = connectedPair({ seed: 10, link: LINK })
    const speech = a.media('0')!.writer(pt(a, 'PCMU', 8000))
    const noise = a.media('0')!.writer(pt(a, 'CN', 8000))
    for (let i = 0; i < 20; i++) {
      const time = { value: 160 * i, clockRate: 8000 }
      if (i % 5 === 4) noise.write(time, Uint8Array.of(60))
      else speech.write(time, new Uint8Array(160).fill(i))
      pair.runFor(20)
    }
    pair.runFor(300)
    const frames = eventsOf(pair.b.events, 'mediaData')
    expect(frames.map(({ codec }) => codec.name)).toEqual(
      Array.from({ length: 20 }, (_, i) => (i % 5 === 4 ? 'CN' : 'PCMU')),
    )
    expect(frames.every(({ contiguous }) => contiguous)).toBe(true)
  })

  it('the level of audio comes with its frame', () => {
    const { a, pair } = connectedPair({ seed: 11, link: LINK })
    const writer = a.media('0')!.writer(pt(a, 'opus'))
    writer.write(audio(0), Uint8Array.of(0xfc), { audioLevel: 12.4, voiceActivity: true })
    writer.write(audio(960), Uint8Array.of(0xfc), { audioLevel: 300 })
    writer.write(audio(1920), Uint8Array.of(0xfc))
    pair.runFor(100)
    expect(
      eventsOf(pair.b.events, 'mediaData').map(({ extensions }) => [
        extensions.audioLevel,
        extensions.voiceActivity,
      ]),
    ).toEqual([
      [12, true],
      [127, false],
      [undefined, undefined],
    ])
  })

  it('keys of a telephone start once and end once, whatever is lost', () => {
    for (let seed = 20; seed < 30; seed++) {
      const { a, pair } = connectedPair({ seed, link: LINK })
      pair.aToB.configure(pair.now, { ...LINK, loss: 0.2 })
      const media = a.media('0')!
      const speech = media.writer(pt(a, 'opus'))
      const keys = ['1', '9', '*', '#', 'D']
      for (let i = 0; i < 200; i++) {
        a.handleInput({ kind: 'timeout', now: pair.now })
        speech.write(audio(960 * i), Uint8Array.of(0xfc, i))
        if (i % 40 === 0) media.sendTelephoneEvent(pt(a, 'telephone-event'), keys[i / 40]!, { duration: 200 })
        pair.runFor(20)
      }
      pair.runFor(1000)
      const events = eventsOf(pair.b.events, 'telephoneEvent')
      expect(
        events.filter(({ started }) => started).map(({ digit }) => digit),
        `seed ${seed}`,
      ).toEqual(keys)
      const ended = events.filter((event) => event.ended)
      expect(
        ended.map(({ digit }) => digit),
        `seed ${seed}`,
      ).toEqual(keys)
      expect(ended.every(({ duration }) => duration === 200)).toBe(true)
      expect(eventsOf(pair.b.events, 'mediaData').length).toBeGreaterThan(120)
    }
  })

  it('keys are heard of however long after the ones before they are pressed', () => {
    const { a, pair } = connectedPair({ seed: 31, link: LINK })
    const media = a.media('0')!
    const keys = ['1', '2', '3']
    for (const [i, hours] of [0, 13, 20].entries()) {
      pair.runFor(hours * 3_600_000)
      a.handleInput({ kind: 'timeout', now: pair.now })
      media.sendTelephoneEvent(pt(a, 'telephone-event'), keys[i]!)
      pair.runFor(1000)
    }
    const events = eventsOf(pair.b.events, 'telephoneEvent')
    expect(events.filter(({ started }) => started).map(({ digit }) => digit)).toEqual(keys)
    expect(events.filter(({ ended }) => ended).map(({ digit }) => digit)).toEqual(keys)
  })

  it('codecs and keys are known in whatever case their names are offered, as GStreamer offers them', () => {
    const { a, b, pair } = connectedPair({
      seed: 39,
      link: LINK,
      offered: (sdp) =>
        sdp.replaceAll(/^(a=rtpmap:\d+ )(\S+?)\//gm, (_, start, name) => `${start}${name.toUpperCase()}/`),
    })
    const names = a.media('0')!.codecs.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['opus', 'red', 'PCMU', 'CN', 'telephone-event']))
    expect(b.media('0')!.codecs.map(({ name }) => name)).toEqual(names)
    a.media('0')!.sendTelephoneEvent(pt(a, 'telephone-event'), '1')
    pair.runFor(500)
    expect(eventsOf(pair.b.events, 'telephoneEvent').map(({ digit }) => digit)).toContain('1')
    expect(eventsOf(pair.b.events, 'mediaData')).toEqual([])
  })

  it('keys follow each other, each as long as it is to be', () => {
    const { a, pair } = connectedPair({ seed: 32, link: LINK })
    const media = a.media('0')!
    const options = { duration: 80 }
    expect(media.sendTelephoneEvent(pt(a, 'telephone-event'), '00*7#', options)).toBe(true)
    // the caller's own, as soon as the call is over
    options.duration = -1
    pair.runFor(400)
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'telephone-event'), '1'))).toBe('busy')
    pair.runFor(600)
    expect(media.sendTelephoneEvent(pt(a, 'telephone-event'), 'd')).toBe(true)
    pair.runFor(1000)
    const ended = eventsOf(pair.b.events, 'telephoneEvent').filter((event) => event.ended)
    expect(ended.map(({ digit, duration }) => [digit, duration])).toEqual([
      ['0', 80],
      ['0', 80],
      ['*', 80],
      ['7', 80],
      ['#', 80],
      ['D', 100],
    ])
  })

  it('keys last as long on each of two clocks', () => {
    const { a, pair } = connectedPair({ seed: 33, link: LINK })
    for (const clockRate of [48_000, 8000, 48_000]) {
      a.handleInput({ kind: 'timeout', now: pair.now })
      a.media('0')!.sendTelephoneEvent(pt(a, 'telephone-event', clockRate), '5')
      pair.runFor(1000)
    }
    const ended = eventsOf(pair.b.events, 'telephoneEvent').filter((event) => event.ended)
    expect(ended.map(({ duration }) => duration)).toEqual([100, 100, 100])
  })

  it('no key is sent any more where the section is held', () => {
    const { a, b, pair } = connectedPair({ seed: 34, link: LINK })
    a.media('0')!.sendTelephoneEvent(pt(a, 'telephone-event'), '12', { duration: 500 })
    pair.runFor(100)
    const answer = b.acceptOffer(a.createOffer().setDirection('0', 'recvonly').apply())
    const sent = a.statistics.outbound[0]!.packetsSent
    a.pendingChanges()!.acceptAnswer(answer)
    pair.runFor(1000)
    expect(a.statistics.outbound[0]!.packetsSent).toBe(sent)
    // and it can be sent on again
    const again = b.acceptOffer(a.createOffer().setDirection('0', 'sendrecv').apply())
    a.pendingChanges()!.acceptAnswer(again)
    expect(a.media('0')!.sendTelephoneEvent(pt(a, 'telephone-event'), '4')).toBe(true)
  })

  it('no key is sent any more by a payload type that a later negotiation left out', () => {
    const { a, b, pair } = connectedPair({ seed: 40, link: LINK })
    a.media('0')!.sendTelephoneEvent(pt(a, 'telephone-event'), '12', { duration: 500 })
    pair.runFor(100)
    const offer = b.createOffer().setDirection('0', 'sendrecv').apply()
    const answer = a
      .readOffer(offer)
      .setCodecs('0', [pt(a, 'opus')])
      .accept()
    b.pendingChanges()!.acceptAnswer(answer)
    const sent = a.statistics.outbound[0]!.packetsSent
    pair.runFor(1000)
    expect(a.statistics.outbound[0]!.packetsSent).toBe(sent)
  })

  it('a key changes nothing of the time of the speech beside it', () => {
    const { a, pair } = connectedPair({ seed: 35, link: LINK })
    const media = a.media('0')!
    const speech = media.writer(pt(a, 'opus'))
    for (let i = 0; i < 1000; i++) {
      a.handleInput({ kind: 'timeout', now: pair.now })
      speech.write(audio(960 * i), Uint8Array.of(0xfc, i))
      if (i === 50) media.sendTelephoneEvent(pt(a, 'telephone-event'), '1', { duration: 15_000 })
      pair.runFor(20)
    }
    const frames = eventsOf(pair.b.events, 'mediaData').filter(({ captureTime }) => captureTime !== undefined)
    expect(frames.length).toBeGreaterThan(990)
    const [first] = frames
    const errors = frames.map(({ captureTime, time }) =>
      Math.abs(captureTime! - first!.captureTime! - (time.value - first!.time.value) / 48),
    )
    expect(Math.max(...errors)).toBeLessThan(1)
  })

  it('the first of all timestamps is random where it is of a key, RFC 3550 section 5.1', () => {
    const starts = [36, 37, 38].map((seed) => {
      const { a, pair } = connectedPair({ seed, link: LINK, b: { rtpMode: true } })
      a.media('0')!.sendTelephoneEvent(pt(a, 'telephone-event'), '1')
      pair.runFor(1000)
      a.handleInput({ kind: 'timeout', now: pair.now })
      a.media('0')!.writer(pt(a, 'opus')).write(audio(0), Uint8Array.of(0xfc, 1))
      pair.runFor(100)
      const packets = eventsOf(pair.b.events, 'rtpPacket')
      // speech counts from the same start
      expect(packets[0]!.header.timestamp).toBe(packets.at(-1)!.header.timestamp)
      return packets[0]!.header.timestamp
    })
    expect(Math.max(...starts) - Math.min(...starts)).toBeGreaterThan(2 ** 24)
  })

  it('wrong keys are refused', () => {
    const { a } = connectedPair({ seed: 30, link: LINK })
    const media = a.media('0')!
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'opus'), '1'))).toBe('unknown-payload-type')
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'telephone-event'), 'x'))).toBe('invalid-option')
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'telephone-event'), '12x'))).toBe('invalid-option')
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'telephone-event'), ''))).toBe('invalid-option')
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'telephone-event'), 256))).toBe('invalid-option')
    expect(media.sendTelephoneEvent(pt(a, 'telephone-event'), 5)).toBe(true)
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'telephone-event'), 5))).toBe('busy')
  })
})

describe('the marker of audio, RFC 3551 section 4.1', () => {
  const spoken = new Uint8Array(40).fill(0xfc)
  const dtx = Uint8Array.of(0xfc)
  /** Which of these frames, each with its place in steps of 20 ms, go out with a marker. */
  const marked = (
    seed: number,
    frames: readonly (readonly [at: number, codec: string, data: Uint8Array])[],
  ): number[] => {
    const { a, pair } = connectedPair({ seed, link: LINK, b: { rtpMode: true } })
    let now = 0
    for (const [at, name, data] of frames) {
      pair.runFor(20 * (at - now))
      now = at
      a.handleInput({ kind: 'timeout', now: pair.now })
      const codec = a.media('0')!.codecs.find((each) => each.name === name)!
      a.media('0')!
        .writer(codec.pt)
        .write({ value: (at * codec.clockRate) / 50, clockRate: codec.clockRate }, data)
    }
    pair.runFor(500)
    return eventsOf(pair.b.events, 'rtpPacket').flatMap(({ header }, i) => (header.marker ? [i] : []))
  }

  it('stands on the first frame after a pause', () => {
    for (const [seed, name] of [
      [60, 'opus'],
      [61, 'red'],
      [62, 'PCMU'],
    ] as const) {
      const frames = [0, 1, 2, 3, 60, 61, 62, 500, 501].map((at) => [at, name, spoken] as const)
      expect(marked(seed, frames), `seed ${seed}`).toEqual([0, 4, 7])
    }
  })

  it('stands on none where speech goes on, or some frames of it are missing or late', () => {
    expect(
      marked(
        63,
        [0, 1, 2, 5, 6, 13, 14].map((at) => [at, 'opus', spoken]),
      ),
    ).toEqual([0])
  })

  it('stands on the first frame after noise, and never on noise', () => {
    const noise = Uint8Array.of(60)
    expect(
      marked(64, [
        [0, 'CN', noise],
        [10, 'PCMU', spoken],
        [11, 'PCMU', spoken],
        [12, 'CN', noise],
        [32, 'CN', noise],
        [33, 'PCMU', spoken],
        [34, 'PCMU', spoken],
      ]),
    ).toEqual([1, 5])
  })

  it('stands on none of the frames that an encoder makes of silence', () => {
    const frames = [0, 1, 2, 20, 40, 41, 42] as const
    expect(
      marked(
        65,
        frames.map((at) => [at, 'opus', at >= 2 && at < 41 ? dtx : spoken]),
      ),
    ).toEqual([0, 5])
  })

  it('stands on none of the frames by which an encoder refreshes silence, as Chromium sends them', () => {
    const refreshed = [0, 1, 2, 22, 23, 43, 44, 64, 70, 71]
    const silent = new Set([2, 23, 44])
    expect(
      marked(
        67,
        refreshed.map((at) => [at, 'opus', silent.has(at) ? dtx : spoken]),
      ),
    ).toEqual([0, 8])
    // and where all that the encoder makes is sent
    expect(
      marked(
        68,
        Array.from({ length: 50 }, (_, at) => [at, 'opus', at > 2 && at !== 23 && at < 40 ? dtx : spoken]),
      ),
    ).toEqual([0, 40])
  })

  it('stands on none where the codec changes within speech', () => {
    expect(
      marked(66, [
        [0, 'opus', spoken],
        [1, 'opus', spoken],
        [2, 'PCMU', spoken],
        [3, 'PCMU', spoken],
        [4, 'opus', spoken],
      ]),
    ).toEqual([0])
  })
})

describe('extended reports, RFC 3611', () => {
  it('tell the round trip to one that sends nothing', () => {
    const { a, b, pair } = connectedPair({ seed: 40, link: { latency: 40 } })
    const writer = a.media('0')!.writer(pt(a, 'opus'))
    for (let i = 0; i < 300; i++) {
      writer.write(audio(960 * i), Uint8Array.of(0xfc, i))
      pair.runFor(20)
    }
    expect(b.statistics.roundTripTime).toBeCloseTo(0.08, 3)
    // the sender's own reports tell it
    expect(a.statistics.outbound[0]!.roundTripTime).toBeCloseTo(0.08, 3)
  })
})

describe('a section without a codec of its own', () => {
  it('is refused: noise and keys go beside one', () => {
    const companions = DEFAULT_CODECS.filter(({ name }) => ['CN', 'telephone-event', 'red'].includes(name))
    const { a, b } = connectedPair({
      seed: 50,
      link: LINK,
      b: { codecs: [...companions, DEFAULT_CODECS[8]!] },
    })
    expect(b.media('0')).toBeUndefined()
    expect(a.media('0')?.stopped ?? true).toBe(true)
  })
})
