import { type Instant, NEVER } from '@str0m/sans-io'
import type { ProbeCluster } from './probe-cluster.ts'

/** Clusters that wait for their turn, at most: of more, the oldest is given up. */
const MAX_CLUSTERS = 8
/** ms after which a cluster that is not complete is given up: its result would not be awaited any more. */
const GIVE_UP = 1000
/** Padding is of packets of as many ms of the cluster's rate: fewer, larger ones where that is high. */
const PADDING_TIME = 4

/** The clusters that the pacer is given, one after the other, and when the next packet of the first one is due. */
export class PacerProbe {
  readonly #clusters: ProbeCluster[] = []
  /** Since when the first is the first. */
  #since: Instant = 0
  /** When its first packet went; `undefined`: none did. */
  #startedAt: Instant | undefined
  #packets = 0
  #bytes = 0

  /** The cluster whose packets are sent now. */
  get current(): ProbeCluster | undefined {
    return this.#clusters[0]
  }

  /** When its next packet is due; `-Infinity` where that is the first, `Infinity` where there is no cluster. */
  get dueAt(): Instant {
    const cluster = this.#clusters[0]
    if (cluster === undefined) return NEVER
    if (this.#startedAt === undefined) return Number.NEGATIVE_INFINITY
    return this.#startedAt + (this.#bytes * 8000) / cluster.bitrate
  }

  /** When the cluster is given up. */
  get givenUpAt(): Instant {
    return this.#clusters.length === 0 ? NEVER : this.#since + GIVE_UP
  }

  /** Bytes of the padding that is due. */
  get padding(): number {
    const cluster = this.#clusters[0]
    return cluster === undefined ? 0 : Math.ceil((cluster.bitrate * PADDING_TIME) / 8000)
  }

  add(now: Instant, cluster: ProbeCluster): void {
    if (this.#clusters.length === 0) this.#start(now)
    this.#clusters.push(cluster)
    if (this.#clusters.length > MAX_CLUSTERS) this.#next(now)
  }

  /** Time has come to `now`. */
  advance(now: Instant): void {
    while (now >= this.givenUpAt) this.#next(now)
  }

  /** A packet of the current cluster goes out. */
  handleSent(now: Instant, size: number): void {
    const cluster = this.#clusters[0]
    if (cluster === undefined) return
    this.#startedAt ??= now
    this.#packets++
    this.#bytes += size
    if (this.#packets >= cluster.minPackets && this.#bytes >= cluster.minBytes) this.#next(now)
  }

  #next(now: Instant): void {
    this.#clusters.shift()
    this.#start(now)
  }

  #start(now: Instant): void {
    this.#since = now
    this.#startedAt = undefined
    this.#packets = this.#bytes = 0
  }
}
