// The ClientHellos of one client: one offers every version, and each version's handshake reads the answers.

import type { KeyExchange } from '@str0m/crypto'
import { assert, type Instant } from '@str0m/sans-io'
import { NO_BYTES, sameBytes } from '../bytes.ts'
import { NAMED_GROUPS } from '../cipher-suites.ts'
import type { FlightItem } from '../flight.ts'
import { keepRival, RIVAL_HELLOS_MAX } from '../rivals.ts'
import { handshakeMessage, type HandshakeMessage } from '../wire/handshake.ts'
import { HandshakeType, RANDOM_LENGTH } from '../wire/protocol.ts'
import { clientHelloBody, RANDOM_AT } from './client-hello.ts'
import type { HandshakeContext } from './context.ts'

/** The `message_seq` of our last ClientHello: each HelloVerifyRequest or HelloRetryRequest takes one. */
export const CLIENT_HELLO_SEQUENCE_MAX = 3

/** The HelloRetryRequest that a ClientHello answers, RFC 8446 section 4.1.4. */
export interface AnsweredRetry {
  readonly request: HandshakeMessage
  /** The ClientHello before it. */
  readonly hello: SentHello
  readonly cipherSuite: number
}

export interface SentHello {
  readonly message: HandshakeMessage
  /** Of a HelloVerifyRequest; empty without one. */
  readonly legacyCookie: Uint8Array
  readonly retry: AnsweredRetry | undefined
  /** Behind the key shares. */
  readonly keyExchanges: readonly KeyExchange[]
  /** Of the newest message in the flight of DTLS 1.2 that was last tried with this hello. */
  triedVersion: number
}

export class ClientHellos {
  readonly random: Uint8Array
  /** By `message_seq`; rivals where different requests came for one. What was sent last is at the end. */
  readonly sent: (SentHello[] | undefined)[] = []
  readonly #context: HandshakeContext

  constructor(context: HandshakeContext) {
    this.#context = context
    this.random = context.config.crypto.randomBytes(RANDOM_LENGTH)
  }

  get begun(): boolean {
    return this.sent.length > 0
  }

  /** As a flight: whoever has seen them knows them by their `message_seq`, RFC 4347 section 4.2.2. */
  get items(): readonly FlightItem[] {
    const epoch = this.#context.plaintext
    return this.sent.flatMap((hellos) => hellos ?? []).map(({ message }) => ({ epoch, message }))
  }

  /** Sends the first one. Nothing, where it was sent. */
  start(now: Instant): void {
    if (this.begun) return
    const { versions, crypto } = this.#context.config
    const preferred = NAMED_GROUPS[0]
    assert(preferred !== undefined, 'there is a group')
    const keyExchanges = versions.includes('DTLS 1.3') ? [crypto.generateKeyExchange(preferred.group)] : []
    const hello = this.#make(0, NO_BYTES, undefined, undefined, keyExchanges)
    this.sent[0] = [hello]
    this.#send(hello, now)
  }

  /** Sends the one with the cookie of a HelloVerifyRequest. */
  sendWithLegacyCookie(sequence: number, cookie: Uint8Array, now: Instant): void {
    const hellos = (this.sent[sequence] ??= [])
    const known = hellos.findIndex(
      ({ retry, legacyCookie }) => retry === undefined && sameBytes(legacyCookie, cookie),
    )
    if (this.#context.config.versions.includes('DTLS 1.3')) {
      // a server of DTLS 1.3 takes no such hello, and may have been asked with a forged one: those before are sent again beside it
      if (known >= 0) return
      const keyExchanges = this.sent[0]?.[0]?.keyExchanges ?? []
      const hello = this.#make(sequence, cookie.slice(), undefined, undefined, keyExchanges)
      keepRival(hellos, hello, RIVAL_HELLOS_MAX)
      this.#sendBeside(hello, now)
      return
    }
    const [hello] =
      known >= 0 ? hellos.splice(known, 1) : [this.#make(sequence, cookie.slice(), undefined, undefined, [])]
    assert(hello !== undefined, 'a hello that was found is there')
    keepRival(hellos, hello, RIVAL_HELLOS_MAX)
    this.#send(hello, now)
  }

  /** Sends the answer to a HelloRetryRequest, beside what was sent before. Nothing, where it was sent. */
  sendRetry(
    retry: AnsweredRetry,
    cookie: Uint8Array | undefined,
    keyExchanges: readonly KeyExchange[],
    now: Instant,
  ): void {
    const sequence = retry.request.messageSequence + 1
    const hellos = (this.sent[sequence] ??= [])
    const hello = this.#make(sequence, NO_BYTES, retry, cookie, keyExchanges)
    keepRival(hellos, hello, RIVAL_HELLOS_MAX)
    // whoever forged the request may have kept the server from the hello before
    this.#sendBeside(hello, now)
  }

  #sendBeside(hello: SentHello, now: Instant): void {
    const { flight, plaintext } = this.#context
    flight.sendRival([{ epoch: plaintext, message: hello.message }], now, true, RIVAL_HELLOS_MAX)
  }

  #send(hello: SentHello, now: Instant): void {
    const { flight, plaintext } = this.#context
    flight.send([{ epoch: plaintext, message: hello.message }], now, true)
  }

  #make(
    sequence: number,
    legacyCookie: Uint8Array,
    retry: AnsweredRetry | undefined,
    cookie: Uint8Array | undefined,
    keyExchanges: readonly KeyExchange[],
  ): SentHello {
    const keyShares = keyExchanges.map(({ group, publicKey }) => {
      const named = NAMED_GROUPS.find((known) => known.group === group)
      assert(named !== undefined, 'keys are exchanged on named groups')
      return { group: named.id, keyExchange: publicKey }
    })
    const body = clientHelloBody(this.#context.config, { legacyCookie, cookie, keyShares })
    const message = handshakeMessage(HandshakeType.clientHello, sequence, body)
    message.body.set(this.random, RANDOM_AT)
    return { message, legacyCookie, retry, keyExchanges, triedVersion: 0 }
  }
}
