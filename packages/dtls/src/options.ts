import { type CryptoProvider, defaultCrypto } from '@str0m/crypto'
import { type SocketAddress, socketAddress, UsageError } from '@str0m/sans-io'
import type { DtlsCertificate } from './certificate.ts'
import { type CookieExchange, sharedOf } from './cookie.ts'
import { CookieSecret } from './cookie-secret.ts'
import { type Fingerprint, parseFingerprints } from './fingerprint.ts'
import type { RetransmissionTimes } from './flight.ts'
import type { HandshakeConfig } from './handshake/context.ts'
import { isSrtpProfile, type SrtpProfile } from './srtp-profiles.ts'
import type { DtlsVersion } from './dtls-version.ts'

export interface DtlsOptions {
  readonly role: 'client' | 'server'
  readonly certificate: DtlsCertificate
  /** What is offered, or accepted; with both, DTLS 1.3 where the peer has it. Default: `DTLS 1.2` alone. */
  readonly versions?: readonly DtlsVersion[]
  /** Default: `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
  /**
   * What the signalling announced of the peer's certificate (`a=fingerprint`, RFC 8122). Of several, those of the
   * strongest hash function count. Without any, every certificate is taken: check the one in
   * `connected` yourself before you trust the peer.
   */
  readonly remoteFingerprints?: readonly Fingerprint[]
  /** The preferred one first. Default: `AEAD_AES_128_GCM`, `AES_CM_128_HMAC_SHA1_80`. Empty: no SRTP. */
  readonly srtpProfiles?: readonly SrtpProfile[]
  /** The most bytes of a datagram that we send, from 200 to 16384. Default: 1200. */
  readonly mtu?: number
  /**
   * A server's proof that the client has its address, RFC 4347 section 4.2.1 and RFC 9147 section 5.1. `off` only where something else has
   * proven it: behind ICE. A `CookieExchange` of your own is shared with what went before the machine. Default:
   * `required`, with a secret of the machine's own.
   */
  readonly cookie?: 'required' | 'off' | CookieExchange
  /** The client's address, where `cookie` is a `CookieExchange`. */
  readonly peerAddress?: string | SocketAddress
  /** Whether a server demands a certificate of the client. Default: true. */
  readonly requestClientCertificate?: boolean
  /** Milliseconds until a flight without an answer is sent again; doubles each time. Default: 100. */
  readonly retransmissionInitial?: number
  /** The most that it doubles to, in milliseconds. Default: 2000. */
  readonly retransmissionMax?: number
  /** Milliseconds that a handshake may take from its first message. Default: 30000. */
  readonly handshakeTimeout?: number
}

export interface ResolvedOptions {
  readonly config: HandshakeConfig
  readonly mtu: number
  readonly retransmission: RetransmissionTimes
  readonly handshakeTimeout: number
}

const MTU_MIN = 200
const MTU_MAX = 16_384
/** A server without a peer's address has a secret of its own, which serves for this one peer. */
const NO_ADDRESS: SocketAddress = { address: '0.0.0.0', port: 0 }

/** Checks the caller's options and fills in the defaults. Throws a `UsageError`. */
export function resolveOptions(options: DtlsOptions): ResolvedOptions {
  const crypto = options.crypto ?? defaultCrypto()
  const mtu = options.mtu ?? 1200
  if (options.role !== 'client' && options.role !== 'server') {
    throw new UsageError('invalid-role', `The role is "client" or "server", not "${String(options.role)}"`)
  }
  if (typeof options.certificate?.sign !== 'function') {
    throw new UsageError(
      'invalid-certificate',
      'Both sides show a certificate: DtlsCertificate.generate() makes one',
    )
  }
  if (!Number.isInteger(mtu) || mtu < MTU_MIN || mtu > MTU_MAX) {
    throw new UsageError('invalid-mtu', `The mtu is an integer from ${MTU_MIN} to ${MTU_MAX}, not ${mtu}`)
  }
  const versions = options.versions?.slice() ?? ['DTLS 1.2']
  const isVersion = (version: string): boolean => version === 'DTLS 1.2' || version === 'DTLS 1.3'
  if (versions.length === 0 || !versions.every(isVersion)) {
    throw new UsageError('invalid-version', 'versions has "DTLS 1.2", "DTLS 1.3", or both')
  }
  const srtpProfiles = options.srtpProfiles ?? ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80']
  for (const profile of srtpProfiles) {
    if (!isSrtpProfile(profile)) {
      throw new UsageError(
        'invalid-srtp-profile',
        `"${String(profile)}" is no SRTP profile that is supported`,
      )
    }
  }
  const requestClientCertificate = options.requestClientCertificate ?? true
  if (options.remoteFingerprints !== undefined && options.role === 'server' && !requestClientCertificate) {
    throw new UsageError(
      'fingerprint-without-certificate',
      'A server that checks fingerprints requests the certificate: leave requestClientCertificate at true',
    )
  }
  const retransmission = {
    initial: milliseconds('retransmissionInitial', options.retransmissionInitial ?? 100),
    max: milliseconds('retransmissionMax', options.retransmissionMax ?? 2000),
  }
  const config: HandshakeConfig = {
    crypto,
    certificate: options.certificate,
    versions,
    fingerprints: options.remoteFingerprints && parseFingerprints(options.remoteFingerprints),
    srtpProfiles,
    requestClientCertificate,
    cookie: resolveCookie(options, versions, crypto),
  }
  const handshakeTimeout = milliseconds('handshakeTimeout', options.handshakeTimeout ?? 30_000)
  return { config, mtu, retransmission, handshakeTimeout }
}

function resolveCookie(
  options: DtlsOptions,
  versions: readonly DtlsVersion[],
  crypto: CryptoProvider,
): HandshakeConfig['cookie'] {
  const cookie = options.cookie ?? 'required'
  if (options.role === 'client' || cookie === 'off') return undefined
  if (cookie === 'required') return { secret: new CookieSecret(crypto), address: NO_ADDRESS }
  if (options.peerAddress === undefined) {
    throw new UsageError('missing-peer-address', 'A shared CookieExchange goes with the peerAddress')
  }
  const shared = sharedOf(cookie)
  if (shared.versions.toSorted().join() !== versions.toSorted().join()) {
    throw new UsageError(
      'cookie-versions-differ',
      'A CookieExchange has the versions of the Dtls: give it the same',
    )
  }
  return { secret: shared.secret, address: socketAddress(options.peerAddress) }
}

function milliseconds(name: string, value: number): number {
  if (!(value > 0 && Number.isFinite(value))) {
    throw new UsageError('invalid-time', `${name} is a positive number of milliseconds, not ${value}`)
  }
  return value
}
