import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { parseRtcp, type TransportFeedback, TransportFeedbackGenerator, writeRtcp } from '../src/index.ts'

/** What a sender makes of reports: when each packet came, by its sequence number. */
function read(reports: readonly TransportFeedback[]): Map<number, number> {
  const arrivals = new Map<number, number>()
  for (const report of reports) {
    const { packets, malformed } = parseRtcp(writeRtcp([report]))
    expect(malformed).toBe(0)
    expect(packets[0]).toEqual(report)
    let at = report.referenceTime * 64
    report.deltas.forEach((delta, i) => {
      if (delta === undefined) return
      at += delta / 4
      arrivals.set((report.baseSequence + i) & 0xffff, at)
    })
  }
  return arrivals
}

describe('feedback on all packets of a sender', () => {
  it('tells when each came, whatever is lost, late or doubled, and over the wrap', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new SeededRandom(seed)
      const generator = new TransportFeedbackGenerator()
      const sent = new Map<number, number>()
      const told = new Map<number, number>()
      let now = 1000
      for (let i = 0; i < 2000; i++) {
        now += random.float() * 8
        const sequence = (65_000 + i - (random.chance(0.1) ? random.integer(5) : 0)) & 0xffff
        if (!random.chance(0.1)) {
          if (!sent.has(sequence)) sent.set(sequence, now)
          generator.handlePacket(now, 7, sequence)
        }
        if (generator.deadline <= now) {
          const reports = generator.take(now, 5)
          for (const [of, at] of read(reports)) told.set(of, at)
          expect(generator.deadline, `seed ${seed}`).toBeGreaterThan(now)
          for (const report of reports) expect(writeRtcp([report]).length, `seed ${seed}`).toBeLessThan(1100)
        }
      }
      for (const [of, at] of read(generator.take(now, 5))) told.set(of, at)
      expect(new Set(told.keys()), `seed ${seed}`).toEqual(new Set(sent.keys()))
      for (const [sequence, at] of sent) {
        expect(Math.abs(told.get(sequence)! - at), `seed ${seed}`).toBeLessThanOrEqual(0.126)
      }
    }
  })

  it('is of the time at which it goes, also where nothing but losses are told', () => {
    const generator = new TransportFeedbackGenerator()
    const start = 1_800_000_000_000
    generator.handlePacket(start, 7, 0)
    const [first] = generator.take(start + 80, 5)
    generator.handlePacket(start + 1000, 7, 1500)
    const reports = generator.take(start + 1080, 5)
    expect(reports.length).toBeGreaterThan(3)
    for (const { referenceTime, deltas } of reports.slice(0, -1)) {
      expect(deltas.every((delta) => delta === undefined)).toBe(true)
      expect((referenceTime - first!.referenceTime) * 64).toBeLessThanOrEqual(1080)
      expect((referenceTime - first!.referenceTime) * 64).toBeGreaterThanOrEqual(0)
    }
  })

  it('says what was lost, and goes on after a silence and after a jump', () => {
    const generator = new TransportFeedbackGenerator()
    generator.handlePacket(0, 7, 10)
    generator.handlePacket(1, 7, 13)
    const [first] = generator.take(80, 5)
    expect(first).toMatchObject({ baseSequence: 10, feedbackCount: 0, senderSsrc: 5, mediaSsrc: 7 })
    expect(first!.deltas.map((delta) => delta !== undefined)).toEqual([true, false, false, true])
    // longer than a delta can tell
    generator.handlePacket(100, 7, 14)
    generator.handlePacket(20_100, 7, 15)
    const after = generator.take(20_100, 5)
    expect(after.map(({ feedbackCount }) => feedbackCount)).toEqual([1, 2])
    expect(read(after)).toEqual(
      new Map([
        [14, 100],
        [15, 20_100],
      ]),
    )
    generator.handlePacket(20_200, 7, 30_000)
    const jump = generator.take(20_300, 5)
    expect(jump.reduce((sum, { deltas }) => sum + deltas.length, 0)).toBeLessThanOrEqual(4000)
    expect(read(jump)).toEqual(new Map([[30_000, 20_200]]))
  })

  it('is silent where nothing comes', () => {
    const generator = new TransportFeedbackGenerator()
    expect(generator.deadline).toBe(Infinity)
    expect(generator.take(0, 5)).toEqual([])
    generator.handlePacket(0, 7, 1)
    expect(generator.deadline).toBe(75)
    generator.take(75, 5)
    expect(generator.deadline).toBe(Infinity)
    generator.handlePacket(80, 7, 1)
    expect(generator.deadline).toBe(Infinity)
  })
})
