import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { SctpAssociation } from '../src/index.ts'
import { MAX_GAP_BLOCKS } from '../src/received-tsns.ts'
import { ChunkType, COMMON_HEADER } from '../src/wire/constants.ts'
import { crc32c } from '../src/wire/crc32c.ts'
import { writeInit } from '../src/wire/init.ts'
import { makeChunk, PacketWriter } from '../src/wire/packet.ts'
import { writeResetRequest } from '../src/wire/reconfig.ts'
import { TlvIterator } from '../src/wire/tlv.ts'
import {
  chunksOf,
  cumulativeOf,
  dataChunk,
  forwardTsnChunk,
  HandPeer,
  packet,
  peerInit,
  sackChunk,
} from './hand-peer.ts'
import { connected, drain, makeWorld, numbered, seededCrypto } from './support.ts'

const BEGIN_END = 3
const MAX = 0xffff_ffff

describe('S18: loops up to a peer’s number', () => {
  it('TSNs wrap in the middle of a stream of messages', () => {
    const peer = new HandPeer(MAX - 2)
    for (let i = 0; i < 6; i++) {
      const chunks = peer.say(dataChunk((MAX - 2 + i) >>> 0, 0, i, BEGIN_END, Uint8Array.of(i)))
      if (chunks.length > 0) expect(cumulativeOf(chunks)).toBe((MAX - 2 + i) >>> 0)
    }
    expect(peer.events.filter((event) => event.type === 'message')).toHaveLength(6)
  })

  it('gap blocks up to 65535, reversed, overlapping, or of what was never sent', () => {
    const peer = new HandPeer(1)
    peer.machine.send(0, 0, 53, numbered(1, 5000))
    peer.drain()
    const cumulative = (peer.theirTsn - 1) >>> 0
    const bad: [number, number][][] = [
      [[2, 65_535]],
      [[65_535, 65_535]],
      [[4, 2]],
      [[0, 1]],
      [
        [2, 3],
        [3, 4],
      ],
    ]
    for (const gaps of bad) peer.say(sackChunk(cumulative, 1 << 20, gaps))
    peer.say(sackChunk((cumulative + 100) >>> 0, 1 << 20, []))
    peer.say(makeChunk(ChunkType.sack, 0, new Uint8Array(11)))
    expect(peer.dropped('bad-sack')).toBe(bad.length + 2)
    expect(peer.machine.statistics.inFlight).toBe(5000)
    peer.say(sackChunk((cumulative + 5) >>> 0, 1 << 20, []))
    expect(peer.machine.statistics.inFlight).toBe(0)
  })

  it('a FORWARD TSN to the far end of the circle', () => {
    const peer = new HandPeer(10)
    for (const tsn of [10 + 65_536, 0x8000_0000, MAX]) peer.say(forwardTsnChunk(tsn, [[0, 65_535]]))
    expect(peer.dropped('bad-tsn')).toBe(2)
    expect(cumulativeOf(peer.say(dataChunk(10, 0, 0, BEGIN_END | 8, Uint8Array.of(1))))).toBe(10)
    expect(cumulativeOf(peer.say(forwardTsnChunk(10 + 65_535, [[0, 9]])))).toBe(10 + 65_535)
  })
})

describe('S19: memory that a peer makes grow', () => {
  it('fragments that never become a message stay within the window', () => {
    const peer = new HandPeer(1, { receiveWindow: 65_536, maxMessageSize: 32_768 })
    // every second TSN, neither first nor last
    for (let i = 0; i < 3000; i++) peer.say(dataChunk(3 + 2 * i, i % 100, 0, 0, new Uint8Array(100)))
    expect(peer.machine.statistics.heldBytes).toBeLessThanOrEqual(65_536)
    expect(peer.dropped('window-full')).toBeGreaterThan(2000)
  })

  it('messages of which the next in order never ends stay within twice the window', () => {
    const peer = new HandPeer(1, { receiveWindow: 65_536, maxMessageSize: 32_768 })
    for (let i = 0; i < 500; i++) peer.say(dataChunk(1 + i, 0, i + 1, BEGIN_END, new Uint8Array(1000)))
    expect(peer.machine.statistics.heldBytes).toBeLessThanOrEqual(2 * 65_536)
    expect(peer.dropped('window-full')).toBeGreaterThan(300)
  })

  it('gaps are bounded', () => {
    const peer = new HandPeer(1)
    for (let i = 0; i < 1100; i++) peer.say(dataChunk(3 + 2 * i, 0, i, BEGIN_END | 4, new Uint8Array(1)))
    expect(peer.dropped('too-many-gaps')).toBe(1100 - MAX_GAP_BLOCKS)
    // what fits between two of them is taken
    peer.say(dataChunk(4, 0, 0, BEGIN_END | 4, new Uint8Array(1)))
    expect(peer.dropped('too-many-gaps')).toBe(1100 - MAX_GAP_BLOCKS)
    expect(cumulativeOf(peer.say(dataChunk(1, 0, 0, BEGIN_END, new Uint8Array(1))))).toBe(1)
  })

  it('TSNs too far ahead, streams that are none, messages too large', () => {
    const peer = new HandPeer(1, { maxMessageSize: 3000 })
    peer.say(dataChunk(1 + 65_536, 0, 0, BEGIN_END, new Uint8Array(1)))
    expect(peer.dropped('bad-tsn')).toBe(1)
    const answer = peer.say(dataChunk(1, 100, 0, BEGIN_END, new Uint8Array(1)))
    expect(answer.some((chunk) => chunk.type === ChunkType.error)).toBe(true)
    expect(peer.dropped('bad-stream')).toBe(1)
    for (let i = 0; i < 4; i++) peer.say(dataChunk(2 + i, 0, 0, i === 0 ? 2 : 0, new Uint8Array(1000)))
    expect(peer.machine.state).toBe('closed')
    expect(peer.events.at(-1)).toEqual({ type: 'closed', reason: 'protocol-violation' })
  })

  it('requests to reset: one is kept, and those out of turn are dropped', () => {
    const peer = new HandPeer(1)
    const ask = (requestNumber: number, lastTsn: number) =>
      peer.say(writeResetRequest({ requestNumber, responseNumber: 0, lastTsn, streams: [1] }))
    for (let i = 50; i < 1050; i++) ask(i, 5)
    expect(peer.dropped('unexpected')).toBe(1000)
    const first = ask(1, 1)
    expect(first.find((chunk) => chunk.type === ChunkType.reConfig)!.value.at(-1)).toBe(6)
    // the next one has to wait; data beyond the reset too
    expect(ask(2, 5).filter((chunk) => chunk.type === ChunkType.reConfig)).toHaveLength(0)
    peer.say(dataChunk(2, 1, 0, BEGIN_END, Uint8Array.of(2)))
    expect(peer.dropped('reset-pending')).toBe(1)
    peer.say(dataChunk(1, 1, 0, BEGIN_END, Uint8Array.of(1)))
    expect(peer.events.filter((event) => event.type === 'incomingReset')).toHaveLength(1)
    expect(
      ask(1, 1)
        .find((chunk) => chunk.type === ChunkType.reConfig)!
        .value.at(-1),
    ).toBe(1)
    peer.say(dataChunk(2, 1, 0, BEGIN_END, Uint8Array.of(2)))
    expect(peer.events.filter((event) => event.type === 'message')).toHaveLength(2)
  })

  it('control chunks that nobody polls for are bounded', () => {
    const peer = new HandPeer(1)
    const heartbeat = makeChunk(ChunkType.heartbeat, 0, Uint8Array.of(0, 1, 0, 8, 1, 2, 3, 4))
    for (let i = 0; i < 1000; i++) {
      peer.machine.handleInput({ kind: 'receive', now: 0, contents: packet(peer.tag, heartbeat) })
      const init = makeChunk(ChunkType.init, 0, writeInit(peerInit(i)))
      peer.machine.handleInput({ kind: 'receive', now: 0, contents: packet(0, init) })
    }
    expect(peer.dropped('control-queue-full')).toBe(2 * (1000 - 64))
    const answers = peer.drain().flatMap(chunksOf)
    expect(answers.filter((chunk) => chunk.type === ChunkType.heartbeatAck)).toHaveLength(64)
  })
})

describe('S20: chunks and parameters shorter than they say', () => {
  it('the iterator stays within its bytes, moves on, and reads what it has checked', () => {
    const random = new SeededRandom(20)
    for (let round = 0; round < 20_000; round++) {
      const bytes = new Uint8Array(random.integer(64))
      random.fill(bytes)
      // lengths that are small enough to be met now and then
      for (let i = 2; i < bytes.length; i += 4) bytes[i] = 0
      const walk = new TlvIterator(bytes, 0, bytes.length)
      const good = walk.check()
      let last = -4
      while (walk.next()) {
        expect(walk.start).toBeGreaterThanOrEqual(last + 4)
        expect(walk.valueEnd).toBeLessThanOrEqual(bytes.length)
        expect(walk.value().length).toBe(walk.length)
        last = walk.start
      }
      expect(walk.malformed).toBe(!good)
    }
  })

  it('every chunk type with a value cut at every length, in every state', () => {
    for (const type of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192]) {
      for (let length = 0; length <= 24; length++) {
        const peer = new HandPeer(1)
        peer.say(makeChunk(type, 0, new Uint8Array(length)))
        peer.receive(packet(0, makeChunk(type, 0, new Uint8Array(length).fill(0xff))))
        peer.wait(1)
      }
    }
  })
})

describe('S21: cookies', () => {
  const echo = (peer: HandPeer, cookie: Uint8Array) =>
    peer.receive(packet(peer.tag, makeChunk(ChunkType.cookieEcho, 0, cookie)))

  it('a changed byte anywhere, a cut one, and that of another are refused', () => {
    const peer = new HandPeer(1)
    for (let at = 0; at < peer.cookie.length; at++) {
      const forged = peer.cookie.slice()
      forged[at]! ^= 1
      expect(echo(peer, forged)).toHaveLength(0)
      expect(echo(peer, peer.cookie.slice(0, at))).toHaveLength(0)
    }
    const other = new HandPeer(1, { crypto: seededCrypto(5) })
    expect(echo(peer, other.cookie)).toHaveLength(0)
    expect(peer.dropped('bad-cookie')).toBe(2 * peer.cookie.length + 1)
    // the same again is answered, for the COOKIE ACK may have been lost
    expect(echo(peer, peer.cookie).flatMap(chunksOf)[0]!.type).toBe(ChunkType.cookieAck)
  })

  it('a tag that is not the cookie’s is refused, an old one is called stale', () => {
    const machine = new SctpAssociation({ crypto: seededCrypto(7) })
    const init = makeChunk(ChunkType.init, 0, writeInit(peerInit(1)))
    machine.handleInput({ kind: 'receive', now: 0, contents: packet(0, init) })
    const [answer] = drain(machine).datagrams
    const { value } = chunksOf(answer!)[0]!
    const tag = new DataView(value.buffer).getUint32(0)
    const cookie = value.slice(20, 20 + new DataView(value.buffer).getUint16(18) - 4)
    const contents = (t: number) => packet(t, makeChunk(ChunkType.cookieEcho, 0, cookie))
    machine.handleInput({ kind: 'receive', now: 1, contents: contents(tag ^ 1) })
    expect(drain(machine).datagrams).toHaveLength(0)
    machine.handleInput({ kind: 'receive', now: 60_001, contents: contents(tag) })
    expect(chunksOf(drain(machine).datagrams[0]!)[0]!.type).toBe(ChunkType.error)
    expect(machine.state).toBe('closed')
    expect(machine.statistics.dropped).toEqual({ 'bad-cookie': 1, 'stale-cookie': 1 })
  })

  it('10 000 INITs leave nothing behind', () => {
    const machine = new SctpAssociation({ crypto: seededCrypto(8) })
    for (let i = 0; i < 10_000; i++) {
      const init = makeChunk(ChunkType.init, 0, writeInit(peerInit(i, { initiateTag: i + 1 })))
      machine.handleInput({ kind: 'receive', now: 0, contents: packet(0, init) })
      if (i % 50 === 0) drain(machine)
    }
    expect(machine.state).toBe('closed')
    drain(machine)
    expect(drain(machine).at).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('S22: timers that never advance', () => {
  it('whatever comes, after a timeout there is output or a later deadline; nothing throws, in any state', () => {
    const types = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 64, 130, 192, 255]
    for (let seed = 0; seed < 300; seed++) {
      const random = new SeededRandom(seed)
      const world = makeWorld(seed, { latency: 5, loss: 0.05 })
      const { pair, a, b } = world
      a.connect(0)
      const seen: Uint8Array[] = []
      pair.runFor(random.integer(30))
      if (a.state === 'established') a.send(pair.now, 1, 53, numbered(1, 20_000), { maxRetransmits: 0 })
      if (seed % 3 === 0 && a.state === 'established') a.shutdown(pair.now)
      pair.runFor(random.integer(20))
      const tags = [0]
      for (let i = 0; i < 60; i++) {
        const machine = random.chance(0.5) ? a : b
        // the machine's own last packets tell the tags: turned round, they come from the peer
        const { datagrams, at } = drain(machine)
        for (const datagram of datagrams) {
          seen.push(datagram)
          tags.push(new DataView(datagram.buffer, datagram.byteOffset).getUint32(4))
        }
        let contents: Uint8Array
        if (seen.length > 0 && random.chance(0.6)) {
          contents = seen[random.integer(seen.length)]!.slice()
          if (random.chance(0.7)) contents[12 + random.integer(contents.length - 12)] = random.u32()
        } else {
          const value = new Uint8Array(random.integer(40))
          random.fill(value)
          const writer = new PacketWriter(64, {
            sourcePort: 5000,
            destinationPort: 5000,
            verificationTag: tags[random.integer(tags.length)]!,
          })
          writer.append(makeChunk(types[random.integer(types.length)]!, random.integer(16), value))
          contents = writer.finish(false)
        }
        contents.fill(0, 8, COMMON_HEADER)
        new DataView(contents.buffer, contents.byteOffset).setUint32(8, crc32c(contents), true)
        machine.handleInput({ kind: 'receive', now: pair.now, contents })
        const next = drain(machine).at
        const now = Math.min(Math.max(next, pair.now), pair.now + 10_000)
        machine.handleInput({ kind: 'timeout', now })
        const after = drain(machine)
        const moved = after.at > now || after.datagrams.length + after.events.length > 0
        if (!moved) throw new Error(`seed ${seed}, step ${i}, ${machine.state}, ${at}`)
      }
    }
  })
})

describe('forge', () => {
  it('a wrong tag, a wrong port and a wrong checksum change nothing', () => {
    const { a, b, pair } = connected(4)
    const abort = makeChunk(ChunkType.abort, 0, new Uint8Array(0))
    for (const tag of [0, 1, 0xdead_beef]) {
      a.handleInput({ kind: 'receive', now: pair.now, contents: packet(tag, abort) })
    }
    const wrong = packet(1, abort)
    wrong[8]! ^= 1
    a.handleInput({ kind: 'receive', now: pair.now, contents: wrong })
    const port = packet(1, abort)
    port[1]! ^= 1
    new DataView(port.buffer, port.byteOffset).setUint32(8, 0)
    new DataView(port.buffer, port.byteOffset).setUint32(8, crc32c(port), true)
    a.handleInput({ kind: 'receive', now: pair.now, contents: port })
    for (let length = 0; length < 16; length++) {
      a.handleInput({ kind: 'receive', now: pair.now, contents: new Uint8Array(length) })
    }
    expect(a.state).toBe('established')
    expect(b.state).toBe('established')
    expect(a.statistics.dropped).toEqual({
      'wrong-tag': 3,
      'bad-checksum': 1,
      'wrong-port': 1,
      'too-short': 16,
    })
  })
})
