import { type Instant, NEVER } from '@str0m/sans-io'

/** T1-init, T1-cookie and T2-shutdown: a timer that doubles, and gives up (RFC 9260 sections 5.1 and 9.2). */
export class BackoffTimer {
  readonly #maxDelay: number
  readonly #maxTries: number
  #delay = 0
  #tries = 0
  at: Instant = NEVER

  constructor(maxDelay: number, maxTries: number) {
    this.#maxDelay = maxDelay
    this.#maxTries = maxTries
  }

  start(now: Instant, delay: number): void {
    this.#tries = 0
    this.#delay = delay
    this.at = now + delay
  }

  /** It ran out. False where it did so too often. */
  again(now: Instant): boolean {
    this.#tries++
    if (this.#tries > this.#maxTries) return false
    this.#delay = Math.min(this.#delay * 2, this.#maxDelay)
    this.at = now + this.#delay
    return true
  }

  stop(): void {
    this.at = NEVER
  }
}
