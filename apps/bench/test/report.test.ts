import { describe, expect, it } from 'vitest'
import { formatGoal, formatNumber, formatSection, type Goal, isMet } from '../src/report.ts'

const goal: Goal = { text: 'CPU', measured: 2.4, bound: 'under', limit: 2.5, unit: 'ms' }

describe('a goal', () => {
  it('is met by what is measured, and by nothing else', () => {
    expect(isMet(goal)).toBe(true)
    expect(isMet({ ...goal, measured: 2.5 })).toBe(false)
    expect(isMet({ ...goal, measured: 2.5, bound: 'at most' })).toBe(true)
    expect(isMet({ ...goal, measured: Number.NaN })).toBe(false)
    expect(isMet({ ...goal, measured: 2.5, bound: 'at least' })).toBe(true)
    expect(isMet({ ...goal, measured: 2.4, bound: 'at least' })).toBe(false)
    expect(isMet({ ...goal, measured: Number.NaN, bound: 'at least' })).toBe(false)
  })

  it('is printed beside the measured value', () => {
    expect(formatGoal(goal)).toBe('met      CPU: 2.40 ms (under 2.5 ms)')
    expect(formatGoal({ ...goal, measured: 3, unit: '' })).toBe('NOT MET  CPU: 3 (under 2.5)')
  })
})

describe('a section', () => {
  it('is a table with its numbers to the right', () => {
    const text = formatSection({
      title: 'Title',
      notes: ['A note.'],
      columns: ['name', 'ms'],
      rows: [
        ['a', 1.234],
        ['longer', undefined],
      ],
      goals: [goal],
    })
    expect(text.split('\n')).toEqual([
      '## Title',
      'A note.',
      '',
      'name      ms',
      '------  ----',
      'a       1.23',
      'longer     –',
      '',
      'met      CPU: 2.40 ms (under 2.5 ms)',
    ])
  })

  it('shows as many digits as say something', () => {
    expect([0.123, 12.345, 123.45, 12_345.6, 7, Number.NaN].map(formatNumber)).toEqual([
      '0.12',
      '12.35',
      '123.5',
      '12346',
      '7',
      '–',
    ])
  })
})
