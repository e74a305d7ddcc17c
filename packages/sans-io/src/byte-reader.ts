import { plainBytes } from './plain-bytes.ts'

const EMPTY = new Uint8Array(0)

/**
 * Reads big-endian fields out of a peer's bytes. A read past the end yields zero (or no bytes) and sets
 * `failed`, which stays set: a parser reads a whole structure and asks once. Nothing throws.
 */
export class ByteReader {
  readonly bytes: Uint8Array
  /** Where the next read starts, as an index into `bytes`. */
  position: number
  /** The first index that may not be read. */
  readonly end: number
  /** Whether a read went past the end. */
  failed = false

  /** Reads from the index `start` up to `end`, at most up to the end of `bytes`. A start behind that has failed. */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = plainBytes(bytes)
    this.position = start
    this.end = Math.min(end, bytes.length)
    if (start > this.end) this.failed = true
  }

  /** Bytes that are left; 0 after a failure. */
  get remaining(): number {
    return this.failed ? 0 : this.end - this.position
  }

  /** Whether all was read, and nothing past the end. */
  get finished(): boolean {
    return !this.failed && this.position === this.end
  }

  /** Claims `count` bytes and answers where they start, or -1 if they are not there. */
  #take(count: number): number {
    const at = this.position
    if (this.failed || count < 0 || count > this.end - at) {
      this.failed = true
      return -1
    }
    this.position = at + count
    return at
  }

  u8(): number {
    const at = this.#take(1)
    return at < 0 ? 0 : this.bytes[at]!
  }

  u16(): number {
    const at = this.#take(2)
    return at < 0 ? 0 : (this.bytes[at]! << 8) | this.bytes[at + 1]!
  }

  u24(): number {
    const at = this.#take(3)
    return at < 0 ? 0 : (this.bytes[at]! << 16) | (this.bytes[at + 1]! << 8) | this.bytes[at + 2]!
  }

  u32(): number {
    const at = this.#take(4)
    return at < 0 ? 0 : readU32(this.bytes, at)
  }

  /** 48 bits as a number: exact. */
  u48(): number {
    const at = this.#take(6)
    return at < 0 ? 0 : readU16(this.bytes, at) * 0x1_0000_0000 + readU32(this.bytes, at + 2)
  }

  u64(): bigint {
    const at = this.#take(8)
    return at < 0 ? 0n : (BigInt(readU32(this.bytes, at)) << 32n) | BigInt(readU32(this.bytes, at + 4))
  }

  /** A view of the next `length` bytes, not a copy. */
  view(length: number): Uint8Array {
    const at = this.#take(length)
    return at < 0 ? EMPTY : this.bytes.subarray(at, at + length)
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.view(this.remaining)
  }

  skip(length: number): void {
    this.#take(length)
  }

  /** A reader of the next `length` bytes alone. If they are not there, both readers have failed. */
  sub(length: number): ByteReader {
    const at = this.#take(length)
    if (at >= 0) return new ByteReader(this.bytes, at, at + length)
    const failed = new ByteReader(EMPTY)
    failed.failed = true
    return failed
  }
}

/** Reads four bytes at `at`, which the caller knows to be there. */
export function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** Reads two bytes at `at`, which the caller knows to be there. */
export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}
