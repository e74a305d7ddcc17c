import { findBrowser, openPage } from '@str0m/demo-kit/browsers'
import { type Answer, type Offer, Rtc } from '@str0m/rtc'
import { describe, expect, it } from 'vitest'
import { BrowserStage } from './browser-stage.ts'

const RIDS = ['q', 'h', 'f']

// Firefox lists its encodings in no offer
describe.skipIf(findBrowser('chromium') === undefined)(
  '[browser] chromium, whose simulcast is held',
  { timeout: 100_000 },
  () => {
    const stage = BrowserStage.forGroup('chromium')

    it('has all of its encodings when it goes on', async () => {
      const page = await openPage(stage.browser, stage.server.address)
      const rtc = new Rtc()
      const offer = await page.evaluate(offerEncodings, RIDS)
      for (const direction of ['inactive', 'sendonly', 'inactive'] as const) {
        const answer = rtc.acceptOffer(offer)
        expect(await page.evaluate(takeAnswer, answer)).toEqual(RIDS)
        Object.assign(offer, await page.evaluate(turn, direction))
      }
      expect(await page.evaluate(takeAnswer, rtc.acceptOffer(offer))).toEqual(RIDS)
      await page.close()
    })
  },
)

interface Held {
  held: RTCPeerConnection
}

async function offerEncodings(rids: string[]): Promise<Offer> {
  const canvas = document.createElement('canvas')
  canvas.getContext('2d')
  const connection = new RTCPeerConnection()
  Object.assign(globalThis, { held: connection })
  connection.addTransceiver(canvas.captureStream(5).getVideoTracks()[0]!, {
    direction: 'sendonly',
    sendEncodings: rids.map((rid) => ({ rid })),
  })
  await connection.setLocalDescription()
  return { type: 'offer', sdp: connection.localDescription!.sdp }
}

/** Answers the rids that it still has, and sends. */
async function takeAnswer(answer: Answer): Promise<(string | undefined)[]> {
  const { held } = globalThis as unknown as Held
  await held.setRemoteDescription(answer)
  const { encodings } = held.getSenders()[0]!.getParameters()
  return encodings.filter(({ active }) => active).map(({ rid }) => rid)
}

async function turn(direction: RTCRtpTransceiverDirection): Promise<Offer> {
  const { held } = globalThis as unknown as Held
  held.getTransceivers()[0]!.direction = direction
  await held.setLocalDescription()
  return { type: 'offer', sdp: held.localDescription!.sdp }
}
