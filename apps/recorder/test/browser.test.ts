import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import {
  type BrowserName,
  findBrowser,
  launch,
  openPage,
  press,
  quit,
  type Received,
  readReceived,
  readSent,
  type Sent,
  stopSending,
  untilMet,
  waitForState,
} from '@str0m/demo-kit/browsers'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import type { RecorderStatistics } from '../src/recorder.ts'
import { type RunningServer, startServer } from '../src/server.ts'
import { complaints, hasFfmpeg, longestStep, makeFile, probe, widths } from './media-files.ts'

/** What is recorded at the least: six seconds of sound, of 20 ms each, and as many pictures as fifteen a second are in that time. */
const LENGTH: Sent = { frames: 90, sounds: 300 }
/** RFC 7675 section 5.1, and what it takes to notice, ms. */
const CONSENT_TIME = 40_000
/** Of a film that ffmpeg makes, seconds. */
const FILM_SECONDS = 5
/** How much longer than in the file two pictures lie apart where they are shown, ms: what a viewer would see. */
const FREEZE = 400

const RECORDED: readonly (readonly [BrowserName, 'VP8' | 'H264'])[] = [
  ['chromium', 'VP8'],
  ['chromium', 'H264'],
  ['firefox', 'VP8'],
]

/** What a page has shown of what was played. */
interface Played {
  readonly received: Received
  /** The longest time between two pictures, ms, and after how many that was. */
  readonly freeze: number
  readonly freezeAfter: number
  /** The longest time for which the server, and the page's own drawing, stood still meanwhile, ms: what the machine had to do besides. */
  readonly serverStall: number
  readonly pageStall: number
}

/** What a page sent while it was recorded, and how long that was by its clock, ms. */
interface Take {
  readonly sent: Sent
  readonly milliseconds: number
}

interface Recorded {
  readonly path: string
  readonly name: string
  readonly statistics: RecorderStatistics
}

class Stage {
  readonly lines: string[] = []
  readonly browsers = new Map<BrowserName, Browser>()
  directory = ''
  #server: RunningServer | undefined

  async open(): Promise<void> {
    this.directory = scratchDirectory()
    this.#server = await startServer({
      port: 0,
      directory: this.directory,
      recordings: this.directory,
      log: (line) => this.lines.push(line),
    })
  }

  /** A page of the demo's. Each browser is started once. */
  async page(name: BrowserName, query = ''): Promise<Page> {
    let browser = this.browsers.get(name)
    browser ??= await launch(name)
    this.browsers.set(name, browser)
    return openPage(browser, `https://localhost:${this.#server!.port}/${query}`)
  }

  async close(): Promise<void> {
    await Promise.all([...this.browsers.values()].map((browser) => quit(browser)))
    await this.#server?.close()
  }

  /** What the server says of the recording that was completed last. */
  recorded(): Recorded {
    const line = this.lines.findLast((said) => said.startsWith('recorded '))!
    const [, , path] = line.split(' ') as [string, string, string]
    const statistics = JSON.parse(line.slice(line.indexOf('{'))) as RecorderStatistics
    return { path, name: path.slice(this.directory.length + 1), statistics }
  }
}

/** A stage of a test's own, which is gone after it. */
async function ownStage(): Promise<Stage> {
  const stage = new Stage()
  onTestFinished(() => stage.close())
  await stage.open()
  return stage
}

/** Has the fake camera and microphone recorded from now on. Answers when something is sent. */
async function startRecording(stage: Stage, name: BrowserName, codec: string): Promise<Page> {
  const page = await stage.page(name, `?codec=${codec}`)
  for (const button of ['cam', 'mic']) await press(page, button)
  await page.click('#record')
  await waitForState(page, 'connected')
  await untilSent(page, { frames: 1, sounds: 1 })
  return page
}

async function untilSent(page: Page, least: Sent): Promise<void> {
  await untilMet(
    () => readSent(page),
    ({ frames, sounds }) => frames >= least.frames && sounds >= least.sounds,
    `${JSON.stringify(least)} are sent`,
  )
}

/** Records for a while; half-way, `change` is run in the page. */
async function record(
  stage: Stage,
  name: BrowserName,
  codec: string,
  change?: () => Promise<void>,
): Promise<Take> {
  const page = await startRecording(stage, name, codec)
  const started = performance.now()
  if (change !== undefined) {
    await untilSent(page, { frames: LENGTH.frames / 2, sounds: LENGTH.sounds / 2 })
    await page.evaluate(change)
  }
  await untilSent(page, LENGTH)
  const milliseconds = performance.now() - started
  const sent = await stopSending(page)
  await page.click('#stop')
  await waitForState(page, 'closed')
  await page.waitForSelector('#recordings button')
  await page.close()
  return { sent, milliseconds }
}

/** The file is as long as what was recorded: by its sound, or by the clock where a busy machine's sound stood still. */
function expectLength(seconds: number, { milliseconds }: Take, { audioPackets }: RecorderStatistics): void {
  const sound = 20 * audioPackets
  expect(1000 * seconds).toBeGreaterThan(0.95 * Math.min(sound, milliseconds))
  expect(1000 * seconds).toBeLessThan(1.05 * Math.max(sound, milliseconds))
}

/** Has a recording played until its end. Answers what the page made of it. */
async function play(stage: Stage, browser: BrowserName, name: string): Promise<Played> {
  const page = await stage.page(browser)
  await page.waitForSelector(`[data-name="${name}"]:enabled`)
  await page.evaluate(watchPictures)
  const delay = monitorEventLoopDelay()
  await page.click(`[data-name="${name}"]`)
  await waitForState(page, 'connected')
  delay.enable()
  const from = stage.lines.length
  const received = await untilMet(
    () => readReceived(page, '#video'),
    () => stage.lines.slice(from).some((line) => line.startsWith('played ')),
    'the end of the film',
  )
  delay.disable()
  const seen = await page.evaluate(() => (window as unknown as { seen: Seen }).seen)
  await page.close()
  const { freeze, freezeAfter, stall: pageStall } = seen
  return { received, freeze, freezeAfter, serverStall: delay.max / 1e6, pageStall }
}

const missing = (...names: BrowserName[]): boolean => names.some((name) => findBrowser(name) === undefined)

describe.each(RECORDED)('[browser] %s is recorded, in %s and Opus', { timeout: 400_000 }, (name, codec) => {
  const stage = new Stage()
  let recorded: Recorded
  let take: Take

  beforeAll(async () => {
    if (missing(name)) return
    await stage.open()
    take = await record(stage, name, codec)
    recorded = stage.recorded()
  })

  afterAll(() => stage.close())

  it.skipIf(missing(name))('into a file that has all that was sent', () => {
    expect(recorded.name.endsWith(codec === 'VP8' ? '.webm' : '.mp4')).toBe(true)
    expect(recorded.statistics).toMatchObject({ undecodable: 0, unsuitable: 0, congested: 0, silence: 0 })
    // sound that came before the first picture is counted, and not kept
    const { videoFrames, audioPackets, beforeStart } = recorded.statistics
    expect({ frames: videoFrames, sounds: audioPackets + beforeStart }).toEqual(take.sent)
  })

  it.skipIf(missing(name) || !hasFfmpeg)('of which ffprobe and ffmpeg say the same', () => {
    const { streams, format } = probe(recorded.path)
    const video = streams.find(({ codec_type: type }) => type === 'video')!
    const audio = streams.find(({ codec_type: type }) => type === 'audio')!
    console.log(
      `${name} ${codec}: ${JSON.stringify(take)}, file ${format.duration} s, ${JSON.stringify(recorded.statistics)}`,
    )
    expect(streams).toHaveLength(2)
    expect(video).toMatchObject({ codec_name: codec.toLowerCase(), width: 640, height: 480 })
    expect(Number(video.nb_read_packets)).toBe(recorded.statistics.videoFrames)
    expect(Number(video.nb_read_frames)).toBe(recorded.statistics.videoFrames)
    expect(audio.codec_name).toBe('opus')
    expect(Number(audio.nb_read_packets)).toBe(recorded.statistics.audioPackets)
    expectLength(Number(format.duration), take, recorded.statistics)
    expect(complaints(recorded.path)).toBe('')
  })

  // Debian's Firefox takes no H.264
  for (const watcher of codec === 'H264' ? (['chromium'] as const) : (['chromium', 'firefox'] as const)) {
    it.skipIf(missing(name, watcher))(`and ${watcher} plays it`, async () => {
      const played = await play(stage, watcher, recorded.name)
      console.log(`${name} ${codec} in ${watcher}: ${JSON.stringify(played)}, ${stage.lines.at(-1)}`)
      expectPlayed(played, recorded.path, [640, 480])
    })
  }
})

describe.skipIf(missing('chromium') || !hasFfmpeg)(
  '[browser] chromium plays what ffmpeg made',
  { timeout: 600_000 },
  () => {
    const stage = new Stage()
    beforeAll(() => stage.open())
    afterAll(() => stage.close())

    it.each([
      ['VP8', 'film-vp8.webm'],
      ['H264', 'film-h264.mp4'],
      ['VP9', 'film-vp9.webm'],
    ] as const)('in %s and Opus: %s', async (codec, name) => {
      const path = join(stage.directory, name)
      makeFile(path, codec, FILM_SECONDS)
      const played = await play(stage, 'chromium', name)
      console.log(`${name}: ${JSON.stringify(played)}, ${stage.lines.at(-1)}`)
      expectPlayed(played, path, [320, 240])
    })
  },
)

describe.skipIf(missing('chromium') || !hasFfmpeg)(
  '[browser] chromium is recorded while',
  { timeout: 600_000 },
  () => {
    it.each(['VP8', 'H264'] as const)('its picture becomes smaller, in %s', async (codec) => {
      const stage = await ownStage()
      const take = await record(stage, 'chromium', codec, halveSize)
      const { path, statistics, name } = stage.recorded()
      const { streams, format } = probe(path)
      expect(widths(path)).toEqual([640, 320])
      expect(streams.find(({ codec_type: type }) => type === 'video')).toMatchObject({
        width: 640,
        nb_read_frames: String(statistics.videoFrames),
      })
      expectLength(Number(format.duration), take, statistics)
      expect(complaints(path)).toBe('')
      expectPlayed(await play(stage, 'chromium', name), path, [320, 240])
    })

    it('the browser is killed: the file is whole within the time of consent', async () => {
      const stage = await ownStage()
      const page = await startRecording(stage, 'chromium', 'VP8')
      await untilSent(page, { frames: LENGTH.frames / 2, sounds: LENGTH.sounds / 2 })
      stage.browsers.get('chromium')!.process()!.kill('SIGKILL')
      const killed = performance.now()
      const delay = monitorEventLoopDelay()
      delay.enable()
      const isWhole = (): boolean => stage.lines.some((line) => line.startsWith('recorded '))
      await untilMet(isWhole, (met) => met, 'the file is whole', 2 * CONSENT_TIME)
      const took = performance.now() - killed
      console.log(`The file was whole ${Math.round(took)} ms after the page had vanished.`)
      // a machine that is busy runs timers late
      expect(took).toBeLessThan(CONSENT_TIME + delay.max / 1e6)
      const { path, statistics } = stage.recorded()
      const [video, audio] = probe(path).streams
      expect(Number(video!.nb_read_frames)).toBe(statistics.videoFrames)
      expect(Number(audio!.nb_read_packets)).toBe(statistics.audioPackets)
      expect(complaints(path)).toBe('')
    })
  },
)

function expectPlayed(played: Played, path: string, [width, height]: [number, number]): void {
  const { received, freeze, serverStall, pageStall } = played
  const { streams } = probe(path)
  const packets = (kind: 'audio' | 'video'): number =>
    Number(streams.find(({ codec_type: type }) => type === kind)!.nb_read_packets)
  expect(received).toMatchObject({ width, height })
  expect(received.frames).toBeGreaterThanOrEqual(0.9 * packets('video'))
  expect(received.samples).toBeGreaterThan(0.9 * 960 * packets('audio'))
  // a picture that the camera took late is shown late, and so is one that nobody sent or drew in time
  expect(freeze).toBeLessThan(FREEZE + 1000 * longestStep(path) + serverStall + pageStall)
}

// What follows runs in the page.

/** Of pictures, and of the page's own drawing: times, ms. */
interface Seen {
  freeze: number
  freezeAfter: number
  stall: number
}

/** Looks at the time between pictures, once there is one, and between the turns at which the page could draw. */
function watchPictures(): void {
  const seen: Seen = { freeze: 0, freezeAfter: 0, stall: 0 }
  Object.assign(window, { seen })
  const video = document.querySelector<HTMLVideoElement>('#video')!
  let [count, last, turn] = [0, 0, 0]
  const shown = (): void => {
    const now = performance.now()
    if (count > 0 && now - last > seen.freeze) {
      seen.freeze = now - last
      seen.freezeAfter = count
    }
    last = now
    count++
    video.requestVideoFrameCallback(shown)
  }
  video.requestVideoFrameCallback(shown)
  const drawn = (): void => {
    const now = performance.now()
    if (count > 0 && turn > 0) seen.stall = Math.max(seen.stall, now - turn)
    turn = now
    requestAnimationFrame(drawn)
  }
  requestAnimationFrame(drawn)
}

/** Halves the picture that is sent. */
async function halveSize(): Promise<void> {
  const sender = window.connection!.getSenders().find(({ track }) => track?.kind === 'video')!
  const parameters = sender.getParameters()
  parameters.encodings[0]!.scaleResolutionDownBy = 2
  await sender.setParameters(parameters)
}
