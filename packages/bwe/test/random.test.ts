import type { LinkOptions } from '@str0m/netem'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Path } from './harness/path.ts'

interface Run {
  readonly trace: readonly number[]
  readonly problems: readonly string[]
}

/** A path drawn from a seed, on which a rate changes now and then. The harness throws where a deadline is not in the future. */
function run(seed: number): Run {
  const random = new SeededRandom(seed)
  const between = (low: number, high: number): number => low * (high / low) ** random.float()
  const min = between(10_000, 100_000)
  const max = random.chance(0.5) ? between(200_000, 10_000_000) : Number.POSITIVE_INFINITY
  const forward: LinkOptions = {
    jitter: random.chance(0.5) ? 40 * random.float() : 0,
    loss: random.chance(0.5) ? 0.15 * random.float() : 0,
    reorder: random.chance(0.3) ? 0.1 : 0,
    duplicate: random.chance(0.2) ? 0.1 : 0,
  }
  const backward: LinkOptions = {
    loss: random.chance(0.3) ? 0.5 * random.float() : 0,
    reorder: random.chance(0.2) ? 0.2 : 0,
    duplicate: random.chance(0.2) ? 0.2 : 0,
    reorderDelay: 200,
  }
  const path = new Path({
    seed,
    rate: between(100_000, 8_000_000),
    latency: between(2, 300),
    queue: between(30, 1500),
    forward,
    backward,
  })
  for (let at = 0; at < 12_000; at += 4000 * random.float() + 500)
    path.setRate(at, between(100_000, 8_000_000))
  const flow = path.add({
    maxBitrate: max,
    minBitrate: min,
    initialBitrate: between(20_000, 2_000_000),
    feedbackInterval: between(20, 500),
    firstSequence: random.integer(65_536),
    clock: random.integer(2 ** 31),
    padding: random.chance(0.8),
    end: 11_000,
    ...(random.chance(0.4) ? { maxVideo: between(50_000, 5_000_000) } : {}),
  })
  if (random.chance(0.3)) path.forward.addOutage(5000, 6000)
  const trace: number[] = []
  const problems: string[] = []
  for (let at = 100; at <= 12_000; at += 100) {
    path.runUntil(at)
    const { bitrate } = flow.estimator
    trace.push(bitrate, flow.pacer.queuedBytes)
    if (!(bitrate >= min && bitrate <= max)) problems.push(`${bitrate} bit/s at ${at}`)
    if (!Number.isFinite(bitrate)) problems.push(`${bitrate} at ${at}`)
  }
  path.runUntil(20_000)
  if (flow.pacer.queuedPackets > 0) problems.push(`${flow.pacer.queuedPackets} packets are still queued`)
  if (flow.pacer.deadline !== Number.POSITIVE_INFINITY)
    problems.push(`the pacer waits for ${flow.pacer.deadline}`)
  if (flow.estimator.deadline !== Number.POSITIVE_INFINITY) {
    problems.push(`the estimator waits for ${flow.estimator.deadline}`)
  }
  return { trace, problems }
}

interface Recovery {
  readonly drawn: string
  /** Parts of the rate that are used 10 to 20 s after the path is what it was, and from 20 s on. */
  readonly soon: number
  readonly later: number
}

/** A path whose rate is another for 20 s, or which is dead for a while, and then what it was. */
function recover(seed: number): Recovery {
  const random = new SeededRandom(seed)
  const between = (low: number, high: number): number => low * (high / low) ** random.float()
  const rate = between(200_000, 8_000_000)
  const other = Math.min(8_000_000, Math.max(100_000, rate * between(0.1, 10)))
  const path = new Path({
    seed,
    rate,
    latency: between(5, 150),
    queue: between(100, 800),
    forward: {
      loss: random.chance(0.4) ? 0.03 * random.float() : 0,
      jitter: random.chance(0.4) ? 15 * random.float() : 0,
      reorder: random.chance(0.2) ? 0.02 : 0,
    },
    backward: { loss: random.chance(0.3) ? 0.2 * random.float() : 0 },
  })
  path.setRate(20_000, other)
  path.setRate(40_000, rate)
  const outage = random.chance(0.25)
  if (outage) path.forward.addOutage(20_000, 20_000 + between(500, 8000))
  const flow = path.add({ standard: random.chance(0.5) })
  path.runUntil(70_000)
  return {
    drawn: `seed ${seed}: ${Math.round(rate / 1000)} kbit/s, for 20 s ${Math.round(other / 1000)}`,
    soon: flow.record.throughput(50_000, 60_000) / rate,
    later: flow.record.throughput(60_000, 70_000) / rate,
  }
}

describe('random paths', () => {
  it('are used again when they are what they were', () => {
    const runs = Array.from({ length: 20 }, (_, i) => recover(i + 1))
    for (const { drawn, later } of runs) expect(later, `of ${drawn}`).toBeGreaterThan(0.4)
    // some with much loss or jitter take longer
    const slow = runs.filter(({ soon }) => soon < 0.5)
    expect(slow.length, `slow: ${slow.map(({ drawn }) => drawn).join('; ')}`).toBeLessThanOrEqual(2)
  })

  it.each([0, 20, 40, 60, 80])(
    'stay within bounds, and come to rest: the twenty seeds after %d',
    (before) => {
      for (let seed = before + 1; seed <= before + 20; seed++) {
        expect(run(seed).problems, `seed ${seed}`).toEqual([])
      }
    },
  )

  it('are the same for the same seed', () => {
    for (const seed of [3, 14, 159]) expect(run(seed).trace, `seed ${seed}`).toEqual(run(seed).trace)
  })
})
