import type { CryptoProvider } from '@str0m/crypto'
import type { Instant, SocketAddress } from '@str0m/sans-io'
import type { DtlsCertificate } from '../certificate.ts'
import type { CookieSecret } from '../cookie.ts'
import type { ParsedFingerprint } from '../fingerprint.ts'
import type { Flight } from '../flight.ts'
import type { HandshakeReassembly } from '../reassembly.ts'
import type { WriteEpoch } from '../record-protection.ts'
import type { SrtpProfile } from '../srtp-profiles.ts'
import type { Counters } from '../statistics.ts'
import type { RecordHeader } from '../wire/record.ts'
import type { OpenResult, PendingSession } from './session.ts'

/** What a handshake is to reach. */
export interface HandshakeConfig {
  readonly crypto: CryptoProvider
  readonly certificate: DtlsCertificate
  /** The peer's certificate is to have one of these; `undefined`: any. */
  readonly fingerprints: readonly ParsedFingerprint[] | undefined
  /** The preferred one first. Empty: no use_srtp. */
  readonly srtpProfiles: readonly SrtpProfile[]
  readonly requestClientCertificate: boolean
  /** `undefined`: the peer's address is proven. */
  readonly cookie: { readonly secret: CookieSecret; readonly address: SocketAddress } | undefined
}

/** What a handshake works with: all of it belongs to the machine. */
export interface HandshakeContext {
  readonly config: HandshakeConfig
  readonly counters: Counters
  readonly reassembly: HandshakeReassembly
  readonly flight: Flight
  /** Epoch 0. */
  readonly plaintext: WriteEpoch
  /** Sends a datagram once, outside of a flight. */
  transmit(datagram: Uint8Array): void
}

/** One role's handshake of one version. The machine feeds it, and asks after each step whether it is done. */
export interface Handshake {
  /** The session that both sides have finished. */
  readonly established: PendingSession | undefined
  /** Whether the first message was sent or accepted, so that time runs. */
  readonly begun: boolean
  /** Sends what comes first, if anything. */
  start(now: Instant): void
  /**
   * The plaintext message at `messageSequence` is new, or other than it was. It came in the record numbered
   * `recordSequence`.
   */
  handleMessage(messageSequence: number, recordSequence: number, now: Instant): void
  /** The message at `messageSequence` came again, just as it was. */
  handleRepeated(messageSequence: number, now: Instant): void
  /** Tries the keys that there are on a record of epoch 1. */
  openRecord(datagram: Uint8Array, header: RecordHeader): OpenResult
  /** A handshake record of epoch 1 that `session` opened. */
  handleProtected(session: PendingSession, plaintext: Uint8Array, now: Instant): void
}
