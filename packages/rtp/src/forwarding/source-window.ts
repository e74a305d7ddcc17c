import type { PacketPlace } from './descriptor-rewriter.ts'
import { unwrapBits } from './unwrap-bits.ts'

/** The note on a number under which nothing goes out any more: something did, or it was left out, or it lies before its source has joined. */
export const CLOSED = -1

/** No number wraps at more; with it, those before a source's first are not below 0. */
const CYCLE = 0x1_0000
/** Picture ids may have so few bits that they come round where a burst is lost. */
const SHORT_BITS = 7
const SHORT_CYCLE = 2 ** SHORT_BITS

/**
 * The numbers of a source that is forwarded (sequence numbers, picture ids, frame numbers), unwrapped, with a note on each of the newest: what was decided of it,
 * for those of its packets that come late.
 */
export class SourceWindow {
  readonly #notes: Int32Array
  #newest = 0

  /** `size`: how many numbers back are remembered. A power of two. */
  constructor(size: number) {
    this.#notes = new Int32Array(size)
  }

  /** The highest number of which something came. */
  get newest(): number {
    return this.#newest
  }

  /** A source starts, with this number: the next that is new. Those before it are closed. */
  join(first: number): void {
    this.#notes.fill(CLOSED)
    this.#newest = CYCLE + first - 1
  }

  /** The unwrapped number of a packet that lies there, of `bits` bits. */
  unwrap(number: number, bits: number, place: PacketPlace): number {
    const unwrapped = unwrapBits(number, this.#newest, bits)
    const cameRound = place === 'newest' && bits === SHORT_BITS && unwrapped < this.#newest
    return cameRound ? unwrapped + SHORT_CYCLE : unwrapped
  }

  /** Whether a packet that is the newest has a number before the newest one: the source has started its numbers over. */
  startsOver(number: number, bits: number, place: PacketPlace): boolean {
    return place === 'newest' && this.unwrap(number, bits, place) < this.#newest
  }

  /** Whether a number lies no further back than is remembered. */
  reaches(number: number): boolean {
    return number > this.#newest - this.#notes.length
  }

  /** Goes on to a higher number. It has this note, and those that were skipped have it: they may come late. */
  advance(number: number, note: number): void {
    const notes = this.#notes
    for (let n = Math.max(this.#newest + 1, number - notes.length + 1); n <= number; n++) {
      notes[n & (notes.length - 1)] = note
    }
    this.#newest = number
  }

  /** The note on a number that it reaches. */
  note(number: number): number {
    return this.#notes[number & (this.#notes.length - 1)]!
  }

  setNote(number: number, note: number): void {
    this.#notes[number & (this.#notes.length - 1)] = note
  }
}
