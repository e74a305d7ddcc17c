import { describe, expect, it } from 'vitest'
import { WeatheredCall } from './weather.ts'

const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1)

describe('a call in changing weather, renegotiated all the time', () => {
  it.each(SEEDS)(
    'loses no message, gives out no frame twice, late or spoilt, and flows again once the weather clears: seed %i',
    (seed) => {
      const call = new WeatheredCall(seed)
      call.run(12)
      call.settle()
      expect(call.faults, `seed ${seed}`).toEqual([])
    },
  )
})
