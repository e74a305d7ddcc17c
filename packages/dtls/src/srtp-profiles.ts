/** An SRTP protection profile, RFC 5764 section 4.1.2 and RFC 7714 section 14.2, without the `SRTP_` in front. */
export type SrtpProfile =
  | 'AES_CM_128_HMAC_SHA1_80'
  | 'AES_CM_128_HMAC_SHA1_32'
  | 'AEAD_AES_128_GCM'
  | 'AEAD_AES_256_GCM'

/** The SRTP master keys and salts of both directions. Secrets. */
export interface SrtpKeys {
  readonly profile: SrtpProfile
  /** For what we send. */
  readonly localKey: Uint8Array
  readonly localSalt: Uint8Array
  /** For what the peer sends. */
  readonly remoteKey: Uint8Array
  readonly remoteSalt: Uint8Array
}

interface ProfileParameters {
  readonly id: number
  readonly keyLength: number
  readonly saltLength: number
}

const PROFILES: Readonly<Record<SrtpProfile, ProfileParameters>> = {
  AES_CM_128_HMAC_SHA1_80: { id: 0x0001, keyLength: 16, saltLength: 14 },
  AES_CM_128_HMAC_SHA1_32: { id: 0x0002, keyLength: 16, saltLength: 14 },
  AEAD_AES_128_GCM: { id: 0x0007, keyLength: 16, saltLength: 12 },
  AEAD_AES_256_GCM: { id: 0x0008, keyLength: 32, saltLength: 12 },
}

export function isSrtpProfile(name: string): name is SrtpProfile {
  return Object.hasOwn(PROFILES, name)
}

export function srtpProfileId(profile: SrtpProfile): number {
  return PROFILES[profile].id
}

/** What keying material comes from: a connection of either version. */
interface Exporter {
  exportKeyingMaterial(label: string, context: undefined, length: number): Uint8Array
}

/** The keys of a connection, RFC 5764 section 4.2. */
export function srtpKeys(exporter: Exporter, profile: SrtpProfile, role: 'client' | 'server'): SrtpKeys {
  const { keyLength, saltLength } = PROFILES[profile]
  const length = 2 * (keyLength + saltLength)
  const material = exporter.exportKeyingMaterial('EXTRACTOR-dtls_srtp', undefined, length)
  const saltAt = 2 * keyLength
  const clientKey = material.slice(0, keyLength)
  const serverKey = material.slice(keyLength, saltAt)
  const clientSalt = material.slice(saltAt, saltAt + saltLength)
  const serverSalt = material.slice(saltAt + saltLength)
  return role === 'client'
    ? { profile, localKey: clientKey, localSalt: clientSalt, remoteKey: serverKey, remoteSalt: serverSalt }
    : { profile, localKey: serverKey, localSalt: serverSalt, remoteKey: clientKey, remoteSalt: clientSalt }
}
