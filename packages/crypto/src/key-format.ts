// Which keys are taken, for both providers: SubjectPublicKeyInfo (RFC 5280 section 4.1) with RSA (RFC 3279
// section 2.3.1) and elliptic curves (RFC 5480), and PKCS #8 (RFC 5958) with a P-256 key (RFC 5915).
import { UsageError } from '@str0m/sans-io'
import { P256_SPKI } from './der.ts'
import {
  DER_CONTEXT_0,
  DER_CONTEXT_1,
  DER_NULL,
  DER_OCTET_STRING,
  DER_OBJECT_IDENTIFIER,
  DerReader,
} from './der-reader.ts'
import type { SignatureCurve } from './provider.ts'

/** 1.2.840.10045.2.1 */
const ID_EC_PUBLIC_KEY = new Uint8Array([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01])
/** 1.2.840.113549.1.1.1 */
const RSA_ENCRYPTION = new Uint8Array([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01])

export type Curve = 'p224' | 'p256' | 'p384' | 'p521'

/** By the names of RFC 8422 section 5.1.1. */
export const CURVE_NAMES: Readonly<Record<Curve, SignatureCurve>> = {
  p224: 'secp224r1',
  p256: 'secp256r1',
  p384: 'secp384r1',
  p521: 'secp521r1',
}

const CURVES: readonly { readonly curve: Curve; readonly oid: Uint8Array; readonly pointLength: number }[] = [
  /** 1.2.840.10045.3.1.7 */
  { curve: 'p256', oid: new Uint8Array([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]), pointLength: 65 },
  /** 1.3.132.0.33 */
  { curve: 'p224', oid: new Uint8Array([0x2b, 0x81, 0x04, 0x00, 0x21]), pointLength: 57 },
  /** 1.3.132.0.34 */
  { curve: 'p384', oid: new Uint8Array([0x2b, 0x81, 0x04, 0x00, 0x22]), pointLength: 97 },
  /** 1.3.132.0.35 */
  { curve: 'p521', oid: new Uint8Array([0x2b, 0x81, 0x04, 0x00, 0x23]), pointLength: 133 },
]

const RSA_BITS_MIN = 1024
const RSA_BITS_MAX = 8192
/** 65537 is what all use. A bound on the work of one verification. */
const RSA_EXPONENT_BYTES_MAX = 4

/** A public key as its format has it: not yet known to be a point of its curve. */
export type PublicKeyInfo =
  | { readonly type: 'ec'; readonly curve: Curve; readonly point: Uint8Array }
  | { readonly type: 'rsa'; readonly modulus: Uint8Array; readonly exponent: Uint8Array }

/** `undefined` where the bytes are no key that is taken. Points are uncompressed. */
export function readSpki(bytes: Uint8Array): PublicKeyInfo | undefined {
  const { length } = P256_SPKI
  // nearly every key is of this outline
  if (bytes.length === length + 65 && bytes[length] === 4 && equal(bytes.subarray(0, length), P256_SPKI)) {
    return { type: 'ec', curve: 'p256', point: bytes.subarray(length) }
  }
  const outer = new DerReader(bytes)
  const spki = outer.sequence()
  const algorithm = spki.sequence()
  const key = spki.bitString()
  if (!outer.finished || !spki.finished) return undefined
  const oid = algorithm.element(DER_OBJECT_IDENTIFIER)
  if (equal(oid, ID_EC_PUBLIC_KEY)) {
    const curveOid = algorithm.element(DER_OBJECT_IDENTIFIER)
    const found = CURVES.find((curve) => equal(curve.oid, curveOid))
    if (!algorithm.finished || found === undefined) return undefined
    if (key.length !== found.pointLength || key[0] !== 4) return undefined
    return { type: 'ec', curve: found.curve, point: key }
  }
  if (!equal(oid, RSA_ENCRYPTION)) return undefined
  const parameters = algorithm.element(DER_NULL)
  if (!algorithm.finished || parameters.length > 0) return undefined
  return readRsaPublicKey(key)
}

/** RSAPublicKey, RFC 8017 appendix A.1.1. */
function readRsaPublicKey(bytes: Uint8Array): PublicKeyInfo | undefined {
  const outer = new DerReader(bytes)
  const key = outer.sequence()
  const modulus = key.unsigned()
  const exponent = key.unsigned()
  if (!outer.finished || !key.finished) return undefined
  const bits = 8 * modulus.length - Math.clz32(modulus[0]!) + 24
  if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || !isOdd(modulus)) return undefined
  if (exponent.length > RSA_EXPONENT_BYTES_MAX || !isOdd(exponent)) return undefined
  if (exponent.length === 1 && exponent[0] === 1) return undefined
  return { type: 'rsa', modulus, exponent }
}

/**
 * The scalar of a P-256 private key, and its public point where the key carries one. Throws a `UsageError`
 * (`invalid-key`).
 */
export function readP256Pkcs8(bytes: Uint8Array): { scalar: Uint8Array; point: Uint8Array | undefined } {
  const outer = new DerReader(bytes)
  const info = outer.sequence()
  const version = info.unsigned()
  const algorithm = info.sequence()
  const isEc = algorithm.isObjectIdentifier(ID_EC_PUBLIC_KEY)
  const isP256 = algorithm.isObjectIdentifier(CURVES[0]!.oid)
  const wrapped = new DerReader(info.element(DER_OCTET_STRING))
  // attributes, which say nothing about the key
  if (info.nextIs(DER_CONTEXT_0)) info.element(DER_CONTEXT_0)
  const key = wrapped.sequence()
  const keyVersion = key.unsigned()
  const scalar = key.element(DER_OCTET_STRING)
  const curveIsRight =
    !key.nextIs(DER_CONTEXT_0) || key.explicit(DER_CONTEXT_0).isObjectIdentifier(CURVES[0]!.oid)
  const point = key.nextIs(DER_CONTEXT_1) ? key.explicit(DER_CONTEXT_1).bitString() : undefined
  const wellFormed = outer.finished && info.finished && algorithm.finished && wrapped.finished && key.finished
  const versionsAreRight = version[0] === 0 && keyVersion[0] === 1
  if (!wellFormed || !versionsAreRight || !isEc || !isP256 || !curveIsRight || scalar.length !== 32) {
    throw invalidSigningKey()
  }
  return { scalar, point }
}

export function invalidSigningKey(): UsageError {
  return new UsageError('invalid-key', 'A signing key is a P-256 private key in PKCS #8')
}

function isOdd(bytes: Uint8Array): boolean {
  return (bytes[bytes.length - 1]! & 1) === 1
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
