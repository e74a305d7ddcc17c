import { describe, expect, it } from 'vitest'
import { Path } from './harness/path.ts'

describe('convergence from 300 kbit/s', () => {
  for (const rate of [300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000]) {
    it(`to ${rate / 1e6} Mbit/s`, () => {
      const path = new Path({ seed: 1, rate })
      const { record } = path.add()
      path.runUntil(20_000)
      expect(record.reached(0, 0.7 * rate, 1.05 * rate)).toBeLessThan(1500)
      const utilisation = record.throughput(3000, 20_000) / rate
      expect(utilisation).toBeGreaterThan(0.8)
      expect(utilisation).toBeLessThan(1)
      const mean = record.estimate(3000, 20_000) / rate
      expect(mean).toBeGreaterThan(0.7)
      expect(mean).toBeLessThan(1.05)
      expect(record.delay(0.5, 3000, 20_000)).toBeLessThan(60)
      expect(record.delay(0.95, 3000, 20_000)).toBeLessThan(250)
    })
  }
})
