import { readFileSync } from 'node:fs'
import { portableCrypto } from '@str0m/crypto'
import { encodeUtf8, SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { type ConnectedEvent, Dtls, type DtlsOptions, type DtlsVersion } from '@str0m/dtls'
import { NAMED_GROUPS } from '../src/cipher-suites.ts'
import { CIPHER_SUITES_13 } from '../src/cipher-suites13.ts'
import { PeerCertificate } from '../src/peer-certificate.ts'
import { messagesIn } from './scripted.ts'
import {
  p384Signer,
  rsaSigner,
  scriptedClient13,
  scriptedServer13,
  type Signer,
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

const ONLY_13: Partial<DtlsOptions> = { versions: ['DTLS 1.3'] }
const LONG: Partial<DtlsOptions> = { ...ONLY_13, mtu: 16_384 }

function connectedEvent(events: Wire['events'], role: 'client' | 'server'): ConnectedEvent {
  const event = events[role].find(({ type }) => type === 'connected')
  if (event?.type !== 'connected') throw new Error(`the ${role} is not connected`)
  return event
}

describe('handshake of DTLS 1.3', () => {
  it('connects in one round trip, with the same SRTP keys crosswise', () => {
    const wire = new Wire(makeClient(ONLY_13), makeServer(ONLY_13))
    wire.connect()
    const client = connectedEvent(wire.events, 'client')
    const server = connectedEvent(wire.events, 'server')
    expect([client.version, server.version]).toEqual(['DTLS 1.3', 'DTLS 1.3'])
    expect([client.cipherSuite, server.cipherSuite]).toEqual(Array(2).fill('TLS_AES_128_GCM_SHA256'))
    expect(client.srtp?.localKey).toEqual(server.srtp?.remoteKey)
    expect(client.srtp?.remoteSalt).toEqual(server.srtp?.localSalt)
    expect(client.peerCertificate?.der).toEqual(SERVER_CERTIFICATE.der)
    expect(server.peerCertificate?.der).toEqual(CLIENT_CERTIFICATE.der)
    // the hello and the last flight; the server's flight and its ACK
    expect([wire.sent.client.length, wire.sent.server.length]).toEqual([2, 2])
    const material = (machine: Dtls): Uint8Array =>
      machine.exportKeyingMaterial('label', encodeUtf8('context'), 40)
    expect(material(wire.client)).toEqual(material(wire.server))
    for (const [from, to] of [
      ['client', 'server'],
      ['server', 'client'],
    ] as const) {
      wire[from].send(encodeUtf8(`from the ${from}`))
      wire.run(wire.now + 10)
      expect(wire.events[to].at(-1)).toEqual({ type: 'data', data: encodeUtf8(`from the ${from}`) })
    }
    // the last flight was acknowledged
    expect([drain(wire.client).at, drain(wire.server).at]).toEqual([Infinity, Infinity])
    wire.server.close()
    wire.run(wire.now + 10)
    expect(wire.events.client.at(-1)).toEqual({ type: 'closed', reason: 'close-notify' })
  })

  it('between the providers', () => {
    for (const [ours, theirs] of [
      [portableCrypto({ random: new SeededRandom(1).fill }), seededCrypto(2)],
      [seededCrypto(2), portableCrypto({ random: new SeededRandom(1).fill })],
    ] as const) {
      const wire = new Wire(
        makeClient({ ...ONLY_13, crypto: ours }),
        makeServer({ ...ONLY_13, crypto: theirs }),
      )
      wire.connect()
      wire.client.send(encodeUtf8('hello'))
      wire.run(wire.now + 10)
      expect(wire.events.server.at(-1)).toEqual({ type: 'data', data: encodeUtf8('hello') })
    }
  })

  it('S23: all bytes come from the provider', () => {
    const wires = [10, 10, 11].map((seed) => new Wire(makeClient(ONLY_13, seed), makeServer(ONLY_13)))
    for (const wire of wires) wire.connect()
    expect(wires[0]!.sent).toEqual(wires[1]!.sent)
    expect(wires[0]!.sent.client).not.toEqual(wires[2]!.sent.client)
  })

  it('without a certificate of the client, where none is requested', () => {
    const server = new Dtls({
      role: 'server',
      certificate: SERVER_CERTIFICATE,
      crypto: seededCrypto(20),
      cookie: 'off',
      requestClientCertificate: false,
      versions: ['DTLS 1.3'],
    })
    const wire = new Wire(makeClient(ONLY_13), server)
    wire.connect()
    expect(connectedEvent(wire.events, 'server').peerCertificate).toBeUndefined()
    expect(connectedEvent(wire.events, 'client').peerCertificate?.der).toEqual(SERVER_CERTIFICATE.der)
  })

  it('without SRTP, where either wants none or they have none in common', () => {
    for (const [ours, theirs] of [
      [[], undefined],
      [undefined, []],
      [['AEAD_AES_256_GCM'], ['AES_CM_128_HMAC_SHA1_32']],
    ] as const) {
      const wire = new Wire(
        makeClient({ ...ONLY_13, ...(ours && { srtpProfiles: ours }) }),
        makeServer({ ...ONLY_13, ...(theirs && { srtpProfiles: theirs }) }),
      )
      wire.connect()
      expect(connectedEvent(wire.events, 'client').srtp).toBeUndefined()
      expect(connectedEvent(wire.events, 'server').srtp).toBeUndefined()
    }
  })
})

describe('versions', () => {
  const both: DtlsVersion[] = ['DTLS 1.2', 'DTLS 1.3']
  const sets: DtlsVersion[][] = [['DTLS 1.2'], ['DTLS 1.3'], both]
  for (const ours of sets) {
    for (const theirs of sets) {
      for (const cookie of ['off', 'required'] as const) {
        const common = both.findLast((version) => ours.includes(version) && theirs.includes(version))
        it(`${ours.join()} and a server with ${theirs.join()}, cookie ${cookie}: ${common}`, () => {
          const client = makeClient({ versions: ours, handshakeTimeout: 2000 })
          const server = makeServer({ versions: theirs, cookie, handshakeTimeout: 2000 })
          const wire = new Wire(client, server)
          wire.connect()
          if (common === undefined) {
            expect(wire.events.client[0]).toMatchObject({ type: 'closed', reason: 'handshake-timeout' })
            return
          }
          expect(connectedEvent(wire.events, 'client').version).toBe(common)
          expect(connectedEvent(wire.events, 'server').version).toBe(common)
        })
      }
    }
  }

  it('DTLS 1.2 has no other keys', () => {
    const wire = new Wire()
    expect(() => wire.client.updateKeys(true)).toThrow(expect.objectContaining({ code: 'not-connected' }))
    wire.connect()
    expect(() => wire.client.updateKeys(true)).toThrow(
      expect.objectContaining({ code: 'unsupported-by-version' }),
    )
  })

  it.each([[[]], [['DTLS 1.0']]])('%j is refused', (versions) => {
    expect(() => makeClient({ versions: versions as never })).toThrow(
      expect.objectContaining({ code: 'invalid-version' }),
    )
  })
})

describe("browsers' first flights", () => {
  for (const browser of ['chromium', 'firefox']) {
    for (const order of ['in order', 'reversed']) {
      it(`answers ${browser}, fragments ${order}, with DTLS 1.3`, () => {
        const text = readFileSync(
          new URL(`fixtures/${browser}-dtls-clienthello.hex`, import.meta.url),
          'utf8',
        )
        const datagrams = text
          .trim()
          .split(/\s+/)
          .map((line) => new Uint8Array(Buffer.from(line, 'hex')))
        if (order === 'reversed') datagrams.reverse()
        const server = makeServer({ versions: ['DTLS 1.3', 'DTLS 1.2'] })
        for (const contents of datagrams) server.handleInput({ kind: 'receive', now: 0, contents })
        const { datagrams: answer } = drain(server)
        const [hello] = messagesIn([answer[0]!.subarray(0, 13 + ((answer[0]![11]! << 8) | answer[0]![12]!))])
        expect(hello?.type).toBe(2)
        expect(Buffer.from(hello!.body).toString('hex')).toContain('002b0002fefc')
        expect(server.state).toBe('handshaking')
      })
    }
  }
})

describe('every suite, group and kind of certificate', () => {
  const signers: readonly [string, () => Signer][] = [
    ['ecdsa_secp256r1_sha256', () => signerOf(SERVER_CERTIFICATE)],
    ['ecdsa_secp384r1_sha384', () => p384Signer()],
    ['rsa_pss_rsae_sha256', () => rsaSigner('sha256')],
    ['rsa_pss_rsae_sha384', () => rsaSigner('sha384')],
    ['rsa_pss_rsae_sha512', () => rsaSigner('sha512')],
  ]
  for (const [name, make] of signers) {
    const signer = make()
    const options = {
      ...LONG,
      remoteFingerprints: fingerprintsOf(new PeerCertificate(seededCrypto(1), signer.der, [])),
    }
    for (const suite of CIPHER_SUITES_13) {
      it(`${suite.name}, ${name}: a server on every group`, () => {
        for (const group of NAMED_GROUPS) {
          const client = makeClient(options)
          const isOffered = group === NAMED_GROUPS[0]
          const retry = isOffered ? {} : { retry: { group: group.id } }
          const { answer } = scriptedServer13(client, { signer, suite, group, ...retry })
          expect(answer.events[0]).toMatchObject({ type: 'connected', cipherSuite: suite.name })
        }
      })

      it(`${suite.name}, ${name}: a client on every group`, () => {
        for (const group of NAMED_GROUPS) {
          const server = makeServer(options)
          const { answer } = scriptedClient13(server, { signer, suite, group })
          expect(answer.events[0]).toMatchObject({ type: 'connected', cipherSuite: suite.name })
        }
      })
    }
  }
})
