import { concatBytes, SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Candidate, IceAgent, type IceAgentOptions, IceTcpFraming } from '../src/index.ts'
import { A, areJoined, B, path, seededCrypto, signalBoth } from './support.ts'
import { DISCARD, TcpHosts } from './tcp-hosts.ts'

const ACTIVE = { address: A.address, port: DISCARD }

/** `a` connects, and `b` accepts connections at the address that it has for UDP too. */
function hosts({
  seed = 1,
  a = { controlling: true },
  b = {},
  udp = true,
}: {
  readonly seed?: number
  readonly a?: IceAgentOptions
  readonly b?: IceAgentOptions
  /** Whether there are candidates of UDP. */
  readonly udp?: boolean
} = {}): TcpHosts {
  const first = new IceAgent({ crypto: seededCrypto(2 * seed), ...a })
  const second = new IceAgent({ crypto: seededCrypto(2 * seed + 1), ...b })
  if (udp) {
    first.addLocalCandidate(Candidate.host(A))
    second.addLocalCandidate(Candidate.host(B))
  }
  first.addLocalCandidate(Candidate.host(ACTIVE, 'tcp', { tcpType: 'active' }))
  second.addLocalCandidate(Candidate.host(B, 'tcp'))
  signalBoth(first, second)
  return new TcpHosts(first, second, seed)
}

function join(network: TcpHosts, within = 30_000): boolean {
  const { a, b } = network
  return network.runUntil(() => areJoined(a.agent, b.agent), network.now + within)
}

describe('a candidate of TCP', () => {
  it('is written with who connects (RFC 6544 section 4.5)', () => {
    const passive = Candidate.host('192.0.2.1:443', 'tcp')
    const active = Candidate.host('192.0.2.1:9', 'tcp', { tcpType: 'active' })
    expect(passive.toString()).toMatch(/^candidate:\d+ 1 tcp \d+ 192\.0\.2\.1 443 typ host tcptype passive$/)
    expect(active.toString()).toMatch(/^candidate:\d+ 1 tcp \d+ 192\.0\.2\.1 9 typ host tcptype active$/)
    expect(Candidate.parse(passive.toString())).toEqual(passive)
    expect(passive.foundation).not.toBe(Candidate.host('192.0.2.1:443').foundation)
    // the two are of one type, base address and transport
    expect(passive.foundation).toBe(active.foundation)
  })

  it('is preferred to a relay, and UDP to it (section 4.2)', () => {
    const priorities = [
      Candidate.host('192.0.2.1:5000'),
      Candidate.serverReflexive('203.0.113.1:5000', '192.0.2.1:5000'),
      Candidate.host('[2001:db8::1]:9', 'tcp', { tcpType: 'active' }),
      Candidate.host('192.0.2.1:9', 'tcp', { tcpType: 'active' }),
      Candidate.host('[2001:db8::1]:443', 'tcp'),
      Candidate.host('192.0.2.1:443', 'tcp'),
      Candidate.host('127.0.0.1:443', 'tcp'),
      Candidate.relayed('203.0.113.2:5000', '203.0.113.1:5000'),
    ].map(({ priority }) => priority)
    expect(priorities).toEqual(priorities.toSorted((x, y) => y - x))
    expect(new Set(priorities).size).toBe(priorities.length)
    expect(Candidate.host('192.0.2.1:443', 'tcp', { localPreference: 7 }).priority).toBe(
      90 * 2 ** 24 + 7 * 256 + 255,
    )
  })

  it.each([
    ['invalid-option', () => Candidate.host('192.0.2.1:1', 'tcp', { tcpType: 'so' as 'active' })],
    ['invalid-address', () => Candidate.host('0.0.0.0:443', 'tcp')],
    ['invalid-address', () => Candidate.host('192.0.2.1:0', 'tcp')],
  ])('%s', (code, make) => {
    expect(make).toThrow(expect.objectContaining({ code }))
  })

  it('of the peer is taken where it is passive, and of ours where it is not simultaneous-open', () => {
    const agent = new IceAgent()
    const remote = (tcpType: string): boolean =>
      agent.addRemoteCandidate(Candidate.parse(`candidate:1 1 TCP 1 192.0.2.9 443 typ host${tcpType}`)!)
    expect(remote(' tcptype passive')).toBe(true)
    expect(remote(' tcptype PASSIVE')).toBe(true)
    for (const other of [' tcptype active', ' tcptype so', ' tcptype x', ''])
      expect(remote(other)).toBe(false)
    const so = Candidate.parse('candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype so')!
    expect(() => agent.addLocalCandidate(so)).toThrow(expect.objectContaining({ code: 'invalid-candidate' }))
  })
})

describe('where there is no UDP', () => {
  it.each([
    ['who connects is the controlling one', {}],
    ['who accepts is the controlling one', { a: {}, b: { controlling: true } }],
    ['who accepts is lite', { b: { lite: true } }],
    ['both have candidates of TCP alone', { udp: false }],
  ])('%s: they are joined by TCP', (_, setup) => {
    for (let seed = 1; seed <= 10; seed++) {
      const network = hosts({ ...setup, seed })
      expect(join(network), `seed ${seed}`).toBe(true)
      const { a, b } = network
      expect(network.connections, `seed ${seed}`).toHaveLength(1)
      const { from } = network.connections[0]!
      // the port that it has connected from is learned by both: section 7.1 and 7.2
      expect(a.agent.selectedPair).toMatchObject({
        local: { type: 'prflx', protocol: 'tcp', tcpType: 'active', address: from, base: ACTIVE },
        remote: { type: 'host', protocol: 'tcp', tcpType: 'passive' },
        source: ACTIVE,
        destination: B,
      })
      expect(b.agent.selectedPair).toMatchObject({
        local: { type: 'host', protocol: 'tcp', tcpType: 'passive' },
        remote: { type: 'prflx', protocol: 'tcp', tcpType: 'active', address: from },
        source: B,
        destination: from,
      })
    }
  })

  it('nothing is sent twice (section 7.1), and consent is kept up', () => {
    const network = hosts()
    join(network)
    network.runFor(120_000)
    const { a, b } = network
    expect([a.agent.state, b.agent.state]).toEqual(['completed', 'completed'])
    expect(network.connections).toHaveLength(1)
    for (const { agent } of [a, b]) {
      const pairs = agent.statistics.pairs.filter(({ pair }) => pair.remote.protocol === 'tcp')
      expect(pairs).toHaveLength(1)
      expect(pairs[0]).toMatchObject({ retransmissionsSent: 0, valid: true })
      expect(pairs[0]!.consentRequestsSent).toBeGreaterThan(20)
    }
  })

  it('no check goes out of the candidate that accepts, before the peer has connected (section 6.2)', () => {
    const network = hosts()
    network.accepts = false
    network.runFor(5000)
    expect(network.b.agent.statistics.pairs.filter(({ pair }) => pair.remote.protocol === 'tcp')).toEqual([])
    expect(network.sent.length).toBe(1)
    expect(network.sent[0]).toMatchObject({ source: ACTIVE, destination: B })
  })

  it('a connection that is refused is no way, and says so', () => {
    const network = hosts({ udp: false })
    network.accepts = false
    network.runFor(60_000)
    expect(network.a.agent.state).toBe('failed')
  })

  it('a connection that is lost is made again, from another port', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const network = hosts({ seed })
      join(network)
      const { a, b } = network
      network.runFor(10_000)
      network.cut()
      expect(
        network.runUntil(() => b.agent.selectedPair?.destination.port === 40_001, network.now + 15_000),
        `seed ${seed}`,
      ).toBe(true)
      network.runFor(20_000)
      expect(areJoined(a.agent, b.agent), `seed ${seed}`).toBe(true)
      expect(b.agent.isValidatedPath(path({ ...A, port: 40_001 }, B, 'tcp'))).toBe(true)
    }
  })
})

describe('where there is UDP too', () => {
  it('that is used, though one address has both, and a path of one is none of the other', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const network = hosts({ seed })
      network.udp = true
      expect(join(network), `seed ${seed}`).toBe(true)
      network.runFor(5000)
      const { a, b } = network
      for (const { agent } of [a, b]) expect(agent.selectedPair?.remote.protocol).toBe('udp')
      expect(b.agent.isValidatedPath(path(A, B))).toBe(true)
      expect(b.agent.isValidatedPath(path(A, B, 'tcp'))).toBe(false)
      const { from } = network.connections[0]!
      expect(b.agent.isValidatedPath(path(from, B, 'tcp'))).toBe(true)
      expect(b.agent.isValidatedPath(path(from, B))).toBe(false)
    }
  })

  it('TCP is what is left where UDP is no more', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const network = hosts({ seed })
      network.udp = true
      join(network)
      network.runFor(20_000)
      network.udp = false
      const { a, b } = network
      const isTcp = (): boolean => [a, b].every(({ agent }) => agent.selectedPair?.remote.protocol === 'tcp')
      expect(network.runUntil(isTcp, network.now + 30_000), `seed ${seed}`).toBe(true)
      expect([a, b].some(({ agent }) => agent.state === 'failed')).toBe(false)
    }
  })

  it('a request that came by TCP is answered by TCP, and its answer is none by UDP', () => {
    const network = hosts()
    const { a, b } = network
    network.runUntil(() => network.sent.length > 0, 5000)
    const [request] = network.sent
    const input = {
      kind: 'receive',
      now: network.now,
      source: { ...A, port: 40_000 },
      destination: B,
    } as const
    b.agent.handleInput({ ...input, proto: 'tcp', contents: request!.contents.slice() })
    const answers = []
    for (let output = b.agent.pollOutput(); output.kind !== 'timeout'; output = b.agent.pollOutput())
      if (output.kind === 'transmit' && output.proto === 'tcp') answers.push(output)
    expect(answers[0]).toMatchObject({ source: B, destination: { ...A, port: 40_000 } })
    const answer = { ...input, source: B, destination: ACTIVE, contents: answers[0]!.contents }
    a.agent.handleInput({ ...answer, proto: 'udp', contents: answer.contents.slice() })
    expect(a.agent.statistics.dropped.asymmetric).toBe(1)
  })
})

describe('the framing of a connection', () => {
  it('gives back what was put in, however it is cut', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new SeededRandom(seed)
      const datagrams = Array.from({ length: 40 }, () => {
        const length = random.integer(random.chance(0.1) ? 0x1_0000 : 300)
        const datagram = new Uint8Array(length)
        random.fill(datagram)
        return datagram
      })
      const stream = Uint8Array.from(datagrams.flatMap((datagram) => [...IceTcpFraming.frame(datagram)]))
      const framing = new IceTcpFraming()
      const read: Uint8Array[] = []
      for (let at = 0; at < stream.length;) {
        const piece = stream.slice(at, at + 1 + random.integer(random.chance(0.5) ? 3 : 4000))
        at += piece.length
        read.push(...framing.read(piece))
      }
      expect(
        read.map((datagram) => datagram.length),
        `seed ${seed}`,
      ).toEqual(datagrams.map(({ length }) => length).filter((length) => length > 0))
      expect(Buffer.compare(concatBytes(read), concatBytes(datagrams)), `seed ${seed}`).toBe(0)
    }
  })

  it('keeps no more than one datagram that is not complete', () => {
    const framing = new IceTcpFraming()
    const frame = IceTcpFraming.frame(new Uint8Array(0xffff).fill(7))
    for (let i = 0; i < frame.length - 1; i++) expect(framing.read(frame.slice(i, i + 1))).toEqual([])
    expect(framing.read(frame.slice(-1))).toEqual([frame.subarray(2)])
    expect(() => IceTcpFraming.frame(new Uint8Array(0x1_0000))).toThrow(
      expect.objectContaining({ code: 'too-long' }),
    )
  })
})
