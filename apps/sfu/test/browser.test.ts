import {
  type BrowserName,
  findBrowser,
  launch,
  openPage,
  quit,
  readReceived,
  untilMet,
  waitForState,
} from '@str0m/demo-kit/browsers'
import type { Browser, Page } from 'puppeteer-core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { startServer } from '../src/server.ts'

/** Pictures a second of the fake camera. */
const RATE = 15

const missing = (names: readonly BrowserName[]): boolean =>
  names.some((name) => findBrowser(name) === undefined)

for (const watcher of ['chromium', 'firefox'] as const) {
  describe.skipIf(missing(['chromium', watcher]))(
    `[browser] chromium publishes, ${watcher} watches`,
    { timeout: 600_000 },
    () => {
      it('through two Rtc in RTP mode, and a switch of the encoding stays decodable', async () => {
        const server = await startServer(0, scratchDirectory())
        const address = `https://localhost:${server.port}/`
        onTestFinished(() => server.close())
        const start = async (name: BrowserName, fps?: number): Promise<Browser> => {
          const browser = await launch(name, fps === undefined ? {} : { fps })
          onTestFinished(() => quit(browser))
          return browser
        }
        const publisher = await open(await start('chromium', RATE), address, 'publish')
        await untilEncodings(publisher, 3)
        const page = await open(await start(watcher), address, 'watch')
        const figures = () => readReceived(page, '#video')
        const said: string[] = []
        for (const [rid, width] of [
          ['q', 320],
          ['f', 1280],
          ['h', 640],
          ['q', 320],
        ] as const) {
          const before = await figures()
          await page.select('#encoding', rid)
          const after = await untilMet(figures, (now) => now.width === width, `a picture ${width} wide`)
          const then = await untilMet(
            figures,
            (now) => now.frames >= after.frames + 3 * RATE,
            `three seconds of ${rid}, so far ${said.join('; ')}`,
          )
          said.push(`${rid}: PLI ${then.pliCount - before.pliCount}`)
          expect(then.width).toBe(width)
          // the first may ask until its first keyframe is there; a switch needs none
          if (said.length > 1) expect(then.pliCount, `so far ${said.join('; ')}`).toBe(before.pliCount)
        }
        const end = await figures()
        console.log(`${watcher}: ${said.join('; ')}, ${JSON.stringify(end)}`)
        expect(end.samples).toBeGreaterThan(48_000)
        // a socket of a busy machine may drop a few, which are sent again; a hole of ours at a switch would be many
        expect(end.packetsLost).toBeLessThan(0.01 * end.packetsReceived)
      })
    },
  )
}

async function open(browser: Browser, address: string, button: 'publish' | 'watch'): Promise<Page> {
  const page = await openPage(browser, address)
  await page.click(`#${button}`)
  await waitForState(page, 'connected')
  if (button === 'publish') await page.evaluate(keepSize)
  return page
}

/** Waits until the publisher sends so many encodings: a browser starts the larger ones when it has an estimate. */
async function untilEncodings(page: Page, count: number): Promise<void> {
  const read = () =>
    page.evaluate(async () => {
      const response = await fetch('/encodings')
      return ((await response.json()) as { encodings: string[] }).encodings
    })
  await untilMet(read, (encodings) => encodings.length >= count, `${count} encodings`)
}

/** A busy machine costs pictures, not their size. Runs in the page. */
async function keepSize(): Promise<void> {
  for (const sender of window.connection!.getSenders()) {
    if (sender.track?.kind !== 'video') continue
    await sender.setParameters({ ...sender.getParameters(), degradationPreference: 'maintain-resolution' })
  }
}
