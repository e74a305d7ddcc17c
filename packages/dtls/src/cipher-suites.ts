import type { AeadAlgorithm, KeyExchangeGroup } from '@str0m/crypto'
import type { CipherSuiteName13 } from './cipher-suites13.ts'

/** What a cipher suite of DTLS 1.2 decides, RFC 5288, RFC 5289 and RFC 7905. */
export interface CipherSuite {
  readonly id: number
  readonly name: CipherSuiteName
  /** What the server's certificate signs with. */
  readonly authentication: 'ec' | 'rsa'
  readonly aead: AeadAlgorithm
  readonly keyLength: 16 | 32
  /** Of the implicit part of the nonce: 4 bytes with AES-GCM (RFC 5288 section 3), 12 with ChaCha20-Poly1305. */
  readonly ivLength: 4 | 12
  /** Of the PRF, RFC 5289 section 3. */
  readonly hash: 'sha256' | 'sha384'
}

export type CipherSuiteName =
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
  | 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'
  | 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256'
  | 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'
  | 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'
  | 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256'
  | CipherSuiteName13

const AES_128_GCM = { aead: 'aes-128-gcm', keyLength: 16, ivLength: 4, hash: 'sha256' } as const
const AES_256_GCM = { aead: 'aes-256-gcm', keyLength: 32, ivLength: 4, hash: 'sha384' } as const
const CHACHA20_POLY1305 = { aead: 'chacha20-poly1305', keyLength: 32, ivLength: 12, hash: 'sha256' } as const

/** All of DTLS 1.2 that are supported, the preferred one first. */
export const CIPHER_SUITES: readonly CipherSuite[] = [
  { id: 0xc02b, name: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', authentication: 'ec', ...AES_128_GCM },
  { id: 0xc02f, name: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', authentication: 'rsa', ...AES_128_GCM },
  { id: 0xc02c, name: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', authentication: 'ec', ...AES_256_GCM },
  { id: 0xc030, name: 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', authentication: 'rsa', ...AES_256_GCM },
  {
    id: 0xcca9,
    name: 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    authentication: 'ec',
    ...CHACHA20_POLY1305,
  },
  {
    id: 0xcca8,
    name: 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
    authentication: 'rsa',
    ...CHACHA20_POLY1305,
  },
]

/** A NamedCurve, RFC 8422 section 5.1.1, that keys are exchanged on. */
export interface NamedGroup {
  readonly id: number
  readonly group: KeyExchangeGroup
}

/** All that are supported, the preferred one first. */
export const NAMED_GROUPS: readonly NamedGroup[] = [
  { id: 29, group: 'x25519' },
  { id: 23, group: 'secp256r1' },
  { id: 24, group: 'secp384r1' },
]
