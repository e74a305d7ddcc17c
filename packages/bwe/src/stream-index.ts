import type { Ssrc } from '@str0m/sans-io'

/** No slot: the end of a chain, and the mark of a slot that is in none. */
const END = -1
const UNLINKED = -2
/** Spreads sources over the buckets; the packets of one lie in buckets in a row. 2³² over the golden ratio. */
const SPREAD = 0x9e37_79b1

/**
 * Finds packets by their source and RTP sequence number, among those that are remembered: chains of slots, the latest packet of each first. It has as many places as there are
 * slots, and no more for many sources than for one.
 */
export class StreamIndex {
  readonly #ssrcs: Uint32Array
  readonly #sequenceNumbers: Uint16Array
  readonly #heads: Int32Array
  readonly #next: Int32Array
  readonly #mask: number

  /** `capacity`: a power of two. */
  constructor(capacity: number) {
    this.#ssrcs = new Uint32Array(capacity)
    this.#sequenceNumbers = new Uint16Array(capacity)
    this.#heads = new Int32Array(capacity).fill(END)
    this.#next = new Int32Array(capacity).fill(UNLINKED)
    this.#mask = capacity - 1
  }

  /** The slot of a packet; -1: it is not known. */
  find(ssrc: Ssrc, sequenceNumber: number): number {
    let slot = this.#heads[this.#bucket(ssrc, sequenceNumber)]!
    while (slot !== END && (this.#ssrcs[slot] !== ssrc || this.#sequenceNumbers[slot] !== sequenceNumber)) {
      slot = this.#next[slot]!
    }
    return slot
  }

  /** The slot is in no chain. */
  add(slot: number, ssrc: Ssrc, sequenceNumber: number): void {
    const bucket = this.#bucket(ssrc, sequenceNumber)
    this.#ssrcs[slot] = ssrc
    this.#sequenceNumbers[slot] = sequenceNumber
    this.#next[slot] = this.#heads[bucket]!
    this.#heads[bucket] = slot
  }

  remove(slot: number): void {
    const next = this.#next[slot]!
    if (next === UNLINKED) return
    const bucket = this.#bucket(this.#ssrcs[slot]!, this.#sequenceNumbers[slot]!)
    this.#next[slot] = UNLINKED
    let before = this.#heads[bucket]!
    if (before === slot) {
      this.#heads[bucket] = next
      return
    }
    while (this.#next[before] !== slot) before = this.#next[before]!
    this.#next[before] = next
  }

  /** Takes over what `before` knows of the slot `from`, which is `to` here. */
  take(to: number, before: StreamIndex, from: number): void {
    if (before.#next[from] !== UNLINKED) this.add(to, before.#ssrcs[from]!, before.#sequenceNumbers[from]!)
  }

  clear(): void {
    this.#heads.fill(END)
    this.#next.fill(UNLINKED)
  }

  #bucket(ssrc: Ssrc, sequenceNumber: number): number {
    return ((Math.imul(ssrc, SPREAD) >>> 16) + sequenceNumber) & this.#mask
  }
}
