import type { SignatureAlgorithm, SignatureCurve, VerifyingKey } from '@str0m/crypto'

/** ecdsa_secp256r1_sha256: what our own certificate signs with. */
export const OWN_SIGNATURE_SCHEME = 0x0403

/**
 * SignatureAndHashAlgorithm of RFC 5246 section 7.4.1.4.1, and SignatureScheme of RFC 8446 section 4.2.3 (which lets
 * RSASSA-PSS into TLS 1.2). SHA-1 is not accepted.
 */
interface Scheme {
  readonly algorithm: SignatureAlgorithm
  readonly key: 'ec' | 'rsa'
  /** The one that it goes with in DTLS 1.3; in DTLS 1.2 any does. */
  readonly curve?: SignatureCurve
}

const SCHEMES = new Map<number, Scheme>([
  [OWN_SIGNATURE_SCHEME, { algorithm: 'ecdsa-sha256', key: 'ec', curve: 'secp256r1' }],
  [0x0503, { algorithm: 'ecdsa-sha384', key: 'ec', curve: 'secp384r1' }],
  [0x0603, { algorithm: 'ecdsa-sha512', key: 'ec', curve: 'secp521r1' }],
  [0x0804, { algorithm: 'rsa-pss-sha256', key: 'rsa' }],
  [0x0805, { algorithm: 'rsa-pss-sha384', key: 'rsa' }],
  [0x0806, { algorithm: 'rsa-pss-sha512', key: 'rsa' }],
  [0x0401, { algorithm: 'rsa-pkcs1-sha256', key: 'rsa' }],
  [0x0501, { algorithm: 'rsa-pkcs1-sha384', key: 'rsa' }],
  [0x0601, { algorithm: 'rsa-pkcs1-sha512', key: 'rsa' }],
])

/** What we accept, the preferred one first. */
export const SIGNATURE_SCHEMES: readonly number[] = [...SCHEMES.keys()]

/** False too for a scheme that we do not accept or that does not go with the key. */
export function verifySignature(
  key: VerifyingKey,
  scheme: number,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const found = SCHEMES.get(scheme)
  return found !== undefined && found.key === key.type && key.verify(found.algorithm, data, signature)
}

/**
 * The same in a CertificateVerify of DTLS 1.3: a scheme names the curve (RFC 8446 section 4.2.3), and RSASSA-PKCS1-v1_5 is not allowed
 * (section 4.4.3).
 */
export function verifySignature13(
  key: VerifyingKey,
  scheme: number,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const found = SCHEMES.get(scheme)
  if (found === undefined || found.curve !== key.curve || found.algorithm.startsWith('rsa-pkcs1'))
    return false
  return verifySignature(key, scheme, data, signature)
}
