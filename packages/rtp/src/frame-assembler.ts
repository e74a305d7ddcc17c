import { type Instant, NEVER, OutputQueue, serial16, serial32, UsageError } from '@str0m/sans-io'
import type { Depacketizer, FrameLayers, FrameStart } from './codecs/depacketizer.ts'
import { unwrapTimestamp } from './elapsed-timestamp.ts'
import type { HeaderExtensions } from './header-extensions.ts'
import {
  bytesOf,
  clearSlot,
  emptySlot,
  type FramePacket,
  fillSlot,
  PacketRing,
  type PacketSlot,
} from './packet-ring.ts'
import { MAX_MISORDER_OF_REPEATED } from './reception-statistics.ts'

// The packets of a stream lie in a ring, each in the place of its sequence number:
//
//   #start          #scan                          #highest
//     |  one frame    |  missing, then what waits      |
//
// From #start up to #scan all are there and of one frame. #scan goes on while the packet there has come; at a marker or a new
// timestamp a frame is delivered. Where the packet at #scan is missing, a later one waits for it: `maxWait` at most.

/** Most packets that wait for an earlier one, or make up one frame: about a second of an 80 Mbit/s stream. A power of two. */
export const MAX_REORDERED_PACKETS: number = 8192
/** And most bytes of them, with their headers. */
export const MAX_REORDERED_BYTES: number = 8 * 2 ** 20
/** Most packets in a row that are waited for: more is an outage. */
const MAX_GAP = 1024
/** A packet this far from the others is no loss but may be a restart of the sender, RFC 3550 appendix A.1 (MAX_DROPOUT). */
const MAX_DROPOUT = 3000
/** How close the packet after such a jump has to be, to confirm it (MAX_MISORDER). */
const MAX_MISORDER = 100
/** A sender that restarted just behind where it was: so many packets, for so many milliseconds, that are all late. */
const LATE_PACKETS_TO_RESTART = 8
const LATE_TIME_TO_RESTART = 1000
/** So many frames in a row that end with a marker: one that does not is no longer taken for a sender that sets none. */
const MARKERS_OF_HABIT = 32
const SEQUENCE_CYCLE = 0x1_0000

/** A whole frame. */
export interface Frame {
  readonly data: Uint8Array
  readonly keyframe: boolean
  /** The timestamp, unwrapped: it goes on rising where the 32 bits on the wire start again. Over a silence of hours, where the clock rate is known. */
  readonly timestamp: number
  /** Sequence numbers of its first and last packet, unwrapped: later frames have higher ones, even after a restart of the sender. */
  readonly firstSequence: number
  readonly lastSequence: number
  /** False where something before this frame, and after the last one, was lost. */
  readonly contiguous: boolean
  /** When its first packet came. */
  readonly receivedAt: Instant
  /** Where the payload format tells them. */
  readonly layers: FrameLayers | undefined
  /** Of its first packet, where it was given. */
  readonly payloadType: number | undefined
  /** The header extensions of its packets, where they were given; where several have the same one, that of the first. */
  readonly extensions: HeaderExtensions | undefined
}

export interface FrameAssemblerStatistics {
  /** Packets that came after they were given up, after a packet that was handed on, or far off and alone. */
  packetsLate: number
  packetsDuplicated: number
  /** Sequence numbers that were waited for in vain. */
  packetsGivenUp: number
  framesAssembled: number
  /** Frames whose start, middle or end was lost, or whose payloads were malformed, as far as they are known of. */
  framesDropped: number
  /** Jumps of the sequence number that were taken as a restart of the sender. */
  restarts: number
}

/** Throws a `UsageError` (`invalid-option`) for what is no time that a packet can be waited for. */
export function checkWait(name: string, milliseconds: number): void {
  if (!(milliseconds >= 0 && milliseconds < NEVER)) {
    throw new UsageError('invalid-option', `${name} is a number of milliseconds, not ${milliseconds}`)
  }
}

/**
 * Puts the packets of one stream in order and makes frames of them. A lost packet delays what comes after it by `maxWait` at
 * most, and only by as many packets and bytes as the buffer holds: then it is given up. A frame that comes out was sent just so.
 */
export class FrameAssembler {
  readonly statistics: FrameAssemblerStatistics = {
    packetsLate: 0,
    packetsDuplicated: 0,
    packetsGivenUp: 0,
    framesAssembled: 0,
    framesDropped: 0,
    restarts: 0,
  }
  readonly #depacketizer: Depacketizer
  readonly #maxWait: number
  readonly #clockRate: number | undefined
  readonly #packets = new PacketRing()
  /** The first packet of the frame that comes next; -1 before the first packet. */
  #start = -1
  #scan = -1
  #highest = -1
  /** Whether nothing was delivered or given up yet: until then, a packet before the first one is welcome. */
  #fresh = true
  #seeksBeginning = false
  /** Whether `#start` is known to be the first packet of a frame. */
  #aligned = false
  /** How many frames in a row have ended with a marker. */
  #markersInARow = 0
  /** How the stream's frames begin, where the depacketizer learns it. */
  #knownStart: FrameStart | undefined
  #contiguous = true
  #needsKeyframe = false
  #keyframeSeen = false
  /** The timestamp of the frame at `#start`; -1 while only padding came. */
  #frameTimestamp = -1
  /** When the first of the packets that wait for the one at `#scan` came. */
  #waitingSince = NEVER
  /** Of the frame that was delivered last, and when that came. */
  #lastTimestamp: number | undefined
  #lastReceivedAt: Instant = 0
  /** A packet after a jump, which another one is to confirm; its sequence is -1 where there is none. */
  readonly #suspect: PacketSlot = emptySlot()
  #lateInARow = 0
  #acceptedAt: Instant = 0
  #now: Instant = Number.NEGATIVE_INFINITY
  readonly #frames = new OutputQueue<Frame>()

  /** The sequence number that the first frame follows, where it is known; -1 else, and after that frame. */
  #previous: number

  /**
   * `maxWait` is in milliseconds, 0 or more. `previous` is the sequence number that the first packet is to follow, where there was one; -1: there was none. `clockRate` is
   * that of the timestamps, in hertz, where it is known. Throws a `UsageError` (`invalid-option`) where `maxWait` is none.
   */
  constructor(depacketizer: Depacketizer, maxWait: number, previous = -1, clockRate?: number) {
    checkWait('maxWait', maxWait)
    this.#depacketizer = depacketizer
    this.#maxWait = maxWait
    this.#previous = previous
    this.#clockRate = clockRate
  }

  /** When `handleTimeout` is next needed. */
  get deadline(): Instant {
    return this.#waitingSince + this.#maxWait
  }

  /** Whether what comes next cannot be decoded before a keyframe: the stream started without one, or something was lost since. */
  get needsKeyframe(): boolean {
    return this.#needsKeyframe
  }

  /** Whether the stream seems to start in the middle of a frame: its beginning was lost or overtaken, and is waited for, as long as no keyframe comes instead. */
  get seeksBeginning(): boolean {
    return this.#seeksBeginning
  }

  /**
   * Whether this packet is waited for, or is one of the next: another copy of it is of use. With `timestamp`, where it is also later than what came before it: what is
   * not has another place in the order.
   */
  isMissing(sequenceNumber: number, timestamp?: number): boolean {
    if (this.#start < 0) return false
    const sequence = serial16.unwrap(sequenceNumber, this.#highest)
    if (sequence < this.#start || sequence - this.#highest >= MAX_MISORDER) return false
    if (this.#packets.at(sequence) !== undefined) return false
    if (timestamp === undefined) return true
    for (let before = Math.min(sequence - 1, this.#highest); before >= this.#start; before--) {
      const slot = this.#packets.at(before)
      if (slot !== undefined) return serial32.diff(timestamp, slot.timestamp) > 0
    }
    return this.#lastTimestamp === undefined || serial32.diff(timestamp, this.#lastTimestamp) > 0
  }

  /** The sequence number that the next frame starts with: what is missing before it was given up. -1 before the first packet. */
  get nextSequenceNumber(): number {
    return this.#start < 0 ? -1 : this.#start & 0xffff
  }

  /**
   * Takes a packet. Those of an empty payload (padding) only fill their place in the order. `payload` is not to be changed after. One that is `repeated`, as it was lost
   * before, tells nothing of a restart of the sender.
   */
  handlePacket(now: Instant, packet: FramePacket, payload: Uint8Array, repeated = false): void {
    this.#now = Math.max(now, this.#now)
    const { sequenceNumber } = packet
    if (this.#start < 0) {
      // one cycle above zero, so that packets before the first have a number too
      this.#start = this.#scan = this.#highest = sequenceNumber + SEQUENCE_CYCLE
      this.#acceptedAt = this.#now
    }
    const sequence = serial16.unwrap(sequenceNumber, this.#highest)
    if (sequence < this.#start && !this.#makeRoomBefore(sequence)) {
      if (repeated) this.statistics.packetsLate++
      else this.#handleLate(sequence, packet, payload)
      return
    }
    if (sequence - this.#highest >= MAX_DROPOUT) {
      if (repeated) this.statistics.packetsLate++
      else this.#handleJump(packet, payload)
      return
    }
    this.#accept(sequence, packet, payload)
  }

  /** Gives up what has been waited for too long. */
  handleTimeout(now: Instant): void {
    this.#now = Math.max(now, this.#now)
    while (this.#now >= this.deadline) this.#giveUp()
  }

  /** Gives up all that is missing: nothing more will come. */
  flush(): void {
    while (this.#waitingSince !== NEVER) this.#giveUp()
  }

  /** The next frame in order. */
  pollFrame(): Frame | undefined {
    return this.#frames.shift()
  }

  #accept(sequence: number, packet: FramePacket, payload: Uint8Array): void {
    if (this.#packets.at(sequence) !== undefined) {
      this.statistics.packetsDuplicated++
      return
    }
    this.#makeRoomFor(sequence, bytesOf(packet, payload))
    // it was among what was given up
    if (sequence < this.#start) {
      this.statistics.packetsLate++
      return
    }
    this.#packets.fit(sequence - this.#start + 1)
    this.#packets.put(sequence, packet, payload, this.#now)
    this.#lateInARow = 0
    if (this.#suspect.sequence >= 0) {
      this.statistics.packetsLate++
      clearSlot(this.#suspect)
    }
    this.#acceptedAt = this.#now
    if (sequence > this.#highest) this.#highest = sequence
    if (this.#seeksBeginning && sequence > this.#start && this.#depacketizer.startsKeyframe(payload)) {
      this.#giveUp()
    }
    this.#advance()
  }

  /** Before the first delivery, lets the stream start at an earlier packet: the first two may have changed places. */
  #makeRoomBefore(sequence: number): boolean {
    if (!this.#fresh || this.#start - sequence >= MAX_MISORDER) return false
    if (this.#highest - sequence >= MAX_REORDERED_PACKETS) return false
    // of another codec, whose frames are out
    if (this.#previous >= 0 && serial16.diff(sequence & 0xffff, this.#previous) <= 0) return false
    this.#packets.fit(this.#highest - sequence + 1)
    this.#start = this.#scan = sequence
    this.#frameTimestamp = -1
    return true
  }

  #handleLate(sequence: number, packet: FramePacket, payload: Uint8Array): void {
    if (this.#start - sequence > MAX_MISORDER_OF_REPEATED) {
      this.#handleJump(packet, payload)
      return
    }
    this.statistics.packetsLate++
    this.#lateInARow++
    if (this.#lateInARow >= LATE_PACKETS_TO_RESTART && this.#now - this.#acceptedAt >= LATE_TIME_TO_RESTART) {
      this.#restart(packet.sequenceNumber, packet, payload)
    }
  }

  /** RFC 3550 appendix A.1: one packet far off is ignored, with a second one next to it the sender has restarted. */
  #handleJump(packet: FramePacket, payload: Uint8Array): void {
    const suspect = this.#suspect
    const distance = suspect.sequence < 0 ? 0 : serial16.diff(packet.sequenceNumber, suspect.sequence)
    if (distance === 0 || Math.abs(distance) > MAX_MISORDER) {
      if (suspect.sequence >= 0 || distance !== 0) this.statistics.packetsLate++
      fillSlot(suspect, packet.sequenceNumber, packet, payload, this.#now)
      return
    }
    const { sequence: sequenceNumber, payload: suspectPayload } = suspect
    const { timestamp, marker, payloadType, extensions } = suspect
    const first = distance < 0 ? packet.sequenceNumber : sequenceNumber
    this.#restart(first, { sequenceNumber, timestamp, marker, payloadType, extensions }, suspectPayload)
    this.#accept(serial16.unwrap(packet.sequenceNumber, this.#highest), packet, payload)
  }

  /** Drops what waits, and goes on at `first` with `packet`, close to it. Sequence numbers go on rising: the cycle is the next one. */
  #restart(first: number, packet: FramePacket, payload: Uint8Array): void {
    this.statistics.restarts++
    clearSlot(this.#suspect)
    this.#knownStart = undefined
    if (this.#highest >= this.#start) this.#drop()
    this.#packets.discard(this.#start, this.#highest + 1)
    const ahead = (first - this.#highest) & 0xffff
    this.#restartAt(this.#highest + (ahead === 0 ? SEQUENCE_CYCLE : ahead))
    this.#highest = this.#start
    this.#accept(serial16.unwrap(packet.sequenceNumber, this.#highest), packet, payload)
  }

  /** Whether so many bytes more at `sequence` are within the bounds. */
  #hasRoom(sequence: number, bytes: number): boolean {
    return (
      sequence - this.#start < MAX_REORDERED_PACKETS &&
      sequence - this.#highest <= MAX_GAP &&
      this.#packets.bytes + bytes <= MAX_REORDERED_BYTES
    )
  }

  /** Gives up from the front until so many bytes at `sequence` fit. */
  #makeRoomFor(sequence: number, bytes: number): void {
    while (sequence >= this.#start && !this.#hasRoom(sequence, bytes)) {
      if (this.#scan <= this.#highest) {
        this.#giveUp()
        continue
      }
      // nothing waits: what lies between is not waited for, or the frame is too large
      this.statistics.packetsGivenUp += sequence - this.#scan
      if (this.#scan > this.#start) this.#drop()
      this.#packets.discard(this.#start, this.#scan)
      this.#restartAt(sequence)
      return
    }
  }

  /** Looks at the packets that are in order now. */
  #advance(): void {
    if (this.#fresh && this.#lacksBeginning()) return
    const { onePacketPerFrame } = this.#depacketizer
    const from = this.#scan
    for (;;) {
      const slot = this.#packets.at(this.#scan)
      if (slot === undefined) break
      if (slot.payload.length > 0) {
        // a frame whose last packet had no marker
        if (this.#frameTimestamp >= 0 && slot.timestamp !== this.#frameTimestamp) this.#end(slot.payload)
        this.#frameTimestamp = slot.timestamp
      }
      this.#scan++
      if (onePacketPerFrame || (slot.marker && this.#holdsPicture())) this.#deliver(this.#scan)
    }
    if (this.#scan > this.#highest) this.#waitingSince = NEVER
    else if (this.#scan !== from || this.#waitingSince === NEVER) this.#waitingSince = this.#firstWaiting()
  }

  /** Looks whether the first packet of all continues a frame: then nothing is looked at before what comes before it, `maxWait` at most. */
  #lacksBeginning(): boolean {
    const slot = this.#packets.at(this.#start)
    const seeks =
      slot !== undefined && slot.payload.length > 0 && !this.#depacketizer.startsFrame(slot.payload)
    if (seeks && !this.#seeksBeginning) this.#waitingSince = this.#firstWaiting()
    this.#seeksBeginning = seeks
    if (!seeks) return false
    // once its frame has ended, it is not the order alone in which packets came
    const newest = this.#packets.at(this.#highest)!
    if (newest.marker || newest.timestamp !== slot.timestamp) this.#needsKeyframe = true
    return true
  }

  /** Whether there is something of the picture before `#scan`, as in the last packet most often. What is of padding alone has none to wait for. */
  #holdsPicture(): boolean {
    const depacketizer = this.#depacketizer
    if (depacketizer.holdsPicture === undefined || this.#frameTimestamp < 0) return true
    for (let sequence = this.#scan - 1; sequence >= this.#start; sequence--) {
      const { payload } = this.#packets.at(sequence)!
      if (payload.length > 0 && depacketizer.holdsPicture(payload)) return true
    }
    return false
  }

  /** When the first of the packets after `#scan` came. Looked for only where a gap becomes the foremost. */
  #firstWaiting(): Instant {
    let first = this.#now
    for (let sequence = this.#scan + 1; sequence <= this.#highest; sequence++) {
      const slot = this.#packets.at(sequence)
      if (slot !== undefined && slot.receivedAt < first) first = slot.receivedAt
    }
    return first
  }

  /**
   * Ends the frame before `#scan`, which has no marker and is followed by `next`. Where all frames for a while had one, and a keyframe follows, its end was left out: by one
   * that forwards, and has gone over to another source. Nobody can decode it, and nothing refers to it.
   */
  #end(next: Uint8Array): void {
    const isHabit = this.#markersInARow >= MARKERS_OF_HABIT
    if (!isHabit || !this.#depacketizer.startsKeyframe(next) || !this.#holdsPicture()) {
      this.#deliver(this.#scan)
      return
    }
    this.statistics.framesDropped++
    this.#packets.discard(this.#start, this.#scan)
    this.#start = this.#scan
    this.#aligned = true
    this.#contiguous = false
  }

  /** Makes a frame of the packets from `#start` up to `end`, which starts the next one. */
  #deliver(end: number): void {
    const start = this.#start
    if (this.#previous >= 0) {
      if (serial16.diff(start, this.#previous) !== 1) this.#contiguous = false
      this.#previous = -1
    }
    const { payloads, receivedAt, marker, payloadType, extensions } = this.#packets.take(start, end)
    const timestamp = this.#frameTimestamp
    this.#start = end
    this.#fresh = false
    this.#frameTimestamp = -1
    const aligned = this.#aligned
    // padding alone tells nothing of what comes after it, unless it ends a frame
    this.#aligned = aligned || marker || payloads.length > 0
    const first = payloads[0]
    if (first === undefined) return
    this.#markersInARow = marker ? this.#markersInARow + 1 : 0
    const complete = aligned || this.#startsWhole(payloads, first)
    const frame = complete ? this.#depacketizer.assemble(payloads) : undefined
    if (frame === undefined) {
      this.#drop()
      return
    }
    this.statistics.framesAssembled++
    if (frame.keyframe || this.#depacketizer.startsFrame(first)) this.#learnStart(payloads)
    const last = this.#lastTimestamp
    const elapsed = receivedAt - this.#lastReceivedAt
    const unwrapped =
      last === undefined ? timestamp : unwrapTimestamp(timestamp, last, elapsed, this.#clockRate)
    this.#lastTimestamp = unwrapped
    this.#lastReceivedAt = receivedAt
    this.#frames.push({
      data: frame.data,
      keyframe: frame.keyframe,
      timestamp: unwrapped,
      firstSequence: start,
      lastSequence: end - 1,
      contiguous: this.#contiguous,
      receivedAt,
      layers: frame.layers,
      payloadType,
      extensions,
    })
    this.#contiguous = true
    if (frame.keyframe) this.#keyframeSeen = true
    this.#needsKeyframe = frame.keyframe ? false : this.#needsKeyframe || !this.#keyframeSeen
  }

  /** Whether the first of the payloads starts a frame for sure. */
  #startsWhole(payloads: readonly Uint8Array[], first: Uint8Array): boolean {
    const depacketizer = this.#depacketizer
    if (!depacketizer.startsFrame(first)) return false
    const { framesAssembled, framesDropped, packetsGivenUp } = this.statistics
    const afterLoss = framesAssembled + framesDropped + packetsGivenUp > 0
    return depacketizer.startsWhole?.(payloads, this.#knownStart, afterLoss) ?? true
  }

  #learnStart(payloads: readonly Uint8Array[]): void {
    this.#knownStart = this.#depacketizer.learnStart?.(payloads)
  }

  #drop(): void {
    this.statistics.framesDropped++
    this.#contiguous = false
    this.#needsKeyframe = true
  }

  /** The packet at `#scan` will not come: goes on at the next one that is there. */
  #giveUp(): void {
    let next = this.#scan
    while (next <= this.#highest && this.#packets.at(next) === undefined) next++
    this.statistics.packetsGivenUp += next - this.#scan
    if (this.#scan > this.#start) {
      // a frame that was not whole may begin like the others all the same
      const { payload } = this.#packets.at(this.#start)!
      if (this.#knownStart === undefined && this.#depacketizer.startsFrame(payload))
        this.#learnStart([payload])
      this.#drop()
    }
    this.#packets.discard(this.#start, this.#scan)
    this.#restartAt(next)
    this.#advance()
  }

  #restartAt(sequence: number): void {
    this.#start = this.#scan = sequence
    this.#fresh = this.#seeksBeginning = false
    this.#aligned = false
    this.#contiguous = false
    this.#needsKeyframe = true
    this.#frameTimestamp = -1
    this.#waitingSince = NEVER
  }
}
