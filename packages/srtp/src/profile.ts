import type { AeadAlgorithm } from '@str0m/crypto'
import { UsageError } from '@str0m/sans-io'

/** A protection profile by its name in RFC 5764 section 4.1.2 and RFC 7714 section 14.2, without the `SRTP_` prefix. */
export type SrtpProfile =
  | 'AES_CM_128_HMAC_SHA1_80'
  | 'AES_CM_128_HMAC_SHA1_32'
  | 'AEAD_AES_128_GCM'
  | 'AEAD_AES_256_GCM'

/** What a profile stands for. Lengths are in bytes. */
export interface ProfileParameters {
  readonly keyLength: number
  readonly saltLength: number
  /** Of the tag at the end of an SRTP packet. */
  readonly rtpTagLength: number
  /** Of the tag of an SRTCP packet; RFC 5764 section 4.1.2: 80 bits for both HMAC-SHA1 profiles. */
  readonly rtcpTagLength: number
  /** `undefined`: AES in counter mode with HMAC-SHA1, RFC 3711 sections 4.1.1 and 4.2.1. */
  readonly aead: Extract<AeadAlgorithm, `aes-${string}`> | undefined
}

const PROFILES: Readonly<Record<SrtpProfile, ProfileParameters>> = {
  AES_CM_128_HMAC_SHA1_80: {
    keyLength: 16,
    saltLength: 14,
    rtpTagLength: 10,
    rtcpTagLength: 10,
    aead: undefined,
  },
  AES_CM_128_HMAC_SHA1_32: {
    keyLength: 16,
    saltLength: 14,
    rtpTagLength: 4,
    rtcpTagLength: 10,
    aead: undefined,
  },
  AEAD_AES_128_GCM: {
    keyLength: 16,
    saltLength: 12,
    rtpTagLength: 16,
    rtcpTagLength: 16,
    aead: 'aes-128-gcm',
  },
  AEAD_AES_256_GCM: {
    keyLength: 32,
    saltLength: 12,
    rtpTagLength: 16,
    rtcpTagLength: 16,
    aead: 'aes-256-gcm',
  },
}

/**
 * How many bytes of key and of salt a profile takes: DTLS-SRTP exports twice the sum (RFC 5764 section 4.2).
 * Throws a `UsageError` (`unknown-profile`).
 */
export function srtpKeyLengths(profile: SrtpProfile): { key: number; salt: number } {
  const { keyLength, saltLength } = profileParameters(profile)
  return { key: keyLength, salt: saltLength }
}

/** Throws a `UsageError` (`unknown-profile`). */
export function profileParameters(profile: SrtpProfile): ProfileParameters {
  if (!Object.hasOwn(PROFILES, profile)) {
    throw new UsageError(
      'unknown-profile',
      `"${profile}" is no SRTP profile: use one of ${Object.keys(PROFILES).join(', ')}`,
    )
  }
  return PROFILES[profile]
}
