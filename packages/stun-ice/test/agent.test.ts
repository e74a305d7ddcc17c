import { describe, expect, test } from 'vitest'
import { Candidate, IceAgent, parseStun, StunBinding, TurnClient, writeStun } from '../src/index.ts'
import {
  A,
  agents,
  areJoined,
  at,
  B,
  joined,
  nextAt,
  path,
  seededCrypto,
  sent,
  signal,
  signalBoth,
} from './support.ts'

const PEER = { ufrag: 'peer', pwd: 'p'.repeat(24) }

describe('restart', () => {
  test('mid-call: data goes on over the old pair until the new one is nominated', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const pair = joined({ seed, link: { latency: 20, loss: 0.2 } })
      const [a, b] = [pair.a.machine, pair.b.machine]
      pair.runFor(5000)
      const old = { ...a.localCredentials }
      const fresh = a.restart()
      expect(a.acceptsUsername(old.ufrag) && a.acceptsUsername(fresh.ufrag)).toBe(true)
      expect(fresh).not.toEqual(old)
      expect(a.state).toBe('checking')
      // 8 s until the answer: consent goes on
      pair.runFor(8000)
      expect(a.selectedPair, `seed ${seed}`).toBeDefined()
      expect(a.isValidatedPath(path(B, A))).toBe(true)
      b.restart()
      signal(b, a)
      // the new generation has the same pair, not yet checked: the old one still counts
      expect(a.isValidatedPath(path(B, A))).toBe(true)
      signal(a, b)
      pair.runUntil(() => a.state === 'completed' && b.state === 'completed' && areJoined(a, b), 60_000)
      expect(a.acceptsUsername(old.ufrag)).toBe(false)
      expect(a.isValidatedPath(path(B, A))).toBe(true)
      expect(
        pair.a.events.filter(({ event }) => event.type === 'selectedPair' && event.pair === undefined),
      ).toEqual([])
    }
  })

  test('after a failure', () => {
    const pair = joined()
    const [a, b] = [pair.a.machine, pair.b.machine]
    for (const link of [pair.aToB, pair.bToA]) link.addOutage(pair.now, pair.now + 40_000)
    pair.runFor(60_000)
    expect([a.state, b.state]).toEqual(['failed', 'failed'])
    a.restart()
    b.restart()
    expect(a.state).toBe('new')
    signalBoth(a, b)
    pair.runUntil(() => areJoined(a, b), 1000)
  })

  test('the old path ends with its consent where the peer never answers', () => {
    const pair = joined()
    const a = pair.a.machine
    pair.aToB.addOutage(pair.now, Infinity)
    pair.runFor(1000)
    a.restart()
    pair.runFor(31_000)
    expect(a.selectedPair).toBeUndefined()
    expect(a.isValidatedPath(path(B, A))).toBe(false)
    const before = pair.aToB.statistics.sent
    pair.runFor(100_000)
    expect(pair.aToB.statistics.sent).toBe(before)
  })

  test('new credentials of the peer need one; a second restart replaces the first', () => {
    const pair = joined()
    const a = pair.a.machine
    a.setRemoteCredentials(pair.b.machine.localCredentials)
    expect(() => a.setRemoteCredentials(PEER)).toThrow(expect.objectContaining({ code: 'restart-required' }))
    expect(() => a.restart(a.localCredentials)).toThrow(
      expect.objectContaining({ code: 'invalid-credentials' }),
    )
    a.restart()
    a.restart()
    pair.b.machine.restart()
    signalBoth(a, pair.b.machine)
    pair.runUntil(() => areJoined(a, pair.b.machine), 1000)
  })
})

describe('multicast DNS', () => {
  const line = 'candidate:1 1 udp 2113937151 8b3a8a0c-0000-4000-8000-000000000001.local 6000 typ host'
  const name = '8b3a8a0c-0000-4000-8000-000000000001.local'

  test('a name is handed out once, and its answer is a candidate', () => {
    const pair = agents()
    const [a, b] = [pair.a.machine, pair.b.machine]
    a.setRemoteCredentials(b.localCredentials)
    signal(a, b)
    const candidate = Candidate.parse(line)!
    expect(a.addRemoteCandidate(candidate) && a.addRemoteCandidate(candidate)).toBe(true)
    a.resolveMdns(name.toUpperCase(), B.address)
    pair.runUntil(() => areJoined(a, b))
    expect(
      pair.a.events.filter(({ event }) => event.type === 'resolveMdns').map(({ event }) => event),
    ).toEqual([{ type: 'resolveMdns', name }])
  })

  test('a name that is not found is forgotten; an answer that is no address is refused', () => {
    const agent = new IceAgent()
    agent.addRemoteCandidate(Candidate.parse(line)!)
    expect(() => agent.resolveMdns(name, 'x')).toThrow(expect.objectContaining({ code: 'invalid-address' }))
    agent.resolveMdns(name, undefined)
    agent.resolveMdns(name, '192.0.2.1')
    expect(agent.statistics.pairs).toEqual([])
  })
})

describe('candidates of the peer', () => {
  const host = (text: string): Candidate => Candidate.parse(text)!

  test('that are not taken', () => {
    const agent = new IceAgent()
    agent.addLocalCandidate(Candidate.host(A))
    agent.setRemoteCredentials(PEER)
    for (const text of [
      'candidate:1 1 tcp 1 192.0.2.9 9 typ host tcptype active',
      'candidate:1 2 udp 1 192.0.2.9 9 typ host',
      'candidate:1 1 udp 1 192.0.2.9 0 typ host',
      'candidate:1 1 udp 1 192.0.2.9 9 typ host ufrag othr',
      'candidate:1 1 udp 1 224.0.0.1 9 typ host',
      'candidate:1 1 udp 1 255.255.255.255 9 typ host',
      'candidate:1 1 udp 1 0.0.0.0 9 typ host',
      'candidate:1 1 udp 1 ff02::1 9 typ host',
      'candidate:1 1 udp 1 :: 9 typ host',
    ]) {
      expect(agent.addRemoteCandidate(host(text))).toBe(false)
    }
    expect(agent.statistics.candidatesIgnored).toBe(9)
    expect(agent.addRemoteCandidate(host('candidate:1 1 udp 1 192.0.2.9 9 typ host ufrag peer'))).toBe(true)
    expect(agent.addRemoteCandidate(host('candidate:1 1 udp 1 ff.local 9 typ host'))).toBe(true)
  })

  test('of another family, or link-local with global, make no pair', () => {
    const agent = new IceAgent()
    agent.addLocalCandidate(Candidate.host(A))
    agent.addLocalCandidate(Candidate.host('[fe80::1]:5000'))
    agent.addRemoteCandidate(Candidate.host('[2001:db8::1]:1'))
    expect(agent.statistics.pairs).toEqual([])
    agent.addRemoteCandidate(Candidate.host('[fe80::2]:1'))
    expect(agent.statistics.pairs.length).toBe(1)
  })

  test('pairs of one base are one pair, of the best local candidate: RFC 8445 section 6.1.2.4', () => {
    const agent = new IceAgent()
    agent.addRemoteCandidate(Candidate.host(B))
    agent.addLocalCandidate(Candidate.serverReflexive('203.0.113.5:9', A))
    expect(agent.addLocalCandidate(Candidate.host(A))).toBe(true)
    expect(agent.addLocalCandidate(Candidate.host(A))).toBe(false)
    expect(agent.statistics.pairs.map(({ pair }) => pair.local.type)).toEqual(['host'])
    expect(agent.localCandidates.length).toBe(2)
  })

  test('a foundation is checked once, then the rest: RFC 8445 section 6.1.2.6', () => {
    const agent = new IceAgent({ controlling: true, crypto: seededCrypto(1) })
    agent.addLocalCandidate(Candidate.host(A))
    agent.setRemoteCredentials(PEER)
    for (const port of [1, 2, 3]) agent.addRemoteCandidate(Candidate.host(at(B.address, port)))
    agent.addRemoteCandidate(Candidate.host('203.0.113.7:1'))
    const states = (): string[] => agent.statistics.pairs.map(({ state }) => state).toSorted()
    expect(states()).toEqual(['frozen', 'frozen', 'waiting', 'waiting'])
    agent.handleInput({ kind: 'timeout', now: 0 })
    agent.handleInput({ kind: 'timeout', now: 50 })
    expect(states()).toEqual(['frozen', 'frozen', 'in-progress', 'in-progress'])
    agent.handleInput({ kind: 'timeout', now: 100 })
    expect(sent(agent).length).toBe(3)
  })

  test('of a peer that forked are forgotten when the credentials are another’s', () => {
    const pair = agents()
    const stranger = new IceAgent({ crypto: seededCrypto(77) })
    stranger.addLocalCandidate(Candidate.host('203.0.113.77:7'))
    stranger.setRemoteCredentials(pair.a.machine.localCredentials)
    stranger.addRemoteCandidate(Candidate.host(A))
    stranger.handleInput({ kind: 'timeout', now: 0 })
    const { source, destination, contents } = sent(stranger)[0]!
    pair.a.machine.handleInput({ kind: 'receive', proto: 'udp', now: 0, source, destination, contents })
    expect(pair.a.machine.statistics.pairs.length).toBe(1)
    signalBoth(pair.a.machine, pair.b.machine)
    expect(pair.a.machine.statistics.pairs.map(({ pair }) => pair.remote.address)).toEqual([B])
    pair.runUntil(() => areJoined(pair.a.machine, pair.b.machine))
  })
})

describe('failure', () => {
  test('no answer at all: after all retransmissions, and then nothing is scheduled', () => {
    const pair = agents({ link: { loss: 1 } })
    signalBoth(pair.a.machine, pair.b.machine)
    pair.runFor(39_000)
    expect(pair.a.machine.state).toBe('checking')
    pair.runFor(1000)
    expect(pair.a.machine.state).toBe('failed')
    // RFC 8489 section 6.2.1: 7 requests
    expect(pair.aToB.statistics.sent).toBe(7)
    expect(nextAt(pair.a.machine)).toBe(Infinity)
    expect(pair.a.machine.statistics.pairs[0]).toMatchObject({ state: 'failed', retransmissionsSent: 6 })
  })

  test('no candidates: not before patience ends', () => {
    const agent = new IceAgent({ timing: { patience: 10_000 } })
    agent.setRemoteCredentials(PEER)
    agent.endOfRemoteCandidates()
    agent.handleInput({ kind: 'timeout', now: 5 })
    expect(agent.state).toBe('checking')
    expect(nextAt(agent)).toBe(10_005)
    agent.handleInput({ kind: 'timeout', now: 10_005 })
    expect(agent.state).toBe('failed')
  })

  test('a stale request sent again is no failure where a triggered check succeeds', () => {
    const pair = agents({ link: { latency: 10 } })
    signal(pair.b.machine, pair.a.machine)
    pair.aToB.addOutage(0, 300)
    pair.runFor(310)
    signal(pair.a.machine, pair.b.machine)
    pair.runUntil(() => areJoined(pair.a.machine, pair.b.machine), 500)
    expect(pair.now).toBeLessThan(500)
  })
})

describe('the caller’s mistakes', () => {
  const code = (code: string): Error => expect.objectContaining({ code })

  test('options', () => {
    expect(() => new IceAgent({ localCredentials: { ufrag: 'abc', pwd: 'x'.repeat(22) } })).toThrow(
      code('invalid-credentials'),
    )
    expect(() => new IceAgent({ maxPairs: 101 })).toThrow(code('invalid-option'))
    expect(() => new IceAgent({ lite: true, controlling: true })).toThrow(code('invalid-option'))
    expect(() => new IceAgent({ timing: { consentTimeout: 30_001 } })).toThrow(code('invalid-option'))
    expect(() => new IceAgent({ timing: { checkInterval: 4 } })).toThrow(code('invalid-option'))
    // what RFC 8445 section 14.3 and RFC 7675 section 5.1 forbid
    expect(() => new IceAgent({ timing: { retransmissionTimeout: 499 } })).toThrow(code('invalid-option'))
    expect(() => new IceAgent({ timing: { consentInterval: 4999 } })).toThrow(code('invalid-option'))
    // where consent would end before it could be renewed
    expect(() => new IceAgent({ timing: { consentInterval: 12_501 } })).toThrow(code('invalid-option'))
    expect(() => new IceAgent({ timing: { consentTimeout: 11_999 } })).toThrow(code('invalid-option'))
    expect(new IceAgent({ timing: { consentInterval: 12_500, consentTimeout: 30_000 } }).state).toBe('new')
    // as of the other options, what is undefined is the default
    const timing = { consentInterval: undefined, patience: undefined } as {}
    expect(new IceAgent({ timing }).state).toBe('new')
  })

  test('a peer’s credentials may have what some stacks put in them, ours may not', () => {
    const credentials = { ufrag: 'a_b-c=', pwd: `_-=${'x'.repeat(22)}` }
    new IceAgent().setRemoteCredentials(credentials)
    expect(() => new IceAgent({ localCredentials: credentials })).toThrow(code('invalid-credentials'))
  })

  test('what is no candidate and what are no credentials, as untyped callers have them', () => {
    const agent = new IceAgent()
    const text = 'candidate:1 1 udp 1 192.0.2.9 9 typ host'
    // what signalling has, in the shapes of the W3C
    for (const none of [text, { candidate: text, sdpMid: '0' }, null, undefined]) {
      const candidate = none as unknown as Candidate
      expect(() => agent.addRemoteCandidate(candidate)).toThrow(code('invalid-candidate'))
      expect(() => agent.addLocalCandidate(candidate)).toThrow(code('invalid-candidate'))
    }
    expect(agent.statistics.candidatesIgnored).toBe(0)
    for (const none of [{ pwd: PEER.pwd }, { ufrag: 12_345, pwd: PEER.pwd }, {}, undefined]) {
      const credentials = none as unknown as typeof PEER
      expect(() => agent.setRemoteCredentials(credentials)).toThrow(code('invalid-credentials'))
    }
    expect(() => agent.restart({ pwd: PEER.pwd } as typeof PEER)).toThrow(code('invalid-credentials'))
    // RFC 8839 section 4.4.1.1.1: both are new
    const { ufrag, pwd } = agent.localCredentials
    expect(() => agent.restart({ ufrag, pwd: PEER.pwd })).toThrow(code('invalid-credentials'))
    expect(() => agent.restart({ ufrag: PEER.ufrag, pwd })).toThrow(code('invalid-credentials'))
    expect(agent.localCredentials).toEqual({ ufrag, pwd })
    expect(agent.remoteCredentials).toBeUndefined()
    expect(agent.state).toBe('new')
  })

  test('a time that is none, after which nothing would ever be due', () => {
    const pair = agents()
    const { machine } = pair.a
    signalBoth(machine, pair.b.machine)
    const client = new TurnClient({ server: B, base: A, username: 'u', password: 'p' })
    for (const driven of [machine, client, new StunBinding({ server: B, base: A })]) {
      for (const now of [Number.NaN, Number.POSITIVE_INFINITY, undefined, '5']) {
        const input = { kind: 'timeout', now: now as number } as const
        expect(() => driven.handleInput(input)).toThrow(code('invalid-time'))
      }
    }
    pair.runUntil(() => areJoined(machine, pair.b.machine), 500)
  })

  test('an input that is none, and none of its time is seen', () => {
    const pair = agents()
    const { machine } = pair.a
    signalBoth(machine, pair.b.machine)
    const client = new TurnClient({ server: B, base: A, username: 'u', password: 'p' })
    const contents = new Uint8Array(20)
    const receive = { kind: 'receive', now: 1e9, proto: 'udp', source: A, destination: B, contents }
    for (const driven of [machine, client, new StunBinding({ server: B, base: A })]) {
      const give = (input: object) => () => driven.handleInput(input as never)
      expect(give({ ...receive, kind: 'data' })).toThrow(code('invalid-input'))
      expect(give({ ...receive, contents: undefined })).toThrow(code('invalid-input'))
      expect(give({ ...receive, contents: 'abc' })).toThrow(code('invalid-input'))
      expect(give({ ...receive, source: undefined })).toThrow(code('invalid-address'))
    }
    const nowhere = { ...receive, destination: undefined } as never
    expect(() => machine.handleInput(nowhere)).toThrow(code('invalid-address'))
    pair.runUntil(() => areJoined(machine, pair.b.machine), 500)
  })

  test('calls', () => {
    const agent = new IceAgent({ lite: true })
    expect(() => agent.setRemoteCredentials({ ufrag: 'a b c', pwd: PEER.pwd })).toThrow(
      code('invalid-credentials'),
    )
    expect(() => agent.setControlling(true)).toThrow(code('invalid-option'))
    const tcp = Candidate.parse('candidate:1 1 tcp 1 192.0.2.9 9 typ host')!
    expect(() => agent.addLocalCandidate(tcp)).toThrow(code('invalid-candidate'))
    agent.close()
    agent.close()
    for (const call of [
      () => agent.restart(),
      () => agent.setRemoteCredentials(PEER),
      () => agent.addLocalCandidate(Candidate.host(A)),
      () => agent.addRemoteCandidate(Candidate.host(B)),
      () => agent.endOfRemoteCandidates(),
      () => agent.resolveMdns('x.local', undefined),
      () => agent.setRemoteLite(true),
    ]) {
      expect(call).toThrow(code('closed'))
    }
    agent.handleInput({ kind: 'timeout', now: 1 })
    expect(agent.state).toBe('closed')
    expect(nextAt(agent)).toBe(Infinity)
  })
})

describe('lite', () => {
  test('a request of a peer that takes itself for the controlled one: 487', () => {
    const lite = new IceAgent({ lite: true, crypto: seededCrypto(1) })
    lite.addLocalCandidate(Candidate.host(A))
    const integrity = seededCrypto(1).hmac('sha1', Buffer.from(lite.localCredentials.pwd))
    const contents = writeStun(
      {
        class: 'request',
        method: 1,
        transactionId: new Uint8Array(12),
        username: `${lite.localCredentials.ufrag}:x`,
        iceControlled: 0n,
      },
      { integrity },
    )
    lite.handleInput({ kind: 'receive', now: 0, proto: 'udp', source: B, destination: A, contents })
    expect(parseStun(sent(lite)[0]!.contents)).toMatchObject({ class: 'error', errorCode: { code: 487 } })
  })

  test('a full agent that knows its peer is lite takes control and nominates at once', () => {
    const pair = agents({ a: { controlling: false }, b: { lite: true }, link: { latency: 10 } })
    pair.a.machine.setRemoteLite(true)
    signalBoth(pair.a.machine, pair.b.machine)
    pair.a.machine.addRemoteCandidate(Candidate.host('203.0.113.99:9', 'udp', { localPreference: 65_535 }))
    pair.runUntil(() => areJoined(pair.a.machine, pair.b.machine))
    expect(pair.a.machine.controlling).toBe(true)
    expect(pair.now).toBeLessThan(120)
  })
})
