import type { Instant } from '@str0m/sans-io'

/** Milliseconds in which all but a part 1/e of what was sent again is forgotten. */
const MEMORY = 1000

/** How many bits per second go out again, lately. */
export class RetransmissionRate {
  /** As far as they are not forgotten, at `#at`. */
  #bytes = 0
  #at: Instant = 0

  /** A packet of so many bytes is to be sent again. */
  add(now: Instant, bytes: number): void {
    this.#forget(now)
    this.#bytes += bytes
  }

  /** Bits per second. */
  at(now: Instant): number {
    this.#forget(now)
    return (8000 * this.#bytes) / MEMORY
  }

  #forget(now: Instant): void {
    if (this.#bytes > 0) this.#bytes *= Math.exp((this.#at - now) / MEMORY)
    this.#at = now
  }
}
