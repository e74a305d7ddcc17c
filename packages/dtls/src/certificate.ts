import { type CryptoProvider, defaultCrypto, type SigningKey } from '@str0m/crypto'
import { plainBytes, UsageError, type WallClock } from '@str0m/sans-io'
import { sameBytes } from './bytes.ts'
import { buildCertificate, SERIAL_NUMBER_LENGTH, validityAround } from './certificate-builder.ts'
import { type FingerprintAlgorithm, fingerprintOf } from './fingerprint.ts'
import { decodePem } from './pem.ts'
import { subjectPublicKeyInfo } from './wire/x509.ts'
import { exportWebCryptoKey, type WebCryptoKeyPair } from './web-crypto.ts'

export interface GenerateCertificateOptions {
  /** Default: `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
  /** Makes the certificate valid from a day before its hour to 30 days after. Without one it is valid from 2020 to 9999. */
  readonly wallClock?: WallClock
  /** The common name of subject and issuer, of 1 to 64 characters. Default: `WebRTC`. */
  readonly subject?: string
}

export interface ImportCertificateOptions {
  /** Default: `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
}

/** A certificate and its private key on P-256: who we are in a handshake. May serve any number of machines. */
export class DtlsCertificate {
  /** DER of the X.509 certificate. */
  readonly der: Uint8Array
  readonly #crypto: CryptoProvider
  readonly #key: SigningKey

  private constructor(crypto: CryptoProvider, key: SigningKey, der: Uint8Array) {
    this.#crypto = crypto
    this.#key = key
    this.der = der
  }

  /**
   * Makes a new key and a self-signed certificate for it. Throws a `UsageError`: `invalid-subject`, or `invalid-option` for a `wallClock` of no year that a certificate
   * can tell.
   */
  static generate(options: GenerateCertificateOptions = {}): DtlsCertificate {
    const crypto = options.crypto ?? defaultCrypto()
    const subject = options.subject ?? 'WebRTC'
    // RFC 5280 appendix A.1: ub-common-name
    if (subject.length === 0 || subject.length > 64) {
      throw new UsageError('invalid-subject', `A subject has 1 to 64 characters, not ${subject.length}`)
    }
    const validity = validityAround(options.wallClock?.unixTime)
    const key = crypto.generateSigningKey()
    const serialNumber = crypto.randomBytes(SERIAL_NUMBER_LENGTH)
    // RFC 5280 section 4.1.2.2: positive, and its first byte is needed
    serialNumber[0] = (serialNumber[0]! & 0x7f) | 0x40
    const der = buildCertificate(key, subject, serialNumber, validity)
    return new DtlsCertificate(crypto, key, der)
  }

  /**
   * Takes a certificate and its private key, both in DER. Throws a `UsageError`: `invalid-key` (not a P-256 key in
   * PKCS #8), `invalid-certificate`, or `certificate-key-mismatch`.
   */
  static fromPkcs8(
    pkcs8: Uint8Array,
    certificateDer: Uint8Array,
    options: ImportCertificateOptions = {},
  ): DtlsCertificate {
    const crypto = options.crypto ?? defaultCrypto()
    const key = crypto.importSigningKey(plainBytes(pkcs8))
    const der = plainBytes(certificateDer).slice()
    const spki = subjectPublicKeyInfo(der)
    if (spki === undefined) {
      throw new UsageError('invalid-certificate', 'A certificate is given as DER of X.509')
    }
    if (!sameBytes(spki, key.publicKey)) {
      throw new UsageError('certificate-key-mismatch', 'The certificate is for another key: give its own')
    }
    return new DtlsCertificate(crypto, key, der)
  }

  /**
   * Takes the first blocks `CERTIFICATE` and `PRIVATE KEY` of a text, in any order. Throws as `fromPkcs8` does, and a
   * `UsageError` (`invalid-pem`) where a block is missing.
   */
  static fromPem(pem: string, options: ImportCertificateOptions = {}): DtlsCertificate {
    return DtlsCertificate.fromPkcs8(decodePem(pem, 'PRIVATE KEY'), decodePem(pem, 'CERTIFICATE'), options)
  }

  /**
   * Takes an ECDSA key pair on P-256 of WebCrypto, whose private key is extractable, and a certificate for it.
   * Rejects as `fromPkcs8` throws, and with a `UsageError` (`key-not-extractable`).
   */
  static async fromWebCrypto(
    keys: WebCryptoKeyPair,
    certificateDer: Uint8Array,
    options: ImportCertificateOptions = {},
  ): Promise<DtlsCertificate> {
    if (!keys.privateKey.extractable) {
      throw new UsageError('key-not-extractable', 'Make the key pair with extractable: true')
    }
    return DtlsCertificate.fromPkcs8(await exportWebCryptoKey(keys.privateKey), certificateDer, options)
  }

  /** As in `a=fingerprint`: `AB:CD:…`. Throws a `UsageError` (`unsupported-fingerprint`). */
  fingerprint(algorithm: FingerprintAlgorithm): string {
    return fingerprintOf(this.#crypto, this.der, algorithm)
  }

  /** DER PKCS #8 of the private key, to be stored. A secret. */
  exportPkcs8(): Uint8Array {
    return this.#key.exportPkcs8()
  }

  /** A DER ECDSA signature over the SHA-256 of `data`. */
  sign(data: Uint8Array): Uint8Array {
    return this.#key.sign(data)
  }
}
