/** Datagrams that are kept for a moment, and their bytes in all. */
export const MAX_HELD_DATAGRAMS = 32
export const MAX_HELD_BYTES: number = 48 * 1024

/** Datagrams that came a little too early: a ClientHello before ICE is done, media before the keys are set. */
export class HoldBack<T extends { readonly contents: Uint8Array }> {
  #held: T[] = []
  #bytes = 0

  /** Keeps a datagram; false where there is no room. */
  keep(datagram: T): boolean {
    const bytes = this.#bytes + datagram.contents.length
    if (this.#held.length === MAX_HELD_DATAGRAMS || bytes > MAX_HELD_BYTES) return false
    this.#held.push(datagram)
    this.#bytes = bytes
    return true
  }

  /** Hands out what was kept, in order. */
  release(): T[] {
    const held = this.#held
    this.#held = []
    this.#bytes = 0
    return held
  }
}
