// Peers that do the handshake of DTLS 1.3 by the book, message by message, out of the package's own wire format, except
// where a test has them cheat.

import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { CryptoProvider, KeyExchange } from '@str0m/crypto'
import type { Dtls, DtlsCertificate } from '@str0m/dtls'
import { ByteReader } from '@str0m/sans-io'
import { NO_BYTES } from '../src/bytes.ts'
import { NAMED_GROUPS, type NamedGroup } from '../src/cipher-suites.ts'
import { type CipherSuite13, CIPHER_SUITES_13 } from '../src/cipher-suites13.ts'
import { signedContent } from '../src/handshake/authentication13.ts'
import { Transcript13 } from '../src/handshake/transcript13.ts'
import { HandshakeSecret, type TrafficSecrets } from '../src/key-schedule13.ts'
import { ReadEpoch13, WriteEpoch13 } from '../src/record-protection13.ts'
import { type RecordWriter, WriteEpoch } from '../src/record-protection.ts'
import { OWN_SIGNATURE_SCHEME, SIGNATURE_SCHEMES } from '../src/signature-schemes.ts'
import type { HelloExtensions } from '../src/wire/extensions.ts'
import { handshakeMessage, type HandshakeMessage, readHandshakeFragment } from '../src/wire/handshake.ts'
import {
  encodeClientHello,
  encodeServerHello,
  parseClientHello,
  parseServerHello,
  RETRY_RANDOM,
} from '../src/wire/hello.ts'
import { encodeSigned } from '../src/wire/key-exchange.ts'
import {
  encodeCertificate13,
  encodeCertificateRequest13,
  encodeEncryptedExtensions,
} from '../src/wire/messages13.ts'
import { ContentType, DTLS_1_2, DTLS_1_3, HandshakeType } from '../src/wire/protocol.ts'
import { emptyRecordHeader, readRecord } from '../src/wire/record.ts'
import { emptyUnifiedHeader, isCiphertext, readUnifiedHeader } from '../src/wire/unified-header.ts'
import { encodeSignedCertificate, encodeTbsCertificate } from '../src/wire/x509.ts'
import { drain, type Drained, seededCrypto } from './support.ts'

/** Who a scripted peer is: a certificate, and what its key signs with. */
export interface Signer {
  readonly der: Uint8Array
  readonly scheme: number
  sign(data: Uint8Array): Uint8Array
}

export function signerOf(certificate: DtlsCertificate): Signer {
  return { der: certificate.der, scheme: OWN_SIGNATURE_SCHEME, sign: (data) => certificate.sign(data) }
}

/** A certificate around any key. Its own signature is none: nobody looks at it. */
function certificateAround(publicKey: KeyObject): Uint8Array {
  const tbs = encodeTbsCertificate({
    serialNumber: new Uint8Array([1]),
    commonName: 'scripted',
    validity: { notBefore: 1_577_836_800_000, notAfter: 253_402_300_799_000 },
    subjectPublicKeyInfo: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
  })
  return encodeSignedCertificate(tbs, new Uint8Array(8))
}

/** rsa_pss_rsae_sha256, rsa_pss_rsae_sha384, rsa_pss_rsae_sha512 by their hash; or rsa_pkcs1_sha256. */
export function rsaSigner(hash: 'sha256' | 'sha384' | 'sha512' | 'pkcs1' = 'sha256'): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pss = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: -1 }
  return {
    der: certificateAround(publicKey),
    scheme: { sha256: 0x0804, sha384: 0x0805, sha512: 0x0806, pkcs1: 0x0401 }[hash],
    sign: (data) =>
      new Uint8Array(hash === 'pkcs1' ? sign('sha256', data, privateKey) : sign(hash, data, pss)),
  }
}

/** ecdsa_secp384r1_sha384; or ecdsa_secp256r1_sha256, which does not go with the key. */
export function p384Signer(hash: 'sha384' | 'sha256' = 'sha384'): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  return {
    der: certificateAround(publicKey),
    scheme: hash === 'sha384' ? 0x0503 : 0x0403,
    sign: (data) => new Uint8Array(sign(hash, data, privateKey)),
  }
}

/** A record that a machine sent. */
export interface SeenRecord {
  readonly type: number
  readonly epoch: number
  readonly sequence: number
  readonly plaintext: Uint8Array
}

/** The records of datagrams, with the keys that there are. Those that no key opens are left out. */
export function recordsIn(datagrams: readonly Uint8Array[], reads: readonly ReadEpoch13[]): SeenRecord[] {
  const records: SeenRecord[] = []
  for (const datagram of datagrams) {
    const header = emptyRecordHeader()
    const unified = emptyUnifiedHeader()
    for (let at = 0; at < datagram.length;) {
      if (isCiphertext(datagram[at]!)) {
        if (!readUnifiedHeader(datagram, at, unified)) throw new Error('a machine sent a malformed record')
        at = unified.end
        const read = reads.find(
          (each) => each.epoch % 4 === unified.epochBits && each.open(datagram, unified) === 'opened',
        )
        if (read === undefined) continue
        const { type, epoch, sequence, plaintext } = read
        records.push({ type, epoch, sequence, plaintext })
      } else {
        if (!readRecord(datagram, at, header)) throw new Error('a machine sent a malformed record')
        at = header.end
        const { type, epoch, sequence, start, end } = header
        records.push({ type, epoch, sequence, plaintext: datagram.subarray(start, end) })
      }
    }
  }
  return records
}

/** The handshake messages in records, none of them fragmented. */
function messagesIn13(records: readonly SeenRecord[]): HandshakeMessage[] {
  return records
    .filter(({ type }) => type === ContentType.handshake)
    .flatMap(({ plaintext }) => {
      const reader = new ByteReader(plaintext)
      const messages: HandshakeMessage[] = []
      while (reader.remaining > 0) {
        const fragment = readHandshakeFragment(reader)
        if (fragment === undefined) throw new Error('a machine sent a malformed message')
        messages.push(handshakeMessage(fragment.type, fragment.messageSequence, fragment.body))
      }
      return messages
    })
}

export function sealed(epoch: RecordWriter, type: number, plaintext: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(epoch.overhead + plaintext.length)
  epoch.seal(type, DTLS_1_2, plaintext, datagram, 0)
  return datagram
}

/** What a scripted peer has after the handshake, or after as much of it as there was. */
export interface Keys13 {
  readonly crypto: CryptoProvider
  readonly plaintext: WriteEpoch
  /** Epoch 2, both ways. */
  readonly write: WriteEpoch13
  readonly read: ReadEpoch13
  readonly application: TrafficSecrets
  /** Epoch 3, both ways. */
  readonly writeData: WriteEpoch13
  readonly readData: ReadEpoch13
  /** Our next `message_seq`. */
  nextSequence: number
}

export interface Script13 {
  readonly signer: Signer
  readonly suite?: CipherSuite13
  readonly group?: NamedGroup
  /** What the Certificate message holds instead. */
  readonly claims?: readonly Uint8Array[]
  /** What the CertificateVerify holds instead of a signature over this. */
  readonly proof?: (content: Uint8Array) => Uint8Array
  /** Types of messages that are left out. */
  readonly omit?: readonly number[]
  /** What a message's body is instead. */
  readonly body?: (type: number, body: Uint8Array) => Uint8Array
  /** What the hello says instead. */
  readonly extensions?: Partial<HelloExtensions>
  /** Of a server: what it asks for first. */
  readonly retry?: { readonly cookie?: Uint8Array; readonly group?: number }
}

const PLAIN_EXTENSIONS = { extendedMasterSecret: false } as const

/** Speaks to a machine, as the other role. */
class Peer13 {
  readonly machine: Dtls
  readonly crypto: CryptoProvider = seededCrypto(800)
  readonly plaintext: WriteEpoch = new WriteEpoch()
  readonly script: Script13
  readonly suite: CipherSuite13
  readonly group: NamedGroup
  readonly transcript: Transcript13
  sequence = 0

  constructor(machine: Dtls, script: Script13) {
    this.machine = machine
    this.script = script
    this.suite = script.suite ?? CIPHER_SUITES_13[0]!
    this.group = script.group ?? NAMED_GROUPS[0]!
    this.transcript = new Transcript13(this.crypto, this.suite.hash)
  }

  send(epoch: RecordWriter, type: number, plaintext: Uint8Array, now = 0): Drained {
    this.machine.handleInput({ kind: 'receive', now, contents: sealed(epoch, type, plaintext) })
    return drain(this.machine)
  }

  message(type: number, body: Uint8Array): HandshakeMessage {
    const made = handshakeMessage(type, this.sequence++, this.script.body?.(type, body) ?? body)
    this.transcript.add(made)
    return made
  }

  /** Certificate, CertificateVerify and Finished of ours, but for what is left out. */
  proof(role: 'client' | 'server', traffic: TrafficSecrets): HandshakeMessage[] {
    const {
      signer,
      claims = [signer.der],
      proof = (content) => signer.sign(content),
      omit = [],
    } = this.script
    const messages: HandshakeMessage[] = []
    const append = (type: number, body: () => Uint8Array): void => {
      if (!omit.includes(type)) messages.push(this.message(type, body()))
    }
    append(HandshakeType.certificate, () => encodeCertificate13({ context: NO_BYTES, chain: claims }))
    append(HandshakeType.certificateVerify, () =>
      encodeSigned(NO_BYTES, signer.scheme, proof(signedContent(role, this.transcript.digest()))),
    )
    append(HandshakeType.finished, () => traffic[role].verifyData(this.transcript.digest()))
    return messages
  }

  keys(role: 'client' | 'server', handshake: TrafficSecrets): Pick<Keys13, 'write' | 'read'> {
    const peer = role === 'client' ? 'server' : 'client'
    return {
      write: new WriteEpoch13(this.crypto, handshake[role], 2),
      read: new ReadEpoch13(this.crypto, handshake[peer], 2),
    }
  }

  finish(role: 'client' | 'server', secrets: Pick<Keys13, 'write' | 'read' | 'application'>): Keys13 {
    const peer = role === 'client' ? 'server' : 'client'
    return {
      crypto: this.crypto,
      plaintext: this.plaintext,
      ...secrets,
      writeData: new WriteEpoch13(this.crypto, secrets.application[role], 3),
      readData: new ReadEpoch13(this.crypto, secrets.application[peer], 3),
      nextSequence: this.sequence,
    }
  }
}

function plainMessages(drained: Drained): HandshakeMessage[] {
  return messagesIn13(recordsIn(drained.datagrams, []))
}

/** The first ClientHello of a client, whose datagrams are long enough for it. */
export function helloOf(client: Dtls): HandshakeMessage {
  client.start(0)
  const [hello] = plainMessages(drain(client))
  if (hello === undefined) throw new Error('the client sent no ClientHello')
  return hello
}

/** Speaks to a client up to our Finished. What the client says to it, and our keys. */
export function scriptedServer13(client: Dtls, script: Script13): { answer: Drained; keys: Keys13 } {
  const peer = new Peer13(client, script)
  const { crypto, suite, group, transcript, plaintext } = peer
  let hello = helloOf(client)
  if (script.retry !== undefined) {
    transcript.addMessageHash(new Transcript13(crypto, suite.hash).add(hello).digest())
    const { cookie, group: wanted } = script.retry
    const request = peer.message(
      HandshakeType.serverHello,
      encodeServerHello({
        random: RETRY_RANDOM,
        cipherSuite: suite.id,
        extensions: {
          ...PLAIN_EXTENSIONS,
          supportedVersions: [DTLS_1_3],
          cookie,
          ...(wanted !== undefined && { keyShares: [{ group: wanted, keyExchange: NO_BYTES }] }),
        },
      }),
    )
    hello = plainMessages(peer.send(plaintext, ContentType.handshake, request.bytes))[0]!
  }
  transcript.add(hello)
  const share = parseClientHello(hello.body)?.extensions.keyShares?.find((each) => each.group === group.id)
  if (share === undefined) throw new Error('the client has no share on the group')
  const keyExchange = crypto.generateKeyExchange(group.group)
  const serverHello = peer.message(
    HandshakeType.serverHello,
    encodeServerHello({
      random: crypto.randomBytes(32),
      cipherSuite: suite.id,
      extensions: {
        ...PLAIN_EXTENSIONS,
        supportedVersions: [DTLS_1_3],
        keyShares: [{ group: group.id, keyExchange: keyExchange.publicKey }],
        ...script.extensions,
      },
    }),
  )
  const secret = new HandshakeSecret(crypto, suite, keyExchange.deriveSecret(share.keyExchange)!)
  const handshake = secret.trafficSecrets(transcript.digest())
  const keys = peer.keys('server', handshake)
  const messages: HandshakeMessage[] = []
  const { omit = [] } = script
  if (!omit.includes(HandshakeType.encryptedExtensions)) {
    messages.push(
      peer.message(HandshakeType.encryptedExtensions, encodeEncryptedExtensions(PLAIN_EXTENSIONS)),
    )
  }
  if (!omit.includes(HandshakeType.certificateRequest)) {
    messages.push(
      peer.message(HandshakeType.certificateRequest, encodeCertificateRequest13(SIGNATURE_SCHEMES)),
    )
  }
  messages.push(...peer.proof('server', handshake))
  let answer = peer.send(plaintext, ContentType.handshake, serverHello.bytes)
  for (const { bytes } of messages) answer = peer.send(keys.write, ContentType.handshake, bytes)
  const application = secret.application(transcript.digest()).traffic
  return { answer, keys: peer.finish('server', { ...keys, application }) }
}

/** A ClientHello of DTLS 1.3, and what its share comes from. */
export function clientHello13(
  crypto: CryptoProvider,
  script: Pick<Script13, 'suite' | 'group' | 'extensions'>,
  parts: { readonly legacyCookie?: Uint8Array } = {},
): { body: Uint8Array; keyExchange: KeyExchange } {
  const group = script.group ?? NAMED_GROUPS[0]!
  const keyExchange = crypto.generateKeyExchange(group.group)
  const body = encodeClientHello({
    random: crypto.randomBytes(32),
    cookie: parts.legacyCookie ?? NO_BYTES,
    cipherSuites: script.suite === undefined ? CIPHER_SUITES_13.map(({ id }) => id) : [script.suite.id],
    extensions: {
      ...PLAIN_EXTENSIONS,
      supportedGroups: [group.id],
      signatureAlgorithms: SIGNATURE_SCHEMES,
      supportedVersions: [DTLS_1_3],
      keyShares: [{ group: group.id, keyExchange: keyExchange.publicKey }],
      ...script.extensions,
    },
  })
  return { body, keyExchange }
}

/** Speaks to a server up to our Finished. What the server says to it, and our keys. */
export function scriptedClient13(server: Dtls, script: Script13): { answer: Drained; keys: Keys13 } {
  const peer = new Peer13(server, script)
  const { crypto, suite, transcript, plaintext } = peer
  const { body, keyExchange } = clientHello13(crypto, { suite, ...script })
  const hello = peer.message(HandshakeType.clientHello, body)
  const { datagrams } = peer.send(plaintext, ContentType.handshake, hello.bytes)
  const [serverHello] = messagesIn13(recordsIn(datagrams, []))
  if (serverHello === undefined) throw new Error('the server does not answer')
  const share = parseServerHello(serverHello.body)?.extensions.keyShares?.[0]
  if (share === undefined) throw new Error('the server has no share')
  transcript.add(serverHello)
  const secret = new HandshakeSecret(crypto, suite, keyExchange.deriveSecret(share.keyExchange)!)
  const handshake = secret.trafficSecrets(transcript.digest())
  const keys = peer.keys('client', handshake)
  for (const message of messagesIn13(recordsIn(datagrams, [keys.read])).slice(1)) transcript.add(message)
  const application = secret.application(transcript.digest()).traffic
  let answer: Drained = { datagrams: [], events: [], at: 0 }
  for (const { bytes } of peer.proof('client', handshake)) {
    answer = peer.send(keys.write, ContentType.handshake, bytes)
  }
  return { answer, keys: peer.finish('client', { ...keys, application }) }
}
