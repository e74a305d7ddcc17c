// Flight 4 as the client reads it.

import { concatBytes } from '@str0m/sans-io'
import type { KeyExchangeGroup } from '@str0m/crypto'
import { CIPHER_SUITES, type CipherSuite, NAMED_GROUPS } from '../cipher-suites.ts'
import type { PeerCertificate } from '../peer-certificate.ts'
import type { HandshakeReassembly } from '../reassembly.ts'
import { OWN_SIGNATURE_SCHEME, verifySignature } from '../signature-schemes.ts'
import { type SrtpProfile, srtpProfileId } from '../srtp-profiles.ts'
import { parseCertificateRequest } from '../wire/certificates.ts'
import type { HelloExtensions } from '../wire/extensions.ts'
import type { HandshakeMessage } from '../wire/handshake.ts'
import { parseServerHello } from '../wire/hello.ts'
import { parseServerKeyExchange } from '../wire/key-exchange.ts'
import {
  CERTIFICATE_TYPE_ECDSA_SIGN,
  DTLS_1_2,
  ExtensionType,
  HandshakeType,
  POINT_FORMAT_UNCOMPRESSED,
} from '../wire/protocol.ts'
import { claimCertificate, Refusal } from './authentication.ts'
import type { HandshakeConfig } from './context.ts'
import { isDowngrade } from './version.ts'

/** A whole flight 4. */
export interface CollectedServerFlight {
  readonly messages: readonly HandshakeMessage[]
  readonly serverHello: HandshakeMessage
  readonly certificate: HandshakeMessage
  readonly serverKeyExchange: HandshakeMessage
  readonly certificateRequest: HandshakeMessage | undefined
  /** Of its newest message. */
  readonly version: number
}

/** What the server chose, its key share signed by the certificate's key. */
export interface ServerParameters {
  readonly suite: CipherSuite
  readonly serverRandom: Uint8Array
  readonly srtpProfile: SrtpProfile | undefined
  readonly certificate: PeerCertificate
  readonly group: KeyExchangeGroup
  readonly publicKey: Uint8Array
  readonly certificateRequest: CertificateDemand
}

/** What a CertificateRequest asks for: nothing, as there is none; what we have; or what we do not have, for which a Certificate without any is the answer. */
export type CertificateDemand = 'none' | 'ours' | 'another'

/** The flight whose ServerHello is at `base`; `undefined` while any message is missing. */
export function collectServerFlight(
  reassembly: HandshakeReassembly,
  base: number,
): CollectedServerFlight | undefined {
  // asked for with each message that comes: mostly the last one is not there yet
  if (!isDone(reassembly, base + 3) && !isDone(reassembly, base + 4)) return undefined
  const messages: HandshakeMessage[] = []
  let version = 0
  const take = (type: number): HandshakeMessage | undefined => {
    const sequence = base + messages.length
    const message = reassembly.message(sequence)
    if (message?.type !== type) return undefined
    messages.push(message)
    version = Math.max(version, reassembly.version(sequence))
    return message
  }
  const serverHello = take(HandshakeType.serverHello)
  if (serverHello === undefined) return undefined
  const certificate = take(HandshakeType.certificate)
  if (certificate === undefined) return undefined
  const serverKeyExchange = take(HandshakeType.serverKeyExchange)
  if (serverKeyExchange === undefined) return undefined
  const certificateRequest = take(HandshakeType.certificateRequest)
  if (take(HandshakeType.serverHelloDone)?.body.length !== 0) return undefined
  return { messages, serverHello, certificate, serverKeyExchange, certificateRequest, version }
}

function isDone(reassembly: HandshakeReassembly, messageSequence: number): boolean {
  return reassembly.message(messageSequence)?.type === HandshakeType.serverHelloDone
}

/** Verifies a flight, RFC 5246 sections 7.4.1.3 to 7.4.4. */
export function acceptServerFlight(
  config: HandshakeConfig,
  clientRandom: Uint8Array,
  flight: CollectedServerFlight,
): ServerParameters | Refusal {
  const hello = parseServerHello(flight.serverHello.body)
  if (hello === undefined) return new Refusal('malformed-handshake')
  if (hello.version !== DTLS_1_2) return new Refusal('unsupported-version')
  // both have DTLS 1.3, and someone took it out of our ClientHello
  if (config.versions.includes('DTLS 1.3') && isDowngrade(hello.random))
    return new Refusal('illegal-parameter')
  const suite = CIPHER_SUITES.find(({ id }) => id === hello.cipherSuite)
  if (suite === undefined || hello.compressionMethod !== 0) return new Refusal('illegal-parameter')
  const srtpProfile = acceptExtensions(config, hello.extensions)
  if (srtpProfile instanceof Refusal) return srtpProfile

  const claimed = claimCertificate(config, flight.certificate.body)
  if (claimed instanceof Refusal) return claimed
  if (claimed.key.type !== suite.authentication) return new Refusal('bad-certificate')

  const exchange = parseServerKeyExchange(flight.serverKeyExchange.body)
  if (exchange === undefined) return new Refusal('malformed-handshake')
  const group = NAMED_GROUPS.find(({ id }) => id === exchange.group)
  if (group === undefined) return new Refusal('no-common-group')
  const signed = concatBytes([clientRandom, hello.random, exchange.params])
  if (!verifySignature(claimed.key, exchange.signatureAlgorithm, signed, exchange.signature)) {
    return new Refusal('bad-signature')
  }

  const certificateRequest = readDemand(flight.certificateRequest)
  if (certificateRequest instanceof Refusal) return certificateRequest
  return {
    suite,
    // a view would keep the whole hello in memory
    serverRandom: hello.random.slice(),
    srtpProfile,
    certificate: claimed.certificate,
    group: group.group,
    publicKey: exchange.publicKey,
    certificateRequest,
  }
}

function readDemand(message: HandshakeMessage | undefined): CertificateDemand | Refusal {
  if (message === undefined) return 'none'
  const request = parseCertificateRequest(message.body)
  if (request === undefined) return new Refusal('malformed-handshake')
  const { certificateTypes, signatureAlgorithms } = request
  const isOurs =
    certificateTypes.includes(CERTIFICATE_TYPE_ECDSA_SIGN) &&
    signatureAlgorithms.includes(OWN_SIGNATURE_SCHEME)
  return isOurs ? 'ours' : 'another'
}

/** Checks that the server answers what was offered, RFC 5246 section 7.4.1.4. The SRTP profile that it chose. */
function acceptExtensions(
  config: HandshakeConfig,
  extensions: HelloExtensions,
): SrtpProfile | undefined | Refusal {
  if (!extensions.extendedMasterSecret) return new Refusal('no-extended-master-secret')
  const illegal = new Refusal('illegal-parameter')
  for (const type of extensions.types) {
    // signature_algorithms and supported_groups are the client's alone to send; a server that adds the latter harms no one
    if (type === ExtensionType.signatureAlgorithms) return illegal
    if (!OFFERED.has(type)) return illegal
  }
  const { renegotiationInfo, ecPointFormats, useSrtp } = extensions
  if (renegotiationInfo !== undefined && renegotiationInfo.length > 0) return illegal
  if (ecPointFormats !== undefined && !ecPointFormats.includes(POINT_FORMAT_UNCOMPRESSED)) return illegal
  if (useSrtp === undefined) return undefined
  // RFC 5764 section 4.1.1: one profile, of those offered; and no MKI, as none was offered
  const profile = config.srtpProfiles.find((name) => srtpProfileId(name) === useSrtp.profiles[0])
  if (profile === undefined || useSrtp.profiles.length !== 1 || useSrtp.mki.length > 0) return illegal
  return profile
}

const OFFERED: ReadonlySet<number> = new Set(Object.values(ExtensionType))
