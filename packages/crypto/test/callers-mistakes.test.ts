import { describe, expect, test } from 'vitest'
import {
  type CryptoProvider,
  type KeyExchangeGroup,
  nativeCrypto,
  type SignatureAlgorithm,
} from '../src/index.ts'
import { PROVIDERS, repeated, toHex } from './providers.ts'

describe.each(PROVIDERS)('of the $name provider', (crypto) => {
  // what is read from a file is a Buffer, whose slice shares its memory, and a secret is wiped after use
  test.each([
    ['aes-128-gcm', 16],
    ['aes-256-gcm', 32],
    ['chacha20-poly1305', 32],
  ] as const)('the key of %s outlives a Buffer that is wiped', (algorithm, length) => {
    const key = Buffer.alloc(length, 7)
    const aead = crypto.aead(algorithm, key)
    key.fill(0)
    const sealed = new Uint8Array(19)
    aead.seal(repeated(1, 12), repeated(2, 5), repeated(3, 3), sealed, 0)
    const expected = new Uint8Array(19)
    const same = crypto.aead(algorithm, repeated(7, length))
    same.seal(repeated(1, 12), repeated(2, 5), repeated(3, 3), expected, 0)
    expect(toHex(sealed)).toBe(toHex(expected))
  })

  test('a signing key outlives a Buffer that is wiped', () => {
    const pkcs8 = Buffer.from(crypto.generateSigningKey().exportPkcs8())
    const expected = new Uint8Array(pkcs8)
    const key = crypto.importSigningKey(pkcs8)
    pkcs8.fill(0)
    const data = repeated(4, 20)
    const verifying = crypto.importVerifyingKey(key.publicKey)!
    expect(verifying.verify('ecdsa-sha256', data, key.sign(data))).toBe(true)
    expect(key.exportPkcs8()).toEqual(expected)
  })

  test('a verifying key outlives a Buffer that is used again', () => {
    const key = crypto.generateSigningKey()
    const spki = Buffer.from(key.publicKey)
    const verifying = crypto.importVerifyingKey(spki)!
    spki.fill(0)
    const data = repeated(4, 20)
    expect(verifying.verify('ecdsa-sha256', data, key.sign(data))).toBe(true)
  })

  test.each(['ecdsa-sha224', 'rsa-pss-sha224', 'ed25519'])('nothing is a signature by %s', (algorithm) => {
    const key = crypto.generateSigningKey()
    const verifying = crypto.importVerifyingKey(key.publicKey)!
    const data = repeated(4, 20)
    expect(verifying.verify(algorithm as SignatureAlgorithm, data, key.sign(data))).toBe(false)
  })

  test('a group that there is none of is refused', () => {
    expect(() => crypto.generateKeyExchange('x448' as KeyExchangeGroup)).toThrow(
      expect.objectContaining({ code: 'unknown-algorithm' }),
    )
  })

  test('a negative number of random bytes is refused', () => {
    expect(() => crypto.randomBytes(-1)).toThrow(RangeError)
  })
})

test('random bytes are random after a mistake in their number', () => {
  const crypto: CryptoProvider = nativeCrypto()
  const ZEROS = '00'.repeat(16)
  for (const mistake of [-64, -1.5, 0.5, 1.5, Number.NaN]) {
    try {
      crypto.randomBytes(mistake)
    } catch {
      // as a negative one is
    }
    for (let i = 0; i < 200; i++) {
      const bytes = crypto.randomBytes(16)
      expect(bytes).toHaveLength(16)
      expect(toHex(bytes), `after ${mistake}`).not.toBe(ZEROS)
    }
  }
})
