// What a server has with one ClientHello of DTLS 1.3: its flight 4, and the keys of epoch 2 under which the client's flight 5 comes.
//
//   {Certificate}, {CertificateVerify}, {Finished}

import { equalConstantTime } from '@str0m/crypto'
import type { Instant } from '@str0m/sans-io'
import { Delivery } from '../acknowledgements.ts'
import { NO_BYTES } from '../bytes.ts'
import { Connection13 } from '../connection13.ts'
import type { FlightItem } from '../flight.ts'
import { type ExporterSecret, HandshakeSecret, type TrafficSecrets } from '../key-schedule13.ts'
import { ReadEpoch13, WriteEpoch13 } from '../record-protection13.ts'
import { SIGNATURE_SCHEMES } from '../signature-schemes.ts'
import { srtpProfileId } from '../srtp-profiles.ts'
import { handshakeMessage, type HandshakeMessage } from '../wire/handshake.ts'
import { encodeServerHello } from '../wire/hello.ts'
import {
  encodeCertificate13,
  encodeCertificateRequest13,
  encodeEncryptedExtensions,
  parseCertificate13,
} from '../wire/messages13.ts'
import { DTLS_1_3, HandshakeType, RANDOM_LENGTH } from '../wire/protocol.ts'
import type { Acknowledging } from './acknowledging.ts'
import { type ClaimedCertificate, Refusal } from './authentication.ts'
import { certificateVerify13, checkCertificateVerify, claimCertificate13 } from './authentication13.ts'
import type { HandshakeContext } from './context.ts'
import type { Negotiated13 } from './negotiation13.ts'
import { type FlightStep, PeerFlight13 } from './peer-flight13.ts'
import type { Transcript13 } from './transcript13.ts'

/** RFC 9147 section 6.1. */
const HANDSHAKE_EPOCH = 2
const APPLICATION_EPOCH = 3

/** The body of every CertificateRequest. */
const CERTIFICATE_REQUEST = encodeCertificateRequest13(SIGNATURE_SCHEMES)

type Expected =
  | { readonly name: 'certificate' }
  | { readonly name: 'certificate-verify'; readonly claimed: ClaimedCertificate }
  | { readonly name: 'finished'; readonly claimed: ClaimedCertificate | undefined }

export class ServerOffer13 {
  readonly hello: HandshakeMessage
  /** Flight 4. */
  readonly items: readonly FlightItem[]
  readonly read: ReadEpoch13
  /** Epoch 3: what an ACK of ours goes under, RFC 9147 section 7. */
  readonly write: WriteEpoch13
  readonly #context: HandshakeContext
  readonly #negotiated: Negotiated13
  readonly #transcript: Transcript13
  readonly #handshake: TrafficSecrets
  readonly #application: { readonly traffic: TrafficSecrets; readonly exporter: ExporterSecret }
  readonly #flight: PeerFlight13
  #expected: Expected

  /** `transcript` ends with `hello`; `publicKey` is ours. */
  constructor(
    context: HandshakeContext,
    hello: HandshakeMessage,
    negotiated: Negotiated13,
    transcript: Transcript13,
    publicKey: Uint8Array,
    sharedSecret: Uint8Array,
  ) {
    const { config } = context
    const { crypto, certificate, requestClientCertificate } = config
    this.#context = context
    this.hello = hello
    this.#negotiated = negotiated
    this.#transcript = transcript
    const items: FlightItem[] = []
    const append = (epoch: FlightItem['epoch'], type: number, body: Uint8Array): void => {
      const message = handshakeMessage(type, hello.messageSequence + items.length, body)
      items.push({ epoch, message, delivery: new Delivery(body.length) })
      transcript.add(message)
    }
    append(context.plaintext, HandshakeType.serverHello, serverHello(context, negotiated, publicKey))
    const secret = new HandshakeSecret(crypto, negotiated.suite, sharedSecret)
    this.#handshake = secret.trafficSecrets(transcript.digest())
    this.read = new ReadEpoch13(crypto, this.#handshake.client, HANDSHAKE_EPOCH)
    const write = new WriteEpoch13(crypto, this.#handshake.server, HANDSHAKE_EPOCH)
    append(write, HandshakeType.encryptedExtensions, encryptedExtensions(negotiated))
    if (requestClientCertificate) append(write, HandshakeType.certificateRequest, CERTIFICATE_REQUEST)
    const chain = [certificate.der]
    append(write, HandshakeType.certificate, encodeCertificate13({ context: NO_BYTES, chain }))
    const proof = certificateVerify13(config, 'server', transcript.digest())
    append(write, HandshakeType.certificateVerify, proof)
    append(write, HandshakeType.finished, this.#handshake.server.verifyData(transcript.digest()))
    this.items = items
    this.#application = secret.application(transcript.digest())
    this.write = new WriteEpoch13(crypto, this.#application.traffic.server, APPLICATION_EPOCH)
    this.#flight = new PeerFlight13(context, hello.messageSequence + 1, this.write)
    this.#expected = requestClientCertificate
      ? { name: 'certificate' }
      : { name: 'finished', claimed: undefined }
  }

  get acknowledging(): Acknowledging {
    return this.#flight.acknowledging
  }

  /** Whether the client has said something that it may not say: nothing more is read of it. */
  get failed(): boolean {
    return this.#flight.failed
  }

  /** A handshake record that `read` opened last. The connection, once the client's Finished came. */
  handleRecord(now: Instant): Connection13 | undefined {
    return this.#flight.handleRecord(this.read, now, (message) => this.#handleMessage(message, now))
  }

  #handleMessage(message: HandshakeMessage, now: Instant): FlightStep {
    const expected = this.#expected
    const { config } = this.#context
    const { type } = message
    if (expected.name === 'certificate' && type === HandshakeType.certificate) {
      // RFC 8446 section 4.4.2.4: a client that has none sends an empty list
      if (parseCertificate13(message.body)?.chain.length === 0) return new Refusal('bad-certificate')
      const claimed = claimCertificate13(config, message)
      if (claimed instanceof Refusal) return claimed
      this.#expected = { name: 'certificate-verify', claimed }
      this.#transcript.add(message)
      return undefined
    }
    if (expected.name === 'certificate-verify' && type === HandshakeType.certificateVerify) {
      const { claimed } = expected
      const refusal = checkCertificateVerify(claimed, 'client', this.#transcript.digest(), message)
      this.#expected = { name: 'finished', claimed }
      this.#transcript.add(message)
      return refusal
    }
    if (expected.name === 'finished' && type === HandshakeType.finished) {
      const verifyData = this.#handshake.client.verifyData(this.#transcript.digest())
      if (!equalConstantTime(message.body, verifyData)) return new Refusal('bad-finished')
      return this.#finish(expected.claimed, now)
    }
    return new Refusal('unexpected-message')
  }

  /** Acknowledges the client's last flight. */
  #finish(claimed: ClaimedCertificate | undefined, now: Instant): Connection13 {
    const { config, flight } = this.#context
    const { suite, srtpProfile } = this.#negotiated
    flight.clear()
    const connection = new Connection13(this.#context, {
      crypto: config.crypto,
      suite,
      peerCertificate: claimed?.certificate,
      srtpProfile,
      exporter: this.#application.exporter,
      traffic: this.#application.traffic,
      write: this.write,
      handshakeRead: this.read,
      peerMessages: this.#flight.messages,
      nextMessageSequence: this.hello.messageSequence + this.items.length,
      lastFlight: undefined,
    })
    connection.acknowledge(now)
    return connection
  }
}

/** RFC 8446 section 4.1.3, and RFC 9147 section 5: without an echo of the session id. */
function serverHello(
  { config }: HandshakeContext,
  { suite, group }: Negotiated13,
  publicKey: Uint8Array,
): Uint8Array {
  return encodeServerHello({
    random: config.crypto.randomBytes(RANDOM_LENGTH),
    cipherSuite: suite.id,
    extensions: {
      extendedMasterSecret: false,
      supportedVersions: [DTLS_1_3],
      keyShares: [{ group: group.id, keyExchange: publicKey }],
    },
  })
}

function encryptedExtensions({ srtpProfile }: Negotiated13): Uint8Array {
  return encodeEncryptedExtensions({
    extendedMasterSecret: false,
    ...(srtpProfile && { useSrtp: { profiles: [srtpProfileId(srtpProfile)], mki: NO_BYTES } }),
  })
}
