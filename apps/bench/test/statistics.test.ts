import { describe, expect, it } from 'vitest'
import { median, pairedRatio, percentile } from '../src/statistics.ts'

describe('percentile', () => {
  it('is the value itself at the ends and where it falls on one', () => {
    expect(percentile([5, 1, 4, 2, 3], 0)).toBe(1)
    expect(percentile([5, 1, 4, 2, 3], 0.25)).toBe(2)
    expect(percentile([5, 1, 4, 2, 3], 1)).toBe(5)
  })

  it('lies between two values where it falls between them', () => {
    expect(percentile([10, 20], 0.99)).toBeCloseTo(19.9)
    expect(percentile([1, 2, 3, 4], 0.5)).toBe(2.5)
  })

  it('is no number of no values, and leaves its input as it was', () => {
    expect(percentile([], 0.5)).toBeNaN()
    const values = [3, 1, 2]
    median(values)
    expect(values).toEqual([3, 1, 2])
  })

  it('refuses what is no share', () => {
    expect(() => percentile([1], 50)).toThrow(RangeError)
    expect(() => percentile([1], Number.NaN)).toThrow(RangeError)
  })
})

describe('median', () => {
  it('is not moved by one value that is far off', () => {
    expect(median([1, 1, 1, 1, 1000])).toBe(1)
  })
})

describe('pairedRatio', () => {
  it('is that of the pairs, however much the machine slows down meanwhile', () => {
    expect(pairedRatio([1, 2, 30], [2, 4, 60])).toBe(0.5)
  })

  it('is not moved by a pair that was disturbed', () => {
    expect(pairedRatio([1, 100, 1, 1, 1], [2, 2, 2, 200, 2])).toBe(0.5)
  })

  it('refuses rounds that are no pairs', () => {
    expect(() => pairedRatio([1, 2], [1])).toThrow(RangeError)
  })
})
