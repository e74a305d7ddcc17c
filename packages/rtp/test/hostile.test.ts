import { assert, SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  depacketizerFor,
  EXTENSION_URIS,
  ExtensionIds,
  FrameAssembler,
  parseRtcp,
  parseRtpHeader,
  parseVp8Descriptor,
  parseVp9Descriptor,
  readHeaderExtensions,
  StreamRx,
  vp8KeyframeSize,
  writeRtcp,
} from '../src/index.ts'
import { CRASHERS } from './data/crashers.ts'
import { av1, bytes, h264, h265, vp8, vp9 } from './packetizers.ts'
import { forSeeds } from './seeds.ts'

const IDS = new ExtensionIds(Object.values(EXTENSION_URIS).map((uri, i) => ({ id: i + 1, uri })))
const CODECS = ['opus', 'vp8', 'vp9', 'h264', 'h265', 'av1'] as const

/** Every parser of the package on the same bytes. */
function parseAll(input: Uint8Array): void {
  for (const encrypted of [false, true]) {
    const header = parseRtpHeader(input, input.length, encrypted)
    if (header === undefined) continue
    const { payloadStart, payloadLength, paddingLength } = header
    assert(payloadStart + payloadLength + paddingLength === input.length, 'a header of all bytes')
    readHeaderExtensions(input, header, IDS)
  }
  const { packets } = parseRtcp(input)
  // what is read can be written
  if (packets.length > 0) writeRtcp(packets)
  parseVp8Descriptor(input)
  parseVp9Descriptor(input)
  vp8KeyframeSize(input)
  for (const codec of CODECS) {
    const depacketizer = depacketizerFor(codec)!
    depacketizer.startsFrame(input)
    depacketizer.startsKeyframe(input)
    const frame = depacketizer.assemble([input, input])
    assert((frame?.data.length ?? 0) <= 8 * input.length + 8, 'a frame not much larger than its packets')
  }
}

describe('S11: short packets underflow', () => {
  it('every length from 0 to 64, of every first byte and RTCP type', () => {
    expect(() => everyLength()).not.toThrow()
  })
})

function everyLength(): void {
  for (let length = 0; length <= 64; length++) {
    for (const fill of [0x00, 0xff]) {
      const input = new Uint8Array(length).fill(fill)
      for (let first = 0; first < 256; first++) {
        if (length > 0) input[0] = first
        parseAll(input)
        if (length === 0) break
      }
      if (length < 4) continue
      for (let type = 192; type < 224; type++) {
        for (const head of [0x80, 0x81, 0x9f, 0xbf, 0x8f]) {
          input[0] = head
          input[1] = type
          input[2] = 0
          input[3] = (length >> 2) - 1
          parseAll(input)
        }
      }
    }
  }
}

describe('S8: garbage', () => {
  it('never makes a parser throw', () => {
    forSeeds(2000, (random) => {
      const input = bytes(random, random.integer(120))
      if (input.length > 3 && random.chance(0.8)) {
        input[0] = 0x80 | (input[0]! & 0x3f)
        if (random.chance(0.5)) input[1] = 200 + random.integer(8)
        input[2] = 0
        input[3]! &= 0x1f
        // an extension header of a known profile
        if (random.chance(0.5) && input.length > 16) input.set([0xbe, 0xde, 0, random.integer(8)], 12)
        else if (input.length > 16) input.set([0x10, 0x00, 0, random.integer(8)], 12)
      }
      expect(() => parseAll(input)).not.toThrow()
    })
  })

  it('never makes a depacketizer throw: frames with flipped bits, cut and stirred', () => {
    const packetizers = { vp8, vp9, h264, h265, av1 }
    forSeeds(600, (random) => {
      for (const [name, packetize] of Object.entries(packetizers)) {
        const payloads = packetize(random, random.chance(0.5)).payloads.map((payload) => {
          const copy = payload.slice(
            0,
            random.chance(0.3) ? random.integer(payload.length + 1) : payload.length,
          )
          if (copy.length > 0 && random.chance(0.5))
            copy[random.integer(Math.min(4, copy.length))] = random.u32()
          return copy
        })
        if (random.chance(0.3)) payloads.reverse()
        const depacketizer = depacketizerFor(name)!
        expect(() => depacketizer.assemble(payloads)).not.toThrow()
      }
    })
  })

  it.each(CRASHERS)('what once was taken wrongly: $what', ({ hex, malformed }) => {
    const input = Uint8Array.from(Buffer.from(hex, 'hex'))
    parseAll(input)
    expect(parseRtcp(input).malformed).toBe(malformed)
  })
})

describe('exhaust', () => {
  it('a stream holds no more than its buffer, whatever sequence numbers come', () => {
    const payload = Uint8Array.of(0x10, 1)
    forSeeds(2, (random) => {
      const assembler = new FrameAssembler(depacketizerFor('vp8')!, 200)
      let frames = 0
      for (let i = 0; i < 30_000; i++) {
        const header = {
          sequenceNumber: random.integer(0x1_0000),
          timestamp: random.u32(),
          marker: random.chance(0.5),
        }
        assembler.handlePacket(i, header, payload)
        if (assembler.deadline <= i) assembler.handleTimeout(i)
        while (assembler.pollFrame() !== undefined) frames++
      }
      const { packetsLate, packetsDuplicated, framesAssembled } = assembler.statistics
      expect(framesAssembled).toBe(frames)
      expect(packetsLate + packetsDuplicated).toBeLessThanOrEqual(30_000)
      // and serves a sender that comes to its senses
      let after = 0
      for (let i = 0; i < 3000; i++) {
        const header = { sequenceNumber: (60_000 + i) & 0xffff, timestamp: i, marker: true }
        assembler.handlePacket(40_000 + i, header, payload)
        assembler.handleTimeout(40_000 + i)
        while (assembler.pollFrame() !== undefined) after++
      }
      expect(after).toBeGreaterThan(3000 - 1024)
      expect(assembler.statistics.packetsDuplicated).toBe(packetsDuplicated)
    })
  })

  it('a stream of garbage comes to rest', () => {
    const stream = new StreamRx({ ssrc: 1 })
    const codec = { pt: 96, name: 'H264', clockRate: 90_000, kind: 'video' } as const
    const random = new SeededRandom(3)
    for (let i = 0; i < 20_000; i++) {
      const datagram = join(random)
      const header = parseRtpHeader(datagram)
      if (header === undefined) continue
      stream.handlePacket(i, header, datagram.subarray(header.payloadStart), codec)
      while (stream.pollFrame() !== undefined);
    }
    stream.handleTimeout(1e6)
    expect(stream.deadline).toBe(Infinity)
  })
})

function join(random: SeededRandom): Uint8Array {
  const datagram = bytes(random, 12 + random.integer(30))
  datagram[0] = 0x80
  return datagram
}
