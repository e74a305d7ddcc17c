// AES-GCM under a key that is busy takes another way than under one that is not: the portable provider's plain way is the twin it is compared with.
import { SeededRandom } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Aead, nativeCrypto, portableCrypto } from '../src/index.ts'
import { BUSY_AFTER } from '../src/native-aead.ts'
import { AHEAD_BLOCKS_MAX, NonceKeystream } from '../src/nonce-keystream.ts'

const native = nativeCrypto()
const portable = portableCrypto()
const ALGORITHMS = ['aes-128-gcm', 'aes-256-gcm'] as const
type Algorithm = (typeof ALGORITHMS)[number]

function random(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  new SeededRandom(seed).fill(bytes)
  return bytes
}

function keyOf(algorithm: Algorithm): Uint8Array {
  return random(1, algorithm === 'aes-128-gcm' ? 16 : 32)
}

/** A nonce whose last eight bytes are `number`. */
function nonceOf(number: bigint): Uint8Array {
  const nonce = random(2, 12)
  new DataView(nonce.buffer).setBigUint64(4, number)
  return nonce
}

function makeBusy(algorithm: Algorithm): Aead {
  const aead = native.aead(algorithm, keyOf(algorithm))
  for (let i = 0; i <= BUSY_AFTER; i++)
    aead.seal(random(i, 12), random(3, 13), random(4, 20), new Uint8Array(36), 0)
  return aead
}

function sealed(aead: Aead, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const out = new Uint8Array(plaintext.length + 16)
  aead.seal(nonce, aad, plaintext, out, 0)
  return out
}

describe.each(ALGORITHMS)('%s under a busy key', (algorithm) => {
  const twin = portable.aead(algorithm, keyOf(algorithm))

  it('gives the same bytes, in whatever order the nonces come', () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.integer({ min: -20, max: 40 }) },
    )
    const packets = fc.array(fc.record({ step, length: fc.nat(90), aad: fc.nat(30) }), {
      minLength: 30,
      maxLength: 60,
    })
    fc.assert(
      fc.property(packets, fc.bigInt({ min: 1n << 20n, max: 1n << 60n }), (steps, start) => {
        const [sealing, opening] = [makeBusy(algorithm), makeBusy(algorithm)]
        let number = start
        for (const { step: by, length, aad: aadLength } of steps) {
          number += BigInt(by)
          const [nonce, aad, plaintext] = [nonceOf(number), random(5, aadLength), random(6, length)]
          const expected = sealed(twin, nonce, aad, plaintext)
          expect(sealed(sealing, nonce, aad, plaintext)).toEqual(expected)
          const opened = new Uint8Array(length)
          expect(opening.open(nonce, aad, expected, opened, 0)).toBe(true)
          expect(opened).toEqual(plaintext)
        }
      }),
      { numRuns: 15 },
    )
  })

  it('goes over the end of what a nonce counts in its last four bytes', () => {
    const aead = makeBusy(algorithm)
    for (let number = 0xffff_fff0n; number < 0x1_0000_0020n; number++) {
      const [nonce, aad, plaintext] = [nonceOf(number), random(5, 13), random(6, 100)]
      expect(sealed(aead, nonce, aad, plaintext), `${number}`).toEqual(sealed(twin, nonce, aad, plaintext))
    }
  })

  it('takes packets of all lengths, those too long for it with them', () => {
    const aead = makeBusy(algorithm)
    let number = 0n
    for (const length of [0, 1, 16, 1200, 23_983, 23_984, 23_985, 40_000, 1200, 1200, 0]) {
      const [nonce, aad, plaintext] = [nonceOf(number++), random(5, 13), random(6, length)]
      const expected = sealed(native.aead(algorithm, keyOf(algorithm)), nonce, aad, plaintext)
      expect(sealed(aead, nonce, aad, plaintext), `${length} bytes`).toEqual(expected)
    }
  })

  it('works in place', () => {
    const aead = makeBusy(algorithm)
    const buffer = new Uint8Array(200)
    const plaintext = random(6, 100)
    buffer.set(plaintext, 20)
    aead.seal(nonceOf(1n), random(5, 13), buffer.subarray(20, 120), buffer, 20)
    expect(buffer.subarray(20, 136)).toEqual(sealed(twin, nonceOf(1n), random(5, 13), plaintext))
    expect(aead.open(nonceOf(1n), random(5, 13), buffer.subarray(20, 136), buffer, 20)).toBe(true)
    expect(buffer.subarray(20, 120)).toEqual(plaintext)
  })

  it('refuses what is forged, writes nothing, and is not led astray by it', () => {
    const aead = makeBusy(algorithm)
    const aad = random(5, 13)
    const plaintext = random(6, 60)
    for (let number = 1n; number < 40n; number++) {
      const good = sealed(twin, nonceOf(number), aad, plaintext)
      const out = new Uint8Array(60)
      for (const at of [0, 59, 60, 75]) {
        const forged = good.slice()
        forged[at]! ^= 1
        expect(aead.open(nonceOf(number), aad, forged, out, 0)).toBe(false)
      }
      expect(aead.open(nonceOf(number + 7n), aad, good, out, 0)).toBe(false)
      expect(aead.open(nonceOf(number), random(7, 13), good, out, 0)).toBe(false)
      expect(aead.open(nonceOf(number), aad, good.subarray(0, 15), out, 0)).toBe(false)
      expect(out).toEqual(new Uint8Array(60))
      expect(aead.open(nonceOf(number), aad, good, out, 0)).toBe(true)
      expect(out).toEqual(plaintext)
    }
  })

  it('says what is wrong with its arguments', () => {
    const aead = makeBusy(algorithm)
    const nonce = nonceOf(1n)
    expect(() => aead.seal(new Uint8Array(8), nonce, nonce, new Uint8Array(28), 0)).toThrow('12 bytes')
    expect(() => aead.open(new Uint8Array(16), nonce, new Uint8Array(28), nonce, 0)).toThrow('12 bytes')
    expect(() => aead.seal(nonce, nonce, nonce, new Uint8Array(27), 0)).toThrow('no room')
    expect(() => aead.open(nonce, nonce, new Uint8Array(28), new Uint8Array(11), 0)).toThrow('no room')
  })

  it('does not depend on what becomes of the key that it was given', () => {
    const key = keyOf(algorithm)
    const aead = native.aead(algorithm, key)
    key.fill(0)
    for (let number = 0n; number < 50n; number++) {
      const [nonce, aad, plaintext] = [nonceOf(number), random(5, 13), random(6, 50)]
      expect(sealed(aead, nonce, aad, plaintext)).toEqual(sealed(twin, nonce, aad, plaintext))
    }
  })
})

describe('NonceKeystream', () => {
  /** The lengths in blocks of all calls of the cipher, for packets of `blocks` with these numbers. */
  function callsFor(numbers: readonly number[], blocks: number): number[] {
    const calls: number[] = []
    const keystream = new NonceKeystream({
      encrypt: (counters) => {
        calls.push(counters.length / 16)
        return counters.slice()
      },
    })
    for (const number of numbers) {
      const nonce = nonceOf(BigInt(number))
      const bytes = keystream.of(nonce, blocks)
      expect(bytes.subarray(keystream.offset, keystream.offset + 12)).toEqual(nonce)
      keystream.prepare(nonce, blocks)
    }
    return calls
  }

  it('makes more and more ahead while nonces count up, up to a bound', () => {
    const blocks = 76
    const calls = callsFor(
      Array.from({ length: 200 }, (_, i) => i),
      blocks,
    )
    expect(calls.slice(0, 6)).toEqual([1, 1, 2, 4, 8, 16].map((packets) => packets * blocks))
    expect(Math.max(...calls)).toBeLessThanOrEqual(AHEAD_BLOCKS_MAX)
    expect(calls.length).toBeLessThan(20)
  })

  it('makes nothing ahead where they do not', () => {
    const numbers = Array.from({ length: 100 }, (_, i) => 3 * i)
    expect(callsFor(numbers, 5)).toEqual(numbers.map(() => 5))
  })

  it('takes up a run again after a gap', () => {
    const calls = callsFor([0, 1, 2, 3, 4, 100, 101, 102, 103], 5)
    expect(calls).toEqual([5, 5, 10, 20, 5, 5, 10, 20])
  })
})
