import type { Link } from '@str0m/netem'
import { SeededRandom } from '@str0m/sans-io'
import type { Packet } from './packet.ts'
import { Reno } from './reno.ts'
import type { Actor } from './simulation.ts'

/** Bytes of a file, evenly distributed, and ms between two downloads, exponentially (RFC 8868 section 5.1). */
const FILE = { min: 30_000, max: 50_000 }
const MEAN_IDLE = 10_000

export interface DownloadsOptions {
  readonly seed: number
  readonly forward: Link<Packet>
  readonly latency: number
  /** Files that are fetched at once. Default 1. */
  readonly connections?: number
  /** Whether it begins with a download. */
  readonly on: boolean
  readonly end: number
}

/** Someone who reads the web: downloads of small files, by new connections each time, and idle periods between them. */
export class Downloads implements Actor {
  delivered = 0
  /** Downloads that have ended, and ms that they took. */
  finished = 0
  taken = 0
  readonly #options: DownloadsOptions
  readonly #random: SeededRandom
  #connections: Reno[] = []
  #startAt: number
  #startedAt = 0

  constructor(options: DownloadsOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.#startAt = options.on ? 0 : this.#idle()
  }

  get deadline(): number {
    return this.#connections.reduce((at, { deadline }) => Math.min(at, deadline), this.#startAt)
  }

  wake(now: number): void {
    if (now >= this.#startAt) this.#start(now)
    for (const connection of this.#connections) if (connection.deadline <= now) connection.wake(now)
    if (this.#connections.length === 0 || !this.#connections.every(({ finished }) => finished)) return
    this.delivered += this.#deliveredNow()
    this.#connections = []
    this.finished++
    this.taken += now - this.#startedAt
    this.#startAt = now + this.#idle()
  }

  /** Packets so far. */
  get total(): number {
    return this.delivered + this.#deliveredNow()
  }

  #deliveredNow(): number {
    return this.#connections.reduce((sum, { delivered }) => sum + delivered, 0)
  }

  #start(now: number): void {
    this.#startAt = Number.POSITIVE_INFINITY
    const { forward, latency, connections = 1, end } = this.#options
    if (now >= end) return
    this.#startedAt = now
    for (let i = 0; i < connections; i++) {
      const bytes = FILE.min + (FILE.max - FILE.min) * this.#random.float()
      this.#connections.push(new Reno(forward, latency, now, end, Math.ceil(bytes / 1460)))
    }
  }

  #idle(): number {
    return -MEAN_IDLE * Math.log(1 - this.#random.float())
  }
}
