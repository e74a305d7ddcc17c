import { describe, expect, it } from 'vitest'
import { walk } from './forwarding-walk.ts'

const SEEDS = 24
/** In one test. */
const TOGETHER = 4

// What must hold is in `forwarding-model.ts`, what happens in `forwarding-walk.ts`: any seed can be tried.
describe('forwarded to some who watch, whatever the weather and whoever comes and goes', () => {
  for (let first = 1; first <= SEEDS; first += TOGETHER) {
    it(`frames can be decoded, and come again when it clears: seeds from ${first} on`, () => {
      for (let seed = first; seed < first + TOGETHER; seed++) expect(walk(seed), `seed ${seed}`).toEqual([])
    })
  }

  it('packets that come again under their own number have their transport-wide number too: seed 707', () => {
    expect(walk(707), 'seed 707').toEqual([])
  })
})
