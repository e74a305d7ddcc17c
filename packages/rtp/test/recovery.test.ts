import * as fc from 'fast-check'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { MAX_MISSING_PACKETS, NackGenerator } from '../src/nack-generator.ts'
import { parseRtpHeader, writeRtpHeader } from '../src/rtp-header.ts'
import { readRtx, writeRtx } from '../src/rtx.ts'
import { SendCache } from '../src/send-cache.ts'

function packet(sequenceNumber: number, payload: Uint8Array): { bytes: Uint8Array; payloadStart: number } {
  const bytes = new Uint8Array(12 + payload.length)
  const payloadStart = writeRtpHeader(bytes, {
    marker: true,
    payloadType: 96,
    sequenceNumber,
    timestamp: 5,
    ssrc: 7,
  })
  bytes.set(payload, payloadStart)
  return { bytes, payloadStart }
}

describe('the cache of what was sent', () => {
  it('gives back each packet that is still there, byte by byte, and never another', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new SeededRandom(seed)
      const cache = new SendCache(40_000, 1000)
      const sent: { sequenceNumber: number; bytes: Uint8Array; at: number }[] = []
      let bytesAfter = 0
      for (let i = 0; i < 300; i++) {
        const payload = new Uint8Array(random.integer(1200))
        random.fill(payload)
        const sequenceNumber = (65_400 + i) & 0xffff
        const { bytes, payloadStart } = packet(sequenceNumber, payload)
        cache.add(10 * i, sequenceNumber, bytes, bytes.length, payloadStart)
        sent.push({ sequenceNumber, bytes, at: 10 * i })
      }
      const now = 3000
      for (const { sequenceNumber, bytes, at } of sent.toReversed()) {
        bytesAfter += bytes.length
        const taken = cache.take(now, sequenceNumber, 0)
        // what is within the bounds by a packet's breadth is there, what is beyond them is not
        const inside = bytesAfter < 40_000 - 1200 && now - at <= 1000
        const outside = bytesAfter > 40_000 || now - at > 1000
        if (inside) expect(taken, `seed ${seed}`).toBeDefined()
        if (outside) expect(taken, `seed ${seed}`).toBeUndefined()
        if (taken !== undefined) expect(Buffer.compare(taken.packet, bytes), `seed ${seed}`).toBe(0)
      }
    }
  })

  it('gives the newest as often as it is asked for, until that is too old', () => {
    const cache = new SendCache(50_000, 1000)
    expect(cache.latest(0)).toBeUndefined()
    for (let i = 0; i < 200; i++) {
      const { bytes, payloadStart } = packet(i, Uint8Array.of(i))
      cache.add(10 * i, i, bytes, bytes.length, payloadStart)
      for (let again = 0; again < 2; again++)
        expect(cache.latest(10 * i)?.packet, `packet ${i}`).toEqual(bytes)
    }
    expect(cache.latest(1990 + 1000)?.payloadStart).toBe(12)
    expect(cache.latest(1990 + 1001)).toBeUndefined()
  })

  it('gives the same, whether bytes are shared or not', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new SeededRandom(seed)
      const cache = new SendCache(50_000, 1000)
      const sent = new Map<number, { bytes: Uint8Array; at: number }>()
      let sequenceNumber = random.integer(0x1_0000)
      for (let i = 0; i < 600; i++) {
        const payload = new Uint8Array(random.integer(1200))
        random.fill(payload)
        // now and then a jump, a number again, or one with the same last bits
        const jump = random.chance(0.9) ? 1 : random.chance(0.5) ? 0 : random.chance(0.5) ? 2048 : 3000
        sequenceNumber = (sequenceNumber + jump) & 0xffff
        const { bytes, payloadStart } = packet(sequenceNumber, payload)
        const unchanged = random.chance(0.7) ? random.integer(payload.length + 1) : 0
        const whole = new Uint8Array(50 + bytes.length)
        whole.set(bytes, 50)
        const shared = unchanged === 0 ? undefined : whole
        const from = whole.length - unchanged
        cache.add(10 * i, sequenceNumber, bytes.slice(), bytes.length, payloadStart, shared, from, unchanged)
        sent.delete(sequenceNumber)
        sent.set(sequenceNumber, { bytes, at: 10 * i })
        for (let j = 0; j < 3; j++) {
          const asked = (sequenceNumber - random.integer(100)) & 0xffff
          const taken = cache.take(10 * i, asked, 0)
          const known = sent.get(asked)
          const differs = taken !== undefined && Buffer.compare(taken.packet, known!.bytes) !== 0
          if (differs) expect.fail(`seed ${seed}: ${asked} is another packet`)
        }
        // the newest is always there, and so are those before it up to the bounds
        const newest = [...sent].toReversed().slice(0, 20)
        const slots = new Set<number>()
        for (const [number, { bytes: expected, at }] of newest) {
          const overwritten = slots.has(number & 2047)
          slots.add(number & 2047)
          if (overwritten || 10 * i - at > 1000) continue
          const length = cache.take(10 * i, number, 0)?.packet.length
          if (length !== expected.length) expect.fail(`seed ${seed}: ${number} has ${length} bytes`)
        }
      }
    }
  })

  it('exhaust: of small packets, so many', () => {
    const cache = new SendCache(512 * 1024, 1e9)
    const { bytes, payloadStart } = packet(1, Uint8Array.of(1))
    for (let i = 0; i < 20_000; i++) {
      cache.add(
        i,
        i,
        bytes,
        bytes.length,
        payloadStart,
        i % 3 === 0 ? bytes : undefined,
        12,
        i % 3 === 0 ? 1 : 0,
      )
    }
    const there = Array.from({ length: 20_000 }, (_, i) => i).filter(
      (i) => cache.take(20_000, i, 0) !== undefined,
    )
    expect(there).toEqual(Array.from({ length: 8192 }, (_, i) => 20_000 - 8192 + i))
  })

  it('does not answer twice within a round trip', () => {
    const cache = new SendCache(1000, 1000)
    const { bytes, payloadStart } = packet(1, Uint8Array.of(1))
    cache.add(0, 1, bytes, bytes.length, payloadStart)
    expect(cache.take(10, 1, 50)).toBeDefined()
    expect(cache.take(20, 1, 50)).toBeUndefined()
    expect(cache.take(60, 1, 50)).toBeDefined()
    expect(cache.take(60, 2, 50)).toBeUndefined()
  })

  it('is slower to answer a peer that asks on and on', () => {
    const answered = (laterInterval?: number): number[] => {
      const cache = new SendCache(1000, 2000)
      const { bytes, payloadStart } = packet(7, new Uint8Array(100))
      cache.add(0, 7, bytes, bytes.length, payloadStart)
      const times = Array.from({ length: 20 }, (_, i) => 100 * i)
      return times.filter((now) => cache.take(now, 7, 1, laterInterval) !== undefined)
    }
    expect(answered(200)).toEqual([0, 100, 200, 300, 500, 900, 1700])
    expect(answered()).toHaveLength(20)
  })

  it('begins anew with the packet that takes its place', () => {
    const cache = new SendCache(1000, 2000)
    for (const sequenceNumber of [7, 7 + 2048]) {
      const { bytes, payloadStart } = packet(sequenceNumber, new Uint8Array(100))
      cache.add(0, sequenceNumber, bytes, bytes.length, payloadStart)
      for (let i = 0; i < 4; i++) expect(cache.take(i, sequenceNumber, 1, 200), `time ${i}`).toBeDefined()
      expect(cache.take(4, sequenceNumber, 1, 200)).toBeUndefined()
    }
  })

  it('leaves out what is larger than it', () => {
    const cache = new SendCache(20, 1000)
    const { bytes, payloadStart } = packet(1, new Uint8Array(20))
    cache.add(0, 1, bytes, bytes.length, payloadStart)
    expect(cache.take(0, 1, 0)).toBeUndefined()
  })
})

describe('a retransmission', () => {
  it('is the packet again, under its own header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(0xffff), (payload, sequenceNumber) => {
        const { bytes, payloadStart } = packet(sequenceNumber, payload)
        const made = writeRtx(bytes, payloadStart, { pt: 97, ssrc: 0xfedcba98, sequenceNumber: 3 }, 16)
        expect(made.buffer).toHaveLength(made.length + 16)
        const header = parseRtpHeader(made.buffer, made.length)!
        expect(header).toMatchObject({
          payloadType: 97,
          ssrc: 0xfedcba98,
          sequenceNumber: 3,
          timestamp: 5,
          marker: true,
        })
        const original = readRtx(made.buffer, header, { pt: 96, ssrc: 7 })!
        expect(original).toMatchObject({
          payloadType: 96,
          ssrc: 7,
          sequenceNumber,
          payloadLength: payload.length,
        })
        const at = original.payloadStart
        expect(made.buffer.subarray(at, at + payload.length)).toEqual(payload)
      }),
    )
  })

  it('of nothing is padding', () => {
    const { bytes } = packet(1, Uint8Array.of(1))
    expect(readRtx(bytes, parseRtpHeader(bytes)!, { pt: 96, ssrc: 7 })).toBeUndefined()
  })
})

describe('what is missing is asked for', () => {
  it('once it is more than out of order, then once a round trip, a bounded number of times', () => {
    const nacks = new NackGenerator()
    nacks.roundTripTime = 50
    nacks.handlePacket(0, 65_534)
    nacks.handlePacket(1, 2)
    expect(nacks.take(5)).toEqual([])
    expect(nacks.deadline).toBe(11)
    expect(nacks.take(11)).toEqual([65_535, 0, 1])
    nacks.handlePacket(20, 0)
    expect(nacks.take(30)).toEqual([])
    // the answer comes after a round trip, and may be late
    expect(nacks.take(70)).toEqual([])
    expect(nacks.take(71)).toEqual([65_535, 1])
    let asked = 2
    for (let now = 72; now < 5000; now++) asked += nacks.take(now).length > 0 ? 1 : 0
    expect(asked).toBe(20)
    expect(nacks.missing).toBe(0)
    expect(nacks.deadline).toBe(Infinity)
  })

  it('not where it came late', () => {
    const nacks = new NackGenerator()
    nacks.handlePacket(0, 1)
    nacks.handlePacket(1, 3)
    nacks.handlePacket(2, 2)
    expect(nacks.take(100)).toEqual([])
  })

  it('also where it was sent before the first packet that came, and after one that came soon after', () => {
    const nacks = new NackGenerator()
    nacks.handlePacket(0, 1)
    nacks.handlePacket(1, 3)
    nacks.handlePacket(2, 65_534)
    expect(nacks.missing).toBe(3)
    expect(nacks.take(11)).toEqual([2])
    expect(nacks.take(12)).toEqual([65_535, 0])
    // and what came before that
    nacks.handlePacket(13, 65_532)
    nacks.giveUpBefore(13, 0)
    expect(nacks.take(1000)).toEqual([0, 2])
  })

  it('but not before one that came much later, or was sent long before', () => {
    for (const [now, sequenceNumber] of [
      [101, 195],
      [1, 99],
    ] as const) {
      const nacks = new NackGenerator()
      nacks.handlePacket(0, 200)
      nacks.handlePacket(now, sequenceNumber)
      expect(nacks.missing, `${sequenceNumber}`).toBe(0)
      expect(nacks.deadline).toBe(Infinity)
    }
  })

  it('not where so much is missing that it is an outage', () => {
    const nacks = new NackGenerator()
    expect(nacks.handlePacket(0, 1)).toBe(true)
    expect(nacks.handlePacket(1, 1 + MAX_MISSING_PACKETS + 1)).toBe(true)
    expect(nacks.missing).toBe(MAX_MISSING_PACKETS)
    expect(nacks.handlePacket(2, 1 + MAX_MISSING_PACKETS + 3)).toBe(false)
    expect(nacks.missing).toBe(0)
  })

  it('where the sender starts anew behind or ahead of where it was', () => {
    for (const restart of [30_000, 3000, 10_000, 45_000]) {
      const nacks = new NackGenerator()
      for (const sequence of [9999, 10_000, 10_002]) nacks.handlePacket(0, sequence)
      // one packet far off is none
      nacks.handlePacket(1, (restart + 25_000) & 0xffff)
      expect(nacks.take(20), `${restart}`).toEqual([10_001])
      if (restart === 10_000) continue
      for (const i of [0, 1, 3]) nacks.handlePacket(30, restart + i)
      expect(nacks.take(40), `${restart}`).toEqual([restart + 2])
      nacks.handlePacket(41, restart + 2)
      expect(nacks.missing, `${restart}`).toBe(0)
    }
  })

  it('no longer once it is given up', () => {
    const nacks = new NackGenerator()
    nacks.handlePacket(0, 10)
    nacks.handlePacket(0, 14)
    nacks.giveUpBefore(0, 13)
    expect(nacks.take(100)).toEqual([13])
  })

  it('and the deadline is always later after it was met', () => {
    const random = new SeededRandom(4)
    const nacks = new NackGenerator()
    let sequence = 0
    for (let now = 0; now < 5000; now += 3) {
      sequence = (sequence + 1 + (random.chance(0.1) ? random.integer(5) : 0)) & 0xffff
      nacks.handlePacket(now, sequence)
      nacks.take(now)
      expect(nacks.deadline).toBeGreaterThan(now)
    }
  })
})
