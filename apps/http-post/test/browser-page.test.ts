import { findBrowser, openPage, press, readReceived, untilMet, waitForState } from '@str0m/demo-kit/browsers'
import type { Page } from 'puppeteer-core'
import { describe, expect, it } from 'vitest'
import { BrowserStage } from './browser-stage.ts'
import { until } from './test-server.ts'

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(
    `[browser] ${name}: the page`,
    { timeout: 300_000 },
    () => {
      const stage = BrowserStage.forGroup(name)
      const calls = () => stage.server.calls.size
      const open = () => openPage(stage.browser, stage.server.address)

      it('asks for one camera, and can switch it off, however often the button is pressed', async () => {
        const page = await open()
        await page.$eval('#cam', (button: Element) => {
          for (let i = 0; i < 3; i++) (button as HTMLButtonElement).click()
        })
        await page.waitForSelector('#cam[aria-pressed=true]')
        const live = () =>
          page.$eval('#local', (video: Element) => {
            const stream = (video as HTMLVideoElement).srcObject as MediaStream | null
            return stream?.getTracks().length ?? 0
          })
        expect(await live()).toBe(1)
        await page.click('#cam')
        await page.waitForSelector('#cam[aria-pressed=false]')
        expect(await live()).toBe(0)
        await page.close()
      })

      it('has one call at a time: another takes its place', async () => {
        const page = await open()
        for (const button of ['echo', 'cam']) await press(page, button)
        await page.click('#connect')
        await waitForState(page, 'connected')
        await page.evaluate(() => {
          Object.assign(window, { first: window.connection })
        })
        await press(page, 'mic')
        await page.click('#connect')
        await untilMet(
          () => page.evaluate(() => window.connection!.connectionState),
          (state) => state === 'connected',
          'the second call',
        )
        expect(
          await page.evaluate(
            () => (window as unknown as { first: RTCPeerConnection }).first.connectionState,
          ),
        ).toBe('closed')
        await until(() => calls() === 1, 'the end of the first call')
        // what is shown is the echo of the second one
        await untilMet(
          () => readReceived(page, '#remote'),
          ({ frames, samples, shown }) => frames > 20 && samples > 10_000 && shown,
          'its echo',
        )
        expect(await isAllowed(page)).toBe(false)
        await page.close()
      })

      it('ends its call when it is left', async () => {
        await until(() => calls() === 0, 'no call')
        for (const leave of [(page: Page) => page.close(), (page: Page) => page.goto('about:blank')]) {
          const page = await open()
          await press(page, 'mic')
          await page.click('#connect')
          await waitForState(page, 'connected')
          const at = performance.now()
          await leave(page)
          await until(() => calls() === 0, 'the end of the call')
          // by a goodbye: consent lasts for 30 s
          expect(performance.now() - at).toBeLessThan(15_000)
          if (!page.isClosed()) await page.close()
        }
      })

      it('says that the server ended the call, or is not there, and can call again', async () => {
        const { server, browser } = await BrowserStage.forTest(name)
        const page = await openPage(browser, server.address)
        await press(page, 'data')
        await page.click('#connect')
        await waitForState(page, 'connected')
        const at = performance.now()
        server.calls.close()
        await waitForState(page, 'closed')
        // the goodbye tells, and not that nothing comes any more
        expect(performance.now() - at).toBeLessThan(5000)
        expect(await messageOf(page)).toBe('The server has ended the call')
        expect(await isAllowed(page)).toBe(true)
        await page.click('#connect')
        await waitForState(page, 'connected')
        expect(await messageOf(page)).toBe('')
        await page.evaluate(() => {
          window.fetch = () => Promise.reject(new Error('nobody there'))
        })
        await page.click('#data')
        await press(page, 'data')
        await page.click('#connect')
        await untilMet(
          () => messageOf(page),
          (text) => text.includes('nobody there'),
          'what went wrong',
        )
        expect(await isAllowed(page)).toBe(true)
        expect(await page.evaluate(() => window.connection!.connectionState)).toBe('closed')
      })
    },
  )
}

function messageOf(page: Page): Promise<string> {
  return page.$eval('#message', ({ textContent }) => textContent)
}

function isAllowed(page: Page): Promise<boolean> {
  return page.$eval('#connect', (button) => !(button as HTMLButtonElement).disabled)
}
