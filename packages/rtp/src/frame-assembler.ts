import { type Instant, NEVER, serial16, serial32 } from '@str0m/sans-io'
import type { Depacketizer } from './codecs/depacketizer.ts'

/** Most packets that wait for an earlier one: about a second of a 12 Mbit/s stream. A power of two. */
export const MAX_REORDERED_PACKETS: number = 1024

/** A packet's part in a frame. */
export interface FramePacket {
  readonly sequenceNumber: number
  readonly timestamp: number
  readonly marker: boolean
  readonly payload: Uint8Array
}

/** A whole frame. */
export interface Frame {
  readonly data: Uint8Array
  readonly keyframe: boolean
  /** The timestamp, unwrapped: it goes on rising where the 32 bits on the wire start again. */
  readonly timestamp: number
  /** Unwrapped sequence numbers of its first and last packet. */
  readonly firstSequence: number
  readonly lastSequence: number
  /** False where a frame before this one was given up or could not be put together. */
  readonly contiguous: boolean
  /** When its first packet came. */
  readonly receivedAt: Instant
}

interface Slot extends FramePacket {
  readonly sequence: number
  readonly receivedAt: Instant
}

export interface FrameAssemblerStatistics {
  packetsLate: number
  packetsDuplicated: number
  /** Sequence numbers that were waited for in vain. */
  packetsGivenUp: number
  framesAssembled: number
  /** Frames whose start or middle was lost, or whose payloads were malformed. */
  framesDropped: number
}

/**
 * Puts the packets of one stream in order and makes frames of them. A lost packet delays what comes after it by `maxWait` at
 * most, and only by as many packets as the buffer holds: then it is given up.
 */
export class FrameAssembler {
  readonly statistics: FrameAssemblerStatistics = {
    packetsLate: 0,
    packetsDuplicated: 0,
    packetsGivenUp: 0,
    framesAssembled: 0,
    framesDropped: 0,
  }
  readonly #depacketizer: Depacketizer
  readonly #maxWait: number
  readonly #slots: (Slot | undefined)[] = []
  /** Grows with what really comes in, so that an idle stream stays small. */
  #capacity = 64
  /** The first packet of the frame that comes next; -1 before the first packet. */
  #start = -1
  /** The first packet that has not been looked at: from `#start` to here, all are there and of one frame. */
  #scan = -1
  #highest = -1
  /** Whether `#start` is known to be the first packet of a frame. */
  #aligned = false
  #contiguous = true
  /** When the packet at `#scan` was found missing. */
  #waitingSince = NEVER
  #timestamp: number | undefined
  #now: Instant = 0
  readonly #frames: Frame[] = []

  /** `maxWait` is in milliseconds. */
  constructor(depacketizer: Depacketizer, maxWait: number) {
    this.#depacketizer = depacketizer
    this.#maxWait = maxWait
  }

  /** When `handleTimeout` is next needed. */
  get deadline(): Instant {
    return this.#waitingSince === NEVER ? NEVER : this.#waitingSince + this.#maxWait
  }

  /** Takes a packet. Those of an empty payload (padding) only fill their place in the order. */
  handlePacket(now: Instant, packet: FramePacket): void {
    this.#now = Math.max(now, this.#now)
    if (this.#start < 0) {
      // one cycle above zero, so that packets before the first have a number too
      this.#start = this.#scan = this.#highest = packet.sequenceNumber + 0x1_0000
    }
    const sequence = serial16.unwrap(packet.sequenceNumber, this.#highest)
    if (sequence < this.#start) {
      this.statistics.packetsLate++
      return
    }
    if (sequence - this.#start >= MAX_REORDERED_PACKETS) this.#makeRoom(sequence)
    while (sequence - this.#start >= this.#capacity) this.#grow()
    const index = sequence & (this.#capacity - 1)
    if (this.#slots[index] !== undefined) {
      this.statistics.packetsDuplicated++
      return
    }
    this.#slots[index] = { ...packet, sequence, receivedAt: this.#now }
    if (sequence > this.#highest) this.#highest = sequence
    this.#advance()
  }

  /** Gives up what has been waited for too long. */
  handleTimeout(now: Instant): void {
    this.#now = Math.max(now, this.#now)
    while (this.#now >= this.deadline) this.#giveUp()
  }

  /** The next frame in order. */
  pollFrame(): Frame | undefined {
    return this.#frames.shift()
  }

  #slot(sequence: number): Slot | undefined {
    const slot = this.#slots[sequence & (this.#capacity - 1)]
    return slot?.sequence === sequence ? slot : undefined
  }

  #grow(): void {
    const old = this.#slots.filter((slot) => slot !== undefined)
    this.#capacity *= 2
    this.#slots.length = 0
    this.#slots.length = this.#capacity
    for (const slot of old) this.#slots[slot.sequence & (this.#capacity - 1)] = slot
  }

  /** Gives up from the front until `sequence` fits. */
  #makeRoom(sequence: number): void {
    while (sequence - this.#start >= MAX_REORDERED_PACKETS) {
      if (this.#scan > this.#highest) {
        // nothing waits: what lies between never came
        this.statistics.packetsGivenUp += sequence - this.#scan
        this.#discard(this.#start, this.#scan)
        this.#restartAt(sequence)
        return
      }
      this.#giveUp()
    }
  }

  /** Looks at the packets that are in order now. */
  #advance(): void {
    const { onePacketPerFrame } = this.#depacketizer
    for (;;) {
      const slot = this.#slot(this.#scan)
      if (slot === undefined) break
      const first = this.#slot(this.#start)
      if (first !== undefined && this.#scan > this.#start && slot.timestamp !== first.timestamp) {
        // a frame whose last packet had no marker
        this.#deliver(this.#scan)
      }
      this.#scan++
      if (onePacketPerFrame || slot.marker) this.#deliver(this.#scan)
      this.#waitingSince = NEVER
    }
    if (this.#scan > this.#highest) this.#waitingSince = NEVER
    else if (this.#waitingSince === NEVER) this.#waitingSince = this.#now
  }

  /** Makes a frame of the packets from `#start` up to `end`, which starts the next one. */
  #deliver(end: number): void {
    const start = this.#start
    const slots: Slot[] = []
    for (let sequence = start; sequence < end; sequence++) {
      const slot = this.#slot(sequence)
      if (slot !== undefined && slot.payload.length > 0) slots.push(slot)
    }
    this.#discard(start, end)
    this.#start = end
    const aligned = this.#aligned
    this.#aligned = true
    const first = slots[0]
    // padding alone
    if (first === undefined) return
    if (!aligned && !this.#depacketizer.startsFrame(first.payload)) {
      this.#drop()
      return
    }
    const frame = this.#depacketizer.assemble(slots.map((slot) => slot.payload))
    if (frame === undefined) {
      this.#drop()
      return
    }
    this.statistics.framesAssembled++
    this.#timestamp =
      this.#timestamp === undefined ? first.timestamp : serial32.unwrap(first.timestamp, this.#timestamp)
    this.#frames.push({
      data: frame.data,
      keyframe: frame.keyframe,
      timestamp: this.#timestamp,
      firstSequence: start,
      lastSequence: end - 1,
      contiguous: this.#contiguous,
      receivedAt: first.receivedAt,
    })
    this.#contiguous = true
  }

  #drop(): void {
    this.statistics.framesDropped++
    this.#contiguous = false
  }

  #discard(from: number, to: number): void {
    for (let sequence = from; sequence < to; sequence++)
      this.#slots[sequence & (this.#capacity - 1)] = undefined
  }

  /** The packet at `#scan` will not come: goes on at the next one that is there. */
  #giveUp(): void {
    let next = this.#scan
    while (next <= this.#highest && this.#slot(next) === undefined) next++
    this.statistics.packetsGivenUp += next - this.#scan
    if (this.#scan > this.#start) this.#drop()
    this.#discard(this.#start, this.#scan)
    this.#restartAt(next)
    this.#advance()
  }

  #restartAt(sequence: number): void {
    this.#start = this.#scan = sequence
    this.#aligned = false
    this.#contiguous = false
    this.#waitingSince = NEVER
  }
}
