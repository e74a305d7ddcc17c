import { Pair } from '@str0m/netem'
import { type Instant, OutputQueue } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  Candidate,
  type PacketForwarder,
  Rtc,
  type RtcInput,
  type RtcOptions,
  type RtcOutput,
  type RtpPacket,
  type Transmit,
} from '../src/index.ts'
import { connectedPair, eventsOf, PEER_ADDRESS, received, RTC_ADDRESS, seededCrypto } from './harness.ts'

const AUDIO = '0'
const VIDEO = '1'
const OPUS = 'opus'
const VP8 = 'VP8'
/** Some day, as milliseconds since 1970. */
const DAY = 1_800_000_000_000
const STEP = 5
/** The encodings of the picture. */
const RIDS = ['h', 'q']

const isRtp = (contents: Uint8Array): boolean => contents[0]! >> 6 === 2
/** RFC 5761 section 4. */
const isReport = (contents: Uint8Array): boolean =>
  isRtp(contents) && contents[1]! >= 192 && contents[1]! <= 223

/** A peer whose packets of some streams leave later than the others, by a way of their own. */
class DetouredPeer {
  readonly rtc: Rtc
  /** Whether its reports are lost. */
  isSilent = false
  readonly #delay: number
  readonly #isDetoured: (ssrc: number) => boolean
  readonly #under = new OutputQueue<{ readonly at: Instant; readonly output: Transmit }>()
  #next: { readonly at: Instant; readonly output: Transmit } | undefined
  #now: Instant = 0

  constructor(rtc: Rtc, delay: number, isDetoured: (ssrc: number) => boolean) {
    this.rtc = rtc
    this.#delay = delay
    this.#isDetoured = isDetoured
  }

  handleInput(input: RtcInput): void {
    this.#now = Math.max(this.#now, input.now)
    this.rtc.handleInput(input)
  }

  pollOutput(): RtcOutput {
    for (;;) {
      const output = this.rtc.pollOutput()
      if (this.isSilent && output.kind === 'transmit' && isReport(output.contents)) continue
      if (output.kind === 'transmit' && this.#isLate(output.contents)) {
        this.#under.push({ at: this.#now + this.#delay, output })
        continue
      }
      if (output.kind !== 'timeout') return output
      this.#next ??= this.#under.shift()
      const next = this.#next
      if (next === undefined || next.at > this.#now) {
        return { kind: 'timeout', at: Math.min(output.at, next?.at ?? Infinity) }
      }
      this.#next = undefined
      return next.output
    }
  }

  #isLate(contents: Uint8Array): boolean {
    return (
      isRtp(contents) &&
      !isReport(contents) &&
      this.#isDetoured(new DataView(contents.buffer, contents.byteOffset).getUint32(8))
    )
  }
}

/** One who publishes by a bad first hop, on which the larger picture takes longer than the other and the sound. */
function publisher(seed: number, delay: number, options: RtcOptions) {
  const a = new Rtc({ crypto: seededCrypto(2 * seed), ...options })
  const b = new Rtc({ crypto: seededCrypto(2 * seed + 1), rtpMode: true })
  a.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  b.addLocalCandidate(Candidate.host(PEER_ADDRESS, 'udp'))
  const change = a.createOffer()
  change.addMedia('audio', 'sendonly')
  change.addMedia('video', 'sendonly', { encodings: RIDS.map((rid) => ({ rid })) })
  const answer = b.acceptOffer(change.apply())
  a.pendingChanges()!.acceptAnswer(answer)
  const [sound, high, low] = a.medias.flatMap((media) => media.localStreams.map(({ ssrc }) => ssrc))
  const peer = new DetouredPeer(a, delay, (ssrc) => ssrc === high)
  const pair = new Pair<DetouredPeer, Rtc>(peer, b, {
    seed,
    link: { latency: 20, jitter: 30 },
    receive: received,
  })
  pair.runUntil(() => a.connected && b.connected)
  const [audioPt, videoPt] = [OPUS, VP8].map(
    (name, i) => a.medias[i]!.codecs.find((codec) => codec.name === name)!.pt,
  )
  const audio = a.medias[0]!.writer(audioPt!)
  const videos = RIDS.map((rid) => a.medias[1]!.writer(videoPt!, rid))
  let forwarded = 0
  return {
    peer,
    pair,
    sound: sound!,
    high: high!,
    low: low!,
    /** Captures a picture and 20 ms of sound, which have `index` in them. */
    capture(index: number): void {
      const { now } = pair
      peer.handleInput({ kind: 'timeout', now })
      const bytes = [index >> 8, index & 0xff]
      audio.write({ value: 12_345 + now * 48, clockRate: 48_000 }, Uint8Array.of(0xfc, ...bytes))
      const data = Uint8Array.of(0x10, 0, 0, 0x9d, 0x01, 0x2a, ...bytes)
      for (const [i, video] of videos.entries()) {
        // each encoding has timestamps of its own
        video.write({ value: 777_777 * i + now * 90, clockRate: 90_000 }, data, { keyframe: true })
      }
    },
    /** What has come to the server since it was asked last. */
    packets(): RtpPacket[] {
      const all = eventsOf(pair.b.events, 'rtpPacket')
      const fresh = all.slice(forwarded)
      forwarded = all.length
      return fresh
    },
  }
}

type Publisher = ReturnType<typeof publisher>

/** Publishers, a server, and one who watches: all on one clock. */
class Stage {
  readonly publishers: readonly Publisher[]
  readonly subscriber = connectedPair({ seed: 91, link: { latency: 25 }, a: { rtpMode: true } })
  readonly sound: PacketForwarder
  readonly picture: PacketForwarder
  /** When each was captured, by its index. */
  readonly capturedAt: Instant[] = []

  constructor(publishers: readonly Publisher[]) {
    this.publishers = publishers
    const [sound, picture] = [OPUS, VP8].map((name, i) => {
      const media = this.subscriber.a.medias[i]!
      return media.forwarder(media.codecs.find((codec) => codec.name === name)!.pt)
    })
    this.sound = sound!
    this.picture = picture!
    const pairs = [...publishers.map(({ pair }) => pair), this.subscriber.pair]
    const latest = Math.max(...pairs.map(({ now }) => now))
    for (const pair of pairs) pair.runFor(latest - pair.now)
  }

  get now(): Instant {
    return this.subscriber.pair.now
  }

  run(milliseconds: number): void {
    for (let at = 0; at < milliseconds; at += STEP) {
      for (const one of this.publishers) {
        one.pair.runFor(STEP)
        for (const packet of one.packets()) (packet.mid === AUDIO ? this.sound : this.picture).forward(packet)
      }
      this.subscriber.pair.runFor(STEP)
    }
  }

  /** Lets all publish for a while. */
  publish(milliseconds: number, captured = this.publishers): void {
    for (let at = 0; at < milliseconds; at += 20) {
      for (const one of captured) one.capture(this.capturedAt.length)
      this.capturedAt.push(this.now)
      this.run(20)
    }
  }

  /** What the subscriber makes of what it got: how much later than it was captured it says that each was, in milliseconds, by the index. */
  shown(mid: string): { readonly index: number; readonly late: number | undefined; readonly time: number }[] {
    return eventsOf(this.subscriber.pair.b.events, 'mediaData')
      .filter((data) => data.mid === mid)
      .map(({ data, captureTime, time }) => {
        const at = mid === AUDIO ? 1 : 6
        const index = (data[at]! << 8) | data[at + 1]!
        const late = captureTime === undefined ? undefined : captureTime - this.capturedAt[index]!
        return { index, late, time: (1000 * time.value) / time.clockRate }
      })
  }

  /** How much later the subscriber takes the picture to be than the sound of the same time, over all from `from` on. */
  skews(from: number): number[] {
    const sound = new Map(this.shown(AUDIO).map(({ index, late }) => [index, late]))
    return this.shown(VIDEO)
      .filter(({ index, late }) => index >= from && late !== undefined && sound.get(index) !== undefined)
      .map(({ index, late }) => late! - sound.get(index)!)
  }
}

const largest = (values: readonly number[]): number => Math.max(...values.map(Math.abs))
const steps = (values: readonly number[]): number[] =>
  values.slice(1).map((value, i) => Math.abs(value - values[i]!))

function expectRising(stage: Stage): void {
  const times = stage.shown(VIDEO).map(({ time }) => time)
  for (let i = 1; i < times.length; i++) {
    expect(times[i]).toBeGreaterThan(times[i - 1]!)
    expect(times[i]! - times[i - 1]!).toBeLessThan(120)
  }
}

describe('sender reports of forwarded streams', () => {
  it.each([0, -3_600_000, 40_000_000])(
    'keep sound and picture together that came by ways of different lengths (the publisher is %s ms off)',
    (off) => {
      const one = publisher(1, 200, { wallClock: { now: 0, unixTime: DAY + off } })
      const stage = new Stage([one])
      stage.sound.select(one.sound)
      stage.picture.select(one.high)
      stage.publish(8000)
      stage.run(500)
      // from the first half second on
      const skews = stage.skews(25)
      expect(skews.length).toBeGreaterThan(370)
      expect(largest(skews)).toBeLessThan(5)
      expect(
        largest(
          steps(
            stage
              .shown(VIDEO)
              .slice(25)
              .map(({ late }) => late!),
          ),
        ),
      ).toBeLessThan(5)
    },
  )

  it('stay true over switches between encodings of one publisher', () => {
    const one = publisher(2, 30, { wallClock: { now: 0, unixTime: DAY } })
    const stage = new Stage([one])
    stage.sound.select(one.sound)
    for (const ssrc of [one.low, one.high, one.low, one.high]) {
      stage.picture.select(ssrc)
      stage.publish(3000)
    }
    stage.run(500)
    expect(stage.picture.statistics.switches).toBe(4)
    const skews = stage.skews(25)
    // where the slower one joins, what was captured before the picture that was shown last comes after it all the same
    expect(largest(skews)).toBeLessThan(45)
    expect(skews.filter((skew) => Math.abs(skew) > 5).length).toBeLessThan(40)
    expectRising(stage)
  })

  it('stay in one clock over switches to a publisher whose clock is another', () => {
    const clocks = [DAY, DAY - 7_200_000]
    const both = clocks.map((unixTime, i) => publisher(3 + i, 0, { wallClock: { now: 0, unixTime } }))
    const stage = new Stage(both)
    stage.sound.select(both[0]!.sound)
    for (const i of [0, 1, 0, 1]) {
      stage.picture.select(both[i]!.high)
      stage.publish(3000)
    }
    stage.run(500)
    expect(stage.picture.statistics.switches).toBe(4)
    // as far off as the first report of the one was longer under way than that of the other
    expect(largest(stage.skews(25))).toBeLessThan(30)
    expectRising(stage)
  })

  it('say when packets came, of a source that has not reported', () => {
    const one = publisher(5, 200, { wallClock: { now: 0, unixTime: DAY } })
    const stage = new Stage([one])
    one.pair.aToB.configure(one.pair.now, { latency: 20, jitter: 0 })
    stage.sound.select(one.sound)
    stage.picture.select(one.high)
    one.peer.isSilent = true
    stage.publish(4000)
    stage.run(500)
    const skews = stage.skews(100)
    expect(skews.length).toBeGreaterThan(90)
    for (const skew of skews) expect(Math.abs(skew - 200)).toBeLessThan(15)
  })
})
