import type { CryptoProvider } from '@str0m/crypto'
import type { Instant } from '@str0m/sans-io'
import {
  type Authentication,
  lacksPasswordAlgorithms,
  type LongTermCredentials,
} from './long-term-credentials.ts'
import { verifyStunIntegrity } from './stun-parse.ts'
import type { ReceivedStun, StunAttribute } from './stun-types.ts'
import { writeStun } from './stun-write.ts'
import { requestTransaction, type Transaction, Transactions, TRANSMISSIONS } from './transactions.ts'
import { readTurnAttributes, type TurnAttributes } from './turn-wire.ts'

/** How often a request is made anew because the server wants other credentials or another nonce. */
const MAX_CHALLENGES = 3
/** Where the server has not said anything that can be verified, it is asked again at the earliest after this, ms. */
export const RETRY_DELAY = 5000
const SOFTWARE = '@str0m/stun-ice'

/** A request of which `P` says what it is for. */
export interface TurnQuestion<P> {
  readonly purpose: P
  readonly method: number
  /** Those of the method. An address is masked with the transaction id, RFC 8489 section 14.2. */
  attributes(transactionId: Uint8Array): readonly StunAttribute[]
  /** Default 7, RFC 8489 section 6.2.1. Over TCP always 1. */
  readonly maxTransmissions?: number
}

/** What has become of a request. `sentAt`: when it was sent for the first time. */
export type TurnAnswer =
  | { readonly type: 'success'; readonly message: ReceivedStun; readonly attributes: TurnAttributes }
  | { readonly type: 'error'; readonly code: number; readonly message: ReceivedStun }
  /** A 401 or 438, and it was not made anew. Not authenticated. */
  | { readonly type: 'credentials'; readonly code: number }
  /** Nothing came that could be verified; `code` of an error that could not. */
  | { readonly type: 'timeout' | 'integrity'; readonly code: number | undefined }

export interface TurnOutcome<P> {
  readonly purpose: P
  readonly sentAt: Instant
  readonly answer: TurnAnswer
}

interface TurnRequest<P> extends Transaction {
  readonly question: TurnQuestion<P>
  /** None in the very first request to a server. */
  readonly authentication: Authentication | undefined
  readonly challenges: number
  /** The last answer that was discarded: the code of an error, or 0. */
  discarded: number | undefined
}

/**
 * Requests with long-term credentials, RFC 8489 sections 6 and 9.2: retransmitted where the transport is not reliable, made anew with what the server asks
 * for, and done with only by an answer that is authenticated.
 */
export class TurnRequests<P> {
  requestsSent = 0
  retransmissionsSent = 0
  readonly #crypto: CryptoProvider
  readonly #credentials: LongTermCredentials
  readonly #isReliable: boolean
  readonly #transmit: (contents: Uint8Array) => void
  readonly #transactions: Transactions<TurnRequest<P>>

  /** `limit`: how many may be under way, to which who asks keeps. */
  constructor(
    crypto: CryptoProvider,
    credentials: LongTermCredentials,
    isReliable: boolean,
    limit: number,
    transmit: (contents: Uint8Array) => void,
  ) {
    this.#crypto = crypto
    this.#credentials = credentials
    this.#isReliable = isReliable
    this.#transmit = transmit
    this.#transactions = new Transactions(limit)
  }

  ask(now: Instant, question: TurnQuestion<P>, challenges = 0): void {
    const transactionId = this.#crypto.randomBytes(12)
    const { authentication } = this.#credentials
    const others = [...(authentication?.attributes ?? []), ...question.attributes(transactionId)]
    const { method } = question
    const message = { class: 'request', method, transactionId, software: SOFTWARE, others } as const
    const bytes = writeStun(message, { integrity: authentication?.hmac })
    const transmissions = this.#isReliable ? 1 : (question.maxTransmissions ?? TRANSMISSIONS)
    const transaction = requestTransaction(transactionId, bytes, now, transmissions)
    this.#transactions.add({ ...transaction, question, authentication, challenges, discarded: undefined })
    this.#send(bytes)
  }

  #send(bytes: Uint8Array): void {
    this.requestsSent++
    // a copy: what was sent belongs to the caller
    this.#transmit(bytes.slice())
  }

  /** Forgets all that is under way. */
  clear(): void {
    this.#transactions.clear()
  }

  nextAt(): Instant {
    return this.#transactions.nextAt()
  }

  /** Sends again what is due; answers what has been given up. */
  advance(now: Instant): TurnOutcome<P>[] {
    const { again, failed } = this.#transactions.due(now)
    for (const { bytes } of again) {
      this.retransmissionsSent++
      this.#send(bytes)
    }
    return failed.map((request) => this.#unanswered(request))
  }

  /** RFC 8489 section 9.2.5: where answers came that could not be verified, that is what is told. */
  #unanswered(request: TurnRequest<P>): TurnOutcome<P> {
    const { discarded } = request
    const type = discarded === undefined ? 'timeout' : 'integrity'
    return outcome(request, { type, code: discarded === 0 ? undefined : discarded })
  }

  /** Takes a response: an outcome, `retried` where the request was made anew, or why it was dropped. */
  receive(
    now: Instant,
    message: ReceivedStun,
  ): TurnOutcome<P> | 'retried' | 'malformed' | 'transaction' | 'integrity' {
    const request = this.#transactions.find(message.transactionId)
    if (request === undefined || request.question.method !== message.method) return 'transaction'
    const attributes = readTurnAttributes(message)
    const code = message.class === 'error' ? message.errorCode?.code : 0
    if (attributes === undefined || code === undefined) return 'malformed'
    if (code === 401 || code === 438) return this.#challenged(now, request, code, attributes)
    if (!isAuthentic(message, code, request) || lacksPasswordAlgorithms(attributes)) {
      request.discarded = code
      if (!this.#isReliable) return 'integrity'
      // RFC 8489 section 9.2.5: nothing better comes on a stream
      this.#transactions.remove(request)
      return this.#unanswered(request)
    }
    this.#transactions.remove(request)
    if (code !== 0) return outcome(request, { type: 'error', code, message })
    // RFC 8489 section 6.3.3
    if (attributes.incomprehensible) return outcome(request, { type: 'error', code: 420, message })
    return outcome(request, { type: 'success', message, attributes })
  }

  /** These two cannot be authenticated, for want of what they tell: the credentials see to it that they ask for nothing worse, and they are counted. */
  #challenged(
    now: Instant,
    request: TurnRequest<P>,
    code: 401 | 438,
    attributes: TurnAttributes,
  ): TurnOutcome<P> | 'retried' | 'malformed' {
    const verdict = this.#credentials.accept(code, attributes, request.authentication)
    if (verdict === 'malformed') return 'malformed'
    this.#transactions.remove(request)
    if (verdict === 'refused' || request.challenges >= MAX_CHALLENGES) {
      return outcome(request, { type: 'credentials', code })
    }
    this.ask(now, request.question, request.challenges + 1)
    return 'retried'
  }
}

function outcome<P>({ question, sentAt }: TurnRequest<P>, answer: TurnAnswer): TurnOutcome<P> {
  return { purpose: question.purpose, sentAt, answer }
}

/** A 300 may come without message integrity, RFC 8489 section 10; not with a wrong one. All else that answers a request without is not believed. */
function isAuthentic(message: ReceivedStun, code: number, { authentication }: TurnRequest<unknown>): boolean {
  const isUnsigned = message.integrityAt < 0 && message.integritySha256At < 0
  if (code === 300 && isUnsigned) return true
  return authentication !== undefined && verifyStunIntegrity(message, authentication.hmac)
}
