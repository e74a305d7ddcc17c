import type { AeadAlgorithm } from '@str0m/crypto'

/** What a cipher suite of DTLS 1.3 decides, RFC 8446 appendix B.4. */
export interface CipherSuite13 {
  readonly id: number
  readonly name: CipherSuiteName13
  readonly aead: AeadAlgorithm
  readonly keyLength: 16 | 32
  /** Of HKDF and of the transcript. */
  readonly hash: 'sha256' | 'sha384'
  /** Records that one key protects, RFC 8446 section 5.5: 2^24.5 with AES-GCM; as many as there are numbers with ChaCha20-Poly1305. */
  readonly recordsMax: number
}

export type CipherSuiteName13 =
  | 'TLS_AES_128_GCM_SHA256'
  | 'TLS_AES_256_GCM_SHA384'
  | 'TLS_CHACHA20_POLY1305_SHA256'

const GCM_RECORDS_MAX = 23_726_566
/** RFC 9147 section 4.2.1: sequence numbers do not wrap. */
const RECORDS_MAX = 2 ** 48

/** All that are supported, the preferred one first. */
export const CIPHER_SUITES_13: readonly CipherSuite13[] = [
  {
    id: 0x1301,
    name: 'TLS_AES_128_GCM_SHA256',
    aead: 'aes-128-gcm',
    keyLength: 16,
    hash: 'sha256',
    recordsMax: GCM_RECORDS_MAX,
  },
  {
    id: 0x1302,
    name: 'TLS_AES_256_GCM_SHA384',
    aead: 'aes-256-gcm',
    keyLength: 32,
    hash: 'sha384',
    recordsMax: GCM_RECORDS_MAX,
  },
  {
    id: 0x1303,
    name: 'TLS_CHACHA20_POLY1305_SHA256',
    aead: 'chacha20-poly1305',
    keyLength: 32,
    hash: 'sha256',
    recordsMax: RECORDS_MAX,
  },
]
