// The counter blocks that SRTP feeds to AES: what makes a keystream belong to one packet.
import type { CounterArea } from '@str0m/crypto'
import { writeU32 } from '@str0m/sans-io'

/** Where SSRC, index and block counter lie in a counter block. */
export type CounterLayout =
  /** AES-CM, RFC 3711 section 4.1.1: 4 zeros, SSRC, 48-bit index, 16-bit counter from 0; a salt of 112 bits. */
  | 'cm'
  /** AES-GCM, RFC 7714 section 8.1 and NIST SP 800-38D section 7.1: 2 zeros, SSRC, 48-bit index, 32-bit counter from 1; a salt of 96 bits. */
  | 'gcm'

/** Writes counter blocks under one session salt. */
export class CounterBlocks {
  readonly #layout: CounterLayout
  readonly #salt0: number
  readonly #salt1: number
  readonly #salt2: number
  readonly #salt3: number

  constructor(layout: CounterLayout, salt: Uint8Array) {
    const padded = new Uint8Array(16)
    padded.set(salt)
    const view = new DataView(padded.buffer)
    this.#layout = layout
    this.#salt0 = view.getUint32(0)
    this.#salt1 = view.getUint32(4)
    this.#salt2 = view.getUint32(8)
    this.#salt3 = view.getUint32(12)
  }

  /** Writes `count` successive blocks of the packet into `area`, from the block `at` on. */
  write(area: CounterArea, at: number, ssrc: number, index: number, count: number): void {
    const rollover = Math.floor(index / 0x1_0000)
    const sequence = index & 0xffff
    if (this.#layout === 'cm') {
      // 2^16 blocks at most: the counter does not reach the index
      area.write(
        at,
        count,
        this.#salt0,
        this.#salt1 ^ ssrc,
        this.#salt2 ^ rollover,
        this.#salt3 ^ (sequence << 16),
      )
    } else {
      area.write(
        at,
        count,
        this.#salt0 ^ (ssrc >>> 16),
        this.#salt1 ^ ((ssrc << 16) | (rollover >>> 16)),
        this.#salt2 ^ ((rollover << 16) | sequence),
        1,
      )
    }
  }

  /** The nonce of AES-GCM: what comes before the counter. */
  writeNonce(out: Uint8Array, ssrc: number, index: number): void {
    const rollover = Math.floor(index / 0x1_0000)
    writeU32(out, 0, this.#salt0 ^ (ssrc >>> 16))
    writeU32(out, 4, this.#salt1 ^ ((ssrc << 16) | (rollover >>> 16)))
    writeU32(out, 8, this.#salt2 ^ ((rollover << 16) | (index & 0xffff)))
  }
}
