import { p256 } from '@noble/curves/nist.js'

/** Where the scalar starts in the PKCS #8 that `p256Pkcs8` writes. */
const SCALAR_AT = 36

/** A DER ECDSA signature over the SHA-256 of `data`, deterministic (RFC 6979). */
export function signP256Deterministic(pkcs8: Uint8Array, data: Uint8Array): Uint8Array {
  return p256.sign(data, pkcs8.subarray(SCALAR_AT, SCALAR_AT + 32), { format: 'der', lowS: false })
}
