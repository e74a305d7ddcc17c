import type { Instant } from '@str0m/sans-io'

/** Bytes that a cache starts with; it doubles as the stream grows. */
const INITIAL_BYTES = 32 * 1024
/** Packets of one stream that are remembered: a power of two. */
const MAX_PACKETS = 2048

/** A packet that was sent, as a view of the cache: to be used before the next one is added. */
export interface CachedPacket {
  /** The RTP packet, before it was protected. */
  readonly packet: Uint8Array
  /** Where its payload starts. */
  readonly payloadStart: number
  readonly sentAt: Instant
}

interface Entry {
  sequenceNumber: number
  at: number
  length: number
  payloadStart: number
  sentAt: Instant
  lastResentAt: Instant
}

/** `sentAt` and `lastResentAt` with a fraction, as the times that go there have. */
const NO_ENTRY: Entry = {
  sequenceNumber: 0,
  at: 0,
  length: 0,
  payloadStart: 0,
  sentAt: 0.5,
  lastResentAt: 0.5,
}

/**
 * The last packets of a stream, for when the peer asks for them again (RFC 4585 section 6.2.1). Bounded in bytes and in time: a ring that new
 * packets are copied into over the oldest.
 */
export class SendCache {
  readonly #maxBytes: number
  readonly #maxAge: number
  #bytes = new Uint8Array(0)
  /** Where the next packet goes, counted on without wrapping. */
  #end = 0
  /** Of the newest packets, by their sequence number's last bits. Each is used again. */
  readonly #entries: (Entry | undefined)[] = []

  /** `maxBytes` is a bound on memory, `maxAge` is in milliseconds. */
  constructor(maxBytes: number, maxAge: number) {
    this.#maxBytes = maxBytes
    this.#maxAge = maxAge
  }

  /** Keeps a copy of the first `length` bytes of `buffer`. */
  add(now: Instant, sequenceNumber: number, buffer: Uint8Array, length: number, payloadStart: number): void {
    if (length > this.#maxBytes) return
    this.#makeRoom(length)
    const size = this.#bytes.length
    // a packet does not go around the end of the ring
    if ((this.#end % size) + length > size) this.#end += size - (this.#end % size)
    this.#bytes.set(buffer.subarray(0, length), this.#end % size)
    const entry = (this.#entries[sequenceNumber & (MAX_PACKETS - 1)] ??= { ...NO_ENTRY })
    entry.sequenceNumber = sequenceNumber
    entry.at = this.#end
    entry.length = length
    entry.payloadStart = payloadStart
    entry.sentAt = now
    entry.lastResentAt = Number.NEGATIVE_INFINITY
    this.#end += length
  }

  /**
   * A packet that is asked for again; `undefined` where it is gone, or where it was given out less than `interval` milliseconds
   * ago: the peer asks again before the answer can have come.
   */
  take(now: Instant, sequenceNumber: number, interval: number): CachedPacket | undefined {
    const entry = this.#entries[sequenceNumber & (MAX_PACKETS - 1)]
    if (entry === undefined || entry.sequenceNumber !== sequenceNumber) return undefined
    const overwritten = entry.at < this.#end - this.#bytes.length
    if (overwritten || now - entry.sentAt > this.#maxAge) return undefined
    if (now - entry.lastResentAt < interval) return undefined
    entry.lastResentAt = now
    const at = entry.at % this.#bytes.length
    return {
      packet: this.#bytes.subarray(at, at + entry.length),
      payloadStart: entry.payloadStart,
      sentAt: entry.sentAt,
    }
  }

  /** Grows the ring while it is being filled for the first time. */
  #makeRoom(length: number): void {
    const size = this.#bytes.length
    if (size >= this.#maxBytes || (this.#end + length <= size && size > 0)) return
    let larger = Math.max(INITIAL_BYTES, size)
    while (larger < this.#end + length && larger < this.#maxBytes) larger *= 2
    const bytes = new Uint8Array(Math.min(larger, this.#maxBytes))
    // it has not gone around yet: everything is where it was
    bytes.set(this.#bytes)
    this.#bytes = bytes
  }
}
