import { findBrowser, launch, openPage, quit, untilMet } from '@str0m/demo-kit/browsers'
import { ShapedRelay } from '@str0m/demo-kit/shaped-relay'
import type { RtcOptions } from '@str0m/rtc'
import type { Page } from 'puppeteer-core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CallingPeer } from './calling-peer.ts'
import { startTestServer } from './test-server.ts'

// Chromium does not offer RFC 8888 as it comes, nor take it: it can be made to.

const FIELD_TRIAL = 'WebRTC-RFC8888CongestionControlFeedback'
const OPTIONS: RtcOptions = { bandwidthEstimation: {}, transportFeedback: 'rfc8888' }
const FRAME_INTERVAL = 33
/** Bits per second, both ways. */
const RATE = 2_000_000
const LOW_RATE = 500_000

interface Description {
  readonly type: 'offer' | 'answer'
  readonly sdp: string
}

describe.skipIf(findBrowser('chromium') === undefined)(
  '[browser] chromium tells, and is told, when packets came as RFC 8888 has it',
  { timeout: 300_000 },
  () => {
    it.each([
      ['where it offers', 'Enabled,offer:true', true],
      ['where it answers', 'Enabled', false],
    ])('%s: both estimates come to what the path takes', async (_, trial, isOfferer) => {
      const server = await startTestServer()
      onTestFinished(() => server.close())
      const browser = await launch('chromium', {
        flags: [`--force-fieldtrials=${FIELD_TRIAL}/${trial}/`],
      })
      onTestFinished(() => quit(browser))
      const page = await openPage(browser, server.address)
      const peer = await CallingPeer.start(OPTIONS)
      onTestFinished(() => peer.close())
      const relay = await ShapedRelay.start(peer.port, 1)
      onTestFinished(() => relay.close())
      relay.configureUp({ latency: 20, rate: RATE })
      relay.configureDown({ latency: 20, rate: RATE })

      const mid = isOfferer ? await callByPage(page, peer, relay) : await callByPeer(page, peer, relay)
      await untilMet(
        () => peer.rtc.connected,
        (connected) => connected,
        'a connection',
      )
      sendWhatMayBe(peer, mid)

      const ours = () => peer.rtc.statistics.bandwidth!
      const theirs = () => page.evaluate(estimateOfPage)
      await untilMet(
        () => ours().availableOutgoingBitrate,
        (rate) => rate > 0.65 * RATE,
        'an estimate of ours',
        60_000,
      )
      const theirsThen = await untilMet(theirs, (rate) => rate > 0.5 * RATE, 'an estimate of theirs', 120_000)
      console.log(
        `RFC 8888, ${RATE} bit/s: ours ${ours().availableOutgoingBitrate.toFixed(0)}, theirs ${theirsThen}; ` +
          `${ours().packetsAcknowledged} told, ${ours().packetsLost} lost, ${ours().feedbackIgnored} ignored`,
      )
      expect(ours().availableOutgoingBitrate).toBeLessThan(1.3 * RATE)
      expect(ours().probesSucceeded).toBeGreaterThan(0)
      expect(ours().packetsAcknowledged).toBeGreaterThan(100)

      relay.configureDown({ rate: LOW_RATE })
      relay.configureUp({ rate: LOW_RATE })
      await untilMet(
        () => ours().availableOutgoingBitrate,
        (rate) => rate < 1.2 * LOW_RATE,
        'a lower estimate of ours',
        20_000,
      )
      await untilMet(theirs, (rate) => rate < 1.3 * LOW_RATE, 'a lower estimate of theirs', 30_000)
    })
  },
)

const expectStandard = (sdp: string): void => {
  expect(sdp).toContain('ack ccfb')
  expect(sdp).not.toMatch(/rtcp-fb:\S+ transport-cc/)
}

/** The page's own addresses are kept to itself: it is reached by the way that its checks come. */
const withoutCandidates = ({ type, sdp }: Description): Description => ({
  type,
  sdp: sdp.replaceAll(/a=candidate:.*\r\n/g, ''),
})

const through = ({ type, sdp }: Description, relay: ShapedRelay): Description => ({
  type,
  sdp: sdp.replaceAll(/(a=candidate:\S+ 1 udp \d+) \S+ \d+/gi, `$1 127.0.0.1 ${relay.port}`),
})

/** Each answers the section of the video. */
async function callByPage(page: Page, peer: CallingPeer, relay: ShapedRelay): Promise<string> {
  const offer = await page.evaluate(makeOffer)
  expect(offer.sdp).toContain('ack ccfb')
  expect(offer.sdp).toContain('transport-cc')
  const { sdp } = withoutCandidates(offer)
  const answer = peer.do((rtc) => rtc.acceptOffer({ type: 'offer', sdp }))
  expectStandard(answer.sdp)
  await page.evaluate(takeAnswer, through(answer, relay))
  return '0'
}

async function callByPeer(page: Page, peer: CallingPeer, relay: ShapedRelay): Promise<string> {
  const change = peer.rtc.createOffer()
  const mid = change.addMedia('video', 'sendrecv')
  const answer = await page.evaluate(makeAnswer, through(change.apply(), relay))
  expectStandard(answer.sdp)
  const { sdp } = withoutCandidates(answer)
  peer.do((rtc) => rtc.pendingChanges()!.acceptAnswer({ type: 'answer', sdp }))
  return mid
}

/** Sends what is no picture, at the rate of the estimate. */
function sendWhatMayBe(peer: CallingPeer, mid: string): void {
  const { pt } = peer.rtc.media(mid)!.codecs.find(({ name }) => name === 'VP8')!
  const start = performance.now()
  let count = 0
  const timer = setInterval(() => {
    for (; start + count * FRAME_INTERVAL <= performance.now(); count++) {
      const { availableOutgoingBitrate } = peer.rtc.statistics.bandwidth!
      const frame = new Uint8Array(Math.round((availableOutgoingBitrate * FRAME_INTERVAL) / 8000)).fill(count)
      frame[0] = 0x11
      const time = { value: 90 * FRAME_INTERVAL * count, clockRate: 90_000 }
      peer.do((rtc) => rtc.media(mid)!.writer(pt).write(time, frame))
    }
  }, FRAME_INTERVAL / 2)
  onTestFinished(() => clearInterval(timer))
}

// What follows runs in the page.

async function makeOffer(): Promise<Description> {
  const { kit } = window
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } })
  const peer = new RTCPeerConnection()
  for (const track of stream.getTracks()) peer.addTrack(track, stream)
  const { sdp } = await kit.describe(peer)
  return { type: 'offer', sdp }
}

async function takeAnswer(answer: Description): Promise<void> {
  await window.connection!.setRemoteDescription(answer)
}

async function makeAnswer(offer: Description): Promise<Description> {
  const { kit } = window
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } })
  const peer = new RTCPeerConnection()
  await peer.setRemoteDescription(offer)
  for (const track of stream.getTracks()) peer.addTrack(track, stream)
  const { sdp } = await kit.describe(peer)
  return { type: 'answer', sdp }
}

async function estimateOfPage(): Promise<number> {
  const pairs = await window.kit.statistics(window.connection, 'candidate-pair')
  return Math.max(0, ...pairs.map((pair) => Number(pair['availableOutgoingBitrate'] ?? 0)))
}
