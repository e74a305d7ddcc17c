import { constants, generateKeyPairSync, type KeyObject, privateEncrypt, sign } from 'node:crypto'
import { SeededRandom, UsageError } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { nativeCrypto, portableCrypto, type SignatureAlgorithm } from '../src/index.ts'
import { p256Pkcs8, p256Spki } from '../src/der.ts'
import { ascii, hex, PROVIDERS, repeated, toHex } from './providers.ts'

/** Deno's own cryptography makes no signatures with P-521 and none without padding, Bun's no keys on secp256k1. */
const onDeno = process.versions['deno'] !== undefined
const onBun = process.versions['bun'] !== undefined

const SAMPLE = ascii('sample')
/** RFC 6979 appendix A.2.5. */
const P256_X = 'C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721'
const P256_POINT = `0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
  7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299`
const P256_SIGNATURES = [
  [
    'ecdsa-sha256',
    'EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716',
    'F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8',
  ],
  [
    'ecdsa-sha384',
    '0EAFEA039B20E9B42309FB1D89E213057CBF973DC0CFC8F129EDDDC800EF7719',
    '4861F0491E6998B9455193E34E7B0D284DDD7149A74B95B9261F13ABDE940954',
  ],
  [
    'ecdsa-sha512',
    '8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00',
    '2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE',
  ],
] as const
/** RFC 6979 appendix A.2.4. */
const P224_SPKI = `304e301006072a8648ce3d020106052b81040021033a0004
  00CF08DA5AD719E42707FA431292DEA11244D64FC51610D94B130D6C
  EEAB6F3DEBE455E3DBF85416F7030CBD94F34F2D6F232C69F3C1385A`
const P224_SIGNATURES = [
  [
    'ecdsa-sha256',
    '61AA3DA010E8E8406C656BC477A7A7189895E7E840CDFE8FF42307BA',
    'BC814050DAB5D23770879494F9E0A680DC1AF7161991BDE692B10101',
  ],
  [
    'ecdsa-sha384',
    '0B115E5E36F0F9EC81F1325A5952878D745E19D7BB3EABFABA77E953',
    '830F34CCDFE826CCFDC81EB4129772E20E122348A2BBD889A1B1AF1D',
  ],
  [
    'ecdsa-sha512',
    '074BD1D979D5F32BF958DDC61E4FB4872ADCAFEB2256497CDAC30397',
    'A4CECA196C3D5A1FF31027B33185DC8EE43F288B21AB342E5D8EB084',
  ],
] as const
/** RFC 6979 appendix A.2.6, with SHA-384 over "sample". */
const P384_SPKI = `3076301006072a8648ce3d020106052b8104002203620004
  EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13
  8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720`
const P384_R =
  '94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46'.slice(
    0,
    96,
  )
const P384_S =
  '99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8'
const P256_ORDER = 'FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551'

/** A DER element with a length of one byte. */
function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const contents = parts.flatMap((part) => [...part])
  return new Uint8Array([tag, contents.length, ...contents])
}

/** The DER integer of a positive hexadecimal number. */
function integer(digits: string): Uint8Array {
  let bytes = hex(digits)
  while (bytes.length > 1 && bytes[0] === 0) bytes = bytes.subarray(1)
  return tlv(2, bytes[0]! > 0x7f ? new Uint8Array([0, ...bytes]) : bytes)
}

function der(r: string, s: string): Uint8Array {
  return tlv(0x30, integer(r), integer(s))
}

function spkiOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }))
}

const rsa2048 = generateKeyPairSync('rsa', { modulusLength: 2048 })
// One bit past a whole byte: the PSS encoding is then a byte shorter than the modulus.
const rsa1025 = generateKeyPairSync('rsa', { modulusLength: 1025 })
const rsaAlgorithms = [
  ['rsa-pkcs1-sha1', 'sha1'],
  ['rsa-pkcs1-sha256', 'sha256'],
  ['rsa-pkcs1-sha384', 'sha384'],
  ['rsa-pkcs1-sha512', 'sha512'],
  ['rsa-pss-sha256', 'sha256'],
  ['rsa-pss-sha384', 'sha384'],
  ['rsa-pss-sha512', 'sha512'],
] as const

function signRsa(algorithm: SignatureAlgorithm, hash: string, key: KeyObject, salt?: number): Uint8Array {
  if (algorithm.startsWith('rsa-pkcs1')) return sign(hash, SAMPLE, key)
  const padding = constants.RSA_PKCS1_PSS_PADDING
  return sign(hash, SAMPLE, { key, padding, saltLength: salt ?? constants.RSA_PSS_SALTLEN_DIGEST })
}

describe.each(PROVIDERS)('$name', (crypto) => {
  it.each(P256_SIGNATURES)('verifies P-256 with %s (RFC 6979 appendix A.2.5)', (algorithm, r, s) => {
    const key = crypto.importVerifyingKey(p256Spki(hex(P256_POINT)))!
    expect(key.type).toBe('ec')
    expect(key.verify(algorithm, SAMPLE, der(r, s))).toBe(true)
    expect(key.verify(algorithm, ascii('simple'), der(r, s))).toBe(false)
    expect(key.verify('rsa-pss-sha256', SAMPLE, der(r, s))).toBe(false)
    expect(key.verify('rsa-pkcs1-sha256', SAMPLE, der(r, s))).toBe(false)
  })

  it('tells the curve of a key, and that RSA has none', () => {
    for (const [namedCurve, curve] of [
      ['P-256', 'secp256r1'],
      ['P-384', 'secp384r1'],
      ['P-521', 'secp521r1'],
    ] as const) {
      const spki = generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'der', type: 'spki' })
      expect(crypto.importVerifyingKey(spki)).toMatchObject({ type: 'ec', curve })
    }
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
    const key = crypto.importVerifyingKey(rsa.export({ format: 'der', type: 'spki' }))
    expect([key?.type, key?.curve]).toEqual(['rsa', undefined])
  })

  it.each(P224_SIGNATURES)('verifies P-224 with %s (RFC 6979 appendix A.2.4)', (algorithm, r, s) => {
    const key = crypto.importVerifyingKey(hex(P224_SPKI))!
    expect(key).toMatchObject({ type: 'ec', curve: 'secp224r1' })
    expect(key.verify(algorithm, SAMPLE, der(r, s))).toBe(true)
    expect(key.verify(algorithm, ascii('simple'), der(r, s))).toBe(false)
    expect(crypto.importVerifyingKey(hex(P224_SPKI.replace('385A', '385B')))).toBeUndefined()
  })

  it('verifies P-384', () => {
    const key = crypto.importVerifyingKey(hex(P384_SPKI))!
    expect(key.verify('ecdsa-sha384', SAMPLE, der(P384_R, P384_S))).toBe(true)
    expect(key.verify('ecdsa-sha256', SAMPLE, der(P384_R, P384_S))).toBe(false)
  })

  it.skipIf(onDeno)('verifies P-521', () => {
    const p521 = generateKeyPairSync('ec', { namedCurve: 'secp521r1' })
    for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
      const verifying = crypto.importVerifyingKey(spkiOf(p521.publicKey))!
      expect(verifying.verify(`ecdsa-${hash}`, SAMPLE, sign(hash, SAMPLE, p521.privateKey))).toBe(true)
    }
  })

  it('signs so that the other provider verifies', () => {
    const key = crypto.importSigningKey(p256Pkcs8(hex(P256_X), hex(P256_POINT)))
    expect(key.publicKey).toEqual(p256Spki(hex(P256_POINT)))
    for (const other of PROVIDERS) {
      const verifying = other.importVerifyingKey(key.publicKey)!
      expect(verifying.verify('ecdsa-sha256', SAMPLE, key.sign(SAMPLE))).toBe(true)
    }
  })

  it('refuses ECDSA signatures that are not as DER and FIPS 186-5 have them', () => {
    const key = crypto.importVerifyingKey(p256Spki(hex(P256_POINT)))!
    const [, r, s] = P256_SIGNATURES[0]
    const good = der(r, s)
    const [ri, si] = [integer(r), integer(s)]
    const bad: Record<string, Uint8Array> = {
      empty: new Uint8Array(0),
      'a byte behind': new Uint8Array([...good, 0]),
      'a byte short': good.subarray(0, -1),
      'a byte in the sequence behind s': tlv(0x30, ri, si, new Uint8Array([5, 0])),
      'r twice padded': tlv(0x30, tlv(2, new Uint8Array(2), hex(r)), si),
      'r without its zero (negative)': tlv(0x30, tlv(2, hex(r)), si),
      'a length in the long form': new Uint8Array([0x30, 0x81, ...good.subarray(1)]),
      'an indefinite length': new Uint8Array([0x30, 0x80, ...good.subarray(2), 0, 0]),
      'a set': new Uint8Array([0x31, ...good.subarray(1)]),
      'r as an octet string': tlv(0x30, tlv(4, ri.subarray(2)), si),
      'r alone': tlv(0x30, ri),
      'r empty': tlv(0x30, tlv(2), si),
      'r = 0': der('00', s),
      's = 0': der(r, '00'),
      'r = 0, s = 0': der('00', '00'),
      'r = n': der(P256_ORDER, s),
      's = n': der(r, P256_ORDER),
      's + n': der(r, (BigInt(`0x${s}`) + BigInt(`0x${P256_ORDER}`)).toString(16).padStart(66, '0')),
      'raw r and s': new Uint8Array([...hex(r), ...hex(s)]),
    }
    for (const [name, signature] of Object.entries(bad)) {
      expect(key.verify('ecdsa-sha256', SAMPLE, signature), `case: ${name}`).toBe(false)
    }
    // n - s is a signature too: ECDSA says so, and no protocol here forbids it
    const low = (BigInt(`0x${P256_ORDER}`) - BigInt(`0x${s}`)).toString(16).padStart(64, '0')
    expect(key.verify('ecdsa-sha256', SAMPLE, der(r, low))).toBe(true)
  })

  describe.each([
    ['2048', rsa2048],
    ['1025', rsa1025],
  ] as const)('RSA of %s bits', (_, pair) => {
    const key = crypto.importVerifyingKey(spkiOf(pair.publicKey))!
    // 1025 bits are too few for a PSS encoding of two SHA-512 digests
    const fitting = pair === rsa1025 ? rsaAlgorithms.slice(0, -1) : rsaAlgorithms

    it.each(fitting)('%s', (algorithm, hash) => {
      const signature = signRsa(algorithm, hash, pair.privateKey)
      expect(key.type).toBe('rsa')
      expect(key.verify(algorithm, SAMPLE, signature)).toBe(true)
      expect(key.verify(algorithm, ascii('simple'), signature)).toBe(false)
      expect(key.verify('ecdsa-sha256', SAMPLE, signature)).toBe(false)
      const verified = rsaAlgorithms.filter(([other]) => key.verify(other, SAMPLE, signature))
      expect(verified.map(([name]) => name)).toEqual([algorithm])
      const wrong = new Uint8Array(signature)
      wrong[wrong.length - 1]! ^= 1
      expect(key.verify(algorithm, SAMPLE, wrong)).toBe(false)
      expect(key.verify(algorithm, SAMPLE, signature.subarray(1))).toBe(false)
      expect(key.verify(algorithm, SAMPLE, new Uint8Array([0, ...signature]))).toBe(false)
      expect(key.verify(algorithm, SAMPLE, repeated(0xff, signature.length))).toBe(false)
      expect(key.verify(algorithm, SAMPLE, repeated(0, signature.length))).toBe(false)
    })

    it('PSS takes a salt as long as the digest alone (RFC 8446 section 4.2.3)', () => {
      for (const salt of [0, 20, 31, 33]) {
        const signature = signRsa('rsa-pss-sha256', 'sha256', pair.privateKey, salt)
        expect(key.verify('rsa-pss-sha256', SAMPLE, signature)).toBe(false)
      }
    })
  })

  it.skipIf(onDeno)(
    'PKCS #1 compares the whole encoding: no short padding, nothing behind the digest',
    () => {
      const key = crypto.importVerifyingKey(spkiOf(rsa2048.publicKey))!
      const digest = [...crypto.hash('sha256', SAMPLE)]
      const info = [...hex('3031300d060960864801650304020105000420')]
      const withoutNull = [...hex('302f300b0609608648016503040201 0420')]
      const longForm = [...hex('308131300d060960864801650304020105000420')]
      const forge = (head: number[], tail: number[], fill = 0xff): Uint8Array => {
        const padding = Array.from({ length: 256 - head.length - tail.length }, () => fill)
        const encoded = new Uint8Array([...head, ...padding, ...tail])
        return privateEncrypt({ key: rsa2048.privateKey, padding: constants.RSA_NO_PADDING }, encoded)
      }
      expect(key.verify('rsa-pkcs1-sha256', SAMPLE, forge([0, 1], [0, ...info, ...digest]))).toBe(true)
      const garbage = Array.from({ length: 190 }, () => 0)
      const bad = [
        forge([0, 1], [0, ...info, ...digest, ...garbage]),
        forge([0, 1], [0, ...withoutNull, ...digest]),
        forge([0, 1], [0, ...longForm, ...digest]),
        forge([0, 2], [0, ...info, ...digest]),
        forge([0, 1], [0, ...info, ...digest], 0x00),
        forge([0, 0], [0, ...info, ...digest]),
        forge([0, 1], [1, ...info, ...digest]),
        forge([0, 1], [0, ...digest]),
      ]
      for (const [i, signature] of bad.entries()) {
        expect(key.verify('rsa-pkcs1-sha256', SAMPLE, signature), `case ${i}`).toBe(false)
      }
    },
  )

  it.skipIf(onBun)('imports no other keys', () => {
    const others = [
      generateKeyPairSync('ed25519').publicKey,
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey,
      generateKeyPairSync('rsa', { modulusLength: 1016 }).publicKey,
      generateKeyPairSync('rsa-pss', { modulusLength: 1024 }).publicKey,
    ].map((key) => spkiOf(key))
    const point = hex(P256_POINT)
    const offCurve = point.slice()
    offCurve[64]! ^= 1
    const spki = p256Spki(point)
    const compressed = p256Spki(point).slice(0, 26 + 33)
    compressed[1] = 0x39
    compressed[24] = 0x22
    compressed[26] = 3
    others.push(p256Spki(offCurve), p256Spki(new Uint8Array(65)), new Uint8Array([...spki, 0]), compressed)
    for (let length = 0; length < spki.length; length++) others.push(spki.slice(0, length))
    const unusedBits = spki.slice()
    unusedBits[25] = 1
    others.push(unusedBits)
    for (const [i, other] of others.entries()) {
      expect(crypto.importVerifyingKey(other), `key ${i}`).toBeUndefined()
    }
    expect(crypto.importVerifyingKey(spki)).toBeDefined()
  })

  it('imports a P-256 signing key alone', () => {
    const good = p256Pkcs8(hex(P256_X), hex(P256_POINT))
    const bad = [
      new Uint8Array(0),
      good.subarray(1),
      new Uint8Array([...good, 0]),
      p256Pkcs8(repeated(0, 32), hex(P256_POINT)),
      p256Pkcs8(hex(P256_ORDER), hex(P256_POINT)),
      p256Pkcs8(repeated(7, 32), hex(P256_POINT)),
      new Uint8Array(
        generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey.export({
          type: 'pkcs8',
          format: 'der',
        }),
      ),
      new Uint8Array(rsa2048.privateKey.export({ type: 'pkcs8', format: 'der' })),
    ]
    for (const [i, pkcs8] of bad.entries()) {
      expect(() => crypto.importSigningKey(pkcs8), `key ${i}`).toThrow(UsageError)
    }
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    const pkcs8 = new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' }))
    const key = crypto.importSigningKey(pkcs8)
    expect(key.publicKey).toEqual(spkiOf(publicKey))
    expect(toHex(key.exportPkcs8())).toBe(toHex(pkcs8))
  })

  it('generates a key that survives export and import', () => {
    const key = crypto.generateSigningKey()
    const again = crypto.importSigningKey(key.exportPkcs8())
    expect(again.publicKey).toEqual(key.publicKey)
    expect(crypto.importVerifyingKey(key.publicKey)!.verify('ecdsa-sha256', SAMPLE, again.sign(SAMPLE))).toBe(
      true,
    )
  })
})

it.each([nativeCrypto, portableCrypto])(
  'signs as RFC 6979 appendix A.2.5 with a random source given',
  (make) => {
    const crypto = make({ random: new SeededRandom(1).fill })
    const key = crypto.importSigningKey(p256Pkcs8(hex(P256_X), hex(P256_POINT)))
    const [, r, s] = P256_SIGNATURES[0]
    expect(toHex(key.sign(SAMPLE))).toBe(toHex(der(r, s)))
  },
)
