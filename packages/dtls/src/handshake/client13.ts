// The client's handshake of DTLS 1.3, RFC 9147 section 5.7:
//
//   flight 1   ClientHello                                                 -->
//   flight 2                                                               <--   HelloRetryRequest
//   flight 3   ClientHello (cookie, another key share)                     -->
//   flight 4             <--   ServerHello, {EncryptedExtensions}, {CertificateRequest}, {Certificate},
//                              {CertificateVerify}, {Finished}
//   flight 5   {Certificate}, {CertificateVerify}, {Finished}              -->
//   flight 6                                                               <--   [ACK]
//
// A ServerHello is not authenticated, so that a forged one must not shut out the genuine one: each is taken with keys of its own, and
// the server's CertificateVerify and Finished tell which of them is genuine.

import { type Instant, NEVER } from '@str0m/sans-io'
import { sameBytes } from '../bytes.ts'
import { NAMED_GROUPS } from '../cipher-suites.ts'
import { CIPHER_SUITES_13 } from '../cipher-suites13.ts'
import type { Connection13 } from '../connection13.ts'
import { keepRival, RIVAL_SESSIONS_MAX } from '../rivals.ts'
import type { HandshakeMessage } from '../wire/handshake.ts'
import { isRetry, parseServerHello, type ServerHello } from '../wire/hello.ts'
import { ContentType, ExtensionType13, HandshakeType } from '../wire/protocol.ts'
import type { RecordWriter } from '../record-protection.ts'
import { epochBits } from '../record-protection13.ts'
import type { UnifiedHeader } from '../wire/unified-header.ts'
import { Refusal } from './authentication.ts'
import type { ClientHellos, SentHello } from './client-hellos.ts'
import { ClientSession13 } from './client-session13.ts'
import type { Handshake, HandshakeContext, RecordVerdict } from './context.ts'
import { answerRetry, isLegalServerHello } from './retry13.ts'
import { chooses13 } from './version.ts'

const HANDSHAKE_EPOCH_BITS = epochBits(2)

export class ClientHandshake13 implements Handshake {
  readonly #context: HandshakeContext
  readonly #hellos: ClientHellos
  /** The newest is at the end. */
  readonly #sessions: ClientSession13[] = []
  #established: Connection13 | undefined

  constructor(context: HandshakeContext, hellos: ClientHellos) {
    this.#context = context
    this.#hellos = hellos
  }

  get established(): Connection13 | undefined {
    return this.#established
  }

  get begun(): boolean {
    return this.#hellos.begun
  }

  get deadline(): Instant {
    let deadline = NEVER
    for (const { acknowledging } of this.#sessions) deadline = Math.min(deadline, acknowledging.deadline)
    return deadline
  }

  get write(): RecordWriter | undefined {
    return this.#sessions.at(-1)?.write
  }

  start(now: Instant): void {
    this.#hellos.start(now)
  }

  handleTimeout(now: Instant): void {
    for (const { acknowledging } of this.#sessions) if (acknowledging.deadline <= now) acknowledging.send(now)
  }

  handleMessage(messageSequence: number, recordSequence: number | undefined, now: Instant): void {
    const { reassembly, counters, config } = this.#context
    const message = reassembly.message(messageSequence)
    if (this.#established !== undefined || message === undefined) return
    const is12 = config.versions.includes('DTLS 1.2')
    if (message.type !== HandshakeType.serverHello) {
      if (!is12) counters.refuse('unexpected-message')
      return
    }
    const hello = parseServerHello(message.body)
    if (hello === undefined || !chooses13(hello)) {
      // otherwise it is told by whom it is for
      if (!is12) counters.refuse(hello === undefined ? 'malformed-handshake' : 'unsupported-version')
      return
    }
    if (isRetry(hello.random)) {
      const refusal = answerRetry(this.#context, this.#hellos, message, hello, now)
      if (refusal !== undefined) counters.refuse(refusal.reason)
      // what follows may have come as the answer to a forged request
      else this.handleMessage(messageSequence + 1, undefined, now)
      return
    }
    const candidates = this.#hellos.sent[messageSequence]?.filter(
      ({ legacyCookie }) => legacyCookie.length === 0,
    )
    if (candidates === undefined || candidates.length === 0) {
      counters.refuse('unexpected-message')
      return
    }
    for (const candidate of candidates) this.#answerTo(candidate, message, hello, recordSequence)
  }

  handleRepeated(_messageSequence: number, now: Instant): boolean {
    const { flight, counters } = this.#context
    if (this.#sessions.length > 0) {
      for (const { acknowledging, failed } of this.#sessions) if (!failed) acknowledging.note('repeated', now)
      return true
    }
    if (this.#established === undefined && flight.handleRepeated(now)) counters.flightsRetransmitted++
    return true
  }

  handleRecord(): RecordVerdict {
    return 'rejected'
  }

  handleCiphertext(datagram: Uint8Array, header: UnifiedHeader, now: Instant): RecordVerdict {
    // those of epoch 3 are for after the Finished
    if (this.#sessions.length === 0 || header.epochBits !== HANDSHAKE_EPOCH_BITS) return 'no-keys'
    for (let i = this.#sessions.length - 1; i >= 0; i--) {
      const session = this.#sessions[i]!
      const opened = session.read.open(datagram, header)
      if (opened === 'rejected') continue
      if (opened === 'replayed') this.#context.counters.drop('replayed')
      else this.#handleOpened(session, now)
      return 'handled'
    }
    return 'rejected'
  }

  #handleOpened(session: ClientSession13, now: Instant): void {
    const { type, plaintext } = session.read
    if (type === ContentType.handshake) {
      this.#established = session.handleRecord(now)
    } else if (type === ContentType.alert) {
      // whoever made up the ServerHello has the keys
      this.#context.noteAlert(plaintext)
    } else {
      this.#context.counters.drop('unexpected-record')
    }
  }

  /** Takes a ServerHello as the answer to `hello`: another session. Nothing, where it was taken. */
  #answerTo(
    hello: SentHello,
    message: HandshakeMessage,
    answer: ServerHello,
    recordSequence: number | undefined,
  ): void {
    const isKnown = this.#sessions.some(
      (session) => session.hello === hello && sameBytes(session.serverHello.bytes, message.bytes),
    )
    if (isKnown) return
    const session = this.#makeSession(hello, message, answer, recordSequence)
    if (session instanceof Refusal) this.#context.counters.refuse(session.reason)
    else keepRival(this.#sessions, session, RIVAL_SESSIONS_MAX)
  }

  /** RFC 8446 section 4.1.3. */
  #makeSession(
    hello: SentHello,
    message: HandshakeMessage,
    answer: ServerHello,
    recordSequence: number | undefined,
  ): ClientSession13 | Refusal {
    const { extensions, cipherSuite } = answer
    const suite = CIPHER_SUITES_13.find(({ id }) => id === cipherSuite)
    const isLegal =
      isLegalServerHello(answer) &&
      extensions.types.every((type) => SERVER_HELLO_EXTENSIONS.has(type)) &&
      (hello.retry === undefined || hello.retry.cipherSuite === cipherSuite)
    if (suite === undefined || !isLegal) return new Refusal('illegal-parameter')
    const share = extensions.keyShares?.[0]
    const group = NAMED_GROUPS.find(({ id }) => id === share?.group)?.group
    const keyExchange = hello.keyExchanges.find((known) => known.group === group)
    if (share === undefined || keyExchange === undefined) return new Refusal('illegal-parameter')
    const sharedSecret = keyExchange.deriveSecret(share.keyExchange)
    if (sharedSecret === undefined) return new Refusal('bad-key-share')
    return new ClientSession13(this.#context, hello, message, recordSequence, suite, sharedSecret)
  }
}

const SERVER_HELLO_EXTENSIONS: ReadonlySet<number> = new Set([
  ExtensionType13.supportedVersions,
  ExtensionType13.keyShare,
])
