/** Datagrams that are kept for a moment, and their bytes in all. */
export interface HoldBackLimits {
  readonly datagrams: number
  readonly bytes: number
}

/** For what opens a connection: a flight of DTLS or SCTP. What does not fit is dropped, since the peer sends all of it again. */
export const FLIGHT_LIMITS: HoldBackLimits = { datagrams: 32, bytes: 48 * 1024 }
/**
 * For media before the keys are set, on a path that is validated, or before the answer that says of which section it is: half a second of 2 Mbit/s, which some peers send at once when
 * their side is done. What is oldest is dropped, so that nothing is missing after the first frame.
 */
export const MEDIA_LIMITS: HoldBackLimits = { datagrams: 128, bytes: 160 * 1024 }

/** Datagrams that came a little too early: a ClientHello before ICE is done, media before the keys are set or the answer is taken. */
export class HoldBack<T extends { readonly contents: Uint8Array }> {
  readonly #limits: HoldBackLimits
  readonly #drops: 'newest' | 'oldest'
  #held: T[] = []
  #bytes = 0

  constructor(limits: HoldBackLimits, drops: 'newest' | 'oldest') {
    this.#limits = limits
    this.#drops = drops
  }

  /** Keeps a datagram. Answers how many were dropped: it, or those that had to make room. */
  keep(datagram: T): number {
    const { length } = datagram.contents
    if (length > this.#limits.bytes || (this.#drops === 'newest' && !this.#hasRoom(length))) return 1
    let dropped = 0
    while (!this.#hasRoom(length)) {
      this.#bytes -= this.#held.shift()!.contents.length
      dropped++
    }
    this.#held.push(datagram)
    this.#bytes += length
    return dropped
  }

  #hasRoom(bytes: number): boolean {
    return this.#held.length < this.#limits.datagrams && this.#bytes + bytes <= this.#limits.bytes
  }

  /** Hands out what was kept, in order. */
  release(): T[] {
    const held = this.#held
    this.#held = []
    this.#bytes = 0
    return held
  }
}
