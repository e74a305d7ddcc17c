import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserName, findBrowser, launch } from '@str0m/demo-kit/browsers'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RecorderStatistics } from '../src/recorder.ts'
import { type RunningServer, startServer } from '../src/server.ts'
import { complaints, hasFfmpeg, makeFile, probe, widths } from './media-files.ts'

/** How long is recorded, ms. */
const LENGTH = 6000
/** RFC 7675 section 5.1, and what it takes to notice, ms. */
const CONSENT_TIME = 40_000
/** Of a film that ffmpeg makes, seconds. */
const FILM_SECONDS = 5

const RECORDED: readonly (readonly [BrowserName, 'VP8' | 'H264'])[] = [
  ['chromium', 'VP8'],
  ['chromium', 'H264'],
  ['firefox', 'VP8'],
]

/** What the page has decoded. */
interface Figures {
  frames: number
  width: number
  height: number
  samples: number
  concealed: number
  /** The longest time between two pictures, ms, and after how many that was. */
  freeze: number
  freezeAfter: number
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
    this.directory = await mkdtemp(join(tmpdir(), 'recorder-'))
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
    const page = await browser.newPage()
    await page.evaluateOnNewDocument(exposeConnection)
    await page.goto(`https://localhost:${this.#server!.port}/${query}`)
    return page
  }

  async close(): Promise<void> {
    await Promise.all([...this.browsers.values()].map((browser) => browser.close().catch(() => {})))
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

/** Has the fake camera and microphone recorded from now on. */
async function startRecording(stage: Stage, name: BrowserName, codec: string): Promise<Page> {
  const page = await stage.page(name, `?codec=${codec}`)
  for (const button of ['cam', 'mic']) {
    await page.click(`#${button}`)
    await page.waitForSelector(`#${button}[aria-pressed=true]`, { timeout: 20_000 })
  }
  await page.click('#record')
  await untilState(page, 'connected')
  await page.evaluate(untilSending)
  return page
}

/** Records for a while; half-way, `change` is run in the page. Answers how long something was sent, ms. */
async function record(
  stage: Stage,
  name: BrowserName,
  codec: string,
  change?: () => Promise<void>,
): Promise<number> {
  const page = await startRecording(stage, name, codec)
  await wait(LENGTH / 2)
  if (change !== undefined) await page.evaluate(change)
  await wait(LENGTH / 2)
  const length = await page.evaluate(stopSending)
  await untilState(page, 'closed')
  await page.waitForSelector('#recordings button')
  await page.close()
  return length
}

/** Has a recording played until its end. Answers what the page made of it. */
async function play(stage: Stage, browser: BrowserName, name: string): Promise<Figures> {
  const page = await stage.page(browser)
  await page.waitForSelector(`[data-name="${name}"]`)
  await page.click(`[data-name="${name}"]`)
  await untilState(page, 'connected')
  const played = stage.lines.length
  let figures = await page.evaluate(readFigures)
  const deadline = Date.now() + 30_000
  while (!stage.lines.slice(played).some((line) => line.startsWith('played ')) && Date.now() < deadline) {
    await wait(100)
    figures = await page.evaluate(readFigures)
  }
  await page.screenshot({ path: join(stage.directory, `${name}-in-${browser}.png`) })
  await page.close()
  return figures
}

const missing = (...names: BrowserName[]): boolean => names.some((name) => findBrowser(name) === undefined)

describe.each(RECORDED)('[browser] %s is recorded, in %s and Opus', { timeout: 60_000 }, (name, codec) => {
  const stage = new Stage()
  let recorded: Recorded
  let length: number

  beforeAll(async () => {
    if (missing(name)) return
    await stage.open()
    length = await record(stage, name, codec)
    recorded = stage.recorded()
  }, 60_000)

  afterAll(() => stage.close(), 30_000)

  it.skipIf(missing(name))('into a file that has all that was sent', () => {
    expect(recorded.name.endsWith(codec === 'VP8' ? '.webm' : '.mp4')).toBe(true)
    expect(recorded.statistics).toMatchObject({ undecodable: 0, unsuitable: 0, congested: 0, silence: 0 })
    // fifteen pictures a second at least, on a machine that is busy
    expect(recorded.statistics.videoFrames).toBeGreaterThan((15 * LENGTH) / 1000)
  })

  it.skipIf(missing(name) || !hasFfmpeg)('of which ffprobe and ffmpeg say the same', () => {
    const { streams, format } = probe(recorded.path)
    const video = streams.find(({ codec_type: type }) => type === 'video')!
    const audio = streams.find(({ codec_type: type }) => type === 'audio')!
    console.log(
      `${name} ${codec}: ${length} ms, file ${format.duration} s, ${JSON.stringify(recorded.statistics)}`,
    )
    expect(streams).toHaveLength(2)
    expect(video).toMatchObject({ codec_name: codec.toLowerCase(), width: 640, height: 480 })
    expect(Number(video.nb_read_packets)).toBe(recorded.statistics.videoFrames)
    expect(Number(video.nb_read_frames)).toBe(recorded.statistics.videoFrames)
    expect(audio.codec_name).toBe('opus')
    expect(Number(audio.nb_read_packets)).toBe(recorded.statistics.audioPackets)
    expect(Math.abs(Number(format.duration) * 1000 - length)).toBeLessThan(0.05 * length)
    expect(complaints(recorded.path)).toBe('')
  })

  // Debian's Firefox takes no H.264
  for (const watcher of codec === 'H264' ? (['chromium'] as const) : (['chromium', 'firefox'] as const)) {
    it.skipIf(missing(name, watcher))(`and ${watcher} plays it`, async () => {
      const figures = await play(stage, watcher, recorded.name)
      console.log(`${name} ${codec} in ${watcher}: ${JSON.stringify(figures)}, ${stage.lines.at(-1)}`)
      expectPlayed(figures, recorded.statistics.videoFrames, LENGTH / 1000, [640, 480])
    })
  }
})

describe.skipIf(missing('chromium') || !hasFfmpeg)(
  '[browser] chromium plays what ffmpeg made',
  { timeout: 60_000 },
  () => {
    const stage = new Stage()
    beforeAll(() => stage.open())
    afterAll(() => stage.close(), 30_000)

    it.each([
      ['VP8', 'film-vp8.webm'],
      ['H264', 'film-h264.mp4'],
      ['VP9', 'film-vp9.webm'],
    ] as const)('in %s and Opus: %s', async (codec, name) => {
      makeFile(join(stage.directory, name), codec, FILM_SECONDS)
      const figures = await play(stage, 'chromium', name)
      console.log(`${name}: ${JSON.stringify(figures)}, ${stage.lines.at(-1)}`)
      expectPlayed(figures, 25 * FILM_SECONDS, FILM_SECONDS, [320, 240])
    })
  },
)

describe.skipIf(missing('chromium') || !hasFfmpeg)(
  '[browser] chromium is recorded while',
  { timeout: 60_000 },
  () => {
    it.each(['VP8', 'H264'] as const)('its picture becomes smaller, in %s', async (codec) => {
      const stage = new Stage()
      await stage.open()
      try {
        const length = await record(stage, 'chromium', codec, halveSize)
        const { path, statistics, name } = stage.recorded()
        const { streams, format } = probe(path)
        expect(widths(path)).toEqual([640, 320])
        expect(streams.find(({ codec_type: type }) => type === 'video')).toMatchObject({
          width: 640,
          nb_read_frames: String(statistics.videoFrames),
        })
        expect(Math.abs(Number(format.duration) * 1000 - length)).toBeLessThan(0.05 * length)
        expect(complaints(path)).toBe('')
        const figures = await play(stage, 'chromium', name)
        expectPlayed(figures, statistics.videoFrames, LENGTH / 1000, [320, 240])
      } finally {
        await stage.close()
      }
    })

    it('the browser is killed: the file is whole within the time of consent', async () => {
      const stage = new Stage()
      await stage.open()
      try {
        await startRecording(stage, 'chromium', 'VP8')
        await wait(3000)
        stage.browsers.get('chromium')!.process()!.kill('SIGKILL')
        const killed = Date.now()
        while (
          !stage.lines.some((line) => line.startsWith('recorded ')) &&
          Date.now() < killed + CONSENT_TIME
        ) {
          await wait(100)
        }
        const { path, statistics } = stage.recorded()
        console.log(`The file was whole ${Date.now() - killed} ms after the page had vanished.`)
        const [video, audio] = probe(path).streams
        expect(Number(video!.nb_read_frames)).toBe(statistics.videoFrames)
        expect(Number(audio!.nb_read_packets)).toBe(statistics.audioPackets)
        expect(complaints(path)).toBe('')
      } finally {
        await stage.close()
      }
    })
  },
)

/** Waits for the first picture: a busy machine's encoder needs its time. Runs in the page. */
async function untilSending(): Promise<void> {
  const { connection } = window as unknown as { connection: RTCPeerConnection }
  for (;;) {
    const report = (await connection.getStats()) as unknown as Map<string, Record<string, unknown>>
    if ([...report.values()].some((entry) => Number(entry['framesSent'] ?? 0) > 0)) return
    await new Promise((resolve) => {
      setTimeout(resolve, 10)
    })
  }
}

/**
 * Ends what is sent, and then the call. Answers how long it was, ms: by the sound that was sent, of which each packet has 20 ms, since a clock beside it tells of a
 * busy machine too. Runs in the page.
 */
async function stopSending(): Promise<number> {
  const { connection } = window as unknown as { connection: RTCPeerConnection }
  await Promise.all(connection.getSenders().map((sender) => sender.replaceTrack(null)))
  await new Promise((resolve) => {
    setTimeout(resolve, 100)
  })
  const report = (await connection.getStats()) as unknown as Map<string, Record<string, unknown>>
  const sound = [...report.values()].find(
    (entry) => entry['type'] === 'outbound-rtp' && entry['kind'] === 'audio',
  )
  document.querySelector<HTMLButtonElement>('#stop')!.click()
  return 20 * Number(sound?.['packetsSent'] ?? 0)
}

/** Runs in the page. */
async function halveSize(): Promise<void> {
  const { connection } = window as unknown as { connection: RTCPeerConnection }
  const sender = connection.getSenders().find(({ track }) => track?.kind === 'video')!
  const parameters = sender.getParameters()
  parameters.encodings[0]!.scaleResolutionDownBy = 2
  await sender.setParameters(parameters)
}

function expectPlayed(
  figures: Figures,
  frames: number,
  seconds: number,
  [width, height]: [number, number],
): void {
  expect(figures).toMatchObject({ width, height })
  expect(figures.frames).toBeGreaterThanOrEqual(0.9 * frames)
  expect(figures.samples).toBeGreaterThan(0.9 * 48_000 * seconds)
  expect(figures.freeze).toBeLessThan(500)
}

async function untilState(page: Page, state: string): Promise<void> {
  try {
    await page.waitForFunction(
      (wanted) => document.querySelector('#state')?.textContent === wanted,
      {
        timeout: 20_000,
        polling: 50,
      },
      state,
    )
  } catch (error) {
    const said = await page.$eval('main', (main) => main.textContent)
    throw new Error(`The page is not "${state}": ${said}`, { cause: error })
  }
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds)
  })
}

/** The connection that the page makes, and the time between its pictures, are looked at from outside. Runs in the page. */
function exposeConnection(): void {
  const Original = RTCPeerConnection
  const seen = { last: 0, freeze: 0, count: 0, freezeAfter: 0 }
  Object.assign(window, { seen })
  window.RTCPeerConnection = class extends Original {
    constructor(...args: ConstructorParameters<typeof Original>) {
      super(...args)
      Object.assign(window, { connection: this })
      const video = document.querySelector<HTMLVideoElement>('#video')!
      const shown = (): void => {
        const now = performance.now()
        if (seen.count > 0 && now - seen.last > seen.freeze) {
          seen.freeze = now - seen.last
          seen.freezeAfter = seen.count
        }
        seen.last = now
        seen.count++
        video.requestVideoFrameCallback(shown)
      }
      video.requestVideoFrameCallback(shown)
    }
  }
}

/** Runs in the page. */
async function readFigures(): Promise<Figures> {
  const { connection, seen } = window as unknown as {
    connection: RTCPeerConnection
    seen: { freeze: number; freezeAfter: number }
  }
  const report = (await connection.getStats()) as unknown as Map<string, Record<string, unknown>>
  const video = document.querySelector<HTMLVideoElement>('#video')!
  const figures: Figures = {
    frames: 0,
    samples: 0,
    concealed: 0,
    width: video.videoWidth,
    height: video.videoHeight,
    freeze: seen.freeze,
    freezeAfter: seen.freezeAfter,
  }
  for (const entry of report.values()) {
    if (entry['type'] !== 'inbound-rtp') continue
    if (entry['kind'] === 'video') figures.frames = Number(entry['framesDecoded'] ?? 0)
    else {
      figures.samples = Number(entry['totalSamplesReceived'] ?? 0)
      figures.concealed = Number(entry['concealedSamples'] ?? 0)
    }
  }
  return figures
}
