import { findBrowser, PATIENCE } from '@str0m/demo-kit/browsers'
import type { Answer, Offer } from '@str0m/rtc'
import { describe, expect, it, onTestFinished } from 'vitest'
import { BrowserStage } from './browser-stage.ts'
import { CallingPeer } from './calling-peer.ts'
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
            const { tlsVersion, frames, ...rest } = await outcome
            expect(rest).toEqual({ state: 'connected', message: 'hello' })
            expect(frames).toBeGreaterThan(30)
            expect(peer.frames.length).toBeGreaterThan(30)
            expect(tlsVersion).toBe(TLS_VERSIONS[dtlsVersions[0]])
          })
        }
      }
    },
  )
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
  const channel = peer.createDataChannel('messages')
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
): Promise<{ state: string; message: string; frames: number; tlsVersion: string }> {
  const { peer, channel } = (window as unknown as { prepared: Prepared }).prepared
  let message = ''
  channel.addEventListener('open', () => channel.send('hello'))
  channel.addEventListener('message', ({ data }: MessageEvent<string>) => (message = data))
  await peer.setRemoteDescription(answer)
  let tlsVersion = ''
  let frames = 0
  for (const end = performance.now() + patience; performance.now() < end;) {
    if (frames > 30 && message !== '') break
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
    for (const entry of (await peer.getStats()).values() as Iterable<Record<string, unknown>>) {
      if (entry['type'] === 'transport') tlsVersion = String(entry['tlsVersion'])
      if (entry['type'] === 'inbound-rtp') frames = Number(entry['framesDecoded'] ?? 0)
    }
  }
  const state = peer.connectionState
  peer.close()
  return { state, message, frames, tlsVersion }
}
