import { type CryptoProvider, defaultCrypto } from '@str0m/crypto'
import {
  canonicalIpAddress,
  checkInput,
  type EventOutput,
  type Instant,
  latestInstant,
  type Machine,
  type Output,
  OutputQueue,
  sameSocketAddress,
  type SocketAddress,
  socketAddress,
  type TimeoutInput,
} from '@str0m/sans-io'
import { Candidate, localAddress } from './candidate.ts'
import { checkPath } from './ice-path.ts'
import type { IceReceive, IceTransmit } from './ice-types.ts'
import { isStun, parseStun } from './stun-parse.ts'
import { BINDING } from './stun-types.ts'
import { writeStun } from './stun-write.ts'
import { requestTransaction, type Transaction, Transactions } from './transactions.ts'

export type StunBindingEvent =
  /** The server has told the mapped address. */
  | { readonly type: 'mapped'; readonly candidate: Candidate }
  /** It has not, or with an error of this code; `undefined` too where the answer has an attribute that has to be understood and is not. */
  | { readonly type: 'failed'; readonly code: number | undefined }

export interface StunBindingOptions {
  readonly server: string | SocketAddress
  /** The local address to send from. */
  readonly base: string | SocketAddress
  /** Default: `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
}

/**
 * Asks a STUN server once which address it sees: RFC 8489 section 2, for the server-reflexive candidate of RFC 8445
 * section 5.1.1.2. Nothing is authenticated but by the transaction id, as is usual for STUN servers.
 */
export class StunBinding implements Machine<StunBindingEvent, IceTransmit, TimeoutInput | IceReceive> {
  readonly server: SocketAddress
  readonly base: SocketAddress
  readonly #transactionId: Uint8Array
  readonly #transactions = new Transactions<Transaction>(1)
  readonly #outputs = new OutputQueue<IceTransmit | EventOutput<StunBindingEvent>>()
  #now: Instant = Number.NEGATIVE_INFINITY
  #state: 'new' | 'asking' | 'finished' = 'new'

  /** Throws a `UsageError` (`invalid-address`), also for a base without a port: bind the socket first. */
  constructor(options: StunBindingOptions) {
    this.server = socketAddress(options.server)
    this.base = localAddress(options.base)
    this.#transactionId = (options.crypto ?? defaultCrypto()).randomBytes(12)
  }

  /** Whether a datagram is the answer that this is waiting for. */
  accepts(contents: Uint8Array): boolean {
    return isStun(contents) && this.#transactions.find(contents.subarray(8, 20)) !== undefined
  }

  handleInput(input: TimeoutInput | IceReceive): void {
    checkInput(input)
    if (input.kind === 'receive') checkPath(input)
    this.#now = latestInstant(this.#now, input.now)
    if (input.kind === 'receive') this.#receive(input)
    else this.#advance()
  }

  pollOutput(): Output<StunBindingEvent, IceTransmit> {
    return this.#outputs.shift() ?? { kind: 'timeout', at: this.#nextAt() }
  }

  #nextAt(): Instant {
    return this.#state === 'new' ? Number.NEGATIVE_INFINITY : this.#transactions.nextAt()
  }

  #advance(): void {
    if (this.#state === 'new') {
      this.#state = 'asking'
      const bytes = writeStun({ class: 'request', method: BINDING, transactionId: this.#transactionId })
      this.#transactions.add(requestTransaction(this.#transactionId, bytes, this.#now))
      return this.#send(bytes)
    }
    const { again, failed } = this.#transactions.due(this.#now)
    for (const { bytes } of again) this.#send(bytes)
    if (failed.length > 0) this.#finish({ type: 'failed', code: undefined })
  }

  #send(bytes: Uint8Array): void {
    const [source, destination] = [this.base, this.server]
    // a copy: what was sent belongs to the caller
    this.#outputs.push({ kind: 'transmit', proto: 'udp', source, destination, contents: bytes.slice() })
  }

  #receive({ contents, source }: IceReceive): void {
    const address = canonicalIpAddress(source.address)
    if (address === undefined || !sameSocketAddress({ address, port: source.port }, this.server)) return
    const response = this.accepts(contents) ? parseStun(contents) : 'not-stun'
    if (typeof response === 'string' || response.method !== BINDING) return
    // RFC 8489 sections 6.3.3 and 6.3.4
    if (response.notUnderstood.length > 0) return this.#finish({ type: 'failed', code: undefined })
    if (response.class === 'error') return this.#finish({ type: 'failed', code: response.errorCode?.code })
    const mapped = response.xorMappedAddress ?? response.mappedAddress
    if (response.class !== 'success' || mapped === undefined || mapped.port === 0) return
    this.#finish({ type: 'mapped', candidate: Candidate.serverReflexive(mapped, this.base) })
  }

  #finish(event: StunBindingEvent): void {
    this.#transactions.clear()
    this.#state = 'finished'
    this.#outputs.push({ kind: 'event', event })
  }
}
