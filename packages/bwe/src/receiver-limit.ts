import { type Instant, NEVER } from '@str0m/sans-io'

/** ms for which what a receiver said counts. Browsers say it each second, some servers each five. */
const FRESH = 15_000

/** What the receiver says that it takes at most, as long as that is fresh. */
export class ReceiverLimit {
  /** Bits per second; `Infinity`: there is none. */
  bitrate: number = Number.POSITIVE_INFINITY
  /** When it ends. */
  deadline: Instant = NEVER

  set(now: Instant, bitrate: number): void {
    this.bitrate = bitrate
    this.deadline = now + FRESH
  }

  /** Answers whether it has ended. */
  handleTimeout(now: Instant): boolean {
    if (now < this.deadline) return false
    this.bitrate = Number.POSITIVE_INFINITY
    this.deadline = NEVER
    return true
  }
}
