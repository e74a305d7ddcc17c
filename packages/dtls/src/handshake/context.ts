import type { CryptoProvider } from '@str0m/crypto'
import type { Instant, SocketAddress } from '@str0m/sans-io'
import type { DtlsCertificate } from '../certificate.ts'
import type { Connection, ConnectionContext } from '../connection.ts'
import type { CookieSecret } from '../cookie-secret.ts'
import type { ParsedFingerprint } from '../fingerprint.ts'
import type { RetransmissionTimes } from '../flight.ts'
import type { HandshakeReassembly } from '../reassembly.ts'
import type { RecordWriter, WriteEpoch } from '../record-protection.ts'
import type { SrtpProfile } from '../srtp-profiles.ts'
import type { DtlsVersion } from '../dtls-version.ts'
import type { RecordHeader } from '../wire/record.ts'
import type { UnifiedHeader } from '../wire/unified-header.ts'

/** What a handshake is to reach. */
export interface HandshakeConfig {
  readonly crypto: CryptoProvider
  readonly certificate: DtlsCertificate
  readonly versions: readonly DtlsVersion[]
  /** The peer's certificate is to have one of these; `undefined`: any. */
  readonly fingerprints: readonly ParsedFingerprint[] | undefined
  /** The preferred one first. Empty: no use_srtp. */
  readonly srtpProfiles: readonly SrtpProfile[]
  readonly requestClientCertificate: boolean
  /** `undefined`: the peer's address is proven. */
  readonly cookie: { readonly secret: CookieSecret; readonly address: SocketAddress } | undefined
}

/** What a handshake works with: all of it belongs to the machine. */
export interface HandshakeContext extends ConnectionContext {
  readonly config: HandshakeConfig
  readonly reassembly: HandshakeReassembly
  /** Epoch 0. */
  readonly plaintext: WriteEpoch
  readonly retransmission: RetransmissionTimes
}

/** What came of a protected record. */
export type RecordVerdict =
  | 'handled'
  /** It came before what its keys come from. */
  | 'no-keys'
  /** No key opens it. */
  | 'rejected'

/** One role's handshake of one version. The machine feeds it, and asks after each step whether it is done. */
export interface Handshake {
  /** What both sides have finished. */
  readonly established: Connection | undefined
  /** Whether the first message was sent or accepted, so that time runs. */
  readonly begun: boolean
  /** When it next needs the time, beside its flight. */
  readonly deadline: Instant
  /** What the peer may know the keys of, before it is done: for an alert. */
  readonly write: RecordWriter | undefined
  /** Sends what comes first, if anything. */
  start(now: Instant): void
  /** The deadline has come. */
  handleTimeout(now: Instant): void
  /**
   * The plaintext message at `messageSequence` is new, or other than it was. It came in the record numbered
   * `recordSequence`.
   */
  handleMessage(messageSequence: number, recordSequence: number, now: Instant): void
  /** The message at `messageSequence` came again, just as it was. Whether nothing else is to be done about it. */
  handleRepeated(messageSequence: number, now: Instant): boolean
  /** Tries the keys that there are on a record of epoch 1 of DTLS 1.2. */
  handleRecord(datagram: Uint8Array, header: RecordHeader, now: Instant): RecordVerdict
  /** Tries the keys that there are on a record with the header of DTLS 1.3. */
  handleCiphertext(datagram: Uint8Array, header: UnifiedHeader, now: Instant): RecordVerdict
}
