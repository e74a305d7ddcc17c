import { UsageError } from '@str0m/sans-io'
import { array, assert, integer, property, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SctpAssociation } from '../src/index.ts'
import { ChunkType, COMMON_HEADER, ParameterType } from '../src/wire/constants.ts'
import { crc32c } from '../src/wire/crc32c.ts'
import { readDcep, writeOpen } from '../src/wire/dcep.ts'
import { writeInit } from '../src/wire/init.ts'
import { joinPadded, makeChunk, makeParameter } from '../src/wire/packet.ts'
import { TlvIterator } from '../src/wire/tlv.ts'
import { ReceivedTsns } from '../src/received-tsns.ts'
import { chunksOf, dataChunk, HandPeer, packet, peerInit, sackChunk } from './hand-peer.ts'
import { closeReason, connected, drain, makeWorld, messagesOf, numbered, seededCrypto } from './support.ts'

const EMPTY = new Uint8Array(0)
const typesOf = (chunks: readonly { readonly type: number }[]) => chunks.map((chunk) => chunk.type)

function codeOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof UsageError) return error.code
    throw error
  }
  return 'none'
}

describe('wire', () => {
  it('CRC32c: the check value, and the slow twin', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe306_9283)
    // RFC 3720 appendix B.4
    expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa)
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8_ab43)
    const slow = (bytes: Uint8Array): number => {
      let crc = -1
      for (const byte of bytes) {
        crc ^= byte
        for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1
      }
      return ~crc >>> 0
    }
    assert(property(uint8Array({ maxLength: 100 }), (bytes) => crc32c(bytes) === slow(bytes)))
  })

  it('DATA_CHANNEL_OPEN goes there and back; all else is refused, not thrown at', () => {
    const parameters = { label: 'läbel', protocol: 'p', priority: 3, ordered: false, maxPacketLifeTime: 9 }
    const open = writeOpen(parameters)
    expect(readDcep(open)).toEqual({ type: 'open', parameters })
    for (let length = 0; length < open.length; length++)
      expect(readDcep(open.slice(0, length))).toBeUndefined()
    assert(property(uint8Array({ maxLength: 40 }), (bytes) => void readDcep(bytes)))
  })

  it('received TSNs are those of a set', () => {
    const steps = array(integer({ min: 1, max: 60 }), { maxLength: 100 })
    assert(
      property(steps, (tsns) => {
        const received = new ReceivedTsns(0)
        const twin = new Set<number>()
        for (const tsn of tsns) {
          expect(received.check(tsn)).toBe(twin.has(tsn) ? 'duplicate' : 'new')
          if (!twin.has(tsn)) received.add(tsn)
          twin.add(tsn)
        }
        let cumulative = 0
        while (twin.has(cumulative + 1)) cumulative++
        expect(received.cumulative).toBe(cumulative)
        const listed = received.starts.flatMap((start, i) =>
          Array.from({ length: received.ends[i]! - start + 1 }, (_, k) => start + k),
        )
        expect(listed).toEqual([...twin].filter((tsn) => tsn > cumulative).toSorted((x, y) => x - y))
      }),
    )
  })
})

describe('the handshake', () => {
  it('ends in both states, whatever is lost, and where both begin at once', () => {
    for (let seed = 0; seed < 60; seed++) {
      const { pair, a, b } = makeWorld(seed, {
        latency: 10 + (seed % 7),
        loss: 0.3,
        reorder: 0.2,
        duplicate: 0.2,
      })
      a.connect(0)
      if (seed % 2 === 0) pair.runFor(seed % 5 === 0 ? 0 : seed)
      if (seed % 3 !== 0) b.connect(pair.now)
      a.send(pair.now, 0, 53, numbered(1, 5000))
      pair.runUntil(() => messagesOf(pair.b.events).length === 1)
      b.send(pair.now, 0, 53, numbered(2, 5000))
      pair.runUntil(() => messagesOf(pair.a.events).length === 1)
      expect([seed, a.state, b.state]).toEqual([seed, 'established', 'established'])
      expect(pair.a.events.filter(({ event }) => event.type === 'connected')).toHaveLength(1)
    }
  })

  it('gives up', () => {
    const { pair, a } = makeWorld(1, { loss: 1 }, { maxRetransmissions: 4 })
    a.connect(0)
    pair.runFor(100_000)
    expect(closeReason(pair.a.events)).toBe('timeout')
    expect(codeOf(() => a.connect(pair.now))).toBe('invalid-state')
  })

  it('a peer that lost its state connects again', () => {
    const { pair, a, b } = connected(2)
    b.send(pair.now, 3, 53, numbered(1, 100))
    pair.runUntil(() => messagesOf(pair.a.events).length === 1)
    const reborn = new SctpAssociation({ crypto: seededCrypto(77) })
    reborn.connect(pair.now)
    for (let i = 0; i < 6; i++) {
      for (const contents of drain(reborn).datagrams)
        b.handleInput({ kind: 'receive', now: pair.now, contents })
      const { datagrams, events } = drain(b)
      for (const event of events) if (event.type === 'restarted') i = 100
      for (const contents of datagrams) reborn.handleInput({ kind: 'receive', now: pair.now, contents })
    }
    expect(reborn.state).toBe('established')
    expect(b.state).toBe('established')
    expect(a.state).toBe('established')
  })

  it('unknown chunks and parameters: the two high bits decide', () => {
    const unknown = [0x3fff, 0x7fff, 0xbfff, 0xffff].map((type) => makeParameter(type, Uint8Array.of(1, 2)))
    const peer = new HandPeer(1)
    const report = (parameters: Uint8Array[]): number => {
      const init = makeChunk(ChunkType.init, 0, joinPadded([writeInit(peerInit(5)), ...parameters]))
      const [answer] = peer.receive(packet(0, init))
      const chunks = new TlvIterator(answer!, COMMON_HEADER, answer!.length)
      chunks.next()
      const parametersOf = chunks.parameters(16)
      let reported = 0
      while (parametersOf.next()) if (parametersOf.head === ParameterType.unrecognizedParameter) reported++
      return reported
    }
    // the first stops the reading, the second too and is reported, the third is passed over, the fourth reported
    expect(report(unknown)).toBe(0)
    expect(report(unknown.slice(1))).toBe(1)
    expect(report([...unknown.slice(2), unknown[3]!])).toBe(2)
    expect(report(Array.from({ length: 100 }, () => unknown[3]!))).toBe(8)
    const data = dataChunk(1, 0, 0, 3, Uint8Array.of(1))
    expect(typesOf(peer.say(makeChunk(0x3e, 0, EMPTY), data))).toEqual([])
    expect(typesOf(peer.say(makeChunk(0x7e, 0, EMPTY), data))).toEqual([ChunkType.error])
    expect(peer.events.filter((event) => event.type === 'message')).toHaveLength(0)
    peer.say(makeChunk(0xbe, 0, EMPTY), data)
    expect(peer.events.filter((event) => event.type === 'message')).toHaveLength(1)
    expect(typesOf(peer.say(makeChunk(0xfe, 0, EMPTY), data))).toContain(ChunkType.error)
  })

  it('zero checksums go out only where both offer it', () => {
    for (const [own, other] of [
      [true, true],
      [true, false],
      [false, true],
    ] as const) {
      const { pair, a, b } = connected(3, { latency: 1 }, { zeroChecksum: own }, { zeroChecksum: other })
      a.send(pair.now, 0, 53, numbered(1, 10))
      const [datagram] = drain(a).datagrams
      const isZero = datagram!.subarray(8, 12).every((byte) => byte === 0)
      expect(isZero).toBe(own && other)
      b.handleInput({ kind: 'receive', now: pair.now, contents: datagram! })
      expect(drain(b).events.some((event) => event.type === 'message')).toBe(true)
    }
  })
})

describe('the end', () => {
  it('shutdown delivers all, from either side and from both, under loss', () => {
    for (let seed = 0; seed < 40; seed++) {
      const { pair, a, b } = connected(seed, { latency: 10, loss: 0.2 })
      for (let i = 0; i < 20; i++) {
        a.send(pair.now, i, 53, numbered(i, 3000))
        b.send(pair.now, i, 53, numbered(i, 3000))
      }
      a.shutdown(pair.now)
      if (seed % 2 === 0) b.shutdown(pair.now)
      expect(codeOf(() => a.send(pair.now, 0, 53, numbered(0, 4)))).toBe('invalid-state')
      pair.runUntil(() => a.state === 'closed' && b.state === 'closed', 120_000)
      expect([seed, messagesOf(pair.a.events).length]).toEqual([seed, 20])
      expect([seed, messagesOf(pair.b.events).length]).toEqual([seed, 20])
    }
  })

  it('abort ends both, and a packet that comes after is answered with ABORT', () => {
    const { pair, a, b } = connected(5)
    a.abort(pair.now, 'enough')
    a.abort(pair.now)
    pair.runFor(100)
    expect(closeReason(pair.a.events)).toBe('aborted')
    expect(closeReason(pair.b.events)).toBe('aborted-by-peer')
    const stray = (...chunks: Uint8Array[]) => {
      b.handleInput({ kind: 'receive', now: pair.now, contents: packet(5, ...chunks) })
      return drain(b).datagrams.flatMap(chunksOf)
    }
    expect(typesOf(stray(sackChunk(1, 1, [])))).toEqual([ChunkType.abort])
    expect(typesOf(stray(makeChunk(ChunkType.shutdownAck, 0, EMPTY)))).toEqual([ChunkType.shutdownComplete])
    expect(typesOf(stray(makeChunk(ChunkType.abort, 0, EMPTY)))).toEqual([])
  })

  it('a peer that falls silent: with data, and by heartbeats', () => {
    for (const hasData of [true, false]) {
      const options = { maxRetransmissions: 5, heartbeatInterval: 1000 }
      const { pair, a } = connected(6, { latency: 5 }, options, {})
      pair.runFor(5000)
      expect(a.state).toBe('established')
      pair.aToB.configure(pair.now, { loss: 1 })
      if (hasData) a.send(pair.now, 0, 53, numbered(1, 5000))
      pair.runFor(60_000)
      expect(closeReason(pair.a.events)).toBe('timeout')
    }
  })

  it('DATA without data ends the association; fragments that contradict each other too', () => {
    const peer = new HandPeer(1)
    expect(typesOf(peer.say(dataChunk(1, 0, 0, 3, EMPTY)))).toEqual([ChunkType.abort])
    const other = new HandPeer(1)
    other.say(dataChunk(1, 0, 0, 2, Uint8Array.of(1)))
    expect(typesOf(other.say(dataChunk(2, 1, 0, 0, Uint8Array.of(1))))).toEqual([ChunkType.abort])
    expect(other.machine.state).toBe('closed')
  })
})

describe('data', () => {
  it('a closed window is probed, and opens again', () => {
    const peer = new HandPeer(1, {}, { receiverWindow: 0 })
    for (let i = 0; i < 3; i++) peer.machine.send(0, 0, 53, numbered(i, 1000))
    expect(typesOf(peer.drain().flatMap(chunksOf))).toEqual([ChunkType.data])
    for (let i = 0; i < 40; i++) {
      const chunks = peer.wait(6000)
      if (chunks.length > 0) peer.say(sackChunk((peer.theirTsn - 1) >>> 0, 0, []))
    }
    expect(peer.machine.state).toBe('established')
    expect(typesOf(peer.say(sackChunk(peer.theirTsn, 1 << 20, [])))).toEqual([ChunkType.data, ChunkType.data])
  })

  it('small messages share a packet, and a SACK goes with data', () => {
    const peer = new HandPeer(1)
    for (let i = 0; i < 10; i++) peer.machine.send(0, 0, 53, numbered(i, 50))
    peer.machine.handleInput({
      kind: 'receive',
      now: 0,
      contents: packet(peer.tag, dataChunk(1, 0, 0, 3, Uint8Array.of(1))),
    })
    const datagrams = peer.drain()
    expect(datagrams).toHaveLength(1)
    expect(typesOf(chunksOf(datagrams[0]!))).toEqual([
      ChunkType.sack,
      ...Array<number>(10).fill(ChunkType.data),
    ])
  })

  it('an idle association wakes for heartbeats alone', () => {
    const { pair } = connected(9)
    const before = pair.a.wakeUps
    pair.runFor(3_600_000)
    expect(pair.a.wakeUps - before).toBeLessThan(250)
  })

  it('a peer without FORWARD TSN and RE-CONFIG gets all, and its streams cannot be reset', () => {
    const extensions = { forwardTsn: false, reConfig: false, zeroChecksum: false, interleaving: false }
    const peer = new HandPeer(1, {}, { extensions })
    expect(codeOf(() => peer.machine.resetStream(0, 1))).toBe('not-supported')
    peer.machine.send(0, 0, 53, numbered(1, 100), { maxRetransmits: 0 })
    peer.drain()
    for (let i = 0; i < 5; i++) expect(typesOf(peer.wait(6000))).toEqual([ChunkType.data])
  })

  it('mistakes of the caller', () => {
    expect(codeOf(() => new SctpAssociation({ maxPacketSize: 100 }))).toBe('invalid-option')
    for (const options of [
      { localPort: 5000.5 },
      { remotePort: 5000.5 },
      { maxPacketSize: 1190.5 },
      { receiveWindow: 65_536.5 },
      { maxMessageSize: 1.5 },
      { headroom: 0.5 },
      { tailroom: 0.5 },
      { streams: 1.5 },
    ]) {
      const code = codeOf(() => new SctpAssociation(options))
      expect([options, code]).toEqual([options, 'invalid-option'])
    }
    const { a } = makeWorld(1)
    expect(codeOf(() => a.send(0, -1, 53, numbered(1, 4)))).toBe('invalid-stream')
    expect(codeOf(() => a.send(0, 0, 53, EMPTY))).toBe('empty-message')
    expect(codeOf(() => a.shutdown(0))).toBe('invalid-state')
    expect(codeOf(() => a.resetStream(0, 1))).toBe('not-supported')
    for (const ppid of [-1, 0.5, 2 ** 32, Number.NaN]) {
      expect(codeOf(() => a.send(0, 0, ppid, numbered(1, 4)))).toBe('invalid-option')
    }
    for (const value of [-1, Number.NaN]) {
      expect(codeOf(() => a.send(0, 0, 53, numbered(1, 4), { maxRetransmits: value }))).toBe('invalid-option')
      expect(codeOf(() => a.send(0, 0, 53, numbered(1, 4), { lifetime: value }))).toBe('invalid-option')
      expect(codeOf(() => a.setBufferedAmountLowThreshold(0, value))).toBe('invalid-option')
    }
    expect(a.statistics.messagesSent).toBe(0)
    const { a: up, pair } = connected(1, {}, {}, { streams: 100 })
    for (const stream of [-1, 1.5, 100, 70_000, Number.NaN]) {
      expect(codeOf(() => up.resetStream(pair.now, stream))).toBe('invalid-stream')
      expect(codeOf(() => up.setPriority(stream, 256))).toBe('invalid-stream')
      expect(codeOf(() => up.setBufferedAmountLowThreshold(stream, 0))).toBe('invalid-stream')
      expect(up.isStreamOpen(stream)).toBe(false)
    }
    up.send(pair.now, 1, 53, numbered(1, 4))
    up.resetStream(pair.now, 1)
    expect(codeOf(() => up.send(pair.now, 1, 53, numbered(1, 4)))).toBe('stream-closing')
  })
})
