import { serial16 } from '@str0m/sans-io'
import { economical, type IncomingMessage, join, OVERHEAD, StreamOrder } from './stream-order.ts'
import { DataFlag } from './wire/constants.ts'

/** A DATA or I-DATA chunk, its TSN unwrapped. `data` is a view of the datagram. */
export interface DataChunk {
  readonly tsn: number
  readonly stream: number
  /** The stream sequence number, or the message identifier of RFC 8260. */
  readonly sequence: number
  /** The fragment sequence number of an I-DATA chunk; 0 with its first. */
  readonly fragment: number
  /** Of an I-DATA chunk, only its first fragment's counts. */
  readonly ppid: number
  readonly flags: number
  readonly data: Uint8Array
}

/**
 * Makes messages out of chunks, and gives the ordered ones of each stream in order. What is held counts in `heldBytes`; the
 * caller bounds it by taking no more chunks.
 */
export interface Reassembler {
  /** Bytes held, with what holds them. */
  readonly heldBytes: number
  /** The streams that have been used, for a reset of all. */
  readonly streamIds: number[]
  /** Takes a chunk that has not come before. False where it contradicts another: the peer breaks the protocol. */
  add(chunk: DataChunk): boolean
  /** The peer gives up all up to `tsn` (RFC 3758 section 3.6). */
  forward(tsn: number): void
  /** Nothing up to `sequence` comes any more on a stream: what waits for it is delivered. */
  skip(stream: number, sequence: number, unordered: boolean): void
  /** Streams start anew (RFC 6525 section 5.2.2, E3). */
  reset(ids: readonly number[]): void
}

/** Fragments with successive TSNs of one message. */
interface Run {
  readonly chunks: Uint8Array[]
  readonly stream: number
  readonly sequence: number
  readonly unordered: boolean
  ppid: number
  first: number
  last: number
  bytes: number
  hasBegin: boolean
  hasEnd: boolean
}

/** Makes messages out of DATA chunks, whose fragments have successive TSNs (RFC 9260 section 6.9). */
export class Reassembly implements Reassembler {
  readonly #maxMessageSize: number
  readonly #order: StreamOrder
  /** Runs by their first and by their last TSN. */
  readonly #byFirst = new Map<number, Run>()
  readonly #byLast = new Map<number, Run>()
  #held = 0

  constructor(maxMessageSize: number, deliver: (message: IncomingMessage) => void) {
    this.#maxMessageSize = maxMessageSize
    this.#order = new StreamOrder(serial16, deliver)
  }

  get heldBytes(): number {
    return this.#held + this.#order.heldBytes
  }

  get streamIds(): number[] {
    return this.#order.streamIds
  }

  add(chunk: DataChunk): boolean {
    const { flags } = chunk
    const hasBegin = (flags & DataFlag.begin) !== 0
    const hasEnd = (flags & DataFlag.end) !== 0
    const unordered = (flags & DataFlag.unordered) !== 0
    const { stream, sequence, tsn, ppid } = chunk
    if (chunk.data.length > this.#maxMessageSize) return false
    if (hasBegin && hasEnd) {
      this.#order.complete({ stream, ppid, unordered, data: chunk.data }, sequence)
      return true
    }
    const data = economical(chunk.data)
    this.#held += data.length + OVERHEAD
    let run = hasBegin ? undefined : this.#byLast.get(tsn - 1)
    if (run?.hasEnd === true) run = undefined
    const following = hasEnd ? undefined : this.#byFirst.get(tsn + 1)
    if (run === undefined) {
      run = {
        chunks: [data],
        stream,
        sequence,
        unordered,
        ppid,
        first: tsn,
        last: tsn,
        bytes: data.length,
        hasBegin,
        hasEnd,
      }
      this.#byFirst.set(tsn, run)
    } else {
      if (!fits(run, stream, sequence, unordered)) return false
      run.chunks.push(data)
      run.bytes += data.length
      run.last = tsn
      run.hasEnd = hasEnd
      this.#byLast.delete(tsn - 1)
    }
    if (following !== undefined && !following.hasBegin) {
      if (!fits(run, following.stream, following.sequence, following.unordered)) return false
      this.#byFirst.delete(following.first)
      for (const piece of following.chunks) run.chunks.push(piece)
      run.bytes += following.bytes
      run.last = following.last
      run.hasEnd = following.hasEnd
    }
    this.#byLast.set(run.last, run)
    if (run.bytes > this.#maxMessageSize) return false
    if (run.hasBegin && run.hasEnd) {
      this.#remove(run)
      this.#order.complete({ stream, ppid: run.ppid, unordered, data: join(run.chunks, run.bytes) }, sequence)
    }
    return true
  }

  #remove(run: Run): void {
    this.#byFirst.delete(run.first)
    this.#byLast.delete(run.last)
    this.#held -= run.bytes + run.chunks.length * OVERHEAD
  }

  forward(tsn: number): void {
    for (const run of this.#byFirst.values()) if (run.first <= tsn) this.#remove(run)
  }

  skip(stream: number, sequence: number): void {
    this.#order.skip(stream, sequence)
  }

  reset(ids: readonly number[]): void {
    this.#order.reset(ids)
  }
}

function fits(run: Run, stream: number, sequence: number, unordered: boolean): boolean {
  return run.stream === stream && run.unordered === unordered && (unordered || run.sequence === sequence)
}
