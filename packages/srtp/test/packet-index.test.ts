import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { guessPacketIndex, PACKET_INDEX_END } from '../src/packet-index.ts'
import { ReplayWindow } from '../src/replay-window.ts'

/** The pseudo-code of RFC 3711 appendix A, word by word, but for the wrap of v. */
function appendixA(rollover: number, last: number, sequence: number): number {
  let v: number
  if (last < 32_768) {
    v = sequence - last > 32_768 ? rollover - 1 : rollover
  } else {
    v = last - 32_768 > sequence ? rollover + 1 : rollover
  }
  return sequence + v * 65_536
}

const u16 = fc.integer({ min: 0, max: 0xffff })

describe('guessPacketIndex', () => {
  it('is the pseudo-code of RFC 3711 appendix A', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), u16, u16, (rollover, last, sequence) => {
        const highest = rollover * 65_536 + last
        expect(guessPacketIndex(highest, sequence)).toBe(appendixA(rollover, last, sequence))
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    [0, 32_768],
    [1, 32_769],
    [32_767, 65_535],
    [32_768, 0],
    [65_535, 32_767],
    [65_535, 32_766],
    [0, 32_769],
    [0, 65_535],
    [65_535, 0],
  ])('at the edges: last %i, sequence number %i', (last, sequence) => {
    expect(guessPacketIndex(5 * 65_536 + last, sequence)).toBe(appendixA(5, last, sequence))
  })

  it('leaves the range at both ends', () => {
    expect(guessPacketIndex(2, 65_535)).toBe(-1)
    expect(guessPacketIndex(PACKET_INDEX_END - 1, 0)).toBe(PACKET_INDEX_END)
  })
})

describe('ReplayWindow', () => {
  it('is a set of what was committed, above an edge', () => {
    const steps = fc.array(
      fc.oneof(fc.integer({ min: -140, max: 140 }), fc.integer({ min: -9000, max: 9000 })),
    )
    const start = fc.constantFrom(0, 1000, 65_500, 2 ** 31 - 50, 2 ** 32 - 50, 2 ** 47)
    fc.assert(
      fc.property(fc.constantFrom(64, 128, 1024), start, steps, (size, start, steps) => {
        const window = new ReplayWindow(size)
        const seen = new Set<number>()
        let at = start
        let highest = -1
        for (const step of steps) {
          at = Math.max(0, at + step)
          const stale = seen.has(at) ? 'replayed' : 'fresh'
          const expected = highest >= 0 && at <= highest - size ? 'too-old' : stale
          expect(window.check(at)).toBe(expected)
          expect(window.check(at)).toBe(expected)
          if (expected !== 'fresh') continue
          window.commit(at)
          seen.add(at)
          highest = Math.max(highest, at)
          expect(window.highest).toBe(highest)
        }
      }),
      { numRuns: 300 },
    )
  })
})
