import { type Instant, serial16, serial24, serial32 } from '@str0m/sans-io'
import type { Feedback, StreamFeedback } from './feedback.ts'
import { IN_FLIGHT, LOST, RECEIVED, type SentPackets, REPEATED } from './sent-packets.ts'

/** Ticks of 250 µs in a millisecond, and in the 64 ms of the reference time. */
const TICKS_PER_MS = 4
const TICKS_PER_REFERENCE = 256
/** Units of a report's timestamp in a millisecond, and in an arrival's offset. */
const UNITS_PER_MS = 65.536
const UNITS_PER_OFFSET = 64
/** An arrival's offset that says when it was; those above do not. */
const MAX_OFFSET = 0x1ffd
/** What an arrival's time is multiplied with, to sort by it and then by the order of sending: more than the packets that can be remembered. */
const PLACES = 65_536

/**
 * Matches feedback to the packets that were sent (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1, RFC 8888 section 3.1). What a feedback told that
 * was not known stands in its fields, until the next one is read.
 */
export class FeedbackReader {
  readonly #sent: SentPackets
  /** 24 bits of 64 ms, unwrapped; `undefined` before the first. */
  #referenceTime: number | undefined
  /** 32 bits of 1/65536 s, unwrapped; `undefined` before the first. */
  #reportTimestamp: number | undefined
  /** The sequence number after the last that was told of. */
  #untold = 0
  #slots = new Int32Array(0)
  /** In units that are whole numbers. */
  #arrivals = new Float64Array(0)
  #unitsPerMs = TICKS_PER_MS
  #keys = new Float64Array(0)

  /** Whether there are packets before it that no feedback has told of: one was lost, or is late. */
  afterGap = false
  /** How many packets had come, of which that had not been told. */
  received = 0
  /** How many had come, it is not known when. They are not among the `received`. */
  untimed = 0
  /** How many and how many bytes had not come, of which nothing had been told. */
  lost = 0
  lostBytes = 0
  /** How many and how many bytes had come after all that had been told as lost. They are among the `received` or the `untimed` too. */
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

  /** Packets of which nothing had been told, come or not. */
  get packets(): number {
    return this.received + this.untimed + this.lost - this.recovered
  }

  /** Of the packets that had come, in the order in which they came: the slot in `SentPackets`. */
  slot(index: number): number {
    return this.#slots[index]!
  }

  /** When it came, ms on the receiver's clock. */
  arrival(index: number): number {
    return this.#arrivals[index]! / this.#unitsPerMs
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
    this.#unitsPerMs = TICKS_PER_MS
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
      if (delta === undefined) {
        this.#takeLost(slot)
      } else if (this.#takeReceived(slot)) {
        this.#slots[this.received] = slot
        this.#arrivals[this.received++] = ticks
        if (ticks < previous) ordered = false
        previous = ticks
      }
    }
    if (!ordered) this.#sort()
    return known
  }

  /** The same of feedback stream by stream. */
  readStreams({ reportTimestamp, streams }: StreamFeedback): boolean {
    const sent = this.#sent
    this.#start()
    this.#unitsPerMs = UNITS_PER_MS
    const at = serial32.unwrap(reportTimestamp, this.#reportTimestamp ?? reportTimestamp)
    this.#reportTimestamp = at
    this.afterGap = false
    let known = false
    for (const { ssrc, beginSequence, arrivalOffsets } of streams) {
      const before = sent.findOfStream(ssrc, serial16.add(beginSequence, -1))
      if (before >= 0 && sent.state(before) === IN_FLIGHT) this.afterGap = true
      for (let i = 0; i < arrivalOffsets.length; i++) {
        const slot = sent.findOfStream(ssrc, serial16.add(beginSequence, i))
        if (slot < 0) continue
        known = true
        const offset = arrivalOffsets[i]
        if (offset === undefined) {
          this.#takeLost(slot)
        } else if (this.#takeReceived(slot)) {
          if (offset >= 0 && offset <= MAX_OFFSET) {
            this.#slots[this.received] = slot
            this.#arrivals[this.received++] = at - (offset | 0) * UNITS_PER_OFFSET
          } else {
            this.untimed++
          }
        }
      }
    }
    this.#sort()
    return known
  }

  /** It had not come. */
  #takeLost(slot: number): void {
    const sent = this.#sent
    const state = sent.state(slot)
    if (state !== IN_FLIGHT && state !== REPEATED) return
    sent.setState(slot, state === IN_FLIGHT ? LOST : RECEIVED)
    this.lost++
    this.lostBytes += sent.size(slot)
    this.#count(slot)
  }

  /** It had come. Answers whether that is new. */
  #takeReceived(slot: number): boolean {
    const sent = this.#sent
    const state = sent.state(slot)
    if (state === RECEIVED) return false
    if (state === REPEATED) {
      // it is the second one that had come
      this.#takeLost(slot)
      return false
    }
    if (state === LOST) {
      this.recovered++
      this.recoveredBytes += sent.size(slot)
    } else {
      this.#count(slot)
    }
    sent.setState(slot, RECEIVED)
    return true
  }

  #count(slot: number): void {
    const sentAt = this.#sent.sentAt(slot)
    this.bytes += this.#sent.size(slot)
    if (sentAt < this.firstSentAt) this.firstSentAt = sentAt
    if (sentAt > this.lastSentAt) this.lastSentAt = sentAt
  }

  #start(): void {
    this.received =
      this.untimed =
      this.lost =
      this.lostBytes =
      this.recovered =
      this.recoveredBytes =
      this.bytes =
        0
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

  /** Puts what came into the order of its coming, and what came at once into that of its sending. Both become one number, which sorts without a closure. */
  #sort(): void {
    const count = this.received
    let earliest = Number.POSITIVE_INFINITY
    for (let i = 0; i < count; i++) earliest = Math.min(earliest, this.#arrivals[i]!)
    const keys = this.#keys.subarray(0, count)
    const sent = this.#sent
    for (let i = 0; i < count; i++) {
      keys[i] = (this.#arrivals[i]! - earliest) * PLACES + sent.offset(this.#slots[i]!)
    }
    keys.sort()
    for (let i = 0; i < count; i++) {
      const place = keys[i]! % PLACES
      this.#slots[i] = sent.slotOf(sent.first + place)
      this.#arrivals[i] = earliest + (keys[i]! - place) / PLACES
    }
  }
}
