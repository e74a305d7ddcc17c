import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Reporter } from '../src/reporter.ts'
import { connectedCall } from './harness.ts'

describe('reports', () => {
  it('are due within some 1.5 s; hastened ones at once, but not sooner than a tenth of a second after the last', () => {
    const srtp = connectedCall(1).peer.transport.outbound!
    const reporter = new Reporter(1, 'name', { now: 0, unixTime: 0 }, new SeededRandom(1).fill)
    expect(reporter.deadline).toBe(Infinity)
    reporter.noteActivity(1000)
    expect(reporter.deadline).toBeGreaterThanOrEqual(1500)
    expect(reporter.deadline).toBeLessThanOrEqual(2500)
    reporter.hasten(1010)
    expect(reporter.deadline).toBe(1010)
    let count = 0
    for (let now = 1010; now < 3010; now += 5) {
      reporter.hasten(now)
      if (now < reporter.deadline) continue
      count++
      reporter.reports(now, [], [], srtp)
      expect(reporter.deadline).toBe(Infinity)
    }
    expect(count).toBe(20)
  })
})
