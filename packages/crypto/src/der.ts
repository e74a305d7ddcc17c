// The fixed prefixes around raw keys in PKCS #8 (RFC 5958) and SubjectPublicKeyInfo (RFC 5280, 5480, 8410).
// All lengths are known, so that no general encoder is needed.
import { concatBytes } from '@str0m/sans-io'

function hex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING of 65 bytes } */
export const P256_SPKI: Uint8Array = hex('3059301306072a8648ce3d020106082a8648ce3d030107034200')
/** SEQUENCE { 0, SEQUENCE { id-ecPublicKey, prime256v1 }, OCTET STRING { SEQUENCE { 1, OCTET STRING of 32 bytes, … */
const P256_PKCS8_HEAD = hex('308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420')
/** … [1] { BIT STRING of 65 bytes } } } } */
const P256_PKCS8_PUBLIC = hex('a144034200')
/** SEQUENCE { 0, SEQUENCE { id-X25519 }, OCTET STRING { OCTET STRING of 32 bytes } } */
const X25519_PKCS8 = hex('302e020100300506032b656e04220420')

/** Wraps an uncompressed point of 65 bytes. */
export function p256Spki(point: Uint8Array): Uint8Array {
  return concatBytes([P256_SPKI, point])
}

/** Wraps a scalar of 32 bytes and its public point of 65. */
export function p256Pkcs8(scalar: Uint8Array, point: Uint8Array): Uint8Array {
  return concatBytes([P256_PKCS8_HEAD, scalar, P256_PKCS8_PUBLIC, point])
}

/** Wraps a private key of 32 bytes, RFC 8410 section 7. */
export function x25519Pkcs8(key: Uint8Array): Uint8Array {
  return concatBytes([X25519_PKCS8, key])
}
