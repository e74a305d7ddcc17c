import { serial16 } from '@str0m/sans-io'
import { DataFlag } from './wire/constants.ts'

/** What a fragment or a waiting message costs beside its bytes, for the bound: the objects that hold it. */
const OVERHEAD = 96

/** A whole message from the peer. */
export interface IncomingMessage {
  readonly stream: number
  readonly ppid: number
  readonly unordered: boolean
  readonly data: Uint8Array
}

/** A DATA chunk, its TSN unwrapped. `data` is a view of the datagram. */
export interface DataChunk {
  readonly tsn: number
  readonly stream: number
  readonly ssn: number
  readonly ppid: number
  readonly flags: number
  readonly data: Uint8Array
}

/** Fragments with successive TSNs of one message. */
interface Run {
  readonly chunks: Uint8Array[]
  readonly stream: number
  readonly ssn: number
  readonly unordered: boolean
  ppid: number
  first: number
  last: number
  bytes: number
  hasBegin: boolean
  hasEnd: boolean
}

interface IncomingStream {
  nextSsn: number
  /** Whole messages that came before their turn, by stream sequence number. */
  waiting: Map<number, IncomingMessage> | undefined
}

/**
 * Makes messages out of DATA chunks, and gives the ordered ones of each stream in order. What is held counts in
 * `heldBytes`; the caller bounds it by taking no more chunks.
 */
export class Reassembly {
  readonly #maxMessageSize: number
  readonly #deliver: (message: IncomingMessage) => void
  readonly #streams = new Map<number, IncomingStream>()
  /** Runs by their first and by their last TSN. */
  readonly #byFirst = new Map<number, Run>()
  readonly #byLast = new Map<number, Run>()
  #held = 0

  constructor(maxMessageSize: number, deliver: (message: IncomingMessage) => void) {
    this.#maxMessageSize = maxMessageSize
    this.#deliver = deliver
  }

  /** Bytes held, with what holds them. */
  get heldBytes(): number {
    return this.#held
  }

  /** Takes a chunk that has not come before. False where it contradicts another: the peer breaks the protocol. */
  add(chunk: DataChunk): boolean {
    const { flags } = chunk
    const hasBegin = (flags & DataFlag.begin) !== 0
    const hasEnd = (flags & DataFlag.end) !== 0
    const unordered = (flags & DataFlag.unordered) !== 0
    const { stream, ssn, tsn, ppid } = chunk
    if (chunk.data.length > this.#maxMessageSize) return false
    if (hasBegin && hasEnd) {
      this.#complete({ stream, ppid, unordered, data: chunk.data }, ssn)
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
        ssn,
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
      if (!fits(run, stream, ssn, unordered)) return false
      run.chunks.push(data)
      run.bytes += data.length
      run.last = tsn
      run.hasEnd = hasEnd
      this.#byLast.delete(tsn - 1)
    }
    if (following !== undefined && !following.hasBegin) {
      if (!fits(run, following.stream, following.ssn, following.unordered)) return false
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
      this.#complete({ stream, ppid: run.ppid, unordered, data: join(run) }, ssn)
    }
    return true
  }

  #remove(run: Run): void {
    this.#byFirst.delete(run.first)
    this.#byLast.delete(run.last)
    this.#held -= run.bytes + run.chunks.length * OVERHEAD
  }

  #stream(id: number): IncomingStream {
    let stream = this.#streams.get(id)
    if (stream === undefined) {
      stream = { nextSsn: 0, waiting: undefined }
      this.#streams.set(id, stream)
    }
    return stream
  }

  #complete(message: IncomingMessage, ssn: number): void {
    if (message.unordered) {
      this.#deliver(message)
      return
    }
    const stream = this.#stream(message.stream)
    if (ssn === stream.nextSsn) {
      stream.nextSsn = serial16.add(ssn, 1)
      this.#deliver(message)
      if (stream.waiting !== undefined) this.#deliverWaiting(stream)
    } else if (serial16.lessThan(stream.nextSsn, ssn)) {
      stream.waiting ??= new Map()
      if (stream.waiting.has(ssn)) return
      const kept = { ...message, data: economical(message.data) }
      stream.waiting.set(ssn, kept)
      this.#held += kept.data.length + OVERHEAD
    }
  }

  #deliverWaiting(stream: IncomingStream): void {
    for (;;) {
      const message = stream.waiting?.get(stream.nextSsn)
      if (message === undefined) break
      this.#take(stream, stream.nextSsn, message)
      stream.nextSsn = serial16.add(stream.nextSsn, 1)
    }
    if (stream.waiting?.size === 0) stream.waiting = undefined
  }

  #take(stream: IncomingStream, ssn: number, message: IncomingMessage): void {
    stream.waiting!.delete(ssn)
    this.#held -= message.data.length + OVERHEAD
    this.#deliver(message)
  }

  /** The peer gives up all up to `tsn`: fragments of what it has not sent whole are dropped (RFC 3758 section 3.6). */
  forward(tsn: number): void {
    for (const run of this.#byFirst.values()) if (run.first <= tsn) this.#remove(run)
  }

  /** Nothing up to `ssn` comes any more on a stream: what waits for it is delivered. */
  skip(id: number, ssn: number): void {
    const stream = this.#stream(id)
    if (serial16.lessThan(ssn, stream.nextSsn)) return
    const { waiting } = stream
    if (waiting !== undefined) {
      const due = [...waiting.keys()].filter((key) => !serial16.lessThan(ssn, key))
      due.sort((a, b) => serial16.diff(a, b))
      for (const key of due) this.#take(stream, key, waiting.get(key)!)
    }
    stream.nextSsn = serial16.add(ssn, 1)
    this.#deliverWaiting(stream)
  }

  /** Streams start anew (RFC 6525 section 5.2.2, E3): those listed, or all where none is. What waited there cannot come true any more. */
  reset(ids: readonly number[]): void {
    for (const id of ids.length === 0 ? [...this.#streams.keys()] : ids) {
      const stream = this.#streams.get(id)
      if (stream === undefined) continue
      for (const message of stream.waiting?.values() ?? []) this.#held -= message.data.length + OVERHEAD
      this.#streams.delete(id)
    }
  }

  /** The streams that have been used, for a reset of all. */
  get streamIds(): number[] {
    return [...this.#streams.keys()]
  }
}

function fits(run: Run, stream: number, ssn: number, unordered: boolean): boolean {
  return run.stream === stream && run.unordered === unordered && (unordered || run.ssn === ssn)
}

/** The same bytes, holding on to no more than twice their own length of memory: a small view of a datagram is copied. */
function economical(data: Uint8Array): Uint8Array {
  return data.length * 2 < data.buffer.byteLength ? data.slice() : data
}

function join(run: Run): Uint8Array {
  const whole = new Uint8Array(run.bytes)
  let at = 0
  for (const chunk of run.chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
