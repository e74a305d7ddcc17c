import type { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  EXTENSION_URIS,
  ExtensionIds,
  Forwarder,
  MAX_MISSING_PACKETS,
  MAX_REORDERED_PACKETS,
  parseRtpHeader,
  readHeaderExtensions,
  type StreamCodec,
  StreamRx,
  StreamTx,
  writeRtpHeader,
} from '../src/index.ts'
import { av1, bytes, h264, h265, opus, type Packetizer, vp8, vp9 } from './packetizers.ts'
import { forSeeds } from './seeds.ts'

// After authentication: a peer that has the keys sends whatever it likes. The streams take it, drop it, and hold no more than their bounds.

const IDS = new ExtensionIds(Object.values(EXTENSION_URIS).map((uri, i) => ({ id: i + 1, uri })))
const OPUS: StreamCodec = { pt: 111, name: 'opus', clockRate: 48_000, kind: 'audio' }
const CODECS: readonly (readonly [StreamCodec, Packetizer])[] = [
  [{ pt: 96, name: 'VP8', clockRate: 90_000, kind: 'video' }, vp8],
  [{ pt: 98, name: 'VP9', clockRate: 90_000, kind: 'video' }, vp9],
  [{ pt: 102, name: 'H264', clockRate: 90_000, kind: 'video' }, h264],
  [{ pt: 104, name: 'H265', clockRate: 90_000, kind: 'video' }, h265],
  [{ pt: 106, name: 'AV1', clockRate: 90_000, kind: 'video' }, av1],
  [OPUS, opus],
  [{ pt: 63, name: 'red', clockRate: 48_000, kind: 'audio', primary: OPUS }, opus],
  [{ pt: 110, name: 'telephone-event', clockRate: 48_000, kind: 'audio' }, opus],
  [{ pt: 13, name: 'CN', clockRate: 8000, kind: 'audio' }, opus],
]

interface Sequence {
  now: number
  sequenceNumber: number
  timestamp: number
}

/** The next packet of a hostile sender: mostly in order and well-formed, so that it gets far, then broken in one place. */
function hostilePacket(random: SeededRandom, state: Sequence, packetize: Packetizer, pt: number): Uint8Array {
  const { payloads } = packetize(random, random.chance(0.2))
  let payload = payloads[random.integer(payloads.length)]!
  if (random.chance(0.3)) payload = payload.slice(0, random.integer(payload.length + 1))
  if (random.chance(0.3) && payload.length > 0) {
    payload = payload.slice()
    payload[random.integer(Math.min(8, payload.length))] = random.u32()
  }
  if (random.chance(0.1)) payload = bytes(random, random.integer(60))
  const step = random.float()
  const jump =
    step < 0.8 ? 1 : step < 0.9 ? random.integer(40) - 20 : step < 0.97 ? 0 : random.integer(0x1_0000)
  state.sequenceNumber = (state.sequenceNumber + jump) & 0xffff
  state.timestamp = random.chance(0.05) ? random.u32() : (state.timestamp + random.integer(4000)) >>> 0
  state.now += random.chance(0.02) ? random.integer(3000) : random.integer(20)
  const words = random.chance(0.5) ? random.integer(12) : 0
  const extensions = words === 0 ? undefined : bytes(random, 4 * words)
  const datagram = new Uint8Array(16 + 4 * words + payload.length)
  const { sequenceNumber, timestamp } = state
  const fields = { marker: random.chance(0.3), payloadType: pt, sequenceNumber, timestamp, ssrc: 1 }
  const profile = extensions === undefined ? -1 : random.chance(0.5) ? 0xbede : 0x1000
  const at = writeRtpHeader(datagram, fields, profile, extensions)
  datagram.set(payload, at)
  return datagram.subarray(0, at + payload.length)
}

describe('S8: garbage in a stream that is authenticated', () => {
  it.each(CODECS)('$name: nothing throws, time goes on, and what is held is bounded', (codec, packetize) => {
    forSeeds(4, (random) => {
      const stream = new StreamRx({ ssrc: 1, nack: random.chance(0.5) })
      const state: Sequence = { now: 0, sequenceNumber: random.integer(0x1_0000), timestamp: random.u32() }
      let longest = 0
      for (let i = 0; i < 2000; i++) {
        // now and then another codec
        const [other, packetizeOther] = random.chance(0.02)
          ? CODECS[random.integer(CODECS.length)]!
          : [codec, packetize]
        const datagram = hostilePacket(random, state, packetizeOther, other.pt)
        const header = parseRtpHeader(datagram)!
        const payload = datagram.subarray(header.payloadStart)
        const extensions = readHeaderExtensions(datagram, header, IDS)
        const { now } = state
        if (random.chance(0.1)) stream.handleRetransmission(now, header, payload, other, extensions)
        else stream.handlePacket(now, header, payload, other, extensions)
        const missing = stream.takeNacks(now, random.integer(300))
        if (missing.length > MAX_MISSING_PACKETS) expect(missing).toHaveLength(MAX_MISSING_PACKETS)
        if (stream.deadline <= now) stream.handleTimeout(now)
        // S22
        if (stream.deadline <= now) expect(stream.deadline).toBeGreaterThan(now)
        for (let frame = stream.pollFrame(); frame !== undefined; frame = stream.pollFrame()) {
          longest = Math.max(longest, frame.data.length)
        }
      }
      expect(longest).toBeLessThanOrEqual(MAX_REORDERED_PACKETS * 300)
      const { statistics } = stream
      for (const value of Object.values(statistics)) expect(Number.isNaN(value)).toBe(false)
      // left alone it comes to rest
      for (let rounds = 0; stream.deadline !== Infinity; rounds++) {
        expect(rounds).toBeLessThan(100)
        state.now = Math.max(state.now + 1, stream.deadline)
        stream.handleTimeout(state.now)
        stream.takeNacks(state.now, 50)
        while (stream.pollFrame() !== undefined);
      }
      expect(stream.report(state.now)).toBeDefined()
    })
  })

  it.each(CODECS)(
    '$name: a forwarder gives out each number once, and serves a sane source after it',
    (codec, packetize) => {
      forSeeds(4, (random) => {
        const tx = new StreamTx({ ssrc: 9, sequenceNumber: random.integer(0x1_0000) })
        const forwarder = new Forwarder({
          stream: tx,
          codec: codec.name,
          clockRate: codec.clockRate,
          timestamp: 0,
        })
        const state: Sequence = { now: 0, sequenceNumber: random.integer(0x1_0000), timestamp: random.u32() }
        const given = new Map<number, number>()
        let out = 0
        forwarder.select(1)
        for (let i = 0; i < 2000; i++) {
          if (random.chance(0.01)) forwarder.select(random.chance(0.3) ? undefined : 1)
          if (random.chance(0.02)) forwarder.maxTemporalLayer = random.integer(8)
          if (random.chance(0.02)) forwarder.maxSpatialLayer = random.integer(8)
          const datagram = hostilePacket(random, state, packetize, codec.pt)
          const header = parseRtpHeader(datagram)!
          const written = forwarder.handlePacket(state.now, datagram, header, { pt: 100 }, 10)
          if (written === undefined) continue
          expect(written.buffer.length).toBe(written.length + 10)
          expect(written.length).toBeLessThanOrEqual(datagram.length + 4)
          const { sequenceNumber, ssrc } = parseRtpHeader(written.buffer, written.length)!
          expect(ssrc).toBe(9)
          // S5
          expect(out - (given.get(sequenceNumber) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThan(1500)
          given.set(sequenceNumber, out++)
        }
        const { packetsForwarded, placesFilled, packetsOfOtherSources, packetsRefused, packetsLeftOut } =
          forwarder.statistics
        expect(packetsForwarded + placesFilled).toBe(out)
        expect(packetsForwarded + packetsOfOtherSources + packetsRefused + packetsLeftOut).toBe(2000)
        // a well-behaved keyframe is forwarded, at the latest after it was asked for
        forwarder.select(undefined)
        forwarder.select(1)
        const { payloads } = packetize(random, true)
        const payload = codec.name === 'VP9' ? Uint8Array.of(0x0c, 1) : payloads[0]!
        const datagram = new Uint8Array(12 + payload.length)
        const { sequenceNumber, timestamp } = state
        writeRtpHeader(datagram, { marker: true, payloadType: codec.pt, sequenceNumber, timestamp, ssrc: 1 })
        datagram.set(payload, 12)
        expect(forwarder.needsKeyframe).toBe(true)
        expect(
          forwarder.handlePacket(state.now, datagram, parseRtpHeader(datagram)!, { pt: 100 }, 0),
        ).toBeDefined()
        expect(forwarder.needsKeyframe).toBe(false)
      })
    },
  )
})
