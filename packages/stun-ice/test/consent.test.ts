import { describe, expect, test } from 'vitest'
import { Candidate, writeStun } from '../src/index.ts'
import { encodeUtf8 } from '@str0m/sans-io'
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

describe('S16: consent', () => {
  test('withdrawn: silence by 30 s after the last answer, and failed', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = joined({ seed, link: { latency: 20 } })
      const { machine } = pair.a
      pair.runFor(7000)
      const from = pair.now
      pair.bToA.addOutage(from, Number.POSITIVE_INFINITY)
      pair.runFor(30_100)
      const before = pair.aToB.statistics.sent
      expect(machine.state).toBe('failed')
      expect(machine.selectedPair).toBeUndefined()
      expect(machine.isValidatedPath(path(B, A))).toBe(false)
      // the peer goes on for a while, and is not answered
      pair.bToA.configure(pair.now, {})
      pair.runFor(120_000)
      expect(pair.aToB.statistics.sent, `seed ${seed}`).toBe(before)
      expect(pair.b.machine.state).toBe('failed')
      expect([nextAt(machine), nextAt(pair.b.machine)]).toEqual([Infinity, Infinity])
    }
  })

  test('after it is lost, not even a genuine request is answered', () => {
    const pair = joined()
    const { machine } = pair.a
    const peer = pair.b.machine.localCredentials
    pair.bToA.addOutage(pair.now, Number.POSITIVE_INFINITY)
    pair.runUntil(() => machine.state === 'failed')
    const request = writeStun(
      {
        class: 'request',
        method: 1,
        transactionId: new Uint8Array(12),
        username: `${machine.localCredentials.ufrag}:${peer.ufrag}`,
        priority: 1,
        iceControlled: 1n,
      },
      { integrity: seededCrypto(0).hmac('sha1', encodeUtf8(machine.localCredentials.pwd)) },
    )
    machine.handleInput(receive(pair.now, { source: B, destination: A, contents: request }))
    expect(sent(machine)).toEqual([])
    expect(machine.statistics.dropped.consent).toBe(1)
  })

  test('checks come every 4 to 6 s, spread over the range', () => {
    const pair = joined({ link: {} })
    const gaps: number[] = []
    let last: number | undefined
    let count = pair.a.machine.statistics.pairs[0]!.consentRequestsSent
    for (let i = 0; i < 3000; i++) {
      pair.runFor(100)
      const now = pair.a.machine.statistics.pairs[0]!.consentRequestsSent
      if (now === count) continue
      if (last !== undefined) gaps.push(pair.now - last)
      last = pair.now
      count = now
    }
    expect(gaps.length).toBeGreaterThan(45)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(3900)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(6100)
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(1000)
  })

  test('a short outage: disconnected, then connected again', () => {
    const pair = joined()
    pair.runFor(100)
    for (const link of [pair.aToB, pair.bToA]) link.addOutage(pair.now, pair.now + 15_000)
    pair.runFor(14_000)
    expect(pair.a.machine.state).toBe('disconnected')
    pair.runFor(10_000)
    expect(pair.a.machine.state).toBe('completed')
    expect(areJoined(pair.a.machine, pair.b.machine)).toBe(true)
  })

  test('data that comes again after a silence ends `disconnected` at once, and has the path asked before its consent ends', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = joined({ seed, link: { latency: 20 } })
      const { machine } = pair.a
      pair.runFor(7000)
      for (const link of [pair.aToB, pair.bToA]) link.addOutage(pair.now, pair.now + 20_000)
      pair.runFor(20_001)
      const [before] = machine.statistics.pairs
      expect([machine.state, before!.valid], `seed ${seed}`).toEqual(['disconnected', true])
      for (let i = 0; i < 3; i++) {
        expect(machine.isValidatedPath(path(B, A))).toBe(true)
        machine.pathAuthenticated(pair.now)
        pair.runFor(1)
        expect(machine.state, `seed ${seed}`).toBe('completed')
      }
      pair.runFor(50)
      const [after] = machine.statistics.pairs
      const asked = after!.requestsSent - before!.requestsSent
      expect(after!.consentRequestsSent, `seed ${seed}`).toBe(before!.consentRequestsSent)
      expect([asked, after!.responsesReceived - before!.responsesReceived], `seed ${seed}`).toEqual([1, 1])
    }
  })

  test('a 403 that is authenticated ends it at once, one that is not does nothing', () => {
    const pair = agents({ link: {} })
    const { machine } = pair.a
    signalBoth(machine, pair.b.machine)
    pair.runUntil(() => areJoined(machine, pair.b.machine))
    pair.bToA.addOutage(pair.now, Number.POSITIVE_INFINITY)
    let request
    for (let now = pair.now; request === undefined; now += 100) {
      machine.handleInput({ kind: 'timeout', now })
      request = sent(machine)[0]
    }
    const transactionId = request.contents.slice(8, 20)
    const respond = (pwd: string): void => {
      const errorCode = { code: 403, reason: 'Forbidden' }
      const integrity = seededCrypto(0).hmac('sha1', encodeUtf8(pwd))
      const contents = writeStun({ class: 'error', method: 1, transactionId, errorCode }, { integrity })
      machine.handleInput(receive(pair.now + 6100, { source: B, destination: A, contents }))
    }
    respond('not the password of the peer')
    expect(machine.isValidatedPath(path(B, A))).toBe(true)
    respond(pair.b.machine.localCredentials.pwd)
    expect(machine.isValidatedPath(path(B, A))).toBe(false)
    expect(machine.state).toBe('failed')
  })

  test('a lite agent sends nothing 30 s after the last request', () => {
    const pair = joined({ b: { lite: true } })
    pair.runFor(1000)
    const lite = pair.b.machine
    pair.aToB.addOutage(pair.now, Number.POSITIVE_INFINITY)
    pair.runFor(30_001)
    expect(lite.selectedPair).toBeUndefined()
    expect(lite.isValidatedPath(path(A, B))).toBe(false)
    expect(lite.state).toBe('failed')
  })
})

describe('a peer that knows no consent', () => {
  const isResponse = (contents: Uint8Array): boolean => (contents[0]! & 1) === 1

  /** The second agent answers checks until it is joined, and none after that. */
  function joinedWithout(seed: number) {
    const pair = joined({ seed, link: { latency: 20 } })
    const original = pair.bToA.send.bind(pair.bToA)
    pair.bToA.send = (now, item) => {
      if (!isResponse(item.contents)) original(now, item)
    }
    return pair
  }

  test('and checks itself is received from and answered, and sent nothing else after 30 s', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = joinedWithout(seed)
      const { machine } = pair.a
      pair.runFor(30_100)
      expect(machine.selectedPair).toBeUndefined()
      const original = pair.aToB.send.bind(pair.aToB)
      let responses = 0
      pair.aToB.send = (now, item) => {
        expect(isResponse(item.contents), `seed ${seed}`).toBe(true)
        responses++
        original(now, item)
      }
      pair.runFor(300_000)
      expect(responses).toBeGreaterThanOrEqual(50)
      expect(machine.state).toBe('disconnected')
      expect(machine.isValidatedPath(path(B, A))).toBe(true)
      expect(pair.b.machine.state).toBe('completed')
      // it falls silent
      pair.bToA.addOutage(pair.now, Number.POSITIVE_INFINITY)
      pair.runFor(10_100)
      expect(machine.state).toBe('failed')
      expect(machine.isValidatedPath(path(B, A))).toBe(false)
      expect(nextAt(machine)).toBe(Infinity)
    }
  })

  test('and sends data alone is received from for as long as it does', () => {
    const pair = joined()
    const { machine } = pair.a
    pair.bToA.addOutage(pair.now, Number.POSITIVE_INFINITY)
    let latest = 0
    for (let i = 0; i < 600; i++) {
      pair.runFor(100)
      expect(machine.isValidatedPath(path(B, A))).toBe(true)
      machine.pathAuthenticated(pair.now)
      if (pair.aToB.statistics.sent > latest) {
        latest = pair.aToB.statistics.sent
        expect(i).toBeLessThan(300)
      }
      expect(machine.state).toBe(i < 299 ? 'completed' : 'disconnected')
    }
    const from = pair.now
    pair.runUntil(() => machine.state === 'failed')
    expect(pair.now - from).toBeLessThanOrEqual(10_000)
    expect(machine.isValidatedPath(path(B, A))).toBe(false)
  })

  test('is given up at once where it withdraws it', () => {
    const pair = joinedWithout(1)
    const { machine } = pair.a
    const requests: Uint8Array[] = []
    const original = pair.aToB.send.bind(pair.aToB)
    pair.aToB.send = (now, item) => {
      if (!isResponse(item.contents)) requests.push(item.contents.slice(8, 20))
      original(now, item)
    }
    pair.runFor(7000)
    const contents = writeStun(
      {
        class: 'error',
        method: 1,
        transactionId: requests.at(-1)!,
        errorCode: { code: 403, reason: 'Forbidden' },
      },
      { integrity: seededCrypto(0).hmac('sha1', encodeUtf8(pair.b.machine.localCredentials.pwd)) },
    )
    machine.handleInput(receive(pair.now, { source: B, destination: A, contents }))
    expect(machine.state).toBe('failed')
    expect(machine.isValidatedPath(path(B, A))).toBe(false)
  })
})

describe('falling back', () => {
  const SECOND = at('203.0.113.9', 7000)

  test('to another pair when the selected one falls silent, and back to a better one', () => {
    const pair = agents({ link: { latency: 5 } })
    const { a, b } = pair
    a.machine.addLocalCandidate(Candidate.host(SECOND))
    signalBoth(a.machine, b.machine)
    pair.runUntil(() => areJoined(a.machine, b.machine))
    pair.runFor(3000)
    const first = a.machine.selectedPair!.source
    expect(a.machine.statistics.pairs.filter(({ valid }) => valid).length).toBe(2)
    // whatever goes over the first pair is lost
    const through = { until: pair.now + 25_000 }
    const original = pair.aToB.send.bind(pair.aToB)
    pair.aToB.send = (now, item) => {
      if (now < through.until && item.source.port === first.port) return
      original(now, item)
    }
    pair.runUntil(() => a.machine.selectedPair!.source.port !== first.port, 20_000)
    pair.runUntil(() => areJoined(a.machine, b.machine), 10_000)
    expect(a.machine.isValidatedPath(path(B, a.machine.selectedPair!.source))).toBe(true)
    // consent of the first still lasted when it came back, and it is the better one
    pair.runUntil(() => a.machine.selectedPair!.source.port === first.port, 20_000)
    pair.runUntil(() => areJoined(a.machine, b.machine), 20_000)
  })

  test('a better pair that comes late is nominated too', () => {
    const pair = agents({ link: { latency: 5 } })
    const { a, b } = pair
    signalBoth(a.machine, b.machine)
    pair.runUntil(() => areJoined(a.machine, b.machine))
    const better = Candidate.host(SECOND, 'udp', { localPreference: 65_535 })
    a.machine.addLocalCandidate(better)
    b.machine.addRemoteCandidate(better)
    pair.runUntil(() => a.machine.selectedPair!.source.port === SECOND.port)
    pair.runUntil(() => areJoined(a.machine, b.machine), 1000)
    expect(b.machine.selectedPair!.remote.address).toEqual(SECOND)
  })
})

describe('S13: the consent that we give', () => {
  const asked = (ufrag: string, pwd: string, peer: string): Uint8Array =>
    writeStun(
      {
        class: 'request',
        method: 1,
        transactionId: seededCrypto(3).randomBytes(12),
        username: `${ufrag}:${peer}`,
        priority: 1,
        iceControlled: 1n,
      },
      { integrity: seededCrypto(0).hmac('sha1', encodeUtf8(pwd)) },
    )

  test('lasts 30 s from an authentic check that was answered, also one of before a restart of the peer, and proves no path', () => {
    const pair = joined()
    const { machine } = pair.a
    const { ufrag, pwd } = machine.localCredentials
    const other = at(B.address, 7000)
    const ask = (password: string): void => {
      const contents = asked(ufrag, password, 'other')
      machine.handleInput(receive(pair.now, { source: other, destination: A, contents }))
    }
    ask('x'.repeat(24))
    expect([machine.isConsentedPath(path(other, A)), sent(machine)]).toEqual([false, []])
    ask(pwd)
    expect(sent(machine)).toHaveLength(1)
    expect([machine.isConsentedPath(path(other, A)), machine.isValidatedPath(path(other, A))]).toEqual([
      true,
      false,
    ])
    expect(machine.isConsentedPath(path(other, A, 'tcp'))).toBe(false)
    expect(machine.isConsentedPath(path(other, at(A.address, 1)))).toBe(false)
    const end = pair.now + 30_000
    pair.runFor(29_999)
    machine.handleInput({ kind: 'timeout', now: end - 1 })
    expect(machine.isConsentedPath(path(other, A))).toBe(true)
    machine.handleInput({ kind: 'timeout', now: end })
    expect(machine.isConsentedPath(path(other, A))).toBe(false)
    expect(machine.isConsentedPath(path(B, A))).toBe(true)
    machine.close()
    expect(machine.isConsentedPath(path(B, A))).toBe(false)
  })

  test('is remembered for the last eight paths', () => {
    const { machine } = joined().a
    const { ufrag, pwd } = machine.localCredentials
    const ports = Array.from({ length: 200 }, (_, i) => 7000 + i)
    for (const [i, port] of ports.entries()) {
      const contents = asked(ufrag, pwd, 'other')
      machine.handleInput(receive(1000 + i, { source: at(B.address, port), destination: A, contents }))
    }
    expect(ports.filter((port) => machine.isConsentedPath(path(at(B.address, port), A)))).toEqual(
      ports.slice(-8),
    )
  })
})
