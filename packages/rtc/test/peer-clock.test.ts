import { ntpFromUnix } from '@str0m/rtp'
import { describe, expect, it } from 'vitest'
import { MAX_CLOCK_DEVIATION, PeerClock } from '../src/peer-clock.ts'

/** Some day, as milliseconds since 1970. */
const DAY = 1_800_000_000_000

describe("a peer's clock", () => {
  it('is not known before a report, nor where the peer has none', () => {
    const clock = new PeerClock()
    expect(clock.instantOf(DAY, 0)).toBeUndefined()
    clock.handleReport(0, 0n)
    expect(clock.instantOf(DAY, 0)).toBeUndefined()
    clock.handleReport(500, ntpFromUnix(DAY))
    expect(clock.instantOf(undefined, 500)).toBeUndefined()
    expect(clock.instantOf(DAY, 500)).toBeCloseTo(500, 3)
    expect(clock.instantOf(DAY - 40, 500)).toBeCloseTo(460, 3)
  })

  it('does not follow how long a report was under way, but a clock that runs apart', () => {
    const clock = new PeerClock()
    clock.handleReport(0, ntpFromUnix(DAY))
    clock.handleReport(1400, ntpFromUnix(DAY + 1000))
    expect(clock.instantOf(DAY + 1000, 1400)).toBeCloseTo(1000.5, 3)
    // 100 ppm too fast, for an hour
    for (let now = 2000; now < 3_600_000; now += 1000)
      clock.handleReport(now, ntpFromUnix(DAY + now * 1.0001))
    const now = 3_600_000
    expect(Math.abs(clock.instantOf(DAY + now * 1.0001, now)! - now)).toBeLessThan(2)
  })

  it('does not follow them faster, nor take them for a new clock, where many streams report at once', () => {
    const clock = new PeerClock()
    const reports = (now: number, late: number): void => {
      for (let stream = 0; stream < 10; stream++) {
        clock.handleReport(now + late, ntpFromUnix(DAY + now + stream / 10))
      }
    }
    reports(0, 0)
    // a queue of 200 ms
    for (let now = 1000; now <= 20_000; now += 1000) reports(now, 200)
    expect(clock.instantOf(DAY + 20_000, 20_000)! - 20_000).toBeGreaterThan(0)
    expect(clock.instantOf(DAY + 20_000, 20_000)! - 20_000).toBeLessThan(15)
    // one moment in which all come very late
    reports(21_000, 2500)
    expect(Math.abs(clock.instantOf(DAY + 23_500, 23_500)! - 23_500)).toBeLessThan(15)
  })

  it('does not fit packets that came at another time', () => {
    const clock = new PeerClock()
    clock.handleReport(0, ntpFromUnix(DAY))
    for (const off of [-1, 1]) {
      expect(clock.instantOf(DAY, off * (MAX_CLOCK_DEVIATION - 1))).toBeCloseTo(0, 3)
      expect(clock.instantOf(DAY, off * (MAX_CLOCK_DEVIATION + 1))).toBeUndefined()
    }
  })

  it('forge: single reports of another one are not believed; three in a row are a clock that was set', () => {
    const clock = new PeerClock()
    const report = (now: number, off: number): void => clock.handleReport(now, ntpFromUnix(DAY + now + off))
    report(0, 0)
    for (let now = 1000; now < 20_000; now += 1000) {
      report(now, 9_000_000)
      report(now, -9_000_000)
      report(now, 0)
      expect(clock.instantOf(DAY + now, now)).toBeCloseTo(now, 3)
    }
    for (const now of [20_000, 21_000, 22_000]) report(now, 9_000_000)
    expect(clock.instantOf(DAY + 22_000, 22_000)).toBeUndefined()
    expect(clock.instantOf(DAY + 22_000 + 9_000_000, 22_000)).toBeCloseTo(22_000, 3)
  })
})
