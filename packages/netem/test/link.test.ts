import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Link, type LinkOptions } from '../src/index.ts'

interface Item {
  readonly id: number
  readonly contents: Uint8Array
}

/** Sends `count` items, one every `interval` ms, and answers what arrived and when. */
function run(
  options: LinkOptions,
  { seed = 1, count = 1000, interval = 1, size = 100 } = {},
): { link: Link<Item>; arrivals: { at: number; id: number }[] } {
  const link = new Link<Item>(seed, options)
  const arrivals: { at: number; id: number }[] = []
  const drain = (until: number): void => {
    for (let at = link.nextAt(); at <= until; at = link.nextAt()) {
      if (at === Number.POSITIVE_INFINITY) return
      const item = link.poll(at)
      if (item !== undefined) arrivals.push({ at, id: item.id })
    }
  }
  for (let id = 0; id < count; id++) {
    drain(id * interval)
    link.send(id * interval, { id, contents: new Uint8Array(size) })
  }
  drain(Number.POSITIVE_INFINITY)
  return { link, arrivals }
}

describe('a link without options', () => {
  test('hands each on at once, in order', () => {
    const { arrivals, link } = run({}, { count: 50 })
    expect(arrivals).toEqual(Array.from({ length: 50 }, (_, id) => ({ at: id, id })))
    expect(link.statistics).toMatchObject({ sent: 50, delivered: 50, lost: 0 })
    expect(link.nextAt()).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('delay', () => {
  test('latency is added to each', () => {
    expect(run({ latency: 40 }, { count: 3 }).arrivals.map(({ at }) => at)).toEqual([40, 41, 42])
  })

  test('jitter stays in its range and keeps the order', () => {
    const { arrivals } = run({ latency: 10, jitter: 30 })
    expect(arrivals.map(({ id }) => id)).toEqual(Array.from({ length: 1000 }, (_, id) => id))
    for (const { at, id } of arrivals) {
      expect(at).toBeGreaterThanOrEqual(id + 10)
      expect(at).toBeLessThan(id + 40)
    }
    expect(new Set(arrivals.map(({ at, id }) => at - id)).size).toBeGreaterThan(10)
  })
})

describe('loss', () => {
  test('random loss comes near its probability, from below and from above', () => {
    const { link } = run({ loss: 0.3 }, { count: 20_000 })
    expect(link.statistics.lost / 20_000).toBeGreaterThan(0.29)
    expect(link.statistics.lost / 20_000).toBeLessThan(0.31)
    expect(link.statistics.lost + link.statistics.delivered).toBe(20_000)
  })

  test('Gilbert-Elliott loses in bursts of the mean length', () => {
    const count = 50_000
    const { arrivals } = run({ loss: { degrade: 0.02, recover: 0.25 } }, { count })
    const got = new Set(arrivals.map(({ id }) => id))
    let bursts = 0
    for (let id = 0; id < count; id++) if (!got.has(id) && (id === 0 || got.has(id - 1))) bursts++
    const lost = count - got.size
    expect(lost / count).toBeCloseTo(0.02 / 0.27, 1)
    expect(lost / bursts).toBeGreaterThan(3.7)
    expect(lost / bursts).toBeLessThan(4.3)
  })

  test('nothing sent in an outage arrives, and all else does', () => {
    const link = new Link<Item>(1)
    link.addOutage(10, 20)
    for (let id = 0; id < 30; id++) link.send(id, { id, contents: new Uint8Array(1) })
    const got: number[] = []
    for (let item = link.poll(99); item !== undefined; item = link.poll(99)) got.push(item.id)
    expect(got).toEqual([...Array(10).keys(), ...Array.from({ length: 10 }, (_, i) => 20 + i)])
    expect(link.statistics.outage).toBe(10)
  })
})

describe('reorder and duplicate', () => {
  test('a held one is overtaken, and none is lost', () => {
    const { arrivals, link } = run({ latency: 5, reorder: 0.1, reorderDelay: 20 })
    const ids = arrivals.map(({ id }) => id)
    expect(ids).not.toEqual(ids.toSorted((a, b) => a - b))
    expect(ids.toSorted((a, b) => a - b)).toEqual([...Array(1000).keys()])
    expect(link.statistics.reordered).toBeGreaterThan(60)
    expect(link.statistics.reordered).toBeLessThan(140)
  })

  // the slice of a Buffer shares its memory
  test.each([Uint8Array.of(1, 2), Buffer.from([1, 2])])(
    'a duplicate has bytes of its own: %o',
    (contents) => {
      const link = new Link<Item>(1, { duplicate: 1 })
      link.send(0, { id: 7, contents })
      const first = link.poll(0)!
      first.contents.fill(0)
      expect(link.poll(0)).toEqual({ id: 7, contents: Uint8Array.of(1, 2) })
      expect(link.poll(0)).toBeUndefined()
    },
  )
})

describe('the bottleneck', () => {
  test('spaces datagrams by their size with headers', () => {
    const options = { rate: 1_000_000, overhead: 0, queueBytes: 1e6 }
    const { arrivals } = run(options, { count: 10, interval: 0, size: 125 })
    expect(arrivals.map(({ at }) => at)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('drops at the tail when the queue is full, and keeps its rate', () => {
    // 8 Mbit/s offered to 1 Mbit/s
    const { arrivals, link } = run({ rate: 1_000_000, overhead: 0, queueBytes: 10_000 }, { size: 1000 })
    expect(link.statistics.overflow + link.statistics.delivered).toBe(1000)
    expect(arrivals.length).toBe(135)
    // the queue is 80 ms long, and 8 ms on the wire
    expect(Math.max(...arrivals.map(({ at, id }) => at - id))).toBeLessThanOrEqual(88)
  })

  test('takes a single datagram however small the queue', () => {
    expect(run({ rate: 1e6, queueBytes: 0 }, { count: 1 }).arrivals.length).toBe(1)
  })

  test('a change of the rate counts for what still waits', () => {
    const link = new Link<Item>(1, { rate: 8000, overhead: 0 })
    for (let id = 0; id < 3; id++) link.send(0, { id, contents: new Uint8Array(10) })
    expect(link.queuedBytes(0)).toBe(20)
    expect(link.nextAt()).toBe(10)
    link.configure(5, { rate: 80_000 })
    const got: number[] = []
    for (let at = link.nextAt(); at < 99; at = link.nextAt()) if (link.poll(at) !== undefined) got.push(at)
    expect(got).toEqual([10, 11, 12])
  })
})

describe('the seed', () => {
  const options = fc.record({
    latency: fc.integer({ min: 0, max: 100 }),
    jitter: fc.integer({ min: 0, max: 50 }),
    loss: fc.oneof(fc.double({ min: 0, max: 0.5, noNaN: true }), fc.constant({ degrade: 0.1, recover: 0.3 })),
    duplicate: fc.double({ min: 0, max: 0.3, noNaN: true }),
    reorder: fc.double({ min: 0, max: 0.3, noNaN: true }),
    rate: fc.integer({ min: 100_000, max: 10_000_000 }),
    queueBytes: fc.integer({ min: 0, max: 20_000 }),
  })

  test('the same seed gives the same run; every datagram is accounted for', () => {
    fc.assert(
      fc.property(options, fc.nat(), (options, seed) => {
        const first = run(options, { seed, count: 200 })
        const { statistics } = first.link
        expect(run(options, { seed, count: 200 }).arrivals).toEqual(first.arrivals)
        expect(statistics.sent - statistics.lost - statistics.overflow + statistics.duplicated).toBe(
          statistics.delivered,
        )
      }),
      { numRuns: 50 },
    )
  })

  test('another seed gives another run', () => {
    const runs = [1, 2, 3, 2 ** 33].map((seed) => JSON.stringify(run({ loss: 0.5 }, { seed }).arrivals))
    expect(new Set(runs).size).toBe(4)
  })

  test('turning jitter on leaves it the same datagrams that are lost', () => {
    const ids = (options: LinkOptions): number[] => run(options).arrivals.map(({ id }) => id)
    expect(ids({ loss: 0.2, jitter: 9 })).toEqual(ids({ loss: 0.2 }))
  })
})

describe('options out of their range', () => {
  test.each<LinkOptions>([
    { loss: 1.1 },
    { loss: { degrade: -1, recover: 0 } },
    { duplicate: Number.NaN },
    { latency: -1 },
    { jitter: Number.POSITIVE_INFINITY },
    { rate: 0 },
    { queueBytes: -1 },
  ])('%o', (options) => {
    expect(() => new Link<Item>(1, options)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  })

  test.each(['x', null])('a loss that is %o', (loss) => {
    const options = { loss: loss as unknown as number }
    expect(() => new Link<Item>(1, options)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  })

  test('one that is undefined is one that is left out', () => {
    const names = ['latency', 'jitter', 'loss', 'duplicate', 'reorder', 'reorderDelay', 'rate', 'queueBytes']
    const none: LinkOptions = Object.fromEntries([...names, 'overhead'].map((name) => [name, undefined]))
    expect(run(none).arrivals).toEqual(run({}).arrivals)
    const link = new Link<Item>(1, { latency: 5, ...none, rate: 1e6 })
    link.configure(0, { latency: 7 })
    link.configure(0, none)
    link.send(0, { id: 1, contents: new Uint8Array(97) })
    expect(link.nextAt()).toBe(8)
  })

  test('a time that is none', () => {
    const link = new Link<Item>(1)
    const refused = expect.objectContaining({ code: 'invalid-time' })
    expect(() => link.send(Number.NaN, { id: 1, contents: new Uint8Array(1) })).toThrow(refused)
    expect(() => link.addOutage(0, Number.NaN)).toThrow(refused)
    expect(link.statistics.sent).toBe(0)
  })

  test('leave a link as it was', () => {
    const link = new Link<Item>(1, { latency: 5 })
    expect(() => link.configure(0, { latency: -5 })).toThrow(/latency/)
    link.send(0, { id: 1, contents: new Uint8Array(1) })
    expect(link.nextAt()).toBe(5)
  })
})
