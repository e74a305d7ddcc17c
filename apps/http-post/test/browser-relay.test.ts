import { findBrowser, PATIENCE } from '@str0m/demo-kit/browsers'
import type { Answer } from '@str0m/rtc'
import { describe, expect, it, onTestFinished } from 'vitest'
import { hasCoturn, startCoturn } from '../../../packages/stun-ice/test/coturn.ts'
import { BrowserStage } from './browser-stage.ts'
import { call, makeOffer } from './echoed-call.ts'
import { RelayedPeer } from './relayed-peer.ts'

/** Our end is behind a TURN server, and the browser is not. */
for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(
    `[browser] ${name} calls a peer by its relay`,
    { timeout: 300_000 },
    () => {
      const stage = BrowserStage.forGroup(name)

      describe.skipIf(!hasCoturn())('[coturn]', () => {
        it.each(['udp', 'tcp'] as const)('over %s: media and messages come and go', async (way) => {
          const server = await startCoturn()
          onTestFinished(() => server.stop())
          const peer = await RelayedPeer.start(server, way)
          const page = await stage.browser.newPage()
          await page.goto(stage.server.address, { timeout: PATIENCE })
          const offer = await page.evaluate(makeOffer)
          const answer = peer.do((rtc) => rtc.acceptOffer(offer))
          expect(candidateTypes(answer)).toEqual(['relay'])
          const outcome = await page.evaluate(call, answer, PATIENCE)
          expect(outcome).toMatchObject({ state: 'connected', message: 'hello', remote: ['relay'] })
          expect(outcome.frames).toBeGreaterThan(30)
          expect(peer.frames.length).toBeGreaterThan(30)
          const { statistics } = peer.relay.client
          expect(statistics.channels).toBe(1)
          expect(statistics.dropped).toMatchObject({
            malformed: 0,
            integrity: 0,
            peer: 0,
            limit: 0,
            ended: 0,
          })
          await page.close()
          await peer.close()
          expect(server.log()).toMatch(/refreshed, .*lifetime=0/)
        })
      })
    },
  )
}

function candidateTypes({ sdp }: Answer): string[] {
  return [...new Set([...sdp.matchAll(/a=candidate:.* typ (\w+)/g)].map(([, type]) => type!))]
}
