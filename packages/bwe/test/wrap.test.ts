import { describe, expect, it } from 'vitest'
import { BandwidthEstimator } from '../src/index.ts'
import { Path } from './harness/path.ts'

/** The estimates of a run, whose receiver's clock and sequence numbers start as given. */
function trace(clock: number, firstSequence: number): number[] {
  const path = new Path({
    seed: 71,
    rate: 3e6,
    forward: { loss: 0.02, reorder: 0.02 },
    backward: { loss: 0.1 },
  })
  const flow = path.add({ clock, firstSequence })
  const bitrates: number[] = []
  for (let at = 100; at <= 10_000; at += 100) {
    path.runUntil(at)
    bitrates.push(flow.estimator.bitrate)
  }
  return bitrates
}

describe('wrap', () => {
  const plain = trace(64 * 1000, 1000)

  it('of the sequence numbers is not seen', () => {
    for (const first of [65_535, 64_000, 32_700, 0])
      expect(trace(64 * 1000, first), `${first}`).toEqual(plain)
  })

  it('of the reference time, from positive to negative and from the last to the first, is not seen', () => {
    // its 24 bits of 64 ms
    for (const turn of [2 ** 23, 2 ** 24, 2 ** 25]) {
      expect(trace(64 * (turn - 100), 1000), `${turn}`).toEqual(plain)
    }
  })

  it('of sequence numbers through many turns', () => {
    const estimator = new BandwidthEstimator()
    for (let turn = 0, sequence = 0; turn < 5 * 1024; turn++) {
      const base = sequence
      for (let i = 0; i < 64; i++) estimator.handleSent(turn * 64 + i, sequence++ & 0xffff, 500)
      const deltas = Array.from({ length: 64 }, (_, i) => (i === 0 ? 0 : 4))
      estimator.handleFeedback(turn * 64 + 64, { baseSequence: base & 0xffff, referenceTime: turn, deltas })
    }
    const { packetsAcknowledged, packetsLost, feedbackIgnored } = estimator.statistics
    expect(packetsAcknowledged).toBe(5 * 65_536)
    expect(packetsLost).toBe(0)
    expect(feedbackIgnored).toBe(0)
  })
})
