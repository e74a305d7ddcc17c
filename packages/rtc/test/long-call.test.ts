import { nativeCrypto } from '@str0m/crypto'
import { type LinkOptions, Pair } from '@str0m/netem'
import { type Instant, SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Candidate, Rtc, type RtcEvent, type RtcOptions } from '../src/index.ts'
import { PEER_ADDRESS, received, RTC_ADDRESS } from './harness.ts'

const HOUR = 3_600_000
const FRAME_INTERVAL = 40
/** 7 February 2036, 06:28:16 UTC: the seconds of NTP start again (RFC 5905 section 6). */
const NTP_ERA_1 = 2_085_978_496_000
/** The source's clock is fast by so much. */
const DRIFT = 1.0001
const NO_LIMIT = 20_000_000

/** What is not to happen in a call that goes on. */
const ENDINGS: ReadonlySet<RtcEvent['type']> = new Set(['closed', 'channelClose', 'iceConnectionStateChange'])

function byMid<T extends { readonly mid: string }>(streams: readonly T[]): T[] {
  return streams.toSorted((x, y) => (x.mid < y.mid ? -1 : 1))
}

/** The events so far, which the pair would keep for good: there are many. */
function takeAll<T>(events: readonly T[]): readonly T[] {
  return (events as T[]).splice(0)
}

/** Random but for the draws of eight bytes: sequence numbers and TSNs start 16 below their end, timestamps some seconds. */
function highNumbers(seed: number) {
  const random = new SeededRandom(seed)
  return nativeCrypto({
    random: (bytes) => {
      random.fill(bytes)
      if (bytes.length === 8) bytes.set([0xff, 0xf0, 0xff, 0xf0, 0xff, 0xff, 0xff, 0xf0])
    },
  })
}

/** Sound, pictures and messages from a to b, and what came of them. All times in ms. */
class LongCall {
  readonly a: Rtc
  readonly b: Rtc
  readonly pair: Pair<Rtc>
  readonly #seed: number
  readonly #start: Instant
  readonly #unixTime: number
  #written = { '0': 0, '1': 0, messages: 0 }
  #wantsKeyframe = true
  readonly came: Record<
    string,
    { frames: number; lastTime: number; readonly firstTime: number; readonly since: number }
  > = {}
  messages = 0
  /** The farthest that a frame's time, and its time of capture, were off. */
  worst = { time: 0, capture: 0 }
  /** The lowest and the highest round trip in the statistics, seconds. */
  roundTrip = [Infinity, 0] as [number, number]
  /** What should not happen. */
  readonly faults: string[] = []

  constructor(seed: number, link: LinkOptions, options: RtcOptions, start: Instant, unixTime: number) {
    const wallClock = { now: start, unixTime }
    this.#seed = seed
    this.#start = start
    this.#unixTime = unixTime
    this.a = new Rtc({ crypto: highNumbers(2 * seed), wallClock, ...options })
    this.b = new Rtc({ crypto: highNumbers(2 * seed + 1), wallClock, ...options })
    this.a.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
    this.b.addLocalCandidate(Candidate.host(PEER_ADDRESS, 'udp'))
    const change = this.a.createOffer()
    change.addMedia('audio')
    change.addMedia('video')
    const channel = change.addChannel('chat')
    const answer = this.b.acceptOffer(change.apply())
    this.a.pendingChanges()!.acceptAnswer(answer)
    this.pair = new Pair(this.a, this.b, { seed, link, start, receive: received })
    this.pair.runUntil(() => this.a.channel(channel)?.state === 'open' && this.b.connected)
    takeAll(this.pair.a.events)
    takeAll(this.pair.b.events)
  }

  get written(): Readonly<Record<'0' | '1' | 'messages', number>> {
    return this.#written
  }

  /** Two frames of sound for each picture, which has so many bytes. */
  talk(duration: number, pictureBytes: number): void {
    for (const end = this.pair.now + duration; this.pair.now < end;) {
      this.a.handleInput({ kind: 'timeout', now: this.pair.now })
      this.#write('1', pictureBytes)
      for (let i = 0; i < 2; i++) {
        this.a.handleInput({ kind: 'timeout', now: this.pair.now })
        this.#write('0', 80)
        this.pair.runFor(FRAME_INTERVAL / 2)
      }
      if (this.#written['1'] % 25 === 0 && this.a.channels[0]!.write('-'.repeat(2000)))
        this.#written.messages++
      this.#take()
    }
  }

  /** Nothing is sent. Answers how often the two were woken. */
  rest(duration: number): number {
    const before = this.pair.a.wakeUps + this.pair.b.wakeUps
    this.pair.runFor(duration)
    this.#take()
    return this.pair.a.wakeUps + this.pair.b.wakeUps - before
  }

  #write(mid: '0' | '1', bytes: number): void {
    const media = this.a.media(mid)!
    const codec = media.codecs.find(({ name }) => name === (mid === '0' ? 'opus' : 'VP8'))!
    const { clockRate } = codec
    const keyframe = mid === '1' && this.#wantsKeyframe
    const frame = new Uint8Array(bytes)
    if (mid === '1') {
      frame[0] = keyframe ? 0x10 : 0x11
      this.#wantsKeyframe = false
    }
    const value = Math.round(((this.pair.now - this.#start) * DRIFT * clockRate) / 1000)
    if (media.writer(codec.pt).write({ value, clockRate }, frame, { keyframe })) this.#written[mid]++
    else this.#fault(`a frame of "${mid}" was not sent`)
  }

  #take(): void {
    for (const { event } of takeAll(this.pair.a.events)) {
      if (event.type === 'keyframeRequest') this.#wantsKeyframe = true
      else if (ENDINGS.has(event.type)) this.#fault(`a: ${event.type}`)
    }
    for (const { event } of takeAll(this.pair.b.events)) {
      if (event.type === 'channelData') this.messages++
      else if (ENDINGS.has(event.type)) this.#fault(`b: ${event.type}`)
      if (event.type !== 'mediaData') continue
      const { mid, time, receivedAt, captureTime } = event
      const since = (1000 * time.value) / time.clockRate - (receivedAt - this.#start) * DRIFT
      const came = (this.came[mid] ??= { frames: 0, lastTime: -1, firstTime: time.value, since })
      came.frames++
      this.worst.time = Math.max(this.worst.time, Math.abs(since - came.since))
      if (time.value <= came.lastTime) this.#fault(`"${mid}" goes back to ${time.value}`)
      came.lastTime = time.value
      if (captureTime === undefined) continue
      const late = this.#unixTime + (receivedAt - this.#start) - captureTime
      this.worst.capture = Math.max(this.worst.capture, Math.abs(late))
    }
    for (const { roundTripTime } of this.a.statistics.outbound) {
      if (roundTripTime === undefined) continue
      this.roundTrip[0] = Math.min(this.roundTrip[0], roundTripTime)
      this.roundTrip[1] = Math.max(this.roundTrip[1], roundTripTime)
    }
  }

  /** As both ends have it now, seconds. */
  get jitters(): number[] {
    return [...this.b.statistics.inbound, ...this.a.statistics.outbound].map(({ jitter }) => jitter)
  }

  #fault(what: string): void {
    this.faults.push(`seed ${this.#seed}, at ${this.pair.now - this.#start} ms: ${what}`)
  }
}

describe('a long call', () => {
  it.each(['always', 'rfc8888'] as const)('wrap: of all its numbers (%s)', (transportFeedback) => {
    // transport-wide numbers start from 0: they have to be used up
    const pictureBytes = 15_000
    const duration = 190_000
    const link = { latency: 20, jitter: 3, loss: 0.015 }
    const bandwidthEstimation = { initialBitrate: NO_LIMIT }
    // NTP and 32 bits of milliseconds end in the middle of it, on a clock with fractions
    const options: RtcOptions = { transportFeedback, bandwidthEstimation }
    const call = new LongCall(7, link, options, 1e12 + 0.37, NTP_ERA_1 - 60_000)
    const half = duration / 2
    call.talk(half, pictureBytes)
    const before = byMid(call.a.statistics.outbound)
    call.talk(half, pictureBytes)
    call.rest(3000)
    expect(call.faults).toEqual([])
    // that they began where they were to
    for (const { firstTime } of Object.values(call.came)) expect(firstTime).toBeGreaterThan(0xfff0_0000)
    const inbound = byMid(call.b.statistics.inbound)
    const outbound = byMid(call.a.statistics.outbound)
    const bandwidth = call.a.statistics.bandwidth!
    // sound: what was lost is, and no more. Pictures and messages: all of them
    expect(call.came['0']!.frames + inbound[0]!.packetsLost).toBe(call.written['0'])
    expect(call.came['1']!.frames).toBe(call.written['1'])
    expect(call.messages).toBe(call.written.messages)
    const sent = outbound.map(({ packetsSent }) => packetsSent)
    if (transportFeedback === 'always') expect(sent[0]! + sent[1]!).toBeGreaterThan(0x1_0000)
    expect(outbound[1]!.retransmittedPacketsSent).toBeGreaterThan(500)
    for (const { packetsLost, packetsReceived, retransmittedPacketsReceived } of inbound) {
      const share = packetsLost / (packetsReceived - retransmittedPacketsReceived)
      expect(share).toBeGreaterThan(0.01)
      expect(share).toBeLessThan(0.02)
    }
    expect(Object.values(call.b.statistics.dropped).filter((count) => count > 0)).toEqual([])
    expect(Object.values(call.b.statistics.srtpReceived!.dropped).filter((count) => count > 0)).toEqual([])
    expect(bandwidth.feedbackIgnored).toBe(0)
    expect(bandwidth.availableOutgoingBitrate).toBeGreaterThan(4_000_000)
    expect(bandwidth.packetsAcknowledged + bandwidth.packetsLost).toBeGreaterThan(
      0.99 * (sent[0]! + sent[1]!),
    )
    // where a packet came again, it was late by a round trip and a bit
    expect(call.worst.time).toBeLessThan(250)
    expect(call.worst.capture).toBeLessThan(250)
    expect(call.roundTrip[0]).toBeGreaterThan(0.039)
    expect(call.roundTrip[1]).toBeLessThan(0.05)
    expect(Math.max(...call.jitters)).toBeLessThan(0.01)
    outbound.forEach(({ roundTripTimeMeasurements, totalRoundTripTime }, i) => {
      const measured = roundTripTimeMeasurements - before[i]!.roundTripTimeMeasurements
      expect(measured).toBeGreaterThan(half / 2000)
      expect((totalRoundTripTime - before[i]!.totalRoundTripTime) / measured).toBeLessThan(0.05)
    })
  })

  it.each(['always', 'rfc8888'] as const)('wrap: of times, in hours of silence (%s)', (transportFeedback) => {
    const options: RtcOptions = { transportFeedback, bandwidthEstimation: {} }
    const call = new LongCall(8, { latency: 20 }, options, 0, 2 ** 31 * 1000 - 10 * HOUR)
    call.talk(5000, 2000)
    const bitrate = call.a.statistics.bandwidth!.availableOutgoingBitrate
    // half a cycle: 6.6 hours of pictures, 12.4 of sound; of the delay in reports, 18.2 hours
    for (const hours of [5, 7, 13, 19, 27]) {
      const wakeUps = call.rest(hours * HOUR)
      // a request for consent and an answer every five seconds, a heartbeat of the association in a minute
      expect(wakeUps / hours, `${hours} hours`).toBeLessThan(2 * 850)
      call.talk(3000, 2000)
      expect(call.a.statistics.bandwidth!.availableOutgoingBitrate).toBeGreaterThan(0.7 * bitrate)
    }
    call.rest(1000)
    expect(call.faults).toEqual([])
    expect(Object.values(call.came).map(({ frames }) => frames)).toEqual([
      call.written['0'],
      call.written['1'],
    ])
    expect(call.messages).toBe(call.written.messages)
    expect(call.b.statistics.inbound.map(({ packetsLost }) => packetsLost)).toEqual([0, 0])
    expect(call.worst.time).toBeLessThan(60)
    // the source's clock has run off in a silence, by 10 s in a day: the first report has it again
    expect(call.worst.capture).toBeLessThan(20 + 27 * HOUR * (DRIFT - 1) + 100)
    expect(call.roundTrip[0]).toBeGreaterThan(0.039)
    expect(call.roundTrip[1]).toBeLessThan(0.06)
    for (const { totalRoundTripTime, roundTripTimeMeasurements } of call.a.statistics.outbound) {
      expect(roundTripTimeMeasurements).toBeGreaterThan(10)
      expect(totalRoundTripTime / roundTripTimeMeasurements).toBeLessThan(0.06)
    }
    expect(Math.max(...call.jitters)).toBeLessThan(0.01)
  })

  it('comes back from an outage in which more than half of all sequence numbers were used', () => {
    const call = new LongCall(9, { latency: 20 }, {}, 0, 0)
    const pictureBytes = 80_000
    const outage = 22_000
    call.talk(1000, pictureBytes)
    const sent = (): number => byMid(call.a.statistics.outbound)[1]!.packetsSent
    const before = sent()
    for (const way of [call.pair.aToB, call.pair.bToA]) way.addOutage(call.pair.now, call.pair.now + outage)
    call.talk(outage, pictureBytes)
    expect(sent() - before).toBeGreaterThan(0x8000)
    call.talk(2000, pictureBytes)
    const frames = call.came['1']!.frames
    call.talk(2000, pictureBytes)
    expect(call.came['1']!.frames - frames).toBe(2000 / FRAME_INTERVAL)
    expect(call.b.statistics.srtpReceived!.dropped).toMatchObject({ tooOld: 0, authenticationFailed: 0 })
  })
})
