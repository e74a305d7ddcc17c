import { findBrowser, launch, openPage, quit, waitForState } from '@str0m/demo-kit/browsers'
import type { Page } from 'puppeteer-core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { startServer } from '../src/server.ts'

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(
    `[browser] ${name}: the page`,
    { timeout: 300_000 },
    () => {
      const open = async () => {
        const server = await startServer(0, scratchDirectory())
        onTestFinished(() => server.close())
        const browser = await launch(name)
        onTestFinished(() => quit(browser))
        const address = `https://localhost:${server.port}/`
        return { browser, address, page: await openPage(browser, address) }
      }

      it('can publish after the camera was refused', async () => {
        const { page } = await open()
        await page.evaluate(() => {
          const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
          let refused = 0
          navigator.mediaDevices.getUserMedia = (constraints) =>
            refused++ === 0 ? Promise.reject(new Error('refused')) : original(constraints)
        })
        await page.click('#publish')
        await page.waitForFunction(() => document.getElementById('message')!.textContent === 'refused')
        await page.waitForSelector('#publish:not([disabled])')
        await page.click('#publish')
        await waitForState(page, 'connected')
      })

      it('says that another one publishes, and watches that one', async () => {
        const { browser, address, page } = await open()
        await page.click('#publish')
        await waitForState(page, 'connected')
        const other = await openPage(browser, address)
        await other.click('#publish')
        await waitForState(other, 'connected')
        const at = performance.now()
        await page.bringToFront()
        await waitForState(page, 'closed')
        // the goodbye tells, and not that nothing comes any more
        expect(performance.now() - at).toBeLessThan(5000)
        expect(await page.$eval('#message', ({ textContent }) => textContent)).toBe(
          'The server has ended the call',
        )
        await page.click('#watch')
        await untilShown(page)
      })

      it('shows one who publishes later, leaves, and comes back', async () => {
        const { browser, address, page } = await open()
        await page.click('#watch')
        await waitForState(page, 'connected')
        for (let i = 0; i < 2; i++) {
          const publisher = await openPage(browser, address)
          await publisher.click('#publish')
          await waitForState(publisher, 'connected')
          await page.bringToFront()
          const before = await framesOf(page)
          await page.waitForFunction(
            async (least: number) => {
              const entries = await window.kit.statistics(window.connection, 'inbound-rtp')
              const video = entries.find(({ kind }) => kind === 'video')
              return Number(video?.['framesDecoded'] ?? 0) > least
            },
            {},
            before + 20,
          )
          await publisher.close()
          // it said goodbye: what it sent is forgotten
          await page.waitForFunction(async () => {
            const response = await fetch('/encodings')
            return ((await response.json()) as { encodings: string[] }).encodings.length === 0
          })
        }
      })
    },
  )
}

async function untilShown(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector('video')!.currentTime > 0.2)
}

function framesOf(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const entries = await window.kit.statistics(window.connection, 'inbound-rtp')
    return Number(entries.find(({ kind }) => kind === 'video')?.['framesDecoded'] ?? 0)
  })
}
