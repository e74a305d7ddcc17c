import { describe, expect, it } from 'vitest'
import {
  packetizerFor,
  parseRtpHeader,
  type ReceivedFrame,
  SendCache,
  type StreamCodec,
  StreamRx,
  writeRtpHeader,
} from '../src/index.ts'
import { forSeeds } from './seeds.ts'

const VP8: StreamCodec = { pt: 96, name: 'VP8', clockRate: 90_000, kind: 'video' }
const MAX_PAYLOAD = 1200
const ROUND_TRIP = 50
const LOSS = 0.1

describe('a frame of more than 4096 packets', () => {
  it.each([0, 0.25])(
    'is put together where a tenth is lost, with %s ms from packet to packet',
    (distance) => {
      forSeeds(3, (random) => {
        const frame = new Uint8Array(5_000_000)
        random.fill(frame)
        frame[0] = 0x10
        const payloads = packetizerFor('VP8', new Map(), 0)!.packetize(frame, MAX_PAYLOAD, true)!
        expect(payloads.length).toBeGreaterThan(4096)
        const cache = new SendCache(8 * 2 ** 20, 2000)
        const stream = new StreamRx({ ssrc: 5, nack: true })
        const wire: { at: number; packet: Uint8Array; again: boolean }[] = []
        const send = (at: number, packet: Uint8Array, again: boolean): void => {
          if (!random.chance(LOSS)) wire.push({ at: at + ROUND_TRIP / 2, packet, again })
        }
        for (const [i, { pieces, length }] of payloads.entries()) {
          const packet = new Uint8Array(12 + length)
          const marker = i === payloads.length - 1
          const sequenceNumber = (65_000 + i) & 0xffff
          let at = writeRtpHeader(packet, { marker, payloadType: 96, sequenceNumber, timestamp: 1, ssrc: 5 })
          for (const piece of pieces) {
            packet.set(piece, at)
            at += piece.length
          }
          cache.add(i * distance, sequenceNumber, packet, packet.length, 12)
          // of a loss at the end nobody can know here, as nothing comes after it
          if (marker || i === 0) wire.push({ at: i * distance + ROUND_TRIP / 2, packet, again: false })
          else send(i * distance, packet, false)
        }
        const frames: ReceivedFrame[] = []
        for (let now = 0; now < 4000; now++) {
          wire.sort((a, b) => a.at - b.at)
          while (wire.length > 0 && wire[0]!.at <= now) {
            const { packet, again } = wire.shift()!
            const header = parseRtpHeader(packet)!
            const payload = packet.subarray(header.payloadStart)
            if (again) stream.handleRetransmission(now, header, payload, VP8)
            else stream.handlePacket(now, header, payload, VP8)
          }
          if (stream.deadline <= now) stream.handleTimeout(now)
          for (const sequenceNumber of stream.takeNacks(now, ROUND_TRIP)) {
            const cached = cache.take(now, sequenceNumber, 0)
            if (cached !== undefined) send(now + ROUND_TRIP / 2, cached.packet.slice(), true)
          }
          for (let next = stream.pollFrame(); next !== undefined; next = stream.pollFrame()) frames.push(next)
        }
        expect(frames).toHaveLength(1)
        expect(Buffer.compare(frames[0]!.data, frame)).toBe(0)
        expect(stream.deadline).toBe(Infinity)
      })
    },
  )
})
