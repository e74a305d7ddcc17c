import { unsafe } from '@noble/ciphers/aes.js'
import { checkLength } from './check-usage.ts'
import type { AesBlocks, ChaChaBlocks } from './provider.ts'

/** AES over the library's own key schedule, which its modes set up at every call. */
export class PortableAesBlocks implements AesBlocks {
  readonly #schedule: Uint32Array

  constructor(key: Uint8Array) {
    this.#schedule = unsafe.expandKeyLE(key)
  }

  encrypt(blocks: Uint8Array): Uint8Array {
    checkLength(blocks.length % 16 === 0, 'blocks have 16 bytes each')
    const out = new Uint8Array(blocks)
    const view = new DataView(out.buffer)
    for (let at = 0; at < out.length; at += 16) {
      const { s0, s1, s2, s3 } = unsafe.encrypt(
        this.#schedule,
        view.getUint32(at, true),
        view.getUint32(at + 4, true),
        view.getUint32(at + 8, true),
        view.getUint32(at + 12, true),
      )
      view.setUint32(at, s0, true)
      view.setUint32(at + 4, s1, true)
      view.setUint32(at + 8, s2, true)
      view.setUint32(at + 12, s3, true)
    }
    return out
  }
}

const CHACHA_ROUNDS = 20
/** "expand 32-byte k", RFC 8439 section 2.3. */
const CHACHA_CONSTANTS = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574] as const

/** ChaCha20, RFC 8439 section 2.3. The library's refuses the last block counter, which a peer's bytes may hold. */
export class PortableChaChaBlocks implements ChaChaBlocks {
  readonly #initial = new Uint32Array(16)

  constructor(key: Uint8Array) {
    this.#initial.set(CHACHA_CONSTANTS)
    this.#initial.set(words(key), 4)
  }

  block(input: Uint8Array): Uint8Array {
    checkLength(input.length === 16, 'a counter and a nonce have 16 bytes')
    const initial = this.#initial
    initial.set(words(input), 12)
    const state = initial.slice()
    for (let round = 0; round < CHACHA_ROUNDS; round += 2) {
      for (let i = 0; i < 4; i++) quarterRound(state, i, 4 + i, 8 + i, 12 + i)
      for (let i = 0; i < 4; i++)
        quarterRound(state, i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3))
    }
    const out = new Uint8Array(64)
    const view = new DataView(out.buffer)
    for (let i = 0; i < 16; i++) view.setUint32(4 * i, state[i]! + initial[i]!, true)
    return out
  }
}

/** RFC 8439 section 2.1. */
function quarterRound(state: Uint32Array, a: number, b: number, c: number, d: number): void {
  mix(state, a, b, d, 16)
  mix(state, c, d, b, 12)
  mix(state, a, b, d, 8)
  mix(state, c, d, b, 7)
}

/** Adds the word at `from` to that at `to`, and that to the word at `mixed`, which is rotated. */
function mix(state: Uint32Array, to: number, from: number, mixed: number, bits: number): void {
  const sum = state[to]! + state[from]!
  state[to] = sum
  state[mixed] = rotate(state[mixed]! ^ sum, bits)
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

function words(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true))
}
