import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MediaData } from '@str0m/rtc'
import { vp8KeyframeSize } from '@str0m/rtp'
import {
  type BrowserName,
  call,
  findBrowser,
  launch,
  sentSizes,
  waitForState,
} from '@str0m/demo-kit/browsers'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ivf, oggOpus } from './containers.ts'
import { startTestServer, type TestServer, until } from './test-server.ts'

/** How long media is watched, ms. */
const WATCH = 10_000
/** The most that two video frames lie apart, in seconds: the fake camera makes 20 or 30 a second. */
const MAX_VIDEO_GAP = 0.5
/** RFC 7675 section 5.1, ms. */
const CONSENT_TIME = 30_000
const hasFfprobe = spawnSync('ffprobe', ['-version']).status === 0

const CODECS: Record<BrowserName, readonly string[]> = {
  chromium: ['VP8', 'VP9', 'H264', 'AV1'],
  firefox: ['VP8', 'VP9', 'AV1'],
}

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(`[browser] ${name}`, { timeout: 120_000 }, () => {
    let server: TestServer
    let browser: Browser

    beforeAll(async () => {
      server = await startTestServer()
      browser = await launch(name)
    }, 60_000)

    afterAll(async () => {
      await browser?.close()
      await server?.close()
    }, 60_000)

    it.each(CODECS[name])('sends %s and Opus, and each frame arrives', async (codec) => {
      const from = server.frames.length
      const page = await call(browser, `${server.address}?codec=${codec}`, ['cam', 'mic'])
      await waitForState(page, 'connected')
      await until(() => server.frames.length > from, 10_000, 'a first frame')
      await new Promise((resolve) => {
        setTimeout(resolve, WATCH)
      })
      const figures = await page.$eval('#tracks', (table) => table.textContent)
      const sizes = await sentSizes(page)
      await page.close()
      const frames = server.frames.slice(from).map(({ frame }) => frame)
      const video = frames.filter((frame) => frame.codec.kind === 'video')
      const audio = frames.filter((frame) => frame.codec.kind === 'audio')

      expect(new Set(video.map((frame) => frame.codec.name))).toEqual(new Set([codec]))
      expect(new Set(audio.map((frame) => frame.codec.name))).toEqual(new Set(['opus']))
      expect(span(video)).toBeGreaterThan(0.9 * (WATCH / 1000))
      expect(span(audio)).toBeGreaterThan(0.9 * (WATCH / 1000))
      expect(video.every((frame) => frame.contiguous)).toBe(true)
      expect(audio.every((frame) => frame.contiguous)).toBe(true)
      expect(Math.max(...steps(video))).toBeLessThan(MAX_VIDEO_GAP * 90_000)
      // each Opus packet holds 20 ms
      expect(new Set(steps(audio))).toEqual(new Set([960]))
      expect(video[0]!.keyframe).toBe(true)
      expect(figures).toContain(codec)
      await checkCodec(codec, video, sizes)
      if (hasFfprobe) await checkOpus(audio)
    })

    it('prints a line for each frame', () => {
      const { frame } = server.frames[0]!
      const text = `MediaData { mid: Mid(${frame.mid}), pt: Pt(${frame.pt}), time: MediaTime(${frame.time.value}, ${frame.time.clockRate}), len: ${frame.data.length} }`
      expect(server.lines.some((line) => line.endsWith(text))).toBe(true)
    })

    it.each(CODECS[name])('hears and sees its echo, in %s and Opus', async (codec) => {
      const page = await call(browser, `${server.address}?codec=${codec}`, ['echo', 'cam', 'mic'])
      await waitForState(page, 'connected')
      const decoded = (): Promise<Decoded> => page.evaluate(readDecoded)
      const deadline = Date.now() + 20_000
      let now = await decoded()
      while (Date.now() < deadline && !(now.frames >= 60 && now.samples >= 96_000)) {
        await new Promise((resolve) => {
          setTimeout(resolve, 250)
        })
        now = await decoded()
      }
      await page.screenshot({ path: join(server.directory, `echo-${name}-${codec}.png`) })
      await page.close()
      expect(now).toMatchObject({ width: 640, height: 480, shown: true })
      expect(now.frames).toBeGreaterThanOrEqual(60)
      expect(now.samples).toBeGreaterThanOrEqual(96_000)
    })

    it('sends the microphone alone', async () => {
      const from = server.frames.length
      const page = await call(browser, server.address, ['mic'])
      await waitForState(page, 'connected')
      await until(() => server.frames.length > from + 20, 10_000, 'twenty frames')
      await page.close()
      expect(new Set(server.frames.slice(from).map(({ frame }) => frame.codec.kind))).toEqual(
        new Set(['audio']),
      )
    })
  })
}

describe.skipIf(findBrowser('chromium') === undefined)(
  '[browser] chromium with simulcast',
  { timeout: 90_000 },
  () => {
    it('sends three encodings, which are told apart by their rid', async () => {
      const server = await startTestServer()
      const browser = await launch('chromium')
      try {
        const page = await browser.newPage()
        await page.goto(server.address)
        await page.evaluate(sendSimulcast)
        const rids = (): Set<string | undefined> => new Set(server.frames.map(({ frame }) => frame.rid))
        await until(() => rids().size === 3, 60_000, 'frames of all three encodings')
        await new Promise((resolve) => {
          setTimeout(resolve, 2000)
        })
        expect(rids()).toEqual(new Set(['f', 'h', 'q']))
        const size = (rid: string): unknown => {
          const keyframe = server.frames.find(({ frame }) => frame.rid === rid && frame.keyframe)
          return keyframe && vp8KeyframeSize(keyframe.frame.data)
        }
        expect({ q: size('q'), h: size('h'), f: size('f') }).toEqual({
          q: { width: 320, height: 180 },
          h: { width: 640, height: 360 },
          f: { width: 1280, height: 720 },
        })
      } finally {
        await browser.close()
        await server.close()
      }
    })
  },
)

/** Runs in the page. */
async function sendSimulcast(): Promise<void> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } })
  const peer = new RTCPeerConnection()
  Object.assign(window, { simulcast: peer })
  peer.addTransceiver(stream.getVideoTracks()[0]!, {
    direction: 'sendonly',
    sendEncodings: [
      { rid: 'q', scaleResolutionDownBy: 4 },
      { rid: 'h', scaleResolutionDownBy: 2 },
      { rid: 'f' },
    ],
  })
  await peer.setLocalDescription()
  while (peer.iceGatheringState !== 'complete') {
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
  const response = await fetch('/', { method: 'POST', body: JSON.stringify(peer.localDescription) })
  await peer.setRemoteDescription((await response.json()) as RTCSessionDescriptionInit)
}

describe.skipIf(findBrowser('chromium') === undefined)('[browser] many pages', { timeout: 180_000 }, () => {
  it('serves twenty at once, and forgets those that vanish within the time of consent', async () => {
    const server = await startTestServer()
    // one browser opens its camera for at most 16 pages; twenty encoders on one machine: five pictures a second each
    const browsers = await Promise.all([launch('chromium', 5), launch('chromium', 5)])
    try {
      const pages: Page[] = []
      for (let i = 0; i < 20; i++) pages.push(await call(browsers[i % 2]!, server.address, ['cam', 'mic']))
      for (const page of pages) await waitForState(page, 'connected')
      const from = server.frames.length
      await new Promise((resolve) => {
        setTimeout(resolve, 3000)
      })
      const senders = new Set(
        server.frames.slice(from).map(({ peer, frame }) => `${peer} ${frame.codec.kind}`),
      )
      expect(senders.size).toBe(40)
      expect(server.calls.size).toBe(20)
      // killed, so that no page can say goodbye
      for (const browser of browsers) browser.process()?.kill('SIGKILL')
      const vanished = Date.now()
      await until(() => server.calls.size === 0, CONSENT_TIME + 5000, 'all peers forgotten')
      console.log(`All twenty were forgotten ${Date.now() - vanished} ms after they had vanished.`)
    } finally {
      await Promise.all(browsers.map((browser) => browser.close().catch(() => {})))
      await server.close()
    }
  })
})

interface Decoded {
  frames: number
  samples: number
  width: number
  height: number
  /** Whether the second picture moves. */
  shown: boolean
}

/** What the page has decoded of what came back. Runs in the page, where its connection is a global of the test's. */
async function readDecoded(): Promise<Decoded> {
  const { connection } = window as unknown as { connection: RTCPeerConnection }
  const report = await connection.getStats()
  let frames = 0
  let samples = 0
  for (const entry of (report as unknown as Map<string, Record<string, unknown>>).values()) {
    if (entry['type'] !== 'inbound-rtp') continue
    if (entry['kind'] === 'video') frames = Number(entry['framesDecoded'] ?? 0)
    else samples = Number(entry['totalSamplesReceived'] ?? 0)
  }
  const video = document.querySelector<HTMLVideoElement>('#remote')!
  return { frames, samples, width: video.videoWidth, height: video.videoHeight, shown: video.currentTime > 0 }
}

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
  const path = join(await mkdtemp(join(tmpdir(), 'frames-')), `frames.${extension}`)
  await writeFile(path, file)
  const args = ['-v', 'error', '-count_frames', '-count_packets', '-show_streams', '-of', 'json', path]
  const { streams } = JSON.parse(execFileSync('ffprobe', args, { encoding: 'utf8' })) as { streams: Probed[] }
  expect(streams).toHaveLength(1)
  return streams[0]!
}
