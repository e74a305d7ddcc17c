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

  it('wrong keys are refused', () => {
    const { a } = connectedPair({ seed: 30, link: LINK })
    const media = a.media('0')!
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'opus'), '1'))).toBe('unknown-payload-type')
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'telephone-event'), 'x'))).toBe('invalid-option')
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'telephone-event'), 256))).toBe('invalid-option')
    expect(media.sendTelephoneEvent(pt(a, 'telephone-event'), 5)).toBe(true)
    expect(codeOf(() => media.sendTelephoneEvent(pt(a, 'telephone-event'), 5))).toBe('busy')
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
