import { SeededRandom } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { depacketizerFor, FrameAssembler, packetizerFor } from '../src/index.ts'
import { canonical, readFrames } from './encoded-files.ts'
import { join } from './packetizers.ts'

/** Frames of real encoders; `keyframe` is the encoder's word, which VP8's descriptor needs none of. */
const FILES = [
  { file: 'vp8.ivf', codec: 'VP8', keyframes: [0, 6] },
  { file: 'vp9.ivf', codec: 'VP9', keyframes: [0, 6] },
  { file: 'vp9.ivf', codec: 'VP9', keyframes: [0, 6], parameters: { 'flexible-mode': '0' } },
  { file: 'h264.264', codec: 'H264', keyframes: [0, 6], parameters: { 'packetization-mode': '1' } },
  { file: 'h264.264', codec: 'H264', keyframes: [0, 6], parameters: { 'packetization-mode': '0' } },
  { file: 'h265.265', codec: 'H265', keyframes: [0, 6] },
  { file: 'av1.ivf', codec: 'AV1', keyframes: [0, 6] },
  { file: 'opus.ogg', codec: 'opus' },
  { file: 'pcmu.raw', codec: 'PCMU' },
  { file: 'pcma.raw', codec: 'PCMA' },
  { file: 'g722.raw', codec: 'G722' },
] as const

interface Packet {
  readonly frame: number
  readonly sequenceNumber: number
  readonly timestamp: number
  readonly marker: boolean
  readonly payload: Uint8Array
}

type File = (typeof FILES)[number]

/** Over the wrap of both numbers. */
function packetize(source: File, frames: readonly Uint8Array[], maxLength: number): Packet[] {
  const parameters = new Map<string, string>('parameters' in source ? Object.entries(source.parameters) : [])
  const packetizer = packetizerFor(source.codec, parameters, 0x7ffe)!
  const packets: Packet[] = []
  frames.forEach((data, frame) => {
    const payloads = packetizer.packetize(data, maxLength, false)!
    payloads.forEach(({ pieces, length }, i) => {
      expect(length).toBeLessThanOrEqual(maxLength)
      packets.push({
        frame,
        sequenceNumber: (65_530 + packets.length) & 0xffff,
        timestamp: (0xffff_f000 + 960 * frame) % 2 ** 32,
        marker: i === payloads.length - 1,
        payload: join(...pieces),
      })
    })
  })
  return packets
}

const lengths = ({ codec, ...rest }: File): number[] => {
  if (!['VP8', 'VP9', 'H264', 'H265', 'AV1'].includes(codec)) return [1200]
  // a unit is a packet in mode 0
  return 'parameters' in rest &&
    'packetization-mode' in rest.parameters &&
    rest.parameters['packetization-mode'] === '0'
    ? [4000]
    : [64, 100, 300, 1200]
}

describe.each(FILES)('$file as $codec $parameters', (source) => {
  const frames = readFrames(source.file)
  const expected = frames.map((frame) => canonical(source.codec, frame))
  const isKeyframe = (frame: number): boolean =>
    !('keyframes' in source) || source.keyframes.some((keyframe) => keyframe === frame)
  const depacketizer = depacketizerFor(source.codec)!

  /** What comes of the packets that `lost` spares; given up at once where something is missing, at the end at the latest. */
  const receive = (packets: readonly Packet[], order: readonly number[], wait: number): number[] => {
    const assembler = new FrameAssembler(depacketizer, wait)
    const got: number[] = []
    let first: number | undefined
    const drain = (): void => {
      for (let frame = assembler.pollFrame(); frame !== undefined; frame = assembler.pollFrame()) {
        const which = expected.findIndex(
          (data, i) => i > (got.at(-1) ?? -1) && Buffer.compare(data, frame.data) === 0,
        )
        expect(which, 'a frame that was sent, after the one before').toBeGreaterThanOrEqual(0)
        expect(frame.keyframe).toBe(isKeyframe(which))
        first ??= frame.timestamp - 960 * which
        expect(frame.timestamp).toBe(first + 960 * which)
        if (frame.contiguous && got.length > 0) expect(which).toBe(got.at(-1)! + 1)
        got.push(which)
      }
    }
    order.forEach((index, now) => {
      const packet = packets[index]!
      assembler.handlePacket(now, packet, packet.payload)
      if (assembler.deadline <= now) assembler.handleTimeout(now)
      drain()
    })
    assembler.handleTimeout(1e9)
    drain()
    return got
  }

  it('is split and put together again at several lengths', () => {
    expect(frames.length).toBeGreaterThanOrEqual(12)
    for (const length of lengths(source)) {
      const packets = packetize(source, frames, length)
      const all = packets.map((_, i) => i)
      expect(receive(packets, all, 5)).toEqual(frames.map((_, i) => i))
      const starts = packets.filter(({ payload }) => depacketizer.startsKeyframe(payload))
      expect(starts.map(({ frame }) => frame)).toEqual(frames.map((_, i) => i).filter(isKeyframe))
    }
  })

  it('loss, reorder, duplicate: no frame comes out that was not sent so', () => {
    const sent = lengths(source).map((length) => packetize(source, frames, length))
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: sent.length - 1 }),
        fc.integer({ min: 0, max: 30 }),
        fc.constantFrom(0, 0.1, 0.5),
        fc.nat(),
        (which, wait, loss, seed) => {
          const packets = sent[which]!
          const random = new SeededRandom(seed)
          const arrivals: { i: number; at: number }[] = []
          packets.forEach((_, i) => {
            if (random.chance(loss)) return
            for (let copies = random.chance(0.1) ? 2 : 1; copies > 0; copies--) {
              arrivals.push({ i, at: i + random.integer(12) })
            }
          })
          arrivals.sort((a, b) => a.at - b.at)
          receive(
            packets,
            arrivals.map(({ i }) => i),
            wait,
          )
        },
      ),
      { numRuns: 60 },
    )
  })

  it('a single loss costs the frames up to the next one that can be told, and no more', () => {
    const packets = packetize(source, frames, lengths(source).at(-1)!)
    packets.forEach((lost, index) => {
      if (lost.frame === 0) return
      const order = packets.map((_, i) => i).filter((i) => i !== index)
      const got = receive(packets, order, 3)
      expect(got).not.toContain(lost.frame)
      // before it all came, and from the next keyframe on
      const resumed = frames.findIndex((_, i) => i > lost.frame && isKeyframe(i))
      const spared = frames.map((_, i) => i).filter((i) => i < lost.frame || (resumed >= 0 && i >= resumed))
      expect(got).toEqual(expect.arrayContaining(spared))
    })
  })
})
