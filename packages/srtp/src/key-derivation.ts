import type { AesBlocks, CryptoProvider } from '@str0m/crypto'
import type { ProfileParameters } from './profile.ts'

/** The session keys of SRTP or of SRTCP. */
export interface SessionKeys {
  readonly cipherKey: Uint8Array
  readonly salt: Uint8Array
  /** Empty for an AEAD profile, which has no key of its own for authentication. */
  readonly authKey: Uint8Array
}

/** RFC 3711 section 4.3.2; SRTCP's labels are SRTP's plus three. */
const LABEL_CIPHER_KEY = 0
const LABEL_AUTH_KEY = 1
const LABEL_SALT = 2
const LABEL_RTCP = 3
/** RFC 3711 section 5.2: n_a of HMAC-SHA1 is 160 bits. */
const AUTH_KEY_LENGTH = 20

/** Derives the session keys out of master key and master salt, with a key derivation rate of zero (RFC 3711 section 4.3.1). */
export function deriveSessionKeys(
  crypto: CryptoProvider,
  parameters: ProfileParameters,
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
  kind: 'rtp' | 'rtcp',
): SessionKeys {
  const prf = crypto.aesBlocks(masterKey)
  const base = kind === 'rtp' ? 0 : LABEL_RTCP
  const derive = (label: number, length: number): Uint8Array =>
    deriveKey(prf, masterSalt, base + label, length)
  return {
    cipherKey: derive(LABEL_CIPHER_KEY, parameters.keyLength),
    salt: derive(LABEL_SALT, parameters.saltLength),
    authKey: derive(LABEL_AUTH_KEY, parameters.aead === undefined ? AUTH_KEY_LENGTH : 0),
  }
}

/**
 * The AES-CM pseudo-random function, RFC 3711 section 4.3.3: `length` bytes for `label`. A salt of 96
 * bits (RFC 7714 section 12) is taken as one of 112 bits that ends in zeros.
 */
export function deriveKey(prf: AesBlocks, masterSalt: Uint8Array, label: number, length: number): Uint8Array {
  const count = Math.ceil(length / 16)
  const blocks = new Uint8Array(16 * count)
  for (let i = 0; i < count; i++) {
    blocks.set(masterSalt, 16 * i)
    // the label stands over a 48-bit index of zero, right-aligned in 112 bits
    blocks[16 * i + 7]! ^= label
    blocks[16 * i + 15] = i
  }
  return count === 0 ? blocks : prf.encrypt(blocks).slice(0, length)
}
