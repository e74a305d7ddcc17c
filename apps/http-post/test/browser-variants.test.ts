import { networkInterfaces } from 'node:os'
import { type BrowserName, findBrowser, launch, openPage, PATIENCE, quit } from '@str0m/demo-kit/browsers'
import type { Browser } from 'puppeteer-core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { BrowserStage } from './browser-stage.ts'
import { hasCoturn, startCoturn } from '../../../packages/stun-ice/test/coturn.ts'

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
  /** The same of audio, whose section is the first. */
  readonly unknownAudio?: boolean
  /** It is told only such candidates of ours. */
  readonly addresses?: 'IPv4' | 'IPv6'
}

const TIMEOUT = 300_000

interface Outcome {
  readonly state: string
  readonly audioPackets: number
  readonly frames: number
  readonly message: string
  /** The types of its own candidates. */
  readonly local: readonly string[]
}

const IPV6_ADDRESSES = Object.values(networkInterfaces())
  .flatMap((entries) => entries ?? [])
  .filter(({ family, address }) => family === 'IPv6' && !address.startsWith('fe80:'))
/** Where loopback is the only one, Chromium can be told that it is an address like others, and Firefox cannot. */
const LOOPBACK = IPV6_ADDRESSES.every(({ internal }) => internal)
const HAS_IPV6: Record<BrowserName, boolean> = { chromium: IPV6_ADDRESSES.length > 0, firefox: !LOOPBACK }

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
  ['video that is rejected', { unknownVideo: true }],
  ['the first section rejected', { unknownAudio: true }],
  [
    'the first section rejected, max-compat',
    { unknownAudio: true, configuration: { bundlePolicy: 'max-compat' } },
  ],
]

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(
    `[browser] ${name}, variants`,
    { timeout: TIMEOUT },
    () => {
      const stage = BrowserStage.forGroup(name)

      it.each(VARIANTS)('%s: media and messages come back', async (_, variant) => {
        const outcome = await callFrom(stage.browser, variant)
        expectBack(outcome, variant)
        if (variant.unknownVideo === true) expect(outcome.frames).toBe(0)
        else expect(outcome.frames).toBeGreaterThan(10)
      })

      // Chromium takes no such answer, whatever it says: its sections have no transport but that of the first
      if (name === 'firefox') {
        it('the first section rejected, of max-bundle: media and messages come back', async () => {
          const variant = { unknownAudio: true, configuration: { bundlePolicy: 'max-bundle' } } as const
          const outcome = await callFrom(stage.browser, variant)
          expectBack(outcome, variant)
          expect(outcome.frames).toBeGreaterThan(10)
        })
      }

      it.skipIf(!HAS_IPV6[name])('[ipv6] IPv6 alone: media and messages come back', async () => {
        const caller = LOOPBACK
          ? await launch(name, { flags: ['--allow-loopback-in-peer-connection'] })
          : stage.browser
        if (LOOPBACK) onTestFinished(() => quit(caller))
        const outcome = await callFrom(caller, { addresses: 'IPv6' })
        expectBack(outcome)
        expect(outcome.frames).toBeGreaterThan(10)
      })

      describe.skipIf(!hasCoturn())('[coturn] by a relay alone (RFC 8656)', () => {
        it('media and messages come back', async () => {
          const relay = await startCoturn()
          onTestFinished(() => relay.stop())
          const { url: urls, username, credential } = relay
          const iceServers = [{ urls, username, credential }]
          const configuration = { iceTransportPolicy: 'relay', iceServers } as const
          const outcome = await callFrom(stage.browser, { configuration })
          expectBack(outcome)
          expect(outcome.local).toEqual(['relay'])
          expect(outcome.frames).toBeGreaterThan(10)
        })
      })

      async function callFrom(caller: Browser, variant: Variant): Promise<Outcome> {
        const page = await openPage(caller, stage.server.address)
        try {
          return await page.evaluate(callEcho, variant, PATIENCE)
        } finally {
          await page.close()
        }
      }
    },
  )
}

function expectBack(outcome: Outcome, variant: Variant = {}): void {
  expect(outcome).toMatchObject({ state: 'connected', message: 'hello' })
  if (variant.unknownAudio === true) expect(outcome.audioPackets).toBe(0)
  else expect(outcome.audioPackets).toBeGreaterThan(10)
}

// What follows runs in the page.

/** `patience`: how long it waits for all that it looks for, ms. */
async function callEcho(variant: Variant, patience: number): Promise<Outcome> {
  const { kit } = window
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

  let { sdp } = await kit.describe(peer)
  if (variant.setup !== undefined) sdp = sdp.replaceAll('a=setup:actpass', `a=setup:${variant.setup}`)
  if (variant.unknownVideo === true)
    sdp = sdp.replaceAll(/(a=rtpmap:\d+ )(VP8|VP9|AV1|H264|H265)\//g, '$1x$2/')
  if (variant.unknownAudio === true)
    sdp = sdp.replaceAll(/(a=rtpmap:\d+ )(opus|red|G722|PCMU|PCMA|CN|telephone-event)\//g, '$1x$2/')
  const { answer, resource } = await kit.post('/?echo', { type: 'offer', sdp })
  const isWanted = (line: string) => {
    const isIpv6 = line.split(' ')[4]?.includes(':') ?? false
    return !line.startsWith('a=candidate:') || isIpv6 === (variant.addresses === 'IPv6')
  }
  const lines = answer.sdp.split('\r\n')
  const told = variant.addresses === undefined ? lines : lines.filter(isWanted)
  await peer.setRemoteDescription({ type: 'answer', sdp: told.join('\r\n') })

  const local = new Set<string>()
  let audioPackets = 0
  let frames = 0
  const isDone = () =>
    (audioPackets > 10 || variant.unknownAudio === true) &&
    (frames > 10 || variant.unknownVideo === true) &&
    message !== ''
  for (const end = performance.now() + patience; performance.now() < end && !isDone();) {
    await kit.sleep(100)
    for (const entry of await kit.statistics(peer, 'local-candidate'))
      local.add(String(entry['candidateType']))
    for (const entry of await kit.statistics(peer, 'inbound-rtp')) {
      if (entry['kind'] === 'video') frames = Number(entry['framesDecoded'] ?? 0)
      else audioPackets = Number(entry['packetsReceived'])
    }
  }
  const state = peer.connectionState
  await kit.hangUp(resource, peer)
  return { state, audioPackets, frames, message, local: [...local] }
}
