import { call, findBrowser, openPage, press, untilMet, waitForState } from '@str0m/demo-kit/browsers'
import type { Page } from 'puppeteer-core'
import { describe, expect, it } from 'vitest'
import { hasCoturn, startCoturn } from '../../../packages/stun-ice/test/coturn.ts'
import { parseIceServers } from '../src/ice-servers.ts'
import { BrowserStage } from './browser-stage.ts'
import { until } from './test-server.ts'

const TOKEN = 'a.token-of_letters~1=='

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(
    `[browser] ${name}, by RFC 9725`,
    { timeout: 300_000 },
    () => {
      it('shows a token where the server asks for it', async () => {
        const { server, browser } = await BrowserStage.forTest(name, {}, { token: TOKEN })
        const page = await call(browser, server.address, ['data'])
        await untilMet(
          () => messageOf(page),
          (text) => text.includes('token'),
          'that a token is asked for',
        )
        expect(server.calls.size).toBe(0)
        await page.type('#token', TOKEN)
        await page.click('#connect')
        await waitForState(page, 'connected')
        await page.close()
        // or it stands in the address that was given out with it
        const other = await openPage(browser, `${server.address}#token=${encodeURIComponent(TOKEN)}`)
        await press(other, 'data')
        await other.click('#connect')
        await waitForState(other, 'connected')
      })

      it('tells its candidates as they are found', async () => {
        const { server, browser } = await BrowserStage.forTest(name)
        const page = await openPage(browser, server.address)
        await page.evaluate(recordRequests)
        for (const button of ['cam', 'mic', 'data']) await press(page, button)
        await page.click('#connect')
        await waitForState(page, 'connected')
        const requests = await untilMet(
          () => page.evaluate(() => (window as unknown as Recording).requests),
          (all) => all.some(({ body }) => body.includes('a=end-of-candidates')),
          'the end of the candidates',
        )
        expect(requests[0]!.body).not.toContain('a=candidate')
        const patches = requests.slice(1)
        expect(patches.every(({ method, status }) => method === 'PATCH' && status === 204)).toBe(true)
        expect(patches.some(({ body }) => /^a=candidate:.* typ host/m.test(body))).toBe(true)
        await until(() => server.frames.length > 20, 'twenty frames')
      })

      describe.skipIf(!hasCoturn())('[coturn] with a TURN server that Link names', () => {
        it('calls by way of it', async () => {
          const relay = await startCoturn()
          try {
            const text = `${relay.url} ${relay.username} ${relay.credential}`
            const iceServers = parseIceServers('--ice-server', text)
            const { server, browser } = await BrowserStage.forTest(name, {}, { iceServers, token: TOKEN })
            const page = await openPage(browser, `${server.address}#token=${encodeURIComponent(TOKEN)}`)
            await page.evaluate(relayOnly)
            for (const button of ['cam', 'mic']) await press(page, button)
            await page.click('#connect')
            await waitForState(page, 'connected')
            await until(() => server.frames.length > 20, 'twenty frames')
            const types = await page.evaluate(async () => {
              const entries = await window.kit.statistics(window.connection, 'local-candidate')
              return [...new Set(entries.map((entry) => String(entry['candidateType'])))]
            })
            expect(types).toEqual(['relay'])
          } finally {
            await relay.stop()
          }
        })
      })
    },
  )
}

function messageOf(page: Page): Promise<string> {
  return page.$eval('#message', ({ textContent }) => textContent)
}

// What follows runs in the page.

interface Recording {
  readonly requests: { method: string; body: string; status: number }[]
}

function recordRequests(): void {
  const requests: Recording['requests'] = []
  Object.assign(window, { requests })
  const original = window.fetch.bind(window)
  window.fetch = async (input, init) => {
    const response = await original(input, init)
    // what is posted and patched here is text
    const body = typeof init?.body === 'string' ? init.body : ''
    requests.push({ method: init?.method ?? 'GET', body, status: response.status })
    return response
  }
}

/** Has the connection that is made next gather nothing but relayed candidates. */
function relayOnly(): void {
  const Connection = window.RTCPeerConnection
  window.RTCPeerConnection = class extends Connection {
    constructor(configuration?: RTCConfiguration) {
      super({ ...configuration, iceTransportPolicy: 'relay' })
    }
  }
}
