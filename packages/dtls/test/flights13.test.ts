import { describe, expect, it } from 'vitest'
import type { Dtls, DtlsOptions } from '@str0m/dtls'
import { EARLY_RECORDS_MAX } from '../src/early-records.ts'
import { handshakeFragment, handshakeMessage } from '../src/wire/handshake.ts'
import { ContentType } from '../src/wire/protocol.ts'
import { scriptedClient13, sealed, signerOf } from './scripted13.ts'
import { CLIENT_CERTIFICATE, drain, makeClient, makeServer, type Path, Wire } from './support.ts'

const OPTIONS: Partial<DtlsOptions> = { versions: ['DTLS 1.3'] }
const SMALL: Partial<DtlsOptions> = { ...OPTIONS, mtu: 300 }

function give(machine: Dtls, datagrams: readonly Uint8Array[], now: number): Uint8Array[] {
  const answers: Uint8Array[] = []
  for (const contents of datagrams) {
    machine.handleInput({ kind: 'receive', now, contents: contents.slice() })
    answers.push(...drain(machine).datagrams)
  }
  return answers
}

/** A server's flight in several datagrams, and those who speak. */
function begun(): { client: Dtls; server: Dtls; flight: Uint8Array[] } {
  const client = makeClient(SMALL)
  const server = makeServer(SMALL)
  client.start(0)
  const flight = give(server, drain(client).datagrams, 0)
  expect(flight.length).toBeGreaterThan(2)
  return { client, server, flight }
}

describe('a flight of which a part is lost', () => {
  it('is acknowledged as far as it came, and only the rest is sent again', () => {
    const { client, server, flight } = begun()
    const [first, lost, ...rest] = flight
    expect(give(client, [first!], 10)).toEqual([])
    // out of order: there is a gap
    const acks = give(client, rest, 10)
    expect(acks.length).toBe(1)
    const again = give(server, acks, 40)
    // what went together with the rest may need headers of its own
    const length = again.reduce((sum, { length: bytes }) => sum + bytes, 0)
    expect(length).toBeLessThanOrEqual(lost!.length + 2 * 34)
    give(client, again, 50)
    expect(client.state).toBe('connected')
  })

  it('at its end is acknowledged after a quarter of the first timer', () => {
    const { client, server, flight } = begun()
    expect(give(client, flight.slice(0, -1), 10)).toEqual([])
    expect(drain(client).at).toBe(10 + 25)
    client.handleInput({ kind: 'timeout', now: 35 })
    const { datagrams, at } = drain(client)
    expect(datagrams.length).toBe(1)
    expect(at).toBe(100)
    const again = give(server, datagrams, 60)
    expect(again.length).toBe(1)
    give(client, again, 70)
    expect(client.state).toBe('connected')
  })

  it('is not acknowledged more often than that, however much of it comes out of order', () => {
    const { client, flight } = begun()
    expect(give(client, [flight[0]!, ...flight.slice(2)], 10).length).toBe(1)
    // the same parts in other records, as a server sends them again
    expect(give(client, flight.slice(2), 12).length).toBe(0)
  })

  it('of the client is acknowledged by the server, and only the rest is sent again', () => {
    const { client, server, flight } = begun()
    const last = give(client, flight, 10)
    expect(last.length).toBe(2)
    const acks = give(server, [last[1]!], 20)
    expect(acks.length).toBe(1)
    const again = give(client, acks, 40)
    expect(again.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(last[0]!.length + 2 * 34)
    const [ack, ...others] = give(server, again, 50)
    expect([server.state, others]).toEqual(['connected', []])
    give(client, [ack!], 60)
    expect(drain(client).at).toBe(Infinity)
  })

  it('is sent as a whole where none of it came, when the timer says so or the hello comes again', () => {
    const { client, server, flight } = begun()
    client.handleInput({ kind: 'timeout', now: 100 })
    const repeated = give(server, drain(client).datagrams, 110)
    expect(repeated.map(({ length }) => length)).toEqual(flight.map(({ length }) => length))
    give(client, repeated, 120)
    expect(client.state).toBe('connected')
  })
})

describe('records that come before their keys', () => {
  it('of epoch 2, before the ServerHello, and of epoch 3, before the Finished, are kept', () => {
    const backwards: Path = (contents, to) => [
      { contents, delay: to === 'client' ? 100 - contents.length / 10 : 1 },
    ]
    const wire = new Wire(makeClient(SMALL), makeServer(SMALL), backwards)
    wire.connect()
    expect([wire.client.state, wire.server.state]).toEqual(['connected', 'connected'])

    const { client, server, flight } = begun()
    const last = give(client, flight.toReversed(), 10)
    expect(client.state).toBe('connected')
    client.send(new Uint8Array([7]))
    const [data] = drain(client).datagrams
    for (const contents of [data!, ...last.toReversed()]) {
      server.handleInput({ kind: 'receive', now: 20, contents: contents.slice() })
    }
    expect(drain(server).events.map(({ type }) => type)).toEqual(['connected', 'data'])
  })

  it(`are at most ${EARLY_RECORDS_MAX}: the oldest go`, () => {
    const client = makeClient(OPTIONS)
    client.start(0)
    const record = new Uint8Array([0x2e, 1, 2, 0, 16, ...Array<number>(16).fill(9)])
    give(client, Array<Uint8Array>(EARLY_RECORDS_MAX + 5).fill(record), 1)
    expect(client.statistics.dropped['early-record-evicted']).toBe(5)
    expect(client.state).toBe('handshaking')
  })
})

it('several records of both kinds in one datagram, and what is no record at its end', () => {
  const client = makeClient({ ...OPTIONS, mtu: 16_384 })
  const server = makeServer({ ...OPTIONS, mtu: 16_384 })
  client.start(0)
  const [flight] = give(server, drain(client).datagrams, 0)
  const longer = new Uint8Array(flight!.length + 3)
  longer.set(flight!)
  give(client, [longer], 1)
  expect([client.state, client.statistics.dropped['malformed-record']]).toEqual(['connected', 1])
})

it('messages in fragments of any size make the same connection', () => {
  const server = makeServer({ ...OPTIONS, mtu: 16_384 })
  const { keys } = scriptedClient13(server, { signer: signerOf(CLIENT_CERTIFICATE) })
  const ticket = handshakeMessage(4, keys.nextSequence, new Uint8Array(10))
  for (const [offset, size] of [
    [5, 5],
    [0, 5],
  ] as const) {
    give(server, [sealed(keys.writeData, ContentType.handshake, handshakeFragment(ticket, offset, size))], 5)
  }
  expect(server.statistics.dropped['unexpected-message']).toBe(1)
})
