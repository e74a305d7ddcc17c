import { describe, expect, it } from 'vitest'
import { BandwidthEstimator, Pacer } from '../src/index.ts'

const PACKETS_PER_FEEDBACK = 100
const ROUNDS = 3000
const SSRC = 0x1234_5678

/** µs of the processor's time for a packet: into the pacer and out of it, sent, and told of, with transport-wide numbers or as RFC 8888 has it. */
function measure(standard: boolean): number {
  const estimator = new BandwidthEstimator({ initialBitrate: 20_000_000, maxBitrate: 30_000_000 })
  const pacer = new Pacer<number>()
  const deltas = Array.from({ length: PACKETS_PER_FEEDBACK }, () => 2)
  const arrivalOffsets = Array.from({ length: PACKETS_PER_FEEDBACK }, (_, i) =>
    Math.round(0.512 * (PACKETS_PER_FEEDBACK - 1 - i)),
  )
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
        const number = sequence++ & 0xffff
        if (standard) estimator.handleSentOfStream(now, SSRC, number, 1200, pacer.probe)
        else estimator.handleSent(now, number, 1200, pacer.probe)
      }
      pacer.setBitrate(now, estimator.bitrate)
    }
    const beginSequence = base & 0xffff
    if (standard) {
      const reportTimestamp = Math.floor(now * 65.536)
      const streams = [{ ssrc: SSRC, beginSequence, arrivalOffsets }]
      estimator.handleStreamFeedback(now, { reportTimestamp, streams })
    } else {
      estimator.handleFeedback(now, { baseSequence: beginSequence, referenceTime, deltas })
    }
  }
  return process.cpuUsage(start).user / sequence
}

describe('the cost of a packet', () => {
  it.each([false, true])('is below a few µs, by RFC 8888 %s', (standard) => {
    measure(standard)
    const costs = [measure(standard), measure(standard), measure(standard)].sort((a, b) => a - b)
    if (process.env['BWE_FIGURES'] !== undefined) console.log(`FIGURE µs a packet: ${costs[0]!.toFixed(3)}`)
    // a tenth of that where nothing else runs
    expect(costs[0]).toBeLessThan(5)
  })
})
