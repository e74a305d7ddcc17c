import { describe, expect, it } from 'vitest'
import { SctpAssociation } from '../src/index.ts'
import { ChunkType, COMMON_HEADER } from '../src/wire/constants.ts'
import { type Init, readInit, writeInit } from '../src/wire/init.ts'
import { makeChunk } from '../src/wire/packet.ts'
import { TlvIterator } from '../src/wire/tlv.ts'
import { packet, peerInit } from './hand-peer.ts'
import { drain, numbered, seededCrypto } from './support.ts'

const WITH = { forwardTsn: true, reConfig: true, zeroChecksum: true, interleaving: false }
const WITHOUT = { ...WITH, zeroChecksum: false }

/** The INIT or INIT ACK that stands in a datagram. */
function initIn(datagram: Uint8Array | undefined): Init {
  const chunks = new TlvIterator(datagram!, COMMON_HEADER, datagram!.length)
  chunks.next()
  return readInit(chunks)!
}

function machine(): SctpAssociation {
  return new SctpAssociation({ crypto: seededCrypto(1), zeroChecksum: true })
}

describe('a peer that drops chunks with parameters that it does not know (Pion)', () => {
  it('is answered without the zero checksum where its INIT has none, before and after we connect', () => {
    const hello = (extensions: Init['extensions']) =>
      packet(0, makeChunk(ChunkType.init, 0, writeInit(peerInit(1, { extensions }))))
    for (const connects of [false, true]) {
      for (const extensions of [WITH, WITHOUT]) {
        const passive = machine()
        if (connects) passive.connect(0)
        drain(passive)
        passive.handleInput({ kind: 'receive', now: 0, contents: hello(extensions) })
        const ack = initIn(drain(passive).datagrams[0])
        expect(ack.extensions.zeroChecksum).toBe(extensions.zeroChecksum)
        // a peer without it still gets the rest
        expect(ack.extensions).toMatchObject({ forwardTsn: true, reConfig: true })
      }
    }
  })

  it('gets an INIT without it when it does not answer the first, and checksums ever after', () => {
    const active = machine()
    active.connect(0)
    expect(initIn(drain(active).datagrams[0]).extensions.zeroChecksum).toBe(true)
    const { at } = drain(active)
    active.handleInput({ kind: 'timeout', now: at })
    const init = initIn(drain(active).datagrams[0])
    expect(init.extensions).toMatchObject({ forwardTsn: true, reConfig: true, zeroChecksum: false })

    // even one that does know it answered an INIT that did not say it
    const answer = peerInit(1, { extensions: WITH, cookie: Uint8Array.of(1, 2, 3, 4) })
    const chunk = makeChunk(ChunkType.initAck, 0, writeInit(answer))
    active.handleInput({ kind: 'receive', now: at, contents: packet(init.initiateTag, chunk) })
    drain(active)
    const ack = packet(init.initiateTag, makeChunk(ChunkType.cookieAck, 0, new Uint8Array(0)))
    active.handleInput({ kind: 'receive', now: at, contents: ack })
    drain(active)
    expect(active.state).toBe('established')
    active.send(at, 0, 53, numbered(1, 10))
    const [data] = drain(active).datagrams
    expect(data!.subarray(8, 12).every((byte) => byte === 0)).toBe(false)
  })
})

describe('a peer that leaves checksums out as soon as it may (Pion, Chromium)', () => {
  const peer = peerInit(1, { extensions: WITH, cookie: Uint8Array.of(1, 2, 3, 4) })
  const answer = makeChunk(ChunkType.initAck, 0, writeInit(peer))
  const withoutChecksum = (datagram: Uint8Array): Uint8Array => datagram.fill(0, 8, 12)

  it('has its INIT ACK taken without one', () => {
    const active = machine()
    active.connect(0)
    const { initiateTag } = initIn(drain(active).datagrams[0])
    active.handleInput({ kind: 'receive', now: 0, contents: withoutChecksum(packet(initiateTag, answer)) })
    expect(drain(active).datagrams[0]?.[COMMON_HEADER]).toBe(ChunkType.cookieEcho)
  })

  it('has an INIT without one dropped, and all else by who never said that it may be left out', () => {
    const passive = machine()
    const hello = makeChunk(ChunkType.init, 0, writeInit(peer))
    passive.handleInput({ kind: 'receive', now: 0, contents: withoutChecksum(packet(0, hello)) })
    expect(drain(passive).datagrams).toEqual([])
    expect(passive.statistics.dropped['bad-checksum']).toBe(1)

    const strict = new SctpAssociation({ crypto: seededCrypto(1) })
    strict.connect(0)
    const { initiateTag } = initIn(drain(strict).datagrams[0])
    strict.handleInput({ kind: 'receive', now: 0, contents: withoutChecksum(packet(initiateTag, answer)) })
    expect(drain(strict).datagrams).toEqual([])
    expect(strict.statistics.dropped['bad-checksum']).toBe(1)
  })
})
