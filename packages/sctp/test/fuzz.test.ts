import { ByteWriter, type Instant, SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { SctpAssociation, type SctpState } from '../src/index.ts'
import { ChunkType } from '../src/wire/constants.ts'
import { writeInit } from '../src/wire/init.ts'
import { makeChunk } from '../src/wire/packet.ts'
import { writeResetRequest, writeResetResponse } from '../src/wire/reconfig.ts'
import { readU32 } from '@str0m/sans-io'
import { chunksOf, dataChunk, forwardTsnChunk, HandPeer, packet, peerInit, sackChunk } from './hand-peer.ts'
import { drain, numbered, seededCrypto } from './support.ts'

const EMPTY = new Uint8Array(0)
const WINDOW = 65_536
const OPTIONS = { receiveWindow: WINDOW, maxMessageSize: WINDOW }
/** What one packet may lead to, at most: a window of data, and answers. */
const MAX_OUTPUT = 200

interface Target {
  readonly machine: SctpAssociation
  readonly tag: number
  /** The first TSN of the machine's, and what it last sent. */
  readonly theirTsn: number
}

function connecting(): Target {
  const machine = new SctpAssociation({ crypto: seededCrypto(1), ...OPTIONS })
  machine.connect(0)
  const { value } = chunksOf(drain(machine).datagrams[0]!)[0]!
  return { machine, tag: readU32(value, 0), theirTsn: readU32(value, 12) }
}

/** A machine in `state`, by hand. */
function inState(state: SctpState, interleaving: boolean): Target {
  const extensions = { forwardTsn: true, reConfig: true, zeroChecksum: false, interleaving }
  if (state === 'closed') {
    const machine = new SctpAssociation({ crypto: seededCrypto(1), ...OPTIONS })
    return { machine, tag: 0, theirTsn: 0 }
  }
  if (state === 'cookieWait') return connecting()
  if (state === 'cookieEchoed') {
    const target = connecting()
    const init = writeInit(peerInit(1, { extensions, cookie: Uint8Array.of(1, 2, 3, 4) }))
    const contents = packet(target.tag, makeChunk(ChunkType.initAck, 0, init))
    target.machine.handleInput({ kind: 'receive', now: 0, contents })
    drain(target.machine)
    return target
  }
  const peer = new HandPeer(1, OPTIONS, { extensions })
  const { machine, tag, theirTsn } = peer
  const shutdown = makeChunk(ChunkType.shutdown, 0, new ByteWriter(4).u32(theirTsn - 1).finish())
  const hasData = state !== 'shutdownSent' && state !== 'shutdownAckSent'
  if (hasData) {
    machine.send(0, 1, 53, numbered(1, 9000), { maxRetransmits: 0 })
    machine.send(0, 2, 53, numbered(2, 9000))
  }
  if (state === 'established') machine.resetStream(0, 3)
  if (state === 'shutdownPending' || state === 'shutdownSent') machine.shutdown(0)
  peer.drain()
  if (state === 'shutdownReceived' || state === 'shutdownAckSent') peer.say(shutdown)
  return { machine, tag, theirTsn }
}

/** Chunks that make sense, for the mutations to begin with. */
function corpus({ theirTsn }: Target, interleaving: boolean): Uint8Array[] {
  const iData = new ByteWriter(40).u32(2).u16(1).u16(0).u32(0).u32(53).bytes(numbered(1, 20)).finish()
  const chunks = [
    dataChunk(1, 0, 0, 2, numbered(1, 30)),
    dataChunk(3, 0, 1, 3, numbered(1, 30)),
    makeChunk(ChunkType.iData, 2, iData),
    sackChunk(theirTsn, WINDOW, [[2, 3]]),
    sackChunk((theirTsn - 1) >>> 0, 0, [
      [3, 4],
      [6, 7],
    ]),
    forwardTsnChunk(5, [[0, 0]]),
    makeChunk(ChunkType.iForwardTsn, 0, new ByteWriter(12).u32(4).u16(1).u16(1).u32(0).finish()),
    writeResetRequest({ requestNumber: 1, responseNumber: 0, lastTsn: 3, streams: [0, 1] }),
    writeResetResponse({ responseNumber: theirTsn, result: 1 }),
    makeChunk(ChunkType.heartbeat, 0, Uint8Array.of(0, 1, 0, 8, 1, 2, 3, 4)),
    makeChunk(ChunkType.heartbeatAck, 0, Uint8Array.of(0, 1, 0, 8, 1, 2, 3, 4)),
    makeChunk(ChunkType.initAck, 0, writeInit(peerInit(1, { cookie: numbered(1, 20) }))),
    makeChunk(ChunkType.cookieAck, 0, EMPTY),
    makeChunk(ChunkType.cookieEcho, 0, numbered(1, 80)),
    makeChunk(ChunkType.error, 0, Uint8Array.of(0, 3, 0, 8, 0, 0, 0, 0)),
    makeChunk(ChunkType.shutdown, 0, new ByteWriter(4).u32(theirTsn).finish()),
    makeChunk(ChunkType.shutdownAck, 0, EMPTY),
    makeChunk(ChunkType.shutdownComplete, 0, EMPTY),
    makeChunk(ChunkType.abort, 0, EMPTY),
    makeChunk(0xff, 0, numbered(1, 8)),
  ]
  // the kind of data that ends the association at once would hide what comes after
  return chunks.filter((chunk) => chunk[0] !== (interleaving ? ChunkType.data : ChunkType.iData))
}

const STATES: readonly SctpState[] = [
  'closed',
  'cookieWait',
  'cookieEchoed',
  'established',
  'shutdownPending',
  'shutdownSent',
  'shutdownReceived',
  'shutdownAckSent',
]

describe('S20, S22: mutated chunks with the right tag', () => {
  it.each(STATES)('in %s: nothing throws, hangs or grows', (state) => {
    for (let seed = 0; seed < 120; seed++) {
      const random = new SeededRandom(seed)
      const interleaving = random.chance(0.5)
      const target = inState(state, interleaving)
      const { machine, tag } = target
      expect(machine.state).toBe(state)
      const chunks = corpus(target, interleaving)
      let now: Instant = 0
      for (let step = 0; step < 40; step++) {
        const picked: Uint8Array[] = []
        for (let i = random.integer(3); i >= 0; i--) {
          const chunk = chunks[random.integer(chunks.length)]!.slice()
          for (let m = random.integer(4); m > 0; m--) {
            const at = random.chance(0.2) ? random.integer(4) : random.integer(chunk.length)
            chunk[at] = random.chance(0.5) ? random.u32() : chunk[at]! + (random.chance(0.5) ? 1 : -1)
          }
          picked.push(chunk)
        }
        machine.handleInput({
          kind: 'receive',
          now,
          contents: packet(random.chance(0.95) ? tag : 0, ...picked),
        })
        const { at, datagrams, events } = drain(machine)
        if (datagrams.length + events.length > MAX_OUTPUT)
          throw new Error(`seed ${seed}, step ${step}: floods`)
        if (random.chance(0.2)) {
          now = Math.max(now, Math.min(at, now + 3000))
          machine.handleInput({ kind: 'timeout', now })
          const after = drain(machine)
          const moved = after.at > now || after.datagrams.length + after.events.length > 0
          if (!moved) throw new Error(`seed ${seed}, step ${step}: stands still in ${machine.state}`)
        }
        expect(machine.statistics.heldBytes).toBeLessThanOrEqual(2 * WINDOW)
      }
    }
  })
})
