import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { BandwidthEstimator, type LossReport, ReportEstimator } from '../src/index.ts'
import { ReportLosses } from '../src/report-losses.ts'
import { Path } from './harness/path.ts'

// what is known where nobody tells when packets came: the loss in receiver reports, and what the receiver says that it takes

const report = (highestSequence: number, cumulativeLost: number, ssrc = 1): LossReport => ({
  ssrc,
  highestSequence,
  cumulativeLost,
})

interface Round {
  readonly bitrate: number
  readonly lost: number
}

/**
 * Sends at the estimate, or at `most`, over a path that loses what is above `rate`, and `random` of the rest; a report comes each `interval` ms, after a latency
 * of 50. Answers the estimate and the loss each second.
 */
function run(
  estimator: ReportEstimator,
  seconds: number,
  { rate = Infinity, random = 0, most = Infinity, interval = 1000 },
): Round[] {
  const rounds: Round[] = []
  const source = new SeededRandom(1)
  let sequence = 0
  let lost = 0
  let owed = 0
  let room = 0
  let before = 0
  let from = 0
  for (let now = 0; now < 1000 * seconds; now++) {
    owed += Math.min(estimator.bitrate, most) / 8000
    room = Math.min(room + rate / 8000, 20_000)
    for (; owed >= 1000; owed -= 1000) {
      estimator.handleSent(now, 1, 1000)
      sequence++
      if (room < 1000 || source.chance(random)) lost++
      else room -= 1000
    }
    if (now >= estimator.deadline) estimator.handleTimeout(now)
    if (now % interval === interval - 1) estimator.handleReports(now, [report(sequence, lost)], 100)
    if (now % 1000 === 999) {
      const sent = Math.max(1, sequence - from)
      rounds.push({ bitrate: estimator.bitrate, lost: (lost - before) / sent })
      ;[before, from] = [lost, sequence]
    }
  }
  return rounds
}

describe('the estimate by reports', () => {
  it('grows by 8 % a second where nothing is lost', () => {
    for (const interval of [500, 1000, 5000]) {
      const bitrates = run(new ReportEstimator(), 40, { interval }).map(({ bitrate }) => bitrate)
      const growth = Math.log(bitrates[39]! / bitrates[9]!) / 30
      expect(growth, `each ${interval} ms`).toBeGreaterThan(0.06)
      expect(growth, `each ${interval} ms`).toBeLessThan(0.085)
    }
  })

  it('not above what is seen to get through, and not above its bound', () => {
    expect(run(new ReportEstimator(), 60, { most: 400_000 }).at(-1)!.bitrate).toBeLessThan(620_000)
    expect(run(new ReportEstimator({ maxBitrate: 500_000 }), 60, {}).at(-1)!.bitrate).toBe(500_000)
  })

  it('stays near what a path takes', () => {
    const rounds = run(new ReportEstimator(), 120, { rate: 2e6 }).slice(40)
    for (const { bitrate, lost } of rounds) {
      expect(bitrate).toBeGreaterThan(1.8e6)
      expect(bitrate).toBeLessThan(2.4e6)
      expect(lost).toBeLessThan(0.16)
    }
  })

  it('keeps what there is at 5 % of random loss, and falls at 30 %', () => {
    expect(
      run(new ReportEstimator({ initialBitrate: 1e6 }), 30, { random: 0.05 }).at(-1)!.bitrate,
    ).toBeGreaterThan(0.8e6)
    expect(
      run(new ReportEstimator({ initialBitrate: 1e6 }), 30, { random: 0.3 }).at(-1)!.bitrate,
    ).toBeLessThan(0.2e6)
  })

  it('falls by a fifth each second where reports stay away for 15 s, and comes to rest', () => {
    const estimator = new ReportEstimator({ initialBitrate: 1e6, minBitrate: 100_000 })
    let now = 0
    for (; now < 14_900; now += 20) {
      estimator.handleSent(now, 1, 1000)
      if (now >= estimator.deadline) estimator.handleTimeout(now)
    }
    expect(estimator.bitrate).toBe(1e6)
    for (; now < 18_500; now += 20) {
      estimator.handleSent(now, 1, 1000)
      if (now >= estimator.deadline) estimator.handleTimeout(now)
    }
    expect(estimator.bitrate).toBeCloseTo(1e6 * 0.8 ** 4, 0)
    for (; now < 60_000; now += 20) {
      estimator.handleSent(now, 1, 1000)
      if (now >= estimator.deadline) estimator.handleTimeout(now)
    }
    expect(estimator.bitrate).toBe(100_000)
    while (estimator.deadline < Infinity) {
      now = estimator.deadline
      estimator.handleTimeout(now)
      expect(now).toBeLessThan(63_000)
      expect(estimator.deadline).toBeGreaterThan(now)
    }
  })

  it('says what it knows', () => {
    const estimator = new ReportEstimator()
    run(estimator, 10, { random: 0.05, most: 200_000 })
    const { receivedBitrate, roundTripTime, packetsAcknowledged, packetsLost } = estimator.statistics
    expect(receivedBitrate).toBeGreaterThan(170_000)
    expect(receivedBitrate).toBeLessThan(200_000)
    expect(roundTripTime).toBe(0.1)
    expect(packetsLost / packetsAcknowledged).toBeGreaterThan(0.02)
    expect(packetsLost / packetsAcknowledged).toBeLessThan(0.1)
    expect(() => new ReportEstimator({ initialBitrate: 0 })).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
  })
})

describe('losses in reports', () => {
  it('are added up over all streams, from the second report of each on', () => {
    const losses = new ReportLosses()
    for (const ssrc of [1, 2, 1, 2]) losses.handleSent(ssrc)
    for (const block of [report(100, 5), report(0xffff_fff0, -3, 2)]) losses.handleReport(block)
    expect(losses).toMatchObject({ expected: 0, lost: 0 })
    // the second wraps; duplicates do not make losses good
    for (const block of [report(150, 9), report(10, -5, 2)]) losses.handleReport(block)
    expect(losses).toMatchObject({ expected: 76, lost: 4 })
    losses.clear()
    // started anew, then more lost than sent
    for (const block of [report(0, 0), report(20, 50)]) losses.handleReport(block)
    expect(losses).toMatchObject({ expected: 20, lost: 20 })
  })

  it('exhaust: of sources that nothing was sent of, nothing is known', () => {
    const estimator = new ReportEstimator()
    estimator.handleSent(0, 1, 100)
    const before = process.memoryUsage().heapUsed
    for (let ssrc = 2; ssrc < 200_000; ssrc++) estimator.handleReports(ssrc, [report(1, 1, ssrc)])
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(40_000_000)
    expect(estimator.statistics.feedbackIgnored).toBe(199_998)
    expect(estimator.bitrate).toBe(300_000)
  })

  it('S14: whatever they say, the estimate keeps its bounds', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new SeededRandom(seed)
      const estimator = new ReportEstimator({ minBitrate: 50_000, maxBitrate: 5_000_000 })
      for (let now = 0; now < 30_000; now += 1 + random.integer(300)) {
        estimator.handleSent(now, 1, 1200)
        if (random.chance(0.5)) {
          const lost = random.chance(0.1) ? Number.NaN : random.u32() - 2 ** 31
          estimator.handleReports(
            now,
            [report(random.u32(), lost)],
            random.chance(0.1) ? Infinity : undefined,
          )
        }
        if (random.chance(0.1)) estimator.handleReceiverLimit(now, random.float() * 1e8)
        if (now >= estimator.deadline) estimator.handleTimeout(now)
        const { bitrate, deadline } = estimator
        if (!(bitrate >= 50_000 && bitrate <= 5_000_000 && deadline > now)) {
          expect.fail(`seed ${seed}: ${bitrate} bit/s, waits for ${deadline}, at ${now}`)
        }
      }
    }
  })
})

describe('what the receiver says that it takes', () => {
  it('is a bound of the estimate, of probes too, as long as it is fresh', () => {
    const path = new Path({ seed: 90, rate: 4e6 })
    const flow = path.add()
    for (let at = 3001; at < 20_000; at += 1000) {
      path.simulation.at(at, (now) => flow.estimator.handleReceiverLimit(now, 700_000))
    }
    path.runUntil(3000)
    expect(flow.estimator.bitrate).toBeGreaterThan(1.5e6)
    const before = flow.estimator.statistics.probesSent
    for (let at = 3050; at <= 34_000; at += 50) {
      path.runUntil(at)
      if (flow.estimator.bitrate > 700_000) expect.fail(`${flow.estimator.bitrate} at ${at}`)
    }
    expect(flow.estimator.statistics.probesSent).toBe(before)
    expect(flow.record.throughput(5000, 34_000)).toBeLessThan(760_000)
    expect(flow.record.throughput(5000, 34_000)).toBeGreaterThan(550_000)
    path.runUntil(60_000)
    expect(flow.estimator.bitrate).toBeGreaterThan(2e6)
  })

  it('counts from when it is said, and ends by itself', () => {
    for (const estimator of [new BandwidthEstimator(), new ReportEstimator()]) {
      estimator.handleReceiverLimit(1000, 100_000)
      expect(estimator.bitrate).toBe(100_000)
      expect(estimator.deadline).toBe(16_000)
      estimator.handleReceiverLimit(9000, 150_000)
      expect(estimator.bitrate).toBe(150_000)
      estimator.handleTimeout(16_000)
      expect(estimator.bitrate).toBe(150_000)
      estimator.handleTimeout(24_000)
      expect(estimator.bitrate).toBe(300_000)
      expect(estimator.deadline).toBe(Infinity)
    }
  })
})

describe('a caller’s mistake', () => {
  it('is refused, and nothing has changed', () => {
    const calls: [() => unknown, string][] = []
    for (const estimator of [new BandwidthEstimator(), new ReportEstimator()]) {
      for (const now of [Number.NaN, Infinity]) {
        calls.push([() => estimator.handleTimeout(now), 'invalid-time'])
        calls.push([() => estimator.handleReceiverLimit(now, 1e6), 'invalid-time'])
        calls.push([() => estimator.handleSent(now, 1, 100), 'invalid-time'])
      }
      calls.push([() => estimator.handleSent(0, 1, Number.NaN), 'invalid-size'])
      for (const [call, code] of calls) expect(call).toThrow(expect.objectContaining({ code }))
      expect([estimator.bitrate, estimator.deadline]).toEqual([300_000, Infinity])
    }
  })
})
