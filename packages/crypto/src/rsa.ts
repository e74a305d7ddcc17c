// RSA verification, RFC 8017 section 8: the public operation alone, so nothing here is secret and no time
// needs to be constant.
import type { HashAlgorithm } from './provider.ts'

export type HashFunction = (data: Uint8Array) => Uint8Array

/** The DER of a DigestInfo up to the digest, RFC 8017 section 9.2, note 1. */
const DIGEST_INFO: Readonly<Record<Exclude<HashAlgorithm, 'md5'>, readonly number[]>> = {
  sha1: [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14],
  sha256: digestInfoOfSha2(0x01, 32),
  sha384: digestInfoOfSha2(0x02, 48),
  sha512: digestInfoOfSha2(0x03, 64),
}

function digestInfoOfSha2(arc: number, length: number): readonly number[] {
  const oid = [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc]
  return [0x30, length + 17, 0x30, 0x0d, ...oid, 0x05, 0x00, 0x04, length]
}

/** An RSA public key, with the numbers as big-endian bytes. */
export class RsaPublicKey {
  readonly #modulus: bigint
  readonly #exponent: bigint
  readonly #length: number
  readonly #bits: number

  constructor(modulus: Uint8Array, exponent: Uint8Array) {
    this.#modulus = toInteger(modulus)
    this.#exponent = toInteger(exponent)
    this.#length = modulus.length
    this.#bits = 8 * modulus.length - Math.clz32(modulus[0]!) + 24
  }

  /** RSASSA-PKCS1-v1_5, section 8.2.2: the encoding is made anew and compared whole. */
  verifyPkcs1(algorithm: Exclude<HashAlgorithm, 'md5'>, digest: Uint8Array, signature: Uint8Array): boolean {
    const encoded = this.#open(signature, this.#length)
    if (encoded === undefined) return false
    const info = [...DIGEST_INFO[algorithm], ...digest]
    const padding = this.#length - info.length - 3
    // section 9.2, step 3: eight bytes of padding at least
    if (padding < 8) return false
    const expected = [0x00, 0x01, ...Array.from({ length: padding }, () => 0xff), 0x00, ...info]
    return expected.every((byte, i) => byte === encoded[i])
  }

  /** RSASSA-PSS, section 8.1.2, with MGF1 over the same hash and a salt as long as the digest. */
  verifyPss(hash: HashFunction, digest: Uint8Array, signature: Uint8Array): boolean {
    const bits = this.#bits - 1
    const length = Math.ceil(bits / 8)
    const encoded = this.#open(signature, length)
    return encoded !== undefined && verifyPssEncoding(hash, digest, encoded, bits)
  }

  /** RSAVP1, section 5.2.2: the message representative in `length` bytes. */
  #open(signature: Uint8Array, length: number): Uint8Array | undefined {
    if (signature.length !== this.#length) return undefined
    const representative = toInteger(signature)
    if (representative >= this.#modulus) return undefined
    return toBytes(powModulo(representative, this.#exponent, this.#modulus), length)
  }
}

/** EMSA-PSS-VERIFY, section 9.1.2. */
function verifyPssEncoding(
  hash: HashFunction,
  digest: Uint8Array,
  encoded: Uint8Array,
  bits: number,
): boolean {
  const saltLength = digest.length
  const maskedLength = encoded.length - digest.length - 1
  if (maskedLength < saltLength + 1 || encoded[encoded.length - 1] !== 0xbc) return false
  const unused = 8 * encoded.length - bits
  const topMask = 0xff >>> unused
  if ((encoded[0]! & ~topMask) !== 0) return false
  const h = encoded.subarray(maskedLength, maskedLength + digest.length)
  const block = mgf1(hash, h, maskedLength)
  for (let i = 0; i < maskedLength; i++) block[i]! ^= encoded[i]!
  block[0]! &= topMask
  const saltAt = maskedLength - saltLength
  for (let i = 0; i < saltAt - 1; i++) if (block[i] !== 0) return false
  if (block[saltAt - 1] !== 0x01) return false
  const message = new Uint8Array(8 + digest.length + saltLength)
  message.set(digest, 8)
  message.set(block.subarray(saltAt), 8 + digest.length)
  const expected = hash(message)
  return expected.every((byte, i) => byte === h[i])
}

/** The mask generation function of appendix B.2.1. */
function mgf1(hash: HashFunction, seed: Uint8Array, length: number): Uint8Array {
  const mask = new Uint8Array(length)
  const input = new Uint8Array(seed.length + 4)
  input.set(seed)
  for (let at = 0, counter = 0; at < length; counter++) {
    // a modulus of 8192 bits takes 51 rounds at most
    input[input.length - 1] = counter
    const part = hash(input)
    mask.set(part.subarray(0, Math.min(part.length, length - at)), at)
    at += part.length
  }
  return mask
}

function powModulo(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let square = base
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

function toInteger(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

/** `undefined` where the value does not fit, section 4.1. */
function toBytes(value: bigint, length: number): Uint8Array | undefined {
  const bytes = new Uint8Array(length)
  let rest = value
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return rest === 0n ? bytes : undefined
}
