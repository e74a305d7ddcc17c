import { x25519 } from '@noble/curves/ed25519.js'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { p256Pkcs8, p256Spki } from './der.ts'
import { type Curve, CURVE_NAMES, invalidSigningKey, readP256Pkcs8, readSpki } from './key-format.ts'
import { p224 } from './p224.ts'
import { signP256Deterministic } from './portable-signing.ts'
import type {
  KeyExchange,
  KeyExchangeGroup,
  SignatureAlgorithm,
  SignatureCurve,
  SigningKey,
  VerifyingKey,
} from './provider.ts'
import { RsaPublicKey } from './rsa.ts'
import { randomScalar } from './scalar.ts'

const CURVES = { p224, p256, p384, p521 }
const GROUPS = { secp256r1: p256, secp384r1: p384 }
const HASHES = { sha1, sha256, sha384, sha512 }

export function portableKeyExchange(
  group: KeyExchangeGroup,
  randomBytes: (length: number) => Uint8Array,
): KeyExchange {
  if (group === 'x25519') {
    const secret = randomBytes(32)
    return {
      group,
      publicKey: x25519.getPublicKey(secret),
      deriveSecret: (peer) =>
        peer.length === 32 ? orUndefined(() => x25519.getSharedSecret(secret, peer)) : undefined,
    }
  }
  const curve = GROUPS[group]
  const scalar = randomScalar(group, randomBytes)
  const publicKey = curve.getPublicKey(scalar, false)
  return {
    group,
    publicKey,
    deriveSecret: (peer) => {
      if (peer.length !== publicKey.length || peer[0] !== 4) return undefined
      // compressed: one byte of sign, then the x coordinate
      return orUndefined(() => curve.getSharedSecret(scalar, peer, true).slice(1))
    },
  }
}

export function portableSigningKey(pkcs8: Uint8Array): SigningKey {
  const key = readP256Pkcs8(pkcs8)
  // `slice` of a Buffer would share its memory
  const scalar = new Uint8Array(key.scalar)
  if (!p256.utils.isValidSecretKey(scalar)) throw invalidSigningKey()
  const point = p256.getPublicKey(scalar, false)
  if (key.point !== undefined && !isSamePoint(key.point, point)) throw invalidSigningKey()
  return {
    publicKey: p256Spki(point),
    sign: (data) => signP256Deterministic(scalar, data),
    exportPkcs8: () => p256Pkcs8(scalar, point),
  }
}

export function generatePortableSigningKey(randomBytes: (length: number) => Uint8Array): SigningKey {
  const scalar = randomScalar('secp256r1', randomBytes)
  return portableSigningKey(p256Pkcs8(scalar, p256.getPublicKey(scalar, false)))
}

export function portableVerifyingKey(spki: Uint8Array): VerifyingKey | undefined {
  const info = readSpki(spki)
  if (info === undefined) return undefined
  if (info.type === 'rsa') {
    return new RsaVerifyingKey(new RsaPublicKey(info.modulus, info.exponent))
  }
  const point = new Uint8Array(info.point)
  return CURVES[info.curve].utils.isValidPublicKey(point, false)
    ? new EcVerifyingKey(info.curve, point)
    : undefined
}

class EcVerifyingKey implements VerifyingKey {
  readonly type = 'ec'
  readonly curve: SignatureCurve
  readonly #curve: Curve
  readonly #point: Uint8Array

  constructor(curve: Curve, point: Uint8Array) {
    this.curve = CURVE_NAMES[curve]
    this.#curve = curve
    this.#point = point
  }

  verify(algorithm: SignatureAlgorithm, data: Uint8Array, signature: Uint8Array): boolean {
    const digest = digestFor(algorithm, 'ecdsa', data)
    if (digest === undefined) return false
    const options = { format: 'der', lowS: false, prehash: false } as const
    return orUndefined(() => CURVES[this.#curve].verify(signature, digest, this.#point, options)) ?? false
  }
}

class RsaVerifyingKey implements VerifyingKey {
  readonly type = 'rsa'
  readonly curve = undefined
  readonly #key: RsaPublicKey

  constructor(key: RsaPublicKey) {
    this.#key = key
  }

  verify(algorithm: SignatureAlgorithm, data: Uint8Array, signature: Uint8Array): boolean {
    const hash = hashOf(algorithm)
    if (hash === undefined) return false
    if (algorithm.startsWith('rsa-pkcs1')) return this.#key.verifyPkcs1(hash, HASHES[hash](data), signature)
    if (algorithm.startsWith('rsa-pss'))
      return this.#key.verifyPss(HASHES[hash], HASHES[hash](data), signature)
    return false
  }
}

function digestFor(algorithm: SignatureAlgorithm, kind: 'ecdsa', data: Uint8Array): Uint8Array | undefined {
  const hash = hashOf(algorithm)
  return hash !== undefined && algorithm.startsWith(kind) ? HASHES[hash](data) : undefined
}

/** `undefined` for an algorithm that there is none of. */
function hashOf(algorithm: SignatureAlgorithm): keyof typeof HASHES | undefined {
  const name = algorithm.slice(algorithm.lastIndexOf('-') + 1)
  return Object.hasOwn(HASHES, name) ? (name as keyof typeof HASHES) : undefined
}

function isSamePoint(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** The library throws where a peer's bytes are no point or no signature. */
function orUndefined<T>(compute: () => T): T | undefined {
  try {
    return compute()
  } catch {
    return undefined
  }
}
