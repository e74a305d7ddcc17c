import { type LinkOptions, Pair } from '@str0m/netem'
import { describe, expect, it, vi } from 'vitest'
import type { Dtls, DtlsOptions } from '@str0m/dtls'
import { type CipherSuite13, CIPHER_SUITES_13 } from '../src/cipher-suites13.ts'
import { FORGERIES_MAX, ReadEpoch13, WriteEpoch13 } from '../src/record-protection13.ts'
import { encodeAcknowledgement, parseAcknowledgement } from '../src/wire/acknowledgement.ts'
import { handshakeMessage } from '../src/wire/handshake.ts'
import { encodeKeyUpdate } from '../src/wire/messages13.ts'
import { ContentType, HandshakeType } from '../src/wire/protocol.ts'
import { type Keys13, recordsIn, scriptedClient13, scriptedServer13, sealed, signerOf } from './scripted13.ts'
import { CLIENT_CERTIFICATE, drain, makeClient, makeServer, SERVER_CERTIFICATE, Wire } from './support.ts'

const OPTIONS: Partial<DtlsOptions> = { versions: ['DTLS 1.3'] }
const CLIENT = signerOf(CLIENT_CERTIFICATE)

function connected(): Wire {
  const wire = new Wire(makeClient(OPTIONS), makeServer(OPTIONS))
  wire.connect()
  wire.run(wire.now + 100)
  return wire
}

/** The bits of the epoch that the machine writes data under now. */
function epochBitsOf(wire: Wire, from: 'client' | 'server'): number {
  wire[from].send(new Uint8Array([1]))
  wire.run(wire.now + 10)
  return wire.sent[from].at(-1)![0]! & 3
}

/** Runs with keys that wear out after so many records. */
function withRecordsMax<T>(recordsMax: number, run: () => T): T {
  const suite = CIPHER_SUITES_13[0] as { -readonly [K in keyof CipherSuite13]: CipherSuite13[K] }
  const before = suite.recordsMax
  suite.recordsMax = recordsMax
  try {
    return run()
  } finally {
    suite.recordsMax = before
  }
}

describe('KeyUpdate', () => {
  it('of one side changes the keys of that side, once the other has it', () => {
    const wire = connected()
    wire.client.updateKeys(false)
    wire.client.send(new Uint8Array([7]))
    wire.run(wire.now + 10)
    // still under the old keys
    expect(wire.sent.client.at(-1)![0]! & 3).toBe(3)
    expect([epochBitsOf(wire, 'client'), epochBitsOf(wire, 'server')]).toEqual([0, 3])
    wire.client.updateKeys(true)
    wire.run(wire.now + 10)
    expect([epochBitsOf(wire, 'client'), epochBitsOf(wire, 'server')]).toEqual([1, 0])
    expect(wire.events.server.filter(({ type }) => type === 'data').length).toBe(3)
    expect([drain(wire.client).at, drain(wire.server).at]).toEqual([Infinity, Infinity])
  })

  it('crosses one of the other side: both are answered', () => {
    const wire = connected()
    wire.client.updateKeys(true)
    wire.server.updateKeys(true)
    // nothing, while the one before is under way
    wire.server.updateKeys(true)
    wire.run(wire.now + 100)
    // each its own, and one that the other asked for
    expect([epochBitsOf(wire, 'client'), epochBitsOf(wire, 'server')]).toEqual([1, 1])
    expect(wire.client.statistics.dropped).toMatchObject({ 'bad-record-mac': 0, 'unexpected-message': 0 })
  })

  it('happens by itself before a key is used up, as often as it takes', () => {
    withRecordsMax(40, () => {
      const wire = connected()
      for (let i = 0; i < 1000; i++) {
        wire.client.send(new Uint8Array([i & 0xff]))
        if (i % 7 === 0) wire.run(wire.now + 10)
      }
      wire.run(wire.now + 100)
      const data = wire.events.server.filter(({ type }) => type === 'data')
      expect(data.length).toBe(1000)
      expect(wire.server.statistics.dropped).toMatchObject({ 'bad-record-mac': 0, replayed: 0 })
    })
  })

  it('that the peer does not take ends sending at the limit, and close works', () => {
    withRecordsMax(40, () => {
      const wire = connected()
      let sent = 0
      const send = (): void => {
        for (; sent < 100; sent++) wire.client.send(new Uint8Array(1))
      }
      expect(send).toThrow(expect.objectContaining({ code: 'sequence-exhausted' }))
      // and the KeyUpdate itself
      expect(sent).toBe(39)
      for (let i = 0; i < 5; i++) wire.client.handleInput({ kind: 'timeout', now: wire.now + 5000 * (i + 1) })
      wire.client.close()
      expect(drain(wire.client).events).toEqual([{ type: 'closed', reason: 'local-close' }])
    })
  })

  it('both ways in 50 runs at 30 % loss, with reordering and duplication: all data that comes is right', () => {
    const rough: LinkOptions = {
      latency: 20,
      jitter: 10,
      loss: 0.3,
      duplicate: 0.1,
      reorder: 0.2,
      reorderDelay: 60,
    }
    for (let seed = 1; seed <= 50; seed++) {
      const client = makeClient(OPTIONS, seed)
      const server = makeServer(OPTIONS, seed + 10_000)
      const pair = new Pair<Dtls>(client, server, {
        seed,
        link: rough,
        receive: (now, { contents }) => ({ kind: 'receive', now, contents }),
      })
      pair.runUntil(() => client.state === 'connected' && server.state === 'connected', 100_000)
      const first = { client: 0, server: 0 }
      for (let round = 0; round < 30; round++) {
        if (round % 3 === 0) client.updateKeys(round % 2 === 0)
        if (round % 4 === 0) server.updateKeys(round % 2 === 1)
        client.send(new Uint8Array([round]))
        server.send(new Uint8Array([round]))
        pair.runFor(200)
        if (round === 4) {
          first.client = pair.a.events.length
          first.server = pair.b.events.length
        }
      }
      pair.runFor(20_000)
      // of 25 each about 17 arrive, also under the latest keys
      expect(pair.a.events.length - first.client, `seed ${seed}`).toBeGreaterThan(6)
      expect(pair.b.events.length - first.server, `seed ${seed}`).toBeGreaterThan(6)
      expect([client.pollOutput(), server.pollOutput()], `seed ${seed}`).toEqual([
        { kind: 'timeout', at: Infinity },
        { kind: 'timeout', at: Infinity },
      ])
    }
  })
})

describe('what a peer sends after the handshake', () => {
  function ready(): { server: Dtls; keys: Keys13; message: (type: number, body: Uint8Array) => Uint8Array } {
    const server = makeServer({ ...OPTIONS, mtu: 16_384 })
    const { keys } = scriptedClient13(server, { signer: CLIENT })
    const message = (type: number, body: Uint8Array): Uint8Array =>
      sealed(keys.writeData, ContentType.handshake, handshakeMessage(type, keys.nextSequence++, body).bytes)
    return { server, keys, message }
  }

  function give(machine: Dtls, contents: Uint8Array, now = 0): Uint8Array[] {
    machine.handleInput({ kind: 'receive', now, contents: contents.slice() })
    return drain(machine).datagrams
  }

  /** The record numbers in the ACKs of a machine. */
  function acknowledged(datagrams: readonly Uint8Array[], keys: Keys13): unknown[] {
    return recordsIn(datagrams, [keys.readData, keys.read])
      .filter(({ type }) => type === ContentType.ack)
      .flatMap(({ plaintext }) => parseAcknowledgement(plaintext))
  }

  it('is acknowledged, also when it comes again, and a ticket is dropped', () => {
    const client = makeClient({ ...OPTIONS, mtu: 16_384 })
    const { keys } = scriptedServer13(client, { signer: signerOf(SERVER_CERTIFICATE) })
    const { bytes } = handshakeMessage(HandshakeType.newSessionTicket, keys.nextSequence, new Uint8Array(50))
    for (let sequence = 0; sequence < 3; sequence++) {
      const contents = sealed(keys.writeData, ContentType.handshake, bytes)
      expect(acknowledged(give(client, contents), keys)).toEqual([{ epoch: 3, sequence }])
    }
    expect(client.statistics.dropped['unexpected-message']).toBe(0)
  })

  it('of a kind that it may not is acknowledged and dropped', () => {
    const { server, keys, message } = ready()
    expect(
      acknowledged(give(server, message(HandshakeType.newSessionTicket, new Uint8Array(9))), keys).length,
    ).toBe(1)
    give(server, message(HandshakeType.clientHello, new Uint8Array(9)))
    expect(server.statistics.dropped['unexpected-message']).toBe(2)
    give(server, message(HandshakeType.keyUpdate, new Uint8Array([2])))
    expect(server.statistics.dropped['malformed-handshake']).toBe(1)
  })

  it('in the wrong kind of record is dropped', () => {
    const { server, keys } = ready()
    give(server, sealed(keys.write, ContentType.applicationData, new Uint8Array(3)))
    give(server, sealed(keys.writeData, 99, new Uint8Array(3)))
    give(server, sealed(keys.writeData, 0, new Uint8Array(0)))
    give(server, sealed(keys.writeData, ContentType.alert, new Uint8Array(3)))
    expect(server.statistics.dropped).toMatchObject({ 'unexpected-record': 3, 'malformed-record': 1 })
    // the header of DTLS 1.2
    give(server, new Uint8Array([23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]))
    expect(server.statistics.dropped['unexpected-record']).toBe(4)
    expect(server.state).toBe('connected')
  })

  it('under the old keys is read until the new ones were, and for a while after', () => {
    const { server, keys, message } = ready()
    const old = [1, 2].map((byte) =>
      sealed(keys.writeData, ContentType.applicationData, new Uint8Array([byte])),
    )
    give(server, message(HandshakeType.keyUpdate, encodeKeyUpdate(false)))
    let secret = keys.application.client
    const data: number[] = []
    const take = (contents: Uint8Array): void => {
      server.handleInput({ kind: 'receive', now: 0, contents: contents.slice() })
      for (const event of drain(server).events) if (event.type === 'data') data.push(event.data[0]!)
    }
    take(old[0]!)
    secret = secret.next()
    const epoch4 = new WriteEpoch13(keys.crypto, secret, 4)
    take(sealed(epoch4, ContentType.applicationData, new Uint8Array([4])))
    take(old[1]!)
    const update = handshakeMessage(HandshakeType.keyUpdate, keys.nextSequence++, encodeKeyUpdate(false))
    take(sealed(epoch4, ContentType.handshake, update.bytes))
    const epoch5 = new WriteEpoch13(keys.crypto, secret.next(), 5)
    take(sealed(epoch5, ContentType.applicationData, new Uint8Array([5])))
    take(sealed(keys.writeData, ContentType.applicationData, new Uint8Array([9])))
    expect(data).toEqual([1, 4, 2, 5])
    expect(server.statistics.dropped['bad-record-mac']).toBe(1)
  })

  it('out of order is taken in order', () => {
    const { server, keys, message } = ready()
    const first = message(HandshakeType.keyUpdate, encodeKeyUpdate(false))
    keys.nextSequence--
    const ahead = handshakeMessage(HandshakeType.clientHello, keys.nextSequence + 1, new Uint8Array(1))
    give(server, sealed(keys.writeData, ContentType.handshake, ahead.bytes))
    expect(server.statistics.dropped['unexpected-message']).toBe(0)
    expect(acknowledged(give(server, first), keys).length).toBe(1)
    expect(server.statistics.dropped['unexpected-message']).toBe(1)
  })

  it('as ACKs for what was not sent, or that are malformed, changes nothing', () => {
    const { server, keys } = ready()
    server.updateKeys(false)
    drain(server)
    const number = { epoch: 3, sequence: 2 ** 40 }
    give(server, sealed(keys.writeData, ContentType.ack, encodeAcknowledgement([number])))
    give(server, sealed(keys.writeData, ContentType.ack, new Uint8Array([0, 3, 1, 1, 1])))
    expect(server.statistics.dropped['malformed-record']).toBe(1)
    server.send(new Uint8Array(1))
    expect(drain(server).datagrams[0]![0]! & 3).toBe(3)
    const all = Array.from({ length: 9 }, (_, sequence) => ({ epoch: 3, sequence }))
    give(server, sealed(keys.writeData, ContentType.ack, encodeAcknowledgement(all)))
    server.send(new Uint8Array(1))
    expect(drain(server).datagrams[0]![0]! & 3).toBe(0)
  })

  it('the client repeats its last flight until the ACK comes, and the server its ACK', () => {
    const wire = new Wire(makeClient(OPTIONS), makeServer(OPTIONS))
    let lose = true
    wire.path = (contents, to) =>
      // the ACK is what the server sends first of epoch 3
      lose && to === 'client' && (contents[0]! & 0xe3) === 0x23 ? [] : [{ contents, delay: 1 }]
    wire.connect()
    expect(wire.server.state).toBe('connected')
    wire.run(wire.now + 1000)
    const repeats = wire.client.statistics.flightsRetransmitted
    expect(repeats).toBeGreaterThan(2)
    lose = false
    wire.run(wire.now + 10_000)
    expect(wire.client.statistics.flightsRetransmitted).toBeLessThanOrEqual(repeats + 1)
    expect(drain(wire.client).at).toBe(Infinity)
  })
})

describe('records that fail under one key', () => {
  it('have the peer asked for new keys, and end the connection at the limit', () => {
    const wire = connected()
    const forgery = new Uint8Array(40).fill(1)
    forgery[0] = 0x2f
    forgery[3] = 0
    forgery[4] = 35
    let forgeries = FORGERIES_MAX / 2 - 2
    const open = vi.spyOn(ReadEpoch13.prototype, 'open').mockImplementation(function (this: ReadEpoch13) {
      this.forgeries = forgeries++
      return 'rejected'
    })
    try {
      const give = (): void =>
        wire.server.handleInput({ kind: 'receive', now: wire.now, contents: forgery.slice() })
      give()
      give()
      expect(drain(wire.server).datagrams.length).toBe(0)
      give()
      // a KeyUpdate
      expect(drain(wire.server).datagrams.length).toBe(1)
      give()
      expect(drain(wire.server).datagrams.length).toBe(0)
      forgeries = FORGERIES_MAX
      give()
      expect(drain(wire.server).events).toEqual([{ type: 'closed', reason: 'aead-limit' }])
    } finally {
      open.mockRestore()
    }
  })
})
