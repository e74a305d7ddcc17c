import type { Instant } from '@str0m/sans-io'
import type { ProbeCluster } from './probe-cluster.ts'

/** The first probes, of the bitrate at the start. */
const FIRST_SCALES = [3, 6]
/** So often they are sent, while none has a result: the feedback on them was lost. */
const FIRST_TRIES = 3
/** Each further one, of the estimate after the one before: where that was more than this part of what was probed. */
const FURTHER_SCALE = 2
const FURTHER_THRESHOLD = 0.7
/** Or where the path took all, which was less than was asked for, as when the driver's timer is late: if the estimate grows by this factor at least. */
const FURTHER_GROWTH = 1.05
/** In a region that is limited by the application, one is sent each so many ms, of this much of the estimate. */
const LIMITED_INTERVAL = 5000
const LIMITED_SCALE = 2
/** Probes are of at most this much of the desired bitrate: results are often a bit lower than what was probed, and streams have bursts. */
const MAX_OF_DESIRED = 2
/** While loss is the limit and the estimate rises, at most of this much of it. */
const LOSS_LIMITED_SCALE = 1.5
/** ms for which a result is awaited, and before which nothing is probed because more is desired. */
const MAX_WAIT = 1000
/** An estimate that falls to less than this part has had a large drop: for so many ms it is tried whether this much of it is there again. */
const LARGE_DROP = 0.66
const DROP_TIMEOUT = 5000
const AFTER_DROP_SCALE = 0.85
/** Unless a result could not be told from the estimate; and so often at most, ms. */
const UNCERTAINTY = 0.05
const DROP_INTERVAL = 5000
/**
 * An estimate that lies below so much of the best of late is tried to be raised, by probes of so much of it: the path may be what it was, or others may have left it. Of the best,
 * half is forgotten in so many ms: the further it is, the longer it is tried, and flows that share a path come to terms.
 */
const FALLEN = 0.66
const HALF_LIFE = 20_000
const RECOVERY_SCALE = 1.5
/** ms between them: after one that got through, and at most; each other one doubles it. */
const RECOVERY_INTERVAL = 2000
const MAX_RECOVERY_INTERVAL = 8000
/** How much a cluster is: packets, and ms. */
const MIN_PACKETS = 5
const DURATION = 15
/** Clusters that wait to be polled, at most. */
const MAX_WAITING = 4

/** Whether the path may be probed: `limited`, up to a part above the estimate. */
export type ProbePermission = 'free' | 'limited' | 'forbidden'

type State = 'start' | 'waiting' | 'complete'

/** Decides when the path is probed, and at which rates. */
export class ProbeController {
  /** Clusters that were made so far. */
  clusters = 0

  /** What is probed at most, bits per second. */
  max: number

  #estimate: number
  #desired: number | undefined
  /** Whether more is desired than when it was last probed for. */
  #raised = false
  #permission: ProbePermission = 'free'
  #state: State = 'start'
  #waiting: ProbeCluster[] = []
  #startedAt: Instant = Number.NEGATIVE_INFINITY
  #firstTries = 0
  /** An estimate above it is probed further. */
  #further = Number.POSITIVE_INFINITY
  #droppedAt: Instant = Number.NEGATIVE_INFINITY
  #beforeDrop = 0
  #dropProbedAt: Instant = Number.NEGATIVE_INFINITY
  /** The best that the estimate has risen to, as far as it is not forgotten, and when there was the last estimate. */
  #best = 0
  #estimatedAt: Instant = 0
  #recoveryInterval = RECOVERY_INTERVAL
  /** Whether it is probed for what there was, and the last cluster that was for something else. */
  #recovering = false
  #lastOrdinary = -1

  constructor(initial: number, max: number) {
    this.#estimate = initial
    this.max = max
  }

  /** A cluster to be sent. */
  poll(): ProbeCluster | undefined {
    return this.#waiting.shift()
  }

  setDesired(now: Instant, desired: number | undefined): void {
    const before = this.#desired ?? Number.POSITIVE_INFINITY
    const after = desired ?? Number.POSITIVE_INFINITY
    this.#desired = desired
    if (after !== before) this.#raised = after > before
    this.#probeDesired(now)
  }

  /** Called as packets are sent. `limitedSince`: since when less is sent than could be, if it is. */
  handleSent(now: Instant, limitedSince: Instant | undefined): void {
    if (this.#permission === 'forbidden') return
    if (this.#state === 'start') {
      this.#firstTries++
      // both, whatever comes of the first, unless that is as much as may be; the result of the last decides on further ones
      for (const scale of FIRST_SCALES) {
        if (!this.#probe(now, scale * this.#estimate, true)) return
      }
    } else if (this.#state === 'waiting') {
      if (now - this.#startedAt > MAX_WAIT) this.#giveUp()
    } else if (this.#raised) {
      this.#probeDesired(now)
    } else if (limitedSince !== undefined) {
      const since = Math.max(limitedSince, this.#startedAt)
      if (now - since >= LIMITED_INTERVAL) this.#probe(now, LIMITED_SCALE * this.#estimate, true)
    } else if (this.#hasFallen && now - this.#startedAt >= this.#recoveryInterval) {
      this.#recoveryInterval = Math.min(2 * this.#recoveryInterval, MAX_RECOVERY_INTERVAL)
      this.#probe(now, Math.min(RECOVERY_SCALE * this.#estimate, this.#best), true, true)
    }
  }

  /** Whether a cluster is to raise what has fallen. */
  isRecovery(id: number): boolean {
    return id > this.#lastOrdinary
  }

  get #hasFallen(): boolean {
    return this.#estimate < FALLEN * this.#best
  }

  /**
   * The cluster `id` has shown that the path takes this bitrate; `saturated`: and no more. Before the estimate is set by it: answers whether it is to be. What came too slowly, of
   * packets among those of others, shows nothing of what there is room for; nor does what was sent too slowly, and all of which came.
   */
  handleResult(id: number, bitrate: number, saturated: boolean): boolean {
    if (!saturated && bitrate < this.#estimate) return false
    this.#firstTries = FIRST_TRIES
    const isRecovery = this.isRecovery(id)
    if (isRecovery && saturated) return false
    if (isRecovery) this.#recoveryInterval = RECOVERY_INTERVAL
    if (id === this.clusters - 1 && !saturated && bitrate >= FURTHER_GROWTH * this.#estimate) {
      this.#further = Math.min(this.#further, FURTHER_THRESHOLD * bitrate)
    }
    return true
  }

  /** The path is there again, after a time in which nothing was told of it: what it takes is found out anew. */
  restart(): void {
    this.#complete()
    this.#state = 'start'
    this.#firstTries = 0
  }

  setEstimate(now: Instant, estimate: number, permission: ProbePermission): void {
    this.#permission = permission
    if (estimate < LARGE_DROP * this.#estimate) {
      this.#droppedAt = now
      this.#beforeDrop = this.#estimate
    }
    const elapsed = Math.max(0, now - this.#estimatedAt)
    this.#estimatedAt = now
    this.#best *= 0.5 ** (elapsed / HALF_LIFE)
    if (estimate > this.#estimate && estimate > this.#best) this.#best = estimate
    this.#estimate = estimate
    if (this.#state === 'waiting' && estimate > this.#further)
      this.#probe(now, FURTHER_SCALE * estimate, true, this.#recovering)
  }

  /** The queue that made the estimate fall has drained. */
  handleRecovery(now: Instant): void {
    if ((this.#state !== 'complete' && !this.#recovering) || this.#permission === 'forbidden') return
    if (now - this.#droppedAt > DROP_TIMEOUT) return
    if (now - this.#dropProbedAt <= DROP_INTERVAL) return
    const bitrate = AFTER_DROP_SCALE * this.#beforeDrop
    if ((1 - UNCERTAINTY) * bitrate <= this.#estimate) return
    this.#dropProbedAt = now
    this.#probe(now, bitrate, false)
  }

  #probeDesired(now: Instant): void {
    if (!this.#raised || this.#state !== 'complete' || this.#permission === 'forbidden') return
    if (now - this.#startedAt <= MAX_WAIT) return
    this.#raised = false
    const desired = this.#desired ?? Number.POSITIVE_INFINITY
    if (desired > this.#estimate) this.#probe(now, Math.min(desired, LIMITED_SCALE * this.#estimate), true)
  }

  #giveUp(): void {
    this.#complete()
    if (this.#firstTries < FIRST_TRIES) this.#state = 'start'
  }

  #complete(): void {
    this.#state = 'complete'
    this.#further = Number.POSITIVE_INFINITY
  }

  /** Answers whether its result is awaited, to probe `further`. */
  #probe(now: Instant, bitrate: number, further: boolean, recovering = false): boolean {
    if (this.#permission === 'forbidden') return false
    this.#recovering = recovering
    const bound = Math.min(
      this.max,
      MAX_OF_DESIRED * (this.#desired ?? Number.POSITIVE_INFINITY),
      this.#permission === 'limited' ? LOSS_LIMITED_SCALE * this.#estimate : Number.POSITIVE_INFINITY,
    )
    const bounded = Math.min(bitrate, bound)
    this.#startedAt = now
    // else nothing would be learned
    if (bound > this.#estimate) this.#add(bounded)
    if (!further || bitrate >= bound) {
      this.#complete()
      return false
    }
    this.#state = 'waiting'
    this.#further = FURTHER_THRESHOLD * bounded
    return true
  }

  #add(bitrate: number): void {
    if (this.#waiting.length === MAX_WAITING) this.#waiting.shift()
    if (!this.#recovering) this.#lastOrdinary = this.clusters
    this.#waiting.push({
      id: this.clusters++,
      bitrate,
      minPackets: MIN_PACKETS,
      minBytes: Math.ceil((bitrate * DURATION) / 8000),
    })
  }
}
