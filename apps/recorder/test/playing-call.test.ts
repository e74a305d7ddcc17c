import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { untilMet } from '@str0m/demo-kit/browsers'
import { Candidate, type MediaData, Rtc, type RtcEvent } from '@str0m/rtc'
import { DEFAULT_CODECS } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { FileWriter } from '../src/file-writer.ts'
import { PlayableFile } from '../src/playable-file.ts'
import { PlayingCall } from '../src/playing-call.ts'
import { h264 } from './frames.ts'

const MILLISECONDS = 800

/** A short film: 25 pictures a second, of which the first is a keyframe, and sound. */
async function film(): Promise<PlayableFile> {
  const writer = new FileWriter(join(scratchDirectory(), 'film'), () => {})
  const video = { codec: 'avc', codecString: 'avc1.42c00d', width: 320, height: 240 } as const
  writer.start({ video, audio: true })
  for (let ms = 0; ms < MILLISECONDS; ms += 20) {
    const time = ms / 1000
    if (ms % 40 === 0) {
      const keyframe = ms === 0
      writer.write({ kind: 'video', data: h264(50 + ms, keyframe), time, duration: 0.04, keyframe })
    }
    // one is larger than a datagram, which no packet of sound may be
    const data = new Uint8Array(ms === 400 ? 3000 : 20).fill(0xfc)
    writer.write({ kind: 'audio', data, time, duration: 0.02, keyframe: true })
  }
  return PlayableFile.open((await writer.finish())!)
}

/** One who watches, in the same process, whose datagrams need no time. */
class Watcher {
  readonly rtc = new Rtc()
  readonly frames: MediaData[] = []
  readonly offer: string
  #call: PlayingCall | undefined
  #timer: NodeJS.Timeout | undefined
  onFrame: (frame: MediaData) => void = () => {}
  ended = false

  constructor(kinds: readonly ('audio' | 'video')[]) {
    this.rtc.addLocalCandidate(Candidate.host('192.0.2.2:6000', 'udp'))
    const change = this.rtc.createOffer()
    for (const kind of kinds) change.addMedia(kind, 'recvonly')
    this.offer = change.apply().sdp
  }

  watch(file: PlayableFile, loop = false): PlayingCall {
    const call = new PlayingCall(
      { type: 'offer', sdp: this.offer },
      file,
      loop,
      (codecs) => {
        const rtc = new Rtc({ codecs })
        rtc.addLocalCandidate(Candidate.host('192.0.2.1:5000', 'udp'))
        return rtc
      },
      {
        tell: (rtc) => rtc.handleInput({ kind: 'timeout', now: performance.now() }),
        changed: () => this.run(),
      },
    )
    this.#call = call
    this.rtc.pendingChanges()!.acceptAnswer(call.answer)
    this.run()
    return call
  }

  run(): void {
    const call = this.#call!
    clearTimeout(this.#timer)
    let at = 0
    for (let quiet = 0; quiet < 2;) {
      const [ours, theirs] = [this.#drain(this.rtc, call.rtc), this.#drain(call.rtc, this.rtc)]
      at = Math.min(ours, theirs)
      quiet = at > performance.now() ? quiet + 1 : 0
      for (const rtc of [this.rtc, call.rtc]) rtc.handleInput({ kind: 'timeout', now: performance.now() })
    }
    if (at === Infinity) return
    this.#timer = setTimeout(() => this.run(), Math.ceil(at - performance.now()))
  }

  #drain(rtc: Rtc, other: Rtc): number {
    for (;;) {
      const output = rtc.pollOutput()
      if (output.kind === 'timeout') return output.at
      if (output.kind === 'transmit')
        other.handleInput({ ...output, kind: 'receive', now: performance.now() })
      else this.#handle(rtc, output.event)
    }
  }

  #handle(rtc: Rtc, event: RtcEvent): void {
    if (rtc !== this.rtc) this.#call!.handleEvent(event)
    if (event.type === 'closed') this.ended = true
    if (rtc !== this.rtc || event.type !== 'mediaData') return
    this.frames.push(event)
    this.onFrame(event)
  }

  ofKind(kind: 'audio' | 'video'): MediaData[] {
    return this.frames.filter(({ codec }) => codec.kind === kind)
  }
}

/** Waits for what comes in its own time. Answers the longest time for which this process stood still meanwhile, ms. */
async function until(condition: () => boolean, what: string): Promise<number> {
  const delay = monitorEventLoopDelay()
  delay.enable()
  await untilMet(condition, (met) => met, what)
  delay.disable()
  return delay.max / 1e6
}

describe('a call that a film is played into', { timeout: 300_000 }, () => {
  it('gets all of it in its time, and then ends', async () => {
    const watcher = new Watcher(['audio', 'video'])
    const call = watcher.watch(await film())
    const stall = await until(() => watcher.ended, 'the end')
    const video = watcher.ofKind('video')
    expect(video).toHaveLength(MILLISECONDS / 40)
    expect(watcher.ofKind('audio')).toHaveLength(MILLISECONDS / 20 - 1)
    expect(video.every(({ contiguous }) => contiguous)).toBe(true)
    expect(video[0]!.codec.parameters.get('profile-level-id')?.slice(0, 2)).toBe('42')
    const span = video.at(-1)!.receivedAt - video[0]!.receivedAt
    // the first or the last may have come late on a machine that is busy with others
    expect(span).toBeGreaterThan(MILLISECONDS - 200 - stall)
    expect(span).toBeLessThan(2 * MILLISECONDS + stall)
    expect(call.statistics).toMatchObject({ sent: 60, refused: 1, jumps: 0, plis: 0 })
  })

  it('plays a keyframe again that is asked for', async () => {
    const watcher = new Watcher(['video'])
    let asked = false
    watcher.onFrame = ({ mid }) => {
      if (asked || watcher.frames.length < 18) return
      asked = watcher.rtc.media(mid)!.requestKeyframe()
    }
    const call = watcher.watch(await film())
    await until(() => watcher.ended, 'the end')
    expect(call.statistics).toMatchObject({ jumps: 1, plis: 1 })
    expect(watcher.frames.filter(({ keyframe }) => keyframe)).toHaveLength(2)
    expect(watcher.frames.length).toBeGreaterThan(30)
  })

  it('goes on from the start where it is told to, until the other side hangs up', async () => {
    const watcher = new Watcher(['video', 'audio'])
    watcher.watch(await film(), true)
    await until(() => watcher.ofKind('video').length > 25, 'more than the film has')
    watcher.rtc.close()
    watcher.run()
    await until(() => watcher.ended, 'the end')
    const video = watcher.ofKind('video').slice(0, 26)
    expect(video.filter(({ keyframe }) => keyframe)).toHaveLength(2)
  })

  it('is refused where the offer does not take what the film has', async () => {
    const refused = expect.objectContaining({ code: 'not-playable' })
    const file = await film()
    const sound = new Watcher(['audio'])
    expect(() => sound.watch(file)).toThrow(refused)
    const without = DEFAULT_CODECS.filter(({ name }) => name !== 'H264')
    const other = new Rtc({ codecs: without })
    const change = other.createOffer()
    change.addMedia('video', 'recvonly')
    const drive = { tell: () => {}, changed: () => {} }
    expect(
      () => new PlayingCall(change.apply(), file, false, (codecs) => new Rtc({ codecs }), drive),
    ).toThrow(refused)
    file.close()
  })
})
