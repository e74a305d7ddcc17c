import { findBrowser, PATIENCE } from '@str0m/demo-kit/browsers'
import type { Answer, Offer } from '@str0m/rtc'
import { describe, expect, it, onTestFinished } from 'vitest'
import { hasCoturn, startCoturn } from '../../../packages/stun-ice/test/coturn.ts'
import { BrowserStage } from './browser-stage.ts'
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

// What follows runs in the page.

interface Prepared {
  readonly peer: RTCPeerConnection
  readonly channel: RTCDataChannel
}

async function makeOffer(): Promise<Offer> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true })
  const peer = new RTCPeerConnection()
  for (const track of stream.getTracks()) peer.addTrack(track, stream)
  const channel = peer.createDataChannel('relayed')
  // a picture is decoded where it is shown
  peer.addEventListener('track', ({ track }) => {
    const video = document.createElement('video')
    video.muted = true
    video.srcObject = new MediaStream([track])
    document.body.append(video)
    void video.play()
  })
  Object.assign(window, { prepared: { peer, channel } })
  await peer.setLocalDescription()
  while (peer.iceGatheringState !== 'complete') {
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
  return { type: 'offer', sdp: peer.localDescription!.sdp }
}

/** `patience`: how long it waits for all that it looks for, ms. */
async function call(
  answer: Answer,
  patience: number,
): Promise<{ state: string; message: string; frames: number; remote: string[] }> {
  const { peer, channel } = (window as unknown as { prepared: Prepared }).prepared
  let message = ''
  channel.addEventListener('open', () => channel.send('hello'))
  channel.addEventListener('message', ({ data }: MessageEvent<string>) => (message = data))
  await peer.setRemoteDescription(answer)
  const remote = new Set<string>()
  let frames = 0
  for (const end = performance.now() + patience; performance.now() < end;) {
    if (frames > 30 && message !== '') break
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
    for (const entry of (await peer.getStats()).values() as Iterable<Record<string, unknown>>) {
      if (entry['type'] === 'remote-candidate') remote.add(String(entry['candidateType']))
      if (entry['type'] === 'inbound-rtp') frames = Number(entry['framesDecoded'] ?? 0)
    }
  }
  const state = peer.connectionState
  peer.close()
  return { state, message, frames, remote: [...remote] }
}
