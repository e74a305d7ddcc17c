import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  HandshakeReassembly,
  MESSAGE_LENGTH_MAX,
  MESSAGE_SEQUENCE_LIMIT,
  REASSEMBLY_BYTES_MAX,
  RIVALS_MAX,
  RUNS_MAX,
} from '../src/reassembly.ts'
import { hasV8Heap, runAlone, STEADY_HEAP } from '../../../vitest.alone.ts'
import { fragmentRecord } from './fragment-record.ts'
import { drain, makeClient, makeServer } from './support.ts'

describe('S2: fragments that declare much and never come', () => {
  it.skipIf(!hasV8Heap)('a hundred of them: the heap grows by less than 64 KiB', async () => {
    const module = new URL('alone/fragments.ts', import.meta.url)
    const growth = await runAlone<Record<string, number>>(module, STEADY_HEAP)
    expect(Object.keys(growth).length).toBe(4)
    expect(Object.entries(growth).filter(([, bytes]) => !(bytes < 65_536))).toEqual([])
  })

  it('are counted, by either role', () => {
    for (const machine of [makeServer(), makeClient()]) {
      machine.handleInput({ kind: 'timeout', now: 0 })
      drain(machine)
      const contents = fragmentRecord(2, 0xff_ffff, 0, 0, new Uint8Array(1000))
      machine.handleInput({ kind: 'receive', now: 0, contents })
      expect(machine.statistics.dropped['reassembly-limit']).toBe(1)
    }
  })
})

/** A message cut at random: overlaps, repetitions, empty fragments, in any order. Together they cover it. */
const cutMessage = fc
  .record({ body: fc.uint8Array({ minLength: 1, maxLength: 700 }), pieces: fc.integer({ min: 1, max: 20 }) })
  .chain(({ body, pieces }) =>
    fc.record({
      body: fc.constant(body),
      cuts: fc.array(fc.nat({ max: body.length }), { minLength: pieces, maxLength: pieces }),
      overlap: fc.nat({ max: 40 }),
      extra: fc.array(fc.tuple(fc.nat({ max: body.length }), fc.nat({ max: 60 })), { maxLength: 15 }),
      order: fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
    }),
  )
  .map(({ body, cuts, overlap, extra, order }) => {
    const edges = [0, ...cuts.toSorted((a, b) => a - b), body.length]
    const ranges = edges.slice(1).map((end, i) => [Math.max(0, edges[i]! - overlap), end] as const)
    for (const [start, length] of extra) ranges.push([start, Math.min(body.length, start + length)] as const)
    const shuffled = ranges
      .map((range, i) => ({ range, key: order[i % order.length]! }))
      .toSorted((a, b) => a.key - b.key)
    return { body, ranges: shuffled.map(({ range }) => range) }
  })

describe('S3: fragments', () => {
  it('of any size, order, overlap and repetition, some of them empty, make the message', () => {
    fc.assert(
      fc.property(cutMessage, ({ body, ranges }) => {
        const reassembly = new HandshakeReassembly()
        const base = { type: 11, length: body.length, messageSequence: 1 }
        let changes = 0
        let accepted = 0
        for (const [start, end] of ranges) {
          const result = reassembly.add({ ...base, offset: start, body: body.subarray(start, end) })
          if (start === end && result !== 'malformed') accepted++
          if (result === 'changed') changes++
        }
        expect(accepted, 'empty fragments that were taken').toBe(0)
        expect(reassembly.message(1)?.body).toEqual(body)
        // it became whole once; what came after was repeated
        expect(changes).toBe(1)
      }),
      { numRuns: 500, seed: 3 },
    )
  })

  it('of messages that differ in type or length are never merged, in whatever order they mix', () => {
    fc.assert(
      fc.property(cutMessage, cutMessage, fc.array(fc.boolean(), { maxLength: 80 }), (one, two, turns) => {
        const reassembly = new HandshakeReassembly()
        // the second differs in type, and mostly in length
        const first = { ...one, type: 11, next: 0 }
        const second = { ...two, type: 12, next: 0 }
        const feed = (message: typeof first): void => {
          const range = message.ranges[message.next++]
          if (range === undefined) return
          const [offset, end] = range
          const { type, body } = message
          reassembly.add({
            type,
            length: body.length,
            messageSequence: 0,
            offset,
            body: body.subarray(offset, end),
          })
          const whole = reassembly.message(0)
          const expected = whole?.type === 11 ? one.body : two.body
          expect(whole?.body ?? expected).toEqual(expected)
        }
        for (const turn of turns) feed(turn ? second : first)
        for (const message of [first, second]) while (message.next < message.ranges.length) feed(message)
        expect(reassembly.message(0)).toBeDefined()
      }),
      { numRuns: 300, seed: 4 },
    )
  })

  it('without bytes are no progress, and rivals are kept apart', () => {
    const reassembly = new HandshakeReassembly()
    const half = { type: 1, length: 4, messageSequence: 0, offset: 0, body: new Uint8Array([1, 2]) }
    expect(reassembly.add({ ...half, body: new Uint8Array(0) })).toBe('malformed')
    expect(reassembly.add(half)).toBe('incomplete')
    expect(reassembly.add({ ...half, type: 2, offset: 2 })).toBe('incomplete')
    expect(reassembly.add({ ...half, offset: 2 })).toBe('changed')
    expect(reassembly.add({ ...half, offset: 2 })).toBe('repeated')
    const empty = { type: 14, length: 0, messageSequence: 1, offset: 0, body: new Uint8Array(0) }
    expect(reassembly.add(empty)).toBe('changed')
    expect(reassembly.add(empty)).toBe('repeated')
  })

  it('that a forger changed are mended by the genuine ones when they come again', () => {
    const reassembly = new HandshakeReassembly()
    const base = { type: 11, length: 6, messageSequence: 0 }
    const genuine = [
      { ...base, offset: 0, body: new Uint8Array([1, 2, 3]) },
      { ...base, offset: 3, body: new Uint8Array([4, 5, 6]) },
    ]
    reassembly.add(genuine[0]!)
    reassembly.add({ ...base, offset: 1, body: new Uint8Array([9, 9, 9]) })
    reassembly.add(genuine[1]!)
    const forged = reassembly.message(0)
    expect(forged?.body).toEqual(new Uint8Array([1, 9, 9, 4, 5, 6]))
    expect(reassembly.add(genuine[0]!)).toBe('changed')
    expect(reassembly.message(0)?.body).toEqual(new Uint8Array([1, 2, 3, 4, 5, 6]))
    // what was handed out before is not written to
    expect(forged?.body).toEqual(new Uint8Array([1, 9, 9, 4, 5, 6]))
  })
})

describe('exhaust: reassembly', () => {
  const byte = new Uint8Array(1)

  it('starts over at its bound in bytes, and a genuine message still gets through', () => {
    const reassembly = new HandshakeReassembly()
    let most = 0
    for (let i = 0; i < 2000; i++) {
      const base = { type: 11, messageSequence: i % MESSAGE_SEQUENCE_LIMIT, offset: (i % 15) * 1000 }
      reassembly.add({ ...base, length: MESSAGE_LENGTH_MAX, body: new Uint8Array(999) })
      most = Math.max(most, reassembly.byteLength)
    }
    expect(most).toBeLessThanOrEqual(REASSEMBLY_BYTES_MAX)
    expect(most).toBeGreaterThan(REASSEMBLY_BYTES_MAX - 2000)
    const genuine = { type: 1, length: 1000, messageSequence: 0, offset: 0, body: new Uint8Array(1000) }
    expect(reassembly.add(genuine)).toBe('changed')
    reassembly.clear()
    expect(reassembly.byteLength).toBe(0)
  })

  it('drops a message of more runs than its bound', () => {
    const reassembly = new HandshakeReassembly()
    const base = { type: 11, length: MESSAGE_LENGTH_MAX, messageSequence: 0, body: byte }
    for (let i = 0; i < RUNS_MAX; i++) expect(reassembly.add({ ...base, offset: 2 * i })).toBe('incomplete')
    expect(reassembly.add({ ...base, offset: 2 * RUNS_MAX })).toBe('limit')
    expect(reassembly.byteLength).toBe(0)
  })

  it('drops the oldest of more rivals for one place than its bound', () => {
    const reassembly = new HandshakeReassembly()
    const base = { type: 11, messageSequence: 0, offset: 0, body: byte }
    for (let i = 0; i < RIVALS_MAX; i++) reassembly.add({ ...base, length: 2 + i })
    const bytes = reassembly.byteLength
    expect(reassembly.add({ ...base, length: 2, offset: 1 })).toBe('changed')
    reassembly.add({ ...base, length: 100 })
    expect(reassembly.message(0)).toBeUndefined()
    expect(reassembly.byteLength).toBe(bytes)
  })

  it('takes no message further ahead than a handshake has, nor a longer one', () => {
    const reassembly = new HandshakeReassembly()
    const base = { type: 1, length: 1, messageSequence: 0, offset: 0, body: byte }
    expect(reassembly.add({ ...base, messageSequence: MESSAGE_SEQUENCE_LIMIT - 1 })).toBe('changed')
    expect(reassembly.add({ ...base, messageSequence: MESSAGE_SEQUENCE_LIMIT })).toBe('limit')
    expect(reassembly.add({ ...base, length: MESSAGE_LENGTH_MAX })).toBe('incomplete')
    expect(reassembly.add({ ...base, length: MESSAGE_LENGTH_MAX + 1 })).toBe('limit')
  })
})
