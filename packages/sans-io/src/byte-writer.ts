import { assert } from './errors.ts'

/**
 * Writes big-endian fields into a buffer that grows as needed. Give the capacity, in bytes, where it is known. Of a number that is too large for its field,
 * the low bits are written.
 */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  #grow(count: number): number {
    const at = this.#length
    const needed = at + count
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    this.#length = needed
    return at
  }

  u8(value: number): this {
    const at = this.#grow(1)
    this.#bytes[at] = value
    return this
  }

  u16(value: number): this {
    const at = this.#grow(2)
    writeU16(this.#bytes, at, value)
    return this
  }

  u24(value: number): this {
    const at = this.#grow(3)
    this.#bytes[at] = value >>> 16
    this.#bytes[at + 1] = value >>> 8
    this.#bytes[at + 2] = value
    return this
  }

  u32(value: number): this {
    const at = this.#grow(4)
    writeU32(this.#bytes, at, value)
    return this
  }

  /** 48 bits out of an integer below 2⁴⁸. */
  u48(value: number): this {
    return this.u16(Math.floor(value / 0x1_0000_0000)).u32(value >>> 0)
  }

  u64(value: bigint): this {
    return this.u32(Number((value >> 32n) & 0xffff_ffffn)).u32(Number(value & 0xffff_ffffn))
  }

  bytes(source: Uint8Array): this {
    const at = this.#grow(source.length)
    this.#bytes.set(source, at)
    return this
  }

  zeros(count: number): this {
    const at = this.#grow(count)
    this.#bytes.fill(0, at, at + count)
    return this
  }

  /** Overwrites two bytes written before, as for a length that is known only later. */
  setU16(at: number, value: number): void {
    assert(at >= 0 && at + 2 <= this.#length, 'setU16 outside of what was written')
    writeU16(this.#bytes, at, value)
  }

  /** Overwrites three bytes written before. */
  setU24(at: number, value: number): void {
    assert(at >= 0 && at + 3 <= this.#length, 'setU24 outside of what was written')
    this.#bytes[at] = value >>> 16
    this.#bytes[at + 1] = value >>> 8
    this.#bytes[at + 2] = value
  }

  /** Overwrites four bytes written before. */
  setU32(at: number, value: number): void {
    assert(at >= 0 && at + 4 <= this.#length, 'setU32 outside of what was written')
    writeU32(this.#bytes, at, value)
  }

  /** What was written so far: a view of the writer's own buffer. More may follow, which the view does not show. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** What was written: a view of the writer's own buffer. The writer is not to be used after. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }
}

/** Writes two bytes at `at`, which the caller knows to be there. */
export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

/** Writes four bytes at `at`, which the caller knows to be there. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
