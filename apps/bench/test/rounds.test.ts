import { describe, expect, it } from 'vitest'
import { runRounds } from '../src/rounds.ts'

describe('runRounds', () => {
  it('begins each round with another contender, and times none while it gets ready', () => {
    const log: string[] = []
    const contender = (name: string) => ({
      name,
      operations: 1,
      prepare: () => void log.push(`${name}…`),
      run: () => void log.push(name),
    })
    const times = runRounds([contender('a'), contender('b')], { rounds: 2, warmUp: 1 })
    expect(log.join(' ')).toBe('a… a b… b b… b a… a a… a b… b')
    expect(times['a']).toHaveLength(2)
    expect(times['b']).toHaveLength(2)
  })
})
