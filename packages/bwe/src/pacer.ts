import { type Instant, latestInstant, NEVER, UsageError } from '@str0m/sans-io'
import { PacerProbe } from './pacer-probe.ts'
import { PacketQueue } from './packet-queue.ts'
import { checkSize } from './packet-size.ts'
import type { ProbeCluster } from './probe-cluster.ts'

/** What is taken for the bitrate before it is set, bits per second. */
const INITIAL_BITRATE = 300_000
const DEFAULT_PACING_FACTOR = 2.5
/** ms. */
const DEFAULT_MAX_QUEUE_TIME = 2000
/** ms of packets that go out together, so that a driver's timer is not woken for each. */
const LUMP = 5
/** ms by which what is not held back can be ahead of the rate: what waits behind it waits no longer than that. */
const MAX_AHEAD = 500

/** What goes first, where several wait. Audio is not held back. */
export type PacerPriority = 'audio' | 'retransmission' | 'video'

export interface PacerOptions {
  /** How much faster than the estimate packets go out, so that a frame is sent well before the next one. Default 2.5. */
  readonly pacingFactor?: number
  /** Milliseconds that packets wait at most, on average: where more is waiting, it goes out as fast as that takes. Default 2000. */
  readonly maxQueueTime?: number
}

/**
 * Sends what it is given evenly instead of in bursts. Knows nothing of a packet but its size. A part of a sender, driven by it:
 *
 * 1. `poll` until it answers `undefined`, and send what it answers;
 * 2. where `paddingDue` is not 0, send that and tell it by `handlePadding`, then go on at 1; a driver that has no padding leaves it;
 * 3. wait until `deadline`.
 *
 * Where `now` is no number, or `Infinity`, every method throws a `UsageError` (`invalid-time`).
 */
export class Pacer<T> {
  readonly #pacingFactor: number
  readonly #maxQueueTime: number
  readonly #audio = new PacketQueue<T>()
  readonly #retransmission = new PacketQueue<T>()
  readonly #video = new PacketQueue<T>()
  readonly #probes = new PacerProbe()

  #now: Instant = Number.NEGATIVE_INFINITY
  /** Bits per second at which packets go out. */
  #rate: number
  #bytes = 0
  /** The sum of the times at which those came that wait, from `#epoch` on so that it stays exact. */
  #times = 0
  #epoch: Instant = Number.NaN
  /** When what was sent is what the rate allows. Before, it is more. */
  #freeAt: Instant = Number.NEGATIVE_INFINITY
  /** Until when packets of the current lump may be ahead. */
  #lumpUntil: Instant = Number.NEGATIVE_INFINITY
  #probe: number | undefined
  /** Whether padding was due at the last `poll`, and has not come since. */
  #unanswered = false

  /** Throws a `UsageError` (`invalid-option`) for a factor or a time that is not above 0. */
  constructor(options: PacerOptions = {}) {
    const { pacingFactor = DEFAULT_PACING_FACTOR, maxQueueTime = DEFAULT_MAX_QUEUE_TIME } = options
    if (!(pacingFactor > 0 && pacingFactor < Number.POSITIVE_INFINITY)) {
      throw new UsageError('invalid-option', `pacingFactor is to be finite and above 0, not ${pacingFactor}`)
    }
    if (!(maxQueueTime > 0)) {
      throw new UsageError('invalid-option', `maxQueueTime is to be above 0 ms, not ${maxQueueTime}`)
    }
    this.#pacingFactor = pacingFactor
    this.#maxQueueTime = maxQueueTime
    this.#rate = pacingFactor * INITIAL_BITRATE
  }

  /** When `poll` next has something, or padding is due; `Infinity` while nothing waits. */
  get deadline(): Instant {
    if (this.#audio.length > 0) return this.#now
    const waits = this.queuedPackets > 0
    if (this.#probes.current !== undefined) {
      const { dueAt } = this.#probes
      // padding was asked for and did not come: the next packet will do
      if (!waits && this.#unanswered) return this.#probes.givenUpAt
      return Math.max(this.#now, dueAt)
    }
    if (!waits) return NEVER
    return this.#freeAt < this.#lumpUntil ? this.#now : Math.max(this.#now, this.#freeAt)
  }

  /** Packets and bytes that wait. */
  get queuedPackets(): number {
    return this.#audio.length + this.#retransmission.length + this.#video.length
  }

  get queuedBytes(): number {
    return this.#bytes
  }

  /** How long what waits now would take, ms. */
  get queueTime(): number {
    return (this.#bytes * 8000) / this.#effectiveRate()
  }

  /** What the path takes, bits per second. Throws a `UsageError` (`invalid-bitrate`) for what is not above 0. */
  setBitrate(now: Instant, bitrate: number): void {
    if (!(bitrate > 0 && bitrate < Number.POSITIVE_INFINITY)) {
      throw new UsageError('invalid-bitrate', `a bitrate is finite and above 0, not ${bitrate}`)
    }
    this.#advance(now)
    const rate = this.#pacingFactor * bitrate
    // what is ahead is so in bytes
    if (this.#freeAt > this.#now) this.#freeAt = this.#now + ((this.#freeAt - this.#now) * this.#rate) / rate
    this.#rate = rate
  }

  /** A packet of `size` bytes is to go out, in its turn. Throws a `UsageError` (`invalid-size`) for a size that is no number of bytes. */
  push(now: Instant, packet: T, size: number, priority: PacerPriority): void {
    checkSize(size)
    this.#advance(now)
    if (this.queuedPackets === 0) {
      this.#epoch = this.#now
      this.#times = 0
    }
    this.#times += this.#now - this.#epoch
    this.#bytes += size
    this.#queue(priority).push(this.#now, packet, size)
  }

  /** Takes out what waits and is not to be sent any more: the rate has nothing to spend on it, and no probe counts it. */
  discard(isGone: (packet: T) => boolean): void {
    for (const queue of [this.#audio, this.#retransmission, this.#video]) {
      for (let left = queue.length; left > 0; left--) {
        const { firstSize: size, firstTime: time } = queue
        const packet = queue.shift() as T
        if (isGone(packet)) {
          this.#bytes -= size
          this.#times -= time - this.#epoch
        } else {
          queue.push(time, packet, size)
        }
      }
    }
  }

  /** Sends the next packets at the cluster's rate. One after the other, in the order in which they were given. */
  startProbe(now: Instant, cluster: ProbeCluster): void {
    this.#advance(now)
    this.#probes.add(this.#now, cluster)
    this.#unanswered = false
  }

  /** The packet that goes out now; `undefined`: none is due. */
  poll(now: Instant): T | undefined {
    this.#advance(now)
    this.#probe = undefined
    const probing = this.#probes.current !== undefined
    const probeDue = probing && this.#probes.dueAt <= this.#now
    const queue = this.#nextQueue()
    if (queue === undefined) {
      this.#unanswered = probeDue
      return undefined
    }
    // a cluster's packets are sent at its own rate, whatever was sent before
    if (queue !== this.#audio && (probing ? !probeDue : !this.#mayGo())) return undefined
    const size = queue.firstSize
    if (probeDue) {
      this.#probe = this.#probes.current?.id
      this.#probes.handleSent(this.#now, size)
    }
    this.#spend(size)
    this.#bytes -= size
    this.#times -= queue.firstTime - this.#epoch
    return queue.shift()
  }

  /** The cluster that the packet that was last polled, or the padding that is due, is part of. */
  get probe(): number | undefined {
    return this.#probe
  }

  /** Bytes of padding that a probe wants now, as nothing else waits; 0: none. */
  paddingDue(now: Instant): number {
    this.#advance(now)
    if (this.queuedPackets > 0 || this.#probes.dueAt > this.#now) return 0
    this.#probe = this.#probes.current?.id
    return this.#probes.padding
  }

  /** A packet of padding went out, of so many bytes. Throws a `UsageError` (`invalid-size`) for a size that is no number of bytes. */
  handlePadding(now: Instant, size: number): void {
    checkSize(size)
    this.#advance(now)
    this.#probes.handleSent(this.#now, size)
    this.#spend(size)
    this.#unanswered = false
  }

  /** Time does not go backwards. Throws a `UsageError` (`invalid-time`) for what is none. */
  #advance(now: Instant): void {
    this.#now = latestInstant(this.#now, now)
    this.#probes.advance(this.#now)
  }

  #queue(priority: PacerPriority): PacketQueue<T> {
    if (priority === 'audio') return this.#audio
    return priority === 'retransmission' ? this.#retransmission : this.#video
  }

  #nextQueue(): PacketQueue<T> | undefined {
    if (this.#audio.length > 0) return this.#audio
    if (this.#retransmission.length > 0) return this.#retransmission
    return this.#video.length > 0 ? this.#video : undefined
  }

  /** Whether the rate allows a packet now, in a lump. */
  #mayGo(): boolean {
    if (this.#freeAt <= this.#now) this.#lumpUntil = this.#now + LUMP
    return this.#freeAt < this.#lumpUntil
  }

  #spend(size: number): void {
    const now = this.#now
    const freeAt = Math.max(this.#freeAt, now) + (size * 8000) / this.#effectiveRate()
    this.#freeAt = Math.min(freeAt, now + MAX_AHEAD)
  }

  /** The rate, or what it takes for those that wait to have gone, on average, when they have waited long enough. */
  #effectiveRate(): number {
    const count = this.queuedPackets
    if (count === 0) return this.#rate
    const waited = this.#now - this.#epoch - this.#times / count
    const left = Math.max(1, this.#maxQueueTime - waited)
    return Math.max(this.#rate, (this.#bytes * 8000) / left)
  }
}
