import { ByteWriter, type Instant, readU32 } from '@str0m/sans-io'
import { SctpAssociation, type SctpEvent, type SctpOptions } from '../src/index.ts'
import { ChunkType, COMMON_HEADER } from '../src/wire/constants.ts'
import { type Init, readInit, writeInit } from '../src/wire/init.ts'
import { makeChunk, PacketWriter } from '../src/wire/packet.ts'
import { TlvIterator } from '../src/wire/tlv.ts'
import { drain, seededCrypto } from './support.ts'

const PEER_TAG = 0x1234_5678

export function peerInit(initialTsn: number, change: Partial<Init> = {}): Init {
  return {
    initiateTag: PEER_TAG,
    receiverWindow: 1 << 20,
    outboundStreams: 100,
    inboundStreams: 100,
    initialTsn,
    extensions: { forwardTsn: true, reConfig: true, zeroChecksum: false, interleaving: false },
    unrecognized: [],
    ...change,
  }
}

/** A packet with `chunks`, its checksum right. */
export function packet(tag: number, ...chunks: Uint8Array[]): Uint8Array {
  const writer = new PacketWriter(65_000, { sourcePort: 5000, destinationPort: 5000, verificationTag: tag })
  for (const chunk of chunks) writer.append(chunk)
  return writer.finish(true)
}

export interface Chunk {
  readonly type: number
  readonly flags: number
  readonly value: Uint8Array
}

export function chunksOf(bytes: Uint8Array): Chunk[] {
  const chunks = new TlvIterator(bytes, COMMON_HEADER, bytes.length)
  const list: Chunk[] = []
  while (chunks.next()) list.push({ type: chunks.type, flags: chunks.flags, value: chunks.value().slice() })
  return list
}

export function dataChunk(
  tsn: number,
  stream: number,
  ssn: number,
  flags: number,
  data: Uint8Array,
): Uint8Array {
  const value = new ByteWriter(12 + data.length).u32(tsn).u16(stream).u16(ssn).u32(53).bytes(data).finish()
  return makeChunk(ChunkType.data, flags, value)
}

export function sackChunk(
  tsn: number,
  window: number,
  gaps: readonly (readonly [number, number])[],
): Uint8Array {
  const value = new ByteWriter(64).u32(tsn).u32(window).u16(gaps.length).u16(0)
  for (const [start, end] of gaps) value.u16(start).u16(end)
  return makeChunk(ChunkType.sack, 0, value.finish())
}

export function forwardTsnChunk(
  tsn: number,
  streams: readonly (readonly [number, number])[] = [],
): Uint8Array {
  const value = new ByteWriter(64).u32(tsn)
  for (const [stream, ssn] of streams) value.u16(stream).u16(ssn)
  return makeChunk(ChunkType.forwardTsn, 0, value.finish())
}

/** A peer made by hand that has connected to an association, and says what the test wants. */
export class HandPeer {
  readonly machine: SctpAssociation
  readonly events: SctpEvent[] = []
  /** The machine's tag and its initial TSN. */
  readonly tag: number
  readonly theirTsn: number
  readonly cookie: Uint8Array
  now: Instant = 0

  constructor(initialTsn: number, options: SctpOptions = {}, init: Partial<Init> = {}) {
    this.machine = new SctpAssociation({ crypto: seededCrypto(99), ...options })
    const hello = makeChunk(ChunkType.init, 0, writeInit(peerInit(initialTsn, init)))
    const [answer] = this.receive(packet(0, hello))
    const chunks = new TlvIterator(answer!, COMMON_HEADER, answer!.length)
    chunks.next()
    const initAck = readInit(chunks)!
    this.tag = initAck.initiateTag
    this.theirTsn = initAck.initialTsn
    this.cookie = initAck.cookie!
    this.receive(packet(this.tag, makeChunk(ChunkType.cookieEcho, 0, this.cookie)))
  }

  /** Hands over a datagram; answers what comes back. */
  receive(contents: Uint8Array): Uint8Array[] {
    this.machine.handleInput({ kind: 'receive', now: this.now, contents })
    return this.drain()
  }

  drain(): Uint8Array[] {
    const { datagrams, events } = drain(this.machine)
    this.events.push(...events)
    return datagrams
  }

  /** Chunks in a packet with the right tag; answers the chunks that come back. */
  say(...chunks: Uint8Array[]): Chunk[] {
    return this.receive(packet(this.tag, ...chunks)).flatMap(chunksOf)
  }

  /** Time goes on; answers the chunks that come. */
  wait(duration: number): Chunk[] {
    this.now += duration
    this.machine.handleInput({ kind: 'timeout', now: this.now })
    return this.drain().flatMap(chunksOf)
  }

  dropped(reason: keyof SctpAssociation['statistics']['dropped']): number {
    return this.machine.statistics.dropped[reason] ?? 0
  }
}

export function cumulativeOf(chunks: readonly Chunk[]): number | undefined {
  const sack = chunks.findLast((chunk) => chunk.type === ChunkType.sack)
  return sack === undefined ? undefined : readU32(sack.value, 0)
}
