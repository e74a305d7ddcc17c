import { serial32 } from '@str0m/sans-io'
import type { DataChunk, Reassembler } from './reassembly.ts'
import { economical, type IncomingMessage, join, OVERHEAD, StreamOrder } from './stream-order.ts'
import { DataFlag } from './wire/constants.ts'

/** Fragments of one message, RFC 8260 section 2.1. */
interface Partial {
  /** Those from the first on without a gap, in their order. */
  readonly chunks: Uint8Array[]
  /** Those beyond a gap, by fragment sequence number. */
  later: Map<number, Uint8Array> | undefined
  ppid: number
  /** The number of the last fragment; -1 before it has come. */
  last: number
  bytes: number
  count: number
}

/** Makes messages out of I-DATA chunks: fragments are found by stream, order, message and fragment, and not by TSN. */
export class InterleavedReassembly implements Reassembler {
  readonly #maxMessageSize: number
  readonly #order: StreamOrder
  /** By stream and order (`keyOf`), then by message identifier. */
  readonly #partials = new Map<number, Map<number, Partial>>()
  #held = 0

  constructor(maxMessageSize: number, deliver: (message: IncomingMessage) => void) {
    this.#maxMessageSize = maxMessageSize
    this.#order = new StreamOrder(serial32, deliver)
  }

  get heldBytes(): number {
    return this.#held + this.#order.heldBytes
  }

  get streamIds(): number[] {
    return [...new Set([...this.#order.streamIds, ...[...this.#partials.keys()].map((key) => key >>> 1)])]
  }

  add({ stream, sequence, fragment, ppid, flags, data }: DataChunk): boolean {
    const hasEnd = (flags & DataFlag.end) !== 0
    const unordered = (flags & DataFlag.unordered) !== 0
    const hasBegin = (flags & DataFlag.begin) !== 0
    if (hasBegin !== (fragment === 0)) return false
    if (data.length > this.#maxMessageSize || fragment > this.#maxMessageSize) return false
    if (hasBegin && hasEnd) {
      this.#order.complete({ stream, ppid, unordered, data }, sequence)
      return true
    }
    // the rest of one that was given up
    if (!unordered && this.#order.isPast(stream, sequence)) return true
    const messages = this.#messages(keyOf(stream, unordered))
    let partial = messages.get(sequence)
    if (partial === undefined) {
      partial = { chunks: [], later: undefined, ppid: 0, last: -1, bytes: 0, count: 0 }
      messages.set(sequence, partial)
    }
    if (hasEnd ? partial.last >= 0 : partial.last >= 0 && fragment > partial.last) return false
    if (hasEnd) partial.last = fragment
    if (fragment === 0) partial.ppid = ppid
    if (!this.#keep(partial, fragment, economical(data))) return false
    if (partial.last < 0 || partial.chunks.length <= partial.last)
      return partial.bytes <= this.#maxMessageSize
    // one beyond the last
    if (partial.later !== undefined && partial.later.size > 0) return false
    this.#drop(stream, unordered, sequence, partial)
    if (partial.bytes > this.#maxMessageSize) return false
    const whole = join(partial.chunks, partial.bytes)
    this.#order.complete({ stream, ppid: partial.ppid, unordered, data: whole }, sequence)
    return true
  }

  #messages(key: number): Map<number, Partial> {
    let messages = this.#partials.get(key)
    if (messages === undefined) {
      messages = new Map()
      this.#partials.set(key, messages)
    }
    return messages
  }

  /** False where the fragment is there already. */
  #keep(partial: Partial, fragment: number, data: Uint8Array): boolean {
    const { chunks } = partial
    if (fragment < chunks.length || partial.later?.has(fragment) === true) return false
    partial.bytes += data.length
    partial.count++
    this.#held += data.length + OVERHEAD
    if (fragment > chunks.length) {
      partial.later ??= new Map()
      partial.later.set(fragment, data)
      return true
    }
    chunks.push(data)
    const { later } = partial
    if (later === undefined || later.size === 0) return true
    for (let next = later.get(chunks.length); next !== undefined; next = later.get(chunks.length)) {
      later.delete(chunks.length)
      chunks.push(next)
    }
    return true
  }

  #drop(stream: number, unordered: boolean, sequence: number, partial: Partial): void {
    const key = keyOf(stream, unordered)
    const messages = this.#partials.get(key)
    this.#held -= partial.bytes + partial.count * OVERHEAD
    messages?.delete(sequence)
    if (messages?.size === 0) this.#partials.delete(key)
  }

  forward(): void {
    // an I-FORWARD-TSN names each message that is given up: see skip
  }

  skip(stream: number, sequence: number, unordered: boolean): void {
    for (const [key, partial] of this.#partials.get(keyOf(stream, unordered)) ?? []) {
      if (!serial32.lessThan(sequence, key)) this.#drop(stream, unordered, key, partial)
    }
    if (!unordered) this.#order.skip(stream, sequence)
  }

  reset(ids: readonly number[]): void {
    for (const id of ids) {
      for (const unordered of [false, true]) {
        for (const [sequence, partial] of this.#partials.get(keyOf(id, unordered)) ?? []) {
          this.#drop(id, unordered, sequence, partial)
        }
      }
    }
    this.#order.reset(ids)
  }
}

function keyOf(stream: number, unordered: boolean): number {
  return stream * 2 + (unordered ? 1 : 0)
}
