import { describe, expect, it } from 'vitest'
import { PARTS, parseSettings } from '../src/settings.ts'

describe('parseSettings', () => {
  it('takes all parts by default', () => {
    expect(parseSettings([])).toEqual({ parts: PARTS, quick: false, alone: false })
  })

  it('takes flags, and the -- that package managers pass on', () => {
    expect(parseSettings(['--', '--quick', '--alone', '--only', 'idle, srtp'])).toEqual({
      parts: ['srtp', 'idle'],
      quick: true,
      alone: true,
    })
    expect(parseSettings(['--help'])).toBe('help')
  })

  it('says what is wrong', () => {
    expect(() => parseSettings(['--only', 'speed'])).toThrow('"speed"')
    expect(() => parseSettings(['--fast'])).toThrow('--fast')
  })
})
