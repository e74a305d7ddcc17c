import { describe, expect, it } from 'vitest'
import { type Dtls, DtlsCertificate, type DtlsOptions } from '@str0m/dtls'
import { NAMED_GROUPS } from '../src/cipher-suites.ts'
import { PeerCertificate } from '../src/peer-certificate.ts'
import { WriteEpoch } from '../src/record-protection.ts'
import { RIVAL_HELLOS_MAX } from '../src/rivals.ts'
import { encodeAcknowledgement } from '../src/wire/acknowledgement.ts'
import { handshakeMessage } from '../src/wire/handshake.ts'
import { encodeServerHello } from '../src/wire/hello.ts'
import { ContentType, DTLS_1_3, HandshakeType } from '../src/wire/protocol.ts'
import { recordOf } from './scripted.ts'
import {
  clientHello13,
  helloOf,
  p384Signer,
  recordsIn,
  rsaSigner,
  scriptedClient13,
  scriptedServer13,
  sealed,
  type Script13,
  signerOf,
} from './scripted13.ts'
import {
  CLIENT_CERTIFICATE,
  drain,
  fingerprintsOf,
  makeClient,
  makeServer,
  seededCrypto,
  SERVER_CERTIFICATE,
  Wire,
} from './support.ts'

const OPTIONS: Partial<DtlsOptions> = { versions: ['DTLS 1.3', 'DTLS 1.2'] }
const LONG: Partial<DtlsOptions> = { ...OPTIONS, mtu: 16_384 }
const CLIENT = signerOf(CLIENT_CERTIFICATE)
const SERVER = signerOf(SERVER_CERTIFICATE)

function connected(): Wire {
  const wire = new Wire(makeClient(OPTIONS), makeServer(OPTIONS))
  wire.connect()
  wire.run(wire.now + 100)
  return wire
}

function give(machine: Dtls, contents: Uint8Array, now = 0): void {
  machine.handleInput({ kind: 'receive', now, contents: contents.slice() })
}

/** A whole record of epoch 0 with one message. */
function plain(type: number, messageSequence: number, body: Uint8Array): Uint8Array {
  return recordOf(
    new WriteEpoch(),
    ContentType.handshake,
    handshakeMessage(type, messageSequence, body).bytes,
  )
}

function forgedServerHello(seed: number, messageSequence = 0): Uint8Array {
  const crypto = seededCrypto(seed)
  const body = encodeServerHello({
    random: crypto.randomBytes(32),
    cipherSuite: 0x1301,
    extensions: {
      extendedMasterSecret: false,
      supportedVersions: [DTLS_1_3],
      keyShares: [{ group: 29, keyExchange: crypto.generateKeyExchange('x25519').publicKey }],
    },
  })
  return plain(HandshakeType.serverHello, messageSequence, body)
}

describe('S1: forged hellos beside the genuine ones', () => {
  it('a ClientHello without a usable cipher suite, with another share, or of DTLS 1.2: at every step', () => {
    const crypto = seededCrypto(900)
    const nullSuite = clientHello13(crypto, {
      suite: { id: 0, name: 'TLS_AES_128_GCM_SHA256' } as never,
    }).body
    const wellFormed = clientHello13(crypto, {}).body
    const old = makeClient({}, 901)
    const forged = [nullSuite, wellFormed, helloOf(old).body].map((body) => plain(1, 0, body))
    const wire = new Wire(makeClient(OPTIONS), makeServer(OPTIONS), (contents, to) => [
      ...(to === 'server' ? forged.map((each) => ({ contents: each.slice(), delay: 0.5 })) : []),
      { contents, delay: 1 },
      ...(to === 'server' ? forged.map((each) => ({ contents: each.slice(), delay: 1.5 })) : []),
    ])
    wire.connect()
    expect([wire.client.state, wire.server.state]).toEqual(['connected', 'connected'])
    expect(wire.server.statistics.dropped['no-common-cipher-suite']).toBeGreaterThan(0)
  })

  it('a ServerHello with another share, before and after the genuine one', () => {
    const wire = new Wire(makeClient(OPTIONS), makeServer(OPTIONS), (contents, to) => [
      ...(to === 'client' ? [{ contents: forgedServerHello(910), delay: 0.5 }] : []),
      { contents, delay: 1 },
      ...(to === 'client' ? [{ contents: forgedServerHello(911), delay: 1.5 }] : []),
    ])
    wire.connect()
    expect([wire.client.state, wire.server.state]).toEqual(['connected', 'connected'])
  })

  it('a HelloRetryRequest for another group, whose answer the server does not know, and the genuine hello lost', () => {
    const request = (): Uint8Array => {
      const body = encodeServerHello({
        random: Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex'),
        cipherSuite: 0x1301,
        extensions: {
          extendedMasterSecret: false,
          supportedVersions: [DTLS_1_3],
          keyShares: [{ group: 23, keyExchange: new Uint8Array(0) }],
          cookie: new Uint8Array(32).fill(7),
        },
      })
      return plain(HandshakeType.serverHello, 0, body)
    }
    let isFirst = true
    const wire = new Wire(makeClient(OPTIONS), makeServer(OPTIONS), (contents) => {
      if (!isFirst) return [{ contents, delay: 1 }]
      isFirst = false
      return []
    })
    wire.run(0)
    give(wire.client, request())
    wire.connect()
    expect([wire.client.state, wire.server.state]).toEqual(['connected', 'connected'])
  })

  it('a flight of DTLS 1.2 by a server that has DTLS 1.3 is a downgrade', () => {
    // whoever takes DTLS 1.3 out of the hello cannot take the sentinel out of what the server signs
    const wire = new Wire(makeClient(OPTIONS), makeServer(OPTIONS), (contents, to) => {
      if (to === 'server') {
        const at = Buffer.from(contents).indexOf(Buffer.from('002b', 'hex'))
        // supported_versions becomes a type that nobody knows
        if (contents[13] === 1 && at > 0) contents[at] = 0xfa
      }
      return [{ contents, delay: 1 }]
    })
    wire.connect(29_000)
    expect([wire.client.state, wire.server.state]).toEqual(['handshaking', 'handshaking'])
    expect(wire.client.statistics.dropped['illegal-parameter']).toBeGreaterThan(0)
  })

  it(`no more than ${RIVAL_HELLOS_MAX - 1} of them, after the genuine one`, () => {
    const run = (count: number): string[] => {
      const client = makeClient(LONG)
      const server = makeServer(LONG)
      client.start(0)
      for (const hello of drain(client).datagrams) give(server, hello)
      const flight = drain(server).datagrams
      for (let i = 0; i < count; i++)
        give(server, plain(1, 0, clientHello13(seededCrypto(1000 + i), {}).body))
      drain(server)
      for (const datagram of flight) give(client, datagram)
      for (const datagram of drain(client).datagrams) give(server, datagram)
      return [client.state, server.state]
    }
    expect(run(RIVAL_HELLOS_MAX - 1)).toEqual(['connected', 'connected'])
    expect(run(RIVAL_HELLOS_MAX)).toEqual(['connected', 'handshaking'])
  })
})

describe('S6: without a proof of possession, or the announced certificate', () => {
  const cases: [string, Partial<Script13>, string][] = [
    ['no Certificate', { omit: [11] }, 'unexpected-message'],
    ['no CertificateVerify', { omit: [15] }, 'unexpected-message'],
    ['neither', { omit: [11, 15] }, 'unexpected-message'],
    ['an empty Certificate', { claims: [], omit: [15] }, 'bad-certificate'],
    [
      'a signature over something else',
      { proof: (content) => CLIENT.sign(content.subarray(1)) },
      'bad-signature',
    ],
    ['no signature', { proof: () => new Uint8Array(0) }, 'bad-signature'],
    [
      'a wrong Finished',
      { body: (type, body) => (type === 20 ? body.map((b) => b ^ 1) : body) },
      'bad-finished',
    ],
    ['a short Finished', { body: (type, body) => (type === 20 ? body.subarray(1) : body) }, 'bad-finished'],
    [
      'a CertificateVerify that is cut',
      { body: (type, body) => (type === 15 ? body.subarray(0, 9) : body) },
      'malformed-handshake',
    ],
    [
      'a Certificate that is cut',
      { body: (type, body) => (type === 11 ? body.subarray(0, 9) : body) },
      'malformed-handshake',
    ],
    [
      'a Certificate with a context',
      { body: (type, body) => (type === 11 ? new Uint8Array([1, 9, ...body.subarray(1)]) : body) },
      'illegal-parameter',
    ],
  ]
  for (const [name, script, reason] of cases) {
    it(`${name}: of a client, and of a server`, () => {
      const proof = script.proof
      const server = makeServer(LONG)
      const { answer } = scriptedClient13(server, { signer: CLIENT, ...script })
      expect([server.state, answer.events]).toEqual(['handshaking', []])
      expect(server.statistics.dropped).toMatchObject({ [reason]: 1 })

      const client = makeClient(LONG)
      const { answer: theirs } = scriptedServer13(client, {
        signer: SERVER,
        ...script,
        ...(proof && { proof }),
      })
      expect([client.state, theirs.events]).toEqual(['handshaking', []])
      expect(client.statistics.dropped).toMatchObject({ [reason]: 1 })
    })
  }

  it('another certificate than the announced one', () => {
    const server = makeServer(LONG)
    scriptedClient13(server, { signer: SERVER })
    expect(server.statistics.dropped).toMatchObject({ 'fingerprint-mismatch': 1 })
    const client = makeClient(LONG)
    scriptedServer13(client, { signer: CLIENT })
    expect(client.statistics.dropped).toMatchObject({ 'fingerprint-mismatch': 1 })
    expect([client.state, server.state]).toEqual(['handshaking', 'handshaking'])
  })

  it('the announced certificate, proven with a key of another', () => {
    const server = makeServer(LONG)
    scriptedClient13(server, { signer: CLIENT, proof: (content) => SERVER.sign(content) })
    expect(server.statistics.dropped).toMatchObject({ 'bad-signature': 1 })
  })

  it.each([
    ['RSASSA-PKCS1-v1_5, which is for certificates alone', rsaSigner('pkcs1')],
    ['a scheme of another curve than the key', p384Signer('sha256')],
  ])('a signature with %s', (_, signer) => {
    const remoteFingerprints = fingerprintsOf(new PeerCertificate(seededCrypto(1), signer.der, []))
    const server = makeServer({ ...LONG, remoteFingerprints })
    scriptedClient13(server, { signer })
    expect(server.statistics.dropped).toMatchObject({ 'bad-signature': 1 })
  })
})

describe('a server that answers what was not asked', () => {
  const cases: [string, Partial<Script13>, string][] = [
    ['another version', { extensions: { supportedVersions: [0x0304] } }, 'dropped'],
    [
      'a share on another group',
      { extensions: { keyShares: [{ group: 23, keyExchange: new Uint8Array(65) }] } },
      'illegal-parameter',
    ],
    [
      'a point of small order',
      { extensions: { keyShares: [{ group: 29, keyExchange: new Uint8Array(32) }] } },
      'bad-key-share',
    ],
    [
      'an extension that does not belong there',
      { extensions: { extendedMasterSecret: true } },
      'illegal-parameter',
    ],
    ['no share', { extensions: { keyShares: undefined } }, 'illegal-parameter'],
  ]
  for (const [name, script, reason] of cases) {
    it(`${name} is refused`, () => {
      const client = makeClient({ ...LONG, versions: ['DTLS 1.3'] })
      scriptedServer13(client, { signer: SERVER, ...script })
      expect(client.state).toBe('handshaking')
      const { dropped } = client.statistics
      expect(reason === 'dropped' ? dropped['unsupported-version'] : Reflect.get(dropped, reason)).toBe(1)
    })
  }

  it.each([
    ['an unknown extension', new Uint8Array([0, 4, 0xfa, 0xfa, 0, 0]), 'illegal-parameter'],
    ['two profiles', new Uint8Array([0, 11, 0, 14, 0, 7, 0, 4, 0, 1, 0, 7, 0]), 'illegal-parameter'],
    [
      'a profile that was not offered',
      new Uint8Array([0, 9, 0, 14, 0, 5, 0, 2, 0, 2, 0]),
      'illegal-parameter',
    ],
    ['an MKI', new Uint8Array([0, 10, 0, 14, 0, 6, 0, 2, 0, 7, 1, 1]), 'illegal-parameter'],
    ['no list', new Uint8Array(0), 'malformed-handshake'],
  ] as const)('EncryptedExtensions with %s', (_, body, reason) => {
    const client = makeClient(LONG)
    scriptedServer13(client, { signer: SERVER, body: (type, genuine) => (type === 8 ? body : genuine) })
    expect([client.state, client.statistics.dropped[reason]]).toEqual(['handshaking', 1])
  })

  it.each([
    ['is malformed', new Uint8Array([1]), 'malformed-handshake'],
    ['has a context', new Uint8Array([1, 7, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]), 'illegal-parameter'],
    ['knows no scheme at all', new Uint8Array([0, 0, 0]), 'illegal-parameter'],
  ] as const)('CertificateRequest that %s', (_, body, reason) => {
    const client = makeClient(LONG)
    scriptedServer13(client, { signer: SERVER, body: (type, genuine) => (type === 13 ? body : genuine) })
    expect([client.state, client.statistics.dropped[reason]]).toEqual(['handshaking', 1])
  })

  it('a CertificateRequest that knows no scheme of ours gets no certificate, RFC 8446 section 4.4.2', () => {
    const client = makeClient(LONG)
    const body = new Uint8Array([0, 0, 8, 0, 13, 0, 4, 0, 2, 8, 4])
    const { answer, keys } = scriptedServer13(client, {
      signer: SERVER,
      body: (type, genuine) => (type === 13 ? body : genuine),
    })
    expect(answer.events[0]).toMatchObject({ type: 'connected' })
    const [record] = recordsIn(answer.datagrams, [keys.read])
    // Certificate with a list of nothing, then a Finished of 32 bytes, each with its header of 12
    expect(record!.plaintext.subarray(0, 16)).toEqual(
      new Uint8Array([11, 0, 0, 4, 0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
    )
    expect([record!.plaintext[16], record!.plaintext.length]).toEqual([20, 16 + 12 + 32])
  })

  it('no EncryptedExtensions', () => {
    const client = makeClient(LONG)
    scriptedServer13(client, { signer: SERVER, omit: [HandshakeType.encryptedExtensions] })
    expect(client.statistics.dropped['unexpected-message']).toBe(1)
  })

  it('no CertificateRequest: the client proves nothing', () => {
    const client = makeClient(LONG)
    const { answer } = scriptedServer13(client, { signer: SERVER, omit: [HandshakeType.certificateRequest] })
    expect(answer.events[0]).toMatchObject({ type: 'connected' })
  })
})

describe('a ClientHello of DTLS 1.3 that cannot be taken', () => {
  const crypto = seededCrypto(950)
  const p256 = NAMED_GROUPS[1]!
  const cases: [string, Uint8Array, string][] = [
    [
      'a legacy cookie',
      clientHello13(crypto, {}, { legacyCookie: new Uint8Array(3) }).body,
      'illegal-parameter',
    ],
    [
      'no groups',
      clientHello13(crypto, { extensions: { supportedGroups: undefined } }).body,
      'illegal-parameter',
    ],
    ['no shares', clientHello13(crypto, { extensions: { keyShares: undefined } }).body, 'illegal-parameter'],
    [
      'groups of others',
      clientHello13(crypto, { extensions: { supportedGroups: [30] } }).body,
      'no-common-group',
    ],
    [
      'schemes of others',
      clientHello13(crypto, { extensions: { signatureAlgorithms: [0x0807] } }).body,
      'no-common-signature-algorithm',
    ],
    [
      'a cookie that is none',
      clientHello13(crypto, { extensions: { cookie: new Uint8Array(80) } }).body,
      'illegal-parameter',
    ],
    [
      'a short cookie',
      clientHello13(crypto, { extensions: { cookie: new Uint8Array(8) } }).body,
      'illegal-parameter',
    ],
    [
      'no point',
      clientHello13(crypto, {
        group: p256,
        extensions: { keyShares: [{ group: 23, keyExchange: new Uint8Array(65).fill(4) }] },
      }).body,
      'bad-key-share',
    ],
  ]
  for (const [name, body, reason] of cases) {
    it(`${name}: ${reason}`, () => {
      const server = makeServer({ ...LONG, versions: ['DTLS 1.3'] })
      give(server, plain(1, 0, body))
      expect([server.state, drain(server).datagrams]).toEqual(['new', []])
      expect(Reflect.get(server.statistics.dropped, reason)).toBe(1)
    })
  }

  it('of DTLS 1.2, or no ClientHello at all, where there is DTLS 1.3 alone', () => {
    const server = makeServer({ versions: ['DTLS 1.3'] })
    give(server, plain(1, 0, helloOf(makeClient({ mtu: 16_384 })).body))
    give(server, plain(1, 0, new Uint8Array(5)))
    give(server, plain(16, 0, new Uint8Array(5)))
    expect(server.statistics.dropped).toMatchObject({
      'unsupported-version': 1,
      'malformed-handshake': 1,
      'unexpected-message': 1,
    })
    const client = makeClient({ versions: ['DTLS 1.3'] })
    client.start(0)
    give(client, plain(3, 0, new Uint8Array([0xfe, 0xfd, 1, 1])))
    give(client, plain(2, 0, new Uint8Array(5)))
    expect(client.statistics.dropped).toMatchObject({ 'malformed-handshake': 1, 'unexpected-message': 1 })
  })
})

describe('S7: what is not authentic, after the handshake', () => {
  it('does not move the replay window', () => {
    const wire = connected()
    wire.client.send(new Uint8Array([1]))
    const [genuine] = drain(wire.client).datagrams
    const forged = genuine!.slice()
    // a number far ahead
    forged[1]! ^= 0x40
    for (const contents of [forged, genuine!, genuine!]) give(wire.server, contents, wire.now)
    expect(drain(wire.server).events).toEqual([{ type: 'data', data: new Uint8Array([1]) }])
    expect(wire.server.statistics.dropped).toMatchObject({ 'bad-record-mac': 1, replayed: 1 })
  })

  it('does not close: alerts and ACKs in plaintext, before and after', () => {
    const alert = new Uint8Array([21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40])
    const ack = recordOf(
      new WriteEpoch(),
      ContentType.ack,
      encodeAcknowledgement([{ epoch: 0, sequence: 0 }]),
    )
    const wire = new Wire(makeClient(OPTIONS), makeServer(OPTIONS), (contents) => [
      { contents: alert.slice(), delay: 0.5 },
      { contents: ack.slice(), delay: 0.5 },
      { contents, delay: 1 },
    ])
    wire.connect()
    for (const contents of [alert, ack]) give(wire.client, contents, wire.now)
    expect([wire.client.state, wire.server.state]).toEqual(['connected', 'connected'])
    expect(wire.client.statistics.dropped['plaintext-after-handshake']).toBeGreaterThan(1)
    expect(wire.server.statistics.dropped['unauthenticated-alert']).toBeGreaterThan(0)
  })

  it('an alert under the keys of one who has proven nothing, in either role', () => {
    const server = makeServer(LONG)
    const { keys } = scriptedClient13(server, { signer: CLIENT, omit: [20] })
    give(server, sealed(keys.write, ContentType.alert, new Uint8Array([2, 40])))
    expect([server.state, server.statistics.dropped['unauthenticated-alert']]).toEqual(['handshaking', 1])
    const client = makeClient(LONG)
    const { keys: theirs } = scriptedServer13(client, { signer: SERVER, omit: [20] })
    give(client, sealed(theirs.write, ContentType.alert, new Uint8Array([1, 0])))
    expect([client.state, client.statistics.dropped['unauthenticated-alert']]).toEqual(['handshaking', 1])
  })

  it('alerts under the keys of one who has: every one but user_canceled ends it, whatever its level', () => {
    for (const [level, description, reason] of [
      [2, 40, 'fatal-alert'],
      [1, 40, 'fatal-alert'],
      [1, 0, 'close-notify'],
      [2, 0, 'close-notify'],
    ] as const) {
      const server = makeServer(LONG)
      const { keys } = scriptedClient13(server, { signer: CLIENT })
      give(server, sealed(keys.writeData, ContentType.alert, new Uint8Array([1, 90])))
      expect(server.state).toBe('connected')
      give(server, sealed(keys.writeData, ContentType.alert, new Uint8Array([level, description])))
      expect(drain(server).events.at(-1)).toMatchObject({ type: 'closed', reason })
    }
  })
})

describe('S9: an address that is not proven', () => {
  it('gets less than it sent, and nothing is kept', () => {
    const server = makeServer({ ...OPTIONS, cookie: 'required' })
    const hello = helloOf(makeClient(LONG))
    give(server, plain(1, 0, hello.body))
    const { datagrams, at } = drain(server)
    expect(datagrams.length).toBe(1)
    expect(datagrams[0]!.length).toBeLessThan(hello.bytes.length + 13)
    expect([at, server.state]).toEqual([Infinity, 'new'])
    // over the whole time
    for (let i = 0; i < 50; i++) give(server, plain(1, 0, hello.body))
    drain(server)
    const { bytesSent, bytesReceived } = server.statistics
    expect(bytesSent).toBeLessThanOrEqual(bytesReceived)
  })
})

describe('S11: short datagrams', () => {
  it('of every length and every first byte are dropped by either role, in any state', () => {
    const wire = connected()
    for (const machine of [makeServer(OPTIONS), makeClient(OPTIONS), wire.client, wire.server]) {
      for (let length = 1; length <= 64; length++) {
        for (let first = 20; first < 64; first++) {
          const contents = new Uint8Array(length).fill(1)
          contents[0] = first
          machine.handleInput({ kind: 'receive', now: wire.now, contents })
        }
      }
      expect(machine.state).not.toBe('closed')
    }
    expect(drain(wire.server).events).toEqual([])
  })
})

describe('S2: messages under the keys that declare much and never come', () => {
  it('of 16 MB are refused, and take no memory', () => {
    const server = makeServer(LONG)
    const { keys } = scriptedClient13(server, { signer: CLIENT, omit: [11, 15, 20] })
    for (let i = 0; i < 100; i++) {
      const fragment = new Uint8Array(12 + 1)
      fragment.set([11, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 0, 0, 1])
      give(server, sealed(keys.write, ContentType.handshake, fragment))
    }
    expect(server.statistics.dropped['reassembly-limit']).toBe(100)
    expect(server.state).toBe('handshaking')
  })

  it('S3: without bytes make no progress', () => {
    const server = makeServer(LONG)
    const { keys } = scriptedClient13(server, { signer: CLIENT, omit: [11, 15, 20] })
    give(
      server,
      sealed(keys.write, ContentType.handshake, new Uint8Array([11, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0])),
    )
    give(server, sealed(keys.write, ContentType.handshake, new Uint8Array(0)))
    give(server, sealed(keys.write, ContentType.handshake, new Uint8Array(7)))
    expect(server.statistics.dropped['malformed-handshake']).toBe(3)
  })
})

describe('a client that is not confirmed', () => {
  it('closes in the time of the handshake', () => {
    const client = makeClient({ ...LONG, handshakeTimeout: 5000 })
    scriptedServer13(client, { signer: SERVER })
    expect(client.state).toBe('connected')
    let now = 0
    for (let at = drain(client).at; at !== Infinity; at = drain(client).at) {
      expect(at).toBeGreaterThan(now)
      now = at
      client.handleInput({ kind: 'timeout', now })
      if (client.state === 'closed') break
    }
    expect(now).toBe(5000)
    expect(drain(client).events).toEqual([{ type: 'closed', reason: 'handshake-timeout' }])
  })
})

it('a client whose certificate is refused is told so under the keys, when the server gives up', () => {
  const stranger = DtlsCertificate.generate({ crypto: seededCrypto(77) })
  const wire = new Wire(
    makeClient({ ...OPTIONS, certificate: stranger }),
    makeServer({ ...OPTIONS, handshakeTimeout: 3000 }),
  )
  wire.run(20_000)
  expect(wire.events.server).toEqual([
    { type: 'closed', reason: 'handshake-timeout', refusal: 'fingerprint-mismatch' },
  ])
  expect(wire.events.client.map(({ type }) => type)).toEqual(['connected', 'closed'])
  expect(wire.events.client[1]).toEqual({ type: 'closed', reason: 'fatal-alert', alert: 'bad_certificate' })
})
