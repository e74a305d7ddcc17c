import { UsageError } from '@str0m/sans-io'
import { describe, expect, it, vi } from 'vitest'
import { nativeCrypto, portableCrypto } from '../src/index.ts'
import { hex, repeated, toHex } from './providers.ts'

const MAKERS = [
  { name: 'native', make: nativeCrypto },
  { name: 'portable', make: portableCrypto },
] as const

/** A provider whose random bytes are `bytes`. */
function fixed(make: typeof nativeCrypto, bytes: Uint8Array): ReturnType<typeof nativeCrypto> {
  return make({ random: (out) => out.set(bytes) })
}

/** Points of small order, RFC 7748 section 6.1: u = 0, 1, the two of order 8, p - 1, p, p + 1. */
const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000080',
]

describe.each(MAKERS)('$name', ({ make }) => {
  it('X25519 (RFC 7748 section 6.1)', () => {
    const a = fixed(make, hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'))
    const b = fixed(make, hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'))
    const [alice, bob] = [a.generateKeyExchange('x25519'), b.generateKeyExchange('x25519')]
    expect(toHex(alice.publicKey)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
    expect(toHex(bob.publicKey)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
    const secret = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
    expect(toHex(alice.deriveSecret(bob.publicKey)!)).toBe(secret)
    expect(toHex(bob.deriveSecret(alice.publicKey)!)).toBe(secret)
  })

  it('X25519 ignores the top bit of the peer (RFC 7748 section 5)', () => {
    const own = make().generateKeyExchange('x25519')
    const peer = make().generateKeyExchange('x25519').publicKey
    const other = peer.slice()
    other[31]! ^= 0x80
    expect(own.deriveSecret(other)).toEqual(own.deriveSecret(peer))
  })

  it.each(SMALL_ORDER)('X25519 refuses the point of small order %s', (point) => {
    expect(make().generateKeyExchange('x25519').deriveSecret(hex(point))).toBeUndefined()
  })

  it.each(['x25519', 'secp256r1', 'secp384r1'] as const)('%s refuses wrong lengths', (group) => {
    const own = make().generateKeyExchange(group)
    for (const length of [0, 1, 31, 33, 64, 66, 96, 98]) {
      expect(own.deriveSecret(repeated(4, length))).toBeUndefined()
    }
  })

  it.each([
    ['secp256r1', 32],
    ['secp384r1', 48],
  ] as const)('%s refuses what is no uncompressed point of the curve', (group, size) => {
    const own = make().generateKeyExchange(group)
    const peer = make().generateKeyExchange(group).publicKey
    expect(own.deriveSecret(peer)!.length).toBe(size)
    const compressed = new Uint8Array([2 + (peer[peer.length - 1]! & 1), ...peer.subarray(1, 1 + size)])
    const hybrid = new Uint8Array([6 + (peer[peer.length - 1]! & 1), ...peer.subarray(1)])
    const offCurve = peer.slice()
    offCurve[offCurve.length - 1]! ^= 1
    const beyondField = new Uint8Array([4, ...repeated(0xff, size), ...peer.subarray(1 + size)])
    const zero = new Uint8Array([4, ...repeated(0, 2 * size)])
    for (const bad of [compressed, hybrid, offCurve, beyondField, zero, new Uint8Array([0])]) {
      expect(own.deriveSecret(bad)).toBeUndefined()
    }
    // what was refused changed nothing
    expect(own.deriveSecret(peer)).toEqual(own.deriveSecret(peer))
  })

  it('ECDH on P-256 (RFC 5903 section 8.1)', () => {
    const i = hex('C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433')
    const r = hex('C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53')
    const initiator = fixed(make, i).generateKeyExchange('secp256r1')
    const responder = fixed(make, r).generateKeyExchange('secp256r1')
    expect(toHex(initiator.publicKey)).toBe(
      '04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3',
    )
    const secret = 'd6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de'
    expect(toHex(initiator.deriveSecret(responder.publicKey)!)).toBe(secret)
    expect(toHex(responder.deriveSecret(initiator.publicKey)!)).toBe(secret)
  })

  it('draws scalars again that are zero or not below the order', () => {
    const draws = [repeated(0, 32), repeated(0xff, 32), repeated(1, 32)]
    const crypto = make({ random: (out) => out.set(draws.shift()!) })
    const key = crypto.generateKeyExchange('secp256r1')
    expect(key.publicKey).toEqual(fixed(make, repeated(1, 32)).generateKeyExchange('secp256r1').publicKey)
    expect(draws).toEqual([])
  })

  it('takes random bytes of the platform', () => {
    const [a, b] = [make().randomBytes(70_000), make().randomBytes(70_000)]
    expect(a).not.toEqual(b)
    // beyond the quota of getRandomValues too
    expect(a.subarray(66_000).some((byte) => byte !== 0)).toBe(true)
    expect(make().randomBytes(0).length).toBe(0)
  })
})

it('says what to do where there is no random source', () => {
  vi.stubGlobal('crypto', undefined)
  try {
    expect(() => portableCrypto().randomBytes(1)).toThrow(UsageError)
    expect(() => portableCrypto().randomBytes(1)).toThrow('`random` option')
  } finally {
    vi.unstubAllGlobals()
  }
})
