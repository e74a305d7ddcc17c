import { findBrowser, PATIENCE } from '@str0m/demo-kit/browsers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { BrowserStage } from './browser-stage.ts'
import { CallingPeer } from './calling-peer.ts'
import { call, makeOffer } from './echoed-call.ts'
import { until } from './test-server.ts'

/** As `RTCTransportStats.tlsVersion` has it: the version's two bytes in hexadecimal digits. */
const TLS_VERSIONS = { 'DTLS 1.2': 'FEFD', 'DTLS 1.3': 'FEFC' } as const

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(
    `[browser] ${name} and DTLS 1.3`,
    { timeout: 300_000 },
    () => {
      const stage = BrowserStage.forGroup(name)

      for (const dtlsSetup of ['active', 'passive'] as const) {
        for (const dtlsVersions of [['DTLS 1.3'], ['DTLS 1.3', 'DTLS 1.2'], ['DTLS 1.2']] as const) {
          it(`${dtlsSetup} with ${dtlsVersions.join(' and ')}: media and messages come and go`, async () => {
            const peer = await CallingPeer.start({ dtlsSetup, dtlsVersions })
            peer.echo = true
            const page = await stage.browser.newPage()
            onTestFinished(async () => {
              peer.close()
              await page.close()
            })
            await page.goto(stage.server.address, { timeout: PATIENCE })
            const offer = await page.evaluate(makeOffer)
            const outcome = page.evaluate(
              call,
              peer.do((rtc) => rtc.acceptOffer(offer)),
              PATIENCE,
            )
            await until(() => peer.find('channelData') !== undefined, 'a message')
            const { id, data } = peer.find('channelData')!
            expect(data).toBe('hello')
            peer.write(id, 'hello')
            const came = await outcome
            const tlsVersion = TLS_VERSIONS[dtlsVersions[0]]
            expect(came).toMatchObject({ state: 'connected', message: 'hello', tlsVersion })
            expect(came.frames).toBeGreaterThan(30)
            expect(peer.frames.length).toBeGreaterThan(30)
          })
        }
      }
    },
  )
}
