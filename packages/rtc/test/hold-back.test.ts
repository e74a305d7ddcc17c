import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { FLIGHT_LIMITS, HoldBack, MEDIA_LIMITS } from '../src/hold-back.ts'

interface Numbered {
  readonly number: number
  readonly contents: Uint8Array
}

function numbered(number: number, length: number): Numbered {
  return { number, contents: new Uint8Array(length) }
}

describe('what is held back', () => {
  it.each([
    ['newest', FLIGHT_LIMITS],
    ['oldest', MEDIA_LIMITS],
  ] as const)('has no holes and is within its bounds, the %s is dropped', (drops, limits) => {
    for (let seed = 0; seed < 100; seed++) {
      const random = new SeededRandom(seed)
      const hold = new HoldBack<Numbered>(limits, drops)
      const count = random.integer(3 * limits.datagrams)
      let dropped = 0
      for (let i = 0; i < count; i++) dropped += hold.keep(numbered(i, random.integer(2000)))
      const kept = hold.release()
      expect(kept.length + dropped, `seed ${seed}`).toBe(count)
      expect(kept.length).toBeLessThanOrEqual(limits.datagrams)
      expect(kept.reduce((sum, { contents }) => sum + contents.length, 0)).toBeLessThanOrEqual(limits.bytes)
      const first = drops === 'oldest' ? count - kept.length : 0
      const sure = drops === 'oldest' ? kept : kept.slice(0, 10)
      expect(sure.map(({ number }) => number)).toEqual(sure.map((_, i) => first + i))
      expect(hold.release()).toEqual([])
    }
  })

  it.each(['newest', 'oldest'] as const)(
    'is not what is larger than all of it: the %s is dropped',
    (drops) => {
      const hold = new HoldBack<Numbered>(FLIGHT_LIMITS, drops)
      expect(hold.keep(numbered(0, 1))).toBe(0)
      expect(hold.keep(numbered(1, FLIGHT_LIMITS.bytes + 1))).toBe(1)
      expect(hold.release()).toHaveLength(1)
    },
  )
})
