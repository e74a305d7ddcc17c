import { type Instant, NEVER, OutputQueue } from '@str0m/sans-io'
import { FairQueue, type Queued } from './fair-queue.ts'

/** Messages that may wait to be sent, at most, over all streams: what bounds empty ones. */
export const MAX_QUEUED_MESSAGES = 65_536

/**
 * What the messages that are begun and not sent whole may be long together, as a share of the peer's window: a peer holds what has
 * come of them until they are whole, with what its bookkeeping costs.
 */
const BEGUN_SHARE = 1 / 2

/** A stream's share where several have something to send: that of a normal priority, RFC 8831 section 6.4. */
const DEFAULT_WEIGHT = 256

/** How a message is to be delivered. */
export interface Delivery {
  /** Whether it may overtake others of its stream. Default false. */
  readonly unordered?: boolean
  /** How often it may be sent again before it is given up (RFC 7496 section 3.1). Default: for ever. */
  readonly maxRetransmits?: number
  /** Milliseconds after which it is given up (RFC 3758 section 4); 0: unless it goes at once. Default: never. */
  readonly lifetime?: number
  /** Whether `bufferedAmount` leaves it out, as what is not the user's own. Default false. */
  readonly uncounted?: boolean
}

/** A message of the user, from `send` until all of it is acknowledged or abandoned. */
export class OutgoingMessage {
  readonly stream: OutgoingStream
  readonly ppid: number
  readonly unordered: boolean
  readonly data: Uint8Array
  readonly maxRetransmits: number
  readonly expiresAt: Instant
  readonly uncounted: boolean
  /** Bytes that have gone into chunks. */
  taken = 0
  /** Fragments that have gone into chunks. */
  fragments = 0
  /**
   * The stream sequence number, or with interleaving the message identifier. Assigned with its first fragment, so that one that is
   * never sent leaves no hole.
   */
  sequence = 0
  firstTsn = -1
  lastTsn = -1
  abandoned = false
  /** Whether its length counts as begun and not sent whole. */
  isBegun = false

  constructor(stream: OutgoingStream, now: Instant, ppid: number, data: Uint8Array, delivery: Delivery) {
    this.stream = stream
    this.ppid = ppid
    this.data = data
    this.unordered = delivery.unordered ?? false
    this.maxRetransmits = delivery.maxRetransmits ?? Number.POSITIVE_INFINITY
    this.uncounted = delivery.uncounted ?? false
    this.expiresAt = delivery.lifetime === undefined ? NEVER : now + delivery.lifetime
  }
}

/** A stream's place among those that wait to begin a message in fragments. */
interface Waiting extends Queued {
  readonly stream: OutgoingStream
}

/** One stream to the peer. */
export class OutgoingStream implements Queued {
  readonly id: number
  readonly queue: OutputQueue<OutgoingMessage> = new OutputQueue()
  /** The next number of an ordered message: 16 bits, with interleaving 32. */
  nextSequence = 0
  /** The next message identifier of an unordered one, 32 bits. */
  nextUnordered = 0
  /** The message that is being sent in fragments, or waits to be. */
  current: OutgoingMessage | undefined
  /** Its place where it waits; `undefined` where none of its messages was long. */
  waiting: Waiting | undefined
  pass = 0
  turn = 0
  weight: number = DEFAULT_WEIGHT
  /** Bytes queued and not yet sent for the first time. */
  buffered = 0
  lowThreshold = 0
  /** Whether it stands in the scheduler's round. */
  scheduled = false
  /** Whether it is being reset: nothing more may be queued. */
  closing = false

  constructor(id: number) {
    this.id = id
  }
}

/**
 * The messages that wait, and whose turn it is: with interleaving (RFC 8260) streams take turns by fragment, without by message.
 * Keeps the sum of what waits.
 *
 * If all streams began a long message at once, the peer's window would be full of parts before any was whole, and would never open
 * again. So one in fragments waits until those that are begun leave room for all of it; in turn, by priority. One by itself
 * always goes, and those of one fragment do not wait.
 */
export class SendQueue {
  readonly #streams: Map<number, OutgoingStream> = new Map()
  readonly #ready: FairQueue<OutgoingStream> = new FairQueue()
  /** Without interleaving: the stream whose message is being sent. Nothing may come between its fragments. */
  #locked: OutgoingStream | undefined
  /** Those whose next message is in fragments and may not begin yet. Where there are any, others are begun. */
  readonly #waiting: FairQueue<Waiting> = new FairQueue()
  /** The lengths of the messages that are begun, in fragments, and not sent whole. */
  #begun = 0
  #begunLimit = 0
  #bytes = 0
  #messages = 0
  /** Bytes of user data that one fragment takes. */
  fragmentSize: number = Number.POSITIVE_INFINITY
  /** Whether fragments of different messages may be mixed. */
  interleaving = false
  /** Streams of which a message was not taken, since others had filled the buffer: bytes that may wait when they are told. */
  readonly #refused: Map<number, number> = new Map()
  /** The most of these; -1: none. */
  #refusedAt = -1
  /** Streams whose buffered amount has fallen to their threshold, or that may try again, until taken. */
  readonly lowStreams: OutputQueue<number> = new OutputQueue()

  get bytes(): number {
    return this.#bytes
  }

  get messages(): number {
    return this.#messages
  }

  get isEmpty(): boolean {
    return this.#messages === 0
  }

  find(id: number): OutgoingStream | undefined {
    return this.#streams.get(id)
  }

  stream(id: number): OutgoingStream {
    let stream = this.#streams.get(id)
    if (stream === undefined) {
      stream = new OutgoingStream(id)
      this.#streams.set(id, stream)
    }
    return stream
  }

  /** Drops what is queued on streams from `count` on: the peer does not take as many. */
  dropStreamsFrom(count: number): void {
    for (const stream of this.#streams.values()) {
      if (stream.id < count) continue
      for (let message = stream.queue.shift(); message !== undefined; message = stream.queue.shift()) {
        message.abandoned = true
        this.#messages--
        this.#release(message, message.data.length)
      }
    }
  }

  /** Forgets a stream that was reset: it starts anew when used again. */
  delete(id: number): void {
    this.#streams.delete(id)
    this.#refused.delete(id)
  }

  push(message: OutgoingMessage): void {
    const stream = message.stream
    stream.queue.push(message)
    if (!message.uncounted) stream.buffered += message.data.length
    this.#bytes += message.data.length
    this.#messages++
    if (stream.scheduled) return
    stream.scheduled = true
    this.#ready.push(stream)
  }

  /** Whether a stream has nothing that waits, not even the rest of a message. */
  isDrained(stream: OutgoingStream): boolean {
    return stream.queue.length === 0 && stream.current === undefined
  }

  /**
   * The message whose next fragment is to be sent. Those that have expired unsent are dropped; `onExpired` counts them, and of one
   * of which a part was sent it answers whether it was given up.
   */
  current(
    now: Instant,
    onExpired: (message: OutgoingMessage, now: Instant) => boolean,
  ): OutgoingMessage | undefined {
    for (;;) {
      const stream = this.#locked ?? this.#ready.top
      if (stream === undefined) return undefined
      const message = stream.current ?? stream.queue.shift()
      if (message === undefined) {
        this.#ready.pop()
        stream.scheduled = false
      } else if (message.expiresAt >= now) {
        if (stream.current !== undefined || this.#begin(stream, message)) return message
      } else if (message.taken > 0) {
        if (!onExpired(message, now)) return message
      } else {
        message.abandoned = true
        if (stream.current === undefined) this.#messages--
        else this.#finish(stream)
        this.#release(message, message.data.length)
        onExpired(message, now)
      }
    }
  }

  /** False where it has to wait. */
  #begin(stream: OutgoingStream, message: OutgoingMessage): boolean {
    stream.current = message
    if (!this.interleaving) {
      this.#ready.pop()
      this.#locked = stream
      return true
    }
    if (message.data.length <= this.fragmentSize) return true
    this.#wait(stream)
    this.#admit()
    return false
  }

  #wait(stream: OutgoingStream): void {
    this.#ready.remove(stream)
    stream.waiting ??= { stream, pass: 0, turn: 0, weight: 0 }
    stream.waiting.weight = stream.weight
    this.#waiting.push(stream.waiting)
  }

  /** Lets those begin that there is room for. */
  #admit(): void {
    for (let next = this.#waiting.top; next !== undefined; next = this.#waiting.top) {
      const message = next.stream.current!
      const { length } = message.data
      if (this.#begun > 0 && this.#begun + length > this.#begunLimit) return
      this.#waiting.pop()
      this.#waiting.serve(next, length)
      message.isBegun = true
      this.#begun += length
      this.#ready.push(next.stream)
    }
  }

  /** The peer's window is or was `bytes`, without what is in flight or held. */
  onPeerWindow(bytes: number): void {
    const limit = bytes * BEGUN_SHARE
    if (limit <= this.#begunLimit) return
    this.#begunLimit = limit
    this.#admit()
  }

  /** `length` bytes of the message that is current have gone into a chunk. */
  take(message: OutgoingMessage, length: number): void {
    const { stream } = message
    message.taken += length
    message.fragments++
    this.#release(message, length)
    this.#ready.serve(stream, length)
    if (message.taken === message.data.length) this.#finish(stream)
  }

  /** The current message of a stream goes no further. */
  #finish(stream: OutgoingStream): void {
    const message = stream.current
    stream.current = undefined
    this.#messages--
    if (message?.isBegun === true) this.#makeRoom(stream, message)
    if (this.#locked !== stream) return
    this.#locked = undefined
    if (stream.queue.length > 0) this.#ready.push(stream)
    else stream.scheduled = false
  }

  /** `message` is done with. What its stream has next stands in line with the others, before one of them begins. */
  #makeRoom(stream: OutgoingStream, message: OutgoingMessage): void {
    message.isBegun = false
    this.#begun -= message.data.length
    stream.current = stream.queue.shift()
    if (stream.current !== undefined && stream.current.data.length > this.fragmentSize) this.#wait(stream)
    this.#admit()
  }

  /** Drops what has not been sent of a message that is given up. */
  dropRest(message: OutgoingMessage): void {
    const { stream } = message
    if (stream.current !== message) return
    this.#finish(stream)
    this.#release(message, message.data.length - message.taken)
  }

  /** `length` bytes of `message` wait no more. */
  #release(message: OutgoingMessage, length: number): void {
    const { stream } = message
    this.#bytes -= length
    if (!message.uncounted) {
      const before = stream.buffered
      stream.buffered -= length
      if (before > stream.lowThreshold && stream.buffered <= stream.lowThreshold)
        this.lowStreams.push(stream.id)
    }
    if (this.#bytes <= this.#refusedAt) this.#tellRefused()
  }

  /** A message for `stream` was not taken. It is told once no more than `bytes` wait, and half the messages that may. */
  refuse(stream: number, bytes: number): void {
    this.#refused.set(stream, bytes)
    this.#refusedAt = Math.max(this.#refusedAt, bytes)
  }

  #tellRefused(): void {
    if (this.#messages > MAX_QUEUED_MESSAGES / 2) return
    this.#refusedAt = -1
    for (const [id, bytes] of this.#refused) {
      if (this.#bytes > bytes) {
        this.#refusedAt = Math.max(this.#refusedAt, bytes)
        continue
      }
      this.#refused.delete(id)
      const stream = this.#streams.get(id)
      // else it is told when it has fallen to its threshold
      if (stream === undefined || stream.buffered <= stream.lowThreshold) this.lowStreams.push(id)
    }
  }
}
