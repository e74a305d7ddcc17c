import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { ntpFromUnix, ntpMiddle, ReceptionStatistics, unixFromNtp } from '../src/index.ts'

describe('RFC 3550 appendix A', () => {
  it('does not take a jump of the timestamps, or a pause in them, for jitter', () => {
    for (const jump of [0x4000_0000, -0x4000_0000, -60 * 8000]) {
      const statistics = new ReceptionStatistics(1, 8000)
      for (let i = 0; i < 100; i++) statistics.handlePacket(20 * i, i, 160 * i)
      expect(statistics.jitter).toBeLessThan(0.001)
      for (let i = 100; i < 200; i++) statistics.handlePacket(20 * i, i, (160 * i + jump) >>> 0)
      expect(statistics.jitter, `${jump}`).toBeLessThan(0.001)
    }
  })

  it('A.1: counts cycles', () => {
    const reception = new ReceptionStatistics(1, 8000)
    for (let i = 65_530; i < 65_546; i++) reception.handlePacket(i, i & 0xffff, i)
    expect(reception.highestSequence).toBe(65_545)
    expect(reception.report(0)).toMatchObject({ ssrc: 1, highestSequence: 65_545, cumulativeLost: 0 })
  })

  it('A.1: two packets in order after a jump are a restart, one is nothing', () => {
    const reception = new ReceptionStatistics(1, 8000)
    for (let i = 0; i < 10; i++) if (i !== 5) reception.handlePacket(0, i, 0)
    reception.handlePacket(0, 40_000, 0)
    expect(reception.packetsReceived).toBe(9)
    expect(reception.highestSequence).toBe(9)
    for (let i = 10; i < 12; i++) reception.handlePacket(0, i, 0)
    for (let i = 40_000; i < 40_004; i++) reception.handlePacket(0, i, 0)
    expect(reception.highestSequence).toBe(40_003)
    // what was counted stays
    expect(reception.packetsReceived).toBe(15)
    expect(reception.packetsLost).toBe(1)
    // backwards, and to 0
    for (let i = 0; i < 3; i++) reception.handlePacket(0, (65_535 + i) & 0xffff, 0)
    expect(reception.packetsLost).toBe(1)
    expect(reception.packetsReceived).toBe(18)
  })

  it('A.3: fraction since the last report, sum since the start, negative with duplicates', () => {
    const reception = new ReceptionStatistics(1, 8000)
    for (let i = 0; i < 100; i++) if (i % 4 !== 1) reception.handlePacket(0, i, 0)
    expect(reception.report(0)).toMatchObject({ fractionLost: 64, cumulativeLost: 25 })
    for (let i = 100; i < 110; i++) for (let copy = 0; copy < 6; copy++) reception.handlePacket(0, i, 0)
    expect(reception.report(0)).toMatchObject({ fractionLost: 0, cumulativeLost: -25 })
    expect(reception.report(0)).toMatchObject({ fractionLost: 0, cumulativeLost: -25 })
    expect(reception.packetsLost).toBe(-25)
  })

  it('A.3: the sum stays within 24 bits, the fraction within 8', () => {
    const reception = new ReceptionStatistics(1, 8000)
    for (let i = 0; i < 0x80_0000 + 10_000; i += 2900) reception.handlePacket(0, i & 0xffff, 0)
    expect(reception.report(0)).toMatchObject({ fractionLost: 255, cumulativeLost: 0x7f_ffff })
  })

  it('A.8: follows the formula of the RFC, over a wrap of the timestamp', () => {
    const random = new SeededRandom(8)
    const reception = new ReceptionStatistics(1, 90_000)
    let jitter = 0
    let transit: number | undefined
    for (let i = 0; i < 500; i++) {
      const now = i * 20 + random.integer(50)
      const timestamp = 0xffff_f000 + i * 1800
      const d = now * 90 - timestamp
      if (transit !== undefined) jitter += (Math.abs(d - transit) - jitter) / 16
      transit = d
      reception.handlePacket(now, i, timestamp % 2 ** 32)
    }
    expect(reception.jitter * 90_000).toBeCloseTo(jitter, 6)
    expect(reception.report(0).jitter).toBe(Math.floor(jitter))
  })

  it('keeps its counts where the clock rate changes', () => {
    const reception = new ReceptionStatistics(1, 8000)
    for (let i = 0; i < 10; i++) reception.handlePacket(i * 20 + (i % 2) * 10, i, i * 160)
    const { jitter } = reception
    reception.clockRate = 48_000
    expect(reception.clockRate).toBe(48_000)
    expect(reception.jitter).toBeCloseTo(jitter)
    for (let i = 10; i < 400; i++) reception.handlePacket(i * 20, i, i * 960)
    expect(reception.packetsReceived).toBe(400)
    expect(reception.jitter).toBeLessThan(jitter / 100)
  })

  it('says nothing of what it knows nothing', () => {
    const reception = new ReceptionStatistics(7, 8000)
    expect(reception.packetsLost).toBe(0)
    expect(reception.highestSequence).toBe(-1)
    expect(reception.report(5)).toEqual({
      ssrc: 7,
      fractionLost: 0,
      cumulativeLost: 0,
      highestSequence: 0,
      jitter: 0,
      lastSenderReport: 0,
      delaySinceLastSenderReport: 0,
    })
  })

  it('section 6.4.1: quotes the sender report and how long ago it was', () => {
    const reception = new ReceptionStatistics(7, 8000)
    const ntp = ntpFromUnix(1_700_000_000_000)
    reception.handleSenderReport(1000, ntp)
    expect(reception.report(2500)).toMatchObject({
      lastSenderReport: ntpMiddle(ntp),
      delaySinceLastSenderReport: 98_304,
    })
    // never negative
    expect(reception.report(0).delaySinceLastSenderReport).toBe(0)
  })

  it('section 6.4.1: says nothing of a sender report that was longer ago than 32 bits hold', () => {
    const reception = new ReceptionStatistics(7, 8000)
    const ntp = ntpFromUnix(1_700_000_000_000)
    reception.handleSenderReport(1000, ntp)
    // 2^32 units of 1/65536 s
    const end = 1000 + 65_536_000
    expect(reception.report(end - 1)).toMatchObject({
      lastSenderReport: ntpMiddle(ntp),
      delaySinceLastSenderReport: 0xffff_ffbe,
    })
    for (const now of [end, end + 5000, 1e12]) {
      expect(reception.report(now)).toMatchObject({ lastSenderReport: 0, delaySinceLastSenderReport: 0 })
    }
    reception.handleSenderReport(end, ntp)
    expect(reception.report(end + 500)).toMatchObject({ delaySinceLastSenderReport: 32_768 })
  })
})

describe('NTP time', () => {
  it('goes there and back, over the end of the era in 2036', () => {
    for (const unix of [0, 1_700_000_000_123.5, 2_085_978_495_999, 2_085_978_496_000, 4_000_000_000_000]) {
      expect(unixFromNtp(ntpFromUnix(unix))).toBeCloseTo(unix, 2)
    }
  })

  it('counts seconds from 1900', () => {
    expect(ntpFromUnix(0)).toBe(0x83aa_7e80_0000_0000n)
    expect(ntpFromUnix(500)).toBe(0x83aa_7e80_8000_0000n)
    expect(ntpMiddle(0x1234_5678_9abc_def0n)).toBe(0x5678_9abc)
  })
})
