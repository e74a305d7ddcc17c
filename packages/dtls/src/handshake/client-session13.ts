// What a client has with one ServerHello of DTLS 1.3: keys of epoch 2, under which the rest of the server's flight comes.
//
//   ServerHello, {EncryptedExtensions}, {CertificateRequest}, {Certificate}, {CertificateVerify}, {Finished}

import { assert, type Instant } from '@str0m/sans-io'
import { equalConstantTime } from '@str0m/crypto'
import { Delivery } from '../acknowledgements.ts'
import { NO_BYTES } from '../bytes.ts'
import type { CipherSuite13 } from '../cipher-suites13.ts'
import { Connection13 } from '../connection13.ts'
import type { FlightItem } from '../flight.ts'
import { HandshakeSecret, type TrafficSecrets } from '../key-schedule13.ts'
import { ReadEpoch13, WriteEpoch13 } from '../record-protection13.ts'
import { OWN_SIGNATURE_SCHEME } from '../signature-schemes.ts'
import { type SrtpProfile, srtpProfileId } from '../srtp-profiles.ts'
import { handshakeMessage, type HandshakeMessage } from '../wire/handshake.ts'
import {
  encodeCertificate13,
  parseCertificateRequest13,
  parseEncryptedExtensions,
} from '../wire/messages13.ts'
import { ExtensionType, HandshakeType } from '../wire/protocol.ts'
import type { Acknowledging } from './acknowledging.ts'
import { type ClaimedCertificate, Refusal } from './authentication.ts'
import { certificateVerify13, checkCertificateVerify, claimCertificate13 } from './authentication13.ts'
import type { SentHello } from './client-hellos.ts'
import type { HandshakeContext } from './context.ts'
import { type FlightStep, PeerFlight13 } from './peer-flight13.ts'
import { helloTranscript } from './retry13.ts'
import type { CertificateDemand } from './server-flight.ts'
import type { Transcript13 } from './transcript13.ts'

/** Epochs of the handshake, RFC 9147 section 6.1. */
const HANDSHAKE_EPOCH = 2

type Expected =
  | { readonly name: 'encrypted-extensions' }
  | { readonly name: 'certificate-request' }
  | { readonly name: 'certificate' }
  | { readonly name: 'certificate-verify'; readonly claimed: ClaimedCertificate }
  | { readonly name: 'finished'; readonly claimed: ClaimedCertificate }

export class ClientSession13 {
  readonly hello: SentHello
  readonly serverHello: HandshakeMessage
  readonly read: ReadEpoch13
  /** Epoch 2. */
  readonly write: WriteEpoch13
  readonly #context: HandshakeContext
  readonly #suite: CipherSuite13
  readonly #secret: HandshakeSecret
  readonly #traffic: TrafficSecrets
  readonly #transcript: Transcript13
  readonly #flight: PeerFlight13
  #expected: Expected = { name: 'encrypted-extensions' }
  #certificateRequest: CertificateDemand = 'none'
  #srtpProfile: SrtpProfile | undefined

  constructor(
    context: HandshakeContext,
    hello: SentHello,
    serverHello: HandshakeMessage,
    recordSequence: number | undefined,
    suite: CipherSuite13,
    sharedSecret: Uint8Array,
  ) {
    const { config } = context
    this.#context = context
    this.hello = hello
    this.serverHello = serverHello
    this.#suite = suite
    this.#transcript = helloTranscript(config.crypto, suite, hello).add(serverHello)
    this.#secret = new HandshakeSecret(config.crypto, suite, sharedSecret)
    this.#traffic = this.#secret.trafficSecrets(this.#transcript.digest())
    this.read = new ReadEpoch13(config.crypto, this.#traffic.server, HANDSHAKE_EPOCH)
    this.write = new WriteEpoch13(config.crypto, this.#traffic.client, HANDSHAKE_EPOCH)
    this.#flight = new PeerFlight13(context, serverHello.messageSequence + 1, this.write)
    if (recordSequence !== undefined) this.#flight.messages.received.add(0, recordSequence)
  }

  get acknowledging(): Acknowledging {
    return this.#flight.acknowledging
  }

  /** Whether the server has said something that it may not say: nothing more is read of it. */
  get failed(): boolean {
    return this.#flight.failed
  }

  /** A handshake record that `read` opened last. The connection, once the server's Finished came. */
  handleRecord(now: Instant): Connection13 | undefined {
    return this.#flight.handleRecord(this.read, now, (message) => this.#handleMessage(message, now))
  }

  #handleMessage(message: HandshakeMessage, now: Instant): FlightStep {
    const expected = this.#expected
    const { type } = message
    if (expected.name === 'encrypted-extensions' && type === HandshakeType.encryptedExtensions) {
      this.#expected = { name: 'certificate-request' }
      return this.#acceptEncryptedExtensions(message)
    }
    if (expected.name === 'certificate-request' && type === HandshakeType.certificateRequest) {
      this.#expected = { name: 'certificate' }
      return this.#acceptCertificateRequest(message)
    }
    const awaitsCertificate = expected.name === 'certificate-request' || expected.name === 'certificate'
    if (awaitsCertificate && type === HandshakeType.certificate) {
      const claimed = claimCertificate13(this.#context.config, message)
      if (claimed instanceof Refusal) return claimed
      this.#expected = { name: 'certificate-verify', claimed }
      this.#transcript.add(message)
      return undefined
    }
    if (expected.name === 'certificate-verify' && type === HandshakeType.certificateVerify) {
      const { claimed } = expected
      const refusal = checkCertificateVerify(claimed, 'server', this.#transcript.digest(), message)
      this.#expected = { name: 'finished', claimed }
      this.#transcript.add(message)
      return refusal
    }
    if (expected.name === 'finished' && type === HandshakeType.finished) {
      const verifyData = this.#traffic.server.verifyData(this.#transcript.digest())
      if (!equalConstantTime(message.body, verifyData)) return new Refusal('bad-finished')
      this.#transcript.add(message)
      return this.#finish(expected.claimed, now)
    }
    return new Refusal('unexpected-message')
  }

  /** RFC 8446 section 4.3.1. */
  #acceptEncryptedExtensions(message: HandshakeMessage): Refusal | undefined {
    const { srtpProfiles } = this.#context.config
    const extensions = parseEncryptedExtensions(message.body)
    if (extensions === undefined) return new Refusal('malformed-handshake')
    this.#transcript.add(message)
    if (!extensions.types.every((type) => ENCRYPTED_EXTENSIONS.has(type)))
      return new Refusal('illegal-parameter')
    const { useSrtp } = extensions
    if (useSrtp === undefined) return undefined
    // RFC 5764 section 4.1.1: one profile, of those offered; and no MKI, as none was offered
    this.#srtpProfile = srtpProfiles.find((name) => srtpProfileId(name) === useSrtp.profiles[0])
    const isLegal =
      this.#srtpProfile !== undefined && useSrtp.profiles.length === 1 && useSrtp.mki.length === 0
    return isLegal ? undefined : new Refusal('illegal-parameter')
  }

  /** RFC 8446 section 4.3.2. */
  #acceptCertificateRequest(message: HandshakeMessage): Refusal | undefined {
    const request = parseCertificateRequest13(message.body)
    if (request === undefined) return new Refusal('malformed-handshake')
    this.#transcript.add(message)
    if (request.context.length > 0) return new Refusal('illegal-parameter')
    const { signatureAlgorithms } = request.extensions
    if (signatureAlgorithms === undefined) return new Refusal('illegal-parameter')
    this.#certificateRequest = signatureAlgorithms.includes(OWN_SIGNATURE_SCHEME) ? 'ours' : 'another'
    return undefined
  }

  /** Sends the client's last flight: {Certificate}, {CertificateVerify}, {Finished}. */
  #finish(claimed: ClaimedCertificate, now: Instant): Connection13 {
    const { config, flight } = this.#context
    const transcript = this.#transcript
    const application = this.#secret.application(transcript.digest())
    const items: FlightItem[] = []
    const append = (type: number, body: Uint8Array): void => {
      const message = handshakeMessage(type, this.hello.message.messageSequence + 1 + items.length, body)
      items.push({ epoch: this.write, message, delivery: new Delivery(body.length) })
      transcript.add(message)
    }
    if (this.#certificateRequest !== 'none') {
      // RFC 8446 section 4.4.2: without a suitable one the list is empty
      const chain = this.#certificateRequest === 'ours' ? [config.certificate.der] : []
      append(HandshakeType.certificate, encodeCertificate13({ context: NO_BYTES, chain }))
    }
    if (this.#certificateRequest === 'ours') {
      append(HandshakeType.certificateVerify, certificateVerify13(config, 'client', transcript.digest()))
    }
    append(HandshakeType.finished, this.#traffic.client.verifyData(transcript.digest()))
    const last = items.at(-1)
    assert(last !== undefined && last.message !== 'change-cipher-spec', 'a flight ends with a Finished')
    flight.send(items, now, true)
    this.#flight.messages.received.clear()
    return new Connection13(this.#context, {
      crypto: config.crypto,
      suite: this.#suite,
      peerCertificate: claimed.certificate,
      srtpProfile: this.#srtpProfile,
      exporter: application.exporter,
      traffic: application.traffic,
      handshakeRead: this.read,
      peerMessages: this.#flight.messages,
      nextMessageSequence: last.message.messageSequence + 1,
      lastFlight: items,
    })
  }
}

/** Those that we offer and that a server may answer there. */
const ENCRYPTED_EXTENSIONS: ReadonlySet<number> = new Set([
  ExtensionType.supportedGroups,
  ExtensionType.useSrtp,
])
