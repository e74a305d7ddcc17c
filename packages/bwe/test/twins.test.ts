import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import type { Feedback } from '../src/feedback.ts'
import { FeedbackReader } from '../src/feedback-reader.ts'
import { LossObservations } from '../src/loss-observations.ts'
import { PacketQueue } from '../src/packet-queue.ts'
import { IN_FLIGHT, LOST, RECEIVED, SentPackets } from '../src/sent-packets.ts'
import { Trendline } from '../src/trendline.ts'

// Slow and obvious twins of what is done in place.

interface TwinPacket {
  readonly sentAt: number
  readonly size: number
  readonly probe: number
  state: 'in flight' | 'lost' | 'received'
}

const STATES = { 'in flight': IN_FLIGHT, lost: LOST, received: RECEIVED }

describe('the ring of sent packets', () => {
  it('is as a map of all packets, of those that it remembers', () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = new SeededRandom(seed)
      const sent = new SentPackets()
      const twin = new Map<number, TwinPacket>()
      let sequence = random.integer(65_536)
      let offset: number | undefined
      for (let i = 0; i < 3000; i++) {
        sequence += random.chance(0.01) ? 1 + random.integer(20) : 1
        const packet: TwinPacket = {
          sentAt: i,
          size: random.integer(1500),
          probe: random.integer(5) - 1,
          state: 'in flight',
        }
        sent.add(i, sequence & 0xffff, packet.size, packet.probe)
        offset ??= sent.last - sequence
        if (sent.last !== sequence + offset) expect.fail(`seed ${seed}: ${sent.last}`)
        twin.set(sequence, packet)
      }
      for (let back = 0; back < 6000; back++) {
        const slot = sent.find(sent.last - back)
        const packet = twin.get(sequence - back)
        const remembered = back < sent.length && packet !== undefined
        if (slot >= 0 !== remembered) expect.fail(`seed ${seed}, ${back} back: ${slot}`)
        if (slot < 0 || packet === undefined) continue
        const { sentAt, size, probe } = packet
        const same = sent.sentAt(slot) === sentAt && sent.size(slot) === size && sent.probe(slot) === probe
        if (!same || sent.state(slot) !== IN_FLIGHT) expect.fail(`seed ${seed}: another packet ${back} back`)
      }
      expect(sent.length, 'none that is awaited is forgotten').toBeGreaterThanOrEqual(3000)
      expect(sent.find(sent.last + 1)).toBe(-1)
    }
  })

  it('is bounded', () => {
    const sent = new SentPackets()
    for (let i = 0; i < 200_000; i++) sent.add(0, i & 0xffff, 1200, 0)
    expect(sent.capacity).toBe(16_384)
    expect(sent.length).toBe(16_384)
  })

  it('does not grow for what is told of, nor for what is old', () => {
    const told = new SentPackets()
    for (let i = 0; i < 10_000; i++) {
      told.add(i, i & 0xffff, 1200, 0)
      told.setState(told.find(told.last), RECEIVED)
    }
    expect(told.capacity).toBe(512)
    const old = new SentPackets()
    for (let i = 0; i < 10_000; i++) old.add(i * 100, i & 0xffff, 1200, 0)
    expect(old.capacity).toBe(512)
  })

  it('starts anew where numbers jump or go back', () => {
    const sent = new SentPackets()
    for (const first of [100, 40_000, 30, 29]) {
      for (let i = 0; i < 20; i++) sent.add(i, first + i, 1200, 0)
      expect(sent.length).toBe(20)
      expect(sent.last & 0xffff).toBe(first + 19)
    }
  })
})

describe('reading feedback', () => {
  function random(random: SeededRandom, last: number): Feedback {
    const deltas: (number | undefined)[] = []
    for (let i = random.integer(120); i > 0; i--) {
      deltas.push(random.chance(0.2) ? undefined : random.integer(random.chance(0.1) ? 4000 : 40) - 10)
    }
    const baseSequence =
      (last - random.integer(150) + (random.chance(0.1) ? random.integer(65_536) : 0)) & 0xffff
    return { baseSequence, referenceTime: random.integer(1000), deltas }
  }

  it('is as looking up each packet and sorting what came', () => {
    for (let seed = 0; seed < 30; seed++) {
      const chance = new SeededRandom(seed)
      const sent = new SentPackets()
      const reader = new FeedbackReader(sent)
      const twin: TwinPacket[] = []
      for (let round = 0; round < 100; round++) {
        for (let i = chance.integer(80); i > 0; i--) {
          const packet: TwinPacket = {
            sentAt: twin.length,
            size: 1 + chance.integer(1400),
            probe: -1,
            state: 'in flight',
          }
          sent.add(packet.sentAt, twin.length & 0xffff, packet.size, -1)
          twin.push(packet)
        }
        if (twin.length === 0) continue
        const feedback = random(chance, twin.length - 1)
        const known = reader.read(feedback)

        const came: { readonly sentAt: number; readonly arrival: number }[] = []
        let [told, lost, lostBytes, recovered, bytes] = [false, 0, 0, 0, 0]
        let ticks = feedback.referenceTime * 256
        for (const [i, delta] of feedback.deltas.entries()) {
          ticks += delta ?? 0
          // the packet with this number that was sent last
          const back = (twin.length - 1 - feedback.baseSequence) & 0xffff
          const packet = twin[twin.length - 1 - back + i]
          if (packet === undefined || twin.length - twin.indexOf(packet) > sent.length) continue
          told = true
          if (packet.state === 'received') continue
          if (delta === undefined && packet.state === 'lost') continue
          if (packet.state === 'in flight') bytes += packet.size
          if (delta === undefined) {
            lost++
            lostBytes += packet.size
            packet.state = 'lost'
          } else {
            if (packet.state === 'lost') recovered++
            packet.state = 'received'
            came.push({ sentAt: packet.sentAt, arrival: ticks / 4 })
          }
        }
        came.sort((a, b) => a.arrival - b.arrival)
        const read = Array.from({ length: reader.received }, (_, i) => ({
          sentAt: sent.sentAt(reader.slot(i)),
          arrival: reader.arrival(i),
        }))
        const where = `seed ${seed}, round ${round}`
        expect(known, `in ${where}`).toBe(told)
        expect(read, `in ${where}`).toEqual(came)
        expect([reader.lost, reader.lostBytes, reader.recovered, reader.bytes], `in ${where}`).toEqual([
          lost,
          lostBytes,
          recovered,
          bytes,
        ])
        for (let back = 0; back < Math.min(100, sent.length); back++) {
          const slot = sent.find(sent.last - back)
          const state = STATES[twin[twin.length - 1 - back]!.state]
          if (sent.state(slot) !== state) expect.fail(`${where}: ${state} ${back} back`)
        }
      }
    }
  })
})

describe('the queue of packets', () => {
  it('is as an array', () => {
    const random = new SeededRandom(5)
    const queue = new PacketQueue<number>()
    const twin: { readonly packet: number; readonly size: number; readonly time: number }[] = []
    for (let i = 0; i < 20_000; i++) {
      // longer and shorter by turns
      if (random.chance(i % 4000 < 2000 ? 0.6 : 0.4)) {
        queue.push(i, i, i % 1500)
        twin.push({ packet: i, size: i % 1500, time: i })
      } else {
        const first = queue.shift()
        if (first !== twin.shift()?.packet) expect.fail(`${first} at ${i}`)
      }
      if (queue.length !== twin.length) expect.fail(`${queue.length} instead of ${twin.length}`)
      if (twin.length > 0 && (queue.firstSize !== twin[0]!.size || queue.firstTime !== twin[0]!.time)) {
        expect.fail(`another first at ${i}`)
      }
    }
  })
})

describe('the slope', () => {
  it('is that of the line of least squares, by the sums of its definition', () => {
    const random = new SeededRandom(6)
    const trendline = new Trendline()
    const points: { readonly x: number; readonly y: number }[] = []
    let [arrival, delay, smoothed] = [5000, 0, 0]
    for (let i = 1; i <= 200; i++) {
      const sendDelta = 5 + 20 * random.float()
      const arrivalDelta = Math.max(0, sendDelta + 10 * random.float() - 4)
      arrival += arrivalDelta
      trendline.add(sendDelta, arrivalDelta, arrival)
      delay += arrivalDelta - sendDelta
      smoothed = 0.9 * smoothed + 0.1 * delay
      points.push({ x: arrival, y: smoothed })
      const last = points.slice(-20)
      if (last.length < 20) {
        expect(trendline.slope).toBe(0)
        continue
      }
      const sum = (of: (point: { x: number; y: number }) => number): number =>
        last.reduce((total, point) => total + of(point), 0)
      const [x, y] = [sum((p) => p.x), sum((p) => p.y)]
      const slope = (20 * sum((p) => p.x * p.y) - x * y) / (20 * sum((p) => p.x * p.x) - x * x)
      expect(trendline.slope).toBeCloseTo(slope, 6)
    }
    expect(trendline.groups).toBe(200)
  })
})

describe('the average loss', () => {
  it('is weighted by age, without the best and the worst', () => {
    const random = new SeededRandom(7)
    const observations = new LossObservations()
    const all: { readonly bytes: number; readonly lost: number }[] = []
    for (let i = 0; i < 60; i++) {
      const bytes = 10_000 + random.integer(1000)
      const lost = random.integer(3000)
      const between = { firstSentAt: i * 300, lastSentAt: i * 300 + 299 }
      const told = { packets: 1, bytes, lostBytes: lost, recoveredBytes: 0, ...between }
      expect(observations.add(told, false)).toBe(true)
      all.push({ bytes, lost })
      const weighted = all
        .slice(-15)
        .toReversed()
        .map((one, age) => ({
          ratio: one.lost / one.bytes,
          bytes: one.bytes * 0.9 ** age,
          lost: one.lost * 0.9 ** age,
        }))
      const counted = weighted.length < 3 ? weighted : weighted.sort((a, b) => a.ratio - b.ratio).slice(1, -1)
      const sum = (of: 'lost' | 'bytes'): number => counted.reduce((total, one) => total + one[of], 0)
      expect(observations.averageLoss).toBeCloseTo(sum('lost') / sum('bytes'), 9)
      expect(observations.length).toBe(Math.min(15, all.length))
    }
  })
})
