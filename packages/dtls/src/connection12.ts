// DTLS 1.2 after the handshake.

import type { Instant } from '@str0m/sans-io'
import type { CipherSuiteName } from './cipher-suites.ts'
import type { Connection, ConnectionContext } from './connection.ts'
import { exportKeyingMaterial, type MasterSecret } from './key-schedule.ts'
import type { PeerCertificate } from './peer-certificate.ts'
import { type ReadEpoch, sealDatagram, type WriteEpoch } from './record-protection.ts'
import type { SrtpProfile } from './srtp-profiles.ts'
import { AlertDescription, AlertLevel, encodeAlert } from './wire/alert.ts'
import { ContentType, DTLS_1_2, HandshakeType } from './wire/protocol.ts'
import type { RecordHeader } from './wire/record.ts'

/** What a handshake leaves behind. */
export interface Connection12Parameters {
  readonly master: MasterSecret
  readonly read: ReadEpoch
  readonly write: WriteEpoch
  readonly peerCertificate: PeerCertificate | undefined
  readonly srtpProfile: SrtpProfile | undefined
}

export class Connection12 implements Connection {
  readonly version = 'DTLS 1.2'
  readonly cipherSuite: CipherSuiteName
  readonly peerCertificate: PeerCertificate | undefined
  readonly srtpProfile: SrtpProfile | undefined
  readonly write: WriteEpoch
  readonly isConfirmed = true
  readonly #context: ConnectionContext
  readonly #session: Connection12Parameters

  constructor(context: ConnectionContext, session: Connection12Parameters) {
    this.#context = context
    this.#session = session
    this.cipherSuite = session.master.suite.name
    this.peerCertificate = session.peerCertificate
    this.srtpProfile = session.srtpProfile
    this.write = session.write
  }

  exportKeyingMaterial(label: string, context: Uint8Array | undefined, length: number): Uint8Array {
    return exportKeyingMaterial(this.#session.master, label, context, length)
  }

  handleRecord(datagram: Uint8Array, header: RecordHeader, now: Instant): void {
    const { counters, flight, role } = this.#context
    const { read } = this.#session
    if (read.isReplay(header)) {
      counters.drop('replayed')
      return
    }
    const plaintext = read.open(datagram, header)
    if (plaintext === undefined) {
      counters.drop('bad-record-mac')
    } else if (header.type === ContentType.applicationData) {
      // data under the keys says that the client has our last flight
      if (role === 'server') flight.clear()
      this.#context.deliver(plaintext)
    } else if (header.type === ContentType.alert) {
      this.#context.handleAlert(this.write, plaintext)
    } else if (header.type === ContentType.handshake) {
      this.#handleHandshake(plaintext, now)
    } else {
      counters.drop('unexpected-record')
    }
  }

  handleCiphertext(): void {
    this.#context.counters.drop('unexpected-record')
  }

  noteSent(): void {
    // one key serves as long as there are numbers
  }

  updateKeys(): boolean {
    return false
  }

  #handleHandshake(plaintext: Uint8Array, now: Instant): void {
    const { counters, flight, role } = this.#context
    const type = plaintext[0]
    if (type === HandshakeType.helloRequest || type === HandshakeType.clientHello) {
      // RFC 5746 section 5: a renegotiation may be refused at any time
      counters.drop('renegotiation')
      if (this.write.exhausted) return
      const alert = encodeAlert({ level: AlertLevel.warning, description: AlertDescription.noRenegotiation })
      this.#context.transmit(sealDatagram(this.write, ContentType.alert, DTLS_1_2, alert))
    } else if (type === HandshakeType.finished && role === 'server') {
      if (flight.handleRepeated(now)) counters.flightsRetransmitted++
    } else {
      counters.drop('unexpected-message')
    }
  }
}
