/** Fills the whole of `bytes` with random bytes. */
export type RandomSource = (bytes: Uint8Array) => void

/**
 * A reproducible generator (sfc32) for tests and emulation. Not for secrets: its state can be
 * recovered from its output.
 */
export class SeededRandom {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** An integer from 0 to 2⁵³ − 1 gives a run of its own. */
  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = Math.floor(seed / 0x1_0000_0000) | 0
    this.#c = 0x9e37_79b9 | 0
    for (let i = 0; i < 16; i++) this.u32()
  }

  /** An integer from 0 to 2³² − 1. */
  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return sum >>> 0
  }

  /** A number from 0 up to, not including, 1. */
  float(): number {
    return this.u32() / 0x1_0000_0000
  }

  /** An integer from 0 to `below` − 1, where `below` is from 1 to 2³². */
  integer(below: number): number {
    return Math.floor(this.float() * below)
  }

  /** True with the probability `p`, from 0 to 1. */
  chance(p: number): boolean {
    return this.float() < p
  }

  /** A `RandomSource` fed by this generator. */
  readonly fill: RandomSource = (bytes) => {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.u32()
      const end = Math.min(i + 4, bytes.length)
      for (let j = i; j < end; j++) bytes[j] = word >>> ((j - i) * 8)
    }
  }
}
