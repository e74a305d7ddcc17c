import { describe, expect, it } from 'vitest'
import { BandwidthEstimator, Pacer } from '../src/index.ts'

const PACKETS_PER_FEEDBACK = 100
const ROUNDS = 3000

/** µs of the processor's time for a packet: into the pacer and out of it, sent, and told of. */
function measure(): number {
  const estimator = new BandwidthEstimator({ initialBitrate: 20_000_000, maxBitrate: 30_000_000 })
  const pacer = new Pacer<number>()
  const deltas = Array.from({ length: PACKETS_PER_FEEDBACK }, () => 2)
  let now = 0
  let sequence = 0
  const start = process.cpuUsage()
  for (let round = 0; round < ROUNDS; round++) {
    const base = sequence
    const referenceTime = Math.floor(now / 64)
    for (let i = 0; i < PACKETS_PER_FEEDBACK; i += 10) {
      for (let j = 0; j < 10; j++) pacer.push(now, sequence, 1200, 'video')
      now += 5
      for (let packet = pacer.poll(now); packet !== undefined; packet = pacer.poll(now)) {
        estimator.handleSent(now, sequence++ & 0xffff, 1200, pacer.probe)
      }
      pacer.setBitrate(now, estimator.bitrate)
    }
    estimator.handleFeedback(now, { baseSequence: base & 0xffff, referenceTime, deltas })
  }
  return process.cpuUsage(start).user / sequence
}

describe('the cost of a packet', () => {
  it('is below a few µs', () => {
    measure()
    const costs = [measure(), measure(), measure()].sort((a, b) => a - b)
    if (process.env['BWE_FIGURES'] !== undefined) console.log(`FIGURE µs a packet: ${costs[0]!.toFixed(3)}`)
    // a tenth of that where nothing else runs
    expect(costs[0]).toBeLessThan(5)
  })
})
