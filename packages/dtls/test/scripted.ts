// Peers that do the handshake by the book, message by message, out of the package's own wire format, except
// where a test has them cheat.

import type { CryptoProvider } from '@str0m/crypto'
import type { Dtls, DtlsCertificate } from '@str0m/dtls'
import { concatBytes, ByteReader, ByteWriter } from '@str0m/sans-io'
import { NO_BYTES } from '../src/bytes.ts'
import { CIPHER_SUITES, NAMED_GROUPS } from '../src/cipher-suites.ts'
import { makeSession, type PendingSession } from '../src/handshake/session.ts'
import { extendedMasterSecret } from '../src/key-schedule.ts'
import { WriteEpoch } from '../src/record-protection.ts'
import { OWN_SIGNATURE_SCHEME, SIGNATURE_SCHEMES } from '../src/signature-schemes.ts'
import { encodeCertificate, encodeCertificateRequest } from '../src/wire/certificates.ts'
import type { HelloExtensions } from '../src/wire/extensions.ts'
import { handshakeMessage, type HandshakeMessage, readHandshakeFragment } from '../src/wire/handshake.ts'
import {
  encodeClientHello,
  encodeServerHello,
  parseClientHello,
  parseServerHello,
} from '../src/wire/hello.ts'
import {
  encodeClientKeyExchange,
  encodeServerEcdhParams,
  encodeSigned,
  parseClientKeyExchange,
  parseServerKeyExchange,
} from '../src/wire/key-exchange.ts'
import { ContentType, DTLS_1_2, HandshakeType } from '../src/wire/protocol.ts'
import { emptyRecordHeader, readRecord } from '../src/wire/record.ts'
import { drain, type Drained, seededCrypto } from './support.ts'

/** The handshake messages in plaintext of some datagrams, none of them fragmented. */
export function messagesIn(datagrams: readonly Uint8Array[]): HandshakeMessage[] {
  const messages: HandshakeMessage[] = []
  for (const datagram of datagrams) {
    const header = emptyRecordHeader()
    for (let at = 0; readRecord(datagram, at, header); at = header.end) {
      if (header.type !== ContentType.handshake || header.epoch !== 0) continue
      const fragment = readHandshakeFragment(new ByteReader(datagram, header.start, header.end))
      if (fragment === undefined) throw new Error('a machine sent a malformed message')
      messages.push(handshakeMessage(fragment.type, fragment.messageSequence, fragment.body))
    }
  }
  return messages
}

/** One record in a datagram. */
export function recordOf(epoch: WriteEpoch, type: number, plaintext: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(epoch.overhead + plaintext.length)
  epoch.seal(type, DTLS_1_2, plaintext, datagram, 0)
  return datagram
}

function joined(messages: readonly HandshakeMessage[]): Uint8Array {
  return concatBytes(messages.map(({ bytes }) => bytes))
}

const EXTENSIONS = {
  extendedMasterSecret: true,
  supportedGroups: NAMED_GROUPS.map(({ id }) => id),
  ecPointFormats: new Uint8Array([0]),
  signatureAlgorithms: SIGNATURE_SCHEMES,
}

export interface ClientScript {
  readonly certificate: DtlsCertificate
  /** What the Certificate message holds instead; `omit`: there is no such message. */
  readonly claims?: readonly Uint8Array[] | 'omit'
  /** What the CertificateVerify holds instead; `omit`: there is no such message. */
  readonly proof?: ((transcript: Uint8Array) => Uint8Array) | 'omit'
  readonly cipherSuites?: readonly number[]
  readonly extensions?: Partial<HelloExtensions>
  /** What goes under the keys in place of the Finished. */
  readonly instead?: UnderKeys
}

/** A record under the keys, made from the genuine Finished. */
export type UnderKeys = (finished: Uint8Array) => { readonly type: number; readonly bytes: Uint8Array }

/** Speaks to a server until its answer to our Finished. */
export class ScriptedClient {
  readonly crypto: CryptoProvider = seededCrypto(600)
  readonly plaintext: WriteEpoch = new WriteEpoch()
  readonly #server: Dtls
  session: PendingSession | undefined

  constructor(server: Dtls) {
    this.#server = server
  }

  /** Sends one record. What the server says to it. */
  send(epoch: WriteEpoch, type: number, plaintext: Uint8Array, now = 0): Drained {
    this.#server.handleInput({ kind: 'receive', now, contents: recordOf(epoch, type, plaintext) })
    return drain(this.#server)
  }

  sendHello(script: Pick<ClientScript, 'cipherSuites' | 'extensions'> = {}): [HandshakeMessage, Drained] {
    const body = encodeClientHello({
      random: this.crypto.randomBytes(32),
      cookie: NO_BYTES,
      cipherSuites: script.cipherSuites ?? CIPHER_SUITES.map(({ id }) => id),
      extensions: { ...EXTENSIONS, ...script.extensions },
    })
    const hello = handshakeMessage(HandshakeType.clientHello, 0, body)
    return [hello, this.send(this.plaintext, ContentType.handshake, hello.bytes)]
  }

  handshake(script: ClientScript): Drained {
    const { crypto, plaintext } = this
    const [hello, { datagrams }] = this.sendHello(script)
    const flight = messagesIn(datagrams)
    const serverHello = parseServerHello(flight[0]!.body)!
    const share = parseServerKeyExchange(flight[2]!.body)!
    const suite = CIPHER_SUITES.find(({ id }) => id === serverHello.cipherSuite)!
    const { group } = NAMED_GROUPS.find(({ id }) => id === share.group)!
    const keyExchange = crypto.generateKeyExchange(group)
    const messages: HandshakeMessage[] = []
    const append = (type: number, body: Uint8Array): void => {
      messages.push(handshakeMessage(type, 1 + messages.length, body))
    }
    const { claims = [script.certificate.der], proof = (data) => script.certificate.sign(data) } = script
    const requested = flight.some(({ type }) => type === HandshakeType.certificateRequest)
    if (requested && claims !== 'omit') append(HandshakeType.certificate, encodeCertificate(claims))
    append(HandshakeType.clientKeyExchange, encodeClientKeyExchange(keyExchange.publicKey))
    const transcript = (): Uint8Array => joined([hello, ...flight, ...messages])
    const preMasterSecret = keyExchange.deriveSecret(share.publicKey)!
    const randoms = { client: hello.body.subarray(2, 34), server: serverHello.random }
    const master = extendedMasterSecret(crypto, suite, randoms, preMasterSecret, transcript())
    if (requested && proof !== 'omit') {
      const signed = encodeSigned(NO_BYTES, OWN_SIGNATURE_SCHEME, proof(transcript()))
      append(HandshakeType.certificateVerify, signed)
    }
    this.session = makeSession(crypto, {
      role: 'client',
      master,
      peerCertificate: undefined,
      srtpProfile: undefined,
      transcript: new ByteWriter().bytes(transcript()),
      finishedSequences: { client: 1 + messages.length, server: flight.length },
    })
    for (const { bytes } of messages) this.send(plaintext, ContentType.handshake, bytes)
    this.send(plaintext, ContentType.changeCipherSpec, new Uint8Array([1]))
    const { finished, write } = this.session
    const { type, bytes } = (script.instead ?? genuine)(finished.bytes)
    return this.send(write, type, bytes)
  }
}

export interface ServerScript {
  readonly certificate: DtlsCertificate
  readonly claims?: readonly Uint8Array[] | 'omit'
  /** What the ServerKeyExchange holds instead of a signature over the randoms and the parameters. */
  readonly proof?: (signed: Uint8Array) => Uint8Array
  /** How the ServerHello's random ends. */
  readonly randomEnd?: Uint8Array
  /** The body of the CertificateRequest. */
  readonly request?: Uint8Array
  readonly instead?: UnderKeys
}

const genuine: UnderKeys = (bytes) => ({ type: ContentType.handshake, bytes })

/** Speaks to a client until its answer to our Finished. `flight5` is told what the client said in plaintext before its own. */
export function scriptedServer(
  client: Dtls,
  script: ServerScript,
  flight5: (messages: readonly HandshakeMessage[]) => void = () => undefined,
): Drained {
  const crypto = seededCrypto(700)
  const plaintext = new WriteEpoch()
  const send = (epoch: WriteEpoch, type: number, bytes: Uint8Array): Drained => {
    client.handleInput({ kind: 'receive', now: 0, contents: recordOf(epoch, type, bytes) })
    return drain(client)
  }
  client.start(0)
  const [hello] = messagesIn(drain(client).datagrams)
  const clientRandom = parseClientHello(hello!.body)!.random
  const serverRandom = crypto.randomBytes(32)
  if (script.randomEnd !== undefined) serverRandom.set(script.randomEnd, 32 - script.randomEnd.length)
  const suite = CIPHER_SUITES[0]!
  const keyExchange = crypto.generateKeyExchange('x25519')
  const flight: HandshakeMessage[] = []
  const append = (type: number, body: Uint8Array): void => {
    flight.push(handshakeMessage(type, flight.length, body))
  }
  const { claims = [script.certificate.der], proof = (data) => script.certificate.sign(data) } = script
  const random = serverRandom
  const extensions = { extendedMasterSecret: true }
  append(HandshakeType.serverHello, encodeServerHello({ random, cipherSuite: suite.id, extensions }))
  if (claims !== 'omit') append(HandshakeType.certificate, encodeCertificate(claims))
  const params = encodeServerEcdhParams(29, keyExchange.publicKey)
  const signature = proof(concatBytes([clientRandom, serverRandom, params]))
  append(HandshakeType.serverKeyExchange, encodeSigned(params, OWN_SIGNATURE_SCHEME, signature))
  const request = script.request ?? encodeCertificateRequest([64], SIGNATURE_SCHEMES)
  append(HandshakeType.certificateRequest, request)
  append(HandshakeType.serverHelloDone, NO_BYTES)
  let answer: Drained = { datagrams: [], events: [], at: 0 }
  for (const { bytes } of flight) answer = send(plaintext, ContentType.handshake, bytes)
  const messages = messagesIn(answer.datagrams)
  if (messages.length === 0) return answer
  flight5(messages)
  const share = parseClientKeyExchange(messages[1]!.body)!
  const upToShare = joined([hello!, ...flight, ...messages.slice(0, 2)])
  const randoms = { client: clientRandom, server: serverRandom }
  const preMasterSecret = keyExchange.deriveSecret(share)!
  const session = makeSession(crypto, {
    role: 'server',
    master: extendedMasterSecret(crypto, suite, randoms, preMasterSecret, upToShare),
    peerCertificate: undefined,
    srtpProfile: undefined,
    transcript: new ByteWriter().bytes(joined([hello!, ...flight, ...messages])),
    finishedSequences: { client: 1 + messages.length, server: flight.length },
  })
  const { type, bytes } = (script.instead ?? genuine)(session.finished.bytes)
  return send(session.write, type, bytes)
}
