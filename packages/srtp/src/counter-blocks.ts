// The counter blocks that SRTP feeds to AES: what makes a keystream belong to one packet.

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

  /** Writes `count` successive blocks of the packet into `out` at `at`. */
  write(out: DataView, at: number, ssrc: number, index: number, count: number): void {
    const rollover = Math.floor(index / 0x1_0000)
    const sequence = index & 0xffff
    let word0 = this.#salt0
    let word1 = this.#salt1
    let word2 = this.#salt2
    let word3 = this.#salt3
    let counter = 0
    if (this.#layout === 'cm') {
      word1 ^= ssrc
      word2 ^= rollover
      word3 ^= sequence << 16
    } else {
      word0 ^= ssrc >>> 16
      word1 ^= (ssrc << 16) | (rollover >>> 16)
      word2 ^= (rollover << 16) | sequence
      counter = 1
    }
    const end = at + 16 * count
    for (; at < end; at += 16) {
      out.setUint32(at, word0)
      out.setUint32(at + 4, word1)
      out.setUint32(at + 8, word2)
      out.setUint32(at + 12, word3 ^ counter++)
    }
  }
}
