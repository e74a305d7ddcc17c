import { SeededRandom, socketAddress, type SocketAddress } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Candidate, type Receive, Rtc, RtcRouter, type Transmit } from '../src/index.ts'
import { DeadlineHeap, type Scheduled } from '../src/deadline-heap.ts'
import { MAX_ADDRESSES_PER_PEER } from '../src/rtc-router.ts'
import { BrowserPeer, fixture } from './browser-peer.ts'
import { received, RTC_ADDRESS, seededCrypto } from './harness.ts'

/** A router and its callers, each with an address of its own, on a network without delay. */
class Server {
  readonly router = new RtcRouter()
  readonly callers: { rtc: Rtc; peer: BrowserPeer; address: string }[] = []
  readonly closed: Rtc[] = []
  now = 0

  readonly #arriving: (input: Receive) => Receive

  /** `arriving`: how the socket reports what comes. */
  constructor(arriving: (input: Receive) => Receive = (input) => input) {
    this.#arriving = arriving
  }

  call(address: string): { rtc: Rtc; peer: BrowserPeer; address: string } {
    const seed = this.callers.length + 1
    const rtc = new Rtc({ crypto: seededCrypto(2 * seed) })
    rtc.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
    const peer = new BrowserPeer(fixture('chromium-offer.sdp'), address, seededCrypto(2 * seed + 1))
    peer.accept(rtc.acceptOffer(peer.offer()))
    this.router.add(rtc)
    const caller = { rtc, peer, address }
    this.callers.push(caller)
    return caller
  }

  /** One step of `ms`; answers the datagrams that went to nobody. */
  step(ms: number): Transmit[] {
    const lost: Transmit[] = []
    this.now += ms
    this.router.handleInput({ kind: 'timeout', now: this.now })
    for (const { peer } of this.callers) peer.handleInput({ kind: 'timeout', now: this.now })
    for (let moved = true; moved;) {
      moved = false
      for (let out = this.router.pollOutput(); out.kind !== 'timeout'; out = this.router.pollOutput()) {
        moved = true
        if (out.kind === 'event') {
          if (out.event.type === 'closed') this.closed.push(out.rtc)
          continue
        }
        const to = this.callers.find(
          ({ address }) => address === `${out.destination.address}:${out.destination.port}`,
        )
        if (to === undefined) lost.push(out)
        else to.peer.handleInput(received(this.now, out))
      }
      for (const { peer } of this.callers) {
        for (let out = peer.pollOutput(); out.kind !== 'timeout'; out = peer.pollOutput()) {
          moved = true
          if (out.kind === 'transmit') this.router.handleInput(this.#arriving(received(this.now, out)))
        }
      }
    }
    return lost
  }

  connect(): void {
    for (let i = 0; i < 200 && !this.callers.every(({ rtc }) => rtc.connected || rtc.closed); i++)
      this.step(10)
  }
}

describe('many peers on one socket', () => {
  it('each connect, and each datagram finds its peer', () => {
    const server = new Server()
    for (let i = 0; i < 50; i++) server.call(`198.51.100.${i + 1}:${7000 + (i % 3)}`)
    server.connect()
    expect(server.callers.every(({ rtc }) => rtc.connected)).toBe(true)
    expect(server.router.unrouted).toBe(0)
    server.callers.forEach(({ peer }, i) => {
      peer.sendRtp({
        pt: 111,
        ssrc: 1000 + i,
        sequenceNumber: 1,
        timestamp: 0,
        payload: Uint8Array.of(1),
        mid: [4, '0'],
      })
    })
    server.step(10)
    server.callers.forEach(({ rtc }, i) => {
      expect(rtc.statistics.inbound.map(({ ssrc }) => ssrc)).toEqual([1000 + i])
    })
  })

  it('stay connected for as long as they are idle, and the answer to each check finds its peer', () => {
    const server = new Server()
    for (let i = 0; i < 3; i++) server.call(`198.51.100.${i + 1}:7000`)
    server.connect()
    const before = server.callers.map(({ rtc }) => rtc.statistics.ice.pairs[0]!)
    for (let i = 0; i < 600; i++) server.step(500)
    server.callers.forEach(({ rtc }, i) => {
      const [pair] = rtc.statistics.ice.pairs
      const sent = pair!.requestsSent - before[i]!.requestsSent
      // RFC 7675 section 5.1: every 4 to 6 s
      expect(sent).toBeGreaterThanOrEqual(300 / 6)
      expect(sent).toBeLessThanOrEqual(300 / 4)
      expect(pair!.responsesReceived - before[i]!.responsesReceived).toBe(sent)
      expect(rtc.connected).toBe(true)
    })
    expect(server.router.unrouted).toBe(0)
  })

  it('go by their new user name after an ICE restart', () => {
    const server = new Server()
    const { rtc, peer } = server.call('198.51.100.1:7000')
    server.connect()
    peer.transport.ice.restart()
    peer.accept(rtc.acceptOffer(peer.offer()))
    server.router.changed(rtc)
    for (let i = 0; i < 100; i++) server.step(50)
    expect(rtc.connected).toBe(true)
    expect(['connected', 'completed']).toContain(rtc.iceState)
  })

  it('are forgotten when they are closed, by either side', () => {
    const server = new Server()
    const [first, second] = [server.call('198.51.100.1:7000'), server.call('198.51.100.2:7000')]
    server.connect()
    first.rtc.close()
    server.router.changed(first.rtc)
    server.step(10)
    second.peer.transport.close()
    server.step(10)
    expect(server.closed).toEqual([first.rtc, second.rtc])
    expect(server.router.size).toBe(0)
    // nobody is at the address any more
    server.router.handleInput(datagram(second.address, Uint8Array.of(0x80, 111)))
    expect(server.router.unrouted).toBeGreaterThan(0)
  })

  it('are removed at once', () => {
    const server = new Server()
    const { rtc } = server.call('198.51.100.1:7000')
    server.connect()
    server.router.remove(rtc)
    server.router.remove(rtc)
    expect(server.router.size).toBe(0)
    expect(server.router.pollOutput()).toEqual({ kind: 'timeout', at: Infinity })
    // changed() of one that is gone changes nothing
    server.router.changed(rtc)
    expect([...server.router.peers]).toEqual([])
  })

  it('that are removed or closed with an answer to a check still queued get nothing more', () => {
    for (const isRemoved of [true, false]) {
      const server = new Server()
      const { rtc, peer, address } = server.call('198.51.100.1:7000')
      server.router.handleInput({ kind: 'timeout', now: 0 })
      peer.handleInput({ kind: 'timeout', now: 0 })
      for (let out = peer.pollOutput(); out.kind !== 'timeout'; out = peer.pollOutput()) {
        if (out.kind === 'transmit') server.router.handleInput(received(0, out))
      }
      if (isRemoved) server.router.remove(rtc)
      else rtc.close()
      const said = [...Array(100).keys()]
        .map(() => server.router.pollOutput())
        .filter(({ kind }) => kind !== 'timeout')
      if (isRemoved) expect(said).toEqual([])
      expect(server.router.pollOutput()).toEqual({ kind: 'timeout', at: Infinity })
      expect(server.router.size).toBe(0)
      server.router.handleInput(datagram(address, Uint8Array.of(0x80, 111, 0, 1)))
      expect(server.router.unrouted).toBe(1)
      if (!isRemoved) continue
      server.router.add(rtc)
      expect(server.router.pollOutput()).toMatchObject({ rtc })
    }
  })

  it('on a socket of both families, where IPv4 addresses are mapped', () => {
    const server = new Server((input) => {
      const source = { address: `::ffff:${input.source.address}`, port: input.source.port }
      return { ...input, source }
    })
    const { rtc } = server.call('198.51.100.1:7000')
    server.connect()
    expect(rtc.connected).toBe(true)
    expect(server.router.unrouted).toBe(0)
    expect(server.now).toBeLessThan(500)
  })

  it('are not given a time that is none, and go on', () => {
    const server = new Server()
    const { rtc } = server.call('198.51.100.1:7000')
    for (const machine of [server.router, rtc]) {
      for (const now of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const wrong = { kind: 'timeout', now } as const
        expect(() => machine.handleInput(wrong)).toThrow(expect.objectContaining({ code: 'invalid-time' }))
      }
    }
    server.connect()
    expect(rtc.connected).toBe(true)
  })

  it('are not given what is no input', () => {
    const { router } = new Server()
    const give = (input: object) => () => router.handleInput({ now: 1, ...input } as never)
    expect(give({ kind: 'data' })).toThrow(expect.objectContaining({ code: 'invalid-input' }))
    expect(give({ kind: 'receive', contents: new Uint8Array(1) })).toThrow(
      expect.objectContaining({ code: 'invalid-address' }),
    )
    expect(router.unrouted).toBe(0)
  })

  it('share one time, which does not go back', () => {
    const server = new Server()
    const [first, second] = [server.call('198.51.100.1:7000'), server.call('198.51.100.2:7000')]
    server.connect()
    const seen: number[] = []
    for (const { rtc } of [first, second]) {
      const handle = rtc.handleInput.bind(rtc)
      rtc.handleInput = (input) => {
        seen.push(input.now)
        handle(input)
      }
    }
    const late = server.now + 1
    const from = (address: string, now: number): Receive => ({
      kind: 'receive',
      now,
      proto: 'udp',
      source: socketAddress(address),
      destination: socketAddress(RTC_ADDRESS),
      contents: new Uint8Array(1),
    })
    server.router.handleInput(from(first.address, late))
    server.router.handleInput(from(second.address, late - 1))
    server.router.handleInput({ kind: 'timeout', now: 0 })
    expect(seen).toEqual([late, late])
    for (let out = server.router.pollOutput(); ; out = server.router.pollOutput()) {
      if (out.kind !== 'timeout') continue
      expect(out.at).toBeGreaterThan(late)
      break
    }
  })

  it('do not share a user name', () => {
    const router = new RtcRouter()
    const crypto = () => seededCrypto(1)
    router.add(new Rtc({ crypto: crypto() }))
    expect(() => router.add(new Rtc({ crypto: crypto() }))).toThrow(
      expect.objectContaining({ code: 'ufrag-in-use' }),
    )
  })

  it('are not woken by the time of others', () => {
    const server = new Server()
    for (let i = 0; i < 20; i++) server.call(`198.51.100.${i + 1}:7000`)
    server.connect()
    let woken = 0
    for (const { rtc } of server.callers) {
      const handle = rtc.handleInput.bind(rtc)
      rtc.handleInput = (input) => {
        if (input.kind === 'timeout') woken++
        handle(input)
      }
    }
    for (let i = 0; i < 1000; i++) server.step(10)
    // 10 s: two or three consent checks and their kin each, not a thousand steps each
    expect(woken).toBeLessThan(20 * 25)
  })
})

describe("S13: nobody draws another's datagrams to himself", () => {
  it('by naming his address as a candidate', () => {
    const server = new Server()
    const attacker = server.call('203.0.113.66:7000')
    // checks go to the victim's address before the victim calls
    attacker.rtc.addRemoteCandidate('candidate:1 1 udp 2122194687 198.51.100.1 7000 typ host')
    server.router.changed(attacker.rtc)
    for (let i = 0; i < 10; i++) server.step(50)
    const victim = server.call('198.51.100.1:7000')
    server.connect()
    expect(victim.rtc.connected).toBe(true)
    victim.peer.sendRtp({
      pt: 111,
      ssrc: 5,
      sequenceNumber: 1,
      timestamp: 0,
      payload: Uint8Array.of(1),
      mid: [4, '0'],
    })
    server.step(10)
    expect(victim.rtc.statistics.inbound).toHaveLength(1)
    expect(attacker.rtc.statistics.inbound).toHaveLength(0)
  })

  it('by a forged check in the name of another', () => {
    const server = new Server()
    const victim = server.call('198.51.100.1:7000')
    server.connect()
    const checks: Uint8Array[] = []
    const mallory = new BrowserPeer(fixture('chromium-offer.sdp'), '203.0.113.66:7000', seededCrypto(99))
    mallory.transport.ice.setRemoteCredentials({ ufrag: victim.rtc.iceUfrag, pwd: 'x'.repeat(24) })
    mallory.transport.ice.addRemoteCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
    mallory.transport.touch()
    mallory.handleInput({ kind: 'timeout', now: server.now })
    for (let out = mallory.pollOutput(); out.kind !== 'timeout'; out = mallory.pollOutput()) {
      if (out.kind === 'transmit') checks.push(out.contents)
    }
    expect(checks.length).toBeGreaterThan(0)
    for (const contents of checks) server.router.handleInput(datagram('203.0.113.66:7000', contents))
    server.router.handleInput(datagram('203.0.113.66:7000', Uint8Array.of(0x80, 111, 0, 1)))
    // the check was looked at by the victim's peer and dropped; the packet is nobody's
    expect(victim.rtc.statistics.ice.dropped.integrity).toBe(checks.length)
    expect(server.router.unrouted).toBe(1)
  })

  it('and a peer has a bound on its addresses', () => {
    expect(MAX_ADDRESSES_PER_PEER).toBeLessThanOrEqual(16)
    const server = new Server()
    const { rtc } = server.call('198.51.100.1:7000')
    server.connect()
    const paths: SocketAddress[] = []
    for (let i = 0; i < 40; i++) paths.push({ address: '198.51.100.9', port: 8000 + i })
    // as if ICE had validated each of them: only its word is asked
    rtc.isValidatedPath = () => true
    const check = Uint8Array.from(Buffer.from(fixture('chromium-stun-binding-request.hex').trim(), 'hex'))
    for (const { address, port } of paths) {
      const contents = renamed(check, rtc.iceUfrag)
      server.router.handleInput(datagram(`${address}:${port}`, contents))
    }
    let known = 0
    for (const { address, port } of paths) {
      const before = server.router.unrouted
      server.router.handleInput(datagram(`${address}:${port}`, Uint8Array.of(0x80, 111, 0, 1)))
      if (server.router.unrouted === before) known++
    }
    expect(known).toBe(MAX_ADDRESSES_PER_PEER)
  })
})

/** A Binding request with another user name in it; nothing else of it is right any more. */
function renamed(check: Uint8Array, ufrag: string): Uint8Array {
  const name = Buffer.from(`${ufrag}:x`)
  const padded = Buffer.alloc(Math.ceil(name.length / 4) * 4)
  name.copy(padded)
  const header = Buffer.from(check.subarray(0, 20))
  header.writeUInt16BE(4 + padded.length, 2)
  const attribute = Buffer.alloc(4)
  attribute.writeUInt16BE(0x0006, 0)
  attribute.writeUInt16BE(name.length, 2)
  return Uint8Array.from(Buffer.concat([header, attribute, padded]))
}

function datagram(from: string, contents: Uint8Array): Receive {
  const [address, port] = from.split(':')
  return {
    kind: 'receive',
    now: 0,
    proto: 'udp',
    source: { address: address!, port: Number(port) },
    destination: { address: '192.0.2.1', port: 5000 },
    contents,
  }
}

describe('a peer that was closed before it was added', () => {
  it.each([true, false])('is forgotten; it has said so already: %s', (said) => {
    const router = new RtcRouter()
    const rtc = new Rtc({ crypto: seededCrypto(61) })
    rtc.close()
    if (said) while (rtc.pollOutput().kind !== 'timeout');
    router.add(rtc)
    const events: string[] = []
    for (let out = router.pollOutput(); out.kind !== 'timeout'; out = router.pollOutput()) {
      if (out.kind === 'event') events.push(out.event.type)
    }
    expect(events).toEqual(said ? [] : ['closed'])
    expect(router.size).toBe(0)
  })
})

describe('the heap of deadlines', () => {
  it('is as a sorted list, in any order of calls', () => {
    const random = new SeededRandom(1)
    for (let round = 0; round < 50; round++) {
      const heap = new DeadlineHeap<Scheduled>()
      const entries = Array.from({ length: 30 }, (): Scheduled => ({ at: Infinity, heapIndex: -1 }))
      for (let i = 0; i < 200; i++) {
        const entry = entries[random.integer(entries.length)]!
        const kind = random.integer(10)
        if (kind === 0) heap.remove(entry)
        else heap.schedule(entry, kind === 1 ? Infinity : random.integer(100))
        const inside = entries.filter(({ heapIndex }) => heapIndex >= 0)
        expect(heap.earliest).toBe(Math.min(Infinity, ...inside.map(({ at }) => at)))
      }
      const expected = entries.filter(({ heapIndex }) => heapIndex >= 0).map(({ at }) => at)
      const taken: number[] = []
      for (let entry = heap.takeDue(1000); entry !== undefined; entry = heap.takeDue(1000))
        taken.push(entry.at)
      expect(taken).toEqual(expected.toSorted((a, b) => a - b))
    }
  })
})
