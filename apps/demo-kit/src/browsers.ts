import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, launch as launchBrowser, type Page } from 'puppeteer-core'
import { installKit } from './page-kit.ts'

/** Of `window.kit`, whose type comes with it. */
export type { PageKit } from './page-kit.ts'

export type BrowserName = 'chromium' | 'firefox'

const PATHS: Record<BrowserName, readonly (string | undefined)[]> = {
  chromium: [
    process.env['CHROMIUM'],
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ],
  firefox: [
    process.env['FIREFOX'],
    '/usr/bin/firefox-esr',
    '/usr/bin/firefox',
    '/Applications/Firefox.app/Contents/MacOS/firefox',
  ],
}

/** Where the browser is; `undefined` where there is none. */
export function findBrowser(name: BrowserName): string | undefined {
  return PATHS[name].find((path) => path !== undefined && existsSync(path))
}

/**
 * How long a test waits for what must come, ms: far longer than it takes on a busy machine. A wait ends with what it waits for, so that none of this is spent
 * where all is well.
 */
export const PATIENCE = 120_000

/** How long a browser that is told to end may take, ms. */
const QUIT_TIME = 10_000

/** Reads until what it reads is `met`, and answers that. What was read last is in the error. */
export async function untilMet<T>(
  read: () => T | Promise<T>,
  met: (now: T) => boolean,
  what: string,
  milliseconds: number = PATIENCE,
): Promise<T> {
  const end = performance.now() + milliseconds
  for (;;) {
    const now = await read()
    if (met(now)) return now
    if (performance.now() > end) {
      throw new Error(`Not within ${milliseconds} ms: ${what}, but ${JSON.stringify(now)}`)
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
  }
}

export interface LaunchOptions {
  /** Pictures a second of Chromium's fake camera. */
  readonly fps?: number
  /** Of Chromium. */
  readonly flags?: readonly string[]
}

/** Where a browser keeps all that it writes: its profile, and what it and its libraries would leave among temporary files. */
const directories = new WeakMap<Browser, string>()

/** Starts a browser with a fake camera and a fake microphone, as a user would have real ones. It is ended by `quit`. */
export async function launch(name: BrowserName, options: LaunchOptions = {}): Promise<Browser> {
  const directory = await mkdtemp(join(tmpdir(), 'browser-'))
  try {
    const browser = await launchIn(directory, name, options)
    directories.set(browser, directory)
    return browser
  } catch (error) {
    await remove(directory)
    throw error
  }
}

/** Ends a browser, also one that was killed, and removes all that it wrote. */
export async function quit(browser: Browser): Promise<void> {
  const child = browser.process()!
  const ended = child.exitCode ?? child.signalCode ?? once(child, 'exit')
  // it says so where it is gone already
  await browser.close().catch(() => {})
  const timer = setTimeout(() => child.kill('SIGKILL'), QUIT_TIME)
  await ended
  clearTimeout(timer)
  await remove(directories.get(browser)!)
}

/** The processes that a browser has started may write for a while after it has ended. */
function remove(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}

function launchIn(directory: string, name: BrowserName, options: LaunchOptions): Promise<Browser> {
  const { fps, flags = [] } = options
  const common = {
    executablePath: findBrowser(name)!,
    headless: true,
    userDataDir: join(directory, 'profile'),
    env: { ...process.env, TMPDIR: directory },
    acceptInsecureCerts: true,
    timeout: PATIENCE,
    // a page may have much to do before it answers
    protocolTimeout: 5 * PATIENCE,
  }
  if (name === 'firefox') {
    return launchBrowser({
      ...common,
      browser: 'firefox',
      extraPrefsFirefox: {
        'media.navigator.streams.fake': true,
        'media.navigator.permission.disabled': true,
      },
    })
  }
  const camera = '--use-fake-device-for-media-stream'
  return launchBrowser({
    ...common,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      fps === undefined ? camera : `${camera}=fps=${fps}`,
      '--use-fake-ui-for-media-stream',
      ...flags,
    ],
  })
}

export interface PageOptions {
  /** Has the page note in which sizes it sends its picture: many pages that all look ten times a second keep a machine busy. */
  readonly watchSizes?: boolean
}

/** Opens a page, with a `PageKit`. The connection that it makes is looked at from outside, by what follows. */
export async function openPage(browser: Browser, address: string, options: PageOptions = {}): Promise<Page> {
  const page = await browser.newPage()
  page.setDefaultTimeout(PATIENCE)
  await page.evaluateOnNewDocument(installKit, options.watchSizes ?? false)
  await page.goto(address)
  return page
}

export type Button = 'cam' | 'mic' | 'echo' | 'data'

/** Opens the demo's page, presses its buttons, and has it call. */
export async function call(
  browser: Browser,
  address: string,
  buttons: readonly Button[],
  options?: PageOptions,
): Promise<Page> {
  const page = await openPage(browser, address, options)
  for (const button of buttons) await press(page, button)
  await page.click('#connect')
  return page
}

/** Presses a button that stays down, and waits until it is. */
export async function press(page: Page, button: string): Promise<void> {
  await page.click(`#${button}`)
  await page.waitForSelector(`#${button}[aria-pressed=true]`)
}

/** The sizes in which the page has said that it sends its picture, where `watchSizes` was asked for. */
export function sentSizes(page: Page): Promise<string[]> {
  return page.evaluate(() => window.sizes)
}

/** What a page has sent, by its own statistics. */
export interface Sent {
  /** Pictures, of all encodings. */
  readonly frames: number
  /** Packets of sound: a frame each. */
  readonly sounds: number
}

export function readSent(page: Page): Promise<Sent> {
  return page.evaluate(async () => {
    const sent = { frames: 0, sounds: 0 }
    for (const entry of await window.kit.statistics(window.connection, 'outbound-rtp')) {
      if (entry['kind'] === 'video') sent.frames += Number(entry['framesSent'] ?? 0)
      else sent.sounds += Number(entry['packetsSent'] ?? 0)
    }
    return sent
  })
}

/** Has the page send nothing any more, and answers what it had sent then. The connection stays. */
export async function stopSending(page: Page): Promise<Sent> {
  await page.evaluate(async () => {
    await Promise.all(window.connection!.getSenders().map((sender) => sender.replaceTrack(null)))
  })
  // what the encoders still hold comes out: a busy machine takes its time
  let sent = await readSent(page)
  for (let same = 0; same < 5;) {
    await new Promise((resolve) => {
      setTimeout(resolve, 60)
    })
    const now = await readSent(page)
    same = now.frames === sent.frames && now.sounds === sent.sounds ? same + 1 : 0
    sent = now
  }
  return sent
}

/** What a page has received, by its own statistics. */
export interface Received {
  /** Pictures decoded. */
  readonly frames: number
  /** Samples of sound decoded, and those that stand in for lost ones. */
  readonly samples: number
  readonly concealed: number
  readonly pliCount: number
  readonly packetsReceived: number
  readonly packetsLost: number
  /** Of the picture that is shown. */
  readonly width: number
  readonly height: number
  /** Whether the picture moves. */
  readonly shown: boolean
}

/** `video`: a selector of the element that shows the picture. */
export function readReceived(page: Page, video: string): Promise<Received> {
  return page.evaluate(async (selector) => {
    const entries = await window.kit.statistics(window.connection, 'inbound-rtp')
    const shown = document.querySelector<HTMLVideoElement>(selector)!
    const received = {
      frames: 0,
      samples: 0,
      concealed: 0,
      pliCount: 0,
      packetsReceived: 0,
      packetsLost: 0,
      width: shown.videoWidth,
      height: shown.videoHeight,
      shown: shown.currentTime > 0,
    }
    for (const entry of entries) {
      received.packetsReceived += Number(entry['packetsReceived'] ?? 0)
      received.packetsLost += Number(entry['packetsLost'] ?? 0)
      if (entry['kind'] === 'video') {
        received.frames = Number(entry['framesDecoded'] ?? 0)
        received.pliCount = Number(entry['pliCount'] ?? 0)
      } else {
        received.samples = Number(entry['totalSamplesReceived'] ?? 0)
        received.concealed = Number(entry['concealedSamples'] ?? 0)
      }
    }
    return received
  }, video)
}

/** Waits until the page says `state`. What it says instead is in the error. */
export async function waitForState(page: Page, state: string, milliseconds?: number): Promise<void> {
  const read = () =>
    page.evaluate(() => {
      const text = (id: string): string => document.getElementById(id)?.textContent ?? ''
      return { state: text('state'), message: text('message') }
    })
  await untilMet(read, (now) => now.state === state, `the page is "${state}"`, milliseconds)
}
