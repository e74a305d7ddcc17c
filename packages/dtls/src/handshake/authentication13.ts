// Certificate and CertificateVerify of DTLS 1.3, RFC 8446 sections 4.4.2 and 4.4.3.

import { concatBytes, encodeUtf8 } from '@str0m/sans-io'
import { OWN_SIGNATURE_SCHEME, verifySignature13 } from '../signature-schemes.ts'
import { parseCertificateVerify } from '../wire/certificates.ts'
import type { HandshakeMessage } from '../wire/handshake.ts'
import { encodeSigned } from '../wire/key-exchange.ts'
import { parseCertificate13 } from '../wire/messages13.ts'
import { NO_BYTES } from '../bytes.ts'
import { type ClaimedCertificate, claimChain, Refusal } from './authentication.ts'
import type { HandshakeConfig } from './context.ts'

const SPACES = new Uint8Array(64).fill(0x20)
const CONTEXTS = {
  client: encodeUtf8('TLS 1.3, client CertificateVerify\0'),
  server: encodeUtf8('TLS 1.3, server CertificateVerify\0'),
} as const

/** What the signature of `signer` is over. */
export function signedContent(signer: 'client' | 'server', transcriptHash: Uint8Array): Uint8Array {
  return concatBytes([SPACES, CONTEXTS[signer], transcriptHash])
}

/** Reads a Certificate message and checks its fingerprint. */
export function claimCertificate13(
  config: HandshakeConfig,
  message: HandshakeMessage,
): ClaimedCertificate | Refusal {
  const certificate = parseCertificate13(message.body)
  if (certificate === undefined) return new Refusal('malformed-handshake')
  // RFC 8446 section 4.4.2: empty in the main handshake
  if (certificate.context.length > 0) return new Refusal('illegal-parameter')
  return claimChain(config, certificate.chain)
}

/** Whether a CertificateVerify proves that `signer` holds the key of what it claimed; why not, otherwise. */
export function checkCertificateVerify(
  claimed: ClaimedCertificate,
  signer: 'client' | 'server',
  transcriptHash: Uint8Array,
  message: HandshakeMessage,
): Refusal | undefined {
  const verify = parseCertificateVerify(message.body)
  if (verify === undefined) return new Refusal('malformed-handshake')
  const content = signedContent(signer, transcriptHash)
  return verifySignature13(claimed.key, verify.signatureAlgorithm, content, verify.signature)
    ? undefined
    : new Refusal('bad-signature')
}

/** The body of our CertificateVerify. */
export function certificateVerify13(
  config: HandshakeConfig,
  signer: 'client' | 'server',
  transcriptHash: Uint8Array,
): Uint8Array {
  const signature = config.certificate.sign(signedContent(signer, transcriptHash))
  return encodeSigned(NO_BYTES, OWN_SIGNATURE_SCHEME, signature)
}
