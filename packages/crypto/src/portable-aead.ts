import { gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { AEAD_NONCE_LENGTH, AEAD_TAG_LENGTH } from './aead-lengths.ts'
import { checkLength } from './check-usage.ts'
import type { Aead, AeadAlgorithm } from './provider.ts'

/** An AEAD in plain JavaScript. The key is copied. */
export function portableAead(algorithm: AeadAlgorithm, key: Uint8Array): Aead {
  return new PortableAead(algorithm === 'chacha20-poly1305' ? chacha20poly1305 : gcm, new Uint8Array(key))
}

class PortableAead implements Aead {
  readonly #cipher: typeof gcm | typeof chacha20poly1305
  readonly #key: Uint8Array

  constructor(cipher: typeof gcm | typeof chacha20poly1305, key: Uint8Array) {
    this.#cipher = cipher
    this.#key = key
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array, at: number): void {
    checkLength(nonce.length === AEAD_NONCE_LENGTH, 'a nonce has 12 bytes')
    checkLength(at + plaintext.length + AEAD_TAG_LENGTH <= out.length, 'no room for the sealed bytes')
    out.set(this.#cipher(this.#key, nonce, aad).encrypt(plaintext), at)
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array, at: number): boolean {
    checkLength(nonce.length === AEAD_NONCE_LENGTH, 'a nonce has 12 bytes')
    const length = sealed.length - AEAD_TAG_LENGTH
    if (length < 0) return false
    checkLength(at + length <= out.length, 'no room for the opened bytes')
    try {
      out.set(this.#cipher(this.#key, nonce, aad).decrypt(sealed), at)
    } catch {
      // the tag does not match
      return false
    }
    return true
  }
}
