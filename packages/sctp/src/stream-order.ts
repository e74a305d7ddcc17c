import { type SerialArithmetic } from '@str0m/sans-io'

/** What a fragment or a waiting message costs beside its bytes, for the bound: the objects that hold it. */
export const OVERHEAD = 96

/** A whole message from the peer. */
export interface IncomingMessage {
  readonly stream: number
  readonly ppid: number
  readonly unordered: boolean
  readonly data: Uint8Array
}

interface IncomingStream {
  /** The stream sequence number (RFC 9260) or message identifier (RFC 8260) that is next. */
  next: number
  /** Whole messages that came before their turn, by number. */
  waiting: Map<number, IncomingMessage> | undefined
}

/** Gives the ordered messages of each stream in their order. Numbers are of 16 bits, or with interleaving of 32. */
export class StreamOrder {
  readonly #serial: SerialArithmetic
  readonly #deliver: (message: IncomingMessage) => void
  readonly #streams = new Map<number, IncomingStream>()
  #held = 0

  constructor(serial: SerialArithmetic, deliver: (message: IncomingMessage) => void) {
    this.#serial = serial
    this.#deliver = deliver
  }

  /** Bytes that wait, with what holds them. */
  get heldBytes(): number {
    return this.#held
  }

  /** The streams that have been used, for a reset of all. */
  get streamIds(): number[] {
    return [...this.#streams.keys()]
  }

  #stream(id: number): IncomingStream {
    let stream = this.#streams.get(id)
    if (stream === undefined) {
      stream = { next: 0, waiting: undefined }
      this.#streams.set(id, stream)
    }
    return stream
  }

  /** Whether the ordered message with this number was given, or given up. */
  isPast(id: number, sequence: number): boolean {
    return this.#serial.lessThan(sequence, this.#streams.get(id)?.next ?? 0)
  }

  /** A message is whole: it is given now, or when those before it have come. */
  complete(message: IncomingMessage, sequence: number): void {
    if (message.unordered) {
      this.#deliver(message)
      return
    }
    const stream = this.#stream(message.stream)
    if (sequence === stream.next) {
      stream.next = this.#serial.add(sequence, 1)
      this.#deliver(message)
      if (stream.waiting !== undefined) this.#deliverWaiting(stream)
    } else if (this.#serial.lessThan(stream.next, sequence)) {
      stream.waiting ??= new Map()
      if (stream.waiting.has(sequence)) return
      const kept = { ...message, data: economical(message.data) }
      stream.waiting.set(sequence, kept)
      this.#held += kept.data.length + OVERHEAD
    }
  }

  #deliverWaiting(stream: IncomingStream): void {
    for (;;) {
      const message = stream.waiting?.get(stream.next)
      if (message === undefined) break
      this.#take(stream, stream.next, message)
      stream.next = this.#serial.add(stream.next, 1)
    }
    if (stream.waiting?.size === 0) stream.waiting = undefined
  }

  #take(stream: IncomingStream, sequence: number, message: IncomingMessage): void {
    stream.waiting!.delete(sequence)
    this.#held -= message.data.length + OVERHEAD
    this.#deliver(message)
  }

  /** Nothing up to `sequence` comes any more on a stream: what waits for it is given. */
  skip(id: number, sequence: number): void {
    const stream = this.#stream(id)
    if (this.#serial.lessThan(sequence, stream.next)) return
    const { waiting } = stream
    if (waiting !== undefined) {
      const due = [...waiting.keys()].filter((key) => !this.#serial.lessThan(sequence, key))
      due.sort((a, b) => this.#serial.diff(a, b))
      for (const key of due) this.#take(stream, key, waiting.get(key)!)
    }
    stream.next = this.#serial.add(sequence, 1)
    this.#deliverWaiting(stream)
  }

  /** The streams start anew (RFC 6525 section 5.2.2, E3). What waited there cannot come true any more. */
  reset(ids: readonly number[]): void {
    for (const id of ids) {
      const stream = this.#streams.get(id)
      if (stream === undefined) continue
      for (const message of stream.waiting?.values() ?? []) this.#held -= message.data.length + OVERHEAD
      this.#streams.delete(id)
    }
  }
}

/** The same bytes, holding on to no more than twice their own length of memory: a small view of a datagram is copied. */
export function economical(data: Uint8Array): Uint8Array {
  return data.length * 2 < data.buffer.byteLength ? data.slice() : data
}

/** The one copy that a message in fragments costs. */
export function join(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
