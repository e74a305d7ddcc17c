import type { Instant, Ssrc } from '@str0m/sans-io'
import { StreamIndex } from './stream-index.ts'

/** Packets that there is room for at first; it doubles. A power of two. */
const INITIAL_PACKETS = 512
/** Packets that are remembered at most, a quarter of the sequence numbers' circle: two seconds at 80 Mbit/s. A power of two. */
const MAX_PACKETS = 16_384
/** Milliseconds after which no feedback on a packet is awaited: the ring does not grow for older ones. */
const MAX_AWAITED = 10_000

/** What is known of a packet: nothing was told of it, it had come (or what is told no longer counts), it had not come, or it was sent again before anything was told. */
export const IN_FLIGHT = 0
export const RECEIVED = 1
export const LOST = 2
export const REPEATED = 3

/** No probe. Ids of clusters are not negative. */
export const NO_PROBE = -1

/** The size where a number is of no packet. */
const NO_PACKET = -1

/**
 * The packets that were sent last, by their transport-wide sequence numbers: when, how large, and what became of them. A ring in which a packet's place (its
 * *slot*) follows from its number; bounded.
 */
export class SentPackets {
  #sentAt = new Float64Array(INITIAL_PACKETS)
  #size = new Int32Array(INITIAL_PACKETS)
  #probe = new Int32Array(INITIAL_PACKETS)
  #state = new Uint8Array(INITIAL_PACKETS)
  #mask = INITIAL_PACKETS - 1
  /** Where packets are told of by their sources. */
  #index: StreamIndex | undefined
  /** Unwrapped. Starts one turn up, so that what lies before it is not negative. */
  #next = 0x1_0000
  /** The oldest that is remembered; the same as `#next` where there is none. */
  #first = 0x1_0000

  /** How many are remembered. */
  get length(): number {
    return this.#next - this.#first
  }

  /** How many there is room for now. */
  get capacity(): number {
    return this.#mask + 1
  }

  /** The unwrapped sequence number of the oldest that is remembered. */
  get first(): number {
    return this.#first
  }

  /** The unwrapped sequence number of the last packet; meaningless where there is none. */
  get last(): number {
    return this.#next - 1
  }

  /**
   * Remembers a packet with a 16-bit sequence number. Where that is not the one after the last, the numbers between are of no packets; where it is the last one's or
   * lies before it, nothing is remembered of what was sent so far.
   */
  add(now: Instant, sequenceNumber: number, size: number, probe: number): void {
    const low = sequenceNumber & 0xffff
    const ahead = (low - this.#next) & 0xffff
    if (this.#next === this.#first) {
      this.#next = this.#first = this.#next + ahead
    } else if (ahead !== 0) {
      this.#skip(now, ahead)
    }
    if (this.length > this.#mask) this.#makeRoom(now)
    const slot = this.#next & this.#mask
    this.#sentAt[slot] = now
    this.#size[slot] = size
    this.#probe[slot] = probe
    this.#state[slot] = IN_FLIGHT
    this.#next++
  }

  /**
   * Remembers a packet by its source and RTP sequence number; it gets the transport-wide number after the last. Of one that is sent again as it was, what is told is taken to be
   * of the first, unless that was told as lost.
   */
  addOfStream(now: Instant, ssrc: Ssrc, sequenceNumber: number, size: number, probe: number): void {
    this.add(now, this.#next & 0xffff, size, probe)
    this.#index ??= new StreamIndex(this.capacity)
    const slot = this.last & this.#mask
    const before = this.#index.find(ssrc, sequenceNumber)
    if (before >= 0 && this.#state[before] !== LOST) {
      this.#size[slot] = NO_PACKET
      this.#state[slot] = RECEIVED
      return
    }
    if (before >= 0) this.#index.remove(before)
    this.#index.add(slot, ssrc, sequenceNumber)
  }

  /**
   * The packet with a 16-bit sequence number was sent again as it was. When that comes tells nothing of the path, and that it comes does not make the first one come: whoever
   * asked for it had lost it.
   */
  repeat(sequenceNumber: number): void {
    const { last } = this
    const slot = this.find(last - ((last - sequenceNumber) & 0xffff))
    if (slot < 0) return
    const state = this.#state[slot]
    if (state === IN_FLIGHT) this.#state[slot] = REPEATED
    else if (state === LOST) this.#state[slot] = RECEIVED
  }

  /** The slot of the packet of a source; -1: none is remembered. */
  findOfStream(ssrc: Ssrc, sequenceNumber: number): number {
    return this.#index?.find(ssrc, sequenceNumber) ?? -1
  }

  /** The slot of an unwrapped sequence number that is remembered. */
  slotOf(sequence: number): number {
    return sequence & this.#mask
  }

  /** How far a slot's packet lies after the oldest that is remembered. */
  offset(slot: number): number {
    return (slot - this.#first) & this.#mask
  }

  /** The slot of the packet with an unwrapped sequence number; -1: none is remembered. */
  find(sequence: number): number {
    if (sequence < this.#first || sequence >= this.#next) return -1
    const slot = sequence & this.#mask
    return this.#size[slot] === NO_PACKET ? -1 : slot
  }

  sentAt(slot: number): Instant {
    return this.#sentAt[slot]!
  }

  size(slot: number): number {
    return this.#size[slot]!
  }

  probe(slot: number): number {
    return this.#probe[slot]!
  }

  state(slot: number): number {
    return this.#state[slot]!
  }

  setState(slot: number, state: number): void {
    this.#state[slot] = state
  }

  /** Leaves so many numbers out. */
  #skip(now: Instant, count: number): void {
    // all would be overwritten: also what seems to go back
    if (count >= this.capacity) {
      this.#next += count
      this.#first = this.#next
      this.#index?.clear()
      return
    }
    for (let i = 0; i < count; i++) {
      if (this.length > this.#mask) this.#makeRoom(now)
      const slot = this.#next & this.#mask
      this.#size[slot] = NO_PACKET
      this.#state[slot] = RECEIVED
      this.#next++
    }
  }

  #makeRoom(now: Instant): void {
    const oldest = this.#first & this.#mask
    const awaited = this.#state[oldest] === IN_FLIGHT && now - this.#sentAt[oldest]! <= MAX_AWAITED
    if (awaited && this.capacity < MAX_PACKETS) this.#grow()
    else {
      this.#index?.remove(oldest)
      this.#first++
    }
  }

  #grow(): void {
    const { capacity } = this
    const mask = 2 * capacity - 1
    const sentAt = new Float64Array(2 * capacity)
    const size = new Int32Array(2 * capacity)
    const probe = new Int32Array(2 * capacity)
    const state = new Uint8Array(2 * capacity)
    const index = this.#index === undefined ? undefined : new StreamIndex(2 * capacity)
    for (let sequence = this.#first; sequence < this.#next; sequence++) {
      const from = sequence & this.#mask
      const to = sequence & mask
      sentAt[to] = this.#sentAt[from]!
      size[to] = this.#size[from]!
      probe[to] = this.#probe[from]!
      state[to] = this.#state[from]!
      if (this.#index !== undefined) index?.take(to, this.#index, from)
    }
    this.#sentAt = sentAt
    this.#size = size
    this.#probe = probe
    this.#state = state
    this.#index = index
    this.#mask = mask
  }
}
