import type { Instant } from '@str0m/sans-io'

/** Observations that are kept. */
const WINDOW = 15
/** ms of sending that one is of, at least. */
const MIN_DURATION = 250
/**
 * Packets that one is of, at least, where the application sends little: of one packet each 400 ms all observations would else be of 15 packets, of which three that are lost by
 * chance are a fifth.
 */
const MIN_PACKETS = 10
/** The weight of an observation, of that of the one after it. */
const AGING = 0.9
/** What was sent while most was lost is no outlier where it is so many times the median: a sudden flood. */
const FLOOD = 2

/** What feedback told of packets of which nothing had been told, come or lost. */
export interface ToldPackets {
  readonly packets: number
  readonly bytes: number
  /** Those of the bytes that were lost. */
  readonly lostBytes: number
  /** Bytes that were told as lost before, and have come. */
  readonly recoveredBytes: number
  /** When the first and the last of them were sent. */
  readonly firstSentAt: Instant
  readonly lastSentAt: Instant
}

/** What was sent and lost in the last stretches of time. An observation's index is its age: 0 is the newest. */
export class LossObservations {
  /** How many there were so far. */
  total = 0
  /** When the last packet of the newest was sent. */
  lastSentAt: Instant = Number.NaN
  /** The part of the bytes that was lost, 0 to 1: newer ones weigh more, and neither the best nor the worst observation counts. */
  averageLoss = 0

  readonly #bytes = new Float64Array(WINDOW)
  readonly #lost = new Float64Array(WINDOW)
  readonly #bitrates = new Float64Array(WINDOW)
  readonly #weights = Float64Array.from({ length: WINDOW }, (_, age) => AGING ** age)
  readonly #sorted = new Float64Array(WINDOW)
  #partialPackets = 0
  #partialBytes = 0
  #partialLost = 0

  /** How many are kept. */
  get length(): number {
    return Math.min(this.total, WINDOW)
  }

  bytes(age: number): number {
    return this.#bytes[this.#place(age)]!
  }

  lostBytes(age: number): number {
    return this.#lost[this.#place(age)]!
  }

  /** Bits per second that were sent. */
  bitrate(age: number): number {
    return this.#bitrates[this.#place(age)]!
  }

  weight(age: number): number {
    return this.#weights[age]!
  }

  /** Feedback came; `sparse`: little was sent. Answers whether it completes an observation. */
  add(told: ToldPackets, sparse: boolean): boolean {
    const { bytes, lostBytes, recoveredBytes, firstSentAt, lastSentAt } = told
    // where more is sent, the time alone says when there is enough
    this.#partialPackets += sparse ? told.packets : MIN_PACKETS
    this.#partialBytes += bytes
    this.#partialLost = Math.max(0, this.#partialLost + lostBytes - recoveredBytes)
    if (bytes === 0) return false
    if (Number.isNaN(this.lastSentAt)) this.lastSentAt = firstSentAt
    const duration = lastSentAt - this.lastSentAt
    if (duration < MIN_DURATION || this.#partialPackets < MIN_PACKETS) return false
    const place = this.total++ % WINDOW
    this.#bytes[place] = this.#partialBytes
    this.#lost[place] = Math.min(this.#partialLost, this.#partialBytes)
    this.#bitrates[place] = (this.#partialBytes * 8000) / duration
    this.lastSentAt = lastSentAt
    this.#partialPackets = this.#partialBytes = this.#partialLost = 0
    this.averageLoss = this.#average()
    return true
  }

  #place(age: number): number {
    return (this.total - 1 - age) % WINDOW
  }

  #average(): number {
    let bytes = 0
    let lost = 0
    let best = 0
    let worst = 0
    for (let age = 0; age < this.length; age++) {
      bytes += this.weight(age) * this.bytes(age)
      lost += this.weight(age) * this.lostBytes(age)
      if (this.#ratio(age) < this.#ratio(best)) best = age
      if (this.#ratio(age) > this.#ratio(worst)) worst = age
    }
    const flooded = this.bitrate(worst) >= FLOOD * this.#medianBitrate()
    if (best === worst || this.length < 3 || flooded) return lost / bytes
    for (const age of [best, worst]) {
      bytes -= this.weight(age) * this.bytes(age)
      lost -= this.weight(age) * this.lostBytes(age)
    }
    return Math.max(0, lost) / bytes
  }

  #ratio(age: number): number {
    return this.lostBytes(age) / this.bytes(age)
  }

  #medianBitrate(): number {
    const sorted = this.#sorted.subarray(0, this.length)
    for (let age = 0; age < sorted.length; age++) sorted[age] = this.bitrate(age)
    sorted.sort()
    const middle = sorted.length >> 1
    return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  }
}
