/** Reads fields of bits, the highest first. A read past the end yields zero and sets `failed`, which stays set. */
export class BitReader {
  readonly #bytes: Uint8Array
  #position = 0
  failed = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** An unsigned number of `count` bits, 0 to 32. */
  bits(count: number): number {
    if (this.failed || this.#position + count > 8 * this.#bytes.length) {
      this.failed = true
      return 0
    }
    let value = 0
    for (let i = 0; i < count; i++) {
      const bit = (this.#bytes[this.#position >> 3]! >> (7 - (this.#position & 7))) & 1
      value = value * 2 + bit
      this.#position++
    }
    return value
  }

  flag(): boolean {
    return this.bits(1) === 1
  }

  /** A number below `count`, of which the low ones have one bit less: ns(n) of the AV1 specification, section 4.10.7. */
  nonSymmetric(count: number): number {
    const width = 32 - Math.clz32(count)
    const short = 2 ** width - count
    const value = this.bits(width - 1)
    return value < short ? value : value * 2 - short + this.bits(1)
  }
}
