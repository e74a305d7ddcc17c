import { findBrowser, openPage } from '@str0m/demo-kit/browsers'
import type { Answer, Offer } from '@str0m/rtc'
import { vp8KeyframeSize } from '@str0m/rtp'
import type { Page } from 'puppeteer-core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { BrowserStage } from './browser-stage.ts'
import { CallingPeer } from './calling-peer.ts'
import { until } from './test-server.ts'

/** Browsers take the first one that they are asked for as the smallest. */
const RIDS = ['q', 'h', 'f'] as const

/** An SFU that calls a publisher: it asks for several encodings (RFC 8853 section 5.3), which the browser makes of the offer. */
for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(
    `[browser] ${name} is asked for simulcast`,
    { timeout: 300_000 },
    () => {
      const stage = BrowserStage.forGroup(name)

      /** Offers, and takes the answer. */
      async function ask(off?: string): Promise<{ page: Page; peer: CallingPeer }> {
        const page = await openPage(stage.browser, stage.server.address)
        const peer = await CallingPeer.start()
        onTestFinished(async () => {
          peer.close()
          await page.close()
        })
        const offer = peer.do((rtc) => {
          const change = rtc.createOffer()
          change.addMedia('video', 'recvonly', { receiveEncodings: RIDS.map((rid) => ({ rid })) })
          return change.apply()
        })
        const answer = await page.evaluate(publish, offer, off)
        peer.do((rtc) => rtc.pendingChanges()!.acceptAnswer(answer))
        return { page, peer }
      }

      it.each([
        ['all of it', undefined],
        ['but for one that it has switched off', 'h'],
      ])('and sends %s', async (_, off) => {
        const { page, peer } = await ask(off)
        const media = peer.rtc.media('0')!
        expect(media.receiveEncodings.map(({ rid }) => rid)).toEqual(RIDS)
        expect(media.receiveEncodings.filter(({ paused }) => paused).map(({ rid }) => rid)).toEqual(
          // only Chromium says so
          off === undefined || name === 'firefox' ? [] : [off],
        )

        const of = (rid: string) => peer.frames.filter((frame) => frame.rid === rid)
        const wanted = RIDS.filter((rid) => rid !== off)
        await until(() => wanted.every((rid) => of(rid).length >= 30), 'frames of all that is sent')
        const sizes = wanted.map((rid) => vp8KeyframeSize(of(rid).find(({ keyframe }) => keyframe)!.data))
        expect(sizes).toEqual(wanted.map((rid) => SIZES[rid]))
        expect(new Set(peer.frames.map(({ rid }) => rid))).toEqual(new Set(wanted))
        expect(new Set(wanted.map((rid) => of(rid)[0]!.ssrc)).size).toBe(wanted.length)
        if (off === undefined) return
        // no offer is needed for it to come
        await page.evaluate(switchOn, off)
        await until(() => of(off).length >= 30, 'frames of the one that was off')
      })

      it('and a keyframe of one of them', async () => {
        const { peer } = await ask()
        const keyframes = (rid: string) =>
          peer.frames.filter((frame) => frame.rid === rid && frame.keyframe).length
        await until(() => RIDS.every((rid) => keyframes(rid) > 0), 'the first keyframes')
        const { ssrc } = peer.frames.find(({ rid }) => rid === 'q')!
        const before = keyframes('q')
        expect(peer.do((rtc) => rtc.media('0')!.requestKeyframe('pli', ssrc))).toBe(true)
        await until(() => keyframes('q') > before, 'the keyframe that was asked for')
      })
    },
  )
}

const SIZES = {
  q: { width: 320, height: 180 },
  h: { width: 640, height: 360 },
  f: { width: 1280, height: 720 },
}

// What follows runs in the page.

/** Answers with the camera. The track is set once the offer is there: Chromium sends one that was added before in another section. */
async function publish(offer: Offer, off: string | undefined): Promise<Answer> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } })
  const peer = new RTCPeerConnection()
  await peer.setRemoteDescription(offer)
  peer.addTrack(stream.getVideoTracks()[0]!, stream)
  const [sender] = peer.getSenders()
  const parameters = sender!.getParameters()
  for (const encoding of parameters.encodings) encoding.active = encoding.rid !== off
  // a busy machine costs pictures, not their size
  await sender!.setParameters({ ...parameters, degradationPreference: 'maintain-resolution' })
  const { sdp } = await window.kit.describe(peer)
  return { type: 'answer', sdp }
}

async function switchOn(rid: string): Promise<void> {
  const [sender] = window.connection!.getSenders()
  const parameters = sender!.getParameters()
  for (const encoding of parameters.encodings) encoding.active ||= encoding.rid === rid
  await sender!.setParameters(parameters)
}
