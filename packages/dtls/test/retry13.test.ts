import { describe, expect, it } from 'vitest'
import { CookieExchange, type Dtls, type DtlsOptions, type DtlsVersion } from '@str0m/dtls'
import { NAMED_GROUPS, type NamedGroup } from '../src/cipher-suites.ts'
import { CIPHER_SUITES_13, type CipherSuite13 } from '../src/cipher-suites13.ts'
import { parseClientHello, parseServerHello } from '../src/wire/hello.ts'
import { HandshakeType } from '../src/wire/protocol.ts'
import { messagesIn } from './scripted.ts'
import { clientHello13, helloOf, scriptedServer13, signerOf } from './scripted13.ts'
import { drain, makeClient, makeServer, seededCrypto, SERVER_CERTIFICATE, Wire } from './support.ts'

const LONG: Partial<DtlsOptions> = { versions: ['DTLS 1.3', 'DTLS 1.2'], mtu: 16_384 }
const SERVER = signerOf(SERVER_CERTIFICATE)
const COOKIE = new Uint8Array(40).fill(3)

/** Runs with one group alone in our list, as though we had no other. */
function withGroup<T>(id: number, run: () => T): T {
  const groups = NAMED_GROUPS as NamedGroup[]
  const all = groups.slice()
  groups.splice(0, groups.length, ...all.filter((group) => group.id === id))
  try {
    return run()
  } finally {
    groups.splice(0, groups.length, ...all)
  }
}

/** The same with the suites. */
function withSuite<T>(suite: CipherSuite13, run: () => T): T {
  const suites = CIPHER_SUITES_13 as CipherSuite13[]
  const all = suites.slice()
  suites.splice(0, suites.length, suite)
  try {
    return run()
  } finally {
    suites.splice(0, suites.length, ...all)
  }
}

/** A server that has one group and one suite. */
function limitedServer(options: Partial<DtlsOptions>, group: number, suite: CipherSuite13): Dtls {
  const server = makeServer(options)
  const handleInput = server.handleInput.bind(server)
  server.handleInput = (input) => withGroup(group, () => withSuite(suite, () => handleInput(input)))
  return server
}

describe('HelloRetryRequest between two machines', () => {
  for (const suite of CIPHER_SUITES_13) {
    for (const { id, group } of NAMED_GROUPS) {
      for (const cookie of ['off', 'required'] as const) {
        it(`${suite.name} on ${group}, cookie ${cookie}`, () => {
          const wire = new Wire(makeClient(LONG), limitedServer({ ...LONG, cookie }, id, suite))
          wire.connect()
          const [client] = wire.events.client
          expect(client).toMatchObject({ type: 'connected', version: 'DTLS 1.3', cipherSuite: suite.name })
          expect(wire.server.state).toBe('connected')
          const hellos = messagesIn(wire.sent.client).filter(({ type }) => type === HandshakeType.clientHello)
          expect(hellos.length).toBe(cookie === 'off' && group === 'x25519' ? 1 : 2)
          const last = parseClientHello(hellos.at(-1)!.body)!
          expect(last.extensions.keyShares?.map((share) => share.group)).toEqual([id])
          expect(wire.now).toBe(hellos.length === 1 ? 3 : 5)
        })
      }
    }
  }

  it('at 30 % loss, fragmented, with a cookie and another group', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seededCrypto(seed)
      const wire = new Wire(
        makeClient({ ...LONG, mtu: 200 }, seed),
        limitedServer({ ...LONG, mtu: 200, cookie: 'required' }, 24, CIPHER_SUITES_13[1]!),
        (contents) => (random.randomBytes(1)[0]! < 77 ? [] : [{ contents, delay: 20 }]),
      )
      wire.connect(29_000)
      expect([wire.client.state, wire.server.state], `seed ${seed}`).toEqual(['connected', 'connected'])
    }
  })
})

describe('the cookie of a server', () => {
  it('is for one ClientHello, one server and one address', () => {
    const client = makeClient(LONG)
    const hello = helloOf(client)
    const required = { ...LONG, cookie: 'required' as const }
    const server = makeServer(required)
    give(server, hello.bytes)
    const [request] = drain(server).datagrams
    client.handleInput({ kind: 'receive', now: 0, contents: request!.slice() })
    const [second] = drain(client).datagrams
    const other = makeServer(required, 21)
    other.handleInput({ kind: 'receive', now: 0, contents: second!.slice() })
    expect(other.statistics.dropped['illegal-parameter']).toBe(1)
    const { cookie } = parseServerHello(messagesIn([request!])[0]!.body)!.extensions
    const cookieAt = Buffer.from(second!).indexOf(cookie!)
    for (let byte = cookieAt; byte < cookieAt + cookie!.length; byte++) {
      const damaged = second!.slice()
      damaged[byte]! ^= 1
      const fresh = makeServer(required)
      fresh.handleInput({ kind: 'receive', now: 0, contents: damaged })
      expect([byte, fresh.state]).toEqual([byte, 'new'])
    }
    // nothing is kept: the machine that asked is not needed
    const same = makeServer(required)
    same.handleInput({ kind: 'receive', now: 0, contents: second!.slice() })
    expect(same.state).toBe('handshaking')
  })
})

function datagramOf(message: Uint8Array): Uint8Array {
  const header = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, message.length >>> 8, message.length & 0xff]
  return new Uint8Array([...header, ...message])
}

function give(machine: Dtls, message: Uint8Array): void {
  machine.handleInput({ kind: 'receive', now: 0, contents: datagramOf(message) })
}

describe('a CookieExchange with DTLS 1.3', () => {
  const FROM = '192.0.2.1:5000'
  const versions: DtlsVersion[] = ['DTLS 1.3', 'DTLS 1.2']

  function reply(exchange: CookieExchange, contents: Uint8Array): Uint8Array {
    const verdict = exchange.handleDatagram(contents, FROM)
    if (verdict.kind !== 'reply') throw new Error(verdict.kind)
    expect(verdict.contents.length).toBeLessThanOrEqual(contents.length)
    return verdict.contents
  }

  for (const ours of [['DTLS 1.3'], ['DTLS 1.2'], versions] as DtlsVersion[][]) {
    it(`proves the address of a client with ${ours.join()} before a machine is made, and the machine goes on`, () => {
      const exchange = new CookieExchange({ crypto: seededCrypto(5), versions })
      const client = makeClient({ versions: ours })
      client.start(0)
      const contents = reply(exchange, drain(client).datagrams[0]!)
      client.handleInput({ kind: 'receive', now: 1, contents })
      const [second] = drain(client).datagrams
      expect(exchange.handleDatagram(second!, '192.0.2.2:5000').kind).not.toBe('verified')
      expect(exchange.handleDatagram(second!, FROM).kind).toBe('verified')
      const server = makeServer({ versions, cookie: exchange, peerAddress: FROM })
      server.handleInput({ kind: 'receive', now: 1, contents: second! })
      const wire = new Wire(client, server)
      wire.connect()
      expect(wire.events.server[0]).toMatchObject({ type: 'connected', version: ours[0] })
    })
  }

  it('asks for another share, and drops what it cannot answer', () => {
    const exchange = new CookieExchange({ versions: ['DTLS 1.3'] })
    const { body } = clientHello13(seededCrypto(6), {
      extensions: {
        supportedGroups: [30, 23, 29],
        keyShares: [{ group: 30, keyExchange: new Uint8Array(56) }],
      },
    })
    const [request] = messagesIn([reply(exchange, datagramOf(handshakeBytes(0, body)))])
    expect(parseServerHello(request!.body)?.extensions.keyShares?.[0]?.group).toBe(29)
    const dropped = [
      clientHello13(seededCrypto(6), { extensions: { cookie: COOKIE } }).body,
      clientHello13(seededCrypto(6), { extensions: { supportedGroups: [30] } }).body,
      helloOf(makeClient({ mtu: 16_384 })).body,
      body.subarray(0, 60),
    ]
    for (const [i, each] of dropped.entries()) {
      const verdict = exchange.handleDatagram(datagramOf(handshakeBytes(0, each)), FROM)
      expect([i, verdict.kind]).toEqual([i, 'drop'])
    }
    // a first fragment
    const fragment = handshakeBytes(0, body).slice(0, 12 + 90)
    fragment[11] = 90
    expect(exchange.handleDatagram(datagramOf(fragment), FROM).kind).toBe('drop')
  })

  it('has the versions of the machine', () => {
    const make = (): Dtls => makeServer({ versions, cookie: new CookieExchange(), peerAddress: FROM })
    expect(make).toThrow(expect.objectContaining({ code: 'cookie-versions-differ' }))
  })
})

describe('a client that is asked for another ClientHello', () => {
  it('returns the cookie, with the share that it had', () => {
    const client = makeClient(LONG)
    const { answer } = scriptedServer13(client, { signer: SERVER, retry: { cookie: COOKIE } })
    expect(answer.events[0]).toMatchObject({ type: 'connected' })
  })

  it.each(NAMED_GROUPS.slice(1).map((group) => [group.group, group] as const))(
    'makes a share on %s',
    (_, group) => {
      const client = makeClient(LONG)
      const retry = { group: group.id, cookie: COOKIE }
      const { answer } = scriptedServer13(client, { signer: SERVER, group, retry })
      expect(answer.events[0]).toMatchObject({ type: 'connected' })
    },
  )

  const refused: [string, { cookie?: Uint8Array; group?: number }][] = [
    ['nothing', {}],
    ['an empty cookie', { cookie: new Uint8Array(0) }],
    ['a share that was there', { group: 29 }],
    ['a share on a group of others', { group: 30 }],
  ]
  for (const [name, retry] of refused) {
    it(`does not, for ${name}`, () => {
      const client = makeClient(LONG)
      expect(() => scriptedServer13(client, { signer: SERVER, retry })).toThrow(TypeError)
      expect(client.statistics.dropped['illegal-parameter']).toBe(1)
    })
  }

  it('does not a second time, nor for the same request again', () => {
    const client = makeClient({ ...LONG, versions: ['DTLS 1.3'] })
    const server = makeServer({ ...LONG, cookie: 'required' })
    give(server, helloOf(client).bytes)
    const [request] = drain(server).datagrams
    for (let i = 0; i < 3; i++) client.handleInput({ kind: 'receive', now: i, contents: request!.slice() })
    expect(drain(client).datagrams.length).toBe(1)
    // as the answer to the second ClientHello
    const second = request!.slice()
    second[13 + 5] = 1
    client.handleInput({ kind: 'receive', now: 9, contents: second })
    expect(client.statistics.dropped['unexpected-message']).toBe(1)
    expect(drain(client).datagrams).toEqual([])
  })

  it('refuses a ServerHello with another suite than the request had', () => {
    const client = makeClient(LONG)
    const server = makeServer({ ...LONG, cookie: 'required' })
    give(server, helloOf(client).bytes)
    client.handleInput({ kind: 'receive', now: 0, contents: drain(server).datagrams[0]!.slice() })
    server.handleInput({ kind: 'receive', now: 0, contents: drain(client).datagrams[0]!.slice() })
    const flight = drain(server).datagrams[0]!
    expect(parseServerHello(messagesIn([flight.slice(0, 13 + flight[12]!)])[0]!.body)?.cipherSuite).toBe(
      0x1301,
    )
    // after record and message headers, version, random and session id
    flight[13 + 12 + 2 + 32 + 1 + 1] = 2
    client.handleInput({ kind: 'receive', now: 0, contents: flight })
    expect(client.statistics.dropped['illegal-parameter']).toBe(1)
    expect(client.state).toBe('handshaking')
  })
})

it('a second ClientHello that asks for something else than the first is refused', () => {
  const server = makeServer({ ...LONG, versions: ['DTLS 1.3'], cookie: 'required' })
  const crypto = seededCrypto(5)
  give(server, handshakeBytes(0, clientHello13(crypto, {}).body))
  const [request] = messagesIn(drain(server).datagrams)
  const { cookie } = parseServerHello(request!.body)!.extensions
  for (const suite of CIPHER_SUITES_13.slice(1)) {
    give(server, handshakeBytes(1, clientHello13(crypto, { suite, extensions: { cookie } }).body))
  }
  expect([server.state, server.statistics.dropped['illegal-parameter']]).toEqual(['new', 2])
})

function handshakeBytes(messageSequence: number, body: Uint8Array): Uint8Array {
  const u24 = [0, body.length >>> 8, body.length & 0xff]
  return new Uint8Array([1, ...u24, 0, messageSequence, 0, 0, 0, ...u24, ...body])
}
