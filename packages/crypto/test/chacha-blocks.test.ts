import { SeededRandom, UsageError } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { hex, PROVIDERS, toHex } from './providers.ts'

/** RFC 8439 section 2.3.2. */
const KEY = hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f')
const BLOCK = `10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e
  d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e`

describe.each(PROVIDERS.map((crypto) => [crypto.name, crypto] as const))('ChaCha20, %s', (_, crypto) => {
  it('is the block function of RFC 8439', () => {
    const input = hex('01000000 000000090000004a00000000')
    expect(crypto.chachaBlocks(KEY).block(input)).toEqual(hex(BLOCK))
  })

  it('throws on misuse', () => {
    expect(() => crypto.chachaBlocks(new Uint8Array(16))).toThrow(UsageError)
    expect(() => crypto.chachaBlocks(KEY).block(new Uint8Array(12))).toThrow('16 bytes')
  })
})

it('ChaCha20 is the same with both providers, up to the last counter', () => {
  const random = new SeededRandom(8439)
  for (let i = 0; i < 200; i++) {
    const key = new Uint8Array(32)
    const input = new Uint8Array(17).subarray(1)
    random.fill(key)
    random.fill(input)
    if (i % 10 === 0) input.fill(0xff, 0, 4)
    const [native, portable] = PROVIDERS.map((crypto) => toHex(crypto.chachaBlocks(key).block(input)))
    expect(portable, `run ${i}`).toBe(native)
  }
})
