import { describe, expect, test } from 'vitest'
import { Candidate } from '../src/index.ts'
import { A, agents, areJoined, at, B, joined, path, seededCrypto, signal, signalBoth } from './support.ts'

describe('two agents on a good network', () => {
  test('connect in one round trip, are nominated in two, and complete', () => {
    const pair = agents({ link: { latency: 10 } })
    signalBoth(pair.a.machine, pair.b.machine)
    pair.runUntil(() => pair.a.machine.selectedPair !== undefined)
    expect(pair.now).toBe(20)
    pair.runUntil(() => areJoined(pair.a.machine, pair.b.machine))
    expect(pair.now).toBeLessThanOrEqual(45)
    pair.runFor(1000)
    expect(pair.a.machine.state).toBe('completed')
    expect(pair.b.machine.state).toBe('completed')
    expect(pair.a.events.map(({ event }) => event.type)).toEqual([
      'stateChange',
      'candidatePairValidated',
      'selectedPair',
      'stateChange',
      'stateChange',
    ])
  })

  test('the first check leaves at once', () => {
    const pair = agents({ link: { latency: 0 } })
    signalBoth(pair.a.machine, pair.b.machine)
    pair.runUntil(() => areJoined(pair.a.machine, pair.b.machine))
    expect(pair.now).toBeLessThanOrEqual(5)
  })

  test('an idle pair wakes for consent alone', () => {
    const pair = joined()
    pair.runFor(60_000)
    const [wakeUps, sent] = [pair.a.wakeUps, pair.aToB.statistics.sent]
    pair.runFor(60_000)
    // 12 checks of each side, and the answers
    expect(pair.aToB.statistics.sent - sent).toBeGreaterThanOrEqual(20)
    expect(pair.aToB.statistics.sent - sent).toBeLessThanOrEqual(30)
    expect(pair.a.wakeUps - wakeUps).toBeLessThanOrEqual(15)
  })
})

describe('loss, reorder, duplicate', () => {
  test('200 seeds at 30 % loss both ways', () => {
    const times: number[] = []
    for (let seed = 1; seed <= 200; seed++) {
      const link = { latency: 30, jitter: 10, loss: 0.3, duplicate: 0.1, reorder: 0.2, reorderDelay: 60 }
      const pair = joined({ seed, link })
      times.push(pair.now)
      expect(
        pair.a.machine.isValidatedPath(
          path(pair.a.machine.selectedPair!.destination, pair.a.machine.selectedPair!.source),
        ),
      ).toBe(true)
    }
    times.sort((a, b) => a - b)
    expect(times[100]).toBeLessThan(2000)
    expect(times.at(-1)).toBeLessThan(60_000)
  })

  test('bursts of loss', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const pair = joined({ seed, link: { latency: 20, loss: { degrade: 0.1, recover: 0.5 } } })
      expect(pair.now, `seed ${seed}`).toBeLessThan(30_000)
    }
  })
})

describe('several pairs on a bad network', () => {
  test('connect, and agree on one pair once the network is good again', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const pair = agents({ seed, link: { latency: 5 + seed, jitter: 10, loss: 0.3, reorder: 0.2 } })
      const [a, b] = [pair.a.machine, pair.b.machine]
      a.addLocalCandidate(Candidate.host(at(A.address, 5001)))
      b.addLocalCandidate(Candidate.host(at(B.address, 6001)))
      signalBoth(a, b)
      pair.runUntil(() => a.selectedPair !== undefined && b.selectedPair !== undefined)
      // each may fall back on its own for a while: all of these pairs are valid
      pair.runFor(20_000)
      for (const link of [pair.aToB, pair.bToA]) link.configure(pair.now, { loss: 0 })
      pair.runFor(15_000)
      expect(areJoined(a, b), `seed ${seed}`).toBe(true)
      expect(
        a.isValidatedPath(path(a.selectedPair!.destination, a.selectedPair!.source)),
        `seed ${seed}`,
      ).toBe(true)
    }
  })
})

describe('role conflict', () => {
  test.each([true, false])('both controlling: %s', (controlling) => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = joined({ seed, a: { crypto: seededCrypto(seed), controlling }, b: { controlling } })
      const { a, b } = pair
      expect([a.machine.controlling, b.machine.controlling].filter(Boolean).length, `seed ${seed}`).toBe(1)
      const changes = [...a.events, ...b.events].filter(({ event }) => event.type === 'roleChange')
      expect(changes.length, `seed ${seed}`).toBe(1)
    }
  })

  test('on a lossy network', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const both = { controlling: seed % 2 === 0 }
      const pair = joined({
        seed,
        link: { latency: 40, loss: 0.3, reorder: 0.3 },
        a: { crypto: seededCrypto(seed), ...both },
        b: { crypto: seededCrypto(seed + 1000), ...both },
      })
      pair.runFor(20_000)
      expect(pair.a.machine.controlling, `seed ${seed}`).toBe(!pair.b.machine.controlling)
      expect(areJoined(pair.a.machine, pair.b.machine), `seed ${seed}`).toBe(true)
    }
  })
})

describe('trickle', () => {
  const orders: [string, ('a' | 'b' | 'aLate' | 'bLate')[]][] = [
    ['the offerer hears first', ['b', 'a']],
    ['the answerer hears first', ['a', 'b']],
  ]
  test.each(orders)('%s, and checks come before the answer', (_name, order) => {
    const pair = agents()
    const { a, b } = pair
    for (const side of order) {
      if (side === 'a') signal(a.machine, b.machine)
      else signal(b.machine, a.machine)
      pair.runFor(300)
    }
    pair.runUntil(() => areJoined(a.machine, b.machine), 2000)
    expect(a.machine.statistics.pairs.length).toBe(1)
    // learned from the early checks, then told: no longer peer-reflexive
    expect(a.machine.selectedPair?.remote.type).toBe('host')
    expect(b.machine.selectedPair?.remote.type).toBe('host')
  })
})

describe('lite', () => {
  test('a lite agent answers, and is nominated on', () => {
    const pair = joined({ b: { lite: true } })
    pair.runFor(60_000)
    expect(pair.b.machine.state).toBe('completed')
    expect(pair.b.machine.statistics.pairs[0]).toMatchObject({ requestsSent: 0, valid: true })
  })

  test('a lite agent is not disconnected while it waits for the nomination, nor after a restart', () => {
    const pair = joined({ b: { lite: true } })
    const { a, b } = pair
    const states = () => b.events.flatMap(({ event }) => (event.type === 'stateChange' ? [event.state] : []))
    pair.runFor(1000)
    expect(states().filter((state) => state === 'disconnected')).toEqual([])
    for (const { machine } of [a, b]) machine.restart()
    signalBoth(a.machine, b.machine)
    pair.runFor(1000)
    expect(states().filter((state) => state === 'disconnected')).toEqual([])
    expect(b.machine.state).toBe('completed')
    // but where it loses what it had
    for (const way of [pair.aToB, pair.bToA]) way.configure(pair.now, { loss: 1 })
    pair.runFor(15_000)
    expect(b.machine.state).toBe('disconnected')
  })
})
