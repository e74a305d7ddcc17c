import { portableCrypto } from '@str0m/crypto'
import { ByteWriter, readU16, readU32 } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { SctpAssociation } from '../src/index.ts'
import { CauseCode, ChunkType, FLAG_T, ParameterType } from '../src/wire/constants.ts'
import { writeInit } from '../src/wire/init.ts'
import { joinPadded, makeChunk, makeParameter } from '../src/wire/packet.ts'
import { ResetResult, writeResetRequest, writeResetResponse } from '../src/wire/reconfig.ts'
import { type Chunk, chunksOf, dataChunk, HandPeer, packet, peerInit, sackChunk } from './hand-peer.ts'
import { connected, drain, messagesOf, numbered, seededCrypto } from './support.ts'

const EMPTY = new Uint8Array(0)
const BEGIN_END = 3
const typesOf = (chunks: readonly Chunk[]) => chunks.map((chunk) => chunk.type)
/** The result in the RE-CONFIG chunk among `chunks`. */
const resultOf = (chunks: readonly Chunk[]) =>
  chunks.find((chunk) => chunk.type === ChunkType.reConfig)?.value.at(-1)
const tsnsOf = (chunks: readonly Chunk[]) =>
  chunks.filter((chunk) => chunk.type === ChunkType.data).map((chunk) => readU32(chunk.value, 0))

describe('restart (RFC 9260 section 5.2.4)', () => {
  /** A peer that has lost its state says INIT with another tag; answers what its cookie leads to. */
  function restart(peer: HandPeer, tag: number): { readonly tag: number; readonly answer: Chunk[] } {
    const init = makeChunk(ChunkType.init, 0, writeInit(peerInit(500, { initiateTag: tag })))
    const ack = peer.receive(packet(0, init)).flatMap(chunksOf)
    const { value } = ack.find((chunk) => chunk.type === ChunkType.initAck)!
    const cookie = value.slice(20, 20 + new DataView(value.buffer).getUint16(18) - 4)
    const newTag = readU32(value, 0)
    const echo = packet(newTag, makeChunk(ChunkType.cookieEcho, 0, cookie))
    return { tag: newTag, answer: peer.receive(echo).flatMap(chunksOf) }
  }

  it('A: streams, TSNs and what was queued begin anew', () => {
    const peer = new HandPeer(1)
    peer.machine.send(0, 3, 53, numbered(1, 50_000))
    peer.drain()
    peer.say(dataChunk(1, 0, 0, BEGIN_END, Uint8Array.of(1)))
    const { tag, answer } = restart(peer, 77)
    expect(typesOf(answer)).toEqual([ChunkType.cookieAck])
    expect(peer.events.map((event) => event.type)).toEqual(['connected', 'message', 'restarted', 'connected'])
    expect(peer.machine.statistics.inFlight).toBe(0)
    // the old tag is of no use any more, the new one is
    peer.say(dataChunk(2, 0, 1, BEGIN_END, Uint8Array.of(2)))
    expect(peer.dropped('wrong-tag')).toBe(1)
    peer.receive(packet(tag, dataChunk(500, 0, 0, BEGIN_END, Uint8Array.of(3))))
    expect(peer.events.at(-1)).toMatchObject({ type: 'message', data: Uint8Array.of(3) })
    peer.machine.send(0, 3, 53, numbered(2, 10))
    const data = peer.drain().flatMap(chunksOf)[0]!
    expect(new DataView(data.value.buffer).getUint16(6)).toBe(0)
  })

  it('while SHUTDOWN is under way: the new association is not ended by the guard of the old', () => {
    const peer = new HandPeer(1)
    peer.machine.shutdown(0)
    expect(typesOf(peer.drain().flatMap(chunksOf))).toEqual([ChunkType.shutdown])
    restart(peer, 77)
    expect(peer.machine.state).toBe('established')
    // T5-shutdown-guard is five times RTO.Max
    peer.wait(26_000)
    expect(peer.machine.state).toBe('established')
  })

  it('while shutting down: SHUTDOWN ACK again, and an error', () => {
    const peer = new HandPeer(1)
    const shutdown = makeChunk(ChunkType.shutdown, 0, new ByteWriter(4).u32(peer.theirTsn - 1).finish())
    expect(typesOf(peer.say(shutdown))).toEqual([ChunkType.shutdownAck])
    // an INIT is answered with SHUTDOWN ACK (section 9.2), so that the cookie has to come from before
    const init = makeChunk(ChunkType.init, 0, writeInit(peerInit(500, { initiateTag: 77 })))
    expect(typesOf(peer.receive(packet(0, init)).flatMap(chunksOf))).toEqual([ChunkType.shutdownAck])
    expect(peer.machine.state).toBe('shutdownAckSent')
  })

  it('while shutting down, with a cookie from before: SHUTDOWN ACK to the old, an ERROR to the new', () => {
    const peer = new HandPeer(1)
    const init = makeChunk(ChunkType.init, 0, writeInit(peerInit(500, { initiateTag: 77 })))
    const { value } = peer.receive(packet(0, init)).flatMap(chunksOf)[0]!
    const cookie = value.slice(20, 20 + new DataView(value.buffer).getUint16(18) - 4)
    const shutdown = makeChunk(ChunkType.shutdown, 0, new ByteWriter(4).u32(peer.theirTsn - 1).finish())
    expect(typesOf(peer.say(shutdown))).toEqual([ChunkType.shutdownAck])
    const answers = peer.receive(packet(readU32(value, 0), makeChunk(ChunkType.cookieEcho, 0, cookie)))
    expect(answers.flatMap(chunksOf).map(({ type }) => type)).toEqual([
      ChunkType.shutdownAck,
      ChunkType.error,
    ])
    expect(readU32(answers[1]!, 4)).toBe(77)
    // Cookie Received While Shutting Down
    expect(readU16(answers[1]!, 16)).toBe(10)
    expect(peer.machine.state).toBe('shutdownAckSent')
  })

  it('C: a cookie of an earlier handshake, without tie tags, changes nothing', () => {
    const machine = new SctpAssociation({ crypto: seededCrypto(3) })
    const say = (contents: Uint8Array) => {
      machine.handleInput({ kind: 'receive', now: 0, contents })
      return drain(machine).datagrams.flatMap(chunksOf)
    }
    const [first, second] = [1, 1].map(() => {
      const { value } = say(packet(0, makeChunk(ChunkType.init, 0, writeInit(peerInit(1)))))[0]!
      const cookie = value.slice(20, 20 + new DataView(value.buffer).getUint16(18) - 4)
      return { tag: readU32(value, 0), cookie }
    })
    say(packet(second!.tag, makeChunk(ChunkType.cookieEcho, 0, second!.cookie)))
    expect(machine.state).toBe('established')
    expect(say(packet(first!.tag, makeChunk(ChunkType.cookieEcho, 0, first!.cookie)))).toEqual([])
    expect(machine.statistics.dropped['bad-cookie']).toBe(1)
  })
})

describe('T5-shutdown-guard (RFC 9260 section 9.2)', () => {
  it('a peer that goes on sending instead of ending does not put the end off for ever', () => {
    const peer = new HandPeer(1, { rtoMax: 1000 })
    peer.machine.shutdown(0)
    expect(typesOf(peer.wait(0))).toEqual([ChunkType.shutdown])
    let last: Chunk[] = []
    for (let i = 0; i < 60 && peer.machine.state !== 'closed'; i++) {
      expect(peer.machine.state).toBe('shutdownSent')
      peer.say(dataChunk(1 + i, 0, i, BEGIN_END, Uint8Array.of(1)))
      last = peer.wait(100)
    }
    expect(peer.now).toBe(5000)
    expect(typesOf(last)).toContain(ChunkType.abort)
    expect(peer.events.at(-1)).toEqual({ type: 'closed', reason: 'timeout' })
  })
})

describe('a stale cookie (RFC 9260 section 5.2.6)', () => {
  function connecting() {
    const machine = new SctpAssociation({ crypto: seededCrypto(4), maxRetransmissions: 3 })
    machine.connect(0)
    const tag = readU32(chunksOf(drain(machine).datagrams[0]!)[0]!.value, 0)
    const say = (...chunks: Uint8Array[]) => {
      machine.handleInput({ kind: 'receive', now: 0, contents: packet(tag, ...chunks) })
      return drain(machine)
    }
    const initAck = makeChunk(
      ChunkType.initAck,
      0,
      writeInit(peerInit(1, { cookie: Uint8Array.of(1, 2, 3, 4) })),
    )
    const stale = makeChunk(
      ChunkType.error,
      0,
      joinPadded([
        makeParameter(CauseCode.unrecognizedParameters, EMPTY),
        makeParameter(CauseCode.staleCookie, new Uint8Array(4)),
      ]),
    )
    return { machine, say, initAck, stale }
  }

  it('begins the handshake anew, as often as there are retransmissions', () => {
    const { machine, say, initAck, stale } = connecting()
    for (let round = 0; round < 3; round++) {
      expect(typesOf(say(initAck).datagrams.flatMap(chunksOf))).toEqual([ChunkType.cookieEcho])
      expect(typesOf(say(stale).datagrams.flatMap(chunksOf))).toEqual([ChunkType.init])
      expect(machine.state).toBe('cookieWait')
    }
    say(initAck)
    expect(say(stale).events).toEqual([{ type: 'closed', reason: 'timeout' }])
  })

  it('says by how much, in µs', () => {
    const machine = new SctpAssociation({ crypto: seededCrypto(7) })
    const say = (now: number, contents: Uint8Array) => {
      machine.handleInput({ kind: 'receive', now, contents })
      return drain(machine).datagrams.flatMap(chunksOf)[0]!.value
    }
    const value = say(0, packet(0, makeChunk(ChunkType.init, 0, writeInit(peerInit(1)))))
    const cookie = value.slice(20, 20 + new DataView(value.buffer).getUint16(18) - 4)
    const error = say(61_000, packet(readU32(value, 0), makeChunk(ChunkType.cookieEcho, 0, cookie)))
    expect(readU32(error, 4)).toBe(61_000_000)
  })
})

describe('tags (RFC 9260 sections 8.4 and 8.5.1)', () => {
  it('ABORT and SHUTDOWN COMPLETE with the T bit carry the peer’s own tag', () => {
    const peer = new HandPeer(1)
    const abort = makeChunk(ChunkType.abort, FLAG_T, EMPTY)
    peer.receive(packet(peer.tag, abort))
    expect(peer.machine.state).toBe('established')
    peer.receive(packet(0x1234_5678, makeChunk(ChunkType.abort, 0, EMPTY)))
    expect(peer.machine.state).toBe('established')
    peer.receive(packet(0x1234_5678, abort))
    expect(peer.machine.state).toBe('closed')
  })

  it('out of the blue: ABORT with the tag that came; nothing for what must not be answered', () => {
    const machine = new SctpAssociation({ crypto: seededCrypto(5) })
    const say = (...chunks: Uint8Array[]) => {
      machine.handleInput({ kind: 'receive', now: 0, contents: packet(99, ...chunks) })
      return drain(machine).datagrams
    }
    const [answer] = say(dataChunk(1, 0, 0, BEGIN_END, Uint8Array.of(1)))
    expect(chunksOf(answer!)).toEqual([{ type: ChunkType.abort, flags: FLAG_T, value: EMPTY }])
    expect(readU32(answer!, 4)).toBe(99)
    const silent = [ChunkType.abort, ChunkType.shutdownComplete, ChunkType.cookieAck, ChunkType.error]
    for (const type of silent) {
      expect(say(makeChunk(type, 0, EMPTY))).toEqual([])
      expect(say(sackChunk(1, 1, []), makeChunk(type, 0, EMPTY))).toEqual([])
    }
    expect(machine.state).toBe('closed')
  })

  it('a SHUTDOWN ACK during a handshake is of an association before: SHUTDOWN COMPLETE with its tag', () => {
    const machine = new SctpAssociation({ crypto: seededCrypto(5) })
    machine.connect(0)
    drain(machine)
    const contents = packet(4711, makeChunk(ChunkType.shutdownAck, 0, EMPTY))
    machine.handleInput({ kind: 'receive', now: 0, contents })
    const [answer] = drain(machine).datagrams
    expect(chunksOf(answer!)[0]).toMatchObject({ type: ChunkType.shutdownComplete, flags: FLAG_T })
    expect(readU32(answer!, 4)).toBe(4711)
    expect(machine.state).toBe('cookieWait')
  })
})

describe('SACK (RFC 9260 sections 6.2 and 6.2.1)', () => {
  it('every second packet is acknowledged at once, one alone after the delay', () => {
    const peer = new HandPeer(1)
    expect(typesOf(peer.say(dataChunk(1, 0, 0, BEGIN_END, Uint8Array.of(1))))).toEqual([])
    expect(typesOf(peer.wait(19))).toEqual([])
    expect(typesOf(peer.wait(1))).toEqual([ChunkType.sack])
    expect(typesOf(peer.say(dataChunk(2, 0, 1, BEGIN_END, Uint8Array.of(1))))).toEqual([])
    expect(typesOf(peer.say(dataChunk(3, 0, 2, BEGIN_END, Uint8Array.of(1))))).toEqual([ChunkType.sack])
    // a gap, what fills it, a duplicate and the I bit are acknowledged at once
    for (const [tsn, flags] of [
      [5, 3],
      [4, 3],
      [4, 3],
      [6, 11],
    ] as const) {
      const sack = peer.say(dataChunk(tsn, 0, tsn - 1, flags, Uint8Array.of(1)))
      expect(typesOf(sack)).toEqual([ChunkType.sack])
    }
  })

  it('reneging: what a gap block acknowledged and the cumulative TSN stops at is sent again', () => {
    const peer = new HandPeer(1)
    for (let i = 0; i < 5; i++) peer.machine.send(0, 0, 53, numbered(i, 1100))
    const first = tsnsOf(peer.drain().flatMap(chunksOf))[0]!
    const tsn = (n: number) => (first + n) >>> 0
    // 0 and 1 are missing, 2 to 4 have come
    peer.say(sackChunk(tsn(-1), 1 << 20, [[3, 5]]))
    const again = [...peer.wait(800), ...peer.wait(800)]
    expect(new Set(tsnsOf(again))).toEqual(new Set([tsn(0), tsn(1)]))
    // 2 and 4 are taken back
    const taken = [...peer.say(sackChunk(tsn(1), 1 << 20, [[2, 2]])), ...peer.wait(800), ...peer.wait(800)]
    expect(tsnsOf(taken)).toContain(tsn(2))
    for (let i = 0; i < 8 && peer.machine.statistics.inFlight > 0; i++) {
      peer.say(sackChunk(tsn(4), 1 << 20, []))
    }
    expect(peer.machine.statistics.inFlight).toBe(0)
    expect(peer.machine.state).toBe('established')
  })

  it('one that is held back for 200 ms, as it may be, costs an unreliable message nothing', () => {
    const peer = new HandPeer(1)
    const isData = ({ type }: Chunk) => type === ChunkType.data
    const send = (maxRetransmits?: number) => {
      peer.machine.send(
        peer.now,
        0,
        53,
        numbered(0, 5000),
        maxRetransmits === undefined ? {} : { maxRetransmits },
      )
      return tsnsOf(peer.drain().flatMap(chunksOf)).at(-1)!
    }
    // a path of 4 ms
    for (let i = 0; i < 30; i++) {
      const last = send()
      peer.wait(4)
      peer.say(sackChunk(last, 1 << 20, []))
    }
    const last = send(0)
    // the two packets of a probe at the most, and nothing that says that it was given up
    const later: Chunk[] = []
    for (let i = 0; i < 50; i++) later.push(...peer.wait(4.1))
    expect(later.filter((chunk) => !isData(chunk))).toEqual([])
    peer.say(sackChunk(last, 1 << 20, []))
    expect(peer.machine.statistics.inFlight).toBe(0)
    expect(peer.machine.statistics.messagesAbandoned).toBe(0)
  })

  it('an old SACK, overtaken, changes nothing', () => {
    const peer = new HandPeer(1)
    for (let i = 0; i < 3; i++) peer.machine.send(0, 0, 53, numbered(i, 1000))
    peer.drain()
    peer.say(sackChunk((peer.theirTsn + 1) >>> 0, 1 << 20, []))
    const { inFlight, peerWindow } = peer.machine.statistics
    peer.say(sackChunk(peer.theirTsn, 0, []))
    expect(peer.machine.statistics).toMatchObject({ inFlight, peerWindow })
  })
})

describe('SHUTDOWN (RFC 9260 section 9.2)', () => {
  it('data that is outstanding is sent again until it is acknowledged; only then goes SHUTDOWN', () => {
    const peer = new HandPeer(1)
    for (let i = 0; i < 3; i++) peer.machine.send(0, 0, 53, numbered(i, 1000))
    peer.machine.shutdown(0)
    expect(typesOf(peer.drain().flatMap(chunksOf))).toEqual([ChunkType.data, ChunkType.data, ChunkType.data])
    expect(peer.machine.state).toBe('shutdownPending')
    expect(typesOf(peer.wait(600))).toContain(ChunkType.data)
    const last = (peer.theirTsn + 2) >>> 0
    expect(typesOf(peer.say(sackChunk(last, 1 << 20, [])))).toEqual([ChunkType.shutdown])
    // data that comes in that state is acknowledged by SHUTDOWN, at once
    expect(typesOf(peer.say(dataChunk(1, 0, 0, BEGIN_END, Uint8Array.of(1))))).toContain(ChunkType.shutdown)
    expect(typesOf(peer.say(makeChunk(ChunkType.shutdownAck, 0, EMPTY)))).toEqual([
      ChunkType.shutdownComplete,
    ])
    expect(peer.events.at(-1)).toEqual({ type: 'closed', reason: 'shutdown' })
  })

  it('SHUTDOWN of a peer acknowledges; what it does not is sent first', () => {
    const peer = new HandPeer(1)
    for (let i = 0; i < 2; i++) peer.machine.send(0, 0, 53, numbered(i, 1000))
    peer.drain()
    const shutdown = (tsn: number) => makeChunk(ChunkType.shutdown, 0, new ByteWriter(4).u32(tsn).finish())
    expect(peer.say(shutdown(peer.theirTsn))).toEqual([])
    expect(peer.machine.state).toBe('shutdownReceived')
    expect(tsnsOf(peer.wait(600))).toEqual([(peer.theirTsn + 1) >>> 0])
    expect(typesOf(peer.say(shutdown((peer.theirTsn + 1) >>> 0)))).toEqual([ChunkType.shutdownAck])
    peer.say(makeChunk(ChunkType.shutdownComplete, 0, EMPTY))
    expect(peer.events.at(-1)).toEqual({ type: 'closed', reason: 'shutdown' })
  })
})

describe('HEARTBEAT (RFC 9260 section 8.3)', () => {
  it('measures the path, and fails after a timeout, not after an interval', () => {
    const peer = new HandPeer(1, { heartbeatInterval: 1000, maxRetransmissions: 2 })
    const [heartbeat] = peer.wait(1000)
    expect(heartbeat).toMatchObject({ type: ChunkType.heartbeat })
    peer.now += 120
    peer.say(makeChunk(ChunkType.heartbeatAck, 0, heartbeat!.value))
    expect(peer.machine.statistics.smoothedRoundTrip).toBe(120)
    peer.say(makeChunk(ChunkType.heartbeatAck, 0, heartbeat!.value))
    expect(peer.dropped('unexpected')).toBe(1)
    for (let i = 0; i < 600; i++) peer.wait(10)
    expect(peer.events.at(-1)).toEqual({ type: 'closed', reason: 'timeout' })
    expect(peer.now).toBeLessThan(8000)
  })

  it('is answered with what it carries, and not where that is too much', () => {
    const peer = new HandPeer(1)
    const info = makeParameter(ParameterType.heartbeatInfo, numbered(1, 40))
    expect(peer.say(makeChunk(ChunkType.heartbeat, 0, info))).toEqual([
      { type: ChunkType.heartbeatAck, flags: 0, value: info },
    ])
    expect(peer.say(makeChunk(ChunkType.heartbeat, 0, new Uint8Array(600)))).toEqual([])
  })
})

describe('stream resets (RFC 6525)', () => {
  /** The machine's request, as it goes out. */
  const requestOf = (chunks: readonly Chunk[]) =>
    chunks.find((chunk) => chunk.type === ChunkType.reConfig)!.value
  const respond = (peer: HandPeer, value: Uint8Array, result: number) =>
    peer.say(writeResetResponse({ responseNumber: readU32(value, 4), result }))

  it('denied: the stream goes on with its sequence numbers', () => {
    const peer = new HandPeer(1)
    const ssnOf = () => {
      peer.machine.send(peer.now, 4, 53, Uint8Array.of(1))
      return new DataView(peer.drain().flatMap(chunksOf)[0]!.value.buffer).getUint16(6)
    }
    expect(ssnOf()).toBe(0)
    peer.say(sackChunk(peer.theirTsn, 1 << 20, []))
    for (const result of [ResetResult.denied, ResetResult.wrongSsn, ResetResult.badSequenceNumber]) {
      peer.machine.resetStream(peer.now, 4)
      respond(peer, requestOf(peer.wait(0)), result)
      expect(peer.events.at(-1)).toEqual({ type: 'outgoingReset', streams: [4], performed: false })
    }
    expect(ssnOf()).toBe(1)
    peer.machine.resetStream(peer.now, 4)
    respond(peer, requestOf(peer.wait(0)), ResetResult.performed)
    expect(ssnOf()).toBe(0)
  })

  it('in progress, and then silence: the peer is given up', () => {
    const peer = new HandPeer(1)
    peer.machine.resetStream(peer.now, 1)
    const [request] = peer.wait(0)
    respond(peer, request!.value, ResetResult.inProgress)
    for (let i = 0; i < 100 && peer.machine.state !== 'closed'; i++) peer.wait(5000)
    expect(peer.events.at(-1)).toEqual({ type: 'closed', reason: 'timeout' })
  })

  it('in progress: asked again without an error, then under a new number', () => {
    const peer = new HandPeer(1, { maxRetransmissions: 2, heartbeatInterval: 1e9 })
    peer.machine.resetStream(0, 4)
    const numbers: number[] = []
    let value = requestOf(peer.wait(0))
    for (let i = 0; i < 9; i++) {
      numbers.push((readU32(value, 4) - peer.theirTsn) >>> 0)
      respond(peer, value, i % 3 === 2 ? ResetResult.alreadyInProgress : ResetResult.inProgress)
      value = requestOf(peer.wait(6000))
    }
    expect(numbers).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4])
    respond(peer, value, ResetResult.performed)
    expect(peer.events.at(-1)).toEqual({ type: 'outgoingReset', streams: [4], performed: true })
    expect(peer.machine.state).toBe('established')
  })

  it('a peer that asks again under a new number gets one reset, and the answer to the new number', () => {
    const peer = new HandPeer(1)
    const ask = (requestNumber: number, streams = [1]) =>
      peer.say(writeResetRequest({ requestNumber, responseNumber: 0, lastTsn: 1, streams }))
    expect(resultOf(ask(1))).toBe(ResetResult.inProgress)
    expect(resultOf(ask(2))).toBe(ResetResult.inProgress)
    const chunks = peer.say(dataChunk(1, 1, 0, BEGIN_END, Uint8Array.of(1)))
    expect(resultOf(chunks)).toBe(ResetResult.performed)
    expect(readU32(requestOf(chunks), 4)).toBe(2)
    expect(peer.events.filter((event) => event.type === 'incomingReset')).toHaveLength(1)
    expect(resultOf(ask(2))).toBe(ResetResult.performed)
    expect(peer.events.filter((event) => event.type === 'incomingReset')).toHaveLength(1)
  })

  it('all streams, while data of all is outstanding', () => {
    const peer = new HandPeer(1)
    peer.say(dataChunk(1, 1, 0, BEGIN_END, Uint8Array.of(1)))
    peer.say(writeResetRequest({ requestNumber: 1, responseNumber: 0, lastTsn: 2, streams: [] }))
    peer.say(dataChunk(3, 1, 0, BEGIN_END, Uint8Array.of(3)))
    expect(peer.dropped('reset-pending')).toBe(1)
    peer.say(dataChunk(2, 1, 1, BEGIN_END, Uint8Array.of(2)))
    peer.say(dataChunk(3, 1, 0, BEGIN_END, Uint8Array.of(3)))
    expect(peer.events.map((event) => event.type)).toEqual([
      'connected',
      'message',
      'message',
      'incomingReset',
      'message',
    ])
  })

  it('what is not done is denied, each kind, also when asked again; streams that are none are wrong', () => {
    const peer = new HandPeer(1)
    let number = 1
    const ask = (type: number, rest: number) => {
      const value = new ByteWriter(16).u32(number).zeros(rest).finish()
      return peer.say(makeChunk(ChunkType.reConfig, 0, joinPadded([makeParameter(type, value)])))
    }
    for (const [type, rest] of [
      [ParameterType.incomingResetRequest, 2],
      [ParameterType.tsnResetRequest, 0],
      [ParameterType.addOutgoingStreams, 4],
      [ParameterType.addIncomingStreams, 4],
    ] as const) {
      expect(resultOf(ask(type, rest))).toBe(ResetResult.denied)
      expect(resultOf(ask(type, rest))).toBe(ResetResult.denied)
      number++
    }
    const request = { requestNumber: number, responseNumber: 0, lastTsn: 0, streams: [65_535] }
    expect(resultOf(peer.say(writeResetRequest({ ...request, streams: [100] })))).toBe(ResetResult.wrongSsn)
  })

  it('two requests in one chunk get two answers', () => {
    const peer = new HandPeer(1)
    const outgoing = new ByteWriter(16).u32(1).u32(0).u32(0).u16(3).finish()
    const incoming = new ByteWriter(8).u32(2).u16(3).finish()
    const value = joinPadded([
      makeParameter(ParameterType.outgoingResetRequest, outgoing),
      makeParameter(ParameterType.incomingResetRequest, incoming),
    ])
    const answers = peer.say(makeChunk(ChunkType.reConfig, 0, value))
    const results = answers
      .filter((chunk) => chunk.type === ChunkType.reConfig)
      .map((chunk) => chunk.value.at(-1))
    expect(results).toEqual([ResetResult.performed, ResetResult.denied])
  })
})

describe('what an INIT may say and may not (RFC 9260 sections 3.3.2 and 5.1.2)', () => {
  const init = writeInit({ ...peerInit(1), cookie: numbered(1, 40) })
  /** An INIT or INIT ACK whose other parameters stand behind `first`. */
  const behind = (type: number, ...first: Uint8Array[]) =>
    makeChunk(type, 0, joinPadded([init.subarray(0, 16), ...first, init.subarray(16)]))
  const addresses = [
    makeParameter(ParameterType.ipv4Address, Uint8Array.of(192, 0, 2, 1)),
    makeParameter(ParameterType.ipv6Address, new Uint8Array(16)),
    makeParameter(ParameterType.supportedAddressTypes, Uint8Array.of(0, 5)),
    makeParameter(ParameterType.cookiePreservative, new Uint8Array(4)),
  ]
  const hostName = makeParameter(ParameterType.hostNameAddress, numbered(1, 8))
  /** One that connects, and its tag. */
  function connecting() {
    const machine = new SctpAssociation({ crypto: seededCrypto(5) })
    machine.connect(0)
    const tag = readU32(drain(machine).datagrams.flatMap(chunksOf)[0]!.value, 0)
    const receive = (...chunks: Uint8Array[]) => {
      machine.handleInput({ kind: 'receive', now: 0, contents: packet(tag, ...chunks) })
      return drain(machine)
    }
    return { machine, receive }
  }

  it('INIT: what comes behind is read', () => {
    const machine = new SctpAssociation({ crypto: seededCrypto(5) })
    const receive = (tag: number, chunk: Uint8Array) => {
      machine.handleInput({ kind: 'receive', now: 0, contents: packet(tag, chunk) })
      return drain(machine).datagrams.flatMap(chunksOf)[0]!
    }
    const { value } = receive(0, behind(ChunkType.init, ...addresses))
    const cookie = value.slice(20, 16 + readU16(value, 18))
    expect(receive(readU32(value, 0), makeChunk(ChunkType.cookieEcho, 0, cookie)).type).toBe(
      ChunkType.cookieAck,
    )
    expect(machine.canResetStreams).toBe(true)
  })

  it('INIT ACK: the cookie behind is found, and nothing is unknown', () => {
    const { machine, receive } = connecting()
    const echo = receive(behind(ChunkType.initAck, ...addresses)).datagrams.flatMap(chunksOf)
    expect(echo).toEqual([{ type: ChunkType.cookieEcho, flags: 0, value: numbered(1, 40) }])
    expect(receive(makeChunk(ChunkType.cookieAck, 0, EMPTY)).datagrams).toEqual([])
    expect(machine.canResetStreams).toBe(true)
  })

  const withoutStreams = (change: { outboundStreams?: 0; inboundStreams?: 0 }) => (type: number) =>
    makeChunk(type, 0, writeInit({ ...peerInit(1, change), cookie: numbered(1, 40) }))

  it.each([
    ['a host name', 5, (type: number) => behind(type, hostName)],
    ['no outbound streams', 7, withoutStreams({ outboundStreams: 0 })],
    ['no inbound streams', 7, withoutStreams({ inboundStreams: 0 })],
  ])('%s: ABORT, whatever the state', (_, cause, make) => {
    const isRefusal = (datagrams: readonly Uint8Array[]) => {
      const chunks = datagrams.flatMap(chunksOf)
      expect(typesOf(chunks)).toEqual([ChunkType.abort])
      expect(readU16(chunks[0]!.value, 0)).toBe(cause)
      expect(readU32(datagrams[0]!, 4)).toBe(peerInit(1).initiateTag)
    }
    const established = new HandPeer(1)
    isRefusal(established.receive(packet(0, make(ChunkType.init))))
    expect(established.machine.state).toBe('established')
    const machine = new SctpAssociation({ crypto: seededCrypto(5) })
    machine.handleInput({ kind: 'receive', now: 0, contents: packet(0, make(ChunkType.init)) })
    isRefusal(drain(machine).datagrams)
    expect(machine.state).toBe('closed')
    const { datagrams, events } = connecting().receive(make(ChunkType.initAck))
    isRefusal(datagrams)
    expect(events).toEqual([{ type: 'closed', reason: 'protocol-violation' }])
  })

  it('INIT is alone in its packet (section 8.5.1, rule A)', () => {
    const peer = new HandPeer(1)
    const chunk = makeChunk(ChunkType.init, 0, writeInit(peerInit(500, { initiateTag: 77 })))
    expect(peer.receive(packet(0, chunk, dataChunk(1, 0, 0, BEGIN_END, Uint8Array.of(1))))).toEqual([])
    expect(peer.receive(packet(0, chunk, chunk))).toEqual([])
    expect(peer.dropped('malformed')).toBe(2)
    expect(typesOf(peer.receive(packet(0, chunk)).flatMap(chunksOf))).toEqual([ChunkType.initAck])
  })
})

describe('packets of any size that may be asked for', () => {
  const sizes = [200, 201, 203, 256, 300, 511, 519, 524, 530, 543, 560, 600, 1191]

  it.each(sizes)('%s bytes: what a peer is answered fits, with a SACK of many blocks', (maxPacketSize) => {
    for (let length = 0; length <= 600; length += 4) {
      const peer = new HandPeer(1, { maxPacketSize })
      const echoed = makeChunk(ChunkType.heartbeat, 0, numbered(1, Math.max(4, length)))
      const unknown = makeChunk(0xc5, 0, numbered(1, Math.max(4, length)))
      const data = Array.from({ length: 50 }, (_, i) =>
        dataChunk(3 + 2 * i, 0, i, BEGIN_END, Uint8Array.of(1)),
      )
      const answers = peer.receive(packet(peer.tag, echoed, unknown, ...data))
      expect(Math.max(...answers.map((answer) => answer.length))).toBeLessThanOrEqual(maxPacketSize)
      const types = typesOf(answers.flatMap(chunksOf))
      expect(types).toContain(ChunkType.sack)
      expect(types).toContain(ChunkType.error)
      expect(types.includes(ChunkType.heartbeatAck)).toBe(length <= Math.min(512, maxPacketSize - 32))
    }
  })

  it.each(sizes)('%s bytes: resets of many streams go one request after the other', (maxPacketSize) => {
    const { pair, a } = connected(3, { latency: 5 }, { maxPacketSize }, {})
    const streams = Array.from({ length: 450 }, (_, i) => i)
    for (const stream of streams) a.resetStream(pair.now, stream)
    pair.runFor(2000)
    const reset = pair.b.events.flatMap(({ event }) => (event.type === 'incomingReset' ? event.streams : []))
    expect(reset).toEqual(streams)
    expect(pair.a.events.filter(({ event }) => event.type === 'outgoingReset')).toHaveLength(
      Math.ceil(450 / Math.min(200, ((maxPacketSize - 96) & ~3) / 2)),
    )
  })

  it('an INIT ACK with much that is not known, in small packets: as much is reported as fits', () => {
    const machine = new SctpAssociation({ crypto: seededCrypto(5), maxPacketSize: 200 })
    machine.connect(0)
    const tag = readU32(drain(machine).datagrams.flatMap(chunksOf)[0]!.value, 0)
    const unknown = Array.from({ length: 8 }, () => makeParameter(0xc123, numbered(1, 28)))
    const value = joinPadded([writeInit({ ...peerInit(1), cookie: numbered(1, 40) }), ...unknown])
    const contents = packet(tag, makeChunk(ChunkType.initAck, 0, value))
    machine.handleInput({ kind: 'receive', now: 0, contents })
    machine.handleInput({
      kind: 'receive',
      now: 0,
      contents: packet(tag, makeChunk(ChunkType.cookieAck, 0, EMPTY)),
    })
    const error = drain(machine)
      .datagrams.flatMap(chunksOf)
      .find(({ type }) => type === ChunkType.error)!
    expect(error.value.length).toBe(4 + 5 * 32)
  })
})

describe('wrap', () => {
  /** A provider whose random bytes are all ones: TSNs and request numbers begin at the end of the circle. */
  const atTheEnd = () => portableCrypto({ random: (bytes) => void bytes.fill(0xff) })

  it('TSNs and request numbers, under loss', () => {
    const { pair, a } = connected(21, { latency: 5, loss: 0.1 }, { crypto: atTheEnd() }, {})
    for (let round = 0; round < 6; round++) {
      a.send(pair.now, 2, 53, numbered(round, 3000))
      a.resetStream(pair.now, 2)
      pair.runUntil(
        () => pair.a.events.filter(({ event }) => event.type === 'outgoingReset').length === round + 1,
      )
    }
    expect(messagesOf(pair.b.events)).toHaveLength(6)
    expect(pair.b.events.filter(({ event }) => event.type === 'incomingReset')).toHaveLength(6)
  })

  it('stream sequence numbers, in order under loss', () => {
    const count = 66_000
    const { pair, a } = connected(22, { latency: 2, loss: 0.02 }, { rtoMin: 20, rtoInitial: 20 })
    let sent = 0
    pair.runUntil(() => {
      for (; sent < count && a.bufferedAmount(0) < 40_000; sent++) {
        a.send(pair.now, 0, 53, new ByteWriter(4).u32(sent).finish())
      }
      return a.statistics.inFlight === 0 && sent === count && a.bufferedAmount(0) === 0
    }, 600_000)
    pair.runFor(2000)
    const numbers = messagesOf(pair.b.events).map(({ data }) => readU32(data, 0))
    expect(numbers.length).toBe(count)
    expect(numbers.every((number, i) => number === i)).toBe(true)
  })
})
