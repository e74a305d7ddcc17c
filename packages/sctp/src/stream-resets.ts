import { type Instant, NEVER, serial32 } from '@str0m/sans-io'
import type { SendQueue } from './outgoing.ts'
import type { DataReceiver } from './receiver.ts'
import type { RoundTrip } from './round-trip.ts'
import type { DataSender } from './sender.ts'
import { countDrop, type Counters } from './statistics.ts'
import { COMMON_HEADER, ParameterType } from './wire/constants.ts'
import {
  type OutgoingResetRequest,
  readRequestNumber,
  readResetRequest,
  readResetResponse,
  type ResetResponse,
  ResetResult,
  writeResetRequest,
  writeResetResponse,
} from './wire/reconfig.ts'
import type { TlvIterator } from './wire/tlv.ts'

/** Streams that one request names, at most; fewer where packets are small. Others wait for the next. */
const MAX_STREAMS_PER_REQUEST = 200
/** Bytes of a packet that other chunks may have where a RE-CONFIG chunk goes with them. */
export const RESET_RESERVE = 64
/** Bytes of a request before its streams, with the headers of its chunk and its parameter. */
const REQUEST_HEADER = 20
/** Answers that wait to be sent, at most: a chunk has two requests at most (RFC 6525 section 3.1). */
const MAX_RESPONSES = 2

/** What a reset did. `incoming` streams are those that the peer sends on. */
export interface ResetEvents {
  onIncomingReset(streams: readonly number[]): void
  onOutgoingReset(streams: readonly number[], performed: boolean): void
}

export interface StreamResetsOptions {
  readonly localInitialTsn: number
  /** Bytes of the largest packet. */
  readonly maxPacketSize: number
  /** Streams that the peer may send on. */
  readonly inboundStreams: number
  readonly peerInitialTsn: number
  readonly sender: DataSender
  readonly receiver: DataReceiver
  readonly queue: SendQueue
  readonly roundTrip: RoundTrip
  readonly counters: Counters
  readonly events: ResetEvents
}

/** Resets streams both ways, RFC 6525: one request of ours and one of the peer's at a time. */
export class StreamResets {
  readonly #options: StreamResetsOptions
  readonly #wanted = new Set<number>()
  readonly #maxStreams: number
  #nextRequest: number
  #request: OutgoingResetRequest | undefined
  #requestDue = false
  #requestAt: Instant = NEVER
  #expectedRequest: number
  /** The peer's request that waits for its last TSN. */
  #deferred: OutgoingResetRequest | undefined
  /** What became of the peer's last request. */
  #lastResult: number = ResetResult.nothingToDo
  /** Answers that wait: two at most, for that is what a chunk can ask for. */
  readonly #responses: ResetResponse[] = []
  /** How often the peer has said that it is at our request. */
  #inProgress = 0
  /** Whether it has said so since the request was last sent. */
  #answered = false

  constructor(options: StreamResetsOptions) {
    this.#options = options
    const room = options.maxPacketSize - COMMON_HEADER - RESET_RESERVE - REQUEST_HEADER
    this.#maxStreams = Math.min(MAX_STREAMS_PER_REQUEST, (room & ~3) / 2)
    // RFC 6525 section 4.1: the first is the initial TSN
    this.#nextRequest = options.localInitialTsn
    this.#expectedRequest = options.peerInitialTsn
  }

  get nextAt(): Instant {
    return this.#requestAt
  }

  get isIdle(): boolean {
    return this.#wanted.size === 0 && this.#request === undefined
  }

  /** Resets an outgoing stream as soon as all that is queued on it has been sent. */
  want(stream: number): void {
    this.#wanted.add(stream)
  }

  /** The next RE-CONFIG chunk to send, if any. */
  poll(now: Instant): Uint8Array | undefined {
    const response = this.#responses.shift()
    if (response !== undefined) {
      return writeResetResponse(response)
    }
    if (this.#request === undefined) this.#makeRequest()
    if (this.#request === undefined || !this.#requestDue) return undefined
    this.#requestDue = false
    this.#requestAt = now + this.#options.roundTrip.rto
    return writeResetRequest(this.#request)
  }

  /** Whether `poll` would give a chunk. */
  get isDue(): boolean {
    if (this.#responses.length > 0) return true
    if (this.#request === undefined && this.#wanted.size > 0) this.#makeRequest()
    return this.#requestDue
  }

  #makeRequest(): void {
    const { queue, sender } = this.#options
    const streams: number[] = []
    for (const id of this.#wanted) {
      const stream = queue.find(id)
      if (stream !== undefined && !queue.isDrained(stream)) continue
      streams.push(id)
      if (streams.length === this.#maxStreams) break
    }
    if (streams.length === 0) return
    for (const id of streams) this.#wanted.delete(id)
    this.#request = {
      requestNumber: this.#takeNumber(),
      responseNumber: serial32.add(this.#expectedRequest, -1),
      lastTsn: sender.lastAssignedTsn,
      streams,
    }
    this.#inProgress = 0
    this.#answered = false
    this.#requestDue = true
  }

  /** True where the timer ran out unanswered, and the request is sent again. */
  onTimer(now: Instant): boolean {
    if (this.#requestAt > now) return false
    this.#requestAt = NEVER
    const request = this.#request
    this.#requestDue = request !== undefined
    const answered = this.#answered
    this.#answered = false
    // RFC 6525 section 5.2.7, H2: an answer spares the request one error, and not those after it
    if (request === undefined || !answered) return true
    if (this.#inProgress > 1) {
      // dcSCTP as it was for years answers the same number with the same answer for ever
      this.#request = { ...request, requestNumber: this.#takeNumber() }
      this.#inProgress = 0
    }
    return false
  }

  #takeNumber(): number {
    const number = this.#nextRequest
    this.#nextRequest = serial32.add(number, 1)
    return number
  }

  /** Takes the RE-CONFIG chunk that `at` stands at. */
  onChunk(at: TlvIterator): void {
    const parameters = at.parameters(0)
    if (!parameters.check()) {
      countDrop(this.#options.counters, 'malformed')
      return
    }
    // RFC 6525 section 3.1: two parameters at most
    for (let count = 0; count < 2 && parameters.next(); count++) {
      if (parameters.head === ParameterType.outgoingResetRequest) this.#onRequest(parameters)
      else if (parameters.head === ParameterType.reconfigurationResponse) this.#onResponse(parameters)
      else this.#deny(parameters)
    }
  }

  #onRequest(at: TlvIterator): void {
    const request = readResetRequest(at)
    if (request === undefined) {
      countDrop(this.#options.counters, 'malformed')
      return
    }
    this.#options.receiver.requestSack()
    // one that waits may be asked for again under a new number (dcSCTP did so for years); another one has to wait
    const deferred = this.#deferred
    if (
      deferred !== undefined &&
      request.requestNumber === this.#expectedRequest &&
      !isSame(deferred, request)
    ) {
      countDrop(this.#options.counters, 'unexpected')
      return
    }
    if (!this.#isNext(request.requestNumber)) return
    const { receiver, inboundStreams } = this.#options
    if (request.streams.some((stream) => stream >= inboundStreams)) {
      this.#answer(request.requestNumber, ResetResult.wrongSsn)
    } else if (receiver.deferReset(request.lastTsn, request.streams)) {
      this.#deferred = request
      this.#answer(request.requestNumber, ResetResult.inProgress)
    } else {
      this.#perform(request)
    }
  }

  /** Whether a request's number is the next one. The last one again gets what has come of it; others get no answer. */
  #isNext(requestNumber: number): boolean {
    if (requestNumber === this.#expectedRequest) {
      this.#expectedRequest = serial32.add(this.#expectedRequest, 1)
      return true
    }
    if (requestNumber === serial32.add(this.#expectedRequest, -1))
      this.#answer(requestNumber, this.#lastResult)
    else countDrop(this.#options.counters, 'unexpected')
    return false
  }

  #answer(responseNumber: number, result: number): void {
    this.#lastResult = result
    if (this.#responses.length >= MAX_RESPONSES) this.#responses.shift()
    this.#responses.push({ responseNumber, result })
  }

  #perform(request: OutgoingResetRequest): void {
    this.#deferred = undefined
    const streams = this.#options.receiver.reset(request.streams)
    this.#answer(request.requestNumber, ResetResult.performed)
    this.#options.events.onIncomingReset(streams)
  }

  /** The receiver has taken data: a request that waits may be due. */
  onProgress(): void {
    if (this.#deferred !== undefined && this.#options.receiver.resetIsDue) this.#perform(this.#deferred)
  }

  /** What this endpoint does not do is denied: resets of the peer's choosing, of TSNs, and more streams. */
  #deny(at: TlvIterator): void {
    const requestNumber = readRequestNumber(at)
    if (requestNumber !== undefined && this.#isNext(requestNumber))
      this.#answer(requestNumber, ResetResult.denied)
  }

  #onResponse(at: TlvIterator): void {
    const response = readResetResponse(at)
    const request = this.#request
    if (
      response === undefined ||
      request === undefined ||
      response.responseNumber !== request.requestNumber
    ) {
      countDrop(this.#options.counters, 'unexpected')
      return
    }
    if (response.result === ResetResult.inProgress || response.result === ResetResult.alreadyInProgress) {
      // the timer asks again
      this.#inProgress++
      this.#answered = true
      return
    }
    this.#request = undefined
    this.#requestDue = false
    this.#requestAt = NEVER
    const performed = response.result <= ResetResult.performed
    for (const id of request.streams) {
      if (performed) this.#options.queue.delete(id)
      else this.#options.queue.stream(id).closing = false
    }
    this.#options.events.onOutgoingReset(request.streams, performed)
  }
}

function isSame(a: OutgoingResetRequest, b: OutgoingResetRequest): boolean {
  return (
    a.lastTsn === b.lastTsn &&
    a.streams.length === b.streams.length &&
    a.streams.every((stream, i) => stream === b.streams[i])
  )
}
