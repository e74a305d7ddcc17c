// Reads DER (X.690 sections 8 to 10): definite lengths in the fewest bytes, nothing else.

const DER_INTEGER = 0x02
const DER_BIT_STRING = 0x03
export const DER_OCTET_STRING = 0x04
export const DER_NULL = 0x05
export const DER_OBJECT_IDENTIFIER = 0x06
const DER_SEQUENCE = 0x30
/** [0] and [1], constructed. */
export const DER_CONTEXT_0 = 0xa0
export const DER_CONTEXT_1 = 0xa1

const EMPTY = new Uint8Array(0)

/**
 * Reads elements one after the other. Where one is not as asked for, `failed` is set and stays; the answer
 * then is empty. Nothing throws.
 */
export class DerReader {
  readonly #bytes: Uint8Array
  #at = 0
  failed = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Whether all was read, and all of it was as asked for. */
  get finished(): boolean {
    return !this.failed && this.#at === this.#bytes.length
  }

  /** Whether the next element has this tag. */
  nextIs(tag: number): boolean {
    return !this.failed && this.#bytes[this.#at] === tag
  }

  /** The contents of the next element, which has this tag. */
  element(tag: number): Uint8Array {
    if (!this.nextIs(tag)) return this.#fail()
    let at = this.#at + 1
    let length = this.#bytes[at++]
    if (length === undefined) return this.#fail()
    if (length > 0x7f) {
      const count = length & 0x7f
      // of more than two bytes there is no key
      if (count === 0 || count > 2 || at + count > this.#bytes.length) return this.#fail()
      length = 0
      for (let i = 0; i < count; i++) length = length * 256 + this.#bytes[at++]!
      if (length < (count === 1 ? 0x80 : 0x100)) return this.#fail()
    }
    if (length > this.#bytes.length - at) return this.#fail()
    this.#at = at + length
    return this.#bytes.subarray(at, this.#at)
  }

  sequence(): DerReader {
    return this.#inside(DER_SEQUENCE)
  }

  /** What an explicit tag wraps. */
  explicit(tag: number): DerReader {
    return this.#inside(tag)
  }

  /** The big-endian bytes of an integer that is not negative, without the leading zero. */
  unsigned(): Uint8Array {
    const bytes = this.element(DER_INTEGER)
    if (bytes.length === 0 || bytes[0]! > 0x7f) return this.#fail()
    if (bytes[0] !== 0 || bytes.length === 1) return bytes
    return bytes[1]! > 0x7f ? bytes.subarray(1) : this.#fail()
  }

  /** The contents of a bit string of whole bytes. */
  bitString(): Uint8Array {
    const bytes = this.element(DER_BIT_STRING)
    return bytes.length > 0 && bytes[0] === 0 ? bytes.subarray(1) : this.#fail()
  }

  /** Whether the next element is the object identifier with these contents. Takes it in any case. */
  isObjectIdentifier(contents: Uint8Array): boolean {
    const bytes = this.element(DER_OBJECT_IDENTIFIER)
    return bytes.length === contents.length && bytes.every((byte, i) => byte === contents[i])
  }

  #inside(tag: number): DerReader {
    const inner = new DerReader(this.element(tag))
    inner.failed = this.failed
    return inner
  }

  #fail(): Uint8Array {
    this.failed = true
    return EMPTY
  }
}
