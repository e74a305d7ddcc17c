// The client's handshake of DTLS 1.2, RFC 6347 section 4.2.4:
//
//   flight 1   ClientHello                                          -->
//   flight 2                                                        <--   HelloVerifyRequest
//   flight 3   ClientHello (cookie)                                 -->
//   flight 4                   <--   ServerHello, Certificate, ServerKeyExchange, [CertificateRequest],
//                                    ServerHelloDone
//   flight 5   [Certificate], ClientKeyExchange, [CertificateVerify], ChangeCipherSpec, Finished   -->
//   flight 6                                                        <--   ChangeCipherSpec, Finished
//
// Flight 4 is taken as a whole or not at all. All of it but the server's random and key share is unsigned, so that a
// forged one may be taken; then a genuine one that comes later is answered too, and the Finished, which
// nobody can forge, decides between the sessions.

import { assert, ByteWriter, type Instant, NEVER } from '@str0m/sans-io'
import { NO_BYTES, sameBytes } from '../bytes.ts'
import { Connection12 } from '../connection12.ts'
import type { FlightItem } from '../flight.ts'
import { extendedMasterSecret } from '../key-schedule.ts'
import { keepRival, RIVAL_SESSIONS_MAX } from '../rivals.ts'
import { OWN_SIGNATURE_SCHEME } from '../signature-schemes.ts'
import { encodeCertificate } from '../wire/certificates.ts'
import { handshakeMessage, type HandshakeMessage } from '../wire/handshake.ts'
import { parseHelloVerifyRequest } from '../wire/hello.ts'
import { encodeClientKeyExchange, encodeSigned } from '../wire/key-exchange.ts'
import { HandshakeType } from '../wire/protocol.ts'
import type { RecordHeader } from '../wire/record.ts'
import { Refusal } from './authentication.ts'
import { CLIENT_HELLO_SEQUENCE_MAX, type ClientHellos } from './client-hellos.ts'
import type { Handshake, HandshakeContext, RecordVerdict } from './context.ts'
import { acceptServerFlight, collectServerFlight, type ServerParameters } from './server-flight.ts'
import { handleFirstProtected, makeSession, type PendingSession } from './session.ts'

/** What a handshake mostly comes to, in bytes. */
const TRANSCRIPT_CAPACITY = 2048

type ClientState =
  | { readonly name: 'wait-server-hello' }
  | { readonly name: 'wait-finished'; readonly sessions: PendingSession[] }
  | { readonly name: 'established'; readonly connection: Connection12 }

export class ClientHandshake12 implements Handshake {
  readonly #context: HandshakeContext
  readonly #hellos: ClientHellos
  /** Hashes of what was answered: a ClientHello and the flight 4 that came for it. */
  readonly #answered: Uint8Array[] = []
  #state: ClientState = { name: 'wait-server-hello' }

  constructor(context: HandshakeContext, hellos: ClientHellos) {
    this.#context = context
    this.#hellos = hellos
  }

  readonly deadline: Instant = NEVER
  readonly write = undefined

  get established(): Connection12 | undefined {
    return this.#state.name === 'established' ? this.#state.connection : undefined
  }

  get begun(): boolean {
    return this.#hellos.begun
  }

  start(now: Instant): void {
    this.#hellos.start(now)
  }

  handleTimeout(): void {
    // has no timer beside its flight's
  }

  handleMessage(messageSequence: number, _recordSequence: number, now: Instant): void {
    const { reassembly } = this.#context
    if (this.#state.name === 'established') return
    const message = reassembly.message(messageSequence)
    if (message?.type === HandshakeType.helloVerifyRequest) this.#handleHelloVerifyRequest(message, now)
    for (let sequence = 0; sequence < this.#hellos.sent.length; sequence++) this.#tryFlight(sequence, now)
  }

  handleRepeated(_messageSequence: number, now: Instant): boolean {
    const { flight, counters } = this.#context
    if (this.#state.name !== 'established' && flight.handleRepeated(now)) counters.flightsRetransmitted++
    return true
  }

  handleRecord(datagram: Uint8Array, header: RecordHeader): RecordVerdict {
    const sessions = this.#state.name === 'wait-finished' ? this.#state.sessions : []
    return handleFirstProtected(this.#context, sessions, datagram, header, (session) => {
      this.#context.flight.clear()
      this.#state = { name: 'established', connection: new Connection12(this.#context, session) }
    })
  }

  handleCiphertext(): RecordVerdict {
    return 'no-keys'
  }

  #handleHelloVerifyRequest(message: HandshakeMessage, now: Instant): void {
    const { counters } = this.#context
    const cookie = parseHelloVerifyRequest(message.body)
    const sequence = message.messageSequence + 1
    if (cookie === undefined) {
      counters.refuse('malformed-handshake')
      return
    }
    if (this.#hellos.sent[message.messageSequence] === undefined || sequence > CLIENT_HELLO_SEQUENCE_MAX) {
      counters.refuse('unexpected-message')
      return
    }
    if (this.#state.name !== 'wait-server-hello') {
      // the server has taken a hello and signed its answer: whatever asks for another is late or forged
      counters.drop('unexpected-message')
      return
    }
    const newest = this.#hellos.sent[sequence]?.at(-1)
    if (newest?.retry === undefined && newest !== undefined && sameBytes(newest.legacyCookie, cookie)) return
    // a forged cookie takes the genuine one's turn, and the server's next HelloVerifyRequest gives it back
    this.#hellos.sendWithLegacyCookie(sequence, cookie, now)
  }

  /** Answers the flight that starts at `base`, if it is whole and was not tried before; once for each hello that it may answer. */
  #tryFlight(base: number, now: Instant): void {
    const { reassembly, counters, config } = this.#context
    const hellos = this.#hellos.sent[base]
    const collected = hellos && collectServerFlight(reassembly, base)
    if (hellos === undefined || collected === undefined) return
    const untried = hellos.filter(({ triedVersion }) => triedVersion < collected.version)
    if (untried.length === 0) return
    for (const hello of untried) hello.triedVersion = collected.version
    const parameters = acceptServerFlight(config, this.#hellos.random, collected)
    if (parameters instanceof Refusal) {
      counters.refuse(parameters.reason)
      return
    }
    for (const hello of untried) this.#answer(hello.message, collected.messages, parameters, now)
  }

  /** Sends flight 5. */
  #answer(
    hello: HandshakeMessage,
    serverFlight: readonly HandshakeMessage[],
    parameters: ServerParameters,
    now: Instant,
  ): void {
    const { config, counters, flight, plaintext } = this.#context
    const { crypto, certificate } = config
    const transcript = new ByteWriter(TRANSCRIPT_CAPACITY).bytes(hello.bytes)
    for (const { bytes } of serverFlight) transcript.bytes(bytes)
    // after a forgery the genuine flight may come back: its answer is being sent in turn already
    const digest = crypto.hash('sha256', transcript.written)
    if (this.#answered.some((other) => sameBytes(other, digest))) return
    const keyExchange = crypto.generateKeyExchange(parameters.group)
    const preMasterSecret = keyExchange.deriveSecret(parameters.publicKey)
    if (preMasterSecret === undefined) {
      counters.refuse('bad-key-share')
      return
    }
    const items: FlightItem[] = []
    const append = (type: number, body: Uint8Array): void => {
      const message = handshakeMessage(type, hello.messageSequence + 1 + items.length, body)
      items.push({ epoch: plaintext, message })
      transcript.bytes(message.bytes)
    }
    const { certificateRequest } = parameters
    if (certificateRequest !== 'none') {
      // RFC 5246 section 7.4.6: without a suitable one the list is empty
      const chain = certificateRequest === 'ours' ? [certificate.der] : []
      append(HandshakeType.certificate, encodeCertificate(chain))
    }
    append(HandshakeType.clientKeyExchange, encodeClientKeyExchange(keyExchange.publicKey))
    const signed = transcript.written
    const randoms = { client: this.#hellos.random, server: parameters.serverRandom }
    const master = extendedMasterSecret(crypto, parameters.suite, randoms, preMasterSecret, signed)
    if (certificateRequest === 'ours') {
      const signature = certificate.sign(signed)
      append(HandshakeType.certificateVerify, encodeSigned(NO_BYTES, OWN_SIGNATURE_SCHEME, signature))
    }
    const last = serverFlight.at(-1)
    assert(last !== undefined, 'an empty flight was accepted')
    const session = makeSession(crypto, {
      role: 'client',
      master,
      peerCertificate: parameters.certificate,
      srtpProfile: parameters.srtpProfile,
      transcript,
      finishedSequences: {
        client: hello.messageSequence + 1 + items.length,
        server: last.messageSequence + 1,
      },
    })
    keepRival(this.#answered, digest, RIVAL_SESSIONS_MAX)
    items.push(
      { epoch: plaintext, message: 'change-cipher-spec' },
      { epoch: session.write, message: session.finished },
    )
    if (this.#state.name === 'wait-finished') {
      keepRival(this.#state.sessions, session, RIVAL_SESSIONS_MAX)
      flight.sendRival(items, now, true, RIVAL_SESSIONS_MAX)
    } else {
      this.#state = { name: 'wait-finished', sessions: [session] }
      flight.send(items, now, true)
      flight.keepEarlier(this.#hellos.items)
    }
  }
}
