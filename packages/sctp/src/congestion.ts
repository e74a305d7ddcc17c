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
  /** Nothing was sent for a retransmission timeout. */
  onIdle(): void
}

/** RFC 9438 section 4.6 and section 4.1.2. */
const CUBIC_BETA = 0.7
const CUBIC_C = 0.4
/** HyStart's bounds on the rise of the delay that ends slow start, ms (RFC 9406 section 4.3). */
const HYSTART_MIN = 4
const HYSTART_MAX = 16
/** Samples of a round before its least one counts (N_RTT_SAMPLE of RFC 9406). */
const HYSTART_SAMPLES = 8

/** CUBIC (RFC 9438) whose slow start ends where the delay rises, before the queue overflows. */
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
  #samples = 0

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

  onAck(now: Instant, bytes: number, inFlight: number, rtt: number, minRtt: number): void {
    // a window that was not used says nothing about the path
    if (inFlight < this.#window * 0.8 && inFlight + 2 * this.#mtu < this.#window) return
    if (this.#window < this.#threshold) {
      this.#window += bytes
      this.#watchDelay(now, rtt, minRtt)
    } else {
      this.#avoid(now, bytes, rtt)
    }
  }

  #watchDelay(now: Instant, rtt: number, minRtt: number): void {
    this.#roundMin = Math.min(this.#roundMin, rtt)
    this.#samples++
    const rise = Math.min(HYSTART_MAX, Math.max(HYSTART_MIN, minRtt / 8))
    if (this.#samples >= HYSTART_SAMPLES && this.#roundMin >= minRtt + rise) {
      this.#threshold = this.#window
      this.#max = this.#window
    }
    if (now < this.#roundEnds) return
    this.#roundEnds = now + rtt
    this.#roundMin = Number.POSITIVE_INFINITY
    this.#samples = 0
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
