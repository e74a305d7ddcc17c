import { networkInterfaces } from 'node:os'
import { findBrowser, launch } from '@str0m/demo-kit/browsers'
import type { Browser } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasCoturn, startCoturn } from './coturn.ts'
import { startTestServer, type TestServer } from './test-server.ts'

/** How a page calls otherwise than ours does. */
interface Variant {
  readonly configuration?: Pick<
    RTCConfiguration,
    'bundlePolicy' | 'iceCandidatePoolSize' | 'rtcpMuxPolicy' | 'iceServers' | 'iceTransportPolicy'
  >
  /** The key of its certificate is RSA. */
  readonly rsa?: boolean
  /** What it posts says this of its DTLS role. */
  readonly setup?: 'active' | 'passive'
  /** What it posts has no video codec that we know. */
  readonly unknownVideo?: boolean
  /** It is told only such candidates of ours. */
  readonly addresses?: 'IPv4' | 'IPv6'
}

interface Outcome {
  readonly state: string
  readonly audioPackets: number
  readonly frames: number
  readonly message: string
  /** The types of its own candidates. */
  readonly local: readonly string[]
}

const HAS_IPV6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(
    ({ family, internal, address }) => family === 'IPv6' && !internal && !address.startsWith('fe80:'),
  ),
)

const VARIANTS: readonly (readonly [string, Variant])[] = [
  ['bundlePolicy balanced', { configuration: { bundlePolicy: 'balanced' } }],
  ['bundlePolicy max-compat', { configuration: { bundlePolicy: 'max-compat' } }],
  ['bundlePolicy max-bundle', { configuration: { bundlePolicy: 'max-bundle' } }],
  ['candidates gathered before', { configuration: { iceCandidatePoolSize: 2 } }],
  ['an RSA certificate', { rsa: true }],
  ['an RSA certificate, as DTLS client', { rsa: true, setup: 'active' }],
  ['as DTLS client', { setup: 'active' }],
  ['as DTLS server', { setup: 'passive' }],
  ['IPv4 alone', { addresses: 'IPv4' }],
  ['IPv6 alone', { addresses: 'IPv6' }],
  ['video that is rejected', { unknownVideo: true }],
]

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(`[browser] ${name}, variants`, { timeout: 60_000 }, () => {
    let server: TestServer
    let browser: Browser

    beforeAll(async () => {
      server = await startTestServer()
      browser = await launch(name)
    }, 60_000)
    afterAll(async () => {
      await browser?.close()
      await server?.close()
    }, 60_000)

    it.each(VARIANTS)('%s: media and messages come back', async (_, variant) => {
      if (variant.addresses === 'IPv6' && !HAS_IPV6) {
        console.log('This machine has no IPv6 address but loopback: not tried')
        return
      }
      const outcome = await call(variant)
      expect(outcome).toMatchObject({ state: 'connected', message: 'hello' })
      expect(outcome.audioPackets).toBeGreaterThan(10)
      if (variant.unknownVideo === true) expect(outcome.frames).toBe(0)
      else expect(outcome.frames).toBeGreaterThan(10)
    })

    describe.skipIf(!hasCoturn())('[coturn] by a relay alone (RFC 8656)', () => {
      it('media and messages come back', async () => {
        const relay = await startCoturn()
        try {
          const { url: urls, username, credential } = relay
          const iceServers = [{ urls, username, credential }]
          const outcome = await call({ configuration: { iceTransportPolicy: 'relay', iceServers } })
          expect(outcome).toMatchObject({ state: 'connected', message: 'hello', local: ['relay'] })
          expect(outcome.audioPackets).toBeGreaterThan(10)
          expect(outcome.frames).toBeGreaterThan(10)
        } finally {
          await relay.stop()
        }
      })
    })

    async function call(variant: Variant): Promise<Outcome> {
      const page = await browser.newPage()
      try {
        await page.goto(server.address)
        return await page.evaluate(callEcho, variant)
      } finally {
        await page.close()
      }
    }
  })
}

// What follows runs in the page.

async function callEcho(variant: Variant): Promise<Outcome> {
  const sleep = (milliseconds: number) =>
    new Promise((resolve) => {
      setTimeout(resolve, milliseconds)
    })
  const rsa = {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: 'SHA-256',
  }
  const certificates = variant.rsa === true ? [await RTCPeerConnection.generateCertificate(rsa)] : []
  const peer = new RTCPeerConnection({ ...variant.configuration, certificates })
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true })
  for (const track of stream.getTracks()) peer.addTrack(track, stream)
  const channel = peer.createDataChannel('variant')
  let message = ''
  channel.addEventListener('open', () => channel.send('hello'))
  channel.addEventListener('message', ({ data }: MessageEvent<string>) => (message = data))
  await peer.setLocalDescription()
  while (peer.iceGatheringState !== 'complete') await sleep(20)

  let { sdp } = peer.localDescription!
  if (variant.setup !== undefined) sdp = sdp.replaceAll('a=setup:actpass', `a=setup:${variant.setup}`)
  if (variant.unknownVideo === true)
    sdp = sdp.replaceAll(/(a=rtpmap:\d+ )(VP8|VP9|AV1|H264|H265)\//g, '$1x$2/')
  const response = await fetch('/?echo', { method: 'POST', body: JSON.stringify({ type: 'offer', sdp }) })
  const answer = (await response.json()) as { type: 'answer'; sdp: string }
  const isWanted = (line: string) => {
    const isIpv6 = line.split(' ')[4]?.includes(':') ?? false
    return !line.startsWith('a=candidate:') || isIpv6 === (variant.addresses === 'IPv6')
  }
  if (variant.addresses !== undefined) {
    answer.sdp = answer.sdp.split('\r\n').filter(isWanted).join('\r\n')
  }
  await peer.setRemoteDescription(answer)

  const local = new Set<string>()
  let audioPackets = 0
  let frames = 0
  const isDone = () => audioPackets > 10 && message !== '' && (frames > 10 || variant.unknownVideo === true)
  for (let tries = 0; tries < 200 && !isDone(); tries++) {
    await sleep(100)
    for (const entry of (await peer.getStats()).values() as Iterable<Record<string, unknown>>) {
      if (entry['type'] === 'local-candidate') local.add(String(entry['candidateType']))
      if (entry['type'] !== 'inbound-rtp') continue
      if (entry['kind'] === 'video') frames = Number(entry['framesDecoded'] ?? 0)
      else audioPackets = Number(entry['packetsReceived'])
    }
  }
  const state = peer.connectionState
  await fetch(response.headers.get('Location')!, { method: 'DELETE' })
  peer.close()
  for (const track of stream.getTracks()) track.stop()
  return { state, audioPackets, frames, message, local: [...local] }
}
