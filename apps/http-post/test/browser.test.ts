import { execFileSync, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { MediaData } from '@str0m/rtc'
import { vp8KeyframeSize } from '@str0m/rtp'
import {
  type BrowserName,
  call,
  findBrowser,
  launch,
  openPage,
  PATIENCE,
  quit,
  readReceived,
  sentSizes,
  stopSending,
  untilMet,
  waitForState,
} from '@str0m/demo-kit/browsers'
import type { Page } from 'puppeteer-core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { BrowserStage } from './browser-stage.ts'
import { ivf, oggOpus } from './containers.ts'
import { until } from './test-server.ts'

/** How much media is watched, in seconds of its own time. */
const WATCH = 10
/** The most pictures a second that a fake camera makes. */
const MAX_RATE = 30
/** RFC 7675 section 5.1, ms: how long consent lasts, and how much later the server may notice. */
const CONSENT_TIME = 30_000
const CONSENT_CHECK = 5000
/** Twenty pages fill a machine by themselves: how long each is waited for beside the others, ms. */
const TWENTY_PATIENCE = 2 * PATIENCE
const hasFfprobe = spawnSync('ffprobe', ['-version']).status === 0

const CODECS: Record<BrowserName, readonly string[]> = {
  chromium: ['VP8', 'VP9', 'H264', 'AV1'],
  firefox: ['VP8', 'VP9', 'AV1'],
}

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(`[browser] ${name}`, { timeout: 400_000 }, () => {
    const stage = BrowserStage.forGroup(name)

    it.each(CODECS[name])('sends %s and Opus, and each frame arrives', async (codec) => {
      const from = stage.server.frames.length
      const address = `${stage.server.address}?codec=${codec}`
      const page = await call(stage.browser, address, ['cam', 'mic'], { watchSizes: true })
      await waitForState(page, 'connected')
      const came = (kind: 'video' | 'audio'): MediaData[] =>
        stage.server.frames.slice(from).flatMap(({ frame }) => (frame.codec.kind === kind ? [frame] : []))
      await until(() => span(came('video')) >= WATCH && span(came('audio')) >= WATCH, `${WATCH} s of media`)
      const figures = await page.$eval('#tracks', (table) => table.textContent)
      const sizes = await sentSizes(page)
      // a busy machine's browser leaves out pictures: each that it sent arrives
      const sent = await stopSending(page)
      const counts = () => ({ frames: came('video').length, sounds: came('audio').length })
      await untilMet(
        counts,
        (now) => now.frames >= sent.frames && now.sounds >= sent.sounds,
        `all of ${JSON.stringify(sent)}`,
      )
      expect(counts()).toEqual(sent)
      await page.close()
      const [video, audio] = [came('video'), came('audio')]

      expect(new Set(video.map((frame) => frame.codec.name))).toEqual(new Set([codec]))
      expect(new Set(audio.map((frame) => frame.codec.name))).toEqual(new Set(['opus']))
      expect(video.every((frame) => frame.contiguous)).toBe(true)
      expect(audio.every((frame) => frame.contiguous)).toBe(true)
      expect(Math.min(...steps(video))).toBeGreaterThan(0)
      expect(video.length).toBeLessThanOrEqual(MAX_RATE * span(video) + 2)
      // each Opus packet holds 20 ms
      expect(new Set(steps(audio))).toEqual(new Set([960]))
      expect(video[0]!.keyframe).toBe(true)
      expect(figures).toContain(codec)
      await checkCodec(codec, video, sizes)
      if (hasFfprobe) await checkOpus(audio)
    })

    it('prints a line for each frame', () => {
      const { frame } = stage.server.frames[0]!
      const text = `MediaData { mid: Mid(${frame.mid}), pt: Pt(${frame.pt}), time: MediaTime(${frame.time.value}, ${frame.time.clockRate}), len: ${frame.data.length} }`
      expect(stage.server.lines.some((line) => line.endsWith(text))).toBe(true)
    })

    it.each(CODECS[name])('hears and sees its echo, in %s and Opus', async (codec) => {
      const page = await call(stage.browser, `${stage.server.address}?codec=${codec}`, ['echo', 'cam', 'mic'])
      await waitForState(page, 'connected')
      const now = await untilMet(
        () => readReceived(page, '#remote'),
        ({ frames, samples, shown }) => frames >= 60 && samples >= 96_000 && shown,
        'two seconds of its echo',
      )
      await page.close()
      expect(now).toMatchObject({ width: 640, height: 480 })
    })

    it('sends the microphone alone', async () => {
      const from = stage.server.frames.length
      const page = await call(stage.browser, stage.server.address, ['mic'])
      await waitForState(page, 'connected')
      await until(() => stage.server.frames.length > from + 20, 'twenty frames')
      await page.close()
      expect(new Set(stage.server.frames.slice(from).map(({ frame }) => frame.codec.kind))).toEqual(
        new Set(['audio']),
      )
    })
  })
}

describe.skipIf(findBrowser('chromium') === undefined)(
  '[browser] chromium with simulcast',
  { timeout: 300_000 },
  () => {
    it('sends three encodings, which are told apart by their rid', async () => {
      const { server, browser } = await BrowserStage.forTest('chromium')
      const page = await openPage(browser, server.address)
      await page.evaluate(sendSimulcast)
      const rids = ['q', 'h', 'f']
      const encoding = (rid: string) => server.frames.filter(({ frame }) => frame.rid === rid)
      await until(() => rids.every((rid) => encoding(rid).length >= 30), 'frames of all three encodings')
      expect(new Set(server.frames.map(({ frame }) => frame.rid))).toEqual(new Set(rids))
      const size = (rid: string): unknown => {
        const keyframe = encoding(rid).find(({ frame }) => frame.keyframe)
        return keyframe && vp8KeyframeSize(keyframe.frame.data)
      }
      expect({ q: size('q'), h: size('h'), f: size('f') }).toEqual({
        q: { width: 320, height: 180 },
        h: { width: 640, height: 360 },
        f: { width: 1280, height: 720 },
      })
    })
  },
)

/** Runs in the page. */
async function sendSimulcast(): Promise<void> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } })
  const peer = new RTCPeerConnection()
  const { sender } = peer.addTransceiver(stream.getVideoTracks()[0]!, {
    direction: 'sendonly',
    sendEncodings: [
      { rid: 'q', scaleResolutionDownBy: 4 },
      { rid: 'h', scaleResolutionDownBy: 2 },
      { rid: 'f' },
    ],
  })
  // a busy machine costs pictures, not their size
  await sender.setParameters({ ...sender.getParameters(), degradationPreference: 'maintain-resolution' })
  await window.kit.call(peer, '/')
}

describe.skipIf(findBrowser('chromium') === undefined)('[browser] many pages', { timeout: 1_200_000 }, () => {
  it('serves twenty at once, and forgets those that vanish within the time of consent', async () => {
    // one browser opens its camera for at most 16 pages; twenty encoders on one machine: one picture a second each
    const options = { fps: 1 }
    const { server, browser } = await BrowserStage.forTest('chromium', options)
    const other = await launch('chromium', options)
    onTestFinished(() => quit(other))
    const browsers = [browser, other]
    const pages: Page[] = []
    for (let i = 0; i < 20; i++) {
      const page = await call(browsers[i % 2]!, server.address, ['cam', 'mic'])
      pages.push(page)
      await waitForState(page, 'connected', TWENTY_PATIENCE)
    }
    const senders = new Set<string>()
    let seen = server.frames.length
    const all = (): number => {
      for (const { peer, frame } of server.frames.slice(seen)) senders.add(`${peer} ${frame.codec.kind}`)
      seen = server.frames.length
      return senders.size
    }
    await untilMet(all, (count) => count === 40, 'sound and pictures of all twenty', TWENTY_PATIENCE)
    expect(server.calls.size).toBe(20)
    // killed, so that no page can say goodbye
    for (const each of browsers) each.process()?.kill('SIGKILL')
    const delay = monitorEventLoopDelay()
    delay.enable()
    await until(() => server.calls.size === 0, 'all peers forgotten', 3 * CONSENT_TIME)
    // what was under way still came, and a machine that is busy runs timers late
    const took = performance.now() - server.frames.at(-1)!.at
    console.log(`All twenty were forgotten ${Math.round(took)} ms after the last frame.`)
    expect(took).toBeLessThan(CONSENT_TIME + CONSENT_CHECK + delay.max / 1e6)
  })
})

function steps(frames: readonly MediaData[]): number[] {
  return frames.slice(1).map((frame, i) => frame.time.value - frames[i]!.time.value)
}

/** From the first frame to the last, in seconds. */
function span(frames: readonly MediaData[]): number {
  if (frames.length === 0) return 0
  return (frames.at(-1)!.time.value - frames[0]!.time.value) / frames[0]!.time.clockRate
}

/** The frames are what the codec says, of a size in which the browser says that it sent them. */
async function checkCodec(
  codec: string,
  frames: readonly MediaData[],
  sizes: readonly string[],
): Promise<void> {
  if (codec === 'VP8') {
    expect(vp8KeyframeSize(frames[0]!.data)).toEqual({ width: 640, height: 480 })
    for (const { data, keyframe } of frames) {
      const size = vp8KeyframeSize(data)
      expect(size !== undefined).toBe(keyframe)
      if (size !== undefined) expect(sizes).toContain(`${size.width}x${size.height}`)
    }
  }
  if (!hasFfprobe) return
  const fourcc = { VP8: 'VP80', VP9: 'VP90', AV1: 'AV01' } as const
  const file =
    codec === 'H264'
      ? Buffer.concat(frames.map(({ data }) => data))
      : ivf(fourcc[codec as keyof typeof fourcc], 640, 480, frames)
  const probed = await probe(file, codec === 'H264' ? 'h264' : 'ivf')
  expect(probed.codec_name).toBe(codec.toLowerCase())
  expect({ width: probed.width, height: probed.height }).toEqual({ width: 640, height: 480 })
  expect(Number(probed.nb_read_frames)).toBe(frames.length)
}

async function checkOpus(frames: readonly MediaData[]): Promise<void> {
  const probed = await probe(oggOpus(frames), 'ogg')
  expect(probed.codec_name).toBe('opus')
  expect(Number(probed.nb_read_packets)).toBe(frames.length)
}

interface Probed {
  codec_name: string
  width?: number
  height?: number
  nb_read_frames: string
  nb_read_packets: string
}

/** What ffprobe says of the only stream, having decoded all of it. */
async function probe(file: Buffer, extension: string): Promise<Probed> {
  const path = join(scratchDirectory(), `frames.${extension}`)
  await writeFile(path, file)
  const args = ['-v', 'error', '-count_frames', '-count_packets', '-show_streams', '-of', 'json', path]
  const { streams } = JSON.parse(execFileSync('ffprobe', args, { encoding: 'utf8' })) as { streams: Probed[] }
  expect(streams).toHaveLength(1)
  return streams[0]!
}
