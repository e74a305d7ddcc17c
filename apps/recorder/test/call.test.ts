import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { nativeCrypto } from '@str0m/crypto'
import { Link, type LinkOptions, Pair } from '@str0m/netem'
import { Candidate, Rtc, type RtcInput, type RtcOutput, type Transmit } from '@str0m/rtc'
import { type Instant, SeededRandom } from '@str0m/sans-io'
import { DEFAULT_CODECS } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { PlayableFile, type MediaPacket } from '../src/playable-file.ts'
import { Playback } from '../src/playback.ts'
import { RecordingCall } from '../src/recording-call.ts'
import { h264, vp8 } from './frames.ts'

const LOSSY: LinkOptions = { latency: 30, jitter: 10, loss: 0.1 }
/** In bursts. */
const TORN: LinkOptions = { latency: 30, loss: { degrade: 0.02, recover: 0.1 } }
/** Pictures are 30 ms apart here, so that they and the sound start at the same time now and then. */
const STEP = 10

function seededRtc(seed: number, address: string, codecs = DEFAULT_CODECS): Rtc {
  const wallClock = { now: 0, unixTime: 1_800_000_000_000 }
  const rtc = new Rtc({ crypto: nativeCrypto({ random: new SeededRandom(seed).fill }), codecs, wallClock })
  rtc.addLocalCandidate(Candidate.host(address, 'udp'))
  return rtc
}

function received(now: Instant, { proto, source, destination, contents }: Transmit) {
  return { kind: 'receive', now, proto, source, destination, contents } as const
}

/** A peer whose packets of one payload type take a way of their own before the common one. */
class Detour {
  readonly rtc: Rtc
  readonly #payloadType: number
  readonly #way: Link<Transmit>
  #now: Instant = 0

  constructor(rtc: Rtc, payloadType: number, seed: number, link: LinkOptions) {
    this.rtc = rtc
    this.#payloadType = payloadType
    this.#way = new Link(seed, link)
  }

  handleInput(input: RtcInput): void {
    this.#now = input.now
    this.rtc.handleInput(input)
  }

  pollOutput(): RtcOutput {
    for (;;) {
      const due = this.#way.poll(this.#now)
      if (due !== undefined) return due
      const output = this.rtc.pollOutput()
      if (output.kind === 'timeout') return { ...output, at: Math.min(output.at, this.#way.nextAt()) }
      if (output.kind === 'event' || !this.#detours(output.contents)) return output
      this.#way.send(this.#now, output)
    }
  }

  #detours([first = 0, second = 0]: Uint8Array): boolean {
    return first >> 6 === 2 && (second & 0x7f) === this.#payloadType
  }
}

interface Sent {
  readonly video: Uint8Array[]
  readonly audio: Uint8Array[]
  /** When each was captured, ms. */
  readonly videoAt: number[]
  readonly audioAt: number[]
}

/** A call in virtual time, which sends synthetic frames to a `RecordingCall`. */
async function recordedCall(
  seed: number,
  link: LinkOptions,
  codec: 'VP8' | 'H264',
  detour: { readonly name: string; readonly link: LinkOptions } = { name: '', link: {} },
) {
  const directory = scratchDirectory()
  const a = seededRtc(
    2 * seed,
    '192.0.2.1:5000',
    DEFAULT_CODECS.filter(({ name }) => name === codec || name === 'opus'),
  )
  const change = a.createOffer()
  change.addMedia('audio', 'sendonly')
  change.addMedia('video', 'sendonly')
  const call = new RecordingCall(
    change.apply(),
    join(directory, 'call'),
    (codecs) => seededRtc(2 * seed + 1, '192.0.2.2:6000', [...codecs]),
    (error) => {
      throw error ?? new Error('full')
    },
  )
  a.pendingChanges()!.acceptAnswer(call.answer)
  const detoured = a.medias.flatMap(({ codecs }) => codecs).find(({ name }) => name === detour.name)
  const machine = new Detour(a, detoured?.sendPt ?? -1, seed, detour.link)
  const pair = new Pair(machine, call.rtc, { seed, aToB: link, bToA: { latency: 30 }, receive: received })
  let taken = { a: 0, b: 0 }
  let keyframeWanted = true
  /** Hands on what happened since the last time. */
  const events = (): void => {
    for (const { event } of pair.b.events.slice(taken.b)) call.handleEvent(event)
    for (const { event } of pair.a.events.slice(taken.a)) keyframeWanted ||= event.type === 'keyframeRequest'
    taken = { a: pair.a.events.length, b: pair.b.events.length }
  }
  pair.runUntil(() => a.connected && call.rtc.connected)
  const sent: Sent = { video: [], audio: [], videoAt: [], audioAt: [] }
  const random = new SeededRandom(seed)
  const writer = (mid: string, name: string) => {
    const media = a.media(mid)!
    return media.writer(media.codecs.find((known) => known.name === name)!.pt)
  }
  /** Sends for so long; the picture is of this size from now on. */
  const send = (milliseconds: number, size: readonly [number, number]): void => {
    const end = pair.now + milliseconds
    while (pair.now < end) {
      const ms = Math.round(pair.now / STEP) * STEP
      machine.handleInput({ kind: 'timeout', now: pair.now })
      if (ms % 20 === 0) {
        const packet = Uint8Array.of(0xfc, sent.audio.length, sent.audio.length >> 8)
        sent.audio.push(packet)
        sent.audioAt.push(ms)
        writer('0', 'opus').write({ value: ms * 48, clockRate: 48_000 }, packet)
      }
      if (ms % 30 === 0) {
        const length = 100 + random.integer(4000)
        const frame =
          codec === 'VP8' ? vp8(length, keyframeWanted ? size : undefined) : h264(length, keyframeWanted)
        sent.video.push(frame)
        sent.videoAt.push(ms)
        writer('1', codec).write({ value: ms * 90, clockRate: 90_000 }, frame, { keyframe: keyframeWanted })
        keyframeWanted = false
      }
      pair.runFor(STEP)
      events()
    }
  }
  const requestKeyframe = (): void => {
    keyframeWanted = true
  }
  return { a, call, pair, send, sent, events, requestKeyframe, directory }
}

async function packetsOf(path: string): Promise<MediaPacket[]> {
  const file = await PlayableFile.open(path)
  const packets: MediaPacket[] = []
  for await (const packet of file.packetsFrom(await file.firstTime())) packets.push(packet)
  file.close()
  return packets
}

const ofKind = (packets: readonly MediaPacket[], kind: 'audio' | 'video') =>
  packets.filter((packet) => packet.kind === kind)

function expectRising(packets: readonly MediaPacket[]): void {
  for (let i = 1; i < packets.length; i++) expect(packets[i]!.time).toBeGreaterThan(packets[i - 1]!.time)
}

describe.each([
  ['VP8', 'call.webm'],
  ['H264', 'call.mp4'],
] as const)('a call in %s and Opus', (codec, name) => {
  it.each([1, 2, 3])(
    'over a way that loses a tenth: all video arrives, and is in the file (seed %i)',
    async (seed) => {
      const { call, send, sent, pair, events, directory } = await recordedCall(seed, LOSSY, codec)
      // nobody would know of a loss at the very start, nor at the very end
      pair.aToB.configure(pair.now, { ...LOSSY, loss: 0 })
      send(60, [640, 480])
      pair.aToB.configure(pair.now, LOSSY)
      send(9740, [640, 480])
      pair.aToB.configure(pair.now, { ...LOSSY, loss: 0 })
      send(200, [640, 480])
      pair.runFor(2000)
      events()
      const path = await call.finish()
      expect(path).toBe(join(directory, name))
      expect(await readdir(directory)).toEqual([name])
      const packets = await packetsOf(path!)
      const video = ofKind(packets, 'video')
      const audio = ofKind(packets, 'audio')
      const { videoFrames, audioPackets, undecodable } = call.statistics
      expect([video.length, audio.length]).toEqual([videoFrames, audioPackets])
      expect(undecodable).toBe(0)
      expect(videoFrames).toBe(sent.video.length)
      expect(video.map(({ data }) => Buffer.from(data).toString('hex'))).toEqual(
        sent.video.map((data) => Buffer.from(data).toString('hex')),
      )
      expectRising(video)
      expectRising(audio)
      // what was lost of the sound is a gap: what came is where it belongs
      for (const { data, time } of audio) {
        const at = 20 * (data[1]! + 256 * data[2]!)
        const first = 20 * (audio[0]!.data[1]! + 256 * audio[0]!.data[2]!)
        expect(time * 1000).toBeCloseTo(audio[0]!.time * 1000 + at - first, -1)
      }
      expect(video.at(-1)!.time).toBeCloseTo(((sent.video.length - 1) * 30) / 1000, 2)
    },
  )

  it.each([4, 5])(
    'over a way that is torn: what cannot be decoded is left out, until a keyframe (seed %i)',
    async (seed) => {
      const { call, send, sent, pair, events } = await recordedCall(seed, TORN, codec)
      send(10_000, [640, 480])
      // nothing for longer than packets are kept to be sent again
      pair.aToB.addOutage(pair.now, pair.now + 4000)
      send(8000, [320, 240])
      pair.runFor(2000)
      events()
      const packets = await packetsOf((await call.finish())!)
      const video = ofKind(packets, 'video')
      expect(video.length).toBe(call.statistics.videoFrames)
      expect(video.length).toBeLessThan(sent.video.length - 30)
      expect(video.length).toBeGreaterThan(0.6 * sent.video.length)
      expect(call.statistics.undecodable).toBeGreaterThan(0)
      const gap = Math.max(...video.slice(1).map(({ time }, i) => time - video[i]!.time))
      expect(gap).toBeGreaterThan(3)
      expect(gap).toBeLessThan(7)
      expect(video[0]!.keyframe).toBe(true)
      expectRising(video)
      expectRising(ofKind(packets, 'audio'))
    },
  )
})

describe('lip sync', () => {
  it.each([
    ['opus', 300, 11],
    ['opus', 1200, 12],
    ['VP8', 300, 13],
    ['VP8', 1200, 14],
  ])(
    '%s takes a way that is %i ms longer: the file’s offset is less than 40 ms',
    async (name, latency, seed) => {
      const detour = { name, link: { latency, jitter: 10 } }
      const { call, send, sent, pair, events } = await recordedCall(
        seed,
        { latency: 30, jitter: 10 },
        'VP8',
        detour,
      )
      send(8000, [640, 480])
      pair.runFor(2000)
      events()
      const packets = await packetsOf((await call.finish())!)
      // when the file has each frame, less when it was captured
      const heard = ofKind(packets, 'audio').map(
        ({ data, time }) => time * 1000 - sent.audioAt[data[1]! + 256 * data[2]!]!,
      )
      const seen = ofKind(packets, 'video').map(({ time }, i) => time * 1000 - sent.videoAt[i]!)
      expect(heard.length).toBeGreaterThan(395)
      expect(seen.length).toBe(sent.video.length)
      // all of the file, from its first frame on
      for (const offset of heard) expect(Math.abs(offset - seen[0]!)).toBeLessThan(40)
      for (const offset of seen) expect(Math.abs(offset - seen[0]!)).toBeLessThan(2)
    },
  )
})

describe('a file that was recorded', () => {
  it('is sent as it is: each frame, in order and in its time', async () => {
    const { call, send, pair, events } = await recordedCall(6, LOSSY, 'H264')
    send(6000, [640, 480])
    pair.runFor(2000)
    events()
    const path = (await call.finish())!
    const packets = await packetsOf(path)

    const [a, b] = [seededRtc(100, '192.0.2.1:5000'), seededRtc(101, '192.0.2.2:6000')]
    const change = a.createOffer()
    change.addMedia('audio', 'sendonly')
    change.addMedia('video', 'sendonly')
    const answer = b.acceptOffer(change.apply())
    a.pendingChanges()!.acceptAnswer(answer)
    const way = new Pair(a, b, { seed: 7, link: LOSSY, receive: received })
    way.runUntil(() => a.connected && b.connected)
    const file = await PlayableFile.open(path)
    const pts = { audio: ptOf(a, '0', 'opus'), video: ptOf(a, '1', 'H264') }
    const playback = new Playback({
      source: file,
      from: await file.firstTime(),
      send: ({ kind, data }, time) => {
        const clockRate = kind === 'audio' ? 48_000 : 90_000
        const value = Math.round(time * clockRate)
        a.media(kind === 'audio' ? '0' : '1')!
          .writer(pts[kind])
          .write({ value, clockRate }, data)
      },
    })
    const start = way.now
    while (!playback.ended) {
      await playback.fill(way.now)
      a.handleInput({ kind: 'timeout', now: way.now })
      const at = playback.advance(way.now)
      if (at !== Infinity) way.runFor(Math.max(0.01, at - way.now))
    }
    const span = packets.at(-1)!.time - packets[0]!.time
    expect((way.now - start) / 1000).toBeCloseTo(span, 1)
    way.runFor(2000)
    file.close()

    const frames = way.b.events.map(({ event }) => event).filter((event) => event.type === 'mediaData')
    const video = frames.filter(({ codec }) => codec.kind === 'video')
    const written = ofKind(packets, 'video')
    // nothing comes after the last one by which its loss would be known
    expect(video.length).toBeGreaterThanOrEqual(written.length - 1)
    expect(video.map(({ data }) => data)).toEqual(written.slice(0, video.length).map(({ data }) => data))
    for (const [i, { time }] of video.entries()) {
      const steps = (time.value - video[0]!.time.value) / 90_000
      expect(steps).toBeCloseTo(written[i]!.time - written[0]!.time, 3)
    }
    expect(playback.sent).toBe(packets.length)
  })
})

function ptOf(rtc: Rtc, mid: string, name: string): number {
  return rtc.media(mid)!.codecs.find((codec) => codec.name === name)!.pt
}
