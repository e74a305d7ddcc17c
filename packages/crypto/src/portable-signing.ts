import { p256 } from '@noble/curves/nist.js'

/** A DER ECDSA signature over the SHA-256 of `data` with a P-256 scalar, deterministic (RFC 6979). */
export function signP256Deterministic(scalar: Uint8Array, data: Uint8Array): Uint8Array {
  return p256.sign(data, scalar, { format: 'der', lowS: false })
}
