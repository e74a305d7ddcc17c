import type { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import type { Depacketizer } from '../src/codecs/depacketizer.ts'
import {
  av1Depacketizer,
  FrameAssembler,
  h264Depacketizer,
  h265Depacketizer,
  vp8Depacketizer,
  vp9Depacketizer,
  wholePayloadDepacketizer,
} from '../src/index.ts'
import { av1, h264, h265, opus, type Packetizer, type SentFrame, vp8, vp9 } from './packetizers.ts'
import { forSeeds } from './seeds.ts'
import { TwinAssembler, type TwinFrame, type TwinPacket } from './twin.ts'

const CODECS: readonly [string, Packetizer, Depacketizer][] = [
  ['opus', opus, wholePayloadDepacketizer],
  ['vp8', vp8, vp8Depacketizer],
  ['vp9', vp9, vp9Depacketizer],
  ['h264', h264, h264Depacketizer],
  ['h265', h265, h265Depacketizer],
  ['av1', av1, av1Depacketizer],
]
const MAX_WAIT = 100

interface Network {
  readonly loss: number
  readonly duplicate: number
  /** The most that a packet is held up, in milliseconds. */
  readonly reorder: number
  readonly markers: number
}

const NETWORKS: Readonly<Record<string, Network>> = {
  perfect: { loss: 0, duplicate: 0, reorder: 0, markers: 1 },
  'reorder within the wait': { loss: 0, duplicate: 0.1, reorder: 90, markers: 0.8 },
  'reorder beyond the wait': { loss: 0, duplicate: 0.1, reorder: 300, markers: 0.8 },
  loss: { loss: 0.1, duplicate: 0, reorder: 0, markers: 1 },
  'loss, reorder and duplication': { loss: 0.2, duplicate: 0.2, reorder: 250, markers: 0.7 },
  'hardly anything': { loss: 0.8, duplicate: 0.2, reorder: 250, markers: 0.9 },
}

interface Sent extends SentFrame {
  readonly first: number
  readonly last: number
}

/** Forty frames, a keyframe now and then, padding between them. The sequence and the timestamp wrap on the way. */
function send(random: SeededRandom, packetize: Packetizer, network: Network): [Sent[], TwinPacket[]] {
  const frames: Sent[] = []
  const packets: TwinPacket[] = []
  let index = 0x1_0000 + 65_500
  for (let f = 0; f < 40; f++) {
    const frame = packetize(random, f === 0 || random.chance(0.15))
    const timestamp = (0xffff_0000 + f * 3000) % 2 ** 32
    const first = index
    frame.payloads.forEach((payload, i) => {
      const marker = i === frame.payloads.length - 1 && random.chance(network.markers)
      packets.push({ index: index++, timestamp, marker, payload, arrival: f * 20 + i })
    })
    frames.push({ ...frame, first, last: index - 1 })
    for (let padding = random.chance(0.2) ? random.integer(4) : 0; padding > 0; padding--) {
      packets.push({
        index: index++,
        timestamp,
        marker: false,
        payload: new Uint8Array(0),
        arrival: f * 20 + 10,
      })
    }
  }
  const arrived: TwinPacket[] = []
  for (const packet of packets) {
    if (random.chance(network.loss)) continue
    for (let copies = random.chance(network.duplicate) ? 2 : 1; copies > 0; copies--) {
      arrived.push({ ...packet, arrival: packet.arrival + random.float() * network.reorder })
    }
  }
  return [frames, arrived.sort((a, b) => a.arrival - b.arrival)]
}

function receive(
  depacketizer: Depacketizer,
  arrived: readonly TwinPacket[],
): { frames: (TwinFrame & { timestamp: number; at: number })[]; assembler: FrameAssembler } {
  const assembler = new FrameAssembler(depacketizer, MAX_WAIT)
  const twin = new TwinAssembler(depacketizer, MAX_WAIT)
  const frames: (TwinFrame & { timestamp: number; at: number })[] = []
  const origin = arrived.length === 0 ? 0 : (arrived[0]!.index & 0xffff) + 0x1_0000 - arrived[0]!.index
  const deadlines: [number, number][] = []
  const drain = (at: number): void => {
    for (let frame = assembler.pollFrame(); frame !== undefined; frame = assembler.pollFrame()) {
      frames.push({
        ...frame,
        firstSequence: frame.firstSequence - origin,
        lastSequence: frame.lastSequence - origin,
        at,
      })
    }
  }
  const timeouts = (until: number): void => {
    while (assembler.deadline <= until) {
      const now = assembler.deadline
      assembler.handleTimeout(now)
      twin.timeout(now)
      // S22
      expect(assembler.deadline).toBeGreaterThan(now)
      drain(now)
    }
  }
  for (const packet of arrived) {
    timeouts(packet.arrival)
    assembler.handlePacket(
      packet.arrival,
      { sequenceNumber: packet.index & 0xffff, timestamp: packet.timestamp, marker: packet.marker },
      packet.payload,
    )
    twin.packet(packet)
    drain(packet.arrival)
    deadlines.push([assembler.deadline, twin.deadline])
  }
  timeouts(1e9)
  expect(assembler.deadline).toBe(Infinity)
  expect(deadlines.filter(([ours, twins]) => ours !== twins)).toEqual([])
  // a matcher looks at each byte, slowly
  const text = ({ data, ...frame }: TwinFrame): unknown => ({
    ...frame,
    data: Buffer.from(data).toString('hex'),
  })
  expect(frames.map(({ at: _at, timestamp: _timestamp, ...frame }) => text(frame))).toEqual(
    twin.frames.map(text),
  )
  return { frames, assembler }
}

describe.each(CODECS)('frames of %s', (_name, packetize, depacketizer) => {
  it.each(Object.entries(NETWORKS))('come whole or not at all: %s', (_network, network) => {
    forSeeds(10, (random) => {
      const [sent, arrived] = send(random, packetize, network)
      const { frames, assembler } = receive(depacketizer, arrived)
      const lost = new Set<number>()
      const came = new Set(arrived.map(({ index }) => index))
      for (let i = sent[0]!.first; i <= sent.at(-1)!.last; i++) if (!came.has(i)) lost.add(i)
      let previous = -1
      let firstOriginal: number | undefined
      for (const frame of frames) {
        const original = sent.findIndex(
          ({ last, first }) => last <= frame.lastSequence && first >= frame.firstSequence,
        )
        expect(original).toBeGreaterThan(previous)
        expect(Buffer.compare(frame.data, sent[original]!.data)).toBe(0)
        expect(frame.keyframe).toBe(sent[original]!.keyframe)
        firstOriginal ??= original
        expect(frame.timestamp - frames[0]!.timestamp).toBe((original - firstOriginal) * 3000)
        // what is called contiguous follows the last one, and only a loss makes it otherwise
        expect(frame.contiguous && previous >= 0 ? original : previous + 1).toBe(previous + 1)
        // with a marker, it waits for nothing but the packets before it
        const parts = arrived.filter(
          ({ index }) => index >= frame.firstSequence && index <= frame.lastSequence,
        )
        const complete = parts.some(({ marker }) => marker)
          ? Math.max(...parts.map(({ arrival }) => arrival))
          : Infinity
        expect(frame.at).toBeLessThanOrEqual(complete + MAX_WAIT)
        previous = original
      }
      // from the first that came on, all come; the last one only where a marker ends it
      const spared = lost.size === 0 && network.reorder < MAX_WAIT
      expect(frames.length).toBeGreaterThanOrEqual(spared ? sent.length - firstOriginal! - 1 : 0)
      expect(frames.slice(1).every(({ contiguous }) => contiguous) || !spared).toBe(true)
      expect(assembler.statistics.framesAssembled).toBe(frames.length)
      expect(assembler.statistics.restarts).toBe(0)
    })
  })
})
