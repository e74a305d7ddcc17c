import type { CipherSuiteName } from './cipher-suites.ts'
import type { DtlsVersion } from './dtls-version.ts'
import type { PeerCertificate } from './peer-certificate.ts'
import type { SrtpKeys } from './srtp-profiles.ts'
import type { DropReason } from './statistics.ts'

/**
 * The peer has proven who it is, and both sides agree on every byte of the handshake. With DTLS 1.3 a client's own proof may still be on its
 * way.
 */
export interface ConnectedEvent {
  readonly type: 'connected'
  readonly version: DtlsVersion
  readonly cipherSuite: CipherSuiteName
  /** Absent only from a server that requests none. */
  readonly peerCertificate?: PeerCertificate
  /** Absent where the two have no SRTP profile in common, or either wants none. */
  readonly srtp?: SrtpKeys
}

/** One record of application data. `data` is a view of the datagram that it came in, decrypted in place. */
export interface DataEvent {
  readonly type: 'data'
  readonly data: Uint8Array
}

export type ClosedReason =
  /** `close()` was called. */
  | 'local-close'
  /** The peer closed. */
  | 'close-notify'
  /** The peer gave up, and says so under its keys. */
  | 'fatal-alert'
  /** The handshake was not complete in time, or a server of DTLS 1.3 has not acknowledged its end. */
  | 'handshake-timeout'
  /** More records failed under one key than RFC 9147 section 4.5.3 allows. */
  | 'aead-limit'

/** The end of a connection. Comes once, and nothing comes after. */
export interface ClosedEvent {
  readonly type: 'closed'
  readonly reason: ClosedReason
  /**
   * The RFC's name of an alert: the peer's fatal one; or with `handshake-timeout` the last that came in plaintext,
   * which anyone may have sent.
   */
  readonly alert?: string
  /** With `handshake-timeout`: why something of the peer was last refused, if anything was. */
  readonly refusal?: DropReason
}

export type DtlsEvent = ConnectedEvent | DataEvent | ClosedEvent
