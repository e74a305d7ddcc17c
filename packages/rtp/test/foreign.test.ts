import { describe, expect, it } from 'vitest'
import { depacketizerFor, type ReceivedFrame, StreamRx } from '../src/index.ts'
import { canonical, readFrames } from './encoded-files.ts'
import { type ForeignPacket, readPackets } from './foreign-packets.ts'
import { forSeeds } from './seeds.ts'

// Packets of other implementations' payloaders. How they were made is in `data/foreign/make.sh`.

/**
 * What the frames are, where they are those of a file in `data`; which of them are keyframes, and which of them packets say to be one: those with parameter sets.
 */
const CAPTURES = [
  { name: 'vp8-ffmpeg', file: 'vp8.ivf', keyframes: [0, 6] },
  { name: 'vp8-gstreamer', file: 'vp8.ivf', keyframes: [0, 6] },
  { name: 'vp8-pion', file: 'vp8.ivf', keyframes: [0, 6] },
  { name: 'vp9-ffmpeg', file: 'vp9.ivf', keyframes: [0, 6] },
  { name: 'vp9-gstreamer', file: 'vp9.ivf', keyframes: [0, 6] },
  { name: 'vp9-pion', file: 'vp9.ivf', keyframes: [0, 6] },
  { name: 'vp9-pion-flexible', file: 'vp9.ivf', keyframes: [0, 6] },
  { name: 'h264-ffmpeg', file: 'h264.264', keyframes: [0, 6] },
  { name: 'h264-gstreamer', file: 'h264.264', keyframes: [0, 6] },
  { name: 'h264-pion', file: 'h264.264', keyframes: [0, 6] },
  { name: 'h264-gstreamer-slices-none', count: 9, keyframes: [0, 3, 6] },
  { name: 'h264-gstreamer-slices-zero-latency', count: 9, keyframes: [0, 3, 6] },
  // open groups of pictures; and intra refresh, of which no picture but the first is right at once
  { name: 'h264-ffmpeg-open-gop', count: 14, keyframes: [0, 6, 12] },
  { name: 'h264-ffmpeg-intra-refresh', count: 14, keyframes: [0], starts: [0, 6, 12] },
  { name: 'h265-ffmpeg', file: 'h265.265', keyframes: [0, 6] },
  { name: 'h265-gstreamer', file: 'h265.265', keyframes: [0, 6] },
  { name: 'h265-pion', file: 'h265.265', keyframes: [0, 6] },
  { name: 'h265-gstreamer-slices-none', count: 9, keyframes: [0, 3, 6] },
  { name: 'h265-gstreamer-slices-zero-latency', count: 9, keyframes: [0, 3, 6] },
  { name: 'av1-ffmpeg', file: 'av1.ivf', keyframes: [0, 6] },
  { name: 'av1-pion', file: 'av1.ivf', keyframes: [0, 6] },
  { name: 'opus-ffmpeg', file: 'opus.ogg' },
  { name: 'opus-gstreamer', file: 'opus.ogg' },
] as const

type Capture = (typeof CAPTURES)[number]

function codecOf({ name }: Capture): string {
  const codec = name.slice(0, name.indexOf('-'))
  return codec === 'opus' ? codec : codec.toUpperCase()
}

/** What comes of packets that arrive one each millisecond. */
function receive(codec: string, packets: readonly ForeignPacket[], wait: number): ReceivedFrame[] {
  const kind = codec === 'opus' ? 'audio' : 'video'
  const stream = new StreamRx({ ssrc: 1, maxReorderWait: wait })
  const frames: ReceivedFrame[] = []
  const drain = (): void => {
    for (let frame = stream.pollFrame(); frame !== undefined; frame = stream.pollFrame()) frames.push(frame)
  }
  packets.forEach(({ header, payload }, now) => {
    stream.handlePacket(now, header, payload, {
      pt: header.payloadType,
      name: codec,
      clockRate: codec === 'opus' ? 48_000 : 90_000,
      kind,
    })
    if (stream.deadline <= now) stream.handleTimeout(now)
    drain()
  })
  stream.handleTimeout(1e9)
  drain()
  expect(stream.deadline).toBe(Infinity)
  return frames
}

describe.each(CAPTURES)('$name', (capture) => {
  const codec = codecOf(capture)
  const packets = readPackets(capture.name)
  const whole = receive(codec, packets, 10)
  const isKeyframe = (frame: number): boolean =>
    !('keyframes' in capture) || capture.keyframes.some((keyframe) => keyframe === frame)

  it('gives the frames of the encoder, and knows the keyframes', () => {
    if ('file' in capture) {
      const sent = readFrames(capture.file).map((frame) => canonical(codec, frame))
      expect(whole.length).toBe(sent.length)
      whole.forEach(({ data }, i) => expect(Buffer.compare(data, sent[i]!), `frame ${i}`).toBe(0))
    } else {
      expect(whole.length).toBe(capture.count)
    }
    expect(whole.map(({ keyframe }) => keyframe)).toEqual(whole.map((_, i) => isKeyframe(i)))
    expect(whole.every(({ contiguous }) => contiguous)).toBe(true)
  })

  it('sees in packets where keyframes start', () => {
    const depacketizer = depacketizerFor(codec)!
    const starts = packets.filter(({ payload }) => depacketizer.startsKeyframe(payload))
    const timestamps = new Set(starts.map(({ header }) => header.timestamp))
    const isStart = (frame: number): boolean =>
      'starts' in capture ? capture.starts.some((start) => start === frame) : isKeyframe(frame)
    expect([...timestamps]).toEqual(
      whole.filter((_, i) => isStart(i)).map(({ timestamp }) => timestamp % 2 ** 32),
    )
  })

  it('gives no frame that was not sent whole, whatever is lost, late or doubled', () => {
    forSeeds(60, (random) => {
      const loss = random.chance(0.3) ? 0 : 0.15
      const arrivals: { packet: ForeignPacket; at: number }[] = []
      packets.forEach((packet, i) => {
        // the first one says what the stream's frames start with
        if (i > 0 && random.chance(loss)) return
        for (let copies = random.chance(0.1) ? 2 : 1; copies > 0; copies--) {
          arrivals.push({ packet, at: i + random.integer(i > 0 ? 8 : 1) })
        }
      })
      arrivals.sort((a, b) => a.at - b.at)
      const got = receive(
        codec,
        arrivals.map(({ packet }) => packet),
        random.integer(12),
      )
      let last = -1
      for (const { data, timestamp, contiguous, keyframe } of got) {
        const which = whole.findIndex(
          (frame) => frame.timestamp % 2 ** 32 === ((timestamp % 2 ** 32) + 2 ** 32) % 2 ** 32,
        )
        expect(which).toBeGreaterThan(last)
        expect(Buffer.compare(data, whole[which]!.data), `frame ${which}`).toBe(0)
        expect(keyframe).toBe(isKeyframe(which))
        if (contiguous && last >= 0) expect(which).toBe(last + 1)
        last = which
      }
    })
  })

  it('a single loss costs the frames up to the next keyframe, and no more', () => {
    packets.forEach((lost, index) => {
      if (index === 0) return
      const left = packets.filter((_, i) => i !== index)
      const got = new Set(receive(codec, left, 3).map(({ timestamp }) => timestamp % 2 ** 32))
      const frame = whole.findIndex(({ timestamp }) => timestamp % 2 ** 32 === lost.header.timestamp)
      expect(got.has(lost.header.timestamp), `frame ${frame}`).toBe(false)
      whole.forEach(({ timestamp }, i) => {
        const resumed = i > frame && whole.some((_, k) => k > frame && k <= i && isKeyframe(k))
        if (i < frame || resumed) expect(got.has(timestamp % 2 ** 32), `frame ${i}`).toBe(true)
      })
    })
  })
})
