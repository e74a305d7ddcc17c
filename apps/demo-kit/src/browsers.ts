import { existsSync } from 'node:fs'
import { type Browser, launch as launchBrowser, type Page } from 'puppeteer-core'

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

/** Starts a browser with a fake camera (of `fps` pictures a second) and a fake microphone, as a user would have real ones. `flags` are Chromium's. */
export function launch(name: BrowserName, fps?: number, flags: readonly string[] = []): Promise<Browser> {
  const executablePath = findBrowser(name)!
  if (name === 'firefox') {
    return launchBrowser({
      browser: 'firefox',
      executablePath,
      headless: true,
      acceptInsecureCerts: true,
      extraPrefsFirefox: {
        'media.navigator.streams.fake': true,
        'media.navigator.permission.disabled': true,
      },
    })
  }
  return launchBrowser({
    executablePath,
    headless: true,
    acceptInsecureCerts: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      fps === undefined
        ? '--use-fake-device-for-media-stream'
        : `--use-fake-device-for-media-stream=fps=${fps}`,
      '--use-fake-ui-for-media-stream',
      ...flags,
    ],
  })
}

/** Opens the demo's page and presses its buttons. */
export async function call(
  browser: Browser,
  address: string,
  buttons: readonly ('cam' | 'mic' | 'echo' | 'data')[],
): Promise<Page> {
  const page = await browser.newPage()
  // the connection that the page makes is looked at from outside
  await page.evaluateOnNewDocument(() => {
    const Original = RTCPeerConnection
    window.RTCPeerConnection = class extends Original {
      constructor(...args: ConstructorParameters<typeof Original>) {
        super(...args)
        const sizes: string[] = []
        Object.assign(window, { connection: this, sizes })
        // a browser sends a smaller picture where it thinks the way is narrow: it says itself which
        setInterval(() => {
          void this.getStats().then((report) => {
            for (const entry of (report as unknown as Map<string, Record<string, unknown>>).values()) {
              if (entry['type'] !== 'outbound-rtp' || entry['frameWidth'] === undefined) continue
              const size = `${Number(entry['frameWidth'])}x${Number(entry['frameHeight'])}`
              if (!sizes.includes(size)) sizes.push(size)
            }
          })
        }, 100)
      }
    }
  })
  await page.goto(address)
  for (const button of buttons) {
    await page.click(`#${button}`)
    await page.waitForFunction(
      (id) => document.getElementById(id)?.getAttribute('aria-pressed') === 'true',
      { timeout: 20_000, polling: 100 },
      button,
    )
  }
  await page.click('#connect')
  return page
}

/** The sizes in which the page has said that it sends its picture. */
export function sentSizes(page: Page): Promise<string[]> {
  return page.evaluate(() => (window as unknown as { sizes: string[] }).sizes)
}

/** Waits until the page says `state`. What it says instead is in the error. */
export async function waitForState(page: Page, state: string): Promise<void> {
  try {
    await page.waitForFunction(
      (wanted) => document.getElementById('state')?.textContent === wanted,
      { timeout: 20_000, polling: 100 },
      state,
    )
  } catch (error) {
    const said = await page.evaluate(
      () =>
        `${document.getElementById('state')?.textContent}: ${document.getElementById('message')?.textContent}`,
    )
    throw new Error(`The page is not "${state}" but "${said}"`, { cause: error })
  }
}
