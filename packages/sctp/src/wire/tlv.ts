import { readU16 } from '@str0m/sans-io'
import { TLV_HEADER } from './constants.ts'

/**
 * Walks over chunks (RFC 9260 section 3.2) or parameters (section 3.2.1) within their container. The same
 * walk checks and reads, so that both see the same lengths. Each step moves on by four bytes or more.
 */
export class TlvIterator {
  readonly bytes: Uint8Array
  /** The type and flags of a chunk, or the type of a parameter. */
  head = 0
  /** Where the current one starts, its header included. */
  start = 0
  /** Where the current one's value starts. */
  valueStart = 0
  /** Where the current one's value ends; its padding is not part of it. */
  valueEnd = 0
  /** Whether the walk ended at bytes that are none. Stays set. */
  malformed = false
  readonly #first: number
  readonly #end: number
  #next: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.#first = start
    this.#next = start
    this.#end = end
  }

  /** The type of a chunk. */
  get type(): number {
    return this.head >>> 8
  }

  /** The flags of a chunk. */
  get flags(): number {
    return this.head & 0xff
  }

  get length(): number {
    return this.valueEnd - this.valueStart
  }

  /** Whether there are no bytes behind the current one. */
  get isLast(): boolean {
    return this.#next >= this.#end
  }

  next(): boolean {
    const at = this.#next
    if (this.malformed || at >= this.#end) return false
    if (at + TLV_HEADER > this.#end) return this.#fail()
    const length = readU16(this.bytes, at + 2)
    if (length < TLV_HEADER || length > this.#end - at) return this.#fail()
    this.head = readU16(this.bytes, at)
    this.start = at
    this.valueStart = at + TLV_HEADER
    this.valueEnd = at + length
    // the last one's padding may be missing
    this.#next = Math.min(at + padded(length), this.#end)
    return true
  }

  #fail(): false {
    this.malformed = true
    return false
  }

  /** Walks to the end: whether all is well formed. The next walk starts anew. */
  check(): boolean {
    while (this.next());
    this.#next = this.#first
    return !this.malformed
  }

  /** The current one's value, a view. */
  value(): Uint8Array {
    return this.bytes.subarray(this.valueStart, this.valueEnd)
  }

  /** The current one whole, without padding, a view. */
  whole(): Uint8Array {
    return this.bytes.subarray(this.start, this.valueEnd)
  }

  /** The parameters in the current one's value, after its first `skip` bytes. */
  parameters(skip: number): TlvIterator {
    return new TlvIterator(this.bytes, Math.min(this.valueStart + skip, this.valueEnd), this.valueEnd)
  }
}

/** `length` rounded up to a multiple of four. */
export function padded(length: number): number {
  return (length + 3) & ~3
}
