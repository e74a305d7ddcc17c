const WORDS = 16
/** How far behind the latest record another is still told from a repeated one. */
export const REPLAY_WINDOW_SIZE: number = (WORDS - 1) * 32

/**
 * The anti-replay window of RFC 4347 section 4.1.2.5, as a ring of words (RFC 6479) so that moving it costs no
 * shift. Ask `accepts` before the record is authenticated, call `commit` only after.
 */
export class ReplayWindow {
  readonly #words = new Uint32Array(WORDS)
  #highest = -1

  /** The latest sequence number that was noted; -1: none. */
  get highest(): number {
    return this.#highest
  }

  accepts(sequence: number): boolean {
    if (sequence > this.#highest) return true
    if (sequence <= this.#highest - REPLAY_WINDOW_SIZE) return false
    const word = this.#words[Math.floor(sequence / 32) % WORDS]!
    return ((word >>> (sequence % 32)) & 1) === 0
  }

  /** Notes a sequence number that `accepts` let through. */
  commit(sequence: number): void {
    const index = Math.floor(sequence / 32)
    if (sequence > this.#highest) {
      const current = this.#highest < 0 ? -1 : Math.floor(this.#highest / 32)
      // a jump past the whole ring clears each word once
      const steps = Math.min(index - current, WORDS)
      for (let i = 0; i < steps; i++) this.#words[(index - i) % WORDS] = 0
      this.#highest = sequence
    }
    this.#words[index % WORDS]! |= 1 << (sequence % 32)
  }
}
