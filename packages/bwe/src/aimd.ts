import type { Instant } from '@str0m/sans-io'
import { LinkCapacity } from './link-capacity.ts'
import type { PathUsage } from './overuse-detector.ts'

/** What the rate falls to at overuse, of what arrives: the queue is to drain (draft-ietf-rmcat-gcc-02 section 5.5: beta). */
const DECREASE = 0.85
/** The growth a second while the link's capacity is not known (eta), and the least of it, bits per second. */
const GROWTH = 1.08
const MIN_GROWTH = 1000
/** The rate does not grow above what arrives times this, and so many bits per second: it would not be known to get through. */
const MAX_OVER_ACKNOWLEDGED = 1.5
const MAX_OVER_ACKNOWLEDGED_CONSTANT = 10_000
/** Near the link's capacity, the rate grows by half of a packet in a response time: this many ms longer than a round trip, for the detector. */
const DETECTION_TIME = 100
const PACKET_BITS = 1200 * 8
const FRAME_INTERVAL = 1000 / 30
/** The least of that growth, bits per second each second. */
const MIN_ADDITIVE_GROWTH = 4000
/** A round trip before one is known, ms. */
const DEFAULT_ROUND_TRIP = 200
/** Between two decreases there are a round trip, within these bounds in ms: so long it takes until one shows. */
const MIN_DECREASE_INTERVAL = 10
const MAX_DECREASE_INTERVAL = 200
/** Unless less than this part of the rate arrives. */
const FAR_TOO_MUCH = 0.5

type State = 'hold' | 'increase' | 'decrease'

/**
 * Sets the rate by what the detector says: increase while all is normal, decrease at overuse, hold while the queue drains
 * (draft-ietf-rmcat-gcc-02 section 5.5).
 */
export class Aimd {
  /** Bits per second. */
  bitrate: number
  /** ms. */
  roundTripTime: number = DEFAULT_ROUND_TRIP

  readonly #min: number
  readonly #max: number
  readonly #capacity = new LinkCapacity()
  #state: State = 'hold'
  #changedAt: Instant = Number.NaN

  constructor(initial: number, min: number, max: number) {
    this.bitrate = initial
    this.#min = min
    this.#max = max
  }

  /** Whether a decrease now can be told from the one before, given what arrives, bits per second; `undefined`: not known. */
  mayDecrease(now: Instant, acknowledged: number | undefined): boolean {
    const interval = Math.min(Math.max(this.roundTripTime, MIN_DECREASE_INTERVAL), MAX_DECREASE_INTERVAL)
    if (Number.isNaN(this.#changedAt) || now - this.#changedAt >= interval) return true
    return acknowledged !== undefined && acknowledged < FAR_TOO_MUCH * this.bitrate
  }

  /** `acknowledged`: bits per second that arrive, where it is known. `growing`: whether the rate may rise. */
  update(now: Instant, usage: PathUsage, acknowledged: number | undefined, growing: boolean): void {
    if (Number.isNaN(this.#changedAt)) this.#changedAt = now
    if (usage === 'overuse') this.#state = 'decrease'
    else if (usage === 'underuse') this.#state = 'hold'
    else if (this.#state === 'hold') {
      this.#state = 'increase'
      this.#changedAt = now
    }
    if (this.#state === 'increase') this.#increase(now, acknowledged, growing)
    else if (this.#state === 'decrease') this.#decrease(now, acknowledged)
  }

  /** A probe has shown that the path takes this bitrate; `saturated`: and no more. */
  handleProbe(now: Instant, bitrate: number, saturated: boolean): void {
    if (saturated) this.#capacity.handleProbe(bitrate)
    this.set(now, bitrate)
  }

  set(now: Instant, bitrate: number): void {
    this.bitrate = Math.min(Math.max(bitrate, this.#min), this.#max)
    this.#changedAt = now
  }

  #increase(now: Instant, acknowledged: number | undefined, growing: boolean): void {
    if (acknowledged !== undefined && acknowledged > this.#capacity.upper) this.#capacity.forget()
    const limit =
      acknowledged === undefined
        ? this.#max
        : MAX_OVER_ACKNOWLEDGED * acknowledged + MAX_OVER_ACKNOWLEDGED_CONSTANT
    const elapsed = now - this.#changedAt
    const { bitrate } = this
    if (growing && bitrate < limit) {
      const growth =
        this.#capacity.estimate === undefined
          ? Math.max(bitrate * (GROWTH ** (Math.min(elapsed, 1000) / 1000) - 1), MIN_GROWTH)
          : (this.#additiveGrowth() * elapsed) / 1000
      this.set(now, Math.min(bitrate + growth, limit))
    }
    this.#changedAt = now
  }

  /** Bits per second each second. */
  #additiveGrowth(): number {
    const frame = (this.bitrate * FRAME_INTERVAL) / 1000
    const packet = frame / Math.ceil(frame / PACKET_BITS)
    const response = 2 * (this.roundTripTime + DETECTION_TIME)
    return Math.max((packet * 1000) / response, MIN_ADDITIVE_GROWTH)
  }

  #decrease(now: Instant, acknowledged: number | undefined): void {
    if (acknowledged !== undefined) {
      let decreased = DECREASE * acknowledged
      const { estimate } = this.#capacity
      // more arrives than the rate: what was queued before. The capacity tells how much is too much.
      if (decreased > this.bitrate && estimate !== undefined) decreased = DECREASE * estimate
      if (acknowledged < this.#capacity.lower) this.#capacity.forget()
      this.#capacity.handleOveruse(acknowledged)
      this.set(now, Math.min(decreased, this.bitrate))
    }
    this.#state = 'hold'
    this.#changedAt = now
  }
}
