// A congestion controller with a model of the path in place of losses: the rate at which data is delivered, and the least
// round-trip time, after BBR (draft-ietf-ccwg-bbr).
//
//   startup: the rate doubles each round → drain: what startup queued goes → bandwidth: faster for one
//   round trip, slower for one, and so on → roundTrip: almost nothing for a while, so that the queue is seen empty → bandwidth

import type { Instant } from '@str0m/sans-io'
import type { CongestionController } from './congestion.ts'

/** Rounds that the greatest rate is remembered for. */
const RATE_ROUNDS = 10
/** A round is no shorter, ms: a rate measured over less is chance. */
const MIN_ROUND = 2
const STARTUP_GAIN = 2.77
const DRAIN_GAIN = 0.5
/** What the window is, over what the path holds: acknowledgements come late and in bunches. */
const WINDOW_GAIN = 2
const CYCLE_GAINS: readonly number[] = [1.25, 0.75, 1, 1, 1, 1, 1, 1]
/** Startup ends where the rate has not grown by this for so many rounds. */
const FULL_GROWTH = 1.25
const FULL_ROUNDS = 3
/** Round trips after which what startup queued is gone, or never was there. */
const DRAIN_ROUNDS = 5
/** How long a least round-trip time counts, and how long the path is kept empty to find it anew, ms. */
const MIN_RTT_LIFE = 10_000
const PROBE_RTT_TIME = 200
const MIN_PACKETS = 4
/** Loss that is taken for congestion: where the queue has grown beside, and where it has not. */
const LOSS_WITH_QUEUE = 0.02
const LOSS_ALONE = 0.15
/** Of one round, that ends startup: as a share, and in packets, for a few may be chance. */
const STARTUP_LOSS = 0.1
const STARTUP_LOST_PACKETS = 20
/** How much longer than the least a round trip is where there is a queue. */
const QUEUE_GROWTH = 1.25
/** What a rate is worth after a round with such a loss. */
const LOSS_BETA = 0.85

type Mode = 'startup' | 'drain' | 'bandwidth' | 'roundTrip'

/** Loss that comes from no queue does not slow it down. It is not as considerate of CUBIC's flows as CUBIC is. */
export class Bbr implements CongestionController {
  readonly #mtu: number
  #mode: Mode = 'startup'
  #window: number
  /** Of the last rounds, the latest last; bytes a ms. */
  #rates: number[] = []
  /** The greatest of them. */
  #rate = 0
  #minRtt = Number.POSITIVE_INFINITY
  #minRttAt: Instant = Number.NEGATIVE_INFINITY
  #roundAt: Instant | undefined
  #delivered = 0
  #lost = 0
  /** Of this round. */
  #leastRtt = Number.POSITIVE_INFINITY
  #wasIdle = false
  /** A smoothed share of what was lost. */
  #loss = 0
  #fullRate = 0
  #fullRounds = 0
  #phase = 0
  #phaseAt: Instant = 0

  /** `mtu`: bytes of user data in a full packet. */
  constructor(mtu: number) {
    this.#mtu = mtu
    this.#window = 10 * mtu
  }

  get window(): number {
    if (this.#mode === 'roundTrip') return Math.max(MIN_PACKETS * this.#mtu, this.#pipe / 2)
    return this.#window
  }

  /** Bytes that the path holds, without a queue. */
  get #pipe(): number {
    return this.#minRtt === Number.POSITIVE_INFINITY ? 0 : this.#rate * this.#minRtt
  }

  get #gain(): number {
    if (this.#mode === 'startup') return STARTUP_GAIN
    if (this.#mode === 'drain') return DRAIN_GAIN
    return this.#mode === 'bandwidth' ? CYCLE_GAINS[this.#phase]! : 1
  }

  pacingRate(smoothedRoundTrip: number): number {
    const rate = this.#rate > 0 ? this.#rate : this.#window / smoothedRoundTrip
    return Math.max(this.#gain * rate, this.#mtu / 100)
  }

  onAck(): void {
    // onDelivered is told of these too
  }

  onLoss(): void {
    // onDelivered is told how much
  }

  onDelivered(now: Instant, bytes: number, lost: number, inFlight: number, rtt: number): void {
    this.#delivered += bytes
    this.#lost += lost
    this.#leastRtt = Math.min(this.#leastRtt, rtt)
    if (inFlight < 0.75 * Math.min(this.window, this.#pipe || this.window)) this.#wasIdle = true
    if (rtt <= this.#minRtt) {
      this.#minRtt = rtt
      this.#minRttAt = now
    }
    if (this.#mode === 'startup') {
      const most = Math.max(this.#window, STARTUP_GAIN * this.#pipe + 10 * this.#mtu)
      this.#window = Math.min(this.#window + bytes, most)
    }
    this.#roundAt ??= now
    if (now - this.#roundAt >= Math.max(MIN_ROUND, this.#minRtt)) this.#endRound(now)
    this.#move(now, inFlight)
  }

  #endRound(now: Instant): void {
    const rate = this.#delivered / (now - this.#roundAt!)
    const total = this.#delivered + this.#lost
    const loss = total > 0 ? this.#lost / total : 0
    this.#loss += (loss - this.#loss) / 4
    // a sender with little to say learns nothing of the path, unless it was faster than thought
    if (!this.#wasIdle || rate > this.#rate) {
      this.#rates.push(rate)
      if (this.#rates.length > RATE_ROUNDS) this.#rates.shift()
    }
    const hasQueue = this.#leastRtt > QUEUE_GROWTH * this.#minRtt
    if (this.#mode === 'startup') {
      if (loss > STARTUP_LOSS && this.#lost >= STARTUP_LOST_PACKETS * this.#mtu) this.#enterDrain(now)
    } else if (Math.min(loss, this.#loss) > (hasQueue ? LOSS_WITH_QUEUE : LOSS_ALONE)) {
      // what was delivered all the same is there to be had
      this.#rates = this.#rates.map((one) => Math.max(one * LOSS_BETA, Math.min(one, rate)))
    }
    this.#rate = Math.max(...this.#rates, this.#mtu / 100)
    if (this.#mode === 'startup') this.#watchGrowth(now)
    if (this.#mode !== 'startup') {
      this.#window = Math.max(MIN_PACKETS * this.#mtu, WINDOW_GAIN * this.#pipe + 2 * this.#mtu)
    }
    this.#roundAt = now
    this.#delivered = 0
    this.#lost = 0
    this.#leastRtt = Number.POSITIVE_INFINITY
    this.#wasIdle = false
  }

  #watchGrowth(now: Instant): void {
    if (this.#wasIdle) return
    if (this.#rate >= this.#fullRate * FULL_GROWTH) {
      this.#fullRate = this.#rate
      this.#fullRounds = 0
    } else if (++this.#fullRounds >= FULL_ROUNDS) {
      this.#enterDrain(now)
    }
  }

  #move(now: Instant, inFlight: number): void {
    if (this.#mode === 'drain' && this.#isDrained(now, inFlight)) this.#enterBandwidth(now)
    else if (this.#mode === 'bandwidth' && now - this.#phaseAt >= this.#minRtt) {
      this.#phase = (this.#phase + 1) % CYCLE_GAINS.length
      this.#phaseAt = now
    }
    if (this.#mode === 'bandwidth' && now - this.#minRttAt > MIN_RTT_LIFE) {
      this.#mode = 'roundTrip'
      this.#minRtt = Number.POSITIVE_INFINITY
      this.#phaseAt = now
    } else if (this.#mode === 'roundTrip' && now - this.#phaseAt > PROBE_RTT_TIME + this.#minRtt) {
      this.#enterBandwidth(now)
    }
  }

  /** A rate that was measured too low would otherwise be halved for ever: what is in flight never falls to so little. */
  #isDrained(now: Instant, inFlight: number): boolean {
    if (inFlight <= Math.max(this.#pipe, MIN_PACKETS * this.#mtu)) return true
    return now - this.#phaseAt > DRAIN_ROUNDS * this.#minRtt
  }

  #enterDrain(now: Instant): void {
    this.#mode = 'drain'
    this.#phaseAt = now
  }

  #enterBandwidth(now: Instant): void {
    this.#mode = 'bandwidth'
    this.#phase = 2
    this.#phaseAt = now
  }

  onTimeout(): void {
    this.#window = Math.max(MIN_PACKETS * this.#mtu, this.#window / 2)
    this.#roundAt = undefined
    this.#delivered = 0
  }

  onIdle(): void {
    this.#roundAt = undefined
    this.#delivered = 0
  }
}
