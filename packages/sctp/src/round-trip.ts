/** RTO.Alpha and RTO.Beta, RFC 9260 section 16. */
const ALPHA = 1 / 8
const BETA = 1 / 4
/** The clock's granularity G of RFC 9260 section 6.3.1, ms. */
const GRANULARITY = 1
/**
 * How far the timeout stays above the smoothed round trip at least, as a share of RTO.Min. Samples are many and alike, so that
 * their variation goes to nothing, and a queue that fills would run out the timer.
 */
const MIN_MARGIN = 1 / 2

/** Round-trip time and retransmission timeout, RFC 9260 section 6.3.1. All in ms. */
export class RoundTrip {
  readonly #initial: number
  readonly #min: number
  readonly #max: number
  #rttvar = 0
  #backoff = 1
  /** Smoothed. 0 before the first sample. */
  smoothed = 0
  latest = 0
  /** The least seen. */
  min: number = Number.POSITIVE_INFINITY

  constructor(initial: number, min: number, max: number) {
    this.#initial = initial
    this.#min = min
    this.#max = max
  }

  /** The timeout, backed off. */
  get rto(): number {
    const base =
      this.smoothed === 0 && this.#rttvar === 0
        ? this.#initial
        : this.smoothed + Math.max(this.#min * MIN_MARGIN, 4 * this.#rttvar)
    return Math.min(this.#max, Math.max(this.#min, base) * this.#backoff)
  }

  sample(rtt: number): void {
    if (this.min === Number.POSITIVE_INFINITY) {
      this.smoothed = rtt
      this.#rttvar = Math.max(rtt / 2, GRANULARITY / 4)
    } else {
      this.#rttvar += BETA * (Math.abs(this.smoothed - rtt) - this.#rttvar)
      this.smoothed += ALPHA * (rtt - this.smoothed)
    }
    this.latest = rtt
    this.min = Math.min(this.min, rtt)
    this.#backoff = 1
  }

  /** The timer ran out: RFC 9260 section 6.3.3, rule E2. */
  backOff(): void {
    this.#backoff = Math.min(this.#backoff * 2, 1 << 16)
  }

  /** The peer has acknowledged what is new. */
  progressed(): void {
    this.#backoff = 1
  }
}
