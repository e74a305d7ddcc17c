import { type Instant, NEVER, OutputQueue, SeededRandom, UsageError } from '@str0m/sans-io'
import { checkLoss, checkProbability, type GilbertElliott, LossProcess } from './loss.ts'
import { Schedule } from './schedule.ts'

/** What a link does to datagrams. Without options it hands each on at once. */
export interface LinkOptions {
  /** Propagation delay, ms. Default 0. */
  readonly latency?: number
  /** Further delay, ms, uniform from 0 to this, which keeps the order. Default 0. */
  readonly jitter?: number
  /** The probability of loss, 0 to 1, or a model of bursts. A lost datagram has used its share of the rate. Default 0. */
  readonly loss?: number | GilbertElliott
  /** The probability that a datagram arrives twice, 0 to 1. Default 0. */
  readonly duplicate?: number
  /** The probability that a datagram is held back, so that later ones overtake it, 0 to 1. Default 0. */
  readonly reorder?: number
  /** How long a held one is held back, ms, uniform from 0 to this. Default 20. */
  readonly reorderDelay?: number
  /** The bottleneck, bits per second. Default: none. */
  readonly rate?: number
  /** Bytes, headers included, that may wait for the bottleneck; what does not fit is dropped at the tail. Default 131072. */
  readonly queueBytes?: number
  /** Bytes that a datagram's headers add for the bottleneck. Default 28: IPv4 and UDP. */
  readonly overhead?: number
}

/** What became of the datagrams of a link. Counts. */
export interface LinkStatistics {
  readonly sent: number
  /** Polled, the second ones of those that arrive twice included. */
  readonly delivered: number
  /** By the loss model. */
  readonly lost: number
  /** In an outage. */
  readonly outage: number
  /** At the tail of the full queue. */
  readonly overflow: number
  readonly duplicated: number
  readonly reordered: number
}

type Settings = Required<LinkOptions>

const DEFAULTS: Settings = {
  latency: 0,
  jitter: 0,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderDelay: 20,
  rate: Number.POSITIVE_INFINITY,
  queueBytes: 131_072,
  overhead: 28,
}

/** A datagram at the bottleneck. Its fate was drawn when it was sent. */
interface Queued<T> {
  readonly item: T
  readonly arrived: Instant
  readonly bytes: number
  readonly lost: boolean
  readonly duplicate: boolean
  /** The two random parts of its delay, as fractions from 0 to 1; `hold` is 0 where it is not held back. */
  readonly jitter: number
  readonly hold: number
}

/**
 * One direction of a path, in virtual time: bottleneck with a queue, then propagation. The same seed and the
 * same sends give the same run; each impairment draws from its own generator, so turning one on or off
 * leaves the others' choices as they were.
 */
export class Link<T extends { readonly contents: Uint8Array }> {
  readonly seed: number
  readonly #loss: LossProcess
  readonly #jitter: SeededRandom
  readonly #duplicate: SeededRandom
  readonly #reorder: SeededRandom
  #settings: Settings
  readonly #queue = new OutputQueue<Queued<T>>()
  /** What waits at the bottleneck and is not yet being sent; the first of it apart from the rest. */
  #waiting: Queued<T> | undefined
  #waitingBytes = 0
  readonly #inFlight = new Schedule<T>()
  /** When the bottleneck has sent what it is sending. */
  #freeAt: Instant = Number.NEGATIVE_INFINITY
  /** When the last datagram that kept the order arrives: the next does not arrive before. */
  #lastArrival: Instant = Number.NEGATIVE_INFINITY
  #outages: { readonly from: Instant; readonly until: Instant }[] = []
  readonly #statistics = {
    sent: 0,
    delivered: 0,
    lost: 0,
    outage: 0,
    overflow: 0,
    duplicated: 0,
    reordered: 0,
  }

  /** `seed` is an integer from 0 to 2⁵³ − 1. Throws a `UsageError` (`invalid-option`) where an option is out of its range. */
  constructor(seed: number, options: LinkOptions = {}) {
    this.seed = seed
    this.#settings = settings(DEFAULTS, options)
    this.#loss = new LossProcess(generator(seed, 1))
    this.#jitter = generator(seed, 2)
    this.#duplicate = generator(seed, 3)
    this.#reorder = generator(seed, 4)
  }

  get statistics(): LinkStatistics {
    return { ...this.#statistics }
  }

  /** Bytes that wait at the bottleneck, headers included, at `now`. */
  queuedBytes(now: Instant): number {
    this.#serve(now)
    return this.#waitingBytes
  }

  /**
   * Changes options from `now` on. A new rate counts from the next datagram that the bottleneck takes up.
   * Throws a `UsageError` (`invalid-option`) where an option is out of its range.
   */
  configure(now: Instant, change: LinkOptions): void {
    const next = settings(this.#settings, change)
    this.#serve(now)
    this.#settings = next
  }

  /**
   * Nothing that is sent from `from` on and before `until` arrives. Outages may be added ahead of time. Throws a `UsageError` (`invalid-time`) where
   * either is no number.
   */
  addOutage(from: Instant, until: Instant): void {
    checkTime(from)
    checkTime(until)
    this.#outages.push({ from, until })
  }

  /** Puts a datagram on the link. It belongs to the link from here on. Throws a `UsageError` (`invalid-time`) where `now` is no number. */
  send(now: Instant, item: T): void {
    checkTime(now)
    const settings = this.#settings
    const statistics = this.#statistics
    statistics.sent++
    // every generator advances once for each datagram, whatever becomes of it
    const lost = this.#loss.isLost(settings.loss)
    const jitter = this.#jitter.float()
    const duplicate = this.#duplicate.chance(settings.duplicate)
    const held = this.#reorder.chance(settings.reorder)
    const hold = this.#reorder.float()
    if (this.#outages.some((outage) => now >= outage.from && now < outage.until)) {
      statistics.outage++
      return
    }
    this.#serve(now)
    const bytes = item.contents.length + settings.overhead
    const idle = this.#waiting === undefined && this.#freeAt <= now
    if (!idle && this.#waitingBytes + bytes > settings.queueBytes) {
      statistics.overflow++
      return
    }
    const queued = { item, arrived: now, bytes, lost, duplicate, jitter, hold: held ? hold : 0 }
    if (this.#waiting === undefined) this.#waiting = queued
    else this.#queue.push(queued)
    this.#waitingBytes += bytes
    this.#serve(now)
  }

  /** The next datagram that has arrived at `now`. Ask until there is none. */
  poll(now: Instant): T | undefined {
    this.#serve(now)
    const item = this.#inFlight.pop(now)
    if (item !== undefined) this.#statistics.delivered++
    return item
  }

  /** When to poll next: nothing arrives before. */
  nextAt(): Instant {
    const waiting = this.#waiting
    if (waiting === undefined) return this.#inFlight.nextAt
    const start = Math.max(this.#freeAt, waiting.arrived)
    return Math.min(this.#inFlight.nextAt, start + this.#airtime(waiting.bytes) + this.#settings.latency)
  }

  #airtime(bytes: number): number {
    return (bytes * 8000) / this.#settings.rate
  }

  /** Lets the bottleneck take up all that it can have taken up by `now`. */
  #serve(now: Instant): void {
    for (;;) {
      const waiting = this.#waiting
      if (waiting === undefined) return
      const start = Math.max(this.#freeAt, waiting.arrived)
      if (start > now) return
      this.#waiting = this.#queue.shift()
      this.#waitingBytes -= waiting.bytes
      this.#freeAt = start + this.#airtime(waiting.bytes)
      this.#propagate(waiting, this.#freeAt)
    }
  }

  #propagate(queued: Queued<T>, departed: Instant): void {
    const settings = this.#settings
    if (queued.lost) {
      this.#statistics.lost++
      return
    }
    const arrival = Math.max(departed + settings.latency + queued.jitter * settings.jitter, this.#lastArrival)
    if (queued.hold > 0) {
      this.#statistics.reordered++
      this.#inFlight.push(arrival + queued.hold * settings.reorderDelay, queued.item)
    } else {
      this.#lastArrival = arrival
      this.#inFlight.push(arrival, queued.item)
    }
    if (queued.duplicate) {
      this.#statistics.duplicated++
      // a copy of its own, also of a Buffer, whose slice is none: a receiver may decrypt in place
      this.#inFlight.push(arrival, { ...queued.item, contents: new Uint8Array(queued.item.contents) })
    }
  }
}

function checkTime(time: Instant): void {
  if (typeof time !== 'number' || Number.isNaN(time)) {
    throw new UsageError('invalid-time', `a time is a number of milliseconds, not ${time}`)
  }
}

/** An independent generator for each purpose, out of one seed. */
function generator(seed: number, purpose: number): SeededRandom {
  const mixed = new SeededRandom(seed)
  for (let i = 0; i < purpose; i++) mixed.u32()
  return new SeededRandom(mixed.u32() + purpose * 0x1_0000_0000)
}

function settings(base: Settings, change: LinkOptions): Settings {
  const next: Settings = {
    latency: change.latency ?? base.latency,
    jitter: change.jitter ?? base.jitter,
    loss: change.loss === undefined ? base.loss : change.loss,
    duplicate: change.duplicate ?? base.duplicate,
    reorder: change.reorder ?? base.reorder,
    reorderDelay: change.reorderDelay ?? base.reorderDelay,
    rate: change.rate ?? base.rate,
    queueBytes: change.queueBytes ?? base.queueBytes,
    overhead: change.overhead ?? base.overhead,
  }
  checkLoss(next.loss)
  checkProbability('duplicate', next.duplicate)
  checkProbability('reorder', next.reorder)
  for (const name of ['latency', 'jitter', 'reorderDelay', 'overhead'] as const) {
    if (!(next[name] >= 0 && next[name] < NEVER)) {
      throw new UsageError('invalid-option', `${name} is to be finite and 0 or more, not ${next[name]}`)
    }
  }
  if (!(next.rate > 0))
    throw new UsageError('invalid-option', `rate is to be above 0 bit/s, not ${next.rate}`)
  if (!(next.queueBytes >= 0)) {
    throw new UsageError('invalid-option', `queueBytes is to be 0 or more, not ${next.queueBytes}`)
  }
  return next
}
