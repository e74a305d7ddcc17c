import { Link } from '@str0m/netem'
import { describe, expect, it } from 'vitest'
import { Downloads } from './harness/downloads.ts'
import { fairness, figures } from './harness/figures.ts'
import type { Flow } from './harness/flow.ts'
import type { Packet } from './harness/packet.ts'
import { Path, queueBytes } from './harness/path.ts'
import { Reno } from './harness/reno.ts'

// Sources are as in section 4.3: video from the estimate up to 1.5 Mbit/s, and audio of 20 kbit/s; with headers, a bit more.
const MAX_VIDEO = 1_500_000
const MAX_FLOW = 1_540_000

interface Expected {
  readonly from: number
  readonly until: number
  /** Mbit/s that arrive, of each flow: at least and at most. */
  readonly throughput: readonly [number, number]
  /** ms in the queue: median and 95th percentile at most. */
  readonly delay: readonly [number, number]
}

function check(name: string, flows: readonly Flow[], expected: readonly Expected[]): void {
  for (const { from, until, throughput, delay } of expected) {
    figures(name, flows, from * 1000, until * 1000)
    for (const [index, { record }] of flows.entries()) {
      const where = `flow ${index} from ${from} to ${until} s`
      const arrived = record.throughput(from * 1000, until * 1000) / 1e6
      expect(arrived, `throughput of ${where}`).toBeGreaterThan(throughput[0])
      expect(arrived, `throughput of ${where}`).toBeLessThan(throughput[1])
      expect(record.delay(0.5, from * 1000, until * 1000), `median delay of ${where}`).toBeLessThan(delay[0])
      expect(record.delay(0.95, from * 1000, until * 1000), `delay of ${where}`).toBeLessThan(delay[1])
    }
  }
}

describe('RFC 8867 section 5.1: variable capacity, one flow', () => {
  it.each([
    [50, 0],
    [100, 0],
    [50, 30],
  ])('latency %d ms, jitter %d ms', (latency, jitter) => {
    const path = new Path({ seed: 1, rate: 1e6, latency, forward: { jitter } })
    path.setRate(40_000, 2.5e6)
    path.setRate(60_000, 0.6e6)
    path.setRate(80_000, 1e6)
    const flow = path.add({ maxVideo: MAX_VIDEO })
    path.runUntil(100_000)
    check(
      `5.1 ${latency} ms ±${jitter}`,
      [flow],
      [
        { from: 5, until: 40, throughput: [0.85, 1], delay: [40 + jitter, 90] },
        // additive until it is sure that the capacity has changed, then 8 % a second
        { from: 40, until: 50, throughput: [0.85, 2], delay: [30, 45] },
        { from: 50, until: 60, throughput: [1.05, 1.6], delay: [35, 50] },
        { from: 60, until: 65, throughput: [0.5, 0.65], delay: [310, 330] },
        { from: 65, until: 80, throughput: [0.5, 0.6], delay: [50, 90] },
        { from: 90, until: 100, throughput: [0.75, 1], delay: [50, 110] },
      ],
    )
    expect(flow.record.lastAbove(150, 60_000, 80_000)).toBeLessThan(64_500)
  })
})

describe('RFC 8867 section 5.2: variable capacity, two flows', () => {
  it('shares what there is', () => {
    const path = new Path({ seed: 2, rate: 4e6 })
    path.setRate(25_000, 2e6)
    path.setRate(50_000, 3.5e6)
    path.setRate(75_000, 1e6)
    path.setRate(100_000, 2e6)
    const flows = [path.add({ maxVideo: MAX_VIDEO }), path.add({ maxVideo: MAX_VIDEO })]
    path.runUntil(125_000)
    check('5.2', flows, [
      { from: 5, until: 25, throughput: [1.45, 1.6], delay: [20, 40] },
      { from: 30, until: 50, throughput: [0.6, 1.3], delay: [50, 100] },
      { from: 55, until: 75, throughput: [1.2, 1.6], delay: [30, 60] },
      { from: 80, until: 100, throughput: [0.3, 0.65], delay: [50, 100] },
      { from: 105, until: 125, throughput: [0.6, 1.2], delay: [50, 100] },
    ])
    for (const [from, until, rate] of [
      [30, 50, 2],
      [80, 100, 1],
      [105, 125, 2],
    ] as const) {
      const shares = flows.map(({ record }) => record.throughput(from * 1000, until * 1000) / 1e6)
      expect(shares[0]! + shares[1]!).toBeGreaterThan(0.75 * rate)
      expect(fairness(shares)).toBeGreaterThan(0.88)
    }
  })
})

describe('RFC 8867 section 5.3: congested feedback', () => {
  function run(congested: boolean): [Flow, Flow] {
    const path = new Path({ seed: 3, rate: 2e6, backward: { rate: 2e6, queueBytes: queueBytes(2e6, 300) } })
    path.setRate(20_000, 1e6)
    path.setRate(40_000, 0.5e6)
    path.setRate(60_000, 2e6)
    for (const [at, rate] of congested
      ? ([
          [35_000, 0.8e6],
          [70_000, 2e6],
        ] as const)
      : []) {
      const change = { rate, queueBytes: queueBytes(rate, 300) }
      path.simulation.at(at, (now) => path.backward.configure(now, change))
    }
    const there = path.add({ maxVideo: MAX_VIDEO })
    const back = path.add({ maxVideo: MAX_VIDEO, forward: path.backward, backward: path.forward })
    path.runUntil(100_000)
    return [there, back]
  }

  it('the way there suffers little from it', () => {
    const [there, back] = run(true)
    const [reference] = run(false)
    check(
      '5.3 there',
      [there],
      [
        { from: 5, until: 20, throughput: [1.4, 1.6], delay: [40, 60] },
        { from: 25, until: 40, throughput: [0.8, 1], delay: [50, 100] },
        { from: 45, until: 60, throughput: [0.35, 0.5], delay: [50, 100] },
        { from: 80, until: 100, throughput: [1.2, 1.6], delay: [40, 60] },
      ],
    )
    check(
      '5.3 back',
      [back],
      [
        { from: 5, until: 35, throughput: [1.4, 1.6], delay: [40, 60] },
        { from: 45, until: 70, throughput: [0.6, 0.8], delay: [50, 100] },
        { from: 85, until: 100, throughput: [1.1, 1.6], delay: [40, 60] },
      ],
    )
    const ratio = there.record.throughput(0, 100_000) / reference.record.throughput(0, 100_000)
    expect(ratio).toBeGreaterThan(0.85)
    expect(ratio).toBeLessThan(1.15)
  })
})

describe('RFC 8867 section 5.4: flows of the same algorithm', () => {
  it.each([
    [3.5e6, 0.9],
    [2e6, 0.95],
  ])('three share %d bit/s: fairness above %d', (rate, fair) => {
    const path = new Path({ seed: 4, rate })
    const flows = [0, 20_000, 40_000].map((start) => path.add({ maxVideo: MAX_VIDEO, start }))
    path.runUntil(119_000)
    check(`5.4 ${rate / 1e6} Mbit/s`, flows, [
      { from: 60, until: 119, throughput: [(0.5 * rate) / 3e6, MAX_FLOW / 1e6], delay: [40, 110] },
    ])
    const shares = flows.map(({ record }) => record.throughput(60_000, 119_000))
    expect(fairness(shares)).toBeGreaterThan(fair)
    const sum = shares.reduce((total, share) => total + share, 0)
    expect(sum).toBeGreaterThan(0.8 * rate)
    expect(sum).toBeLessThan(rate)
  })
})

describe('RFC 8867 section 5.5: round trips of different length', () => {
  it('none starves', () => {
    const rate = 4e6
    const path = new Path({ seed: 5, rate, latency: 10 })
    const flows = [0, 15, 40, 90, 140].map((more, index) => {
      const tail = new Link<Packet>(500 + index, { latency: more })
      const backward = new Link<Packet>(600 + index, { latency: more + 10 })
      path.simulation.links.push(tail, backward)
      const start = index * 10_000
      return path.add({ maxVideo: MAX_VIDEO, start, tail, backward, latency: 10 + more })
    })
    path.runUntil(299_000)
    check('5.5', flows, [
      // a fifth is 0.8: shares differ by up to five times, and not by the round trip alone (two flows of the same can do, too)
      { from: 60, until: 180, throughput: [0.25, MAX_FLOW / 1e6], delay: [40, 110] },
      { from: 180, until: 299, throughput: [0.25, MAX_FLOW / 1e6], delay: [40, 110] },
    ])
    const shares = flows.map(({ record }) => record.throughput(180_000, 299_000))
    expect(fairness(shares)).toBeGreaterThan(0.68)
    const sum = shares.reduce((total, share) => total + share, 0)
    expect(sum).toBeGreaterThan(0.85 * rate)
    expect(sum).toBeLessThan(rate)
  })
})

describe('RFC 8867 section 5.6: a long TCP flow', () => {
  it.each([300, 1000])('a queue of %d ms', (queue) => {
    const rate = 2e6
    const path = new Path({ seed: 6, rate, queue })
    const reno = new Reno(path.forward, 50, 0, 119_000)
    path.simulation.actors.push(reno)
    const flow = path.add({ maxVideo: MAX_VIDEO, start: 5000 })
    path.runUntil(20_000)
    const before = reno.delivered
    path.runUntil(119_000)
    const tcp = ((reno.delivered - before) * 1500 * 8) / 99
    // the queue is TCP's: it cannot be short, but the flow gets through, above the least rate of a source by far
    check(
      `5.6 ${queue} ms`,
      [flow],
      [{ from: 20, until: 119, throughput: [0.2, 1.2], delay: [queue, queue + 10] }],
    )
    expect(tcp).toBeGreaterThan(0.4 * rate)
    expect(tcp).toBeLessThan(0.9 * rate)
    expect(tcp + flow.record.throughput(20_000, 119_000)).toBeGreaterThan(0.95 * rate)
  })
})

describe('RFC 8867 section 5.7: short TCP flows', () => {
  // what is demanded: more than the least rate of a source, and what it was when they are gone. With one file each, TCP takes a sixth of the path and the media nearly half of it, if unevenly; with three, half, and
  // hardly a second passes without a new burst: the media gets little more than its sound.
  it.each([
    [1, 0.15, 20, 0.3e6],
    [3, 0.06, 25, 0.9e6],
  ])('ten that fetch %d files at once', (connections, least, queue, tcpLeast) => {
    const rate = 2e6
    const path = new Path({ seed: 7, rate })
    const readers = Array.from({ length: 10 }, (_, index) => {
      const options = { seed: 700 + index, latency: 50, on: index < 2, end: 200_000, connections }
      return new Downloads({ ...options, forward: path.forward })
    })
    path.simulation.actors.push(...readers)
    const flows = [0, 1].map(() => path.add({ maxVideo: MAX_VIDEO, start: 5000, end: 299_000 }))
    path.runUntil(299_000)
    const tcp = (readers.reduce((sum, { total }) => sum + total, 0) * 1500 * 8) / 200
    if (process.env['BWE_FIGURES'] !== undefined)
      console.log(`FIGURE | 5.7 TCP | ${(tcp / 1e6).toFixed(2)} |`)
    check(`5.7 ${connections} files`, flows, [
      { from: 20, until: 200, throughput: [least, MAX_FLOW / 1e6], delay: [queue, 310] },
      { from: 260, until: 299, throughput: [0.5, MAX_FLOW / 1e6], delay: [60, 120] },
    ])
    expect(tcp).toBeGreaterThan(tcpLeast)
  })
})

describe('RFC 8867 section 5.8: pause and resume', () => {
  it('the others take what is free, and give it back', () => {
    const rate = 3.5e6
    const path = new Path({ seed: 8, rate })
    const flows = [0, 1, 2].map(() => path.add({ maxVideo: MAX_VIDEO }))
    path.simulation.at(40_000, () => (flows[1]!.paused = true))
    path.simulation.at(60_000, () => (flows[1]!.paused = false))
    path.runUntil(119_000)
    check('5.8', flows, [{ from: 10, until: 40, throughput: [0.6, 1.55], delay: [50, 110] }])
    check(
      '5.8 paused',
      [flows[0]!, flows[2]!],
      [{ from: 45, until: 60, throughput: [1, 1.6], delay: [30, 60] }],
    )
    check('5.8 resumed', flows, [{ from: 65, until: 119, throughput: [0.7, 1.55], delay: [50, 110] }])
    expect(flows[1]!.record.throughput(41_000, 60_000)).toBe(0)
    expect(flows[1]!.record.reached(60_500, 0.7 * 1e6)).toBeLessThan(62_000)
    const shares = flows.map(({ record }) => record.throughput(65_000, 119_000))
    expect(fairness(shares)).toBeGreaterThan(0.9)
    expect(flows[0]!.record.lastAbove(200, 60_000, 119_000)).toBeLessThan(65_000)
  })
})
