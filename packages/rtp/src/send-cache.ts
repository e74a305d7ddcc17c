import type { Instant } from '@str0m/sans-io'

/** Bytes that the ring starts with; it doubles as the stream grows. */
const INITIAL_BYTES = 32 * 1024
/** Packets of one stream that are remembered. */
const MAX_PACKETS = 8192
/** By so many last bits of their numbers packets are found; where there are more packets, by more. A power of two. */
const INITIAL_PLACES = 2048
/** Bytes up to which a copy one by one is the fastest: a header. */
const SHORT = 64

/** A packet that was sent: to be used before the next one is added or taken. */
export interface CachedPacket {
  /** The RTP packet, before it was protected. */
  readonly packet: Uint8Array
  /** Where its payload starts. */
  readonly payloadStart: number
  readonly sentAt: Instant
}

// What is known of each packet lies side by side in the order in which they came: with a hundred streams, what is scattered is not in the processor's
// cache. So these are the fields of a record of whole numbers, and of one of times.
const SEQUENCE_NUMBER = 0
const LENGTH = 1
/** Where in the ring its first bytes are: all but those that are shared. */
const AT = 2
const SHARED_START = 3
const SHARED_LENGTH = 4
const PAYLOAD_START = 5
/** 1 where it was let go of before its turn, since another has the same last bits. */
const GONE = 6
/** How often it was given out again. */
const REPEATS = 7
const FIELDS = 8
const SENT_AT = 0
const RESENT_AT = 1
const TIMES = 2

/** So often a packet is given out again as soon as it is asked for: further losses in a row are rare, also where much is lost. */
const MAX_PROMPT_REPEATS = 4

/** Of the records that there is room for at first; they double too. */
const INITIAL_RECORDS = 64

/**
 * The last packets of a stream, for when the peer asks for them again (RFC 4585 section 6.2.1). Bounded in bytes and in time. Packets are
 * copied into a ring, over the oldest; of one that goes out on many streams, they can all keep the same bytes.
 */
export class SendCache {
  readonly #maxBytes: number
  readonly #maxAge: number
  #ring = new Uint8Array(0)
  /** Where the next packet goes. */
  #end = 0
  /** Of all packets that are kept, shared ones too. */
  #bytes = 0
  /** Records, by their place: `#count` of them from `#first` on, around the end. */
  #fields = new Int32Array(0)
  #times = new Float64Array(0)
  #shared: (Uint8Array | undefined)[] = []
  #first = 0
  #count = 0
  /** By a sequence number's last bits, one more than the place of the newest such packet. */
  #places = new Uint16Array(INITIAL_PLACES)

  /** `maxBytes` is a bound on memory, `maxAge` is in milliseconds. */
  constructor(maxBytes: number, maxAge: number) {
    this.#maxBytes = maxBytes
    this.#maxAge = maxAge
  }

  /**
   * Keeps a copy of the first `length` bytes of `buffer`. Where `shared` is given, whose bytes are not to be changed any more, the last `sharedLength`
   * of them are also there, from `sharedStart` on, and are not copied.
   */
  add(
    now: Instant,
    sequenceNumber: number,
    buffer: Uint8Array,
    length: number,
    payloadStart: number,
    shared?: Uint8Array,
    sharedStart = 0,
    sharedLength = 0,
  ): void {
    if (length > this.#maxBytes) return
    const before = this.#placeOf(sequenceNumber)
    if (before >= 0) this.#letGo(before)
    this.#makeRoom(now, length)
    const at = this.#copy(buffer, length - sharedLength)
    const place = this.#nextPlace()
    const fields = this.#fields
    const record = FIELDS * place
    fields[record + SEQUENCE_NUMBER] = sequenceNumber
    fields[record + LENGTH] = length
    fields[record + AT] = at
    fields[record + SHARED_START] = sharedStart
    fields[record + SHARED_LENGTH] = sharedLength
    fields[record + PAYLOAD_START] = payloadStart
    fields[record + GONE] = 0
    fields[record + REPEATS] = 0
    this.#times[TIMES * place + SENT_AT] = now
    this.#times[TIMES * place + RESENT_AT] = Number.NEGATIVE_INFINITY
    this.#shared[place] = shared
    this.#places[sequenceNumber & (this.#places.length - 1)] = place + 1
    this.#count++
    this.#bytes += length
  }

  /**
   * A packet that is asked for again; `undefined` where it is gone, or where it was given out less than `interval` milliseconds
   * ago: the peer asks again before the answer can have come.
   *
   * There are peers that ask on and on for what has long come as a retransmission. So after the fourth time it is not given out for
   * `laterInterval` milliseconds either, and after each further time for twice as long. Default 0: for no longer than `interval`.
   */
  take(now: Instant, sequenceNumber: number, interval: number, laterInterval = 0): CachedPacket | undefined {
    const place = this.#placeOf(sequenceNumber)
    if (place < 0 || this.#fields[FIELDS * place + SEQUENCE_NUMBER] !== sequenceNumber) return undefined
    const times = this.#times
    const sentAt = times[TIMES * place + SENT_AT]!
    if (now - sentAt > this.#maxAge) return undefined
    const later = this.#fields[FIELDS * place + REPEATS]! - MAX_PROMPT_REPEATS
    const wait = later < 0 ? interval : Math.max(interval, laterInterval * 2 ** later)
    if (now - times[TIMES * place + RESENT_AT]! < wait) return undefined
    times[TIMES * place + RESENT_AT] = now
    this.#fields[FIELDS * place + REPEATS]!++
    const payloadStart = this.#fields[FIELDS * place + PAYLOAD_START]!
    return { packet: this.#packetAt(place), payloadStart, sentAt }
  }

  /** The newest packet, as often as it is asked for; `undefined` where it is gone. */
  latest(now: Instant): CachedPacket | undefined {
    if (this.#count === 0) return undefined
    const newest = (this.#first + this.#count - 1) % this.#capacity
    const sentAt = this.#times[TIMES * newest + SENT_AT]!
    if (this.#fields[FIELDS * newest + GONE] !== 0 || now - sentAt > this.#maxAge) return undefined
    return {
      packet: this.#packetAt(newest),
      payloadStart: this.#fields[FIELDS * newest + PAYLOAD_START]!,
      sentAt,
    }
  }

  #packetAt(place: number): Uint8Array {
    const fields = this.#fields
    const record = FIELDS * place
    const at = fields[record + AT]!
    const length = fields[record + LENGTH]!
    const copied = length - fields[record + SHARED_LENGTH]!
    const first = this.#ring.subarray(at, at + copied)
    const shared = this.#shared[place]
    if (shared === undefined) return first
    const start = fields[record + SHARED_START]!
    const packet = new Uint8Array(length)
    packet.set(first)
    packet.set(shared.subarray(start, start + length - copied), copied)
    return packet
  }

  /** The place of the packet whose number has the same last bits; -1: there is none. */
  #placeOf(sequenceNumber: number): number {
    return this.#places[sequenceNumber & (this.#places.length - 1)]! - 1
  }

  /** Forgets a packet; its record stays until it is its turn. */
  #letGo(place: number): void {
    const record = FIELDS * place
    this.#fields[record + GONE] = 1
    this.#shared[place] = undefined
    this.#places[this.#fields[record + SEQUENCE_NUMBER]! & (this.#places.length - 1)] = 0
    this.#bytes -= this.#fields[record + LENGTH]!
  }

  #dropFirst(): void {
    const first = this.#first
    if (this.#fields[FIELDS * first + GONE] === 0) this.#letGo(first)
    this.#first = first + 1 === this.#capacity ? 0 : first + 1
    this.#count--
  }

  get #capacity(): number {
    return this.#fields.length / FIELDS
  }

  /** Lets go of what is too old or too much, for a packet of `length` bytes. */
  #makeRoom(now: Instant, length: number): void {
    while (this.#count > 0) {
      const first = this.#first
      const keeps =
        this.#bytes + length <= this.#maxBytes &&
        this.#count < MAX_PACKETS &&
        now - this.#times[TIMES * first + SENT_AT]! <= this.#maxAge &&
        this.#fields[FIELDS * first + GONE] === 0
      if (keeps) return
      this.#dropFirst()
    }
  }

  /** Copies the first `length` bytes of `buffer` into the ring, and answers where they are. */
  #copy(buffer: Uint8Array, length: number): number {
    let at = this.#room(length)
    while (at < 0) {
      if (this.#ring.length < this.#maxBytes) this.#growRing(length)
      else this.#dropFirst()
      at = this.#room(length)
    }
    const ring = this.#ring
    if (length <= SHORT) for (let i = 0; i < length; i++) ring[at + i] = buffer[i]!
    else ring.set(buffer.subarray(0, length), at)
    this.#end = at + length
    return at
  }

  /** Where in the ring there are `length` bytes, -1: nowhere. A packet does not go around its end. */
  #room(length: number): number {
    const size = this.#ring.length
    if (this.#count === 0) return length <= size ? 0 : -1
    const end = this.#end
    const oldest = this.#fields[FIELDS * this.#first + AT]!
    if (end <= oldest) return length <= oldest - end ? end : -1
    if (length <= size - end) return end
    return length <= oldest ? 0 : -1
  }

  #growRing(length: number): void {
    const size = Math.max(INITIAL_BYTES, 2 * this.#ring.length, length)
    const ring = new Uint8Array(Math.min(size, this.#maxBytes))
    let end = 0
    for (let i = 0; i < this.#count; i++) {
      const record = FIELDS * ((this.#first + i) % this.#capacity)
      const copied = this.#fields[record + LENGTH]! - this.#fields[record + SHARED_LENGTH]!
      const from = this.#fields[record + AT]!
      ring.set(this.#ring.subarray(from, from + copied), end)
      this.#fields[record + AT] = end
      end += copied
    }
    this.#ring = ring
    this.#end = end
  }

  /** Where the next record goes. */
  #nextPlace(): number {
    if (this.#count === this.#capacity) this.#growRecords()
    const capacity = this.#capacity
    const place = this.#first + this.#count
    return place < capacity ? place : place - capacity
  }

  #growRecords(): void {
    const capacity = this.#capacity
    const larger = Math.max(INITIAL_RECORDS, 2 * capacity)
    const fields = new Int32Array(FIELDS * larger)
    const times = new Float64Array(TIMES * larger)
    const shared: (Uint8Array | undefined)[] = []
    // with twice as many places, packets in a row do not let go of each other before there are more records
    if (2 * larger > this.#places.length) this.#places = new Uint16Array(2 * larger)
    for (let i = 0; i < this.#count; i++) {
      const place = (this.#first + i) % capacity
      fields.set(this.#fields.subarray(FIELDS * place, FIELDS * (place + 1)), FIELDS * i)
      times.set(this.#times.subarray(TIMES * place, TIMES * (place + 1)), TIMES * i)
      shared.push(this.#shared[place])
      if (fields[FIELDS * i + GONE] === 0) {
        this.#places[fields[FIELDS * i + SEQUENCE_NUMBER]! & (this.#places.length - 1)] = i + 1
      }
    }
    this.#fields = fields
    this.#times = times
    this.#shared = shared
    this.#first = 0
  }
}
