import { describe, expect, it } from 'vitest'
import { ascii, hex, PROVIDERS, repeated, toHex } from './providers.ts'

const ABC = [
  ['md5', '900150983cd24fb0d6963f7d28e17f72'],
  ['sha1', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
  ['sha256', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'sha384',
    `cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed
     8086072ba1e7cc2358baeca134c825a7`,
  ],
  [
    'sha512',
    `ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
     2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f`,
  ],
] as const

/** RFC 2202 section 3. */
const HMAC_SHA1 = [
  [repeated(0x0b, 20), ascii('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
  [ascii('Jefe'), ascii('what do ya want for nothing?'), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'],
  [repeated(0xaa, 20), repeated(0xdd, 50), '125d7342b9ac11cd91a39af48aa17b4f63f175d3'],
  [
    hex('0102030405060708090a0b0c0d0e0f10111213141516171819'),
    repeated(0xcd, 50),
    '4c9007f4026250c6bc8414f9bf50c86c2d7235da',
  ],
  [
    repeated(0xaa, 80),
    ascii('Test Using Larger Than Block-Size Key - Hash Key First'),
    'aa4ae5e15272d00e95705637ce8a3b55ed402112',
  ],
] as const

/** RFC 4231 sections 4.2, 4.3 and 4.7. */
const HMAC_SHA2 = [
  [
    repeated(0x0b, 20),
    ascii('Hi There'),
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6',
  ],
  [
    ascii('Jefe'),
    ascii('what do ya want for nothing?'),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
  ],
  [
    repeated(0xaa, 131),
    ascii('Test Using Larger Than Block-Size Key - Hash Key First'),
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    '4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952',
  ],
] as const

describe.each(PROVIDERS)('$name', (crypto) => {
  it.each(ABC)('%s of "abc" (RFC 1321 appendix A.5, FIPS 180-4)', (algorithm, digest) => {
    expect(toHex(crypto.hash(algorithm, ascii('abc')))).toBe(toHex(hex(digest)))
    const hash = crypto.createHash(algorithm)
    hash.update(ascii('a'))
    expect(hash.digest()).toEqual(crypto.hash(algorithm, ascii('a')))
    hash.update(ascii('bc'))
    expect(hash.digest()).toEqual(crypto.hash(algorithm, ascii('abc')))
  })

  it.each(HMAC_SHA1)('HMAC-SHA1 (RFC 2202), case %#', (key, data, code) => {
    const hmac = crypto.hmac('sha1', key)
    expect(hmac.length).toBe(20)
    expect(toHex(hmac.sign(data))).toBe(code)
    expect(toHex(hmac.sign(data.subarray(0, 3), data.subarray(3)))).toBe(code)
  })

  it.each(HMAC_SHA2)('HMAC-SHA2 (RFC 4231), case %#', (key, data, sha256, sha384) => {
    expect(toHex(crypto.hmac('sha256', key).sign(data))).toBe(sha256)
    expect(toHex(crypto.hmac('sha384', key).sign(data))).toBe(sha384)
    expect(crypto.hmac('sha256', key).length).toBe(32)
    expect(crypto.hmac('sha384', key).length).toBe(48)
  })

  it('answers plain bytes, which do not share memory', () => {
    const digest = crypto.hash('sha1', ascii('abc'))
    expect(Object.getPrototypeOf(digest)).toBe(Uint8Array.prototype)
    const code = crypto.hmac('sha1', ascii('k')).sign(ascii('abc'))
    const before = toHex(code)
    crypto.hmac('sha1', ascii('k')).sign(ascii('abd'))
    expect(toHex(code)).toBe(before)
  })
})
