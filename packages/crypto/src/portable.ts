import { hmac } from '@noble/hashes/hmac.js'
import { md5, sha1 } from '@noble/hashes/legacy.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { type RandomSource } from '@str0m/sans-io'
import { checkGroup, checkHash, checkHmac } from './check-usage.ts'
import { checkKeyLength } from './key-length.ts'
import { platformRandom } from './platform-random.ts'
import { portableAead } from './portable-aead.ts'
import { PortableAesBlocks, PortableChaChaBlocks } from './portable-blocks.ts'
import {
  generatePortableSigningKey,
  portableKeyExchange,
  portableSigningKey,
  portableVerifyingKey,
} from './portable-keys.ts'
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
  SigningKey,
  VerifyingKey,
} from './provider.ts'

const HASHES = { md5, sha1, sha256, sha384, sha512 }

/**
 * The provider in plain JavaScript, over `@noble/*`: it runs anywhere. Random bytes come from
 * `globalThis.crypto` unless `options.random` is given; where neither is there, what needs random bytes throws
 * a `UsageError` (`no-random-source`). Signatures are deterministic (RFC 6979).
 */
export function portableCrypto(options: CryptoOptions = {}): CryptoProvider {
  return new PortableCrypto(options)
}

class PortableCrypto implements CryptoProvider {
  readonly name = 'portable'
  readonly #random: RandomSource

  constructor(options: CryptoOptions) {
    this.#random = options.random ?? platformRandom
  }

  randomBytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.#random(bytes)
    return bytes
  }

  hash(algorithm: HashAlgorithm, data: Uint8Array): Uint8Array {
    checkHash(algorithm)
    return HASHES[algorithm](data)
  }

  createHash(algorithm: HashAlgorithm): Hash {
    checkHash(algorithm)
    const hash = HASHES[algorithm].create()
    return {
      update: (data) => void hash.update(data),
      digest: () => hash.clone().digest(),
    }
  }

  hmac(algorithm: HmacAlgorithm, key: Uint8Array): Hmac {
    checkHmac(algorithm)
    const keyed = hmac.create(HASHES[algorithm], key)
    return {
      length: keyed.outputLen,
      sign: (first, second) => {
        const mac = keyed.clone().update(first)
        if (second !== undefined) mac.update(second)
        return mac.digest()
      },
    }
  }

  aead(algorithm: AeadAlgorithm, key: Uint8Array): Aead {
    checkKeyLength(algorithm, key)
    return portableAead(algorithm, key)
  }

  aesBlocks(key: Uint8Array): AesBlocks {
    checkKeyLength('aes', key)
    return new PortableAesBlocks(key)
  }

  chachaBlocks(key: Uint8Array): ChaChaBlocks {
    checkKeyLength('chacha20', key)
    return new PortableChaChaBlocks(key)
  }

  generateKeyExchange(group: KeyExchangeGroup): KeyExchange {
    checkGroup(group)
    return portableKeyExchange(group, (length) => this.randomBytes(length))
  }

  generateSigningKey(): SigningKey {
    return generatePortableSigningKey((length) => this.randomBytes(length))
  }

  importSigningKey(pkcs8: Uint8Array): SigningKey {
    return portableSigningKey(pkcs8)
  }

  importVerifyingKey(spki: Uint8Array): VerifyingKey | undefined {
    return portableVerifyingKey(spki)
  }
}
