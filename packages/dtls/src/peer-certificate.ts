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
  constructor(crypto: CryptoProvider, der: Uint8Array, issuers: readonly Uint8Array[]) {
    this.#crypto = crypto
    // views of a whole flight would keep it in memory
    this.der = der.slice()
    this.issuers = issuers.map((certificate) => certificate.slice())
  }

  /** As in `a=fingerprint`: `AB:CD:…`. Throws a `UsageError` (`unsupported-fingerprint`). */
  fingerprint(algorithm: FingerprintAlgorithm): string {
    return fingerprintOf(this.#crypto, this.der, algorithm)
  }
}
