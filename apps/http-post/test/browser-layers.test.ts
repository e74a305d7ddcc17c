import { findBrowser, openPage, PATIENCE } from '@str0m/demo-kit/browsers'
import { describe, expect, it } from 'vitest'
import { BrowserStage } from './browser-stage.ts'

// scalable video: https://www.w3.org/TR/webrtc-svc/

/** Frames that are watched, here and of the echo. */
const WATCH = 60

describe.skipIf(findBrowser('chromium') === undefined)(
  '[browser] chromium, layers',
  { timeout: 300_000 },
  () => {
    const stage = BrowserStage.forGroup('chromium')

    it.each([
      ['VP8', 'L1T3', 1],
      ['H264', 'L1T3', 1],
      ['VP9', 'L1T3', 1],
      ['AV1', 'L1T3', 1],
      // of three, the estimate at the start has room for two
      ['VP9', 'L3T3_KEY', 2],
      ['VP9', 'L3T3', 2],
      ['AV1', 'L3T3_KEY', 2],
      ['AV1', 'L3T3', 2],
    ])('%s, %s: each frame says its layers, and the echo is shown', async (codec, mode, spatialLayers) => {
      const from = stage.server.frames.length
      const page = await openPage(stage.browser, stage.server.address)
      const shown = await page.evaluate(callLayered, codec, mode, WATCH, PATIENCE)
      await page.close()
      const frames = stage.server.frames.slice(from).map(({ frame }) => frame)
      expect(shown).toBeGreaterThanOrEqual(WATCH)
      expect(frames.length).toBeGreaterThanOrEqual(WATCH)
      expect(new Set(frames.map((frame) => frame.codec.name))).toEqual(new Set([codec]))
      expect(frames.every(({ contiguous }) => contiguous)).toBe(true)
      // all layers of a moment are one frame
      expect(new Set(frames.map(({ time }) => time.value)).size).toBe(frames.length)
      expect(new Set(frames.map(({ layers }) => layers?.temporal))).toEqual(new Set([0, 1, 2]))
      const spatial = frames.map(({ layers }) => layers?.spatial ?? 0)
      expect(Math.max(...spatial)).toBeGreaterThanOrEqual(spatialLayers - 1)
      // the descriptor is that of the first layer
      expect(frames[0]!.dependency?.structure).toBeDefined()
      for (const { dependency, layers } of frames) {
        expect(dependency?.layers).toEqual({ spatial: 0, temporal: layers?.temporal })
      }
    })
  },
)

/** Runs in the page: sends its camera in layers, and counts the pictures of the echo that are decoded, up to `count`. `patience`: how long at most, ms. */
async function callLayered(
  codec: string,
  scalabilityMode: string,
  count: number,
  patience: number,
): Promise<number> {
  const { kit } = window
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } })
  const peer = new RTCPeerConnection()
  const encoding = { scalabilityMode } as RTCRtpEncodingParameters
  const transceiver = peer.addTransceiver(stream.getVideoTracks()[0]!, { sendEncodings: [encoding] })
  const { codecs } = RTCRtpSender.getCapabilities('video')!
  const isWanted = ({ mimeType }: { mimeType: string }) => mimeType === `video/${codec}`
  transceiver.setCodecPreferences([...codecs.filter(isWanted), ...codecs.filter((other) => !isWanted(other))])
  const resource = await kit.call(peer, '/?echo')
  let frames = 0
  for (const end = performance.now() + patience; performance.now() < end && frames < count;) {
    await kit.sleep(100)
    const [video] = await kit.statistics(peer, 'inbound-rtp')
    frames = Number(video?.['framesDecoded'] ?? 0)
  }
  await kit.hangUp(resource, peer)
  return frames
}
