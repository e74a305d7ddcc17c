import { encodeUtf8, SeededRandom } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  Candidate,
  IceAgent,
  parseStun,
  type StunMessage,
  type StunWriteOptions,
  writeStun,
} from '../src/index.ts'
import {
  A,
  agents,
  areJoined,
  at,
  B,
  joined,
  nextAt,
  path,
  receive,
  seededCrypto,
  sent,
  signalBoth,
} from './support.ts'

const crypto = seededCrypto(99)

/** A check as the peer of `agent` would send it, with what is over it. */
function check(agent: IceAgent, fields: Partial<StunMessage> = {}, options?: StunWriteOptions): Uint8Array {
  const { ufrag, pwd } = agent.localCredentials
  const message: StunMessage = {
    class: 'request',
    method: 1,
    transactionId: crypto.randomBytes(12),
    username: `${ufrag}:peer`,
    priority: 1_862_270_975,
    [agent.controlling ? 'iceControlled' : 'iceControlling']: 1n,
    ...fields,
  }
  return writeStun(message, options ?? { integrity: crypto.hmac('sha1', encodeUtf8(pwd)) })
}

function agent(options = {}): IceAgent {
  const agent = new IceAgent({ crypto: seededCrypto(3), ...options })
  agent.addLocalCandidate(Candidate.host(A))
  agent.handleInput({ kind: 'timeout', now: 0 })
  return agent
}

function give(agent: IceAgent, contents: Uint8Array, source = B, destination = A, now = 1): Uint8Array[] {
  agent.handleInput(receive(now, { source, destination, contents }))
  return sent(agent).map(({ contents }) => contents)
}

describe('S13: only from a validated path', () => {
  test('a path is valid once its check has succeeded, and each part of it counts', () => {
    const pair = agents({ link: { latency: 10 } })
    const { machine } = pair.a
    signalBoth(machine, pair.b.machine)
    expect(machine.isValidatedPath(path(B, A))).toBe(false)
    pair.runFor(10)
    // the peer's check has come, the answer to ours has not
    expect(machine.isValidatedPath(path(B, A))).toBe(false)
    pair.runUntil(() => areJoined(machine, pair.b.machine))
    expect(machine.isValidatedPath(path(B, A))).toBe(true)
    expect(machine.isValidatedPath(path({ ...B }, { ...A }))).toBe(true)
    for (const [source, destination] of [
      [at(B.address, 6001), A],
      [at('198.51.100.3', 6000), A],
      [B, at(A.address, 5001)],
      [B, at('192.0.2.3', 5000)],
      [A, B],
    ] as const) {
      expect(machine.isValidatedPath(path(source, destination))).toBe(false)
    }
    expect(machine.isValidatedPath(path(B, A))).toBe(true)
    machine.close()
    expect(machine.isValidatedPath(path(B, A))).toBe(false)
  })

  test('a request alone does not make it valid', () => {
    const machine = agent()
    expect(give(machine, check(machine)).length).toBe(1)
    expect(machine.isValidatedPath(path(B, A))).toBe(false)
    expect(machine.selectedPair).toBeUndefined()
  })
})

describe('S15: forged', () => {
  test('what is not authenticated is dropped by its reason, and not answered', () => {
    const machine = agent()
    const wrong = { integrity: crypto.hmac('sha1', encodeUtf8('x'.repeat(24))) }
    const cases: [string, Uint8Array][] = [
      ['malformed', new Uint8Array(20)],
      ['malformed', Uint8Array.of()],
      ['unsupported', check(machine, { method: 3 })],
      ['incomplete', check(machine, { username: undefined })],
      ['incomplete', check(machine, {}, {})],
      ['username', check(machine, { username: 'other:peer' })],
      ['username', check(machine, { username: machine.localCredentials.ufrag })],
      ['integrity', check(machine, {}, wrong)],
      ['transaction', check(machine, { class: 'success' })],
      ['transaction', check(machine, { class: 'error', errorCode: { code: 487, reason: '' } })],
    ]
    const expected = { ...machine.statistics.dropped }
    for (const [reason, contents] of cases) {
      expect(give(machine, contents)).toEqual([])
      expected[reason as keyof typeof expected]++
      expect(machine.statistics.dropped).toEqual(expected)
    }
    give(machine, check(machine, { class: 'indication' }))
    expect(machine.statistics.indications).toBe(1)
    expect(machine.statistics.pairs).toEqual([])
    expect(nextAt(machine)).toBe(Infinity)
  })

  test('to an address that is none of ours', () => {
    const machine = agent()
    expect(give(machine, check(machine), B, at(A.address, 1))).toEqual([])
    expect(machine.statistics.dropped.destination).toBe(1)
  })

  test('a response that is forged, or from elsewhere, makes no pair valid', () => {
    const machine = agent({ controlling: true })
    machine.setRemoteCredentials({ ufrag: 'peer', pwd: 'p'.repeat(24) })
    machine.addRemoteCandidate(Candidate.host(B))
    machine.handleInput({ kind: 'timeout', now: 0 })
    const transactionId = sent(machine)[0]!.contents.slice(8, 20)
    const response = { class: 'success', method: 1, transactionId, xorMappedAddress: A } as const
    const key = (pwd: string): StunWriteOptions => ({ integrity: crypto.hmac('sha1', encodeUtf8(pwd)) })
    give(machine, writeStun(response))
    give(machine, writeStun(response, key('q'.repeat(24))))
    expect(machine.statistics.dropped.integrity).toBe(2)
    expect(machine.isValidatedPath(path(B, A))).toBe(false)
    give(machine, writeStun(response, key('p'.repeat(24))), at(B.address, 9))
    expect(machine.statistics.dropped.asymmetric).toBe(1)
    expect(machine.statistics.pairs[0]).toMatchObject({ state: 'failed', valid: false })
  })

  test('nor does one with an attribute that must be understood and is not, of success or error', () => {
    const address = { type: 0x0004, value: Uint8Array.of(0, 1, 0, 1, 192, 0, 2, 9) }
    for (const [type, dropped] of [
      [0x7777, 1],
      // of RFC 3489, and one that is optional
      [0x0004, 0],
      [0x8777, 0],
    ] as const) {
      for (const answer of ['success', 'error'] as const) {
        const machine = agent({ controlling: true })
        machine.setRemoteCredentials({ ufrag: 'peer', pwd: 'p'.repeat(24) })
        machine.addRemoteCandidate(Candidate.host(B))
        machine.handleInput({ kind: 'timeout', now: 0 })
        const transactionId = sent(machine)[0]!.contents.slice(8, 20)
        const fields =
          answer === 'success' ? { xorMappedAddress: A } : { errorCode: { code: 487, reason: '' } }
        const message = { class: answer, method: 1, transactionId, ...fields, others: [{ ...address, type }] }
        give(machine, writeStun(message, { integrity: crypto.hmac('sha1', encodeUtf8('p'.repeat(24))) }))
        expect(machine.statistics.dropped.unsupported, `${answer} ${type}`).toBe(dropped)
        expect(machine.isValidatedPath(path(B, A)), `${answer} ${type}`).toBe(
          answer === 'success' && dropped === 0,
        )
        if (dropped === 1) expect(machine.statistics.pairs[0]!.state).toBe('failed')
      }
    }
  })

  test('the agent in the middle of its checks takes any bytes from anywhere', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (seed, changes, late) => {
          const pair = agents({ seed: seed % 2 ** 32, link: { latency: 10 } })
          signalBoth(pair.a.machine, pair.b.machine)
          pair.runFor(late ? 15 : 5)
          const good = check(pair.a.machine, { useCandidate: true, xorMappedAddress: B })
          for (const [at, value] of changes) good[at % good.length] = value
          pair.a.machine.handleInput(receive(pair.now, { source: B, destination: A, contents: good }))
          pair.runUntil(() => areJoined(pair.a.machine, pair.b.machine), 5000)
          expect(pair.a.machine.statistics.pairs.length).toBe(1)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('10 000 random datagrams with a STUN header, then it connects', () => {
    const pair = agents({ link: { latency: 10 } })
    const { machine } = pair.a
    signalBoth(machine, pair.b.machine)
    pair.runFor(5)
    const random = new SeededRandom(7)
    for (let i = 0; i < 10_000; i++) {
      const contents = new Uint8Array(20 + 4 * random.integer(30))
      for (let j = 0; j < contents.length; j++) contents[j] = random.integer(256)
      contents.set([random.integer(2), random.integer(0x12), 0, contents.length - 20, 0x21, 0x12, 0xa4, 0x42])
      machine.handleInput(receive(pair.now, { source: B, destination: A, contents }))
    }
    pair.runUntil(() => areJoined(machine, pair.b.machine), 1000)
    expect(Object.values(machine.statistics.dropped).reduce((a, b) => a + b)).toBeGreaterThan(9000)
  })
})

describe('S16: no amplifier', () => {
  test('one request is answered by one response, no longer than twice of it', () => {
    const machine = agent()
    const request = check(machine)
    const answers = give(machine, request)
    expect(answers.length).toBe(1)
    expect(answers[0]!.length).toBeLessThanOrEqual(request.length)
  })

  test('an unknown attribute that must be understood: 420', () => {
    const machine = agent()
    const [answer] = give(machine, check(machine, { others: [{ type: 0x7777, value: new Uint8Array(0) }] }))
    expect(parseStun(answer!)).toMatchObject({
      class: 'error',
      errorCode: { code: 420 },
      unknownAttributes: [0x7777],
    })
    expect(machine.statistics.pairs).toEqual([])
  })

  test('a peer that sprays sources makes 100 pairs at most, before and after its credentials', () => {
    const machine = agent()
    for (let i = 0; i < 1000; i++) give(machine, check(machine), at('198.51.100.7', 1000 + i))
    expect(machine.statistics.pairs.length).toBe(100)
    expect(machine.statistics.dropped.limit).toBe(900)
    machine.setRemoteCredentials({ ufrag: 'peer', pwd: 'p'.repeat(24) })
    for (let i = 0; i < 1000; i++) give(machine, check(machine), at('198.51.100.7', 3000 + i))
    expect(machine.statistics.pairs.length).toBe(100)
  })

  test('a peer that repeats its requests makes 256 transactions at most, and each pair still ends', () => {
    const machine = agent({ controlling: true })
    machine.setRemoteCredentials({ ufrag: 'peer', pwd: 'p'.repeat(24) })
    let requests = 0
    for (let now = 1; now <= 4000; now++) {
      requests += give(machine, check(machine), B, A, now).length - 1
    }
    // one triggered check every 5 ms at most, and never more than what came
    expect(requests).toBeLessThanOrEqual(801)
    const { requestsReceived, responsesSent } = machine.statistics.pairs[0]!
    expect([requestsReceived, responsesSent]).toEqual([4000, 4000])
    for (let now = nextAt(machine); now < Infinity; now = nextAt(machine)) {
      machine.handleInput({ kind: 'timeout', now })
      sent(machine)
    }
    expect(machine.state).toBe('failed')
  })

  test('a nomination that was queued when consent was lost is not sent', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const pair = agents({ seed, link: { latency: 10 } })
      signalBoth(pair.a.machine, pair.b.machine)
      pair.runUntil(() => pair.a.machine.selectedPair !== undefined)
      // validated, its nomination never answered
      pair.bToA.addOutage(0, Infinity)
      pair.runFor(30_000)
      const before = pair.aToB.statistics.sent
      pair.runFor(60_000)
      expect(pair.aToB.statistics.sent, `seed ${seed}`).toBe(before)
    }
  })

  test('100 remote candidates at most, 64 local ones, 32 names', () => {
    const machine = agent({ maxPairs: 10 })
    for (let i = 0; i < 150; i++) {
      expect(machine.addRemoteCandidate(Candidate.host(at('198.51.100.7', 1000 + i)))).toBe(i < 100)
    }
    expect(machine.statistics.pairs.length).toBe(10)
    expect(machine.statistics.candidatesIgnored).toBe(50)
    for (let i = 1; i < 64; i++) machine.addLocalCandidate(Candidate.host(at(A.address, 5000 + i)))
    expect(() => machine.addLocalCandidate(Candidate.host(at(A.address, 9000)))).toThrow(
      expect.objectContaining({ code: 'too-many-candidates' }),
    )
    const name = (i: number): Candidate => Candidate.parse(`candidate:1 1 udp 1 name-${i}.local 9 typ host`)!
    for (let i = 0; i < 40; i++) expect(machine.addRemoteCandidate(name(i))).toBe(i < 32)
  })

  test('checks are paced, and end', () => {
    const machine = agent({ controlling: true })
    machine.setRemoteCredentials({ ufrag: 'peer', pwd: 'p'.repeat(24) })
    for (let i = 0; i < 100; i++) machine.addRemoteCandidate(Candidate.host(at('198.51.100.7', 1000 + i)))
    const times: number[] = []
    machine.handleInput({ kind: 'timeout', now: 0 })
    for (let now = 0; now < Infinity; now = nextAt(machine)) {
      machine.handleInput({ kind: 'timeout', now })
      for (const datagram of sent(machine)) times.push(datagram.contents.length > 0 ? now : 0)
    }
    expect(times.length).toBe(700)
    expect(times.filter((time) => time < 1000).length).toBeLessThanOrEqual(40)
    expect(machine.state).toBe('failed')
  })
})

describe('S17: IPv4-mapped addresses', () => {
  test('are the addresses that they stand for', () => {
    const pair = joined()
    const { machine } = pair.a
    const [source, destination] = [at('::ffff:198.51.100.2', 6000), at('::ffff:c000:201', 5000)]
    expect(machine.isValidatedPath(path(source, destination))).toBe(true)
    expect(machine.isValidatedPath(path(at('::ffff:198.51.100.3', 6000), destination))).toBe(false)
    give(machine, check(machine, { username: `${machine.localCredentials.ufrag}:x` }), source, destination)
    expect(machine.statistics.pairs.length).toBe(1)
  })
})

describe('S22: timers advance', () => {
  test('under random calls, inputs and times', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.array(fc.nat(9), { maxLength: 40 }), (seed, steps) => {
        const random = new SeededRandom(seed)
        const pair = agents({ seed, link: { latency: 20, loss: 0.2, duplicate: 0.1 } })
        const { a, b } = pair
        signalBoth(a.machine, b.machine)
        for (const step of steps) {
          // each run holds both machines to rule 3, and fails where time does not pass
          pair.runFor(random.integer(12_000))
          if (step === 0) {
            a.machine.restart()
            b.machine.restart()
            signalBoth(a.machine, b.machine)
          } else if (step === 1) a.machine.addLocalCandidate(Candidate.host(at(A.address, 5001)))
          else if (step === 2) pair.aToB.addOutage(pair.now, pair.now + random.integer(40_000))
          else if (step === 3) a.machine.setControlling(random.chance(0.5))
          else if (step === 4) a.machine.handleInput({ kind: 'timeout', now: random.integer(1000) })
          else if (step === 5) a.machine.restart()
          else if (step === 6) {
            const { localCandidates } = a.machine
            const one = localCandidates[random.integer(localCandidates.length)]
            if (one !== undefined) a.machine.removeLocalCandidate(one)
          } else if (step === 7) {
            const here = Candidate.host(at(A.address, 5002 + random.integer(3)))
            a.machine.addLocalCandidate(here)
            b.machine.addRemoteCandidate(here)
          } else if (step === 8 && a.machine.isValidatedPath(path(B, A)))
            a.machine.pathAuthenticated(pair.now)
        }
        pair.runFor(60_000)
        expect(pair.now).toBeGreaterThanOrEqual(60_000)
      }),
      { numRuns: 100 },
    )
  })
})

describe('S23: secrets', () => {
  test('credentials, tie-breaker and transaction ids come from the provider, and have their bits', () => {
    const machine = new IceAgent()
    const { ufrag, pwd } = machine.localCredentials
    expect(ufrag).toMatch(/^[A-Za-z0-9+/]{8}$/)
    expect(pwd).toMatch(/^[A-Za-z0-9+/]{24}$/)
    expect(pwd.length * 6).toBeGreaterThanOrEqual(128)
    expect(ufrag.length * 6).toBeGreaterThanOrEqual(24)
    expect(new IceAgent().localCredentials).not.toEqual(machine.localCredentials)
    expect(new IceAgent({ crypto: seededCrypto(1) }).localCredentials).toEqual(
      new IceAgent({ crypto: seededCrypto(1) }).localCredentials,
    )
  })

  test('every request has a transaction id of its own', () => {
    const ids = new Set<string>()
    let requests = 0
    const pair = agents({ link: {} })
    const send = pair.aToB.send.bind(pair.aToB)
    pair.aToB.send = (now, item) => {
      const message = parseStun(item.contents.slice())
      if (typeof message !== 'string' && message.class === 'request') {
        requests++
        ids.add(message.transactionId.join())
      }
      send(now, item)
    }
    signalBoth(pair.a.machine, pair.b.machine)
    pair.runFor(100_000)
    expect(requests).toBeGreaterThan(15)
    expect(ids.size).toBe(requests)
  })
})
