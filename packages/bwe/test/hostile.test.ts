import { SeededRandom } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BandwidthEstimator, type Feedback } from '../src/index.ts'
import { Path } from './harness/path.ts'

const MIN = 50_000
const MAX = 20_000_000

/** An estimator that sends 1000 packets a second, and is told what `feedback` makes up every 50 ms. */
function attack(feedback: (index: number, last: number) => Feedback, count = 200): BandwidthEstimator {
  const estimator = new BandwidthEstimator({ minBitrate: MIN, maxBitrate: MAX })
  let sequence = 65_000
  let now = 0
  for (let index = 0; index < count; index++) {
    for (let i = 0; i < 50; i++) {
      now++
      const probe = estimator.pollProbe()
      estimator.handleSent(now, sequence & 0xffff, 1200, probe?.id)
      sequence++
    }
    estimator.handleFeedback(now, feedback(index, (sequence - 1) & 0xffff))
    if (now >= estimator.deadline) estimator.handleTimeout(now)
    const { bitrate, deadline } = estimator
    if (!(bitrate >= MIN && bitrate <= MAX && deadline > now)) {
      expect.fail(`${bitrate} bit/s, and waits for ${deadline}, at ${now}`)
    }
  }
  return estimator
}

const fill = (length: number, delta: (index: number) => number | undefined): (number | undefined)[] =>
  Array.from({ length }, (_, index) => delta(index))

describe('S14: feedback that was made up', () => {
  const base = (last: number, back: number): number => (last - back) & 0xffff

  it.each<[string, (index: number, last: number) => Feedback]>([
    [
      'all times go back',
      (i, last) => ({ baseSequence: base(last, 49), referenceTime: i, deltas: fill(50, () => -32_768) }),
    ],
    [
      'all times are far ahead',
      (i, last) => ({ baseSequence: base(last, 49), referenceTime: i, deltas: fill(50, () => 32_767) }),
    ],
    [
      'all at one instant',
      (_, last) => ({ baseSequence: base(last, 49), referenceTime: 7, deltas: fill(50, () => 0) }),
    ],
    [
      'all lost',
      (i, last) => ({ baseSequence: base(last, 49), referenceTime: i, deltas: fill(50, () => undefined) }),
    ],
    [
      '8192 packets',
      (i, last) => ({ baseSequence: base(last, 8191), referenceTime: i, deltas: fill(8192, (j) => -j) }),
    ],
    [
      '65535 packets',
      (i, last) => ({ baseSequence: base(last, 0), referenceTime: i, deltas: fill(65_535, () => 1) }),
    ],
    [
      'of the future',
      (i, last) => ({ baseSequence: base(last, -1), referenceTime: i, deltas: fill(50, () => 1) }),
    ],
    ['no packet', (i, last) => ({ baseSequence: last, referenceTime: i, deltas: [] })],
    [
      'reference times anywhere',
      (i, last) => ({
        baseSequence: base(last, 49),
        referenceTime: ((i * 7_654_321) << 8) >> 8,
        deltas: fill(50, () => 4),
      }),
    ],
    ['ever the same', () => ({ baseSequence: 65_000, referenceTime: 1, deltas: fill(50, () => 4) })],
    [
      'no numbers',
      (_, last) => ({
        baseSequence: base(last, 49),
        referenceTime: Number.NaN,
        deltas: fill(50, () => Number.NaN),
      }),
    ],
  ])('%s', (_, feedback) => {
    attack(feedback, 60)
  })

  it('on nothing that is remembered is counted', () => {
    const estimator = attack((i, last) => ({
      baseSequence: base(last, -1000),
      referenceTime: i,
      deltas: fill(20, () => 1),
    }))
    expect(estimator.statistics.feedbackIgnored).toBe(200)
    expect(estimator.statistics.packetsAcknowledged).toBe(0)
  })

  it('of any kind', () => {
    const delta = fc.oneof(
      fc.constant(undefined),
      fc.integer({ min: -32_768, max: 32_767 }),
      fc.integer({ min: 0, max: 8 }),
    )
    const feedback = fc.record({
      back: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: -40_000, max: 40_000 })),
      referenceTime: fc.integer({ min: -(2 ** 23), max: 2 ** 23 - 1 }),
      deltas: fc.array(delta, { maxLength: 120 }),
    })
    fc.assert(
      fc.property(fc.array(feedback, { minLength: 1, maxLength: 30 }), (feedbacks) => {
        attack((index, last) => {
          const { back, referenceTime, deltas } = feedbacks[index % feedbacks.length]!
          return { baseSequence: base(last, back), referenceTime, deltas }
        }, 40)
      }),
      { numRuns: 100, seed: 4711 },
    )
  })

  it('in the midst of the genuine: the estimate comes back', () => {
    const path = new Path({ seed: 61, rate: 2e6 })
    const flow = path.add()
    const random = new SeededRandom(61)
    for (let at = 5000; at < 10_000; at += 100) {
      path.simulation.at(at, (now) => {
        flow.estimator.handleFeedback(now, {
          baseSequence: random.integer(65_536),
          referenceTime: random.integer(2 ** 24) - 2 ** 23,
          deltas: fill(100, () => (random.chance(0.3) ? undefined : random.integer(65_536) - 32_768)),
        })
        flow.drain(now)
      })
    }
    path.runUntil(40_000)
    expect(flow.record.throughput(25_000, 40_000)).toBeGreaterThan(1e6)
    expect(flow.record.throughput(25_000, 40_000)).toBeLessThan(2e6)
  })
})

describe('S22: a timer that never advances', () => {
  it('asks for a time in the future after each call', () => {
    const random = new SeededRandom(62)
    const estimator = new BandwidthEstimator()
    let now = 0
    for (let i = 0; i < 100_000; i++) {
      now += random.chance(0.01) ? 5000 * random.float() : 10 * random.float()
      if (random.chance(0.5)) estimator.handleSent(now, i & 0xffff, 1000)
      if (now >= estimator.deadline) {
        estimator.handleTimeout(now)
        if (!(estimator.deadline > now)) expect.fail(`waits for ${estimator.deadline} at ${now}`)
      }
    }
  })
})
