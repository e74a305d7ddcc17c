import { type Instant, serial24 } from '@str0m/sans-io'
import type { Feedback } from './feedback.ts'
import { LOST, RECEIVED, type SentPackets } from './sent-packets.ts'

/** Ticks of 250 µs in a millisecond, and in the 64 ms of the reference time. */
const TICKS_PER_MS = 4
const TICKS_PER_REFERENCE = 256
/** What an arrival's place in a feedback is multiplied with its time by, to sort by both: more than the packets that can be remembered. */
const PLACES = 65_536

/**
 * Matches feedback to the packets that were sent (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1). What a feedback told that
 * was not known stands in its fields, until the next one is read.
 */
export class FeedbackReader {
  readonly #sent: SentPackets
  /** 24 bits of 64 ms, unwrapped; `undefined` before the first. */
  #referenceTime: number | undefined
  /** The sequence number after the last that was told of. */
  #untold = 0
  #slots = new Int32Array(0)
  #arrivals = new Float64Array(0)
  #keys = new Float64Array(0)

  /** Whether there are packets before it that no feedback has told of: one was lost, or is late. */
  afterGap = false
  /** How many packets had come, of which that had not been told. */
  received = 0
  /** How many and how many bytes had not come, of which nothing had been told. */
  lost = 0
  lostBytes = 0
  /** How many and how many bytes had come after all that had been told as lost. They are among the `received` too. */
  recovered = 0
  recoveredBytes = 0
  /** Bytes of which nothing had been told, come or not. */
  bytes = 0
  /** When the first and the last of all these were sent; the first is later than the last where there are none. */
  firstSentAt: Instant = Number.POSITIVE_INFINITY
  lastSentAt: Instant = Number.NEGATIVE_INFINITY

  constructor(sent: SentPackets) {
    this.#sent = sent
  }

  /** Of the packets that had come, in the order in which they came: the slot in `SentPackets`. */
  slot(index: number): number {
    return this.#slots[index]!
  }

  /** When it came, ms on the receiver's clock. */
  arrival(index: number): number {
    return this.#arrivals[index]!
  }

  /** Answers whether any of it was on a packet that is remembered. Each packet is told as come once, and as lost once. */
  read(feedback: Feedback): boolean {
    const sent = this.#sent
    const { deltas } = feedback
    this.#start()
    let ticks = this.#unwrap(feedback.referenceTime) * TICKS_PER_REFERENCE
    const { last } = sent
    const base = last - ((last - feedback.baseSequence) & 0xffff)
    this.afterGap = sent.find(this.#untold) >= 0 && base > this.#untold
    let known = false
    let ordered = true
    let previous = Number.NEGATIVE_INFINITY
    for (let i = 0; i < deltas.length; i++) {
      const delta = deltas[i]
      if (delta !== undefined) ticks += delta | 0
      const slot = sent.find(base + i)
      if (slot < 0) continue
      known = true
      this.#untold = Math.max(this.#untold, base + i + 1)
      const state = sent.state(slot)
      if (state === RECEIVED) continue
      if (delta === undefined) {
        if (state === LOST) continue
        sent.setState(slot, LOST)
        this.lost++
        this.lostBytes += sent.size(slot)
        this.#count(slot)
        continue
      }
      if (state === LOST) {
        this.recovered++
        this.recoveredBytes += sent.size(slot)
      } else {
        this.#count(slot)
      }
      sent.setState(slot, RECEIVED)
      this.#slots[this.received] = slot
      this.#arrivals[this.received++] = ticks / TICKS_PER_MS
      if (ticks < previous) ordered = false
      previous = ticks
    }
    if (!ordered) this.#sort()
    return known
  }

  #count(slot: number): void {
    const sentAt = this.#sent.sentAt(slot)
    this.bytes += this.#sent.size(slot)
    if (sentAt < this.firstSentAt) this.firstSentAt = sentAt
    if (sentAt > this.lastSentAt) this.lastSentAt = sentAt
  }

  #start(): void {
    this.received = this.lost = this.lostBytes = this.recovered = this.recoveredBytes = this.bytes = 0
    this.firstSentAt = Number.POSITIVE_INFINITY
    this.lastSentAt = Number.NEGATIVE_INFINITY
    if (this.#slots.length >= this.#sent.length) return
    const { capacity } = this.#sent
    this.#slots = new Int32Array(capacity)
    this.#arrivals = new Float64Array(capacity)
    this.#keys = new Float64Array(capacity)
  }

  #unwrap(referenceTime: number): number {
    const unwrapped = serial24.unwrap(referenceTime, this.#referenceTime ?? referenceTime)
    this.#referenceTime = unwrapped
    return unwrapped
  }

  /** Puts what came into the order of its coming. Times and places become one number each, which sort without a closure. */
  #sort(): void {
    const count = this.received
    let earliest = Number.POSITIVE_INFINITY
    for (let i = 0; i < count; i++) earliest = Math.min(earliest, this.#arrivals[i]!)
    const keys = this.#keys.subarray(0, count)
    for (let i = 0; i < count; i++) keys[i] = (this.#arrivals[i]! - earliest) * TICKS_PER_MS * PLACES + i
    keys.sort()
    const slots = this.#slots.slice(0, count)
    for (let i = 0; i < count; i++) {
      const place = keys[i]! % PLACES
      this.#slots[i] = slots[place]!
      this.#arrivals[i] = earliest + (keys[i]! - place) / PLACES / TICKS_PER_MS
    }
  }
}
