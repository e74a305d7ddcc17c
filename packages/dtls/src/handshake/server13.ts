// The server's handshake of DTLS 1.3, RFC 9147 section 5.7:
//
//   flight 1   ClientHello                                                 -->
//   flight 2                                                               <--   HelloRetryRequest
//   flight 3   ClientHello (cookie, another key share)                     -->
//   flight 4             <--   ServerHello, {EncryptedExtensions}, {CertificateRequest}, {Certificate},
//                              {CertificateVerify}, {Finished}
//   flight 5   {Certificate}, {CertificateVerify}, {Finished}              -->
//   flight 6                                                               <--   [ACK]
//
// A ClientHello is not authenticated, so that a forged one must not shut out the genuine one: each is answered with a flight 4 and keys of
// its own, and the client's CertificateVerify and Finished tell which of them is genuine.

import { type Instant, NEVER, type SocketAddress } from '@str0m/sans-io'
import { sameBytes } from '../bytes.ts'
import type { Connection13 } from '../connection13.ts'
import { CookieSecret } from '../cookie-secret.ts'
import { acknowledgeFlight } from '../flight-acknowledgement.ts'
import type { RecordWriter } from '../record-protection.ts'
import { epochBits } from '../record-protection13.ts'
import { keepRival, RIVAL_HELLOS_MAX } from '../rivals.ts'
import type { HandshakeMessage } from '../wire/handshake.ts'
import { parseClientHello } from '../wire/hello.ts'
import { ContentType, DTLS_1_2, HandshakeType } from '../wire/protocol.ts'
import type { UnifiedHeader } from '../wire/unified-header.ts'
import { Refusal } from './authentication.ts'
import { CLIENT_HELLO_SEQUENCE_MAX } from './client-hellos.ts'
import type { Handshake, HandshakeContext, RecordVerdict } from './context.ts'
import { negotiate13, type Negotiated13 } from './negotiation13.ts'
import { makeRetry, openRetry, retryRequest, type RetryState } from './retry-cookie.ts'
import { ServerOffer13 } from './server-offer13.ts'
import { Transcript13 } from './transcript13.ts'
import { offers13 } from './version.ts'

const HANDSHAKE_EPOCH_BITS = epochBits(2)
/** Record numbers up to here are taken over from a ClientHello; no honest client has used so many. */
const RECORD_SEQUENCE_TAKEN_MAX = 0xffff_ffff
/** Whom a cookie is for that asks for another key share, where the address is proven. */
const PROVEN_ADDRESS: SocketAddress = { address: '0.0.0.0', port: 0 }

export class ServerHandshake13 implements Handshake {
  readonly #context: HandshakeContext
  /** The newest is at the end. */
  readonly #offers: ServerOffer13[] = []
  #secret: CookieSecret | undefined
  /** Whether the client is known to have its address: nothing needs to be smaller than what it sent any more. */
  #isAddressProven: boolean
  #established: Connection13 | undefined

  constructor(context: HandshakeContext) {
    this.#context = context
    this.#secret = context.config.cookie?.secret
    this.#isAddressProven = context.config.cookie === undefined
  }

  get established(): Connection13 | undefined {
    return this.#established
  }

  get begun(): boolean {
    return this.#offers.length > 0
  }

  get deadline(): Instant {
    let deadline = NEVER
    for (const { acknowledging } of this.#offers) deadline = Math.min(deadline, acknowledging.deadline)
    return deadline
  }

  get write(): RecordWriter | undefined {
    return this.#offers.at(-1)?.write
  }

  start(): void {
    // the client speaks first
  }

  handleTimeout(now: Instant): void {
    for (const { acknowledging } of this.#offers) if (acknowledging.deadline <= now) acknowledging.send(now)
  }

  handleMessage(messageSequence: number, recordSequence: number, now: Instant): void {
    const { reassembly, counters, config } = this.#context
    const message = reassembly.message(messageSequence)
    if (this.#established !== undefined || message === undefined) return
    if (message.type === HandshakeType.clientHello && messageSequence <= CLIENT_HELLO_SEQUENCE_MAX) {
      this.#handleClientHello(message, recordSequence, now)
    } else if (!config.versions.includes('DTLS 1.2')) {
      counters.refuse('unexpected-message')
    }
  }

  handleRepeated(messageSequence: number, now: Instant): boolean {
    const { reassembly } = this.#context
    const isHello = reassembly.message(messageSequence)?.type === HandshakeType.clientHello
    if (isHello) this.handleMessage(messageSequence, 0, now)
    return false
  }

  handleRecord(): RecordVerdict {
    return 'rejected'
  }

  handleCiphertext(datagram: Uint8Array, header: UnifiedHeader, now: Instant): RecordVerdict {
    // those of epoch 3 are for after the Finished
    if (this.#offers.length === 0 || header.epochBits !== HANDSHAKE_EPOCH_BITS) return 'no-keys'
    for (let i = this.#offers.length - 1; i >= 0; i--) {
      const offer = this.#offers[i]!
      const opened = offer.read.open(datagram, header)
      if (opened === 'rejected') continue
      if (opened === 'replayed') this.#context.counters.drop('replayed')
      else this.#handleOpened(offer, now)
      return 'handled'
    }
    return 'rejected'
  }

  #handleOpened(offer: ServerOffer13, now: Instant): void {
    const { counters, flight } = this.#context
    const { type, plaintext } = offer.read
    if (type === ContentType.handshake) {
      // RFC 9147 section 7.2: whoever answers a flight has it
      flight.remove(offer.items)
      this.#established = offer.handleRecord(now)
    } else if (type === ContentType.ack) {
      acknowledgeFlight(this.#context, offer.items, plaintext, now)
    } else if (type === ContentType.alert) {
      // whoever made up the ClientHello has the keys
      this.#context.noteAlert(plaintext)
    } else {
      counters.drop('unexpected-record')
    }
  }

  #handleClientHello(message: HandshakeMessage, recordSequence: number, now: Instant): void {
    const { config, counters, flight, plaintext } = this.#context
    if (this.#offers.some(({ hello }) => sameBytes(hello.bytes, message.bytes))) {
      if (flight.handleRepeated(now)) counters.flightsRetransmitted++
      return
    }
    const hello = parseClientHello(message.body)
    if (hello === undefined || !offers13(config.versions, hello)) {
      // otherwise it is told by whom it is for
      const is12 = config.versions.includes('DTLS 1.2')
      if (!is12) counters.refuse(hello === undefined ? 'malformed-handshake' : 'unsupported-version')
      return
    }
    const negotiated = negotiate13(config, hello)
    if (negotiated instanceof Refusal) {
      counters.refuse(negotiated.reason)
      return
    }
    const { cookie } = hello.extensions
    const retry = cookie && this.#openRetry(cookie)
    if (cookie !== undefined && retry === undefined) {
      counters.refuse('illegal-parameter')
      return
    }
    if (retry !== undefined) this.#isAddressProven = true
    const isMissing = negotiated.keyShare === undefined
    if (retry === undefined && (config.cookie !== undefined || isMissing)) {
      this.#requestRetry(message, negotiated, recordSequence)
      return
    }
    const offer = this.#makeOffer(message, negotiated, retry)
    if (offer instanceof Refusal) {
      counters.refuse(offer.reason)
      return
    }
    // a client that answered a stateless HelloRetryRequest has seen our numbers up to its own
    if (recordSequence <= RECORD_SEQUENCE_TAKEN_MAX) plaintext.advanceTo(recordSequence)
    keepRival(this.#offers, offer, RIVAL_HELLOS_MAX)
    flight.sendRival(offer.items, now, true, RIVAL_HELLOS_MAX)
  }

  #openRetry(cookie: Uint8Array): RetryState | undefined {
    const { cookie: required } = this.#context.config
    return this.#secret && openRetry(this.#secret, required?.address ?? PROVEN_ADDRESS, cookie)
  }

  /** Asks for the cookie, and for a share on the group where there is none. */
  #requestRetry(
    hello: HandshakeMessage,
    { suite, group, keyShare }: Negotiated13,
    recordSequence: number,
  ): void {
    const { config, counters, plaintext } = this.#context
    const address = config.cookie?.address ?? PROVEN_ADDRESS
    this.#secret ??= new CookieSecret(config.crypto)
    const wanted = keyShare === undefined ? group.id : undefined
    const retry = makeRetry(config.crypto, this.#secret, address, hello, suite, wanted)
    const { bytes } = retryRequest(retry, hello.messageSequence)
    if (recordSequence <= RECORD_SEQUENCE_TAKEN_MAX) plaintext.advanceTo(recordSequence)
    const datagram = new Uint8Array(plaintext.overhead + bytes.length)
    // less than what came, over the whole time that the address is not proven. After that it is sent again to whoever asks: a client that
    // answered a forgery of it lacks it for the transcript
    if (!this.#isAddressProven && counters.bytesSent + datagram.length > counters.bytesReceived) return
    plaintext.seal(ContentType.handshake, DTLS_1_2, bytes, datagram, 0)
    this.#context.transmit(datagram)
  }

  #makeOffer(
    hello: HandshakeMessage,
    negotiated: Negotiated13,
    retry: RetryState | undefined,
  ): ServerOffer13 | Refusal {
    const { crypto } = this.#context.config
    const { suite, group, keyShare } = negotiated
    // RFC 8446 section 4.1.2: the second ClientHello is the first but for what it was asked for
    if (keyShare === undefined) return new Refusal('illegal-parameter')
    const isOther = retry !== undefined && (retry.suite !== suite || (retry.group ?? group.id) !== group.id)
    if (isOther) return new Refusal('illegal-parameter')
    const keyExchange = crypto.generateKeyExchange(group.group)
    const sharedSecret = keyExchange.deriveSecret(keyShare)
    if (sharedSecret === undefined) return new Refusal('bad-key-share')
    const transcript = new Transcript13(crypto, suite.hash)
    if (retry !== undefined) {
      transcript.addMessageHash(retry.helloHash).add(retryRequest(retry, hello.messageSequence - 1))
    }
    transcript.add(hello)
    return new ServerOffer13(
      this.#context,
      hello,
      negotiated,
      transcript,
      keyExchange.publicKey,
      sharedSecret,
    )
  }
}
