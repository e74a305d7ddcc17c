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

  /** Writes `count` successive blocks of the packet into `out`, from the block `at` on. */
  write(out: Uint32Array, at: number, ssrc: number, index: number, count: number): void {
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
    word0 = bigEndian(word0)
    word1 = bigEndian(word1)
    word2 = bigEndian(word2)
    let i = 4 * at
    const end = i + 4 * count
    while (i < end) {
      // the last byte alone counts up to its end; the words are in the host's order
      let low = bigEndian(counter & 0xff)
      const high = bigEndian(word3 ^ (counter & ~0xff))
      const run = Math.min(end, i + 4 * (256 - (counter & 0xff)))
      counter += (run - i) >>> 2
      for (; i < run; i += 4) {
        out[i] = word0
        out[i + 1] = word1
        out[i + 2] = word2
        out[i + 3] = high ^ low
        low = (low + LAST_BYTE) | 0
      }
    }
  }
}

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1
/** One in the last of a word's four bytes in memory. */
const LAST_BYTE = HOST_IS_LITTLE_ENDIAN ? 0x0100_0000 : 1

/** The word whose bytes lie in memory as those of `word` do on the wire. Words are four times as fast to write as bytes. */
function bigEndian(word: number): number {
  if (!HOST_IS_LITTLE_ENDIAN) return word
  const swapped = ((word >>> 8) & 0x00ff_00ff) | ((word & 0x00ff_00ff) << 8)
  return (swapped >>> 16) | (swapped << 16)
}
