import type { Instant } from '@str0m/sans-io'
import type { CipherSuiteName } from './cipher-suites.ts'
import type { Flight } from './flight.ts'
import type { PeerCertificate } from './peer-certificate.ts'
import type { RecordWriter } from './record-protection.ts'
import type { SrtpProfile } from './srtp-profiles.ts'
import type { Counters } from './statistics.ts'
import type { DtlsVersion } from './dtls-version.ts'
import type { RecordHeader } from './wire/record.ts'
import type { UnifiedHeader } from './wire/unified-header.ts'

/** What a connection works with: all of it belongs to the machine. */
export interface ConnectionContext {
  readonly role: 'client' | 'server'
  readonly counters: Counters
  readonly flight: Flight
  /** The most bytes of a datagram. */
  readonly mtu: number
  /** Sends a datagram once, outside of a flight. */
  transmit(datagram: Uint8Array): void
  /** Gives application data to the user. */
  deliver(data: Uint8Array): void
  /** An alert under the keys that `write` answers with. */
  handleAlert(write: RecordWriter, plaintext: Uint8Array): void
  /** An alert that nothing authenticates. */
  noteAlert(plaintext: Uint8Array): void
  /** So many records failed under one key that no more may be tried. */
  endAtAeadLimit(): void
}

/** One version's connection, after the handshake. */
export interface Connection {
  readonly version: DtlsVersion
  readonly cipherSuite: CipherSuiteName
  readonly peerCertificate: PeerCertificate | undefined
  readonly srtpProfile: SrtpProfile | undefined
  /** What is written with now. */
  readonly write: RecordWriter
  /** Whether the peer is known to have finished too. */
  readonly isConfirmed: boolean
  exportKeyingMaterial(label: string, context: Uint8Array | undefined, length: number): Uint8Array
  /** A record with the header of DTLS 1.2, past epoch 0. */
  handleRecord(datagram: Uint8Array, header: RecordHeader, now: Instant): void
  /** A record with the header of DTLS 1.3. */
  handleCiphertext(datagram: Uint8Array, header: UnifiedHeader, now: Instant): void
  /** A record of application data was written. */
  noteSent(now: Instant): void
  /** Takes new keys into use, and has the peer do so too where `ofPeer`. False where the version has no such thing. */
  updateKeys(ofPeer: boolean, now: Instant): boolean
}
