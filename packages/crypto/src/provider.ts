import type { RandomSource } from '@str0m/sans-io'

export type HashAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512'
export type HmacAlgorithm = 'sha1' | 'sha256' | 'sha384'
export type AeadAlgorithm = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'
export type KeyExchangeGroup = 'x25519' | 'secp256r1' | 'secp384r1'
export type SignatureAlgorithm =
  | 'ecdsa-sha256'
  | 'ecdsa-sha384'
  | 'ecdsa-sha512'
  | 'rsa-pkcs1-sha1'
  | 'rsa-pkcs1-sha256'
  | 'rsa-pkcs1-sha384'
  | 'rsa-pkcs1-sha512'
  | 'rsa-pss-sha256'
  | 'rsa-pss-sha384'
  | 'rsa-pss-sha512'

export type SignatureCurve = 'secp224r1' | 'secp256r1' | 'secp384r1' | 'secp521r1'

/** A hash being computed. */
export interface Hash {
  update(data: Uint8Array): void
  /** The digest of what came so far. More may follow. */
  digest(): Uint8Array
}

/** A keyed message authentication code. The key is set up once. */
export interface Hmac {
  /** Bytes of a whole code. */
  readonly length: number
  /** The code over `first`, then `second` where given. */
  sign(first: Uint8Array, second?: Uint8Array): Uint8Array
}

/**
 * An AEAD under one key. A nonce has 12 bytes; the tag of 16 bytes follows the ciphertext. Throws a `UsageError` (`invalid-length`) where a nonce has another length, or
 * `out` no room.
 */
export interface Aead {
  /**
   * Encrypts `plaintext` into `out` at `at`, followed by the tag: `plaintext.length + 16` bytes in all.
   * `plaintext` may be a view of `out` that starts at `at`.
   */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array, at: number): void
  /**
   * Verifies and decrypts `sealed` (ciphertext and tag) into `out` at `at`: `sealed.length - 16` bytes. `sealed` may be a view of `out` that
   * starts at `at`. False, and `out` is as it was, where the tag does not match or `sealed` is too short.
   */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array, at: number): boolean
}

/** AES under one key, block by block, without a mode: what SRTP's keystreams and key derivation are made of. */
export interface AesBlocks {
  /**
   * Encrypts each block of 16 bytes of `blocks` by itself. The answer belongs to the caller. Throws a `UsageError` (`invalid-length`) where the length is no multiple of 16.
   */
  encrypt(blocks: Uint8Array): Uint8Array
}

/** ChaCha20 under one key, block by block: what DTLS 1.3 masks record numbers with. */
export interface ChaChaBlocks {
  /**
   * The block function of RFC 8439 section 2.3: 64 bytes of keystream. `input` has 16 bytes, the block counter (little-endian) and
   * the nonce of 12. The answer belongs to the caller. Throws a `UsageError` (`invalid-length`) where `input` has another length.
   */
  block(input: Uint8Array): Uint8Array
}

/** An ephemeral key of a key exchange. */
export interface KeyExchange {
  readonly group: KeyExchangeGroup
  /** The point in uncompressed form (SEC 1), or 32 bytes for X25519. */
  readonly publicKey: Uint8Array
  /**
   * The shared secret (the x coordinate, or 32 bytes for X25519); `undefined` where `peer` is no valid
   * point or the secret would be all zeros (RFC 7748 section 6.1).
   */
  deriveSecret(peer: Uint8Array): Uint8Array | undefined
}

/** A P-256 key that signs. */
export interface SigningKey {
  /** DER SubjectPublicKeyInfo (RFC 5480). */
  readonly publicKey: Uint8Array
  /** A DER ECDSA signature over the SHA-256 of `data`. */
  sign(data: Uint8Array): Uint8Array
  /** DER PKCS #8 (RFC 5958). A secret. */
  exportPkcs8(): Uint8Array
}

/** A public key that verifies. */
export interface VerifyingKey {
  readonly type: 'ec' | 'rsa'
  /** Of an EC key. */
  readonly curve: SignatureCurve | undefined
  /** False too where the algorithm does not go with the key. ECDSA signatures are DER. */
  verify(algorithm: SignatureAlgorithm, data: Uint8Array, signature: Uint8Array): boolean
}

/**
 * The cryptography that the protocols need, synchronous. Keys that are given are copied. Two providers give the same bytes:
 * `nativeCrypto` over `node:crypto`, and `portableCrypto` in plain JavaScript.
 *
 * A name that there is none of throws a `UsageError` (`unknown-algorithm`), and a nonce or a block of another length, or an `out` without room, one of
 * `invalid-length`.
 */
export interface CryptoProvider {
  readonly name: 'native' | 'portable'
  /** `length` random bytes from the provider's source. Throws a `RangeError` where `length` is negative. */
  randomBytes(length: number): Uint8Array
  /** The digest of `data`. */
  hash(algorithm: HashAlgorithm, data: Uint8Array): Uint8Array
  /** Starts a hash of data that comes in parts. */
  createHash(algorithm: HashAlgorithm): Hash
  /** A key has any length. */
  hmac(algorithm: HmacAlgorithm, key: Uint8Array): Hmac
  /** Throws a `UsageError` (`invalid-key`) where the key is not of the algorithm's length. */
  aead(algorithm: AeadAlgorithm, key: Uint8Array): Aead
  /** AES-128, AES-192 or AES-256, by the key's length of 16, 24 or 32 bytes. Throws a `UsageError` (`invalid-key`). */
  aesBlocks(key: Uint8Array): AesBlocks
  /** Throws a `UsageError` (`invalid-key`) where the key does not have 32 bytes. */
  chachaBlocks(key: Uint8Array): ChaChaBlocks
  /** A new key of the group. Throws a `UsageError` (`unknown-algorithm`) for a group that there is none of. */
  generateKeyExchange(group: KeyExchangeGroup): KeyExchange
  /** A new key on P-256. */
  generateSigningKey(): SigningKey
  /** Reads PKCS #8 (RFC 5958). Throws a `UsageError` (`invalid-key`) where `pkcs8` is no P-256 private key. */
  importSigningKey(pkcs8: Uint8Array): SigningKey
  /**
   * Reads DER SubjectPublicKeyInfo (RFC 5280 section 4.1). `undefined` where `spki` is no RSA key (1024 to 8192 bits, an odd public exponent from 3 up to 32 bits), nor an
   * uncompressed point on P-224, P-256, P-384 or P-521.
   */
  importVerifyingKey(spki: Uint8Array): VerifyingKey | undefined
}

export interface CryptoOptions {
  /**
   * Where random bytes come from, instead of the platform's cryptographic source. Signatures are then
   * deterministic too (RFC 6979). For tests that are to give the same bytes at every run.
   */
  readonly random?: RandomSource
}
