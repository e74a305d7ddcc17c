import { type Instant, NEVER } from '@str0m/sans-io'
import { LossObservations, type ToldPackets } from './loss-observations.ts'

/** Observations before which nothing is said. */
const MIN_OBSERVATIONS = 3
/** What is tried at each observation, of the bandwidth so far. */
const CANDIDATE_FACTORS = [1.02, 1, 0.95]
/** Loss that the path has by itself: at first, the least, and the most: a constant, and so many bits per second over the bandwidth. */
const INITIAL_INHERENT_LOSS = 0.01
const MIN_INHERENT_LOSS = 0.001
const MAX_INHERENT_LOSS = 0.05
const INHERENT_LOSS_BITRATE = 100_000
/** Of each Newton step towards the likeliest inherent loss, this much is taken. */
const NEWTON_STEP = 0.75
/** Probabilities stay this far from 0 and 1, where logarithms end. */
const EPSILON = 1e-6
/** How much more a higher bandwidth is liked: for each kbit/s, and for its logarithm; the less, the nearer the loss is to the threshold, and disliked above it. */
const HIGH_BIAS = 0.0002
const HIGH_LOG_BIAS = 0.02
const BIAS_THRESHOLD = 0.2
const BIAS_SMOOTHING = 0.002
/** Above this loss the bandwidth is at most so many bits per second over what the loss is above it. */
const LIMITED_LOSS = 0.05
const LIMIT_BITRATE = 100_000
/** While limited by loss, it does not rise above what arrives times this: more where it is well above the rate of the hold, less else. */
const RISE = 1.5
const RISE_IN_HOLD = 1.2
const HOLD_NEAR = 1.3
/** The bandwidth was not sent at where less than this part of what did not arrive of it was lost: next to nothing. A policer drops what is above its rate. */
const UNUSED_LOSS = 0.02
/** And not by more than this factor in a window of so many ms. */
const MAX_RISE = 1.3
const RISE_WINDOW = 300
/** ms for which it does not rise after a fall: the first time, how much longer each time, and at most. */
const FIRST_HOLD = 300
const HOLD_GROWTH = 2
const MAX_HOLD = 60_000

/** By what the estimate is limited: the delay alone, or loss, under which it rises again or does not. */
export type LossState = 'delay-limited' | 'increasing' | 'decreasing'

/** What else is known when feedback comes, in bits per second. */
export interface SendingRates {
  /** The limit that the delay sets. */
  readonly delayBased: number
  /** What arrives, where that is known. */
  readonly acknowledged: number | undefined
  /** Whether less was sent than could be. */
  readonly applicationLimited: boolean
}

/**
 * The part of the estimate that follows loss. A path is taken to lose a part of the packets by itself, and all that is above its bandwidth: of some candidates,
 * the pair that makes what was seen the likeliest is the estimate. So random loss of a few percent is told from that of a full queue. As libwebrtc's second version
 * has it; that of draft-ietf-rmcat-gcc-02 section 6 takes any loss for a full queue.
 */
export class LossControl {
  state: LossState = 'delay-limited'
  /** Bits per second; `Infinity` where loss is no limit. */
  bitrate: number = Number.POSITIVE_INFINITY

  readonly #observations = new LossObservations()
  readonly #min: number
  readonly #max: number
  #bandwidth = Number.NaN
  #inherentLoss = INITIAL_INHERENT_LOSS
  /** What the estimate was set to last, also where the delay is the limit. */
  #result = Number.POSITIVE_INFINITY
  #acknowledged: number | undefined
  #holdUntil: Instant = Number.NEGATIVE_INFINITY
  #holdTime = FIRST_HOLD
  #holdBitrate = Number.POSITIVE_INFINITY
  #riseFrom: Instant = Number.NEGATIVE_INFINITY
  #riseLimit = Number.POSITIVE_INFINITY

  constructor(min: number, max: number) {
    this.#min = min
    this.#max = max
  }

  /** The part that is lost, 0 to 1. */
  get averageLoss(): number {
    return this.#observations.averageLoss
  }

  /** Feedback came. */
  update(told: ToldPackets, { delayBased, acknowledged, applicationLimited }: SendingRates): void {
    const observations = this.#observations
    this.#acknowledged = acknowledged
    if (!observations.add(told, applicationLimited)) return
    if (Number.isNaN(this.#bandwidth)) this.#bandwidth = this.#result = delayBased
    const candidate = this.#bestBandwidth(delayBased, applicationLimited)
    const inherentLoss = this.#likeliestInherentLoss(candidate)
    const raised = this.#limitRise(candidate, inherentLoss, applicationLimited)
    const bounded = Math.max(this.#lowerBound, Math.min(raised, this.#upperBound, delayBased))
    if (bounded < raised) {
      this.#bandwidth = bounded
      this.#inherentLoss = 0
    } else {
      this.#bandwidth = Math.max(raised, this.#lowerBound)
      this.#inherentLoss = inherentLoss
    }
    this.#settle(bounded, delayBased)
    this.bitrate =
      this.state === 'delay-limited' || observations.total < MIN_OBSERVATIONS
        ? Number.POSITIVE_INFINITY
        : this.#result
  }

  /**
   * A probe has set the limit of the delay to `delayBased`, bits per second, after little was sent. Where loss was no limit so far, only the delay's was: the bandwidth goes
   * up with it, whatever was lost of so little.
   */
  handleProbe(delayBased: number): void {
    if (!this.#isLimited && delayBased > this.#bandwidth) this.#bandwidth = this.#result = delayBased
  }

  get #isLimited(): boolean {
    return this.state !== 'delay-limited'
  }

  get #lowerBound(): number {
    return Math.max(this.#acknowledged ?? 0, this.#min)
  }

  get #upperBound(): number {
    const above = this.#observations.averageLoss - LIMITED_LOSS
    return above > 0 ? LIMIT_BITRATE / above : this.#max
  }

  #bestBandwidth(delayBased: number, applicationLimited: boolean): number {
    const current = this.#bandwidth
    const bound = Math.max(current, this.#isLimited ? this.#riseLimit : this.#max)
    let best = current
    let bestLikelihood = Number.NEGATIVE_INFINITY
    const consider = (bandwidth: number): void => {
      const bounded = Math.min(bandwidth, bound)
      const likelihood = this.#logLikelihood(bounded, this.#likeliestInherentLoss(bounded))
      if (likelihood <= bestLikelihood) return
      bestLikelihood = likelihood
      best = bounded
    }
    for (const factor of CANDIDATE_FACTORS) consider(factor * current)
    if (this.#acknowledged !== undefined && !applicationLimited) consider(this.#acknowledged)
    if (delayBased > current) consider(delayBased)
    return best
  }

  /** One Newton step from the inherent loss so far towards the likeliest one. */
  #likeliestInherentLoss(bandwidth: number): number {
    const start = feasibleInherentLoss(this.#inherentLoss, bandwidth)
    const observations = this.#observations
    let first = 0
    let second = 0
    for (let age = 0; age < observations.length; age++) {
      const loss = lossProbability(start, bandwidth, observations.bitrate(age))
      const weight = observations.weight(age) / 1000
      const lost = weight * observations.lostBytes(age)
      const received = weight * observations.bytes(age) - lost
      first += lost / loss - received / (1 - loss)
      second -= lost / (loss * loss) + received / ((1 - loss) * (1 - loss))
    }
    return second < 0 ? feasibleInherentLoss(start - (NEWTON_STEP * first) / second, bandwidth) : start
  }

  #logLikelihood(bandwidth: number, inherentLoss: number): number {
    const observations = this.#observations
    const kilobits = bandwidth / 1000
    const distance = BIAS_THRESHOLD - observations.averageLoss
    const bias =
      ((HIGH_BIAS * kilobits + HIGH_LOG_BIAS * Math.log(1 + kilobits)) * distance) /
      (BIAS_SMOOTHING + Math.abs(distance))
    let sum = 0
    for (let age = 0; age < observations.length; age++) {
      const loss = lossProbability(inherentLoss, bandwidth, observations.bitrate(age))
      const weight = observations.weight(age) / 1000
      const bytes = weight * observations.bytes(age)
      const lost = weight * observations.lostBytes(age)
      sum += lost * Math.log(loss) + (bytes - lost) * Math.log(1 - loss) + bias * bytes
    }
    return sum
  }

  /** Keeps the bandwidth from rising too fast where loss has been the limit. */
  #limitRise(candidate: number, inherentLoss: number, applicationLimited: boolean): number {
    const current = this.#bandwidth
    let bandwidth = candidate
    // more is lost than the path is taken to lose
    if (this.#observations.averageLoss > inherentLoss && bandwidth > current) bandwidth = current
    if (!this.#isLimited) return bandwidth
    const { lastSentAt } = this.#observations
    if (lastSentAt < this.#riseFrom + RISE_WINDOW) bandwidth = Math.min(bandwidth, this.#riseLimit)
    const rising = bandwidth > current || (bandwidth === current && this.state === 'increasing')
    // where little is sent, that little arrives tells nothing: it would never rise again
    if (!rising || applicationLimited || this.#acknowledged === undefined) return bandwidth
    const factor = this.#acknowledged < HOLD_NEAR * this.#holdBitrate ? RISE_IN_HOLD : RISE
    const limit = factor * this.#acknowledged
    // nor does it where less than the bandwidth is sent, though not so much less that it is a limit of the application's
    if (limit <= current && this.#isUnused(current, this.#acknowledged)) return bandwidth
    return Math.max(current, Math.min(bandwidth, limit))
  }

  /** Whether `bandwidth` was not sent at: else all that has not arrived of it would have been lost. */
  #isUnused(bandwidth: number, acknowledged: number): boolean {
    return this.#observations.averageLoss < UNUSED_LOSS * (1 - acknowledged / bandwidth)
  }

  #settle(bounded: number, delayBased: number): void {
    const { lastSentAt } = this.#observations
    const limited = bounded < delayBased
    if (this.state === 'decreasing' && this.#holdUntil > lastSentAt && limited) {
      this.#holdBitrate = Math.max(this.#lowerBound, this.#holdBitrate)
      this.#result = Math.min(this.#holdBitrate, bounded)
      return
    }
    const rising =
      this.#isLimited && (bounded > this.#result || (bounded === this.#result && this.state === 'increasing'))
    if (!limited || bounded >= this.#max) {
      this.state = 'delay-limited'
      this.#holdUntil = Number.NEGATIVE_INFINITY
      this.#holdTime = FIRST_HOLD
      this.#holdBitrate = NEVER
    } else if (rising) {
      this.state = 'increasing'
    } else {
      if (this.state !== 'decreasing') {
        this.#holdUntil = lastSentAt + this.#holdTime
        this.#holdTime = Math.min(MAX_HOLD, HOLD_GROWTH * this.#holdTime)
        this.#holdBitrate = bounded
      }
      this.state = 'decreasing'
    }
    this.#result = bounded
    if (this.#isLimited && lastSentAt > this.#riseFrom + RISE_WINDOW) {
      this.#riseLimit = Math.max(this.#min, this.#bandwidth * MAX_RISE)
      this.#riseFrom = lastSentAt
    }
  }
}

/** The part of packets that is lost at `bitrate` on a path of such a bandwidth. */
function lossProbability(inherentLoss: number, bandwidth: number, bitrate: number): number {
  const over = bitrate > bandwidth ? ((1 - inherentLoss) * (bitrate - bandwidth)) / bitrate : 0
  return Math.min(Math.max(inherentLoss + over, EPSILON), 1 - EPSILON)
}

function feasibleInherentLoss(loss: number, bandwidth: number): number {
  const max = Math.min(1, MAX_INHERENT_LOSS + INHERENT_LOSS_BITRATE / bandwidth)
  return Math.min(Math.max(loss, MIN_INHERENT_LOSS), max)
}
