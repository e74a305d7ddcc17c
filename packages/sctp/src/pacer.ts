import { type Instant, NEVER } from '@str0m/sans-io'

/** Packets that may go at once. */
const BURST_PACKETS = 10
/** A wake-up is worth this much sending, ms, so that pacing costs at most a thousand of them a second. */
const MIN_INTERVAL = 1
/** What may be made up for after a late wake-up, ms of the rate. */
const MAX_CREDIT_TIME = 4
/** Round trips that are too short for a rate to follow from them, ms. */
const MIN_ROUND_TRIP = 2
/**
 * What a path takes that has shown nothing yet, bytes a ms. A receiver's socket holds some 200 KiB, which a window that doubles
 * with every acknowledgement on a short path would fill before a single loss tells it to stop.
 */
const UNPROVEN_RATE = 32_768
/** How much faster than was ever delivered is sent. */
const PROVEN_GAIN = 1.5

/**
 * Spreads what a window allows over the round trip, so that it does not overflow the bottleneck's queue: RFC 9002 section 7.7.
 * Where the round trip is too short for that, it follows what the path has delivered in a millisecond.
 */
export class Pacer {
  readonly #burst: number
  /** Bytes that may be sent now; below zero where more was. */
  #credit = UNPROVEN_RATE
  #at: Instant = Number.NEGATIVE_INFINITY
  /** What the window and the round trip allow, bytes a ms. */
  #asked = Number.POSITIVE_INFINITY
  /** The greatest that was delivered, bytes a ms. */
  #proven = 0
  #delivered = 0
  #deliveredSince: Instant = Number.POSITIVE_INFINITY

  constructor(mtu: number) {
    this.#burst = BURST_PACKETS * mtu
  }

  /** `rate` holds from `now` on, bytes a ms. `roundTrip`: smoothed, ms; 0 where it is not known. */
  setRate(now: Instant, rate: number, roundTrip: number): void {
    this.#refill(now)
    this.#asked = roundTrip < MIN_ROUND_TRIP ? Number.POSITIVE_INFINITY : rate
    this.#credit = Math.min(this.#credit, this.#most)
  }

  /** `bytes` were acknowledged. */
  onDelivered(now: Instant, bytes: number): void {
    if (this.#deliveredSince > now) {
      // what came before is not of this millisecond
      this.#deliveredSince = now
      return
    }
    this.#delivered += bytes
    const elapsed = now - this.#deliveredSince
    if (elapsed < MIN_INTERVAL) return
    this.#proven = Math.max(this.#proven, this.#delivered / elapsed)
    this.#delivered = 0
    this.#deliveredSince = now
  }

  /** The path has been idle, or has lost all: what it has shown does not hold any more. */
  forget(): void {
    this.#proven = 0
    this.#delivered = 0
    this.#deliveredSince = Number.POSITIVE_INFINITY
  }

  /** What is proven, bytes a ms. */
  get #limit(): number {
    return Math.max(UNPROVEN_RATE, PROVEN_GAIN * this.#proven)
  }

  /** Bytes a ms. */
  get #rate(): number {
    return Math.min(this.#asked, this.#limit)
  }

  /** Bytes that may go at once. */
  get #most(): number {
    return Math.max(this.#burst, Math.min(this.#rate * MAX_CREDIT_TIME, this.#limit * MIN_INTERVAL))
  }

  #refill(now: Instant): void {
    if (now <= this.#at) return
    this.#credit = Math.min(this.#most, this.#credit + this.#rate * (now - this.#at))
    this.#at = now
  }

  maySend(now: Instant): boolean {
    this.#refill(now)
    return this.#credit > 0
  }

  /** When there is something to send again, where `maySend` said no. */
  get nextAt(): Instant {
    if (this.#credit > 0) return NEVER
    return this.#at + Math.max(MIN_INTERVAL, (1 - this.#credit) / this.#rate)
  }

  /**
   * Of what is sent though `maySend` says no (the only packet in flight, a probe), no more than a burst is owed: where a peer that was away acknowledges all at one instant, hundreds of
   * them go, and nothing would for seconds after.
   */
  onSent(bytes: number): void {
    this.#credit = Math.max(this.#credit - bytes, -this.#burst)
  }
}
