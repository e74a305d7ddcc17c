import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Peers } from '@str0m/demo-kit'
import {
  findBrowser,
  launch,
  openPage,
  PATIENCE,
  quit,
  readReceived,
  untilMet,
} from '@str0m/demo-kit/browsers'
import { type Offer, type PacketForwarder, Rtc, type RtcEvent } from '@str0m/rtc'
import { DEFAULT_CODECS } from '@str0m/sdp'
import { describe, expect, it, onTestFinished } from 'vitest'

// scalable video through two Rtc in RTP mode: https://www.w3.org/TR/webrtc-svc/

/** Pictures a second of the fake camera. */
const RATE = 20
const ADDRESS = '127.0.0.1'

/** The highest layers that go out, and what is then seen: how wide the picture is, and how many of all pictures come. */
type Step = readonly [spatial: number, temporal: number, width: number, share: number]

const SPATIAL: readonly Step[] = [
  [7, 7, 1280, 1],
  [0, 7, 320, 1],
  [1, 7, 640, 1],
  [0, 0, 320, 1 / 4],
  [2, 1, 1280, 1 / 2],
]
const TEMPORAL: readonly Step[] = [
  [7, 7, 1280, 1],
  [7, 0, 1280, 1 / 4],
  [7, 1, 1280, 1 / 2],
  [7, 7, 1280, 1],
]

describe.skipIf(findBrowser('chromium') === undefined)(
  '[browser] chromium publishes layers, and chromium watches',
  { timeout: 600_000 },
  () => {
    it.each([
      ['VP8', 'L1T3', TEMPORAL],
      ['VP9', 'L3T3', SPATIAL],
      ['VP9', 'L3T3_KEY', SPATIAL],
      ['AV1', 'L1T3', TEMPORAL],
      ['AV1', 'L3T3', SPATIAL],
      ['AV1', 'L3T3_KEY', SPATIAL],
    ] as const)('%s, %s: fewer and more of them stay decodable', async (codec, mode, steps) => {
      const relay = await startRelay(codec)
      const browser = await launch('chromium', { fps: RATE })
      onTestFinished(() => quit(browser))
      const publisher = await openPage(browser, relay.address)
      await publisher.evaluate(publish, codec, mode, PATIENCE)
      const watcher = await openPage(browser, relay.address)
      await watcher.evaluate(watch, codec)
      const figures = () => readReceived(watcher, 'video')
      await untilMet(figures, ({ frames }) => frames > 0, 'the first picture')
      const requests = relay.keyframeRequests()
      for (const [spatial, temporal, width, share] of steps) {
        relay.forwarder().maxSpatialLayer = spatial
        relay.forwarder().maxTemporalLayer = temporal
        const of = `layers up to ${spatial} and ${temporal}`
        await untilMet(figures, (now) => now.width === width, `a picture ${width} wide, of ${of}`)
        // what was on its way, and the next picture that depends on the lowest layer alone
        const start = relay.pictures()
        await untilMet(
          () => relay.pictures(),
          (pictures) => pictures.came >= start.came + RATE / 2,
          'half a second',
        )
        const [before, seen] = [relay.pictures(), await figures()]
        const now = await untilMet(
          () => relay.pictures(),
          ({ came }) => came >= before.came + 2 * RATE,
          'two seconds',
        )
        const shown = await untilMet(
          figures,
          ({ frames }) => frames >= seen.frames + share * RATE,
          `pictures of ${of}`,
        )
        // counted where they go out: a busy machine decodes them later
        const sent = (now.sent - before.sent) / (now.came - before.came)
        expect({ of, width: shown.width, sent }).toEqual({ of, width, sent: expect.closeTo(share, 1) })
      }
      const end = await figures()
      // the decoder was never stuck: a larger picture began with a keyframe that the forwarder asked for
      expect(relay.keyframeRequests()).toBe(requests)
      expect(end.packetsLost).toBeLessThan(0.01 * end.packetsReceived)
    })
  },
)

interface Pictures {
  /** From the publisher, by their timestamps. */
  readonly came: number
  /** Of them, those of which something went out. */
  readonly sent: number
}

interface Relay {
  readonly address: string
  forwarder(): PacketForwarder
  pictures(): Pictures
  /** By who watches. */
  keyframeRequests(): number
}

/** One publisher and one who watches, of one codec. */
async function startRelay(codec: string): Promise<Relay> {
  let publisher: Rtc | undefined
  let watcher: { readonly rtc: Rtc; readonly forwarder: PacketForwarder } | undefined
  let keyframeRequests = 0
  const came = new Set<number>()
  const sent = new Set<number>()
  const socket = createSocket('udp4')
  socket.bind(0, ADDRESS)
  await once(socket, 'listening')
  const askPublisher = (): void => {
    if (publisher === undefined) return
    peers.tell(publisher)
    for (const media of publisher.medias) media.requestKeyframe()
    peers.changed(publisher)
  }
  const peers: Peers = new Peers(socket, [ADDRESS], (rtc: Rtc, event: RtcEvent) => {
    if (event.type === 'keyframeRequest') {
      keyframeRequests++
      askPublisher()
    }
    if (event.type !== 'rtpPacket' || rtc !== publisher || watcher === undefined) return
    const { timestamp } = event.header
    came.add(timestamp)
    const { forwarder } = watcher
    if (forwarder.selected === undefined) forwarder.select(event.ssrc)
    if (forwarder.forward(event)) {
      sent.add(timestamp)
      peers.changed(watcher.rtc)
    }
    if (forwarder.needsKeyframe) askPublisher()
  })
  const codecs = DEFAULT_CODECS.filter(({ name }) => name === codec)
  const answer = (path: string | undefined, offer: Offer): string => {
    // larger layers are sent once there is an estimate
    const rtc = new Rtc({ rtpMode: true, codecs, transportFeedback: 'always' })
    peers.addCandidates(rtc)
    const text = JSON.stringify(rtc.acceptOffer(offer))
    if (path === '/publish') {
      publisher = rtc
    } else {
      const [media] = rtc.medias
      const { pt } = media!.codecs.find(({ name }) => name === codec)!
      watcher = { rtc, forwarder: media!.forwarder(pt) }
    }
    peers.add(rtc)
    return text
  }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      response.setHeader('Content-Type', request.method === 'POST' ? 'application/json' : 'text/html')
      response.end(request.method === 'POST' ? answer(request.url, JSON.parse(body) as Offer) : '<body>')
    })
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  onTestFinished(() => {
    peers.close()
    server.close()
    server.closeAllConnections()
    socket.close()
  })
  return {
    address: `http://localhost:${(server.address() as AddressInfo).port}/`,
    forwarder: () => watcher!.forwarder,
    pictures: () => ({ came: came.size, sent: sent.size }),
    keyframeRequests: () => keyframeRequests,
  }
}

// What follows runs in the pages.

/** Sends the camera in layers, and waits until the largest is sent. */
async function publish(codec: string, scalabilityMode: string, patience: number): Promise<void> {
  const { kit } = window
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } })
  const peer = new RTCPeerConnection()
  const { sender } = peer.addTransceiver(stream.getVideoTracks()[0]!, {
    direction: 'sendonly',
    sendEncodings: [{ scalabilityMode } as RTCRtpEncodingParameters],
  })
  const { codecs } = RTCRtpSender.getCapabilities('video')!
  peer
    .getTransceivers()[0]!
    .setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === `video/${codec}`))
  // a busy machine costs pictures, not their size
  await sender.setParameters({ ...sender.getParameters(), degradationPreference: 'maintain-resolution' })
  await kit.call(peer, '/publish')
  for (const end = performance.now() + patience; performance.now() < end; await kit.sleep(100)) {
    const layers = await kit.statistics(peer, 'outbound-rtp')
    if (layers.some(({ frameWidth }) => frameWidth === 1280)) return
  }
  throw new Error('The largest layer was not sent')
}

interface ExtensionControl {
  getHeaderExtensionsToNegotiate(): { uri: string; direction: string }[]
  setHeaderExtensionsToNegotiate(extensions: readonly { uri: string; direction: string }[]): void
}

/** Shows what comes. */
async function watch(codec: string): Promise<void> {
  const peer = new RTCPeerConnection()
  const transceiver = peer.addTransceiver('video', { direction: 'recvonly' })
  const { codecs } = RTCRtpReceiver.getCapabilities('video')!
  transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === `video/${codec}`))
  // Chromium tells spatial layers of AV1 apart by the dependency descriptor, which it does not offer by itself
  const control = transceiver as unknown as ExtensionControl
  const extensions = control.getHeaderExtensionsToNegotiate()
  for (const extension of extensions) {
    if (extension.uri.includes('dependency-descriptor')) extension.direction = 'sendrecv'
  }
  control.setHeaderExtensionsToNegotiate(extensions)
  peer.addEventListener('track', ({ track }) => window.kit.play(track))
  await window.kit.call(peer, '/watch')
}
