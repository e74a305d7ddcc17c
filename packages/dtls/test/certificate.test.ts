import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Crypto as PeculiarCrypto } from '@peculiar/webcrypto'
import { cryptoProvider, X509Certificate, X509CertificateGenerator, type PublicKey } from '@peculiar/x509'
import { nativeCrypto, portableCrypto } from '@str0m/crypto'
import { DtlsCertificate } from '@str0m/dtls'
import { SeededRandom } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { buildCertificate, validityAround } from '../src/certificate-builder.ts'
import { encodeSignedCertificate, encodeTbsCertificate, subjectPublicKeyInfo } from '../src/wire/x509.ts'
import { opensslVersion } from './driver.ts'
import { CLIENT_CERTIFICATE, seededCrypto } from './support.ts'

cryptoProvider.set(globalThis.crypto)

function pem(label: string, der: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`
}

function spkiOf(key: PublicKey): Uint8Array {
  return new Uint8Array(key.rawData)
}

const HOUR = 3_600_000
const DAY = 24 * HOUR

describe('a certificate made of a template', () => {
  it('is the one that is put together part by part, whatever was made before it', () => {
    const crypto = seededCrypto(11)
    const keys = [crypto.generateSigningKey(), crypto.generateSigningKey()]
    const certificate = fc.record({
      key: fc.constantFrom(...keys),
      commonName: fc.constantFrom('WebRTC', 'a', 'é'.repeat(64), '名'.repeat(60)),
      serialNumber: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      unixTime: fc.constantFrom(undefined, 0, 1e12, 1e12 + 999, 1e12 + 1000, Date.UTC(2049, 11, 20)),
    })
    fc.assert(
      fc.property(fc.array(certificate, { maxLength: 8 }), (certificates) => {
        for (const { key, commonName, serialNumber, unixTime } of certificates) {
          const validity = validityAround(unixTime)
          const subjectPublicKeyInfo = key.publicKey
          const tbs = encodeTbsCertificate({ serialNumber, commonName, validity, subjectPublicKeyInfo })
          const expected = encodeSignedCertificate(tbs, key.sign(tbs))
          expect(buildCertificate(key, commonName, serialNumber, validity)).toEqual(expected)
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('a certificate that was generated, as @peculiar/x509 reads it', () => {
  it('is its own issuer, signed by its key, for always', async () => {
    const made = DtlsCertificate.generate()
    const read = new X509Certificate(made.der)
    expect([read.subject, read.issuer]).toEqual(['CN=WebRTC', 'CN=WebRTC'])
    expect(read.notBefore.toISOString()).toBe('2020-01-01T00:00:00.000Z')
    expect(read.notAfter.toISOString()).toBe('9999-12-31T23:59:59.000Z')
    expect(await read.verify({ signatureOnly: true })).toBe(true)
    expect(await read.isSelfSigned()).toBe(true)
    expect(read.serialNumber).toMatch(/^[4-7][0-9a-f]{31}$/)
    expect(spkiOf(read.publicKey)).toEqual(subjectPublicKeyInfo(made.der))
    expect(new Uint8Array(read.rawData)).toEqual(made.der)
  })

  it('is valid around the time of the wall clock, in every year and over leap days', () => {
    const random = new SeededRandom(8)
    const times = [
      Date.UTC(2000, 1, 29),
      Date.UTC(2024, 1, 28, 23, 59, 59, 999),
      Date.UTC(2024, 2, 1),
      Date.UTC(2049, 11, 31, 12),
      Date.UTC(2100, 1, 28),
      Date.UTC(2099, 11, 31),
      Date.UTC(1970, 0, 2),
    ]
    for (let i = 0; i < 150; i++) times.push(random.integer(Date.UTC(9990, 0)))
    const crypto = seededCrypto(5)
    for (const unixTime of times) {
      const { der } = DtlsCertificate.generate({ crypto, wallClock: { now: 0, unixTime } })
      const { notBefore, notAfter } = new X509Certificate(der)
      const hour = Math.floor(unixTime / HOUR) * HOUR
      expect(notBefore.getTime(), `at ${unixTime}`).toBe(hour - DAY)
      expect(notAfter.getTime(), `at ${unixTime}`).toBe(hour + 30 * DAY)
    }
  })

  it('is not made for a time that no certificate can tell', () => {
    for (const unixTime of [Number.NaN, Number.POSITIVE_INFINITY, 253_402_300_799_000, -631_152_000_000]) {
      expect(() => DtlsCertificate.generate({ wallClock: { now: 0, unixTime } }), `${unixTime}`).toThrow(
        expect.objectContaining({ code: 'invalid-option' }),
      )
    }
  })

  it('has the subject that was given, within the bounds of a common name', () => {
    const subject = 'Zoë, peer #7'
    const read = new X509Certificate(DtlsCertificate.generate({ subject }).der)
    expect(read.subjectName.getField('CN')).toEqual([subject])
    for (const wrong of ['', 'x'.repeat(65)]) {
      expect(() => DtlsCertificate.generate({ subject: wrong })).toThrow(
        expect.objectContaining({ code: 'invalid-subject' }),
      )
    }
  })

  it('is the same from the same random bytes, whichever provider made it', () => {
    const of = (make: typeof nativeCrypto): Uint8Array =>
      DtlsCertificate.generate({ crypto: make({ random: new SeededRandom(1).fill }) }).der
    expect(of(nativeCrypto)).toEqual(of(portableCrypto))
  })
})

describe('the key of a peer’s certificate', () => {
  const certificates: [string, Uint8Array][] = []

  beforeAll(async () => {
    const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048 }
    const algorithms = [
      { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
      { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
      { ...rsa, publicExponent: new Uint8Array([1, 0, 1]) },
    ]
    for (const signingAlgorithm of algorithms) {
      const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify'])
      const name =
        'CN=peer, O=some organisation with a name that makes the length of a sequence two octets long'
      const made = await X509CertificateGenerator.createSelfSigned({ name, keys, signingAlgorithm })
      certificates.push([`${signingAlgorithm.name} ${made.rawData.byteLength}`, new Uint8Array(made.rawData)])
    }
    certificates.push(['ours', CLIENT_CERTIFICATE.der])
  })

  it('is the one that @peculiar/x509 finds', () => {
    expect(certificates.length).toBe(4)
    for (const [name, der] of certificates) {
      const { publicKey } = new X509Certificate(der)
      expect(subjectPublicKeyInfo(der), `of ${name}`).toEqual(spkiOf(publicKey))
    }
  })

  it('S8, S11: is the same or none, whatever is changed, cut or added; nothing throws', () => {
    const provider = nativeCrypto()
    const different: string[] = []
    let both = 0
    let neither = 0
    for (const [name, der] of certificates) {
      const random = new SeededRandom(der.length)
      for (let i = 0; i < 200; i++) {
        const bytes = der.slice()
        for (let k = random.integer(3); k >= 0; k--) bytes[random.integer(bytes.length)] = random.u32()
        const found = subjectPublicKeyInfo(bytes)
        let oracle: Uint8Array | undefined
        try {
          oracle = spkiOf(new X509Certificate(bytes).publicKey)
        } catch {
          // no certificate, says the oracle
        }
        if (found === undefined || oracle === undefined) {
          neither += found === oracle ? 1 : 0
        } else if (provider.importVerifyingKey(found) !== undefined) {
          // the oracle writes again what it has read, and so mends what is wrong inside: a usable key needs no mending
          both++
          if (!Buffer.from(found).equals(oracle)) different.push(`${name}, ${i}`)
        }
      }
      for (let length = 0; length < der.length; length += 7) {
        expect(subjectPublicKeyInfo(der.subarray(0, length))).toBeUndefined()
      }
      expect(subjectPublicKeyInfo(new Uint8Array([...der, 0]))).toBeUndefined()
    }
    expect(different).toEqual([])
    expect(both).toBeGreaterThan(150)
    expect(neither).toBeGreaterThan(50)
  })

  it('is not looked for behind lengths that DER does not allow', () => {
    const { der } = CLIENT_CERTIFICATE
    expect([der[0], der[1]]).toEqual([0x30, 0x82])
    // indefinite, of three octets, and of more octets than it takes
    const body = der.subarray(4)
    for (const head of [
      [0x30, 0x80],
      [0x30, 0x83, 0, der[2]!, der[3]!],
      [0x30, 0x84, 0, 0, der[2]!, der[3]!],
    ]) {
      expect(subjectPublicKeyInfo(new Uint8Array([...head, ...body]))).toBeUndefined()
    }
    const short = new Uint8Array([0x30, 0x81, 0x05, 0x30, 0, 0x30, 0, 0x03])
    expect(subjectPublicKeyInfo(short)).toBeUndefined()
  })
})

const version = opensslVersion()
if (version === undefined) console.log('openssl is not installed: it does not read our certificates here')

describe.skipIf(version === undefined)('[openssl] reads our certificate', () => {
  it('as text, and verifies its signature', () => {
    const file = join(scratchDirectory(), 'certificate.pem')
    const wallClock = { now: 0, unixTime: Date.now() }
    writeFileSync(file, pem('CERTIFICATE', DtlsCertificate.generate({ wallClock, subject: 'ours' }).der))
    const openssl = (...args: string[]): string => execFileSync('openssl', args, { encoding: 'utf8' })
    const text = openssl('x509', '-in', file, '-noout', '-text')
    expect(text).toContain('Version: 3 (0x2)')
    expect(text).toContain('Signature Algorithm: ecdsa-with-SHA256')
    expect(text).toMatch(/Subject: CN ?= ?ours/)
    expect(text).toMatch(/Issuer: CN ?= ?ours/)
    expect(text).toContain('NIST CURVE: P-256')
    expect(openssl('verify', '-check_ss_sig', '-CAfile', file, file)).toContain('OK')
  })
})

describe('a certificate that is stored', () => {
  it('is read again, from DER and PEM', () => {
    const again = DtlsCertificate.fromPkcs8(CLIENT_CERTIFICATE.exportPkcs8(), CLIENT_CERTIFICATE.der)
    expect(again.fingerprint('sha-512')).toBe(CLIENT_CERTIFICATE.fingerprint('sha-512'))
    const text = pem('CERTIFICATE', again.der) + pem('PRIVATE KEY', again.exportPkcs8())
    expect(DtlsCertificate.fromPem(text).der).toEqual(again.der)
  })

  it('has the fingerprint that node:crypto computes', () => {
    const { der } = CLIENT_CERTIFICATE
    for (const [algorithm, hash] of [
      ['sha-256', 'sha256'],
      ['sha-384', 'sha384'],
      ['sha-512', 'sha512'],
    ] as const) {
      const digest = nativeCrypto().hash(hash, der)
      const pairs = [...digest].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase())
      expect(CLIENT_CERTIFICATE.fingerprint(algorithm)).toBe(pairs.join(':'))
    }
  })

  it('is refused where it is none, or for another key', () => {
    const pkcs8 = CLIENT_CERTIFICATE.exportPkcs8()
    const { der } = CLIENT_CERTIFICATE
    const cases: [() => DtlsCertificate, string][] = [
      [() => DtlsCertificate.fromPkcs8(pkcs8, der.subarray(1)), 'invalid-certificate'],
      [() => DtlsCertificate.fromPkcs8(der, der), 'invalid-key'],
      [
        () => DtlsCertificate.fromPkcs8(DtlsCertificate.generate().exportPkcs8(), der),
        'certificate-key-mismatch',
      ],
      [() => DtlsCertificate.fromPem(''), 'invalid-pem'],
      [() => DtlsCertificate.fromPem(pem('CERTIFICATE', der)), 'invalid-pem'],
      [
        () => DtlsCertificate.fromPem('-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----'),
        'invalid-pem',
      ],
    ]
    for (const [make, code] of cases) expect(make).toThrow(expect.objectContaining({ code }))
  })

  it('is kept apart from the Buffers that it came in', () => {
    const der = Buffer.from(CLIENT_CERTIFICATE.der)
    const pkcs8 = Buffer.from(CLIENT_CERTIFICATE.exportPkcs8())
    const made = DtlsCertificate.fromPkcs8(pkcs8, der)
    der.fill(0)
    pkcs8.fill(0)
    expect(made.der).toEqual(CLIENT_CERTIFICATE.der)
    expect(made.der.constructor).toBe(Uint8Array)
    expect(made.exportPkcs8()).toEqual(CLIENT_CERTIFICATE.exportPkcs8())
  })
})

describe('a key pair of WebCrypto', () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

  for (const [name, platform] of [
    ['the platform', globalThis.crypto],
    ['@peculiar/webcrypto', new PeculiarCrypto()],
  ] as const) {
    it(`made by ${name} becomes ours, with the certificate for it`, async () => {
      const keys = await platform.subtle.generateKey(algorithm, true, ['sign', 'verify'])
      const generated = await X509CertificateGenerator.createSelfSigned(
        { name: 'CN=imported', keys, signingAlgorithm: algorithm },
        platform,
      )
      const der = new Uint8Array(generated.rawData)
      const made = await DtlsCertificate.fromWebCrypto(keys, der)
      expect(made.der).toEqual(der)
      const key = nativeCrypto().importVerifyingKey(subjectPublicKeyInfo(der)!)
      const data = new Uint8Array([1, 2, 3])
      expect(key?.verify('ecdsa-sha256', data, made.sign(data))).toBe(true)
      await expect(DtlsCertificate.fromWebCrypto(keys, CLIENT_CERTIFICATE.der)).rejects.toThrow(
        expect.objectContaining({ code: 'certificate-key-mismatch' }),
      )
    })

    it(`made by ${name} is refused where it may not be exported`, async () => {
      const keys = await platform.subtle.generateKey(algorithm, false, ['sign', 'verify'])
      await expect(DtlsCertificate.fromWebCrypto(keys, CLIENT_CERTIFICATE.der)).rejects.toThrow(
        expect.objectContaining({ code: 'key-not-extractable' }),
      )
    })

    it(`made by ${name} is refused where the private key is another kind of key`, async () => {
      const { publicKey } = await platform.subtle.generateKey(algorithm, true, ['sign', 'verify'])
      const hmac = await platform.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])
      for (const privateKey of [publicKey, hmac]) {
        const made = DtlsCertificate.fromWebCrypto({ privateKey, publicKey }, CLIENT_CERTIFICATE.der)
        await expect(made).rejects.toThrow(expect.objectContaining({ code: 'invalid-key' }))
      }
    })
  }

  it('of neither is refused', async () => {
    const key = { type: 'private', extractable: true }
    const made = DtlsCertificate.fromWebCrypto({ privateKey: key, publicKey: key }, CLIENT_CERTIFICATE.der)
    await expect(made).rejects.toThrow(expect.objectContaining({ code: 'invalid-key' }))
  })
})
