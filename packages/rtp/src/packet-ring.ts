import { type Instant, NEVER, plainBytes } from '@str0m/sans-io'
import type { HeaderExtensions } from './header-extensions.ts'

const NO_BYTES = new Uint8Array(0)
/** Places of a ring in which nothing has come yet. A power of two. */
const FIRST_LENGTH = 64

/** What the header of a packet says of its part in a frame: a `RtpHeader` has it. */
export interface FramePacket {
  /** 16 bits. */
  readonly sequenceNumber: number
  /** 32 bits. */
  readonly timestamp: number
  readonly marker: boolean
  /** What comes out with the frame: that of its first packet. */
  readonly payloadType?: number | undefined
  /** What comes out with the frame: those of all its packets, the earlier ones' first. */
  readonly extensions?: HeaderExtensions | undefined
}

/** A place for a packet. `sequence` is -1 where it is empty. */
export interface PacketSlot {
  sequence: number
  timestamp: number
  marker: boolean
  payload: Uint8Array
  receivedAt: Instant
  payloadType: number | undefined
  extensions: HeaderExtensions | undefined
}

/** What some packets say together. */
export interface JoinedPackets {
  /** Those that are not empty. */
  readonly payloads: readonly Uint8Array[]
  /** When the first of those came. */
  readonly receivedAt: Instant
  /** Whether one had the marker. */
  readonly marker: boolean
  /** That of the first. */
  readonly payloadType: number | undefined
  /** The earlier ones' first. */
  readonly extensions: HeaderExtensions | undefined
}

/** The packets of a stream, each in the place of its unwrapped sequence number. It grows with what really comes in, so that an idle stream stays small. */
export class PacketRing {
  #slots: PacketSlot[] = emptySlots(FIRST_LENGTH)

  /** The packet with this number, where it is there. */
  at(sequence: number): PacketSlot | undefined {
    const slot = this.#slots[sequence & (this.#slots.length - 1)]!
    return slot.sequence === sequence ? slot : undefined
  }

  /** Grows until packets whose numbers lie over `span` have places of their own. */
  fit(span: number): void {
    if (span <= this.#slots.length) return
    let length = this.#slots.length
    while (length < span) length *= 2
    const slots = emptySlots(length)
    for (const slot of this.#slots) if (slot.sequence >= 0) slots[slot.sequence & (length - 1)] = slot
    this.#slots = slots
  }

  /** Puts a packet into its place; false where that is taken. */
  put(sequence: number, packet: FramePacket, payload: Uint8Array, now: Instant): boolean {
    const slot = this.#slots[sequence & (this.#slots.length - 1)]!
    if (slot.sequence >= 0) return false
    fillSlot(slot, sequence, packet, payload, now)
    return true
  }

  /** Takes out the packets from `from` up to `to`, all of which are there. */
  take(from: number, to: number): JoinedPackets {
    const payloads: Uint8Array[] = []
    let receivedAt = NEVER
    let marker = false
    let payloadType: number | undefined
    let extensions: HeaderExtensions | undefined
    for (let sequence = from; sequence < to; sequence++) {
      const slot = this.at(sequence)!
      if (slot.payload.length > 0) {
        if (payloads.length === 0) payloadType = slot.payloadType
        if (slot.extensions !== undefined) {
          extensions = extensions === undefined ? slot.extensions : { ...slot.extensions, ...extensions }
        }
        payloads.push(slot.payload)
        receivedAt = Math.min(receivedAt, slot.receivedAt)
      }
      marker ||= slot.marker
    }
    this.discard(from, to)
    return { payloads, receivedAt, marker, payloadType, extensions }
  }

  /** Forgets the packets from `from` up to `to`, as far as they are there. */
  discard(from: number, to: number): void {
    const mask = this.#slots.length - 1
    for (let sequence = from; sequence < to; sequence++) clearSlot(this.#slots[sequence & mask]!)
  }
}

export function emptySlot(): PacketSlot {
  return {
    sequence: -1,
    timestamp: 0,
    marker: false,
    payload: NO_BYTES,
    receivedAt: 0,
    payloadType: undefined,
    extensions: undefined,
  }
}

export function fillSlot(
  slot: PacketSlot,
  sequence: number,
  packet: FramePacket,
  payload: Uint8Array,
  now: Instant,
): void {
  slot.sequence = sequence
  slot.timestamp = packet.timestamp
  slot.marker = packet.marker
  slot.payload = plainBytes(payload)
  slot.receivedAt = now
  slot.payloadType = packet.payloadType
  slot.extensions = packet.extensions
}

/** Lets go of what the packet held. */
export function clearSlot(slot: PacketSlot): void {
  slot.sequence = -1
  slot.payload = NO_BYTES
  slot.extensions = undefined
}

function emptySlots(length: number): PacketSlot[] {
  return Array.from({ length }, emptySlot)
}
