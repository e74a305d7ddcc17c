import { assert, fromBase64Url, toBase64Url, UsageError } from '@str0m/sans-io'
import { bytesOfLatin1, plain } from './bytes.ts'
import { checkGroup, checkHash, checkHmac } from './check-usage.ts'
import { equalConstantTime } from './constant-time.ts'
import { p256Pkcs8, p256Spki, x25519Pkcs8 } from './der.ts'
import { CURVE_NAMES, invalidSigningKey, type PublicKeyInfo, readP256Pkcs8, readSpki } from './key-format.ts'
import { checkKeyLength } from './key-length.ts'
import { nativeAead } from './native-aead.ts'
import { nativeBlocks, nativeChaChaBlocks } from './native-blocks.ts'
import { nativeHmac } from './native-hmac.ts'
import {
  findNodeCrypto,
  type NodeCrypto,
  type NodeJwk,
  type NodeKeyInput,
  type NodeKeyObject,
} from './native-module.ts'
import type {
  Aead,
  AeadAlgorithm,
  AesBlocks,
  ChaChaBlocks,
  CryptoOptions,
  CryptoProvider,
  Hash,
  HashAlgorithm,
  Hmac,
  HmacAlgorithm,
  KeyExchange,
  KeyExchangeGroup,
  SignatureAlgorithm,
  SignatureCurve,
  SigningKey,
  VerifyingKey,
} from './provider.ts'
import { portableAead } from './portable-aead.ts'
import { PortableChaChaBlocks } from './portable-blocks.ts'
import { randomScalar } from './scalar.ts'
import { signP256Deterministic } from './portable-signing.ts'

/** Bytes of randomness that are fetched at once, and the most that one request takes of them. */
const RANDOM_POOL_SIZE = 1024
const POOLED_RANDOM_MAX = 64
/** RFC 7518 section 6.2.1.1: P-224 has no name there. */
const JWK_CURVES = { p256: 'P-256', p384: 'P-384', p521: 'P-521' } as const
type JwkCurve = keyof typeof JWK_CURVES
const P256_OPTIONS = { namedCurve: 'prime256v1', publicKeyEncoding: { format: 'jwk' } } as const
const X25519_OPTIONS = { publicKeyEncoding: { format: 'jwk' } } as const
const CURVES = { secp256r1: 'prime256v1', secp384r1: 'secp384r1' } as const

/**
 * The provider over `node:crypto`, wherever the runtime has one (Node, Deno, Bun). Throws a
 * `UsageError` (`no-native-crypto`) where it has none; `defaultCrypto` chooses by itself.
 */
export function nativeCrypto(options: CryptoOptions = {}): CryptoProvider {
  const node = findNodeCrypto()
  if (node === undefined) {
    throw new UsageError('no-native-crypto', 'This runtime has no node:crypto: use portableCrypto()')
  }
  return new NativeCrypto(node, options)
}

class NativeCrypto implements CryptoProvider {
  readonly name = 'native'
  readonly #node: NodeCrypto
  readonly #options: CryptoOptions
  readonly #pool = new Uint8Array(RANDOM_POOL_SIZE)
  #poolAt = RANDOM_POOL_SIZE

  constructor(node: NodeCrypto, options: CryptoOptions) {
    this.#node = node
    this.#options = options
  }

  randomBytes(length: number): Uint8Array {
    if (length <= POOLED_RANDOM_MAX && this.#options.random === undefined) return this.#takeFromPool(length)
    const bytes = new Uint8Array(length)
    if (this.#options.random) this.#options.random(bytes)
    else this.#node.randomFillSync(bytes)
    return bytes
  }

  /** A call for a few bytes costs as much as one for a thousand. What was handed out is wiped. */
  #takeFromPool(length: number): Uint8Array {
    // throws for a negative length, which would lead back to what was wiped, and leaves off a fraction
    const bytes = new Uint8Array(length)
    if (this.#poolAt + bytes.length > RANDOM_POOL_SIZE) {
      this.#node.randomFillSync(this.#pool)
      this.#poolAt = 0
    }
    const end = this.#poolAt + bytes.length
    bytes.set(this.#pool.subarray(this.#poolAt, end))
    this.#pool.fill(0, this.#poolAt, end)
    this.#poolAt = end
    return bytes
  }

  hash(algorithm: HashAlgorithm, data: Uint8Array): Uint8Array {
    checkHash(algorithm)
    // a string of one character a byte takes half of the time of a Buffer, and that half of the time of a hash object
    if (this.#node.hash !== undefined) return bytesOfLatin1(this.#node.hash(algorithm, data, 'latin1'))
    return plain(this.#node.createHash(algorithm).update(data).digest())
  }

  createHash(algorithm: HashAlgorithm): Hash {
    checkHash(algorithm)
    const hash = this.#node.createHash(algorithm)
    return {
      update: (data) => void hash.update(data),
      digest: () => plain(hash.copy().digest()),
    }
  }

  hmac(algorithm: HmacAlgorithm, key: Uint8Array): Hmac {
    checkHmac(algorithm)
    return nativeHmac(this.#node, algorithm, key)
  }

  aead(algorithm: AeadAlgorithm, key: Uint8Array): Aead {
    checkKeyLength(algorithm, key)
    // Bun has no ChaCha20-Poly1305
    if (algorithm === 'chacha20-poly1305' && !this.#node.getCiphers().includes(algorithm)) {
      return portableAead(algorithm, key)
    }
    return nativeAead(this.#node, algorithm, this.#node.createSecretKey(key))
  }

  aesBlocks(key: Uint8Array): AesBlocks {
    checkKeyLength('aes', key)
    return nativeBlocks(this.#node, `aes-${8 * key.length}-ecb`, this.#node.createSecretKey(key))
  }

  chachaBlocks(key: Uint8Array): ChaChaBlocks {
    checkKeyLength('chacha20', key)
    // Bun has no ChaCha20
    if (!this.#node.getCiphers().includes('chacha20')) return new PortableChaChaBlocks(key)
    return nativeChaChaBlocks(this.#node, this.#node.createSecretKey(key))
  }

  generateKeyExchange(group: KeyExchangeGroup): KeyExchange {
    checkGroup(group)
    return group === 'x25519' ? this.#x25519() : this.#ecdh(group)
  }

  #x25519(): KeyExchange {
    const node = this.#node
    const { publicKey, privateKey } = this.#x25519Pair()
    return {
      group: 'x25519',
      publicKey,
      deriveSecret: (peer) => {
        if (peer.length !== 32) return undefined
        try {
          const jwk = { kty: 'OKP', crv: 'X25519', x: toBase64Url(peer) } as const
          const publicKey = node.createPublicKey({ key: jwk, format: 'jwk' })
          return plain(node.diffieHellman({ privateKey, publicKey }))
        } catch {
          // OpenSSL refuses points of small order
          return undefined
        }
      },
    }
  }

  #x25519Pair(): { publicKey: Uint8Array; privateKey: NodeKeyObject } {
    const node = this.#node
    if (this.#options.random === undefined) {
      // the public key is exported within the job, as that of a signing key is
      const { publicKey, privateKey } = node.generateKeyPairSync('x25519', X25519_OPTIONS)
      return { publicKey: fromJwk(publicKey.x), privateKey }
    }
    const key = x25519Pkcs8(this.randomBytes(32))
    const privateKey = node.createPrivateKey({ key, format: 'der', type: 'pkcs8' })
    return { publicKey: fromJwk(node.createPublicKey(privateKey).export({ format: 'jwk' }).x), privateKey }
  }

  #ecdh(group: 'secp256r1' | 'secp384r1'): KeyExchange {
    const scalar = randomScalar(group, (length) => this.randomBytes(length))
    const ecdh = this.#node.createECDH(CURVES[group])
    ecdh.setPrivateKey(scalar)
    const publicKey = new Uint8Array(ecdh.getPublicKey())
    return {
      group,
      publicKey,
      deriveSecret: (peer) => {
        if (peer.length !== publicKey.length || peer[0] !== 4) return undefined
        try {
          return plain(ecdh.computeSecret(peer))
        } catch {
          // the point is not on the curve
          return undefined
        }
      },
    }
  }

  generateSigningKey(): SigningKey {
    if (this.#options.random !== undefined) {
      return this.#signingKey(randomScalar('secp256r1', (length) => this.randomBytes(length)))
    }
    // OpenSSL checks a key that it is given by multiplying with the group's order, and one that it has drawn itself it does not
    const node = this.#node
    // Exporting either key as a JWK afterwards hangs the process on Node 20, now and then: it allocates while it holds the pair's lock, and the end of the
    // job that drew the pair, when its garbage is collected, waits for that lock. Within the job it does not.
    const { publicKey, privateKey } = node.generateKeyPairSync('ec', P256_OPTIONS)
    const point = new Uint8Array(65)
    point[0] = 4
    point.set(fromJwk(publicKey.x), 1)
    point.set(fromJwk(publicKey.y), 33)
    return {
      publicKey: p256Spki(point),
      sign: (data) => plain(node.sign('sha256', data, privateKey)),
      exportPkcs8: () =>
        p256Pkcs8(readP256Pkcs8(plain(privateKey.export({ format: 'der', type: 'pkcs8' }))).scalar, point),
    }
  }

  importSigningKey(pkcs8: Uint8Array): SigningKey {
    const { scalar, point } = readP256Pkcs8(pkcs8)
    // `slice` of a Buffer would share its memory
    return this.#signingKey(new Uint8Array(scalar), point)
  }

  #signingKey(scalar: Uint8Array, expectedPoint?: Uint8Array): SigningKey {
    const node = this.#node
    const ecdh = node.createECDH('prime256v1')
    try {
      ecdh.setPrivateKey(scalar)
    } catch {
      // zero, or not below the order
      throw invalidSigningKey()
    }
    const point = plain(ecdh.getPublicKey())
    if (expectedPoint !== undefined && !equalConstantTime(point, expectedPoint)) throw invalidSigningKey()
    const pkcs8 = p256Pkcs8(scalar, point)
    const [x, y, d] = [point.subarray(1, 33), point.subarray(33), scalar].map(toBase64Url)
    const key = node.createPrivateKey({
      key: { kty: 'EC', crv: 'P-256', x: x!, y: y!, d: d! },
      format: 'jwk',
    })
    const deterministic = this.#options.random !== undefined
    return {
      publicKey: p256Spki(point),
      sign: (data) =>
        deterministic
          ? signP256Deterministic(scalar, data)
          : plain(node.sign('sha256', data, { key, dsaEncoding: 'der' })),
      exportPkcs8: () => pkcs8.slice(),
    }
  }

  importVerifyingKey(spki: Uint8Array): VerifyingKey | undefined {
    const info = readSpki(spki)
    if (info === undefined) return undefined
    try {
      const key =
        info.type === 'ec' && info.curve !== 'p224'
          ? this.#node.createPublicKey({ key: ecJwk(info.curve, info.point), format: 'jwk' })
          : this.#node.createPublicKey({ key: spki, format: 'der', type: 'spki' })
      return new NativeVerifyingKey(this.#node, info, key)
    } catch {
      // the point is not on the curve
      return undefined
    }
  }
}

/** What a member of a JWK of OpenSSL's own holds. */
function fromJwk(member: string | undefined): Uint8Array {
  const bytes = fromBase64Url(member ?? '')
  assert(bytes !== undefined, 'a member of a JWK is base64url')
  return bytes
}

/** A point as a JWK: OpenSSL takes 65 µs for it, and 110 for SubjectPublicKeyInfo. */
function ecJwk(curve: JwkCurve, point: Uint8Array): NodeJwk {
  const middle = (point.length + 1) / 2
  return {
    kty: 'EC',
    crv: JWK_CURVES[curve],
    x: toBase64Url(point.subarray(1, middle)),
    y: toBase64Url(point.subarray(middle)),
  }
}

class NativeVerifyingKey implements VerifyingKey {
  readonly type: 'ec' | 'rsa'
  readonly curve: SignatureCurve | undefined
  readonly #node: NodeCrypto
  readonly #key: NodeKeyObject

  /** Bytes of an RSA modulus, and so of a signature. */
  readonly #modulusLength: number

  constructor(node: NodeCrypto, info: PublicKeyInfo, key: NodeKeyObject) {
    this.type = info.type
    this.curve = info.type === 'ec' ? CURVE_NAMES[info.curve] : undefined
    this.#modulusLength = info.type === 'rsa' ? info.modulus.length : 0
    this.#node = node
    this.#key = key
  }

  verify(algorithm: SignatureAlgorithm, data: Uint8Array, signature: Uint8Array): boolean {
    const input = this.#input(algorithm)
    if (input === undefined) return false
    const hash = algorithm.slice(algorithm.lastIndexOf('-') + 1)
    // RFC 8017 sections 8.1.2 and 8.2.2, step 1: OpenSSL takes one without its leading zeros too
    if (this.type === 'rsa' && signature.length !== this.#modulusLength) return false
    try {
      return this.#node.verify(hash, data, input, signature)
    } catch {
      return false
    }
  }

  #input(algorithm: SignatureAlgorithm): NodeKeyInput | NodeKeyObject | undefined {
    if (algorithm.startsWith('ecdsa')) return this.type === 'ec' ? this.#key : undefined
    if (this.type !== 'rsa') return undefined
    const { constants } = this.#node
    if (algorithm.startsWith('rsa-pkcs1')) return { key: this.#key, padding: constants.RSA_PKCS1_PADDING }
    // RFC 8446 section 4.2.3: the salt is as long as the digest (RSA_PSS_SALTLEN_DIGEST is -1)
    return { key: this.#key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: -1 }
  }
}
