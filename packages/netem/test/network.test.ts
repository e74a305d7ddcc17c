import type { SocketAddress } from '@str0m/sans-io'
import { describe, expect, test } from 'vitest'
import { type Host, Nat, type NatBehaviour, type NatOptions, Network } from '../src/index.ts'
import { Echo } from './echo.ts'

const PUBLIC_1 = { address: '198.51.100.1', port: 1000 }
const PUBLIC_1_OTHER_PORT = { address: '198.51.100.1', port: 2000 }
const PUBLIC_2 = { address: '198.51.100.2', port: 1000 }
const INSIDE = { address: '10.0.0.1', port: 5000 }
const INSIDE_2 = { address: '10.0.0.2', port: 5000 }

function addEcho(network: Network, name: string, at: SocketAddress, nat?: Nat): Host<Echo> {
  return network.addHost(
    new Echo(at),
    { name, addresses: [at.address], ...(nat === undefined ? {} : { nat }) },
    (now, { source, destination, contents }) => ({ kind: 'receive', now, source, destination, contents }),
  )
}

describe('a NAT', () => {
  const admitted: [NatBehaviour, boolean[]][] = [
    ['full-cone', [true, true, true]],
    ['restricted', [true, true, false]],
    ['port-restricted', [true, false, false]],
    ['symmetric', [true, false, false]],
  ]
  test.each(admitted)('%s: who reaches a mapping made towards the first', (behaviour, expected) => {
    const nat = new Nat({ address: '203.0.113.1', behaviour })
    const outside = nat.outbound(0, INSIDE, PUBLIC_1)
    const got = [PUBLIC_1, PUBLIC_1_OTHER_PORT, PUBLIC_2].map((from) => nat.inbound(1, from, outside))
    expect(got).toEqual(expected.map((admits) => (admits ? INSIDE : undefined)))
  })

  test.each([
    { address: 'nowhere' },
    { behaviour: 'open' as never },
    { firstPort: 0 },
    { firstPort: 65_536 },
    { firstPort: Number.NaN },
    { lifetime: -1 },
    { lifetime: Number.NaN },
  ])('refuses %o', (wrong) => {
    expect(() => new Nat({ address: '203.0.113.1', behaviour: 'full-cone', ...wrong })).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
  })

  test('only a symmetric one maps by destination', () => {
    for (const [behaviour] of admitted) {
      const nat = new Nat({ address: '203.0.113.1', behaviour })
      const first = nat.outbound(0, INSIDE, PUBLIC_1)
      expect(nat.outbound(0, INSIDE, PUBLIC_1)).toEqual(first)
      expect(nat.outbound(0, INSIDE, PUBLIC_2).port === first.port).toBe(behaviour !== 'symmetric')
      expect(nat.outbound(0, INSIDE_2, PUBLIC_1)).not.toEqual(first)
    }
  })

  test('a mapping lives by what is sent from inside', () => {
    const nat = new Nat({ address: '203.0.113.1', behaviour: 'full-cone', lifetime: 100 })
    const first = nat.outbound(0, INSIDE, PUBLIC_1)
    nat.outbound(80, INSIDE, PUBLIC_1)
    expect(nat.inbound(180, PUBLIC_1, first)).toEqual(INSIDE)
    expect(nat.inbound(181, PUBLIC_1, first)).toBeUndefined()
    expect(nat.outbound(181, INSIDE, PUBLIC_1)).not.toEqual(first)
  })

  test('a reset forgets', () => {
    const nat = new Nat({ address: '203.0.113.1', behaviour: 'full-cone' })
    const first = nat.outbound(0, INSIDE, PUBLIC_1)
    nat.reset()
    expect(nat.inbound(1, PUBLIC_1, first)).toBeUndefined()
  })

  test.each<Partial<NatOptions>>([
    { behaviour: 'cone' as NatBehaviour },
    { firstPort: 0 },
    { firstPort: 65_536 },
    { firstPort: 1.5 },
    { lifetime: -1 },
    { lifetime: Number.NaN },
  ])('options out of their range: %o', (options) => {
    const all: NatOptions = { address: '203.0.113.1', behaviour: 'symmetric', ...options }
    expect(() => new Nat(all)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  })

  test('begins again at the first port after the last one, and passes over those in use', () => {
    const nat = new Nat({ address: '203.0.113.1', behaviour: 'symmetric', firstPort: 65_533, lifetime: 100 })
    const to = (port: number, now: number): number =>
      nat.outbound(now, INSIDE, { address: '198.51.100.1', port }).port
    expect([to(1, 0), to(2, 50), to(3, 0)]).toEqual([65_533, 65_534, 65_535])
    expect([to(4, 120), to(5, 120)]).toEqual([65_533, 65_535])
    // what came back to the port of a mapping that was gone is the new one's
    const gone = { address: '203.0.113.1', port: 65_533 }
    expect(nat.inbound(120, { address: '198.51.100.1', port: 4 }, gone)).toEqual(INSIDE)
    expect(nat.inbound(120, { address: '198.51.100.1', port: 1 }, gone)).toBeUndefined()
    // the mapping that lost its port gets another
    expect(to(1, 160)).toBe(65_534)
    // all are in use: the next one's mapping makes room
    expect(to(6, 161)).toBe(65_535)
    expect(to(5, 162)).toBe(65_533)
  })

  test('has an IP address', () => {
    expect(() => new Nat({ address: 'nat', behaviour: 'full-cone' })).toThrow(/IP address/)
  })
})

describe('a network', () => {
  test('carries between public hosts', () => {
    const network = new Network({ seed: 1, link: { latency: 10 } })
    const a = addEcho(network, 'a', PUBLIC_1)
    const b = addEcho(network, 'b', PUBLIC_2)
    a.machine.send(PUBLIC_2, 1)
    network.runUntil(() => a.events.length === 1)
    expect(network.now).toBe(40)
    expect(b.events[0]?.event).toEqual({ type: 'heard', from: PUBLIC_1, byte: 1 })
    expect(network.statistics).toEqual({ forwarded: 2, filtered: 0, unroutable: 0 })
  })

  test('a host inside is seen by its public address, and gets the answer', () => {
    const network = new Network({ seed: 1 })
    const nat = new Nat({ address: '203.0.113.1', behaviour: 'symmetric' })
    const a = addEcho(network, 'a', INSIDE, nat)
    const b = addEcho(network, 'b', PUBLIC_2)
    a.machine.send(PUBLIC_2, 1)
    network.runUntil(() => a.events.length === 1)
    expect(b.events[0]?.event.from).toEqual({ address: '203.0.113.1', port: 40_000 })
  })

  test('what nobody asked for is filtered, what nobody has is not routed', () => {
    const network = new Network({ seed: 1 })
    const nat = new Nat({ address: '203.0.113.1', behaviour: 'full-cone' })
    addEcho(network, 'a', INSIDE, nat)
    const b = addEcho(network, 'b', PUBLIC_2)
    b.machine.send({ address: '203.0.113.1', port: 40_000 }, 1)
    b.machine.send(INSIDE, 1)
    network.inject({
      kind: 'transmit',
      source: PUBLIC_1,
      destination: { address: '192.0.2.9', port: 1 },
      contents: new Uint8Array(1),
    })
    network.runFor(100)
    expect(network.statistics).toEqual({ forwarded: 0, filtered: 1, unroutable: 2 })
  })

  test.each([false, true])('two hosts inside, by the public address: hairpin %s', (hairpin) => {
    const network = new Network({ seed: 1 })
    const nat = new Nat({ address: '203.0.113.1', behaviour: 'full-cone', hairpin })
    const a = addEcho(network, 'a', INSIDE, nat)
    const b = addEcho(network, 'b', INSIDE_2, nat)
    b.machine.send(PUBLIC_2, 0)
    network.runFor(1)
    a.machine.send({ address: '203.0.113.1', port: 40_000 }, 0)
    a.machine.send(INSIDE_2, 0)
    network.runFor(1)
    const direct = { type: 'heard', from: INSIDE, byte: 0 }
    const byHairpin = { type: 'heard', from: { address: '203.0.113.1', port: 40_001 }, byte: 0 }
    expect(b.events.map(({ event }) => event)).toEqual(hairpin ? [byHairpin, direct] : [direct])
  })

  test('a start that is no time is refused', () => {
    for (const start of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => new Network({ seed: 1, start })).toThrow(expect.objectContaining({ code: 'invalid-time' }))
    }
  })

  test('a source that the host does not have goes nowhere', () => {
    const network = new Network({ seed: 1 })
    const liar = network.addHost(
      new Echo(PUBLIC_1),
      { name: 'liar', addresses: ['192.0.2.7'] },
      (now, datagram) => ({
        ...datagram,
        kind: 'receive',
        now,
      }),
    )
    addEcho(network, 'b', PUBLIC_2)
    liar.machine.send(PUBLIC_2, 0)
    network.runFor(1)
    expect(network.statistics.unroutable).toBe(1)
    expect(() =>
      network.addHost(new Echo(PUBLIC_1), { name: 'x', addresses: ['x'] }, (now, datagram) => ({
        ...datagram,
        kind: 'receive',
        now,
      })),
    ).toThrow(/IP address/)
  })
})
