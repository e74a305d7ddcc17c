import { describe, expect, it } from 'vitest'
import { contextFor, VARIANTS } from '../src/flow-variants.ts'
import {
  HEADER_LENGTH,
  makePacket,
  makePayload,
  MTU,
  PACKET_LENGTH,
  setSequenceNumber,
} from '../src/packets.ts'
import { monotonicTime, readUsage } from '../src/signalling.ts'

describe('packets', () => {
  it('are RTP, of 1200 bytes and some more', () => {
    const packet = makePacket(0xdead_beef, 16)
    expect(packet).toHaveLength(PACKET_LENGTH + 16)
    for (const sequenceNumber of [0, 255, 256, 65_535]) {
      setSequenceNumber(packet, sequenceNumber)
      const view = new DataView(packet.buffer)
      expect([view.getUint8(0) >> 6, view.getUint8(1), view.getUint16(2), view.getUint32(8)]).toEqual([
        2,
        96,
        sequenceNumber,
        0xdead_beef,
      ])
    }
    expect(packet.subarray(PACKET_LENGTH).every((byte) => byte === 0)).toBe(true)
  })

  it('have a payload with which whoever forwards can begin', () => {
    const payload = makePayload()
    expect(payload).toHaveLength(PACKET_LENGTH - HEADER_LENGTH)
    // RFC 7741 sections 4.2 and 4.3: the start of a partition, of a key frame
    expect([payload[0]! & 0x10, payload[1]! & 1]).toEqual([0x10, 0])
    expect(makePayload()).not.toBe(payload)
  })

  it.each(VARIANTS)('go through both sides of a flow: %s', (variant) => {
    const [sender, receiver] = [contextFor(variant), contextFor(variant)]
    const overhead = sender?.rtpOverhead ?? 0
    expect(overhead > 0).toBe(variant !== 'plain')
    expect(PACKET_LENGTH + overhead).toBeLessThanOrEqual(MTU)
    const packet = makePacket(7, overhead)
    const plain = packet.slice(0, PACKET_LENGTH)
    if (sender === undefined || receiver === undefined) return
    expect(sender.protectRtp(packet, PACKET_LENGTH)).toBe(packet.length)
    expect(packet.subarray(0, PACKET_LENGTH)).not.toEqual(plain)
    expect(receiver.unprotectRtp(packet)).toBe(PACKET_LENGTH)
    expect(packet.subarray(0, PACKET_LENGTH)).toEqual(plain)
  })
})

describe('what a process has used', () => {
  it('rises, and has its units', () => {
    const before = readUsage(false)
    const held = Array.from({ length: 64 }, () => new Uint8Array(1 << 20).fill(1))
    const end = performance.now() + 30
    while (performance.now() < end);
    const after = readUsage(false)
    expect(monotonicTime()).toBeGreaterThanOrEqual(after.at)
    expect(after.at - before.at).toBeGreaterThanOrEqual(30)
    expect(after.cpu - before.cpu).toBeGreaterThan(5)
    expect(after.cpu - before.cpu).toBeLessThan(60_000)
    // KiB
    expect(after.rss).toBeGreaterThan(64 * 1024)
    expect(after.rss).toBeLessThan(64 * 1024 * 1024)
    expect(held).toHaveLength(64)
  })
})
