import type { LinkOptions } from '@str0m/netem'
import type { RtcOptions } from '../src/index.ts'
import { connectedPair } from './harness.ts'

const FRAME_INTERVAL = 33
/** Of a peer that tells when packets came. */
export const TELLING: RtcOptions = { transportFeedback: 'always' }

/** A video source that sends what it may, up to `most`, in frames of the same length. Bits per second. */
export function videoCall(
  seed: number,
  link: LinkOptions,
  options: RtcOptions = {},
  most = 20_000_000,
  settings: Partial<Parameters<typeof connectedPair>[0]> = {},
) {
  const made = connectedPair({
    seed,
    link: { latency: 20 },
    a: { bandwidthEstimation: {}, ...options },
    b: TELLING,
    ...settings,
  })
  const { a, b, pair } = made
  pair.aToB.configure(pair.now, link)
  const media = a.media('1')!
  const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
  let count = 0
  let told = 0
  let rate = 300_000
  /** Sends for so many ms, up to `limit`. Answers what came meanwhile, in bits per second, and the longest queue, ms. */
  const run = (duration: number, limit = most) => {
    const before = b.statistics.inbound.find(({ mid }) => mid === '1')?.bytesReceived ?? 0
    let queued = 0
    for (const end = pair.now + duration; pair.now < end;) {
      for (; told < pair.a.events.length; told++) {
        const { event } = pair.a.events[told]!
        if (event.type === 'egressBitrateEstimate') rate = event.bitrate
      }
      const bytes = Math.min(rate, limit) * (FRAME_INTERVAL / 8000)
      const frame = new Uint8Array(Math.max(20, Math.round(bytes))).fill(count)
      frame[0] = count === 0 ? 0x10 : 0x11
      media.writer(pt).write({ value: 90 * FRAME_INTERVAL * count++, clockRate: 90_000 }, frame)
      pair.runFor(FRAME_INTERVAL)
      queued = Math.max(queued, (8000 * pair.aToB.queuedBytes(pair.now)) / (link.rate ?? Infinity))
    }
    const after = b.statistics.inbound.find(({ mid }) => mid === '1')?.bytesReceived ?? 0
    return { received: (8000 * (after - before)) / duration, queued }
  }
  return { ...made, media, run, estimate: () => a.statistics.bandwidth!.availableOutgoingBitrate }
}
