import { Pair } from '@str0m/netem'
import { UsageError } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { DataChannels, SctpAssociation } from '../src/index.ts'
import { chunksOf, dataChunk, packet } from './hand-peer.ts'
import { drain, makeWorld, messagesOf, numbered, receive, seededCrypto } from './support.ts'

describe('SNAP (draft-hancke-tsvwg-snap)', () => {
  it('both INIT chunks known: established at once, and data is the first packet', () => {
    const { pair, a, b } = makeWorld(1, { latency: 50 })
    const [ours, theirs] = [a.initChunk(), b.initChunk()]
    expect(a.initChunk()).toEqual(ours)
    expect(a.connectWith(0, theirs)).toBe(true)
    expect(b.connectWith(0, ours)).toBe(true)
    expect([a.state, b.state]).toEqual(['established', 'established'])
    a.send(0, 0, 53, numbered(1, 5000))
    b.send(0, 0, 53, numbered(2, 5000))
    pair.runFor(51)
    expect(messagesOf(pair.b.events)).toHaveLength(1)
    expect(messagesOf(pair.a.events)).toHaveLength(1)
    a.shutdown(pair.now)
    pair.runUntil(() => a.state === 'closed' && b.state === 'closed')
  })

  it('one end alone: the handshake, with the tag that was offered', () => {
    const { pair, a, b } = makeWorld(2, { latency: 10 })
    a.initChunk()
    a.connect(0)
    pair.runUntil(() => a.state === 'established' && b.state === 'established')
  })

  it('packets that come before our end is told do not end the association', () => {
    const { a, b } = makeWorld(3)
    const [ours, theirs] = [a.initChunk(), b.initChunk()]
    b.connectWith(0, ours)
    b.send(0, 0, 53, numbered(1, 100))
    for (const contents of drain(b).datagrams) a.handleInput({ kind: 'receive', now: 0, contents })
    expect(drain(a).datagrams).toEqual([])
    expect(a.connectWith(0, theirs)).toBe(true)
    b.handleInput({ kind: 'timeout', now: 600 })
    for (const contents of drain(b).datagrams) a.handleInput({ kind: 'receive', now: 600, contents })
    expect(drain(a).events.map((event) => event.type)).toEqual(['connected', 'message'])
  })

  it('what is no INIT chunk, cut or changed anywhere, is refused or taken, and never throws', () => {
    const { a: from } = makeWorld(4)
    const whole = from.initChunk()
    for (let at = 0; at <= whole.length; at++) {
      const fresh = () => {
        const machine = new SctpAssociation({ crypto: seededCrypto(at) })
        machine.initChunk()
        return machine
      }
      if (at < whole.length - 3) expect(fresh().connectWith(0, whole.slice(0, at))).toBe(false)
      const changed = whole.slice()
      if (at < whole.length) changed[at]! ^= 0xff
      const machine = fresh()
      if (!machine.connectWith(0, changed)) expect(machine.state).toBe('closed')
    }
    const other = new SctpAssociation({ crypto: seededCrypto(9) })
    other.initChunk()
    expect(other.connectWith(0, dataChunk(1, 0, 0, 3, numbered(1, 20)))).toBe(false)
  })

  it('mistakes of the caller', () => {
    const { a, b } = makeWorld(5)
    expect(() => a.connectWith(0, b.initChunk())).toThrow(UsageError)
    a.initChunk()
    a.connect(0)
    expect(() => a.connectWith(0, b.initChunk())).toThrow(UsageError)
    expect(() => b.handleInput({ kind: 'receive', now: 0, contents: packet(1, b.initChunk()) })).not.toThrow()
    expect(chunksOf(drain(a).datagrams[0]!)).toHaveLength(1)
  })

  it('data channels open in one round trip', () => {
    const a = new DataChannels({ role: 'client', crypto: seededCrypto(1) })
    const b = new DataChannels({ role: 'server', crypto: seededCrypto(2) })
    const pair = new Pair(a, b, { seed: 1, link: { latency: 50 }, receive })
    const id = a.open(0, 'x')
    const [ours, theirs] = [a.initChunk(), b.initChunk()]
    a.connectWith(0, theirs)
    b.connectWith(0, ours)
    pair.runUntil(() => pair.a.events.some(({ event }) => event.type === 'channelOpen' && event.id === id))
    expect(pair.now).toBe(100)
  })
})
