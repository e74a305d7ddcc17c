import { ByteWriter, SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { FairQueue } from '../src/fair-queue.ts'
import { InterleavedReassembly } from '../src/interleaved-reassembly.ts'
import type { IncomingMessage } from '../src/stream-order.ts'
import { ChunkType, DataFlag } from '../src/wire/constants.ts'
import { makeChunk } from '../src/wire/packet.ts'
import { chunksOf, dataChunk, forwardTsnChunk, HandPeer, sackChunk } from './hand-peer.ts'
import { connected, messagesOf, numbered, numberOf } from './support.ts'

const ALL = { forwardTsn: true, reConfig: true, zeroChecksum: false, interleaving: true }

function iData(
  tsn: number,
  stream: number,
  mid: number,
  fragment: number,
  flags: number,
  data: Uint8Array,
): Uint8Array {
  const value = new ByteWriter(16 + data.length).u32(tsn).u16(stream).u16(0).u32(mid)
  value.u32((flags & DataFlag.begin) !== 0 ? 53 : fragment).bytes(data)
  return makeChunk(ChunkType.iData, flags, value.finish())
}

function iForwardTsn(tsn: number, entries: readonly (readonly [number, boolean, number])[]): Uint8Array {
  const value = new ByteWriter(64).u32(tsn)
  for (const [stream, unordered, mid] of entries)
    value
      .u16(stream)
      .u16(unordered ? 1 : 0)
      .u32(mid)
  return makeChunk(ChunkType.iForwardTsn, 0, value.finish())
}

const messages = (peer: HandPeer) => peer.events.filter((event) => event.type === 'message')

describe('interleaving (RFC 8260)', () => {
  it('a message of 256 KiB does not hold up a small one of another stream; without it, it does', () => {
    for (const interleaving of [true, false]) {
      const { pair, a } = connected(1, { latency: 10, rate: 10_000_000 }, { interleaving })
      a.send(pair.now, 1, 53, numbered(1, 262_144))
      a.send(pair.now, 2, 53, numbered(2, 100))
      const start = pair.now
      pair.runUntil(() => messagesOf(pair.b.events).length > 0)
      expect(numberOf(messagesOf(pair.b.events)[0]!.data)).toBe(interleaving ? 2 : 1)
      if (interleaving) expect(pair.now - start).toBeLessThan(15)
      pair.runUntil(() => messagesOf(pair.b.events).length === 2)
    }
  })

  it('streams share by their priority', () => {
    const { pair, a } = connected(2, { latency: 5, rate: 10_000_000 })
    a.setPriority(1, 512)
    for (const stream of [1, 2])
      for (let i = 0; i < 60; i++) a.send(pair.now, stream, 53, numbered(i, 20_000))
    const [before1, before2] = [a.bufferedAmount(1), a.bufferedAmount(2)]
    pair.runFor(600)
    const share = (before1 - a.bufferedAmount(1)) / (before2 - a.bufferedAmount(2))
    expect(share).toBeGreaterThan(1.9)
    expect(share).toBeLessThan(2.1)
    expect(() => a.setPriority(1, 0)).toThrow('priority')
  })

  it('the scheduler serves by weight, and gives no credit for absence', () => {
    const queue = new FairQueue<{ pass: number; turn: number; weight: number; served: number }>()
    const items = [1, 2, 4].map((weight) => ({ pass: 0, turn: 0, weight, served: 0 }))
    for (const item of items) queue.push(item)
    const serve = (times: number) => {
      for (let i = 0; i < times; i++) {
        const item = queue.top!
        item.served++
        queue.serve(item, 100)
      }
    }
    serve(700)
    expect(items.map((item) => item.served)).toEqual([100, 200, 400])
    const late = { pass: 0, turn: 0, weight: 1, served: 0 }
    queue.push(late)
    serve(80)
    expect(late.served).toBeGreaterThan(8)
    expect(late.served).toBeLessThan(12)
    for (let left = queue.length; left > 0; left--) queue.pop()
    expect(queue.top).toBeUndefined()
  })

  it('only where both offer it, and then nothing else', () => {
    for (const [own, other] of [
      [true, false],
      [false, true],
    ] as const) {
      const { pair, a } = connected(3, { latency: 1 }, { interleaving: own }, { interleaving: other })
      a.send(pair.now, 1, 53, numbered(1, 5000), { maxRetransmits: 0 })
      pair.runUntil(() => messagesOf(pair.b.events).length === 1)
    }
    const peer = new HandPeer(1, {}, { extensions: ALL })
    expect(peer.say(forwardTsnChunk(1)).map((chunk) => chunk.type)).toEqual([])
    expect(peer.dropped('malformed')).toBe(1)
    peer.say(dataChunk(1, 0, 0, 3, Uint8Array.of(1)))
    expect(peer.events.at(-1)).toEqual({ type: 'closed', reason: 'protocol-violation' })
    const plain = new HandPeer(1)
    plain.say(iData(1, 0, 0, 0, 3, Uint8Array.of(1)))
    expect(plain.machine.state).toBe('closed')
  })

  it('messages are put together out of fragments in any order, mixed, ordered and not', () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = new SeededRandom(seed)
      const got: IncomingMessage[] = []
      const reassembly = new InterleavedReassembly(1 << 16, (message) => got.push(message))
      const fragments: Parameters<InterleavedReassembly['add']>[0][] = []
      // the identifiers wrap
      const expected: string[] = []
      for (let n = 0; n < 40; n++) {
        const unordered = n % 2 === 1
        const stream = random.integer(2)
        const sequence = fragments.filter(
          (f) => f.stream === stream && f.fragment === 0 && ((f.flags & 4) !== 0) === unordered,
        ).length
        const count = 1 + random.integer(6)
        for (let fragment = 0; fragment < count; fragment++) {
          const flags = (fragment === 0 ? 2 : 0) | (fragment === count - 1 ? 1 : 0) | (unordered ? 4 : 0)
          fragments.push({
            tsn: 0,
            stream,
            sequence,
            fragment,
            ppid: fragment === 0 ? 53 : 0,
            flags,
            data: numbered(n, 50),
          })
        }
        expected.push(`${stream} ${unordered} ${n} ${count * 50}`)
      }
      for (let i = fragments.length - 1; i > 0; i--) {
        const j = random.integer(i + 1)
        ;[fragments[i], fragments[j]] = [fragments[j]!, fragments[i]!]
      }
      for (const fragment of fragments) expect(reassembly.add(fragment)).toBe(true)
      const seen = got.map((m) => `${m.stream} ${m.unordered} ${numberOf(m.data)} ${m.data.length}`)
      expect(seen.toSorted()).toEqual(expected.toSorted())
      expect(got.every((message) => message.ppid === 53)).toBe(true)
      for (const stream of [0, 1]) {
        const order = got.filter((m) => m.stream === stream && !m.unordered).map((m) => numberOf(m.data))
        expect(order).toEqual(order.toSorted((x, y) => x - y))
      }
      expect(reassembly.heldBytes).toBe(0)
      expect(reassembly.streamIds.length).toBeLessThanOrEqual(2)
    }
  })

  it('message identifiers wrap', () => {
    const got: IncomingMessage[] = []
    const reassembly = new InterleavedReassembly(1000, (message) => got.push(message))
    const chunk = (sequence: number) => ({
      tsn: 0,
      stream: 1,
      sequence,
      fragment: 0,
      ppid: 53,
      flags: 3,
      data: numbered(1, 8),
    })
    reassembly.skip(1, 0xffff_fffd, false)
    reassembly.skip(1, 0x7fff_fffe, false)
    reassembly.skip(1, 0xffff_fffd, false)
    for (const sequence of [0, 1, 0xffff_ffff]) reassembly.add(chunk(sequence))
    expect(got).toHaveLength(0)
    reassembly.add(chunk(0xffff_fffe))
    expect(got).toHaveLength(4)
  })

  it('I-FORWARD-TSN: the messages named are given up, ordered and not', () => {
    const peer = new HandPeer(1, {}, { extensions: ALL })
    peer.say(iData(1, 0, 0, 0, 2, numbered(1, 10)), iData(2, 0, 1, 0, 3, numbered(2, 10)))
    peer.say(iData(3, 0, 0, 0, 2 | 4, numbered(3, 10)), iData(4, 0, 1, 0, 2 | 4, numbered(4, 10)))
    expect(messages(peer)).toHaveLength(0)
    peer.say(iForwardTsn(5, [[0, false, 0]]))
    expect(messages(peer)).toHaveLength(1)
    // the rest of one that was given up
    peer.say(iData(6, 0, 0, 1, 1, numbered(1, 10)))
    peer.say(
      iForwardTsn(7, [
        [0, true, 0],
        [100, false, 3],
      ]),
    )
    expect(peer.dropped('bad-stream')).toBe(1)
    peer.say(iData(8, 0, 1, 1, 1 | 4, numbered(5, 10)))
    expect(messages(peer)).toHaveLength(2)
    expect(peer.machine.statistics.heldBytes).toBe(0)
  })

  it('S19: fragments that contradict each other end the association', () => {
    const first = iData(1, 0, 0, 0, 2, numbered(1, 10))
    const bad = [
      [first, iData(2, 0, 0, 0, 2, numbered(1, 10))],
      [first, iData(2, 0, 0, 3, 1, numbered(1, 10)), iData(3, 0, 0, 4, 0, numbered(1, 10))],
      [iData(1, 0, 0, 3, 0, numbered(1, 10)), first, iData(3, 0, 0, 3, 0, numbered(1, 10))],
      [first, iData(2, 0, 0, 5, 0, numbered(1, 10)), iData(3, 0, 0, 1, 1, numbered(1, 10))],
      [iData(1, 0, 0, 0, 1, numbered(1, 10))],
      [iData(1, 0, 0, 0xffff_ffff, 1, numbered(1, 10))],
    ]
    for (const chunks of bad) {
      const peer = new HandPeer(1, {}, { extensions: ALL })
      for (const chunk of chunks) peer.say(chunk)
      expect(peer.events.at(-1)).toEqual({ type: 'closed', reason: 'protocol-violation' })
    }
  })

  it('many messages given up half sent, in small packets: all are named, in as many I-FORWARD-TSNs as it takes', () => {
    const { pair, a, b } = connected(5, { latency: 10 }, { maxPacketSize: 576 })
    pair.aToB.addOutage(pair.now + 5, pair.now + 400)
    for (let stream = 0; stream < 300; stream++)
      a.send(pair.now, stream, 53, numbered(stream, 1500), { lifetime: 100 })
    pair.runFor(5000)
    expect(a.statistics.messagesAbandoned).toBeGreaterThan(100)
    expect(a.statistics.inFlight).toBe(0)
    expect(b.statistics.heldBytes).toBe(0)
    a.send(pair.now, 7, 53, numbered(1000, 10))
    pair.runUntil(() => messagesOf(pair.b.events).some(({ data }) => numberOf(data) === 1000))
    a.shutdown(pair.now)
    pair.runUntil(() => b.state === 'closed', 20_000)
  })

  it('a message whose lifetime ends before a part of it was sent makes room for others', () => {
    const peer = new HandPeer(1, {}, { receiverWindow: 3000, extensions: ALL })
    peer.machine.send(0, 0, 53, numbered(1, 10_000), { lifetime: 50 })
    peer.machine.send(0, 0, 53, numbered(2, 100))
    const sent = peer.drain().flatMap(chunksOf).length
    peer.now = 60
    const after = peer.say(sackChunk((peer.theirTsn + sent - 1) >>> 0, 3000, []))
    expect(after.map((chunk) => chunk.type)).toContain(ChunkType.iForwardTsn)
    expect(after.filter((chunk) => chunk.type === ChunkType.iData)).toHaveLength(1)
    expect(peer.machine.statistics.messagesAbandoned).toBe(1)
  })
})
