import { type Instant, NEVER } from '@str0m/sans-io'

/** Packets that may go at once. */
const BURST_PACKETS = 10
/** A wake-up is worth this much sending, ms, so that pacing costs at most a thousand of them a second. */
const MIN_INTERVAL = 1
/** What may be made up for after a late wake-up, ms of the rate. */
const MAX_CREDIT_TIME = 4
/** Round trips that are too short for pacing to be of use, ms. */
const MIN_ROUND_TRIP = 2

/** Spreads what a window allows over the round trip, so that it does not overflow the bottleneck's queue: RFC 9002 section 7.7. */
export class Pacer {
  readonly #burst: number
  /** Bytes that may be sent now; below zero where more was. */
  #credit: number
  #at: Instant = Number.NEGATIVE_INFINITY
  /** Bytes a ms; `Infinity` where nothing is paced. */
  #rate = Number.POSITIVE_INFINITY

  constructor(mtu: number) {
    this.#burst = BURST_PACKETS * mtu
    this.#credit = this.#burst
  }

  /** `rate` holds from `now` on, bytes a ms. `roundTrip`: smoothed, ms; 0 where it is not known. */
  setRate(now: Instant, rate: number, roundTrip: number): void {
    this.#refill(now)
    this.#rate = roundTrip < MIN_ROUND_TRIP ? Number.POSITIVE_INFINITY : rate
  }

  #refill(now: Instant): void {
    if (now <= this.#at) return
    if (this.#rate < Number.POSITIVE_INFINITY) {
      const most = Math.max(this.#burst, this.#rate * MAX_CREDIT_TIME)
      this.#credit = Math.min(most, this.#credit + this.#rate * (now - this.#at))
    }
    this.#at = now
  }

  maySend(now: Instant): boolean {
    if (this.#rate === Number.POSITIVE_INFINITY) return true
    this.#refill(now)
    return this.#credit > 0
  }

  /** When there is something to send again, where `maySend` said no. */
  get nextAt(): Instant {
    return this.#credit > 0 ? NEVER : this.#at + Math.max(MIN_INTERVAL, (1 - this.#credit) / this.#rate)
  }

  onSent(bytes: number): void {
    if (this.#rate < Number.POSITIVE_INFINITY) this.#credit -= bytes
  }
}
