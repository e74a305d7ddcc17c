import { type Instant, NEVER } from '@str0m/sans-io'
import type { SentChunk } from './outstanding.ts'
import type { RoundTrip } from './round-trip.ts'

/** Chunks sent later that are acknowledged before one counts as lost at once: DupThresh of RFC 8985. */
const REORDER_THRESHOLD = 3
/** The window for reordering, as a share of the least round-trip time, and how far it may widen. */
const REORDER_SHARE = 1 / 4
const MAX_WIDENING = 16

/** What acknowledgements tell of how late others may be, RFC 8985 section 6: what was sent well before something that has come is lost. */
export class Rack {
  readonly #roundTrip: RoundTrip
  /** The chunk sent last of all that are acknowledged. */
  #sentAt: Instant = Number.NEGATIVE_INFINITY
  #tsn = -1
  #rtt = 0
  #highestAcked: number
  #reordering = false
  #widening = 1

  /** `ackedTsn`: the last before the first that is sent. */
  constructor(roundTrip: RoundTrip, ackedTsn: number) {
    this.#roundTrip = roundTrip
    this.#highestAcked = ackedTsn
  }

  /** The round-trip time of the chunk sent last of all that are acknowledged, ms; 0 before the first. */
  get rtt(): number {
    return this.#rtt
  }

  /** A chunk is acknowledged for the first time. Samples the round-trip time where it tells one. */
  onAcked(chunk: SentChunk, now: Instant): void {
    const { tsn, sentAt, sends } = chunk
    const rtt = now - sentAt
    if (sends === 1) {
      if (tsn < this.#highestAcked) this.#reordering = true
    } else if (rtt < this.#roundTrip.min / 2) {
      // what came is the first copy: it was late, not lost
      this.#reordering = true
      this.#widening = Math.min(this.#widening * 2, MAX_WIDENING)
      return
    }
    this.#highestAcked = Math.max(this.#highestAcked, tsn)
    if (sentAt > this.#sentAt) {
      this.#sentAt = sentAt
      this.#tsn = tsn
      this.#rtt = rtt
      // RFC 9260 section 6.3.1, rule C5 (Karn's algorithm)
      if (sends === 1) this.#roundTrip.sample(rtt)
    } else if (sentAt === this.#sentAt && tsn > this.#tsn) {
      this.#tsn = tsn
    }
  }

  /** How much later than others chunks may come, ms, where `gapAcked` chunks are acknowledged ahead of one that is not. */
  reorderWindow(recovering: boolean, gapAcked: number): number {
    const eager = !this.#reordering && (recovering || gapAcked >= REORDER_THRESHOLD)
    const { min, smoothed } = this.#roundTrip
    if (eager || min === Number.POSITIVE_INFINITY) return 0
    return Math.min(Math.max(1, min * REORDER_SHARE) * this.#widening, Math.max(smoothed, 4))
  }

  /** When a chunk that has not come counts as lost; `NEVER` where nothing that was sent later has come. */
  lostAt({ sentAt, tsn }: SentChunk, window: number): Instant {
    const isEarlier = sentAt < this.#sentAt || (sentAt === this.#sentAt && tsn < this.#tsn)
    return isEarlier ? sentAt + this.#rtt + window : NEVER
  }
}
