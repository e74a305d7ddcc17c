import { describe, expect, it } from 'vitest'
import { Dtls, DtlsCertificate } from '@str0m/dtls'
import { encodeCertificateRequest } from '../src/wire/certificates.ts'
import {
  type ClientScript,
  ScriptedClient,
  scriptedServer,
  type ServerScript,
  type UnderKeys,
} from './scripted.ts'
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

const OTHER = DtlsCertificate.generate({ crypto: seededCrypto(77) })

/** Over anything but what it was asked to be over. */
function overAnother(certificate: DtlsCertificate): (data: Uint8Array) => Uint8Array {
  return (data) => {
    const another = data.slice()
    another[another.length - 1]! ^= 1
    return certificate.sign(another)
  }
}

/** The end of a handshake that nobody completes. */
function endOf(machine: Dtls): unknown {
  machine.handleInput({ kind: 'timeout', now: 31_000 })
  return drain(machine).events
}

describe('S6: a client without proof', () => {
  const cheats: [string, Partial<ClientScript>, string][] = [
    ['omits the CertificateVerify', { proof: 'omit' }, 'early'],
    ['omits the Certificate', { claims: 'omit' }, 'unexpected-message'],
    ['omits both', { claims: 'omit', proof: 'omit' }, 'unexpected-message'],
    ['sends an empty Certificate', { claims: [] }, 'bad-certificate'],
    ['sends an empty Certificate and no proof', { claims: [], proof: 'omit' }, 'bad-certificate'],
    ['signs with the key of another certificate', { proof: (data) => OTHER.sign(data) }, 'bad-signature'],
    ['signs another transcript', { proof: overAnother(CLIENT_CERTIFICATE) }, 'bad-signature'],
    ['sends no signature', { proof: () => new Uint8Array(0) }, 'bad-signature'],
    ['claims the certificate of another', { claims: [OTHER.der] }, 'fingerprint-mismatch'],
    ['claims bytes that are no certificate', { claims: [new Uint8Array(300)] }, 'fingerprint-mismatch'],
  ]

  it('is the only one that is refused', () => {
    const server = makeServer({ mtu: 16_384 })
    const { events } = new ScriptedClient(server).handshake({ certificate: CLIENT_CERTIFICATE })
    expect(events).toMatchObject([{ type: 'connected' }])
  })

  for (const [what, cheat, reason] of cheats) {
    it(`that ${what} does not connect, and no keys come out`, () => {
      const server = makeServer({ mtu: 16_384 })
      const { events } = new ScriptedClient(server).handshake({ certificate: CLIENT_CERTIFICATE, ...cheat })
      expect(events).toEqual([])
      expect(server.state).toBe('handshaking')
      expect(() => server.exportKeyingMaterial('EXTRACTOR-dtls_srtp', undefined, 60)).toThrow(
        expect.objectContaining({ code: 'not-connected' }),
      )
      // its Finished waits for a CertificateVerify that does not come: nothing was refused
      const refusal = reason === 'early' ? {} : { refusal: reason }
      expect(endOf(server)).toEqual([{ type: 'closed', reason: 'handshake-timeout', ...refusal }])
    })
  }

  it('nor does one without fingerprints to compare with, as long as a certificate is demanded', () => {
    for (const cheat of [{ claims: [] }, { proof: 'omit' }, { claims: [new Uint8Array(300)] }] as const) {
      const server = new Dtls({
        role: 'server',
        certificate: SERVER_CERTIFICATE,
        crypto: seededCrypto(1),
        cookie: 'off',
        mtu: 16_384,
      })
      new ScriptedClient(server).handshake({ certificate: CLIENT_CERTIFICATE, ...cheat })
      expect(server.state).toBe('handshaking')
    }
  })

  it('connects to a server that demands none, and is told to have none', () => {
    const server = new Dtls({
      role: 'server',
      certificate: SERVER_CERTIFICATE,
      crypto: seededCrypto(1),
      cookie: 'off',
      mtu: 16_384,
      requestClientCertificate: false,
    })
    const { events } = new ScriptedClient(server).handshake({ certificate: CLIENT_CERTIFICATE })
    expect(events[0]).toMatchObject({ type: 'connected' })
    expect(events[0]).not.toHaveProperty('peerCertificate')
  })
})

describe('S6: a server without proof', () => {
  const cheats: [string, Partial<ServerScript>, string | undefined][] = [
    ['omits the Certificate', { claims: 'omit' }, undefined],
    ['sends an empty Certificate', { claims: [] }, 'bad-certificate'],
    ['signs with the key of another certificate', { proof: (data) => OTHER.sign(data) }, 'bad-signature'],
    ['signs another exchange', { proof: overAnother(SERVER_CERTIFICATE) }, 'bad-signature'],
    ['claims the certificate of another', { claims: [OTHER.der] }, 'fingerprint-mismatch'],
  ]

  it('is the only one that is refused', () => {
    const client = makeClient({ mtu: 16_384 })
    const { events } = scriptedServer(client, { certificate: SERVER_CERTIFICATE })
    expect(events).toMatchObject([{ type: 'connected' }])
  })

  for (const [what, cheat, refusal] of cheats) {
    it(`that ${what} does not connect`, () => {
      const client = makeClient({ mtu: 16_384 })
      scriptedServer(client, { certificate: SERVER_CERTIFICATE, ...cheat })
      expect(client.state).toBe('handshaking')
      const reason = { type: 'closed', reason: 'handshake-timeout', ...(refusal && { refusal }) }
      expect(endOf(client)).toEqual([reason])
    })
  }
})

describe('a server that asks for a certificate of another kind', () => {
  it.each([
    ['type', encodeCertificateRequest([1], [0x0403])],
    ['scheme', encodeCertificateRequest([1, 64], [0x0804, 0x0401])],
    ['scheme, of which it names none', encodeCertificateRequest([64], [])],
  ])('gets none, RFC 5246 section 7.4.6: %s', (_, request) => {
    const client = makeClient({ mtu: 16_384 })
    const flight5: (readonly [number, number])[] = []
    const { events } = scriptedServer(client, { certificate: SERVER_CERTIFICATE, request }, (messages) =>
      flight5.push(...messages.map(({ type, body }) => [type, body.length] as const)),
    )
    expect(flight5).toEqual([
      [11, 3],
      [16, 33],
    ])
    expect(events[0]).toMatchObject({ type: 'connected' })
  })

  it('a server of ours takes no such client', () => {
    const wire = new Wire(makeClient(), makeServer(), (contents, to) => {
      // what the server lists becomes what nobody has
      const at = Buffer.from(contents).indexOf(Buffer.from('0403050306030804', 'hex'))
      if (to === 'client' && at >= 0) contents.fill(0xfa, at, at + 2)
      return [{ contents, delay: 1 }]
    })
    wire.connect(29_000)
    expect(wire.server.state).toBe('handshaking')
    expect(wire.server.statistics.dropped['bad-certificate']).toBeGreaterThan(0)
  })
})

describe('a server of DTLS 1.2', () => {
  const DOWNGRADE = [0x44, 0x4f, 0x57, 0x4e, 0x47, 0x52, 0x44]
  it.each([0, 1, 2])('that could have done better, RFC 8446 section 4.1.3: DOWNGRD %i', (last) => {
    const randomEnd = new Uint8Array([...DOWNGRADE, last])
    for (const versions of [['DTLS 1.2'], ['DTLS 1.3', 'DTLS 1.2']] as const) {
      const client = makeClient({ mtu: 16_384, versions })
      scriptedServer(client, { certificate: SERVER_CERTIFICATE, randomEnd })
      const isRefused = versions.length === 2 && last < 2
      expect(client.state).toBe(isRefused ? 'handshaking' : 'connected')
      expect(client.statistics.dropped['illegal-parameter']).toBe(isRefused ? 1 : 0)
    }
  })
})

describe('before the Finished', () => {
  const wrong = (finished: Uint8Array): Uint8Array => {
    const bytes = finished.slice()
    bytes[bytes.length - 1]! ^= 1
    return bytes
  }
  const records: [string, UnderKeys, object, string][] = [
    [
      'a wrong Finished is refused',
      (finished) => ({ type: 22, bytes: wrong(finished) }),
      { 'bad-finished': 1 },
      'handshaking',
    ],
    [
      'half a Finished is refused',
      (finished) => ({ type: 22, bytes: finished.subarray(0, 12) }),
      { 'bad-finished': 1 },
      'handshaking',
    ],
    [
      'a ChangeCipherSpec under the keys is dropped',
      () => ({ type: 20, bytes: new Uint8Array([1]) }),
      { 'unexpected-record': 1 },
      'handshaking',
    ],
    [
      'a fatal alert under the keys ends it',
      () => ({ type: 21, bytes: new Uint8Array([2, 49]) }),
      {},
      'closed',
    ],
    ['data under the keys waits', () => ({ type: 23, bytes: new Uint8Array([1]) }), {}, 'handshaking'],
  ]
  for (const [what, instead, dropped, state] of records) {
    it(`${what}, in either role`, () => {
      const server = makeServer({ mtu: 16_384 })
      new ScriptedClient(server).handshake({ certificate: CLIENT_CERTIFICATE, instead })
      const client = makeClient({ mtu: 16_384 })
      scriptedServer(client, { certificate: SERVER_CERTIFICATE, instead })
      for (const machine of [server, client]) {
        expect(machine.state).toBe(state)
        expect(machine.statistics.dropped).toMatchObject(dropped)
      }
    })
  }
})

describe('a client that has too little in common', () => {
  const cases: [object, string][] = [
    [{ cipherSuites: [0x0000, 0x1301] }, 'no-common-cipher-suite'],
    [{ extensions: { extendedMasterSecret: false } }, 'no-extended-master-secret'],
    [{ extensions: { supportedGroups: [0x11ec] } }, 'no-common-group'],
    [{ extensions: { ecPointFormats: new Uint8Array([1]) } }, 'no-common-group'],
    [{ extensions: { signatureAlgorithms: [0x0203] } }, 'no-common-signature-algorithm'],
    // RFC 8446 section 4.2.1: the list alone counts
    [{ extensions: { supportedVersions: [0x7a7a, 0xfefc] } }, 'unsupported-version'],
    [{ extensions: { supportedVersions: [0xfeff] } }, 'unsupported-version'],
  ]
  for (const [script, reason] of cases) {
    it(`is refused: ${reason}`, () => {
      const server = makeServer()
      const [, { datagrams }] = new ScriptedClient(server).sendHello(script)
      expect(datagrams).toEqual([])
      expect(server.statistics.dropped).toMatchObject({ [reason]: 1 })
      expect(server.state).toBe('new')
    })
  }
})

describe('a list of versions', () => {
  it.each([['DTLS 1.2'], ['DTLS 1.3', 'DTLS 1.2']] as const)('with DTLS 1.2 in it, by %s', (...versions) => {
    const server = makeServer({ versions })
    const supportedVersions = [0x7a7a, 0xfefd, 0xfeff]
    const [, { datagrams }] = new ScriptedClient(server).sendHello({ extensions: { supportedVersions } })
    expect(datagrams.length).toBeGreaterThan(0)
    expect(server.state).toBe('handshaking')
  })
})

describe('S6: fingerprints', () => {
  it('that were not announced never connect, and the reason is told', () => {
    const other = fingerprintsOf(OTHER)
    for (const wire of [
      new Wire(makeClient({ remoteFingerprints: other })),
      new Wire(makeClient(), makeServer({ remoteFingerprints: other })),
    ]) {
      wire.run(40_000)
      const events = [...wire.events.client, ...wire.events.server]
      expect(events.some(({ type }) => type === 'connected')).toBe(false)
      expect(events).toContainEqual(
        expect.objectContaining({
          type: 'closed',
          reason: 'handshake-timeout',
          refusal: 'fingerprint-mismatch',
        }),
      )
    }
  })

  it('of the strongest function count, in any case of letters', () => {
    const { der } = SERVER_CERTIFICATE
    expect(der.length).toBeGreaterThan(200)
    const sha512 = { algorithm: 'SHA-512', value: SERVER_CERTIFICATE.fingerprint('sha-512').toLowerCase() }
    const wrong = { algorithm: 'sha-256', value: OTHER.fingerprint('sha-256') }
    const wire = new Wire(makeClient({ remoteFingerprints: [wrong, sha512] }))
    wire.connect()
    expect(wire.client.state).toBe('connected')
  })
})
