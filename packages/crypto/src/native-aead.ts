// AEADs over node:crypto. An object for each packet is the slow way, and the only one for ChaCha20-Poly1305. A key of AES-GCM that is busy has its
// keystream made by one cipher object, for several packets at once, and the rest done in WebAssembly.
import { AEAD_NONCE_LENGTH, AEAD_TAG_LENGTH } from './aead-lengths.ts'
import { checkLength } from './check-usage.ts'
import { type KernelGcm, kernelGcm } from './keystream-modes.ts'
import { nativeBlocks } from './native-blocks.ts'
import type { NodeCrypto, NodeKeyObject } from './native-module.ts'
import { NonceKeystream } from './nonce-keystream.ts'
import type { Aead, AeadAlgorithm } from './provider.ts'

/**
 * A key is busy from its so-many-th packet on. A cipher object of its own, and the tables of its hash, are not made for a connection that is idle but for its
 * heartbeats for long.
 */
export const BUSY_AFTER = 32

const BLOCK_CIPHERS = { 'aes-128-gcm': 'aes-128-ecb', 'aes-256-gcm': 'aes-256-ecb' } as const

export function nativeAead(node: NodeCrypto, algorithm: AeadAlgorithm, key: NodeKeyObject): Aead {
  const oneShot = new OneShotAead(node, algorithm, key)
  return algorithm === 'chacha20-poly1305'
    ? oneShot
    : new NativeGcm(node, BLOCK_CIPHERS[algorithm], key, oneShot)
}

class NativeGcm implements Aead {
  readonly #node: NodeCrypto
  readonly #blockCipher: string
  readonly #key: NodeKeyObject
  readonly #oneShot: Aead
  /** Counted up to `BUSY_AFTER`, and one more. */
  #packets = 0
  #gcm: KernelGcm | undefined
  #keystream: NonceKeystream | undefined

  constructor(node: NodeCrypto, blockCipher: string, key: NodeKeyObject, oneShot: Aead) {
    this.#node = node
    this.#blockCipher = blockCipher
    this.#key = key
    this.#oneShot = oneShot
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array, at: number): void {
    const gcm = this.#busy()
    const keystream = this.#keystream
    if (gcm === undefined || keystream === undefined || !gcm.fits(aad.length, plaintext.length)) {
      this.#oneShot.seal(nonce, aad, plaintext, out, at)
      return
    }
    checkLength(nonce.length === AEAD_NONCE_LENGTH, 'a nonce has 12 bytes')
    checkLength(at + plaintext.length + AEAD_TAG_LENGTH <= out.length, 'no room for the sealed bytes')
    const blocks = blocksOf(plaintext.length)
    gcm.sealInto(aad, plaintext, out, at, keystream.of(nonce, blocks), keystream.offset)
    keystream.prepare(nonce, blocks)
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array, at: number): boolean {
    const gcm = this.#busy()
    const keystream = this.#keystream
    const length = sealed.length - AEAD_TAG_LENGTH
    if (gcm === undefined || keystream === undefined || length < 0 || !gcm.fits(aad.length, length)) {
      return this.#oneShot.open(nonce, aad, sealed, out, at)
    }
    checkLength(nonce.length === AEAD_NONCE_LENGTH, 'a nonce has 12 bytes')
    checkLength(at + length <= out.length, 'no room for the opened bytes')
    const blocks = blocksOf(length)
    if (!gcm.openInto(aad, sealed, out, at, keystream.of(nonce, blocks), keystream.offset)) return false
    keystream.prepare(nonce, blocks)
    return true
  }

  /** Counts a packet. `undefined` where the key is not busy, or the runtime has not what it takes. */
  #busy(): KernelGcm | undefined {
    if (this.#packets > BUSY_AFTER) return this.#gcm
    if (this.#packets++ < BUSY_AFTER) return undefined
    const cipher = nativeBlocks(this.#node, this.#blockCipher, this.#key)
    this.#gcm = kernelGcm(cipher.encrypt(new Uint8Array(16)))
    if (this.#gcm !== undefined) this.#keystream = new NonceKeystream(cipher)
    return this.#gcm
  }
}

/** Those of the payload, and the one that masks the tag. */
function blocksOf(length: number): number {
  return ((length + 15) >>> 4) + 1
}

/** A cipher object for each packet. */
class OneShotAead implements Aead {
  readonly #node: NodeCrypto
  readonly #algorithm: AeadAlgorithm
  readonly #key: NodeKeyObject

  constructor(node: NodeCrypto, algorithm: AeadAlgorithm, key: NodeKeyObject) {
    this.#node = node
    this.#algorithm = algorithm
    this.#key = key
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array, at: number): void {
    checkLength(nonce.length === AEAD_NONCE_LENGTH, 'a nonce has 12 bytes')
    checkLength(at + plaintext.length + AEAD_TAG_LENGTH <= out.length, 'no room for the sealed bytes')
    const cipher = this.#node.createCipheriv(this.#algorithm, this.#key, nonce, {
      authTagLength: AEAD_TAG_LENGTH,
    })
    cipher.setAAD(aad, { plaintextLength: plaintext.length })
    const ciphertext = cipher.update(plaintext)
    out.set(ciphertext, at)
    cipher.final()
    out.set(cipher.getAuthTag(), at + ciphertext.length)
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array, at: number): boolean {
    checkLength(nonce.length === AEAD_NONCE_LENGTH, 'a nonce has 12 bytes')
    const length = sealed.length - AEAD_TAG_LENGTH
    if (length < 0) return false
    checkLength(at + length <= out.length, 'no room for the opened bytes')
    const decipher = this.#node.createDecipheriv(this.#algorithm, this.#key, nonce, {
      authTagLength: AEAD_TAG_LENGTH,
    })
    decipher.setAuthTag(sealed.subarray(length))
    decipher.setAAD(aad, { plaintextLength: length })
    const plaintext = decipher.update(sealed.subarray(0, length))
    try {
      decipher.final()
    } catch {
      // the tag does not match
      return false
    }
    out.set(plaintext, at)
    return true
  }
}
