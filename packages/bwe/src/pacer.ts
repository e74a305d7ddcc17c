import { type Instant, NEVER } from '@str0m/sans-io'
import type { ProbeCluster } from './probe-cluster.ts'

/** What goes first, where several wait. Audio is not held back. */
export type PacerPriority = 'audio' | 'retransmission' | 'video'

export interface PacerOptions {
  /** How much faster than the estimate packets go out, so that a frame is sent well before the next one. Default 2.5. */
  readonly pacingFactor?: number
  /** Milliseconds that a packet waits at most: where more is waiting, it goes out as fast as that takes. Default 2000. */
  readonly maxQueueTime?: number
}

/** Sends what it is given evenly instead of in bursts. Knows nothing of a packet but its size. A part of a sender, driven by it. */
export class Pacer<T> {
  constructor(_options: PacerOptions = {}) {}

  /** When `poll` next has something; `Infinity` while nothing waits. */
  get deadline(): Instant {
    return NEVER
  }

  /** Packets and bytes that wait. */
  get queuedPackets(): number {
    return 0
  }

  get queuedBytes(): number {
    return 0
  }

  /** How long what waits now would take, ms. */
  get queueTime(): number {
    return 0
  }

  /** What the path takes, bits per second. */
  setBitrate(_now: Instant, _bitrate: number): void {}

  push(_now: Instant, _packet: T, _size: number, _priority: PacerPriority): void {}

  /** Sends the next packets at the cluster's rate. One after the other, in the order in which they were given. */
  startProbe(_now: Instant, _cluster: ProbeCluster): void {}

  /** The packet that goes out now; `undefined`: none is due. */
  poll(_now: Instant): T | undefined {
    return undefined
  }

  /** The cluster that the packet that was last polled, or the padding that is due, is part of. */
  get probe(): number | undefined {
    return undefined
  }

  /** Bytes of padding that a probe wants now, as nothing else waits; 0: none. */
  paddingDue(_now: Instant): number {
    return 0
  }

  /** Padding of so many bytes went out. */
  handlePadding(_now: Instant, _size: number): void {}
}
