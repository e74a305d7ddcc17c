import { findBrowser, launch, openPage, press, quit, untilMet, waitForState } from '@str0m/demo-kit/browsers'
import type { Page } from 'puppeteer-core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { startServer } from '../src/server.ts'

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(
    `[browser] ${name}: the page`,
    { timeout: 300_000 },
    () => {
      const open = async (): Promise<{ close: () => Promise<void>; page: Page }> => {
        const directory = scratchDirectory()
        const server = await startServer({ port: 0, directory, recordings: directory })
        let closed: Promise<void> | undefined
        const close = (): Promise<void> => (closed ??= server.close())
        onTestFinished(close)
        const browser = await launch(name)
        onTestFinished(() => quit(browser))
        return { close, page: await openPage(browser, `https://localhost:${server.port}/`) }
      }
      const record = async (page: Page): Promise<void> => {
        await page.click('#record')
        await waitForState(page, 'connected')
      }

      it('asks for one camera, however often the button is pressed', async () => {
        const { page } = await open()
        await page.$eval('#cam', (button: Element) => {
          for (let i = 0; i < 3; i++) (button as HTMLButtonElement).click()
        })
        await page.waitForSelector('#cam[aria-pressed=true]')
        const tracks = await page.$eval('#video', (video: Element) => {
          const stream = (video as HTMLVideoElement).srcObject as MediaStream
          return stream.getTracks().length
        })
        expect(tracks).toBe(1)
      })

      it('says that a recording could not be written, and can record again', async () => {
        const { page } = await open()
        await press(page, 'mic')
        await record(page)
        await page.evaluate(() => {
          const original = window.fetch.bind(window)
          window.fetch = async (input, init) => {
            const response = await original(input, init)
            const isEnd = init?.method === 'DELETE'
            return isEnd ? new Response('{"error":"the disk is full"}', { status: 500 }) : response
          }
        })
        await page.click('#stop')
        await untilMet(
          () => messageOf(page),
          (text) => text === 'the disk is full',
          'what went wrong',
        )
        expect(await page.evaluate(() => window.connection!.connectionState)).toBe('closed')
        await record(page)
      })

      it('says that the server ended the call', async () => {
        const { close, page } = await open()
        await press(page, 'mic')
        await record(page)
        const at = performance.now()
        await close()
        await waitForState(page, 'closed')
        // the goodbye tells, and not that nothing comes any more
        expect(performance.now() - at).toBeLessThan(5000)
        await page.waitForSelector('#record:not([disabled])')
        await page.waitForFunction(() => window.connection!.connectionState === 'closed')
      })
    },
  )
}

function messageOf(page: Page): Promise<string> {
  return page.$eval('#message', ({ textContent }) => textContent)
}
