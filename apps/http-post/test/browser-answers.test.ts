import { findBrowser, openPage, untilMet } from '@str0m/demo-kit/browsers'
import type { Answer, ChangeSet, Direction, Offer } from '@str0m/rtc'
import type { Page } from 'puppeteer-core'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { BrowserStage } from './browser-stage.ts'
import { CallingPeer } from './calling-peer.ts'
import { type FilmFrame, readIvf } from '@str0m/demo-kit/film'
import { makeFilm } from './foreign-peers.ts'
import { until } from './test-server.ts'

/** The other way round: we offer, and the browser answers. */
for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(`[browser] ${name} answers`, { timeout: 300_000 }, () => {
    const stage = BrowserStage.forGroup(name)
    let film: FilmFrame[]
    beforeAll(() => {
      film = readIvf(makeFilm(scratchDirectory()).VP8)
    })

    async function start(): Promise<{ page: Page; peer: CallingPeer }> {
      const page = await openPage(stage.browser, stage.server.address)
      await page.evaluate(prepare)
      const peer = await CallingPeer.start()
      onTestFinished(async () => {
        peer.close()
        await page.evaluate(hangUp)
        await page.close()
      })
      return { page, peer }
    }

    /** Offers, and takes the answer. */
    async function offer<T>(page: Page, peer: CallingPeer, what: (change: ChangeSet) => T): Promise<T> {
      const [made, offered] = peer.do((rtc) => {
        const change = rtc.createOffer()
        return [what(change), change] as const
      })
      const answer = await page.evaluate(
        answerTo,
        peer.do(() => offered.apply()),
      )
      peer.do((rtc) => rtc.pendingChanges()!.acceptAnswer(answer))
      return made
    }

    /** Takes the page's offer, and brings it the answer. */
    async function answer(page: Page, peer: CallingPeer, offered: Offer): Promise<void> {
      await page.evaluate(
        takeAnswer,
        peer.do((rtc) => rtc.acceptOffer(offered)),
      )
    }

    /** Waits for a second more of a film that is shown, and of the camera that is sent, in a section. */
    async function goesOn(
      page: Page,
      peer: CallingPeer,
      mid: string,
      ways: { film?: boolean; camera?: boolean },
    ) {
      if (ways.film === true) {
        const before = await page.evaluate(framesDecoded, mid)
        await untilMet(
          () => page.evaluate(framesDecoded, mid),
          (now) => now >= before + 30,
          `a second of the film in section ${mid}`,
        )
      }
      if (ways.camera === true) {
        const before = peer.framesOf(mid).length
        await until(
          () => peer.framesOf(mid).length >= before + 30,
          `a second of the camera in section ${mid}`,
        )
      }
    }

    it('sound and pictures go both ways, and messages', async () => {
      const { page, peer } = await start()
      const [audio, video] = await offer(page, peer, (change) => {
        change.addChannel('ours')
        return [change.addMedia('audio'), change.addMedia('video')] as const
      })
      peer.playAudio(audio)
      peer.playVideo(video, film)
      await goesOn(page, peer, video, { film: true, camera: true })
      await until(() => peer.framesOf(audio).length > 50, 'a second of the microphone')
      await until(() => peer.find('channelOpen') !== undefined, 'the channel')
      expect(peer.frames.every(({ contiguous }) => contiguous)).toBe(true)
      expect(peer.framesOf(video)[0]!.keyframe).toBe(true)
      expect(await page.evaluate(sizeOf, video)).toEqual({ width: 320, height: 240 })
    })

    it('sections are added, turned, stopped and used again in mid-call, and ICE restarts', async () => {
      const { page, peer } = await start()
      const first = await offer(page, peer, (change) => change.addMedia('video'))
      peer.playVideo(first, film)
      await goesOn(page, peer, first, { film: true, camera: true })
      const second = await offer(page, peer, (change) => change.addMedia('video', 'sendonly'))
      peer.playVideo(second, film)
      await goesOn(page, peer, second, { film: true })
      await goesOn(page, peer, first, { film: true, camera: true })
      for (const [direction, ways] of [
        ['sendonly', { film: true }],
        ['recvonly', { camera: true }],
        ['inactive', {}],
        ['sendrecv', { film: true, camera: true }],
      ] as const satisfies readonly (readonly [Direction, object])[]) {
        await offer(page, peer, (change) => change.setDirection(first, direction))
        expect(peer.rtc.media(first)!.direction).toBe(direction)
        await goesOn(page, peer, first, ways)
        await goesOn(page, peer, second, { film: true })
      }
      await offer(page, peer, (change) => change.stopMedia(second))
      const third = await offer(page, peer, (change) => change.addMedia('video', 'sendonly'))
      expect(await page.evaluate(mids)).toEqual([first, third])
      peer.playVideo(third, film)
      await goesOn(page, peer, third, { film: true })
      const before = peer.rtc.iceUfrag
      await offer(page, peer, (change) => change.iceRestart())
      expect(peer.rtc.iceUfrag).not.toBe(before)
      await goesOn(page, peer, first, { film: true, camera: true })
      await goesOn(page, peer, third, { film: true })
    })

    it('the browser offers in mid-call too, and where both do, ours is rolled back', async () => {
      const { page, peer } = await start()
      const first = await offer(page, peer, (change) => change.addMedia('video'))
      peer.playVideo(first, film)
      await goesOn(page, peer, first, { film: true, camera: true })
      await answer(page, peer, await page.evaluate(offerCamera))
      const second = peer.rtc.medias.at(-1)!.mid
      expect(second).not.toBe(first)
      peer.playVideo(second, film)
      await goesOn(page, peer, second, { film: true, camera: true })
      const theirs = await page.evaluate(offerCamera)
      peer.do((rtc) => {
        const change = rtc.createOffer()
        change.addMedia('audio')
        change.apply()
        rtc.pendingChanges()!.rollback()
      })
      await answer(page, peer, theirs)
      const third = peer.rtc.medias.at(-1)!.mid
      await goesOn(page, peer, third, { camera: true })
      const audio = await offer(page, peer, (change) => change.addMedia('audio'))
      peer.playAudio(audio)
      await until(() => peer.framesOf(audio).length > 50, 'a second of the microphone')
      await goesOn(page, peer, first, { film: true, camera: true })
    })
  })
}

// What follows runs in the page.

interface Prepared {
  readonly peer: RTCPeerConnection
  readonly stream: MediaStream
}

async function prepare(): Promise<void> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true })
  const peer = new RTCPeerConnection()
  peer.addEventListener('track', ({ track }) => window.kit.play(track))
  Object.assign(window, { prepared: { peer, stream } })
}

/** Answers, and sends the camera and the microphone wherever they are taken. */
async function answerTo(offer: Offer): Promise<Answer> {
  const { peer, stream } = (window as unknown as { prepared: Prepared }).prepared
  await peer.setRemoteDescription(offer)
  for (const transceiver of peer.getTransceivers()) {
    if (transceiver.currentDirection === 'stopped' || transceiver.sender.track !== null) continue
    const track = stream.getTracks().find(({ kind }) => kind === transceiver.receiver.track.kind)!
    await transceiver.sender.replaceTrack(track)
    transceiver.direction = 'sendrecv'
  }
  const { sdp } = await window.kit.describe(peer)
  return { type: 'answer', sdp }
}

/** Offers one more section with the camera. */
async function offerCamera(): Promise<Offer> {
  const { peer, stream } = (window as unknown as { prepared: Prepared }).prepared
  peer.addTransceiver(stream.getVideoTracks()[0]!)
  const { sdp } = await window.kit.describe(peer)
  return { type: 'offer', sdp }
}

async function takeAnswer(answer: Answer): Promise<void> {
  const { peer } = (window as unknown as { prepared: Prepared }).prepared
  await peer.setRemoteDescription(answer)
}

async function framesDecoded(mid: string): Promise<number> {
  const { peer } = (window as unknown as { prepared: Prepared }).prepared
  const transceiver = peer.getTransceivers().find((each) => each.mid === mid)
  const [video] = await window.kit.statistics(transceiver?.receiver, 'inbound-rtp')
  return Number(video?.['framesDecoded'] ?? 0)
}

function sizeOf(mid: string): { width: number; height: number } {
  const { peer } = (window as unknown as { prepared: Prepared }).prepared
  const track = peer.getTransceivers().find((each) => each.mid === mid)?.receiver.track
  const videos = [...document.querySelectorAll('video')]
  const video = videos.find(
    ({ srcObject }) => (srcObject as MediaStream | null)?.getTracks().includes(track!) === true,
  )!
  return { width: video.videoWidth, height: video.videoHeight }
}

/** Of the sections that stand. */
function mids(): (string | null)[] {
  const { peer } = (window as unknown as { prepared: Prepared }).prepared
  return peer
    .getTransceivers()
    .filter(({ currentDirection }) => currentDirection !== 'stopped')
    .map(({ mid }) => mid)
}

function hangUp(): void {
  const { peer, stream } = (window as unknown as { prepared: Prepared }).prepared
  peer.close()
  for (const track of stream.getTracks()) track.stop()
}
