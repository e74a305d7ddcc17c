import type { CryptoProvider, VerifyingKey } from '@str0m/crypto'
import { matchesFingerprint } from '../fingerprint.ts'
import { PeerCertificate } from '../peer-certificate.ts'
import type { DropReason } from '../statistics.ts'
import { parseCertificate } from '../wire/certificates.ts'
import { subjectPublicKeyInfo } from '../wire/x509.ts'
import type { HandshakeConfig } from './context.ts'

/** Why a peer's message is refused. Thrown by no one: handshake steps answer with it. */
export class Refusal {
  readonly reason: DropReason

  constructor(reason: DropReason) {
    this.reason = reason
  }
}

/** A peer's certificate that the signalling announced, not yet proven to be the peer's. */
export interface ClaimedCertificate {
  readonly certificate: PeerCertificate
  readonly key: VerifyingKey
}

/** Reads a Certificate message and checks its fingerprint. */
export function claimCertificate(config: HandshakeConfig, body: Uint8Array): ClaimedCertificate | Refusal {
  const chain = parseCertificate(body)
  return chain === undefined ? new Refusal('malformed-handshake') : claimChain(config, chain)
}

/** Checks the fingerprint of a chain's first certificate, RFC 8122 section 6.2. */
export function claimChain(
  config: HandshakeConfig,
  chain: readonly Uint8Array[],
): ClaimedCertificate | Refusal {
  const der = chain[0]
  if (der === undefined) return new Refusal('bad-certificate')
  if (config.fingerprints && !matchesFingerprint(config.crypto, der, config.fingerprints)) {
    return new Refusal('fingerprint-mismatch')
  }
  const key = importCertificateKey(config.crypto, der)
  if (key === undefined) return new Refusal('bad-certificate')
  return { certificate: new PeerCertificate(config.crypto, der, chain.slice(1)), key }
}

function importCertificateKey(crypto: CryptoProvider, der: Uint8Array): VerifyingKey | undefined {
  const spki = subjectPublicKeyInfo(der)
  return spki && crypto.importVerifyingKey(spki)
}
