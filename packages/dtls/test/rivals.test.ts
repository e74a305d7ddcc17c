import { concatBytes } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Dtls } from '@str0m/dtls'
import { EARLY_BYTES_MAX, EARLY_RECORDS_MAX } from '../src/early-records.ts'
import { WriteEpoch } from '../src/record-protection.ts'
import { RIVAL_HELLOS_MAX, RIVAL_SESSIONS_MAX } from '../src/rivals.ts'
import { handshakeMessage, type HandshakeMessage } from '../src/wire/handshake.ts'
import { encodeHelloVerifyRequest } from '../src/wire/hello.ts'
import { ContentType, HandshakeType } from '../src/wire/protocol.ts'
import { messagesIn, recordOf } from './scripted.ts'
import { drain, makeClient, makeServer, seededCrypto, SERVER_CERTIFICATE } from './support.ts'

const MTU = { mtu: 16_384 }

function give(machine: Dtls, datagrams: readonly Uint8Array[]): Uint8Array[] {
  const answers: Uint8Array[] = []
  for (const contents of datagrams) {
    machine.handleInput({ kind: 'receive', now: 0, contents: contents.slice() })
    answers.push(...drain(machine).datagrams)
  }
  return answers
}

function started(): [client: Dtls, hello: Uint8Array[]] {
  const client = makeClient(MTU)
  client.start(0)
  return [client, drain(client).datagrams]
}

function inRecord(message: HandshakeMessage): Uint8Array {
  return recordOf(new WriteEpoch(), ContentType.handshake, message.bytes)
}

/** The hello with another session id: as well-formed as the genuine one. */
function otherHello(hello: Uint8Array, id: number): Uint8Array {
  const [{ body }] = messagesIn([hello]) as [HandshakeMessage]
  const other = concatBytes([body.subarray(0, 34), new Uint8Array([1, id]), body.subarray(35)])
  return inRecord(handshakeMessage(HandshakeType.clientHello, 0, other))
}

describe('S1: as many forgeries as there is room for beside the genuine one, and one more', () => {
  function forgedHellos(count: number): string[] {
    const [client, hello] = started()
    const server = makeServer(MTU)
    const flight4 = give(server, hello)
    for (let id = 0; id < count; id++) give(server, [otherHello(hello[0]!, id)])
    give(client, give(server, give(client, flight4)))
    return [client.state, server.state]
  }

  it(`${RIVAL_HELLOS_MAX - 1} hellos to a server, after the genuine one`, () => {
    expect(forgedHellos(RIVAL_HELLOS_MAX - 1)).toEqual(['connected', 'connected'])
    expect(forgedHellos(RIVAL_HELLOS_MAX)).toEqual(['handshaking', 'handshaking'])
  })

  function forgedCookies(count: number): string[] {
    const [client, hello] = started()
    const server = makeServer({ ...MTU, cookie: 'required' })
    const flight4 = give(server, give(client, give(server, hello)))
    for (let i = 0; i < count; i++) {
      const body = encodeHelloVerifyRequest(new Uint8Array(32).fill(i))
      give(client, [inRecord(handshakeMessage(HandshakeType.helloVerifyRequest, 0, body))])
    }
    give(client, give(server, give(client, flight4)))
    return [client.state, server.state]
  }

  it(`${RIVAL_HELLOS_MAX - 1} cookies to a client, after the genuine one`, () => {
    expect(forgedCookies(RIVAL_HELLOS_MAX - 1)).toEqual(['connected', 'connected'])
    expect(forgedCookies(RIVAL_HELLOS_MAX)).toEqual(['handshaking', 'handshaking'])
  })

  it('the same forged cookies any number of times', () => {
    const [client, hello] = started()
    const server = makeServer({ ...MTU, cookie: 'required' })
    const flight4 = give(server, give(client, give(server, hello)))
    for (let i = 0; i < 100; i++) {
      const body = encodeHelloVerifyRequest(new Uint8Array(32).fill(i % 2))
      give(client, [inRecord(handshakeMessage(HandshakeType.helloVerifyRequest, 0, body))])
    }
    give(client, give(server, give(client, flight4)))
    expect([client.state, server.state]).toEqual(['connected', 'connected'])
  })

  function forgedFlights(count: number): string[] {
    const [client, hello] = started()
    const server = makeServer(MTU)
    const flight4 = give(server, hello)
    const flight5 = give(client, flight4)
    const [serverHello] = messagesIn(flight4)
    for (let i = 0; i < count; i++) {
      const body = concatBytes([
        serverHello!.body.subarray(0, 34),
        new Uint8Array([2, i >>> 8, i]),
        serverHello!.body.subarray(35),
      ])
      give(client, [inRecord(handshakeMessage(HandshakeType.serverHello, 0, body))])
    }
    give(client, give(server, flight5))
    return [client.state, server.state]
  }

  it(`${RIVAL_SESSIONS_MAX - 1} flights to a client, after the genuine one`, () => {
    expect(forgedFlights(RIVAL_SESSIONS_MAX - 1)).toEqual(['connected', 'connected'])
    expect(forgedFlights(RIVAL_SESSIONS_MAX)).toEqual(['handshaking', 'connected'])
  })

  it('a HelloVerifyRequest for a hello that was never sent is no place to start from', () => {
    const [client] = started()
    const body = encodeHelloVerifyRequest(new Uint8Array(32))
    for (const sequence of [1, 2, 3, 11]) {
      const forged = inRecord(handshakeMessage(HandshakeType.helloVerifyRequest, sequence, body))
      expect(give(client, [forged])).toEqual([])
    }
    expect(client.statistics.dropped['unexpected-message']).toBe(4)
  })

  it('forgeries before the genuine one, without end', () => {
    const [client, hello] = started()
    const server = makeServer(MTU)
    for (let id = 0; id < 200; id++) give(server, [otherHello(hello[0]!, id)])
    // the answers to forgeries are paced by the timer; the genuine one is new
    give(client, give(server, give(client, give(server, hello))))
    expect([client.state, server.state]).toEqual(['connected', 'connected'])
  })
})

describe('S1: a server that demands no certificate', () => {
  it('makes a session of each hello that a key share may answer', () => {
    const [client, hello] = started()
    const server = new Dtls({
      role: 'server',
      certificate: SERVER_CERTIFICATE,
      crypto: seededCrypto(1),
      cookie: 'off',
      mtu: 16_384,
      requestClientCertificate: false,
    })
    give(server, [otherHello(hello[0]!, 1)])
    const flight4 = give(server, hello)
    give(server, [otherHello(hello[0]!, 2)])
    give(client, give(server, give(client, flight4)))
    expect([client.state, server.state]).toEqual(['connected', 'connected'])
  })
})

describe('exhaust: records before their keys', () => {
  it('are kept up to the bound, and the newest are the ones kept', () => {
    const server = makeServer()
    const early = (sequence: number, length: number): Uint8Array => {
      const record = new Uint8Array(13 + length)
      record.set([22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, sequence >>> 8, sequence, length >>> 8, length])
      return record
    }
    for (let i = 0; i < 1000; i++) {
      server.handleInput({ kind: 'receive', now: 0, contents: early(i, 40) })
    }
    expect(server.statistics.dropped['early-record-evicted']).toBe(1000 - EARLY_RECORDS_MAX)
    const large = makeServer()
    const count = Math.floor(EARLY_BYTES_MAX / 5013)
    for (let i = 0; i < 100; i++) {
      large.handleInput({ kind: 'receive', now: 0, contents: early(i, 5000) })
    }
    expect(large.statistics.dropped['early-record-evicted']).toBe(100 - count)
  })

  it('do not keep the genuine Finished from being taken when it comes again', () => {
    const [client, hello] = started()
    const server = makeServer(MTU)
    const [flight5] = give(client, give(server, hello))
    for (let i = 0; i < 100; i++) {
      const contents = new Uint8Array([22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, i, 0, 1, 0])
      server.handleInput({ kind: 'receive', now: 0, contents })
    }
    give(client, give(server, [flight5!]))
    expect([client.state, server.state]).toEqual(['connected', 'connected'])
  })
})
