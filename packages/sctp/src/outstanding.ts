import { assert, type Instant } from '@str0m/sans-io'
import type { OutgoingMessage } from './outgoing.ts'

/** TSNs that are sent and not cumulatively acknowledged, at most: well within the 16 bits of a gap block's offset. */
const MAX_OUTSTANDING = 16_384
/** With those that stand for the rest of messages that were given up half sent. */
const MAX_WITH_ENDS = 2 * MAX_OUTSTANDING
/** A power of two, as every later one is: a TSN's low bits are its place. */
const FIRST_CAPACITY = 256

/**
 * What becomes of a chunk that was sent: `flying`, `acked` (in a gap block, not yet cumulatively), `lost` (waits
 * to be sent again), `abandoned` (never to be sent again, RFC 3758).
 */
type ChunkState = 'flying' | 'acked' | 'lost' | 'abandoned'

/** One chunk that was sent. Slots are used again, so that a chunk in flight allocates nothing. */
export interface SentChunk {
  tsn: number
  /** `undefined` where the slot is free. */
  message: OutgoingMessage | undefined
  offset: number
  /** Which fragment of its message it is, from 0. */
  fragment: number
  length: number
  flags: number
  sentAt: Instant
  /** How often it was sent. */
  sends: number
  state: ChunkState
  previous: SentChunk | undefined
  next: SentChunk | undefined
}

/** A list through the slots themselves: the chunks in flight in the order they were sent, or those to be sent again. */
export class ChunkList {
  head: SentChunk | undefined
  tail: SentChunk | undefined

  append(chunk: SentChunk): void {
    chunk.previous = this.tail
    chunk.next = undefined
    if (this.tail === undefined) this.head = chunk
    else this.tail.next = chunk
    this.tail = chunk
  }

  remove(chunk: SentChunk): void {
    if (chunk.previous === undefined) this.head = chunk.next
    else chunk.previous.next = chunk.next
    if (chunk.next === undefined) this.tail = chunk.previous
    else chunk.next.previous = chunk.previous
    chunk.previous = undefined
    chunk.next = undefined
  }
}

/** The chunks sent and not cumulatively acknowledged: a ring by TSN. TSNs are unwrapped. */
export class Outstanding {
  #slots: SentChunk[] = []
  /** The next TSN to be assigned. */
  nextTsn: number
  /** The last TSN that is cumulatively acknowledged. */
  ackedTsn: number

  constructor(initialTsn: number) {
    this.nextTsn = initialTsn
    this.ackedTsn = initialTsn - 1
  }

  get count(): number {
    return this.nextTsn - this.ackedTsn - 1
  }

  /** Whether no user data may be sent. */
  get isFull(): boolean {
    return this.count >= MAX_OUTSTANDING
  }

  /** Whether there is a place for the end of a message that is given up half sent. */
  get hasRoomForEnd(): boolean {
    return this.count < MAX_WITH_ENDS
  }

  /** The chunk with `tsn`, which is outstanding. */
  at(tsn: number): SentChunk {
    return this.#slots[tsn & (this.#slots.length - 1)]!
  }

  /** A slot for the next TSN. */
  push(): SentChunk {
    assert(this.hasRoomForEnd, 'more chunks in flight than there may be')
    if (this.count >= this.#slots.length) this.#grow()
    const tsn = this.nextTsn++
    const slot = this.at(tsn)
    slot.tsn = tsn
    return slot
  }

  #grow(): void {
    const old = this.#slots
    const slots: SentChunk[] = Array.from({ length: Math.max(FIRST_CAPACITY, old.length * 2) }, emptySlot)
    for (let tsn = this.ackedTsn + 1; tsn < this.nextTsn; tsn++) {
      slots[tsn & (slots.length - 1)] = old[tsn & (old.length - 1)]!
    }
    this.#slots = slots
  }
}

function emptySlot(): SentChunk {
  return {
    tsn: 0,
    message: undefined,
    offset: 0,
    fragment: 0,
    length: 0,
    flags: 0,
    sentAt: 0,
    sends: 0,
    state: 'acked',
    previous: undefined,
    next: undefined,
  }
}
