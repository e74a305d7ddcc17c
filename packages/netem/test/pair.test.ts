import type { Machine, TransmitOutput } from '@str0m/sans-io'
import { describe, expect, test } from 'vitest'
import { type LinkOptions, Pair } from '../src/index.ts'
import { Echo } from './echo.ts'

const A = { address: '192.0.2.1', port: 1 }
const B = { address: '192.0.2.2', port: 2 }

function pairOf(link: LinkOptions, { seed = 5, interval = Number.POSITIVE_INFINITY } = {}): Pair<Echo> {
  return new Pair(new Echo(A, interval), new Echo(B, interval), {
    seed,
    link,
    receive: (now, { source, destination, contents }) => ({
      kind: 'receive',
      now,
      source,
      destination,
      contents,
    }),
  })
}

/** A machine whose every wake-up asks for `next(now)`. */
function timer(next: (now: number) => number, output = false): Machine<never> {
  let at = 0
  const queue: TransmitOutput[] = []
  return {
    handleInput(input) {
      at = next(input.now)
      if (output && input.kind === 'timeout') queue.push({ kind: 'transmit', contents: new Uint8Array(1) })
    },
    pollOutput: () => queue.shift() ?? { kind: 'timeout', at },
  }
}

function timers(a: Machine<never>, b: Machine<never>): Pair<Machine<never>> {
  return new Pair(a, b, {
    seed: 77,
    receive: (now, { contents }) => ({ kind: 'receive', now, contents }),
  })
}

describe('a run', () => {
  test('goes back and forth, and the clock jumps', () => {
    const pair = pairOf({ latency: 20 })
    pair.a.machine.send(B, 5)
    pair.runUntil(() => pair.b.events.at(-1)?.event.byte === 1)
    expect(pair.now).toBe(100)
    expect(pair.b.events.map(({ at, event }) => [at, event.byte])).toEqual([
      [20, 5],
      [60, 3],
      [100, 1],
    ])
    expect(pair.aToB.statistics.delivered).toBe(3)
  })

  test('wakes a machine when it asked to be, and only then', () => {
    const pair = pairOf({}, { interval: 20 })
    pair.a.machine.beat(0, B)
    pair.runFor(60_000)
    expect(pair.now).toBe(60_000)
    expect(pair.a.wakeUps).toBe(3001)
    expect(pair.b.wakeUps).toBe(0)
    expect(pair.b.events.length).toBe(3001)
  })

  test('the same seed gives the same run', () => {
    const run = (seed: number): string => {
      const pair = pairOf(
        { latency: 30, jitter: 30, loss: 0.2, duplicate: 0.1, reorder: 0.1 },
        { seed, interval: 7 },
      )
      pair.a.machine.beat(0, B)
      pair.b.machine.beat(3, A)
      pair.runFor(5000)
      return JSON.stringify([pair.a.events, pair.b.events])
    }
    expect(run(8)).toBe(run(8))
    expect(run(8)).not.toBe(run(9))
  })

  test('a minute of a busy network takes little time', () => {
    const pair = pairOf({ latency: 30, jitter: 5, loss: 0.01, rate: 5e6 }, { interval: 1 })
    pair.a.machine.beat(0, B)
    const start = process.cpuUsage()
    pair.runFor(60_000)
    expect(pair.b.events.length).toBeGreaterThan(59_000)
    // microseconds of this process, however busy the machine is with others
    expect(process.cpuUsage(start).user).toBeLessThan(5_000_000)
  })

  test('a condition that does not come true is an error with the seed', () => {
    const pair = pairOf({})
    expect(() => pair.runUntil(() => false, 500)).toThrow(
      expect.objectContaining({ code: 'deadline', seed: 5, message: expect.stringContaining('seed 5') }),
    )
    expect(pair.now).toBe(500)
  })

  test('a time that is no number is refused, and does not run for ever', () => {
    const pair = pairOf({ latency: 20 })
    for (const time of [Number.NaN, undefined as never]) {
      expect(() => pair.runFor(time)).toThrow(expect.objectContaining({ code: 'invalid-time' }))
    }
    expect(() => pair.runUntil(() => false, Number.NaN)).toThrow(
      expect.objectContaining({ code: 'invalid-time' }),
    )
    expect(pair.now).toBe(0)
  })

  test('a seed that is none is refused', () => {
    expect(() => pairOf({}, { seed: -1 })).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    expect(() => pairOf({}, { seed: 2 ** 32 })).toThrow(/seed/)
  })
})

describe('S22: a timer that never advances', () => {
  const idle = (): Machine<never> => timer(() => Number.POSITIVE_INFINITY)

  test('the same instant asked for again without output is a livelock', () => {
    const pair = timers(
      timer((now) => (now < 30 ? now + 10 : now)),
      idle(),
    )
    expect(() => pair.runFor(1000)).toThrow(
      expect.objectContaining({ code: 'livelock', message: expect.stringMatching(/"a".*30.*seed 77/) }),
    )
  })

  test('an instant in the past is one too', () => {
    expect(() =>
      timers(
        idle(),
        timer((now) => now - 1),
      ).runFor(10),
    ).toThrow(/"b"/)
  })

  test('output without end at one instant is one too', () => {
    expect(() =>
      timers(
        timer((now) => now, true),
        idle(),
      ).runFor(10),
    ).toThrow(/stands still/)
  })

  test('a machine that never drains is one too', () => {
    const endless: Machine<never> = {
      handleInput: () => {},
      pollOutput: () => ({ kind: 'transmit', contents: new Uint8Array(0) }),
    }
    expect(() => timers(endless, idle()).runFor(10)).toThrow(/never drains/)
  })

  test('one that lets time pass is none', () => {
    const pair = timers(
      timer((now) => now + 0.5),
      idle(),
    )
    pair.runFor(100)
    expect(pair.a.wakeUps).toBe(201)
  })
})
