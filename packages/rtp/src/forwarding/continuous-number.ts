import type { PacketPlace } from './descriptor-rewriter.ts'
import { unwrapBits } from './unwrap-bits.ts'

/** A number of the codec's that goes on where the source changes: the first of a new source follows the newest of the one before. */
export class ContinuousNumber {
  readonly #bits: number
  readonly #mask: number
  #delta = 0
  /** As it went out. */
  #newest: number | undefined

  constructor(bits: number) {
    this.#bits = bits
    this.#mask = 2 ** bits - 1
  }

  /** A source starts, with this number. */
  join(first: number): void {
    if (this.#newest !== undefined) this.#delta = (this.#newest + 1 - first) & this.#mask
  }

  /** What a number of the source goes out as. */
  map(number: number): number {
    return (number + this.#delta) & this.#mask
  }

  /** Takes note of a number that goes out, in a packet that lies there: that of the newest one is the newest, also where it came round meanwhile. */
  take(number: number, place: PacketPlace): void {
    const out = this.map(number)
    const newest = this.#newest
    if (newest === undefined || place !== 'late' || unwrapBits(out, newest, this.#bits) > newest) {
      this.#newest = out
    }
  }
}
