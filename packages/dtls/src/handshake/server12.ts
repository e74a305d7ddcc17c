// The server's handshake of DTLS 1.2, RFC 6347 section 4.2.4:
//
//   flight 1   ClientHello                                          -->
//   flight 2                                                        <--   HelloVerifyRequest
//   flight 3   ClientHello (cookie)                                 -->
//   flight 4                   <--   ServerHello, Certificate, ServerKeyExchange, [CertificateRequest],
//                                    ServerHelloDone
//   flight 5   [Certificate], ClientKeyExchange, [CertificateVerify], ChangeCipherSpec, Finished   -->
//   flight 6                                                        <--   ChangeCipherSpec, Finished
//
// A ClientHello is not authenticated, so that a forged one must not shut out the genuine one: each is answered with
// a flight 4 of its own, and the client's CertificateVerify and Finished tell which of them it took.

import type { KeyExchange } from '@str0m/crypto'
import { ByteWriter, concatBytes, type Instant, NEVER } from '@str0m/sans-io'
import { NO_BYTES, sameBytes } from '../bytes.ts'
import { Connection12 } from '../connection12.ts'
import { extendedMasterSecret } from '../key-schedule.ts'
import type { PeerCertificate } from '../peer-certificate.ts'
import { keepRival, RIVAL_HELLOS_MAX, RIVAL_SESSIONS_MAX } from '../rivals.ts'
import { OWN_SIGNATURE_SCHEME, SIGNATURE_SCHEMES, verifySignature } from '../signature-schemes.ts'
import { srtpProfileId } from '../srtp-profiles.ts'
import {
  encodeCertificate,
  encodeCertificateRequest,
  isEmptyCertificate,
  parseCertificateVerify,
} from '../wire/certificates.ts'
import { handshakeMessage, type HandshakeMessage } from '../wire/handshake.ts'
import { encodeServerHello, parseClientHello } from '../wire/hello.ts'
import { encodeServerEcdhParams, encodeSigned, parseClientKeyExchange } from '../wire/key-exchange.ts'
import {
  CERTIFICATE_TYPE_ECDSA_SIGN,
  CERTIFICATE_TYPE_RSA_SIGN,
  HandshakeType,
  POINT_FORMAT_UNCOMPRESSED,
  RANDOM_LENGTH,
} from '../wire/protocol.ts'
import type { RecordHeader } from '../wire/record.ts'
import { claimCertificate, Refusal } from './authentication.ts'
import type { Handshake, HandshakeContext, RecordVerdict } from './context.ts'
import { helloVerifyRequest } from './hello-verify-request.ts'
import { negotiate, type Negotiated } from './negotiation.ts'
import { markDowngrade, offers13 } from './version.ts'
import { handleFirstProtected, makeSession, type PendingSession } from './session.ts'

/** The highest `message_seq` of a ClientHello: each HelloVerifyRequest takes one. */
const CLIENT_HELLO_SEQUENCE_MAX = 3
/** Record numbers up to here are taken over from a ClientHello; no honest client has used so many. */
const RECORD_SEQUENCE_TAKEN_MAX = 0xffff_ffff

/** The body of every CertificateRequest. */
const CERTIFICATE_REQUEST = encodeCertificateRequest(
  [CERTIFICATE_TYPE_ECDSA_SIGN, CERTIFICATE_TYPE_RSA_SIGN],
  SIGNATURE_SCHEMES,
)
const POINT_FORMATS = new Uint8Array([POINT_FORMAT_UNCOMPRESSED])
/** What a handshake mostly comes to, in bytes. */
const TRANSCRIPT_CAPACITY = 2048

/** A ClientHello and what was answered. */
interface Offer {
  readonly hello: HandshakeMessage
  readonly negotiated: Negotiated
  readonly serverRandom: Uint8Array
  readonly keyExchange: KeyExchange
  readonly flight: readonly HandshakeMessage[]
  /** Of the newest message in the client's flight that was last tried. */
  triedVersion: number
}

type ServerState =
  | { readonly name: 'wait-client-hello' }
  | { readonly name: 'wait-client-key-exchange' }
  | { readonly name: 'wait-finished'; readonly sessions: PendingSession[] }
  | { readonly name: 'established'; readonly connection: Connection12 }

export class ServerHandshake12 implements Handshake {
  readonly #context: HandshakeContext
  /** The newest is at the end. */
  readonly #offers: Offer[] = []
  #state: ServerState = { name: 'wait-client-hello' }

  constructor(context: HandshakeContext) {
    this.#context = context
  }

  readonly deadline: Instant = NEVER
  readonly write = undefined

  get established(): Connection12 | undefined {
    return this.#state.name === 'established' ? this.#state.connection : undefined
  }

  get begun(): boolean {
    return this.#state.name !== 'wait-client-hello'
  }

  start(_now: Instant): void {
    // the client speaks first
  }

  handleMessage(messageSequence: number, recordSequence: number, now: Instant): void {
    const { reassembly, counters } = this.#context
    const message = reassembly.message(messageSequence)
    if (this.#state.name === 'established' || message === undefined) return
    if (message.type === HandshakeType.clientHello) {
      if (messageSequence > CLIENT_HELLO_SEQUENCE_MAX) counters.refuse('unexpected-message')
      else this.#handleClientHello(message, recordSequence, now)
      return
    }
    this.#tryClientFlight(now)
  }

  handleRepeated(messageSequence: number, now: Instant): boolean {
    const { reassembly } = this.#context
    if (this.#state.name === 'established') return true
    const isHello = reassembly.message(messageSequence)?.type === HandshakeType.clientHello
    if (isHello) this.handleMessage(messageSequence, 0, now)
    else this.#repeat(now)
    return true
  }

  handleTimeout(): void {
    // has no timer beside its flight's
  }

  handleRecord(datagram: Uint8Array, header: RecordHeader, now: Instant): RecordVerdict {
    const sessions = this.#state.name === 'wait-finished' ? this.#state.sessions : []
    return handleFirstProtected(this.#context, sessions, datagram, header, (session) =>
      this.#finish(session, now),
    )
  }

  handleCiphertext(): RecordVerdict {
    return 'no-keys'
  }

  /** Sends flight 6. */
  #finish(session: PendingSession, now: Instant): void {
    const { flight, plaintext } = this.#context
    flight.send(
      [
        { epoch: plaintext, message: 'change-cipher-spec' },
        { epoch: session.write, message: session.finished },
      ],
      now,
      false,
    )
    this.#state = { name: 'established', connection: new Connection12(this.#context, session) }
  }

  #handleClientHello(message: HandshakeMessage, recordSequence: number, now: Instant): void {
    const { config, counters, flight, plaintext } = this.#context
    if (this.#offers.some(({ hello }) => sameBytes(hello.bytes, message.bytes))) {
      this.#repeat(now)
      return
    }
    const hello = parseClientHello(message.body)
    if (hello === undefined) {
      counters.refuse('malformed-handshake')
      return
    }
    // another handshake's, beside this one
    if (offers13(config.versions, hello)) return
    if (config.cookie !== undefined && !config.cookie.secret.verifies(hello, config.cookie.address)) {
      const cookie = config.cookie.secret.cookie(hello, config.cookie.address)
      this.#requestCookie(cookie, message.messageSequence)
      return
    }
    const negotiated = negotiate(config, hello)
    if (negotiated instanceof Refusal) {
      counters.refuse(negotiated.reason)
      return
    }
    // RFC 6347 section 4.2.1: a client that answered a stateless HelloVerifyRequest has seen our numbers up to its own
    if (recordSequence <= RECORD_SEQUENCE_TAKEN_MAX) plaintext.advanceTo(recordSequence)
    const offer = this.#makeOffer(message, negotiated)
    keepRival(this.#offers, offer, RIVAL_HELLOS_MAX)
    if (this.#state.name === 'wait-client-hello') this.#state = { name: 'wait-client-key-exchange' }
    const items = offer.flight.map((part) => ({ epoch: plaintext, message: part }))
    flight.sendRival(items, now, true, RIVAL_HELLOS_MAX)
  }

  #repeat(now: Instant): void {
    const { counters, flight } = this.#context
    if (flight.handleRepeated(now)) counters.flightsRetransmitted++
  }

  /** Answers with less than what came, over the whole time that the address is not proven. */
  #requestCookie(cookie: Uint8Array, messageSequence: number): void {
    const { counters, plaintext } = this.#context
    const datagram = helloVerifyRequest(cookie, messageSequence, plaintext)
    if (counters.bytesSent + datagram.length <= counters.bytesReceived) this.#context.transmit(datagram)
  }

  #makeOffer(hello: HandshakeMessage, negotiated: Negotiated): Offer {
    const { crypto, certificate, requestClientCertificate, versions } = this.#context.config
    const serverRandom = crypto.randomBytes(RANDOM_LENGTH)
    if (versions.includes('DTLS 1.3')) markDowngrade(serverRandom)
    const keyExchange = crypto.generateKeyExchange(negotiated.group.group)
    const flight: HandshakeMessage[] = []
    const append = (type: number, body: Uint8Array): void => {
      flight.push(handshakeMessage(type, hello.messageSequence + flight.length, body))
    }
    append(
      HandshakeType.serverHello,
      encodeServerHello({
        random: serverRandom,
        cipherSuite: negotiated.suite.id,
        extensions: {
          extendedMasterSecret: true,
          renegotiationInfo: negotiated.secureRenegotiation ? NO_BYTES : undefined,
          ecPointFormats: negotiated.pointFormats ? POINT_FORMATS : undefined,
          useSrtp: negotiated.srtpProfile && {
            profiles: [srtpProfileId(negotiated.srtpProfile)],
            mki: NO_BYTES,
          },
        },
      }),
    )
    append(HandshakeType.certificate, encodeCertificate([certificate.der]))
    const params = encodeServerEcdhParams(negotiated.group.id, keyExchange.publicKey)
    const signature = certificate.sign(concatBytes([negotiated.clientRandom, serverRandom, params]))
    append(HandshakeType.serverKeyExchange, encodeSigned(params, OWN_SIGNATURE_SCHEME, signature))
    if (requestClientCertificate) {
      append(HandshakeType.certificateRequest, CERTIFICATE_REQUEST)
    }
    append(HandshakeType.serverHelloDone, NO_BYTES)
    return {
      hello,
      negotiated,
      serverRandom,
      keyExchange,
      flight,
      triedVersion: 0,
    }
  }

  #tryClientFlight(now: Instant): void {
    const { counters } = this.#context
    let accepted = false
    let refusal: Refusal | undefined
    for (const offer of this.#offers) {
      const result = this.#tryOffer(offer)
      if (result instanceof Refusal) {
        refusal = result
      } else if (result !== undefined) {
        accepted = true
        if (this.#state.name !== 'wait-finished') this.#state = { name: 'wait-finished', sessions: [] }
        keepRival(this.#state.sessions, result, RIVAL_SESSIONS_MAX)
      }
    }
    if (accepted || refusal === undefined) return
    counters.refuse(refusal.reason)
    // the client may have taken another flight 4 than one of ours, or none as it is
    this.#repeat(now)
  }

  /** Takes the client's flight as the answer to `offer`; `undefined` where it is not whole or was tried before. */
  #tryOffer(offer: Offer): PendingSession | Refusal | undefined {
    const { reassembly, config } = this.#context
    const base = offer.hello.messageSequence + 1
    const types = config.requestClientCertificate ? FLIGHT_5 : FLIGHT_5_ANONYMOUS
    const messages: HandshakeMessage[] = []
    let version = 0
    let refusal: Refusal | undefined
    for (const type of types) {
      const sequence = base + messages.length
      const message = reassembly.message(sequence)
      // a hello is that of another offer
      if (message === undefined || message.type === HandshakeType.clientHello) return undefined
      version = Math.max(version, reassembly.version(sequence))
      if (message.type !== type) refusal = new Refusal('unexpected-message')
      // a client that has none sends an empty list, and no CertificateVerify to wait for: RFC 5246 section 7.4.6
      else if (type === HandshakeType.certificate && isEmptyCertificate(message.body))
        refusal = new Refusal('bad-certificate')
      if (refusal !== undefined) break
      messages.push(message)
    }
    if (version <= offer.triedVersion) return undefined
    offer.triedVersion = version
    if (refusal !== undefined) return refusal
    return this.#acceptClientFlight(offer, messages)
  }

  #acceptClientFlight(offer: Offer, messages: readonly HandshakeMessage[]): PendingSession | Refusal {
    const { crypto, requestClientCertificate } = this.#context.config
    const [certificate, share, certificateVerify] = requestClientCertificate
      ? messages
      : [undefined, ...messages]
    const publicKey = share && parseClientKeyExchange(share.body)
    if (share === undefined || publicKey === undefined) return new Refusal('malformed-handshake')
    const transcript = new ByteWriter(TRANSCRIPT_CAPACITY).bytes(offer.hello.bytes)
    for (const { bytes } of offer.flight) transcript.bytes(bytes)
    if (certificate !== undefined) transcript.bytes(certificate.bytes)
    const signed = transcript.bytes(share.bytes).written
    const peerCertificate = this.#authenticateClient(certificate, certificateVerify, signed)
    if (peerCertificate instanceof Refusal) return peerCertificate
    const preMasterSecret = offer.keyExchange.deriveSecret(publicKey)
    if (preMasterSecret === undefined) return new Refusal('bad-key-share')
    const { suite, clientRandom, srtpProfile } = offer.negotiated
    const randoms = { client: clientRandom, server: offer.serverRandom }
    const master = extendedMasterSecret(crypto, suite, randoms, preMasterSecret, signed)
    if (certificateVerify !== undefined) transcript.bytes(certificateVerify.bytes)
    return makeSession(crypto, {
      role: 'server',
      master,
      peerCertificate,
      srtpProfile,
      transcript,
      finishedSequences: {
        client: offer.hello.messageSequence + 1 + messages.length,
        server: offer.hello.messageSequence + offer.flight.length,
      },
    })
  }

  /** The client's proof that it holds its certificate's key, RFC 5246 section 7.4.8. */
  #authenticateClient(
    certificate: HandshakeMessage | undefined,
    certificateVerify: HandshakeMessage | undefined,
    signed: Uint8Array,
  ): PeerCertificate | Refusal | undefined {
    const { config } = this.#context
    if (!config.requestClientCertificate) return undefined
    const verify = certificateVerify && parseCertificateVerify(certificateVerify.body)
    if (certificate === undefined || verify === undefined) return new Refusal('malformed-handshake')
    const claimed = claimCertificate(config, certificate.body)
    if (claimed instanceof Refusal) return claimed
    if (!verifySignature(claimed.key, verify.signatureAlgorithm, signed, verify.signature)) {
      return new Refusal('bad-signature')
    }
    return claimed.certificate
  }
}

const FLIGHT_5: readonly number[] = [
  HandshakeType.certificate,
  HandshakeType.clientKeyExchange,
  HandshakeType.certificateVerify,
]
const FLIGHT_5_ANONYMOUS: readonly number[] = [HandshakeType.clientKeyExchange]
