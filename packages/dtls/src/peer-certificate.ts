// The one place where a peer's certificate is read. Only its key matters: a certificate of WebRTC is trusted by the
// fingerprint that the signalling announced (RFC 8122), so neither chain, name nor dates are looked at.

import { Certificate as Asn1Certificate } from '@peculiar/asn1-x509'
import { AsnConvert } from '@peculiar/asn1-schema'
import type { CryptoProvider } from '@str0m/crypto'
import { type FingerprintAlgorithm, fingerprintOf } from './fingerprint.ts'

/** The certificate of the peer, whose private key it has proven to hold. */
export class PeerCertificate {
  /** DER of an X.509 certificate. */
  readonly der: Uint8Array
  /** What else the peer sent of its chain, in DER. Nothing is validated. */
  readonly issuers: readonly Uint8Array[]
  readonly #crypto: CryptoProvider

  /** Not to be called: a machine's `connected` event carries one. */
  constructor(crypto: CryptoProvider, chain: readonly [Uint8Array, ...Uint8Array[]]) {
    this.#crypto = crypto
    // views of a whole flight would keep it in memory
    this.der = chain[0].slice()
    this.issuers = chain.slice(1).map((certificate) => certificate.slice())
  }

  /** As in `a=fingerprint`: `AB:CD:…`. Throws a `UsageError` (`unsupported-fingerprint`). */
  fingerprint(algorithm: FingerprintAlgorithm): string {
    return fingerprintOf(this.#crypto, this.der, algorithm)
  }
}

/** The DER SubjectPublicKeyInfo of a certificate, `undefined` where it is none. */
export function subjectPublicKeyInfo(der: Uint8Array): Uint8Array | undefined {
  try {
    const certificate = AsnConvert.parse(der, Asn1Certificate)
    return new Uint8Array(AsnConvert.serialize(certificate.tbsCertificate.subjectPublicKeyInfo))
  } catch {
    // the parser throws at what is no certificate; for a peer's bytes that is an ordinary answer
    return undefined
  }
}
