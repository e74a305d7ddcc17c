import type { Instant } from '@str0m/sans-io'
import type { ProbeCluster } from './probe-cluster.ts'

/** Clusters that results are awaited of, at most. */
const MAX_CLUSTERS = 8
/** The part of a cluster's packets and bytes that has to come. */
const MIN_RECEIVED = 0.8
/** ms that a cluster is sent for, and received for, at most. */
const MAX_INTERVAL = 1000
/** Where packets come so many times as fast as they were sent, it is not the path that was measured. */
const MAX_RATIO = 2
/** Packets that come slower than this part of the rate at which they were sent have filled the path: then this much of the rate is kept, so that the queue drains. */
const SATURATED = 0.9
const UTILISATION = 0.95
/** A result is at most this part of the rate that was asked for: more is chance. */
const MAX_RESULT = 1.1

/** What came of a cluster. Times of sending and of arrival are of two clocks. */
interface Progress {
  readonly cluster: ProbeCluster
  packets: number
  bytes: number
  firstSentAt: Instant
  lastSentAt: Instant
  lastSentSize: number
  firstArrival: number
  lastArrival: number
  firstArrivalSize: number
  succeeded: boolean
}

/** Finds out from the packets of clusters which rate the path takes. */
export class ProbeResults {
  /** Clusters so far that had a result. */
  succeeded = 0
  /** Of the last result: the cluster's id, and whether packets came slower than they were sent, so that the path takes no more. */
  last = -1
  saturated = false
  readonly #clusters: Progress[] = []

  /** A cluster is to be sent. */
  expect(cluster: ProbeCluster): void {
    if (this.#clusters.length === MAX_CLUSTERS) this.#clusters.shift()
    this.#clusters.push({
      cluster,
      packets: 0,
      bytes: 0,
      firstSentAt: Number.POSITIVE_INFINITY,
      lastSentAt: Number.NEGATIVE_INFINITY,
      lastSentSize: 0,
      firstArrival: Number.POSITIVE_INFINITY,
      lastArrival: Number.NEGATIVE_INFINITY,
      firstArrivalSize: 0,
      succeeded: false,
    })
  }

  /** A packet of the cluster `id` came. Answers the bits per second that the cluster shows, as soon as enough of it has come. */
  add(id: number, sentAt: Instant, arrival: number, size: number): number | undefined {
    const progress = this.#find(id)
    if (progress === undefined) return undefined
    progress.packets++
    progress.bytes += size
    if (sentAt < progress.firstSentAt) progress.firstSentAt = sentAt
    if (sentAt >= progress.lastSentAt) {
      progress.lastSentAt = sentAt
      progress.lastSentSize = size
    }
    if (arrival < progress.firstArrival) {
      progress.firstArrival = arrival
      progress.firstArrivalSize = size
    }
    if (arrival > progress.lastArrival) progress.lastArrival = arrival
    const { cluster } = progress
    if (progress.packets < MIN_RECEIVED * cluster.minPackets) return undefined
    if (progress.bytes < MIN_RECEIVED * cluster.minBytes) return undefined
    const sent = sendBitrate(progress)
    const received = receiveBitrate(progress)
    if (sent === undefined || received === undefined || received > MAX_RATIO * sent) return undefined
    if (!progress.succeeded) this.succeeded++
    progress.succeeded = true
    this.last = id
    this.saturated = received < SATURATED * sent
    const bitrate = this.saturated ? UTILISATION * received : Math.min(sent, received)
    return Math.min(bitrate, MAX_RESULT * cluster.bitrate)
  }

  #find(id: number): Progress | undefined {
    for (const progress of this.#clusters) if (progress.cluster.id === id) return progress
    return undefined
  }
}

/** Bits per second; the last packet was sent when the time had passed. */
function sendBitrate(progress: Progress): number | undefined {
  const interval = progress.lastSentAt - progress.firstSentAt
  if (!(interval > 0 && interval <= MAX_INTERVAL)) return undefined
  return ((progress.bytes - progress.lastSentSize) * 8000) / interval
}

/** Bits per second; the first packet came before the time began. */
function receiveBitrate(progress: Progress): number | undefined {
  const interval = progress.lastArrival - progress.firstArrival
  if (!(interval > 0 && interval <= MAX_INTERVAL)) return undefined
  return ((progress.bytes - progress.firstArrivalSize) * 8000) / interval
}
