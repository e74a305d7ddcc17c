import { type Instant, NEVER, OutputQueue } from '@str0m/sans-io'

/** Messages that may wait to be sent, at most, over all streams: what bounds empty ones. */
export const MAX_QUEUED_MESSAGES = 65_536

/** How a message is to be delivered. */
export interface Delivery {
  /** Whether it may overtake others of its stream. Default false. */
  readonly unordered?: boolean
  /** How often it may be sent again before it is given up (RFC 7496 section 3.1). Default: for ever. */
  readonly maxRetransmits?: number
  /** Milliseconds after which it is given up (RFC 3758 section 4). Default: never. */
  readonly lifetime?: number
}

/** A message of the user, from `send` until all of it is acknowledged or abandoned. */
export class OutgoingMessage {
  readonly stream: OutgoingStream
  readonly ppid: number
  readonly unordered: boolean
  readonly data: Uint8Array
  readonly maxRetransmits: number
  readonly expiresAt: Instant
  /** Bytes that have gone into chunks. */
  taken = 0
  /** Assigned with its first fragment, so that one that is never sent leaves no hole. */
  ssn = 0
  firstTsn = -1
  lastTsn = -1
  abandoned = false

  constructor(stream: OutgoingStream, now: Instant, ppid: number, data: Uint8Array, delivery: Delivery) {
    this.stream = stream
    this.ppid = ppid
    this.data = data
    this.unordered = delivery.unordered ?? false
    this.maxRetransmits = delivery.maxRetransmits ?? Number.POSITIVE_INFINITY
    this.expiresAt = delivery.lifetime === undefined ? NEVER : now + delivery.lifetime
  }
}

/** One stream to the peer. */
export class OutgoingStream {
  readonly id: number
  readonly queue: OutputQueue<OutgoingMessage> = new OutputQueue()
  /** The next stream sequence number, 16 bits. */
  nextSsn = 0
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

/** The messages that wait, and whose turn it is: a message of each stream in turn. Keeps the sum of what waits. */
export class SendQueue {
  readonly #streams: Map<number, OutgoingStream> = new Map()
  readonly #round: OutputQueue<OutgoingStream> = new OutputQueue()
  /** The message that is being fragmented. Without interleaving, nothing may come between its fragments. */
  #current: OutgoingMessage | undefined
  #bytes = 0
  #messages = 0
  /** Streams whose buffered amount has fallen to their threshold, until taken. */
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
        this.#release(stream, message.data.length)
      }
    }
  }

  /** Forgets a stream that was reset: it starts anew when used again. */
  delete(id: number): void {
    this.#streams.delete(id)
  }

  push(message: OutgoingMessage): void {
    const stream = message.stream
    stream.queue.push(message)
    stream.buffered += message.data.length
    this.#bytes += message.data.length
    this.#messages++
    if (stream.scheduled) return
    stream.scheduled = true
    this.#round.push(stream)
  }

  /** Whether a stream has nothing that waits, not even the rest of a message. */
  isDrained(stream: OutgoingStream): boolean {
    return stream.queue.length === 0 && this.#current?.stream !== stream
  }

  /** The message whose next fragment is to be sent. Those that have expired unsent are dropped, and counted by the answer's caller. */
  current(now: Instant, onExpired: (message: OutgoingMessage) => void): OutgoingMessage | undefined {
    while (this.#current === undefined) {
      const stream = this.#round.shift()
      if (stream === undefined) return undefined
      const message = stream.queue.shift()
      if (stream.queue.length > 0) this.#round.push(stream)
      else stream.scheduled = false
      if (message === undefined) continue
      if (message.expiresAt > now) {
        this.#current = message
      } else {
        message.abandoned = true
        this.#messages--
        this.#release(stream, message.data.length)
        onExpired(message)
      }
    }
    return this.#current
  }

  /** `length` bytes of the current message have gone into a chunk. */
  take(message: OutgoingMessage, length: number): void {
    message.taken += length
    this.#release(message.stream, length)
    if (message.taken < message.data.length) return
    this.#current = undefined
    this.#messages--
  }

  /** Drops what has not been sent of a message that is given up. */
  dropRest(message: OutgoingMessage): void {
    if (this.#current !== message) return
    this.#current = undefined
    this.#messages--
    this.#release(message.stream, message.data.length - message.taken)
  }

  #release(stream: OutgoingStream, length: number): void {
    const before = stream.buffered
    stream.buffered -= length
    this.#bytes -= length
    if (before > stream.lowThreshold && stream.buffered <= stream.lowThreshold)
      this.lowStreams.push(stream.id)
  }
}
