import { describe, expect, it } from 'vitest'
import { WeatheredCall } from './weather.ts'

const SEEDS = 20

describe('a call in changing weather, renegotiated all the time', () => {
  it('loses no message, gives out no frame twice, late or spoilt, and flows again once the weather clears', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const call = new WeatheredCall(seed)
      call.run(12)
      call.settle()
      expect(call.faults, `seed ${seed}`).toEqual([])
    }
  })
})
