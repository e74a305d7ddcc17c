import { UsageError } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { ascii, hex, PROVIDERS, repeated, toHex } from './providers.ts'

/** FIPS 197 appendix C. */
const FIPS_197 = [
  ['000102030405060708090a0b0c0d0e0f', '69c4e0d86a7b0430d8cdb78070b4c55a'],
  ['000102030405060708090a0b0c0d0e0f1011121314151617', 'dda97ca4864cdfe06eaf70a0ec0d7191'],
  ['000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', '8ea2b7ca516745bfeafc49904b496089'],
] as const

const PLAINTEXT = `d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
  1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39`
const AAD = 'feedfacedeadbeeffeedfacedeadbeefabaddad2'
const KEY_128 = 'feffe9928665731c6d6a8f9467308308'

/** The test cases of the GCM specification (NIST), with nonces of 96 bits. */
const GCM = [
  {
    name: '1',
    algorithm: 'aes-128-gcm',
    key: '00'.repeat(16),
    nonce: '00'.repeat(12),
    aad: '',
    plaintext: '',
    sealed: '58e2fccefa7e3061367f1d57a4e7455a',
  },
  {
    name: '2',
    algorithm: 'aes-128-gcm',
    key: '00'.repeat(16),
    nonce: '00'.repeat(12),
    aad: '',
    plaintext: '00'.repeat(16),
    sealed: '0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf',
  },
  {
    name: '4',
    algorithm: 'aes-128-gcm',
    key: KEY_128,
    nonce: 'cafebabefacedbaddecaf888',
    aad: AAD,
    plaintext: PLAINTEXT,
    sealed: `42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
      21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47`,
  },
  {
    name: '13',
    algorithm: 'aes-256-gcm',
    key: '00'.repeat(32),
    nonce: '00'.repeat(12),
    aad: '',
    plaintext: '',
    sealed: '530f8afbc74536b9a963b4f1c4cb738b',
  },
  {
    name: '16',
    algorithm: 'aes-256-gcm',
    key: KEY_128 + KEY_128,
    nonce: 'cafebabefacedbaddecaf888',
    aad: AAD,
    plaintext: PLAINTEXT,
    sealed: `522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
      8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b`,
  },
  {
    name: 'RFC 8439 section 2.8.2',
    algorithm: 'chacha20-poly1305',
    key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
    nonce: '070000004041424344454647',
    aad: '50515253c0c1c2c3c4c5c6c7',
    plaintext: toHex(
      ascii(
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
      ),
    ),
    sealed: `d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
      3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
      92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
      3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691`,
  },
] as const

describe.each(PROVIDERS)('$name', (crypto) => {
  it.each(FIPS_197)('AES (FIPS 197 appendix C) with the key %s', (key, expected) => {
    const aes = crypto.aesBlocks(hex(key))
    const block = hex('00112233445566778899aabbccddeeff')
    expect(toHex(aes.encrypt(block))).toBe(expected)
    const many = new Uint8Array([...block, ...repeated(0, 16), ...block])
    const encrypted = aes.encrypt(many)
    expect(toHex(encrypted.subarray(32))).toBe(expected)
    expect(toHex(aes.encrypt(encrypted.subarray(0, 0)))).toBe('')
    expect(toHex(encrypted.subarray(0, 16))).toBe(expected)
  })

  it.each(GCM)('AEAD $algorithm, test case $name', (vector) => {
    const aead = crypto.aead(vector.algorithm, hex(vector.key))
    const [nonce, aad, plaintext] = [hex(vector.nonce), hex(vector.aad), hex(vector.plaintext)]
    const out = new Uint8Array(plaintext.length + 16)
    aead.seal(nonce, aad, plaintext, out, 0)
    expect(toHex(out)).toBe(toHex(hex(vector.sealed)))
    const opened = new Uint8Array(plaintext.length)
    expect(aead.open(nonce, aad, out, opened, 0)).toBe(true)
    expect(opened).toEqual(plaintext)
  })

  describe.each(['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305'] as const)('%s', (algorithm) => {
    const key = repeated(1, algorithm === 'aes-128-gcm' ? 16 : 32)
    const nonce = repeated(2, 12)

    it('seals and opens in place', () => {
      const aead = crypto.aead(algorithm, key)
      const buffer = new Uint8Array(60)
      buffer.set(repeated(7, 37), 5)
      aead.seal(nonce, buffer.subarray(0, 5), buffer.subarray(5, 42), buffer, 5)
      expect(aead.open(nonce, buffer.subarray(0, 5), buffer.subarray(5, 58), buffer, 5)).toBe(true)
      expect(buffer.subarray(5, 42)).toEqual(repeated(7, 37))
    })

    it('refuses every single wrong bit, and what is shorter than a tag', () => {
      const aead = crypto.aead(algorithm, key)
      const sealed = new Uint8Array(3 + 16)
      aead.seal(nonce, ascii('aad'), ascii('abc'), sealed, 0)
      const out = new Uint8Array(3)
      for (let bit = 0; bit < 8 * sealed.length; bit++) {
        const wrong = sealed.slice()
        wrong[bit >>> 3]! ^= 1 << (bit & 7)
        expect(aead.open(nonce, ascii('aad'), wrong, out, 0)).toBe(false)
      }
      expect(aead.open(nonce, ascii('aae'), sealed, out, 0)).toBe(false)
      expect(aead.open(repeated(3, 12), ascii('aad'), sealed, out, 0)).toBe(false)
      for (let length = 0; length < 16; length++) {
        expect(aead.open(nonce, ascii('aad'), sealed.subarray(0, length), out, 0)).toBe(false)
      }
      expect(out).toEqual(new Uint8Array(3))
    })

    it('throws on misuse', () => {
      expect(() => crypto.aead(algorithm, repeated(1, 24))).toThrow(UsageError)
      const aead = crypto.aead(algorithm, key)
      expect(() => aead.seal(repeated(0, 8), nonce, nonce, new Uint8Array(28), 0)).toThrow('12 bytes')
      expect(() => aead.open(repeated(0, 16), nonce, new Uint8Array(28), nonce, 0)).toThrow('12 bytes')
      expect(() => aead.seal(nonce, nonce, nonce, new Uint8Array(27), 0)).toThrow('no room')
      expect(() => aead.open(nonce, nonce, new Uint8Array(28), new Uint8Array(11), 0)).toThrow('no room')
    })
  })

  it('AES throws on misuse', () => {
    for (const length of [0, 15, 17, 31, 33]) {
      expect(() => crypto.aesBlocks(new Uint8Array(length))).toThrow(UsageError)
    }
    expect(() => crypto.aesBlocks(new Uint8Array(16)).encrypt(new Uint8Array(17))).toThrow('16 bytes')
  })
})
