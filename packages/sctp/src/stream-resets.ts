import { type Instant, NEVER, serial32 } from '@str0m/sans-io'
import type { SendQueue } from './outgoing.ts'
import type { DataReceiver } from './receiver.ts'
import type { RoundTrip } from './round-trip.ts'
import type { DataSender } from './sender.ts'
import { countDrop, type Counters } from './statistics.ts'
import { ParameterType } from './wire/constants.ts'
import {
  type OutgoingResetRequest,
  readResetRequest,
  readResetResponse,
  ResetResult,
  writeResetRequest,
  writeResetResponse,
} from './wire/reconfig.ts'
import type { TlvIterator } from './wire/tlv.ts'

/** Streams that one request names, at most: what fits in a small packet. Others wait for the next. */
const MAX_STREAMS_PER_REQUEST = 200

/** What a reset did. `incoming` streams are those that the peer sends on. */
export interface ResetEvents {
  onIncomingReset(streams: readonly number[]): void
  onOutgoingReset(streams: readonly number[], performed: boolean): void
}

export interface StreamResetsOptions {
  readonly localInitialTsn: number
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
  #nextRequest: number
  #request: OutgoingResetRequest | undefined
  #requestDue = false
  #requestAt: Instant = NEVER
  #expectedRequest: number
  /** The peer's request that waits for its last TSN. */
  #deferred: OutgoingResetRequest | undefined
  #lastResult: number = ResetResult.badSequenceNumber
  #responseDue: number | undefined

  constructor(options: StreamResetsOptions) {
    this.#options = options
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
    if (this.#responseDue !== undefined) {
      const chunk = writeResetResponse({ responseNumber: this.#responseDue, result: this.#lastResult })
      this.#responseDue = undefined
      return chunk
    }
    if (this.#request === undefined) this.#makeRequest()
    if (this.#request === undefined || !this.#requestDue) return undefined
    this.#requestDue = false
    this.#requestAt = now + this.#options.roundTrip.rto
    return writeResetRequest(this.#request)
  }

  /** Whether `poll` would give a chunk. */
  get isDue(): boolean {
    if (this.#responseDue !== undefined) return true
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
      if (streams.length === MAX_STREAMS_PER_REQUEST) break
    }
    if (streams.length === 0) return
    for (const id of streams) this.#wanted.delete(id)
    this.#request = {
      requestNumber: this.#nextRequest,
      responseNumber: serial32.add(this.#expectedRequest, -1),
      lastTsn: sender.lastAssignedTsn,
      streams,
    }
    this.#nextRequest = serial32.add(this.#nextRequest, 1)
    this.#requestDue = true
  }

  /** True where the timer ran out: the request is sent again. */
  onTimer(now: Instant): boolean {
    if (this.#requestAt > now) return false
    this.#requestAt = NEVER
    this.#requestDue = this.#request !== undefined
    return true
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
    this.#responseDue = request.requestNumber
    // the last one again: the same answer, or what has come of it meanwhile
    if (request.requestNumber === serial32.add(this.#expectedRequest, -1)) return
    if (request.requestNumber !== this.#expectedRequest) {
      countDrop(this.#options.counters, 'unexpected')
      this.#responseDue = undefined
      return
    }
    if (this.#deferred !== undefined) {
      this.#responseDue = undefined
      return
    }
    this.#expectedRequest = serial32.add(this.#expectedRequest, 1)
    if (this.#options.receiver.deferReset(request.lastTsn, request.streams)) {
      this.#deferred = request
      this.#lastResult = ResetResult.inProgress
    } else {
      this.#perform(request)
    }
  }

  #perform(request: OutgoingResetRequest): void {
    this.#deferred = undefined
    this.#lastResult = ResetResult.performed
    const streams = this.#options.receiver.reset(request.streams)
    this.#options.events.onIncomingReset(streams)
  }

  /** The receiver has taken data: a request that waits may be due. */
  onProgress(): void {
    if (this.#deferred === undefined || !this.#options.receiver.resetIsDue) return
    this.#responseDue = this.#deferred.requestNumber
    this.#perform(this.#deferred)
  }

  /** What this endpoint does not do is denied: resets of the peer's choosing, of TSNs, and more streams. */
  #deny(at: TlvIterator): void {
    const request = readResetResponse(at)
    if (request === undefined || request.responseNumber !== this.#expectedRequest) return
    this.#expectedRequest = serial32.add(this.#expectedRequest, 1)
    this.#lastResult = ResetResult.denied
    this.#responseDue = request.responseNumber
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
    // the timer asks again
    if (response.result === ResetResult.inProgress) return
    this.#request = undefined
    this.#requestDue = false
    this.#requestAt = NEVER
    const performed = response.result <= ResetResult.performed
    for (const id of request.streams) this.#options.queue.delete(id)
    this.#options.events.onOutgoingReset(request.streams, performed)
  }
}
