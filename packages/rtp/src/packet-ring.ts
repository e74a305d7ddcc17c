import { type Instant, NEVER, plainBytes } from '@str0m/sans-io'
import type { HeaderExtensions } from './header-extensions.ts'

const NO_BYTES = new Uint8Array(0)
/** Places of a ring in which nothing has come yet. A power of two. */
const FIRST_LENGTH = 64
/** Places that an empty ring keeps: as many as most frames need. */
const MAX_KEPT_LENGTH = 1024

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
  /** Bytes before the payload in the packet: they are kept with it, and counted. */
  readonly payloadStart?: number | undefined
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
  /** Of the whole packet, as far as they are known of. */
  bytes: number
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
  /** A slot is made when something comes into its place: numbers that are far apart alone take little. */
  #slots: (PacketSlot | undefined)[] = noSlots(FIRST_LENGTH)
  #count = 0
  #bytes = 0

  /** Of all packets, headers with them where they were told. */
  get bytes(): number {
    return this.#bytes
  }

  /** The packet with this number, where it is there. */
  at(sequence: number): PacketSlot | undefined {
    const slot = this.#slots[sequence & (this.#slots.length - 1)]
    return slot?.sequence === sequence ? slot : undefined
  }

  /** Grows until packets whose numbers lie over `span` have places of their own. */
  fit(span: number): void {
    if (span <= this.#slots.length) return
    let length = this.#slots.length
    while (length < span) length *= 2
    const slots = noSlots(length)
    for (const slot of this.#slots) {
      if (slot !== undefined && slot.sequence >= 0) slots[slot.sequence & (length - 1)] = slot
    }
    this.#slots = slots
  }

  /** Puts a packet into its place, which is free and among those that `fit` has made. */
  put(sequence: number, packet: FramePacket, payload: Uint8Array, now: Instant): void {
    const slots = this.#slots
    const slot = (slots[sequence & (slots.length - 1)] ??= emptySlot())
    fillSlot(slot, sequence, packet, payload, now)
    this.#count++
    this.#bytes += slot.bytes
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
    for (let sequence = from; sequence < to; sequence++) {
      const slot = this.#slots[sequence & mask]
      if (slot === undefined || slot.sequence < 0) continue
      this.#count--
      this.#bytes -= slot.bytes
      clearSlot(slot)
    }
    // what a large frame took
    if (this.#count === 0 && this.#slots.length > MAX_KEPT_LENGTH) this.#slots = noSlots(FIRST_LENGTH)
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
    bytes: 0,
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
  slot.bytes = bytesOf(packet, payload)
}

/** What a packet takes. */
export function bytesOf({ payloadStart = 0 }: FramePacket, payload: Uint8Array): number {
  return payloadStart + payload.length
}

/** Lets go of what the packet held. */
export function clearSlot(slot: PacketSlot): void {
  slot.sequence = -1
  slot.payload = NO_BYTES
  slot.extensions = undefined
  slot.bytes = 0
}

function noSlots(length: number): (PacketSlot | undefined)[] {
  return Array.from({ length }, () => undefined)
}
