import { type CryptoProvider, defaultCrypto } from '@str0m/crypto'
import {
  canonicalIpAddress,
  type EventOutput,
  type Instant,
  type Machine,
  NEVER,
  type Output,
  OutputQueue,
  sameSocketAddress,
  type SocketAddress,
  socketAddress,
  type TimeoutInput,
} from '@str0m/sans-io'
import { Candidate } from './candidate.ts'
import type { IceReceive, IceTransmit } from './ice-types.ts'
import { parseStun } from './stun-parse.ts'
import { BINDING } from './stun-types.ts'
import { writeStun } from './stun-write.ts'

/** RFC 8489 section 6.2.1. */
const RTO = 500
/** Rc, RFC 8489 section 6.2.1. */
const TRANSMISSIONS = 7
/** Rm, RFC 8489 section 6.2.1. */
const FINAL_WAIT = 16

export type StunBindingEvent =
  /** The server has told the mapped address. */
  | { readonly type: 'mapped'; readonly candidate: Candidate }
  /** It has not, or with an error of this code. */
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
  readonly #request: Uint8Array
  readonly #outputs = new OutputQueue<IceTransmit | EventOutput<StunBindingEvent>>()
  #now: Instant = Number.NEGATIVE_INFINITY
  #at: Instant = Number.NEGATIVE_INFINITY
  #transmissions = 0

  /** Throws a `UsageError` (`invalid-address`). */
  constructor(options: StunBindingOptions) {
    this.server = socketAddress(options.server)
    this.base = socketAddress(options.base)
    const transactionId = (options.crypto ?? defaultCrypto()).randomBytes(12)
    this.#request = writeStun({ class: 'request', method: BINDING, transactionId })
  }

  /** Whether a datagram is the answer that this is waiting for. */
  accepts(contents: Uint8Array): boolean {
    if (this.#at === NEVER || contents.length < 20) return false
    for (let i = 4; i < 20; i++) if (contents[i] !== this.#request[i]) return false
    return true
  }

  handleInput(input: TimeoutInput | IceReceive): void {
    this.#now = Math.max(this.#now, input.now)
    if (input.kind === 'receive') this.#receive(input)
    else if (this.#now >= this.#at) this.#send()
  }

  pollOutput(): Output<StunBindingEvent, IceTransmit> {
    return this.#outputs.shift() ?? { kind: 'timeout', at: this.#at }
  }

  #send(): void {
    if (this.#transmissions === TRANSMISSIONS) return this.#finish({ type: 'failed', code: undefined })
    const isLast = ++this.#transmissions === TRANSMISSIONS
    this.#at = this.#now + RTO * (isLast ? FINAL_WAIT : 2 ** (this.#transmissions - 1))
    const contents = this.#request.slice()
    this.#outputs.push({
      kind: 'transmit',
      proto: 'udp',
      source: this.base,
      destination: this.server,
      contents,
    })
  }

  #receive({ contents, source }: IceReceive): void {
    const address = canonicalIpAddress(source.address)
    if (address === undefined || !sameSocketAddress({ address, port: source.port }, this.server)) return
    const response = this.accepts(contents) ? parseStun(contents) : 'not-stun'
    if (typeof response === 'string' || response.method !== BINDING) return
    if (response.class === 'error') return this.#finish({ type: 'failed', code: response.errorCode?.code })
    const mapped = response.xorMappedAddress ?? response.mappedAddress
    if (response.class !== 'success' || mapped === undefined || mapped.port === 0) return
    this.#finish({ type: 'mapped', candidate: Candidate.serverReflexive(mapped, this.base) })
  }

  #finish(event: StunBindingEvent): void {
    this.#at = NEVER
    this.#outputs.push({ kind: 'event', event })
  }
}
