import { type Instant, NEVER } from '@str0m/sans-io'

/** ms between two decreases after that. */
const INTERVAL = 1000
/** Where nothing was sent for so many ms, there is nothing that feedback could be on. */
const IDLE = 500

/** Watches for feedback that does not come, while packets are sent. */
export class FeedbackTimeout {
  readonly #timeout: number
  /** Since when feedback is awaited; `Infinity`: it is not. */
  #since: Instant = NEVER
  #sentAt: Instant = Number.NEGATIVE_INFINITY
  #decreasedAt: Instant = Number.NEGATIVE_INFINITY

  /** `timeout`: ms from the sending of a packet without any feedback after which the path is taken to be congested, or dead. */
  constructor(timeout: number) {
    this.#timeout = timeout
  }

  /** When the estimate is to fall, if no feedback comes before; `Infinity` where nothing is sent. */
  get deadline(): Instant {
    const at = Math.max(this.#since + this.#timeout, this.#decreasedAt + INTERVAL)
    return this.#sentAt + IDLE >= at - INTERVAL ? at : NEVER
  }

  handleSent(now: Instant): void {
    // after a pause the wait starts anew
    if (this.#since === NEVER || now - this.#sentAt > INTERVAL) this.#since = now
    this.#sentAt = now
  }

  /** Answers whether the estimate fell for want of it. */
  handleFeedback(now: Instant): boolean {
    const fallen = this.#decreasedAt > Number.NEGATIVE_INFINITY
    this.#since = this.#sentAt < now ? NEVER : now
    this.#decreasedAt = Number.NEGATIVE_INFINITY
    return fallen
  }

  /** Answers whether the estimate is to fall now. */
  handleTimeout(now: Instant): boolean {
    if (now < this.deadline) return false
    this.#decreasedAt = now
    return true
  }
}
