/** How `ReplayWindow.check` finds an index. */
export type Freshness = 'fresh' | 'replayed' | 'too-old'

/**
 * A sliding window over packet indices, RFC 3711 section 3.3.2. `check` changes nothing: `commit` only what
 * was authenticated.
 */
export class ReplayWindow {
  /** The highest index committed; -1: none yet. */
  highest = -1
  readonly #size: number
  readonly #mask: number
  /** One bit for each index from `highest - size + 1` to `highest`, at the index modulo the size. */
  readonly #seen: Uint32Array

  /** `size`: how many indices are remembered, a power of two from 32. */
  constructor(size: number) {
    this.#size = size
    this.#mask = size - 1
    this.#seen = new Uint32Array(size / 32)
  }

  check(index: number): Freshness {
    if (index > this.highest) return 'fresh'
    if (index <= this.highest - this.#size) return 'too-old'
    const bit = index & this.#mask
    return (this.#seen[bit >>> 5]! & (1 << (bit & 31))) === 0 ? 'fresh' : 'replayed'
  }

  /** Marks `index`, which `check` found fresh, as seen. */
  commit(index: number): void {
    const ahead = index - this.highest
    if (ahead > 0) {
      if (ahead >= this.#size) this.#seen.fill(0)
      else for (let i = 1; i < ahead; i++) this.#forget((this.highest + i) & this.#mask)
      this.highest = index
    }
    const bit = index & this.#mask
    this.#seen[bit >>> 5]! |= 1 << (bit & 31)
  }

  /** Goes on where another window ended: nothing up to its highest index is fresh. */
  resume(highest: number): void {
    this.highest = highest
    this.#seen.fill(0xffff_ffff)
  }

  #forget(bit: number): void {
    this.#seen[bit >>> 5]! &= ~(1 << (bit & 31))
  }
}
