import type { Instant } from '@str0m/sans-io'

/** Decides how many bytes may be in flight. Bytes are user data, times ms. */
export interface CongestionController {
  /** Bytes that may be in flight. */
  readonly window: number
  /** `bytes` were acknowledged for the first time; before that, `inFlight` were in flight. `rtt` is the latest sample, `minRtt` the least. */
  onAck(now: Instant, bytes: number, inFlight: number, rtt: number, minRtt: number): void
  /** A loss, the first of its round trip. */
  onLoss(now: Instant): void
  /** The retransmission timer ran out. */
  onTimeout(now: Instant): void
  /** Nothing was sent for a retransmission timeout; called for each of them, before something is sent again. */
  onIdle(): void
  /**
   * As `onAck`, which is not called while a loss is mended; this one is called always, before it. `lost` bytes were found to be lost since
   * the last call.
   */
  onDelivered?(now: Instant, bytes: number, lost: number, inFlight: number, rtt: number): void
  /** Bytes a ms at which what the window allows is sent, given the smoothed round-trip time, ms. Default: twice the window in that time. */
  pacingRate?(smoothedRoundTrip: number): number
}

/** RFC 9438 section 4.6 and section 4.1.2. */
const CUBIC_BETA = 0.7
const CUBIC_C = 0.4
/** HyStart++, RFC 9406 section 4.3: bounds on the rise of the delay that ends slow start, ms, and what share of it that is. */
const MIN_RTT_THRESH = 4
const MAX_RTT_THRESH = 16
const MIN_RTT_DIVISOR = 8
/** Samples of a round before its least one counts. */
const N_RTT_SAMPLE = 8
/** Conservative slow start grows by this much less, and for so many rounds. */
const CSS_GROWTH_DIVISOR = 4
const CSS_ROUNDS = 5
/** How much faster than the window over the round trip is sent: in slow start, and after. */
const SLOW_START_PACE = 2
const AVOIDANCE_PACE = 1.25

/** CUBIC (RFC 9438) with HyStart++ (RFC 9406): slow start slows down where the delay rises, before the queue overflows. */
export class Cubic implements CongestionController {
  readonly #mtu: number
  readonly #initial: number
  #window: number
  #threshold = Number.POSITIVE_INFINITY
  /** The window before the last reduction. */
  #max = 0
  #epoch: Instant | undefined
  /** Seconds from the epoch to where the cubic reaches its plateau. */
  #plateau = 0
  /** What Reno would have: RFC 9438 section 4.3. */
  #reno = 0
  #roundEnds: Instant = Number.NEGATIVE_INFINITY
  #roundMin = Number.POSITIVE_INFINITY
  #lastRoundMin = Number.POSITIVE_INFINITY
  #samples = 0
  /** Rounds of conservative slow start that are left; 0 in the ordinary one. */
  #cssRounds = 0
  #cssBaseline = 0

  /** `mtu`: bytes of user data in a full packet. */
  constructor(mtu: number) {
    this.#mtu = mtu
    // RFC 6928: ten packets
    this.#initial = 10 * mtu
    this.#window = this.#initial
  }

  get window(): number {
    return this.#window
  }

  onAck(now: Instant, bytes: number, inFlight: number, rtt: number): void {
    // a window that was not used says nothing about the path
    if (inFlight < this.#window * 0.8 && inFlight + 2 * this.#mtu < this.#window) return
    if (this.#window < this.#threshold) {
      this.#window += this.#cssRounds > 0 ? bytes / CSS_GROWTH_DIVISOR : bytes
      this.#watchDelay(now, rtt)
    } else {
      this.#avoid(now, bytes, rtt)
    }
  }

  /** RFC 9406 section 4.2. A round lasts a round trip. */
  #watchDelay(now: Instant, rtt: number): void {
    if (now >= this.#roundEnds) this.#startRound(now, rtt)
    this.#roundMin = Math.min(this.#roundMin, rtt)
    this.#samples++
    if (this.#samples < N_RTT_SAMPLE) return
    if (this.#cssRounds > 0) {
      if (this.#roundMin < this.#cssBaseline) this.#cssRounds = 0
      return
    }
    const share = this.#lastRoundMin / MIN_RTT_DIVISOR
    const rise = Math.min(MAX_RTT_THRESH, Math.max(MIN_RTT_THRESH, share))
    if (this.#roundMin < this.#lastRoundMin + rise) return
    this.#cssBaseline = this.#roundMin
    this.#cssRounds = CSS_ROUNDS
  }

  #startRound(now: Instant, rtt: number): void {
    this.#roundEnds = now + rtt
    this.#lastRoundMin = this.#roundMin
    this.#roundMin = Number.POSITIVE_INFINITY
    this.#samples = 0
    if (this.#cssRounds === 0 || --this.#cssRounds > 0) return
    this.#threshold = this.#window
    this.#max = this.#window
  }

  pacingRate(smoothedRoundTrip: number): number {
    const pace = this.#window < this.#threshold ? SLOW_START_PACE : AVOIDANCE_PACE
    return (pace * this.#window) / smoothedRoundTrip
  }

  #avoid(now: Instant, bytes: number, rtt: number): void {
    const mtu = this.#mtu
    if (this.#epoch === undefined) {
      this.#epoch = now
      this.#max = Math.max(this.#max, this.#window)
      this.#plateau = Math.cbrt((this.#max - this.#window) / mtu / CUBIC_C)
      this.#reno = this.#window
    }
    const t = (now - this.#epoch + rtt) / 1000 - this.#plateau
    const cubic = this.#max + CUBIC_C * t * t * t * mtu
    const alpha = this.#reno < this.#max ? (3 * (1 - CUBIC_BETA)) / (1 + CUBIC_BETA) : 1
    this.#reno += (alpha * mtu * bytes) / this.#window
    const target = Math.min(Math.max(cubic, this.#window), 1.5 * this.#window)
    const step = ((target - this.#window) / this.#window) * bytes
    this.#window = Math.max(this.#window + step, this.#reno)
  }

  onLoss(_now: Instant): void {
    this.#reduce()
    this.#window = this.#threshold
  }

  #reduce(): void {
    // RFC 9438 section 4.7: give way faster while a new flow comes in
    this.#max = this.#window < this.#max ? (this.#window * (1 + CUBIC_BETA)) / 2 : this.#window
    this.#threshold = Math.max(4 * this.#mtu, this.#window * CUBIC_BETA)
    this.#epoch = undefined
  }

  onTimeout(_now: Instant): void {
    this.#reduce()
    this.#window = this.#mtu
  }

  onIdle(): void {
    // RFC 9260 section 7.2.1
    this.#threshold = Math.max(this.#threshold, this.#window * 0.75)
    this.#window = Math.max(Math.min(this.#initial, this.#window), this.#window / 2)
    this.#epoch = undefined
  }
}

/** NewReno as RFC 9260 section 7.2 has it. */
export class NewReno implements CongestionController {
  readonly #mtu: number
  readonly #initial: number
  #window: number
  #threshold = Number.POSITIVE_INFINITY
  #acked = 0

  /** `mtu`: bytes of user data in a full packet. */
  constructor(mtu: number) {
    this.#mtu = mtu
    this.#initial = Math.min(4 * mtu, Math.max(2 * mtu, 4404))
    this.#window = this.#initial
  }

  get window(): number {
    return this.#window
  }

  onAck(_now: Instant, bytes: number, inFlight: number): void {
    if (inFlight + this.#mtu < this.#window) return
    if (this.#window <= this.#threshold) {
      this.#window += Math.min(bytes, this.#mtu)
      return
    }
    this.#acked += bytes
    if (this.#acked < this.#window) return
    this.#acked -= this.#window
    this.#window += this.#mtu
  }

  onLoss(_now: Instant): void {
    this.#threshold = Math.max(this.#window / 2, 4 * this.#mtu)
    this.#window = this.#threshold
    this.#acked = 0
  }

  onTimeout(_now: Instant): void {
    this.#threshold = Math.max(this.#window / 2, 4 * this.#mtu)
    this.#window = this.#mtu
    this.#acked = 0
  }

  onIdle(): void {
    this.#window = Math.max(Math.min(this.#initial, this.#window), this.#window / 2)
  }
}
