// What one provider answers, the other does: for any input, and with the same random source.
import { SeededRandom } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CryptoProvider, defaultCrypto, nativeCrypto, portableCrypto } from '../src/index.ts'

const native = nativeCrypto()
const portable = portableCrypto()
const bytes = fc.uint8Array({ maxLength: 300 })
const ofLength = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })

function seeded(seed: number): [CryptoProvider, CryptoProvider] {
  return [
    nativeCrypto({ random: new SeededRandom(seed).fill }),
    portableCrypto({ random: new SeededRandom(seed).fill }),
  ]
}

describe('native and portable give the same bytes', () => {
  it('hashes', () => {
    fc.assert(
      fc.property(fc.constantFrom('md5', 'sha1', 'sha256', 'sha384', 'sha512'), bytes, (algorithm, data) => {
        expect(portable.hash(algorithm, data)).toEqual(native.hash(algorithm, data))
      }),
    )
  })

  it('HMAC, up to and past the size that is hashed in one call', () => {
    const data = fc.uint8Array({ maxLength: 2200, size: 'max' })
    fc.assert(
      fc.property(fc.constantFrom('sha1', 'sha256', 'sha384'), bytes, data, data, (algorithm, key, a, b) => {
        const expected = portable.hmac(algorithm, key)
        const actual = native.hmac(algorithm, key)
        expect(actual.sign(a, b)).toEqual(expected.sign(a, b))
        expect(actual.sign(a)).toEqual(expected.sign(a))
      }),
    )
    for (const length of [2047, 2048, 2049]) {
      const message = new Uint8Array(length).fill(9)
      expect(native.hmac('sha1', message).sign(message)).toEqual(portable.hmac('sha1', message).sign(message))
    }
  })

  it('AES blocks', () => {
    const key = fc.constantFrom(16, 24, 32).chain((length) => ofLength(length))
    const blocks = fc.nat(20).chain((count) => ofLength(16 * count))
    fc.assert(
      fc.property(key, blocks, (key, data) => {
        const actual = new Uint8Array(native.aesBlocks(key).encrypt(data))
        expect(actual).toEqual(portable.aesBlocks(key).encrypt(data))
      }),
    )
  })

  it('AEAD, whether it opens or not', () => {
    const algorithm = fc.constantFrom('aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305')
    fc.assert(
      fc.property(
        algorithm,
        ofLength(32),
        ofLength(12),
        bytes,
        bytes,
        fc.nat(2000),
        (algorithm, material, nonce, aad, plaintext, flip) => {
          const key = algorithm === 'aes-128-gcm' ? material.subarray(0, 16) : material
          const [a, b] = [native.aead(algorithm, key), portable.aead(algorithm, key)]
          const sealed = new Uint8Array(plaintext.length + 16)
          const other = new Uint8Array(plaintext.length + 16)
          a.seal(nonce, aad, plaintext, sealed, 0)
          b.seal(nonce, aad, plaintext, other, 0)
          expect(other).toEqual(sealed)
          if (flip < sealed.length) sealed[flip]! ^= 0x10
          const [x, y] = [new Uint8Array(plaintext.length), new Uint8Array(plaintext.length)]
          const opens = flip >= sealed.length
          expect(a.open(nonce, aad, sealed, x, 0)).toBe(opens)
          expect(b.open(nonce, aad, sealed, y, 0)).toBe(opens)
          expect(x).toEqual(opens ? plaintext : new Uint8Array(plaintext.length))
          expect(y).toEqual(x)
        },
      ),
    )
  })

  it.each(['x25519', 'secp256r1', 'secp384r1'] as const)('key exchange on %s', (group) => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const [a, b] = seeded(seed)
        const [mine, same] = [a.generateKeyExchange(group), b.generateKeyExchange(group)]
        expect(same.publicKey).toEqual(mine.publicKey)
        const peer = a.generateKeyExchange(group).publicKey
        expect(same.deriveSecret(peer)).toEqual(mine.deriveSecret(peer))
        const { fill } = new SeededRandom(seed + 1)
        const garbage = new Uint8Array(peer.length)
        fill(garbage)
        garbage[0] = peer[0]!
        expect(same.deriveSecret(garbage)).toEqual(mine.deriveSecret(garbage))
      }),
      { numRuns: 8 },
    )
  })

  it('signing keys and signatures', () => {
    fc.assert(
      fc.property(fc.nat(), bytes, (seed, data) => {
        const [a, b] = seeded(seed)
        const [key, same] = [a.generateSigningKey(), b.generateSigningKey()]
        expect(same.publicKey).toEqual(key.publicKey)
        expect(same.exportPkcs8()).toEqual(key.exportPkcs8())
        expect(same.sign(data)).toEqual(key.sign(data))
        expect(b.randomBytes(7)).toEqual(a.randomBytes(7))
      }),
      { numRuns: 8 },
    )
  })

  it('verdicts over damaged keys and signatures', () => {
    const signer = native.generateSigningKey()
    const data = new Uint8Array([1, 2, 3])
    const signature = signer.sign(data)
    fc.assert(
      fc.property(fc.nat(signer.publicKey.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const spki = signer.publicKey.slice()
        spki[at]! ^= change
        const [a, b] = [native.importVerifyingKey(spki), portable.importVerifyingKey(spki)]
        expect(b === undefined).toBe(a === undefined)
        expect(b?.verify('ecdsa-sha256', data, signature)).toBe(a?.verify('ecdsa-sha256', data, signature))
      }),
    )
    const [a, b] = [
      native.importVerifyingKey(signer.publicKey)!,
      portable.importVerifyingKey(signer.publicKey)!,
    ]
    fc.assert(
      fc.property(fc.nat(signature.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = signature.slice()
        damaged[at]! ^= change
        expect(b.verify('ecdsa-sha256', data, damaged)).toBe(a.verify('ecdsa-sha256', data, damaged))
      }),
    )
  })
})

it('the default is the native provider where there is one', () => {
  expect(defaultCrypto().name).toBe('native')
})

describe('a caller’s mistake has the same code in both', () => {
  it.each([native, portable])('$name', (crypto) => {
    const aead = crypto.aead('aes-128-gcm', new Uint8Array(16))
    const [none, nonce, out] = [new Uint8Array(0), new Uint8Array(12), new Uint8Array(16)]
    const calls: [() => unknown, string][] = [
      // for which it drew numbers without end
      [() => crypto.generateKeyExchange('P-256' as never), 'unknown-algorithm'],
      [() => crypto.aead('aes-192-gcm' as never, new Uint8Array(24)), 'unknown-algorithm'],
      [() => crypto.hash('sha3' as never, none), 'unknown-algorithm'],
      [() => crypto.createHash('SHA-256' as never), 'unknown-algorithm'],
      [() => crypto.hmac('md5' as never, none), 'unknown-algorithm'],
      [() => crypto.aesBlocks(new Uint8Array(16)).encrypt(new Uint8Array(17)), 'invalid-length'],
      [() => crypto.chachaBlocks(new Uint8Array(32)).block(new Uint8Array(15)), 'invalid-length'],
      [() => aead.seal(new Uint8Array(11), none, none, out, 0), 'invalid-length'],
      [() => aead.seal(nonce, none, none, out, 1), 'invalid-length'],
      [() => aead.open(new Uint8Array(13), none, out, out, 0), 'invalid-length'],
      [() => aead.open(nonce, none, new Uint8Array(17), none, 0), 'invalid-length'],
    ]
    for (const [call, code] of calls)
      expect(call, `what has the code ${code}`).toThrow(expect.objectContaining({ code }))
  })
})
