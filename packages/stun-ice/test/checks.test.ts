import { encodeUtf8 } from '@str0m/sans-io'
import { describe, expect, test } from 'vitest'
import {
  Candidate,
  IceAgent,
  type IceTransmit,
  parseStun,
  type ReceivedStun,
  type StunMessage,
  verifyStunIntegrity,
  writeStun,
} from '../src/index.ts'
import { A, agents, areJoined, at, B, nextAt, receive, seededCrypto, sent, signalBoth } from './support.ts'

const PEER = { ufrag: 'peer', pwd: 'p'.repeat(24) }
const crypto = seededCrypto(5)

/** An agent whose peer is played by the test. */
class Script {
  readonly agent: IceAgent
  now = 0

  constructor(options: ConstructorParameters<typeof IceAgent>[0] = {}) {
    this.agent = new IceAgent({ crypto: seededCrypto(4), controlling: true, ...options })
    this.agent.addLocalCandidate(Candidate.host(A))
    this.agent.setRemoteCredentials(PEER)
  }

  /** What is sent by `now`. */
  until(now: number): IceTransmit[] {
    const datagrams = sent(this.agent)
    for (let at = nextAt(this.agent); at <= now; at = nextAt(this.agent)) {
      this.now = Math.max(this.now, at)
      this.agent.handleInput({ kind: 'timeout', now: this.now })
      datagrams.push(...sent(this.agent))
    }
    this.now = now
    return datagrams
  }

  requests(now: number): ReceivedStun[] {
    return this.until(now).map(({ contents }) => read(contents))
  }

  answer(request: IceTransmit, fields: Partial<StunMessage> = {}): void {
    const transactionId = request.contents.slice(8, 20)
    const { source, destination } = request
    const message = {
      class: 'success',
      method: 1,
      transactionId,
      xorMappedAddress: source,
      ...fields,
    } as const
    const contents = writeStun(message, { integrity: crypto.hmac('sha1', encodeUtf8(PEER.pwd)) })
    this.agent.handleInput(receive(this.now, { source: destination, destination: source, contents }))
  }

  ask(fields: Partial<StunMessage> = {}, source = B, hash: 'sha1' | 'sha256' = 'sha1'): void {
    const { ufrag, pwd } = this.agent.localCredentials
    const message: StunMessage = {
      class: 'request',
      method: 1,
      transactionId: crypto.randomBytes(12),
      username: `${ufrag}:${PEER.ufrag}`,
      priority: 1_862_270_975,
      [this.agent.controlling ? 'iceControlled' : 'iceControlling']: 7n,
      ...fields,
    }
    const contents = writeStun(message, { integrity: crypto.hmac(hash, encodeUtf8(pwd)) })
    this.agent.handleInput(receive(this.now, { source, destination: A, contents }))
  }
}

function read(contents: Uint8Array): ReceivedStun {
  const message = parseStun(contents)
  if (typeof message === 'string') throw new Error(message)
  return message
}

describe('a check', () => {
  test('is what RFC 8445 section 7.2.4 has, and is retransmitted after RFC 8489 section 6.2.1', () => {
    const script = new Script()
    script.agent.addRemoteCandidate(Candidate.host(B))
    const [first] = script.requests(0)
    expect(first).toMatchObject({
      class: 'request',
      username: `peer:${script.agent.localCredentials.ufrag}`,
      fingerprint: true,
    })
    expect(Math.floor(first!.priority! / 2 ** 24)).toBe(110)
    expect(first!.iceControlling).toBeTypeOf('bigint')
    expect(first!.useCandidate).toBeUndefined()
    const times: number[] = []
    for (let now = 0; now <= 40_000; now += 100) {
      for (const request of script.requests(now)) {
        times.push(now)
        expect(request.transactionId).toEqual(first!.transactionId)
      }
    }
    expect(times).toEqual([500, 1500, 3500, 7500, 15_500, 31_500])
    expect(script.agent.state).toBe('failed')
  })

  test('what was sent is the caller’s: changing it does not change the retransmission', () => {
    const script = new Script()
    script.agent.addRemoteCandidate(Candidate.host(B))
    const [first] = script.until(0)
    const copy = first!.contents.slice()
    first!.contents.fill(0)
    expect(script.until(500)[0]!.contents).toEqual(copy)
  })

  test('a request of the peer triggers one at once, and the answer to the old one still counts', () => {
    const script = new Script()
    script.agent.addRemoteCandidate(Candidate.host(B))
    const [first] = script.until(0)
    script.now = 100
    script.ask()
    const [response, triggered] = script.until(100)
    expect(read(response!.contents)).toMatchObject({ class: 'success', xorMappedAddress: B })
    expect(read(triggered!.contents).class).toBe('request')
    expect(read(triggered!.contents).transactionId).not.toEqual(read(first!.contents).transactionId)
    script.now = 120
    script.answer(first!)
    expect(script.agent.selectedPair?.destination).toEqual(B)
    expect(script.agent.statistics.pairs[0]).toMatchObject({
      currentRoundTripTime: 0.12,
      totalRoundTripTime: 0.12,
    })
  })

  test('requests are counted once, and by themselves how often they were sent again', () => {
    const script = new Script()
    script.agent.addRemoteCandidate(Candidate.host(B))
    expect(script.until(10_000).length).toBeGreaterThan(3)
    const { requestsSent, retransmissionsSent } = script.agent.statistics.pairs[0]!
    expect(requestsSent).toBe(1)
    expect(retransmissionsSent).toBeGreaterThan(2)
  })

  test('the mapped address tells the local candidate as the peer sees it', () => {
    const script = new Script()
    script.agent.addRemoteCandidate(Candidate.host(B))
    script.answer(script.until(0)[0]!, { xorMappedAddress: at('203.0.113.5', 999) })
    expect(script.agent.selectedPair).toMatchObject({
      source: A,
      local: { type: 'prflx', address: { address: '203.0.113.5', port: 999 }, base: A },
    })
  })

  test('tells what gathering tells later: the candidate is taken for all that, and signalled', () => {
    const script = new Script()
    script.agent.addRemoteCandidate(Candidate.host(B))
    const mapped = at('203.0.113.5', 999)
    script.answer(script.until(0)[0]!, { xorMappedAddress: mapped })
    const reflexive = Candidate.serverReflexive(mapped, A)
    expect(script.agent.addLocalCandidate(reflexive)).toBe(true)
    expect(script.agent.addLocalCandidate(reflexive)).toBe(false)
    expect(script.agent.localCandidates).toContain(reflexive)
    expect(script.agent.statistics.pairs.length).toBe(1)
  })

  test('that is refused fails the pair, one with 487 changes the role and is repeated', () => {
    const script = new Script()
    script.agent.addRemoteCandidate(Candidate.host(B))
    script.answer(script.until(0)[0]!, { class: 'error', errorCode: { code: 487, reason: '' } })
    expect(script.agent.controlling).toBe(false)
    const [again] = script.until(10)
    expect(read(again!.contents).iceControlled).toBeTypeOf('bigint')
    script.answer(again!, { class: 'error', errorCode: { code: 400, reason: '' } })
    expect(script.agent.statistics.pairs[0]?.state).toBe('failed')
    // a request of the peer brings it back: RFC 8445 section 7.3.1.4
    script.ask()
    expect(script.agent.statistics.pairs[0]?.state).toBe('in-progress')
  })

  test('that is refused with 487 in either role, again and again, fails like any other', () => {
    const script = new Script()
    for (let port = 1; port <= 5; port++) script.agent.addRemoteCandidate(Candidate.host(at(B.address, port)))
    let requests = 0
    while (script.now < 60_000) {
      for (const request of script.until(script.now + 10)) {
        requests++
        script.answer(request, { class: 'error', errorCode: { code: 487, reason: '' } })
      }
    }
    expect(script.agent.state).toBe('failed')
    expect(requests).toBeLessThanOrEqual(5 + 8 * 5)
    expect(nextAt(script.agent)).toBe(Infinity)
  })

  test('of another generation of the peer is answered, and triggers none', () => {
    const script = new Script()
    script.ask({ username: `${script.agent.localCredentials.ufrag}:other` })
    expect(script.until(0).map(({ contents }) => read(contents).class)).toEqual(['success'])
  })

  test('with MESSAGE-INTEGRITY-SHA256 is answered with it: RFC 8489 section 9.1.3', () => {
    const script = new Script()
    script.ask({}, B, 'sha256')
    const [response] = script.until(0)
    const message = read(response!.contents)
    expect(message).toMatchObject({ class: 'success', integrityAt: -1 })
    const { pwd } = script.agent.localCredentials
    expect(verifyStunIntegrity(message, crypto.hmac('sha256', encodeUtf8(pwd)))).toBe(true)
    expect(script.agent.statistics.pairs[0]?.requestsReceived).toBe(1)
  })

  test('without PRIORITY is taken as the least of its type', () => {
    const script = new Script()
    script.ask({ priority: undefined })
    expect(script.agent.statistics.pairs[0]?.pair.remote.priority).toBe(110 * 2 ** 24)
  })
})

describe('nomination by the controlling agent', () => {
  test('of the first that works after 50 ms, where a better one is still open', () => {
    const script = new Script()
    const better = Candidate.host('203.0.113.9:9', 'udp', { localPreference: 65_535 })
    const worse = Candidate.host(B, 'udp', { localPreference: 1 })
    script.agent.addRemoteCandidate(better)
    script.agent.addRemoteCandidate(worse)
    const [toBetter, toWorse] = script.until(50)
    script.answer(toWorse!)
    expect(script.agent.selectedPair).toMatchObject({ destination: B, nominated: false })
    expect(script.until(99)).toEqual([])
    const [nomination] = script.until(100)
    expect(read(nomination!.contents).useCandidate).toBe(true)
    script.answer(nomination!)
    expect(script.agent.selectedPair).toMatchObject({ destination: B, nominated: true })
    // the better one works after all
    script.answer(toBetter!)
    const [second] = script.until(110)
    expect(second!.destination).toEqual(better.address)
    expect(read(second!.contents).useCandidate).toBe(true)
    script.answer(second!)
    expect(script.agent.selectedPair).toMatchObject({ destination: better.address, nominated: true })
  })

  test('is repeated every second until it is answered, or there is no consent', () => {
    const script = new Script()
    script.agent.addRemoteCandidate(Candidate.host(B))
    script.answer(script.until(0)[0]!)
    const ids = new Set(
      script
        .requests(9000)
        .filter(({ useCandidate }) => useCandidate)
        .map((m) => m.transactionId.join()),
    )
    expect(ids.size).toBe(10)
    script.until(30_000)
    expect(script.agent.state).toBe('failed')
    expect(script.until(100_000)).toEqual([])
  })

  test('that is refused ends the pair', () => {
    const script = new Script()
    script.agent.addRemoteCandidate(Candidate.host(B))
    script.answer(script.until(0)[0]!)
    script.answer(script.until(5)[0]!, { class: 'error', errorCode: { code: 400, reason: '' } })
    expect(script.agent.selectedPair).toBeUndefined()
  })
})

describe('nomination by the peer', () => {
  const controlled = (): Script => new Script({ controlling: false })

  test('before the check has succeeded: nominated with its success', () => {
    const script = controlled()
    script.ask({ useCandidate: true })
    const [, check] = script.until(0)
    expect(script.agent.selectedPair).toBeUndefined()
    script.answer(check!)
    expect(script.agent.selectedPair).toMatchObject({ nominated: true })
  })

  test('aggressive, of several: the highest priority is used', () => {
    const script = controlled()
    const [low, high] = [at(B.address, 1), at(B.address, 2)]
    script.ask({ useCandidate: true, priority: 1000 }, low)
    script.answer(script.until(0)[1]!)
    expect(script.agent.selectedPair?.destination).toEqual(low)
    script.ask({ useCandidate: true, priority: 2000 }, high)
    const check = script
      .until(10)
      .find(({ destination, contents }) => destination.port === 2 && read(contents).class === 'request')
    script.answer(check!)
    expect(script.agent.selectedPair?.destination).toEqual(high)
    script.ask({ useCandidate: true, priority: 1000 }, low)
    expect(script.agent.selectedPair?.destination).toEqual(high)
  })

  test('data may go on a valid pair before any nomination: RFC 8445 section 12.1', () => {
    const script = controlled()
    script.ask()
    script.answer(script.until(0)[1]!)
    expect(script.agent.selectedPair).toMatchObject({ nominated: false })
    expect(script.agent.state).toBe('connected')
  })

  test('that moves to a worse pair, as one whose network costs less: data follows', () => {
    for (const lite of [false, true]) {
      const script = new Script({ controlling: false, lite })
      const [low, high] = [at(B.address, 1), at(B.address, 2)]
      const run = (ms: number, nominated: typeof low): void => {
        for (const end = script.now + ms; script.now < end;) {
          script.ask({ useCandidate: nominated === low, priority: 1000 }, low)
          script.ask({ useCandidate: nominated === high, priority: 2000 }, high)
          for (const datagram of script.until(script.now + 500)) {
            if (read(datagram.contents).class === 'request') script.answer(datagram)
          }
        }
      }
      for (const nominated of [low, high, low, high]) {
        run(10_000, nominated)
        expect(script.agent.selectedPair).toMatchObject({ destination: nominated, nominated: true })
      }
    }
  })

  test('of a worse pair, since the better one is dead: data follows in seconds', () => {
    const script = controlled()
    const [low, high] = [at(B.address, 1), at(B.address, 2)]
    const alive = new Set([low.port, high.port])
    const selected = (): number | undefined => script.agent.selectedPair?.destination.port
    /** The peer answers what reaches it, and nominates a pair every half second. */
    const run = (ms: number, nominated: typeof low, priority: number): void => {
      for (const end = script.now + ms; script.now < end;) {
        if (script.now % 500 === 0) script.ask({ useCandidate: true, priority }, nominated)
        for (const datagram of script.until(script.now + 50)) {
          const isRequest = read(datagram.contents).class === 'request'
          if (isRequest && alive.has(datagram.destination.port)) script.answer(datagram)
        }
      }
    }
    run(500, low, 1000)
    run(20_000, high, 2000)
    expect(selected()).toBe(high.port)
    // of two that answer the better one is used, whichever the peer has named last: RFC 8445 section 8.1.1
    const before = script.agent.statistics.pairs[0]!.requestsSent
    for (let i = 0; i < 200; i++) {
      run(100, low, 1000)
      expect(selected()).toBe(high.port)
    }
    expect(script.agent.statistics.pairs[0]!.requestsSent - before).toBeLessThanOrEqual(20_000 / 2000 + 1)
    alive.delete(high.port)
    run(5000, low, 1000)
    expect(selected()).toBe(low.port)
    expect(script.agent.statistics.pairs[0]).toMatchObject({ valid: true, pair: { destination: high } })
    alive.add(high.port)
    run(10_000, low, 1000)
    expect(selected()).toBe(high.port)
  })

  test('of a peer whose NAT gives it another port in mid-call: data follows it at once', () => {
    for (const controlling of [false, true]) {
      const script = new Script({ controlling })
      const moved = at(B.address, B.port + 1)
      for (const source of [B, moved]) {
        script.now += 1000
        const useCandidate = !controlling
        script.ask({ useCandidate }, source)
        // two checks: in the second the controlling side nominates
        for (let i = 0; i < 2; i++) {
          const checks = script.until(script.now + 20)
          const check = checks.find(({ contents }) => read(contents).class === 'request')
          if (check !== undefined) script.answer(check)
        }
        expect(script.agent.selectedPair).toMatchObject({ destination: source, nominated: true })
      }
    }
  })

  test.each([true, false])(
    'of a peer whose NAT gives another port to a candidate that it has told: data follows in seconds (controlling %s)',
    (controlling) => {
      const script = new Script({ controlling })
      script.agent.addRemoteCandidate(Candidate.host(B))
      const moved = at(B.address, B.port + 1)
      /** The peer checks its path every five seconds, and answers what reaches it. */
      const run = (ms: number, source: typeof B): void => {
        for (const end = script.now + ms; script.now < end;) {
          if (script.now % 5000 === 1000) script.ask({ useCandidate: !controlling }, source)
          for (const datagram of script.until(script.now + 50)) {
            const isRequest = read(datagram.contents).class === 'request'
            if (isRequest && datagram.destination.port === source.port) script.answer(datagram)
          }
        }
      }
      run(40_000, B)
      expect(script.agent.selectedPair).toMatchObject({ destination: B, nominated: true })
      const before = script.agent.statistics.pairs[0]!.requestsSent
      run(40_000, B)
      // a check every five seconds: the path is not asked for more often than before
      expect(script.agent.statistics.pairs[0]!.requestsSent - before).toBeLessThanOrEqual(11)
      // its checks by the new port come after one second and after six: at the first, the old path may have been heard of just before
      run(9000, moved)
      expect(script.agent.selectedPair).toMatchObject({ destination: moved })
      run(1000, moved)
      expect(script.agent.selectedPair).toMatchObject({ destination: moved, nominated: true })
    },
  )

  test('of a peer that moves more often than there may be candidates: each new path is taken', () => {
    for (const lite of [false, true]) {
      const script = new Script({ controlling: false, lite })
      for (let i = 0; i < 300; i++) {
        const source = at(B.address, 10_000 + i)
        script.ask({ useCandidate: true }, source)
        const checks = script.until(script.now + 20)
        const check = checks.find(({ contents }) => read(contents).class === 'request')
        if (check !== undefined) script.answer(check)
        expect(script.agent.selectedPair, `${i}`).toMatchObject({ destination: source, nominated: true })
        expect(script.agent.statistics.pairs.length).toBeLessThanOrEqual(100)
        script.until(script.now + 10_000)
      }
      expect(script.agent.statistics.dropped.limit).toBe(0)
    }
  })

  test('of a valid pair that has been silent: it is checked again', () => {
    const script = controlled()
    script.ask()
    script.answer(script.until(0)[1]!)
    script.until(20_000)
    const before = script.agent.statistics.pairs[0]!.requestsSent
    script.ask({ useCandidate: true })
    expect(script.agent.statistics.pairs[0]!.requestsSent).toBe(before + 1)
  })
})

describe('both families', () => {
  test('IPv6 is preferred where both work, IPv4 is used where it does not', () => {
    for (const works of [true, false]) {
      const pair = agents({ link: { latency: 10 } })
      const [a, b] = [pair.a.machine, pair.b.machine]
      a.addLocalCandidate(Candidate.host('[2001:db8::1]:5000'))
      b.addLocalCandidate(Candidate.host('[2001:db8::2]:6000'))
      const send = pair.aToB.send.bind(pair.aToB)
      pair.aToB.send = (now, item) => {
        if (works || !item.destination.address.includes(':')) send(now, item)
      }
      signalBoth(a, b)
      pair.runUntil(() => areJoined(a, b), 1000)
      pair.runFor(500)
      expect(a.selectedPair?.source.address.includes(':')).toBe(works)
      expect(areJoined(a, b)).toBe(true)
    }
  })
})

describe('bounds', () => {
  test('the answer to a check of a pair that made room for a better one is dropped', () => {
    const script = new Script({ maxPairs: 1 })
    script.agent.addRemoteCandidate(Candidate.host(B, 'udp', { localPreference: 1 }))
    const [check] = script.until(0)
    // all retransmissions are over: the pair has failed, and a better one takes its place
    script.answer(check!, { class: 'error', errorCode: { code: 500, reason: '' } })
    script.ask()
    const [, again] = script.until(0)
    expect(again).toBeUndefined()
    const [late] = script.until(5)
    script.answer(late!, { class: 'error', errorCode: { code: 500, reason: '' } })
    script.agent.addRemoteCandidate(Candidate.host('203.0.113.9:9', 'udp', { localPreference: 9 }))
    expect(script.agent.statistics.pairs.map(({ pair }) => pair.destination.port)).toEqual([9])
    script.answer(check!)
    expect(script.agent.selectedPair).toBeUndefined()
  })

  test('a pair that has failed makes room for any other: RFC 8838 section 11', () => {
    const script = new Script({ maxPairs: 2 })
    const remote = (localPreference: number): Candidate =>
      Candidate.host(at(B.address, localPreference), 'udp', { localPreference })
    script.agent.addRemoteCandidate(remote(30))
    script.agent.addRemoteCandidate(remote(20))
    const [first] = script.until(0)
    script.answer(first!, { class: 'error', errorCode: { code: 500, reason: '' } })
    script.agent.addRemoteCandidate(remote(10))
    expect(script.agent.statistics.pairs.map(({ pair }) => pair.destination.port)).toEqual([20, 10])
  })

  test('a pair of the lowest priority is not taken at the bound', () => {
    const script = new Script({ maxPairs: 2 })
    for (const localPreference of [30, 20, 10]) {
      script.agent.addRemoteCandidate(
        Candidate.host(at(B.address, localPreference), 'udp', { localPreference }),
      )
    }
    expect(script.agent.statistics.pairs.map(({ pair }) => pair.destination.port)).toEqual([30, 20])
  })
})

describe('a request of another peer that has the offer', () => {
  test('changes neither role nor pairs', () => {
    const script = new Script()
    script.ask({
      username: `${script.agent.localCredentials.ufrag}:other`,
      iceControlled: undefined,
      iceControlling: 2n ** 64n - 1n,
    })
    expect(script.agent.controlling).toBe(true)
    expect(script.agent.statistics.pairs).toEqual([])
  })
})
