import { describe, expect, test } from 'vitest'
import { Candidate, IceAgent } from '../src/index.ts'
import { A, agents, areJoined, at, B, joined, nextAt, path, signalBoth } from './support.ts'

const SECOND = at('203.0.113.9', 7000)

/** What goes from another address than `address.now`, or to it, is lost. */
function onlyAt(pair: ReturnType<typeof agents>, address: { now: { address: string; port: number } }): void {
  const [up, down] = [pair.aToB.send.bind(pair.aToB), pair.bToA.send.bind(pair.bToA)]
  pair.aToB.send = (now, item) => {
    if (item.source.address === address.now.address) up(now, item)
  }
  pair.bToA.send = (now, item) => {
    if (item.destination.address === address.now.address) down(now, item)
  }
}

describe('a local candidate that is taken back', () => {
  test('is sent from no more: another takes over at once', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = joined({ seed, link: { latency: 20 } })
      const address = { now: A }
      onlyAt(pair, address)
      pair.runFor(3000)
      const { machine } = pair.a
      const second = Candidate.host(SECOND)
      machine.addLocalCandidate(second)
      expect(machine.removeLocalCandidate(Candidate.host(A))).toBe(true)
      expect(machine.removeLocalCandidate(Candidate.host(A))).toBe(false)
      expect(machine.localCandidates).toEqual([second])
      address.now = SECOND
      const from = pair.now
      pair.runUntil(() => machine.selectedPair?.source.address === SECOND.address)
      expect(pair.now - from, `seed ${seed}`).toBeLessThan(100)
      // the peer is not told: it asks the old path first, for two seconds
      pair.runUntil(() => areJoined(machine, pair.b.machine))
      expect(pair.now - from, `seed ${seed}`).toBeLessThan(2200)
      expect(machine.isValidatedPath(path(B, A))).toBe(false)
      expect(machine.statistics.pairs.map(({ pair: { source } }) => source)).toEqual([SECOND])
      pair.runFor(60_000)
      expect([machine.state, pair.b.machine.state], `seed ${seed}`).toEqual(['completed', 'completed'])
    }
  })

  test('makes room: a peer that moves for days, with a restart each time, is found as fast as at first', () => {
    const pair = joined({ link: { latency: 20 } })
    const address = { now: A }
    onlyAt(pair, address)
    const { machine } = pair.a
    for (let i = 1; i <= 200; i++) {
      const [before] = machine.localCandidates
      address.now = at(`203.0.113.${i}`, 7000)
      machine.addLocalCandidate(Candidate.host(address.now))
      machine.removeLocalCandidate(before!)
      for (const agent of [machine, pair.b.machine]) agent.restart()
      signalBoth(machine, pair.b.machine)
      const from = pair.now
      pair.runUntil(() => areJoined(machine, pair.b.machine))
      expect(pair.now - from, `move ${i}`).toBeLessThan(300)
      expect(machine.statistics.pairs).toHaveLength(1)
      pair.runFor(1000)
    }
  })

  test('and was the only one: failed, and connected again by a restart from another', () => {
    const pair = joined({ link: { latency: 20 } })
    const address = { now: A }
    onlyAt(pair, address)
    const { machine } = pair.a
    machine.removeLocalCandidate(machine.localCandidates[0]!)
    pair.runFor(0)
    expect(machine.state).toBe('failed')
    expect(machine.selectedPair).toBeUndefined()
    expect(nextAt(machine)).toBe(Infinity)
    const { sent } = pair.aToB.statistics
    pair.runFor(60_000)
    expect(pair.aToB.statistics.sent).toBe(sent)
    address.now = SECOND
    for (const agent of [machine, pair.b.machine]) agent.restart()
    machine.addLocalCandidate(Candidate.host(SECOND))
    signalBoth(machine, pair.b.machine)
    pair.runUntil(() => areJoined(machine, pair.b.machine), 1000)
  })

  test('before there is another: the peer is told to that one all the same', () => {
    const agent = new IceAgent()
    agent.addLocalCandidate(Candidate.host(A))
    agent.setRemoteCredentials(new IceAgent().localCredentials)
    agent.addRemoteCandidate(Candidate.host(B))
    agent.handleInput({ kind: 'timeout', now: 0 })
    agent.handleInput({ kind: 'timeout', now: 39_000 })
    agent.removeLocalCandidate(Candidate.host(A))
    expect(agent.statistics.pairs).toEqual([])
    agent.addLocalCandidate(Candidate.host(SECOND))
    expect(agent.statistics.pairs.map(({ pair: { source, destination } }) => [source, destination])).toEqual([
      [SECOND, B],
    ])
  })

  test('in the middle of a restart: the path before it is given up too', () => {
    const pair = joined({ link: { latency: 20 } })
    const { machine } = pair.a
    machine.restart()
    pair.runFor(100)
    expect(machine.selectedPair?.source).toEqual(A)
    machine.removeLocalCandidate(Candidate.host(A))
    pair.runFor(0)
    expect(machine.selectedPair).toBeUndefined()
    expect(machine.isValidatedPath(path(B, A))).toBe(false)
  })

  test('takes those with it that have it as their base, and leaves its base', () => {
    const agent = new IceAgent()
    const host = Candidate.host(A)
    const reflexive = Candidate.serverReflexive(at('198.51.100.7', 5001), A)
    const other = Candidate.host(SECOND)
    for (const candidate of [host, reflexive, other]) agent.addLocalCandidate(candidate)
    agent.setRemoteCredentials(new IceAgent().localCredentials)
    agent.addRemoteCandidate(Candidate.host(B))
    agent.removeLocalCandidate(reflexive)
    expect(agent.localCandidates).toEqual([host, other])
    expect(agent.statistics.pairs).toHaveLength(2)
    agent.addLocalCandidate(reflexive)
    agent.removeLocalCandidate(host)
    expect(agent.localCandidates).toEqual([other])
    expect(agent.statistics.pairs.map(({ pair }) => pair.source)).toEqual([SECOND])
  })
})

describe('a peer that moves for days without a restart', () => {
  test.each([
    ['tells of its addresses', true],
    ['does not', false],
  ])('and %s is found each time', (_, tells) => {
    const pair = joined({ link: { latency: 20 } })
    const address = { now: A }
    onlyAt(pair, address)
    const [mover, other] = [pair.a.machine, pair.b.machine]
    for (let i = 1; i <= 150; i++) {
      const [before] = mover.localCandidates
      address.now = at(`203.0.113.${i}`, 7000)
      const here = Candidate.host(address.now)
      mover.addLocalCandidate(here)
      mover.removeLocalCandidate(before!)
      if (tells) {
        // the one that leads nowhere is of another network, as phones have
        expect(other.addRemoteCandidate(Candidate.host(at(`10.0.0.${i}`, 7000))), `move ${i}`).toBe(true)
        expect(other.addRemoteCandidate(here), `move ${i}`).toBe(true)
      }
      const from = pair.now
      pair.runUntil(() => other.selectedPair?.destination.address === address.now.address, 20_000)
      expect(pair.now - from, `move ${i}`).toBeLessThan(15_000)
      pair.runFor(60_000)
      expect([mover.state, other.state], `move ${i}`).toEqual(['completed', 'completed'])
      expect(other.statistics.pairs.length).toBeLessThanOrEqual(100)
    }
  })
})
