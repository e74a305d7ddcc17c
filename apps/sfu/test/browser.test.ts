import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserName, findBrowser, launch } from '@str0m/demo-kit/browsers'
import type { Browser, Page } from 'puppeteer-core'
import { describe, expect, it } from 'vitest'
import { startServer } from '../src/server.ts'

interface Figures {
  framesDecoded: number
  width: number
  pliCount: number
  audioSamples: number
  packetsLost: number
  packetsReceived: number
}

const missing = (names: readonly BrowserName[]): boolean =>
  names.some((name) => findBrowser(name) === undefined)

for (const watcher of ['chromium', 'firefox'] as const) {
  describe.skipIf(missing(['chromium', watcher]))(
    `[browser] chromium publishes, ${watcher} watches`,
    { timeout: 120_000 },
    () => {
      it('through two Rtc in RTP mode, and a switch of the encoding stays decodable', async () => {
        const server = await startServer(0, await mkdtemp(join(tmpdir(), 'sfu-')))
        const address = `https://localhost:${server.port}/`
        const browsers: Browser[] = [await launch('chromium', 15), await launch(watcher)]
        try {
          const publisher = await open(browsers[0]!, address, 'publish')
          await untilEncodings(publisher, 3)
          const page = await open(browsers[1]!, address, 'watch')
          const said: string[] = []
          for (const [rid, width] of [
            ['q', 320],
            ['f', 1280],
            ['h', 640],
            ['q', 320],
          ] as const) {
            await page.select('#encoding', rid)
            const before = await figures(page)
            await untilFigures(page, ({ width: now }) => now === width, `a picture ${width} wide`)
            const after = await figures(page)
            await new Promise((resolve) => {
              setTimeout(resolve, 3000)
            })
            const then = await figures(page)
            said.push(
              `${rid}: ${then.framesDecoded - after.framesDecoded} frames in 3 s, PLI ${then.pliCount - before.pliCount}`,
            )
            // fifteen pictures a second, less what a busy machine leaves out
            expect(then.framesDecoded - after.framesDecoded, `so far ${said.join('; ')}`).toBeGreaterThan(20)
            // the first may ask until its first keyframe is there; a switch needs none
            if (rid !== 'q' || said.length > 1)
              expect(then.pliCount - before.pliCount, `so far ${said.join('; ')}`).toBe(0)
          }
          console.log(`${watcher}: ${said.join('; ')}`)
          const end = await figures(page)
          expect(end.audioSamples).toBeGreaterThan(48_000)
          // a socket of a busy machine may drop a few, which are sent again; a hole of ours at a switch would be many
          expect(end.packetsLost).toBeLessThan(0.01 * end.packetsReceived)
        } finally {
          await Promise.all(browsers.map((browser) => browser.close()))
          await server.close()
        }
      })
    },
  )
}

async function open(browser: Browser, address: string, button: 'publish' | 'watch'): Promise<Page> {
  const page = await browser.newPage()
  // the connection that the page makes is looked at from outside
  await page.evaluateOnNewDocument(() => {
    const Original = RTCPeerConnection
    window.RTCPeerConnection = class extends Original {
      constructor(...args: ConstructorParameters<typeof Original>) {
        super(...args)
        Object.assign(window, { connection: this })
      }
    }
  })
  await page.goto(address)
  await page.click(`#${button}`)
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'connected', {
    timeout: 20_000,
    polling: 100,
  })
  return page
}

/** Waits until the publisher sends so many encodings: a browser starts the larger ones when it has an estimate. */
async function untilEncodings(page: Page, count: number): Promise<void> {
  await page.waitForFunction(
    async (wanted) => {
      const response = await fetch('/encodings')
      return ((await response.json()) as { encodings: string[] }).encodings.length >= wanted
    },
    { timeout: 60_000, polling: 250 },
    count,
  )
}

async function untilFigures(page: Page, met: (now: Figures) => boolean, what: string): Promise<void> {
  const end = Date.now() + 20_000
  for (;;) {
    const now = await figures(page)
    if (met(now)) return
    if (Date.now() > end) throw new Error(`Not within 20 s: ${what}, but ${JSON.stringify(now)}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
  }
}

function figures(page: Page): Promise<Figures> {
  return page.evaluate(async () => {
    const { connection } = window as unknown as { connection: RTCPeerConnection }
    const report = (await connection.getStats()) as unknown as Map<string, Record<string, unknown>>
    const found = {
      framesDecoded: 0,
      pliCount: 0,
      audioSamples: 0,
      packetsLost: 0,
      packetsReceived: 0,
      width: 0,
    }
    for (const entry of report.values()) {
      if (entry['type'] !== 'inbound-rtp') continue
      found.packetsLost += Number(entry['packetsLost'] ?? 0)
      found.packetsReceived += Number(entry['packetsReceived'] ?? 0)
      if (entry['kind'] === 'audio') found.audioSamples = Number(entry['totalSamplesReceived'] ?? 0)
      else {
        found.framesDecoded = Number(entry['framesDecoded'] ?? 0)
        found.pliCount = Number(entry['pliCount'] ?? 0)
      }
    }
    found.width = document.querySelector<HTMLVideoElement>('#video')!.videoWidth
    return found
  })
}
