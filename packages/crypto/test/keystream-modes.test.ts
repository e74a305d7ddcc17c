import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SeededRandom } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { PlainArea } from '../src/counter-blocks.ts'
import { COUNTER_BLOCKS_MAX, counterArea, keystreamGcm, nativeCrypto, xorKeystream } from '../src/index.ts'
import { KERNEL_KEYS_MAX, KERNEL_PACKET_MAX } from '../src/packet-kernel.ts'

const crypto = nativeCrypto()

function random(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const { fill } = new SeededRandom(seed)
  fill(bytes)
  return bytes
}

/** Encrypted counter blocks, from the counter 1 on. */
function gcmKeystream(key: Uint8Array, nonce: Uint8Array, blocks: number): Uint8Array {
  const counters = new Uint8Array(16 * blocks)
  for (let i = 0; i < blocks; i++) {
    counters.set(nonce, 16 * i)
    new DataView(counters.buffer).setUint32(16 * i + 12, i + 1)
  }
  return crypto.aesBlocks(key).encrypt(counters)
}

it('src/packet-wasm.ts is what wasm/packet.wat assembles to', () => {
  const script = fileURLToPath(new URL('../wasm/assemble.mjs', import.meta.url))
  expect(() => execFileSync(process.execPath, [script, '--check'])).not.toThrow()
})

describe('xorKeystream', () => {
  it('changes the range, and nothing else', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(1400), fc.nat(40), fc.nat(40), (before, length, after, at) => {
        const bytes = random(length, before + length + after)
        const keystream = random(at, at + length)
        const expected = bytes.map((byte, i) =>
          i >= before && i < before + length ? byte ^ keystream[at + i - before]! : byte,
        )
        xorKeystream(bytes, before, before + length, keystream, at)
        expect(bytes).toEqual(expected)
      }),
    )
  })

  it.each([KERNEL_PACKET_MAX, KERNEL_PACKET_MAX + 1])('%i bytes', (length) => {
    const bytes = random(1, length)
    xorKeystream(bytes, 0, length, bytes.slice(), 0)
    expect(bytes.every((byte) => byte === 0)).toBe(true)
  })

  it.each([50, 500])('refuses a keystream that is too short for %i bytes', (length) => {
    const bytes = new Uint8Array(length).fill(7)
    // more of the same buffer follows: what is not of the view is not read
    const keystream = new Uint8Array(2 * length).fill(1).subarray(0, length)
    expect(() => xorKeystream(bytes, 0, length, keystream, 1)).toThrow(
      expect.objectContaining({ code: 'invalid-length' }),
    )
    expect(bytes).toEqual(new Uint8Array(length).fill(7))
  })
})

describe('keystreamGcm', () => {
  it('is AES-GCM, for every length of header and payload', () => {
    for (let i = 0; i < 600; i++) {
      const header = i % 90
      const length = header + ((i * 7) % 331)
      const [key, nonce, packet] = [
        random(i, i % 2 === 0 ? 16 : 32),
        random(i + 1, 12),
        random(i + 2, length + 16 + 3),
      ]
      const before = packet.slice()
      const expected = packet.slice()
      const aead = crypto.aead(key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key)
      aead.seal(nonce, packet.subarray(0, header), packet.subarray(header, length), expected, header)

      const gcm = keystreamGcm(crypto.aesBlocks(key).encrypt(new Uint8Array(16)))!
      const keystream = gcmKeystream(key, nonce, 2 + ((length - header + 15) >>> 4))
      gcm.seal(packet, header, length, keystream, 0)
      expect(packet, `packet ${i}`).toEqual(expected)

      const bit = i % (8 * (length + 16))
      packet[bit >>> 3]! ^= 1 << (bit & 7)
      const damaged = packet.slice()
      expect(gcm.open(packet, header, length, keystream, 0), `packet ${i}`).toBe(false)
      expect(packet).toEqual(damaged)
      packet[bit >>> 3]! ^= 1 << (bit & 7)
      expect(gcm.open(packet, header, length, keystream, 0), `packet ${i}`).toBe(true)
      expect(packet.subarray(0, length)).toEqual(before.subarray(0, length))
    }
  })

  it('keeps keys apart, call by call', () => {
    const keys = [random(1, 16), random(2, 16)]
    const gcms = keys.map((key) => keystreamGcm(crypto.aesBlocks(key).encrypt(new Uint8Array(16)))!)
    const seal = (i: number): Uint8Array => {
      const packet = random(9, 116)
      gcms[i]!.seal(packet, 12, 100, gcmKeystream(keys[i]!, random(3, 12), 7), 0)
      return packet
    }
    const [a, b] = [seal(0), seal(1)]
    expect(seal(0)).toEqual(a)
    expect(seal(1)).toEqual(b)
    expect(a).not.toEqual(b)
  })

  it('exhaust: more keys than the tables of which are kept, in turn and at random', () => {
    const keys = Array.from({ length: KERNEL_KEYS_MAX + 50 }, (_, i) => random(i, 16))
    const gcms = keys.map((key) => keystreamGcm(crypto.aesBlocks(key).encrypt(new Uint8Array(16)))!)
    const order = new SeededRandom(7)
    const nonce = random(3, 12)
    for (let i = 0; i < 4 * keys.length; i++) {
      const which = i < 2 * keys.length ? i % keys.length : order.integer(keys.length)
      const packet = random(i, 116)
      const expected = packet.slice()
      const aead = crypto.aead('aes-128-gcm', keys[which]!)
      aead.seal(nonce, packet.subarray(0, 12), packet.subarray(12, 100), expected, 12)
      gcms[which]!.seal(packet, 12, 100, gcmKeystream(keys[which]!, nonce, 7), 0)
      expect(packet, `packet ${i}`).toEqual(expected)
    }
  })

  it('throws on misuse', () => {
    const gcm = keystreamGcm(new Uint8Array(16))!
    expect(() => keystreamGcm(new Uint8Array(15))).toThrow('16 bytes')
    expect(() => gcm.seal(new Uint8Array(20), 12, 12, new Uint8Array(16), 0)).toThrow('no room')
    expect(() => gcm.open(new Uint8Array(20), 12, 12, new Uint8Array(16), 0)).toThrow('no tag')
    expect(gcm.fits(12, KERNEL_PACKET_MAX)).toBe(false)
    expect(gcm.fits(2000, 3000)).toBe(false)
    expect(() => gcm.seal(new Uint8Array(30_000), 12, KERNEL_PACKET_MAX, new Uint8Array(32_000), 0)).toThrow(
      'does not fit',
    )
  })
})

describe('counter blocks', () => {
  /** The slow and obvious way. */
  function blocksOf(count: number, words: readonly number[]): Uint8Array {
    const bytes = new Uint8Array(16 * count)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < count; i++) {
      words.forEach((word, w) => view.setUint32(16 * i + 4 * w, w === 3 ? word + i : word))
    }
    return bytes
  }

  it.each([
    ['in WebAssembly', () => counterArea(COUNTER_BLOCKS_MAX)],
    ['in JavaScript', () => new PlainArea(COUNTER_BLOCKS_MAX)],
    ['too many for the shared area', () => counterArea(COUNTER_BLOCKS_MAX + 1)],
  ])('%s, the last word counts, the others do not', (_, make) => {
    const word = fc.integer({ min: 0, max: 0xffff_ffff })
    fc.assert(
      fc.property(
        fc.nat(300),
        fc.nat(300),
        fc.tuple(word, word, word, fc.oneof(word, fc.constant(0xffff_fffe))),
        fc.boolean(),
        (at, count, words, signed) => {
          const area = make()
          const given = signed ? words.map((number) => number | 0) : words
          area.write(at, count, given[0]!, given[1]!, given[2]!, given[3]!)
          expect(area.blocks(at + count).subarray(16 * at)).toEqual(blocksOf(count, words))
        },
      ),
    )
  })

  it('what is written at one place leaves the others as they are', () => {
    const area = counterArea(30)
    area.write(0, 30, 1, 2, 3, 4)
    area.write(10, 10, 5, 6, 7, 8)
    const expected = blocksOf(30, [1, 2, 3, 4])
    expected.set(blocksOf(10, [5, 6, 7, 8]), 160)
    expect(area.blocks(30)).toEqual(expected)
  })

  it('go nowhere but into their area', () => {
    const gcm = keystreamGcm(new Uint8Array(16).fill(3))
    const seal = (): Uint8Array | undefined => {
      const packet = new Uint8Array(60)
      gcm?.seal(packet, 4, 44, new Uint8Array(64).fill(5), 0)
      return packet
    }
    const before = seal()
    const area = counterArea(4)
    expect(() => area.write(0, COUNTER_BLOCKS_MAX + 1, 1, 2, 3, 4)).toThrow(Error)
    expect(() => area.write(COUNTER_BLOCKS_MAX + 200, 40, 1, 2, 3, 4)).toThrow(Error)
    expect(() => area.write(-1, 1, 1, 2, 3, 4)).toThrow(Error)
    expect(seal()).toEqual(before)
  })
})

describe.each([
  ['absent', undefined],
  [
    'forbidden',
    {
      Module: () => {
        throw new Error('by policy')
      },
    },
  ],
])('WebAssembly %s', (_, stub) => {
  it('XOR works, and GCM says that it is not there', async () => {
    vi.resetModules()
    vi.stubGlobal('WebAssembly', stub)
    try {
      const modes = await import('../src/keystream-modes.ts')
      expect(modes.keystreamGcm(new Uint8Array(16))).toBeUndefined()
      const bytes = random(1, 500)
      modes.xorKeystream(bytes, 0, 500, bytes.slice(), 0)
      expect(bytes).toEqual(new Uint8Array(500))
    } finally {
      vi.unstubAllGlobals()
      vi.resetModules()
    }
  })
})
