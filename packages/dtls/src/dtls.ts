// One DTLS connection: takes datagrams apart into records, sends each to where its epoch belongs, and holds the
// clock. What a handshake says is in handshake/, one file for a role and version.

import {
  ByteReader,
  datagramBytes,
  type EventOutput,
  type Instant,
  type Machine,
  NEVER,
  type Output,
  OutputQueue,
  plainBytes,
  type ReceiveInput,
  type TimeoutInput,
  type TransmitOutput,
  UsageError,
} from '@str0m/sans-io'
import { EarlyRecords } from './early-records.ts'
import type { ClosedEvent, DtlsEvent } from './events.ts'
import { Flight } from './flight.ts'
import { ClientHandshake12 } from './handshake/client12.ts'
import type { Handshake, HandshakeContext } from './handshake/context.ts'
import { ServerHandshake12 } from './handshake/server12.ts'
import type { PendingSession } from './handshake/session.ts'
import { exportKeyingMaterial } from './key-schedule.ts'
import { type DtlsOptions, resolveOptions } from './options.ts'
import { HandshakeReassembly } from './reassembly.ts'
import { WriteEpoch } from './record-protection.ts'
import { srtpKeys } from './srtp-profiles.ts'
import { Counters, type DropReason, type DtlsStatistics } from './statistics.ts'
import { AlertDescription, AlertLevel, alertName, parseAlert } from './wire/alert.ts'
import { readHandshakeFragment } from './wire/handshake.ts'
import { ContentType, DTLS_1_2, HandshakeType } from './wire/protocol.ts'
import { emptyRecordHeader, readRecord, RECORD_HEADER_LENGTH } from './wire/record.ts'

export type DtlsState = 'new' | 'handshaking' | 'connected' | 'closed'
export type DtlsInput = TimeoutInput | ReceiveInput
export type DtlsOutput = Output<DtlsEvent>

/** The most plaintext in a record, RFC 5246 section 6.2.1. */
const PLAINTEXT_LENGTH_MAX = 1 << 14

/**
 * A DTLS 1.2 connection (RFC 6347) without I/O, in either role.
 *
 * A client sends its first flight at `start`, or at the first `timeout` input. A server waits. After either's
 * `connected` event, `send` and the `data` event carry application data, and the SRTP keys are known.
 *
 * Nothing that the peer sends throws. What is not authentic is dropped and counted in `statistics`; it neither ends the
 * connection nor keeps a genuine handshake from completing. An incompatible peer therefore shows as a
 * `handshake-timeout` with the last refusal.
 */
export class Dtls implements Machine<DtlsEvent> {
  readonly role: 'client' | 'server'
  readonly #mtu: number
  readonly #handshakeTimeout: number
  readonly #counters = new Counters()
  readonly #outputs = new OutputQueue<TransmitOutput | EventOutput<DtlsEvent>>()
  readonly #reassembly = new HandshakeReassembly()
  readonly #early = new EarlyRecords()
  readonly #flight: Flight
  readonly #plaintext = new WriteEpoch()
  readonly #header = emptyRecordHeader()
  #handshake: Handshake | undefined
  #session: PendingSession | undefined
  #closed = false
  #now: Instant = Number.NEGATIVE_INFINITY
  #handshakeDeadline: Instant = NEVER
  /** The last alert that came in plaintext. */
  #hint: number | undefined

  /**
   * Throws a `UsageError`: `invalid-role`, `invalid-mtu`, `invalid-time`, `invalid-srtp-profile`, `invalid-fingerprint`,
   * `unsupported-fingerprint`, `fingerprint-without-certificate`, `missing-peer-address`, `invalid-address`.
   */
  constructor(options: DtlsOptions) {
    const { config, mtu, retransmission, handshakeTimeout } = resolveOptions(options)
    this.role = options.role
    this.#mtu = mtu
    this.#handshakeTimeout = handshakeTimeout
    this.#flight = new Flight(mtu, retransmission, (datagram) => this.#transmit(datagram))
    const context: HandshakeContext = {
      config,
      counters: this.#counters,
      reassembly: this.#reassembly,
      flight: this.#flight,
      plaintext: this.#plaintext,
      transmit: (datagram) => this.#transmit(datagram),
    }
    this.#handshake =
      options.role === 'client' ? new ClientHandshake12(context) : new ServerHandshake12(context)
  }

  get state(): DtlsState {
    if (this.#closed) return 'closed'
    if (this.#session !== undefined) return 'connected'
    return this.#handshake?.begun === true ? 'handshaking' : 'new'
  }

  /** A snapshot. */
  get statistics(): DtlsStatistics {
    return this.#counters.snapshot()
  }

  /** The most bytes that `send` takes: what a datagram of the mtu holds beside the record's own. 0 if not connected. */
  get maxDataLength(): number {
    const session = this.#session
    return session === undefined ? 0 : Math.min(this.#mtu - session.write.overhead, PLAINTEXT_LENGTH_MAX)
  }

  /** Starts a client's handshake. Nothing, where it has started, and for a server. */
  start(now: Instant): void {
    this.#advance(now)
    const handshake = this.#handshake
    if (handshake === undefined || handshake.begun || this.#closed) return
    handshake.start(this.#now)
    this.#armHandshakeTimeout(handshake)
  }

  handleInput(input: DtlsInput): void {
    this.#advance(input.now)
    if (input.kind === 'receive') {
      this.#handleDatagram(plainBytes(input.contents))
      return
    }
    if (this.#closed) return
    if (this.#handshake?.begun === false) {
      this.start(input.now)
    } else if (this.#now >= this.#handshakeDeadline) {
      this.#giveUp()
    } else if (this.#now >= this.#flight.deadline) {
      this.#flight.handleTimeout(this.#now)
      this.#counters.flightsRetransmitted++
    }
  }

  pollOutput(): DtlsOutput {
    return this.#outputs.shift() ?? { kind: 'timeout', at: this.#nextTimeout() }
  }

  /**
   * Sends one record of application data, in a datagram of its own. Throws a `UsageError`: `not-connected`, `data-too-long`
   * (more than `maxDataLength`), or `sequence-exhausted` after 2⁴⁸ records.
   */
  send(data: Uint8Array): void {
    const write = this.#writable(data)
    const datagram = datagramBytes(write.overhead + data.length)
    write.seal(ContentType.applicationData, DTLS_1_2, plainBytes(data), datagram, 0)
    this.#transmit(datagram)
  }

  /**
   * The same, where `data` lies in a buffer with room for the record around it: up to `RECORD_HEADROOM` bytes before it and `RECORD_TAILROOM` after it,
   * which nothing else uses. It is encrypted where it is, and the buffer goes out. Without that room it is copied.
   */
  sendInPlace(data: Uint8Array): void {
    const write = this.#writable(data)
    const { buffer, byteOffset, length } = data
    const start = byteOffset - write.headroom
    if (start < 0 || start + write.overhead + length > buffer.byteLength) {
      this.send(data)
      return
    }
    const datagram = new Uint8Array(buffer, start, write.overhead + length)
    write.seal(ContentType.applicationData, DTLS_1_2, plainBytes(data), datagram, 0)
    this.#transmit(datagram)
  }

  /** What a record of `data` is written with. Throws as `send` does. */
  #writable(data: Uint8Array): WriteEpoch {
    const session = this.#session
    if (session === undefined) throw notConnected('send')
    const { write } = session
    if (data.length > this.maxDataLength) {
      throw new UsageError(
        'data-too-long',
        `One record takes ${this.maxDataLength} bytes, not ${data.length}`,
      )
    }
    if (write.exhausted) {
      throw new UsageError('sequence-exhausted', 'All sequence numbers are used up: make a new connection')
    }
    return write
  }

  /**
   * Keying material of this connection, RFC 5705: `length` bytes, the same on both sides. An empty `context` is not the
   * same as `undefined`. Throws a `UsageError` (`not-connected`).
   */
  exportKeyingMaterial(label: string, context: Uint8Array | undefined, length: number): Uint8Array {
    if (this.#session === undefined) throw notConnected('export keys')
    return exportKeyingMaterial(this.#session.master, label, context, length)
  }

  /** Ends the connection, with a close_notify where there are keys for it. Nothing, where it has ended. */
  close(): void {
    if (this.#closed) return
    if (this.#session !== undefined) {
      this.#sendAlert(this.#session.write, AlertLevel.warning, AlertDescription.closeNotify)
    }
    this.#end({ type: 'closed', reason: 'local-close' })
  }

  #advance(now: Instant): void {
    if (now > this.#now) this.#now = now
  }

  #nextTimeout(): Instant {
    if (this.#closed) return NEVER
    // a client that has not begun wants the time at once
    if (this.role === 'client' && this.#handshake?.begun === false) return Number.NEGATIVE_INFINITY
    return Math.min(this.#flight.deadline, this.#handshakeDeadline)
  }

  #transmit(contents: Uint8Array): void {
    this.#counters.datagramsSent++
    this.#counters.bytesSent += contents.length
    this.#outputs.push({ kind: 'transmit', contents })
  }

  #drop(reason: DropReason): void {
    this.#counters.drop(reason)
  }

  #handleDatagram(datagram: Uint8Array): void {
    const counters = this.#counters
    counters.datagramsReceived++
    counters.bytesReceived += datagram.length
    if (this.#closed) {
      this.#drop('closed')
      return
    }
    const header = this.#header
    let at = 0
    while (at < datagram.length) {
      if (!readRecord(datagram, at, header)) {
        this.#drop('malformed-record')
        return
      }
      at = header.end
      counters.recordsReceived++
      this.#handleRecord(datagram)
      if (this.#closed) return
    }
  }

  /** A record, whose header is in `#header`. */
  #handleRecord(datagram: Uint8Array): void {
    const header = this.#header
    if (header.epoch > 1) this.#drop('unexpected-record')
    else if (this.#session !== undefined) this.#handleConnected(this.#session, datagram)
    else if (this.#handshake === undefined) this.#drop('unexpected-record')
    else if (header.epoch === 0) this.#handlePlaintext(this.#handshake, datagram)
    else this.#handleFirstProtected(this.#handshake, datagram)
  }

  /** Epoch 0: whoever it is from. */
  #handlePlaintext(handshake: Handshake, datagram: Uint8Array): void {
    const { type, start, end } = this.#header
    if (type === ContentType.handshake) {
      this.#handleHandshakeRecord(handshake, datagram)
    } else if (type === ContentType.changeCipherSpec) {
      // says nothing that the next record's epoch does not say
      if (end - start !== 1 || datagram[start] !== 1) this.#drop('malformed-record')
    } else if (type === ContentType.alert) {
      const alert = parseAlert(datagram.subarray(start, end))
      if (alert !== undefined) this.#hint = alert.description
      this.#drop('unauthenticated-alert')
    } else {
      this.#drop('unexpected-record')
    }
  }

  #handleHandshakeRecord(handshake: Handshake, datagram: Uint8Array): void {
    const { start, end, sequence } = this.#header
    // a client that has sent nothing expects nothing
    if (this.role === 'client' && !handshake.begun) {
      this.#drop('unexpected-record')
      return
    }
    const reader = new ByteReader(datagram, start, end)
    while (reader.remaining > 0) {
      const fragment = readHandshakeFragment(reader)
      if (fragment === undefined) {
        this.#drop('malformed-handshake')
        return
      }
      switch (this.#reassembly.add(fragment)) {
        case 'changed':
          handshake.handleMessage(fragment.messageSequence, sequence, this.#now)
          break
        case 'repeated':
          handshake.handleRepeated(fragment.messageSequence, this.#now)
          break
        case 'malformed':
          this.#drop('malformed-handshake')
          break
        case 'limit':
          this.#drop('reassembly-limit')
          break
        case 'incomplete':
          break
      }
    }
    this.#armHandshakeTimeout(handshake)
    this.#handleEarly()
  }

  #armHandshakeTimeout(handshake: Handshake): void {
    if (this.#handshakeDeadline === NEVER && handshake.begun) {
      this.#handshakeDeadline = this.#now + this.#handshakeTimeout
    }
  }

  /** Epoch 1 before both Finished. */
  #handleFirstProtected(handshake: Handshake, datagram: Uint8Array): void {
    const header = this.#header
    if (header.type === ContentType.applicationData) {
      this.#keepEarly(datagram)
      return
    }
    const result = handshake.openRecord(datagram, header)
    if (result.kind === 'no-keys') {
      this.#keepEarly(datagram)
    } else if (result.kind === 'rejected') {
      this.#drop('bad-record-mac')
    } else if (header.type === ContentType.handshake) {
      handshake.handleProtected(result.session, result.plaintext, this.#now)
      if (handshake.established !== undefined) this.#connect(handshake.established)
    } else if (header.type === ContentType.alert) {
      this.#handleAlert(result.session, result.plaintext)
    } else {
      this.#drop('unexpected-record')
    }
  }

  #keepEarly(datagram: Uint8Array): void {
    const { start, end } = this.#header
    this.#early.keep(datagram.subarray(start - RECORD_HEADER_LENGTH, end), (reason) => this.#drop(reason))
  }

  /** Takes up the records that came before what they need. */
  #handleEarly(): void {
    if (this.#early.length === 0) return
    for (const record of this.#early.take()) {
      if (this.#closed) return
      readRecord(record, 0, this.#header)
      this.#handleRecord(record)
    }
  }

  #connect(session: PendingSession): void {
    this.#session = session
    // what is left is the session, and a server's last flight until the client is known to have it
    this.#handshake = undefined
    this.#reassembly.clear()
    this.#handshakeDeadline = NEVER
    const { master, peerCertificate, srtpProfile } = session
    this.#outputs.push({
      kind: 'event',
      event: {
        type: 'connected',
        cipherSuite: master.suite.name,
        ...(peerCertificate && { peerCertificate }),
        ...(srtpProfile && { srtp: srtpKeys(master, srtpProfile, this.role) }),
      },
    })
    this.#handleEarly()
  }

  /** A record after the handshake. */
  #handleConnected(session: PendingSession, datagram: Uint8Array): void {
    const header = this.#header
    if (header.epoch === 0) {
      this.#drop('plaintext-after-handshake')
      return
    }
    if (session.read.isReplay(header)) {
      this.#drop('replayed')
      return
    }
    const plaintext = session.read.open(datagram, header)
    if (plaintext === undefined) {
      this.#drop('bad-record-mac')
    } else if (header.type === ContentType.applicationData) {
      // data under the keys says that the client has our last flight
      if (this.role === 'server') this.#flight.clear()
      this.#outputs.push({ kind: 'event', event: { type: 'data', data: plaintext } })
    } else if (header.type === ContentType.alert) {
      this.#handleAlert(session, plaintext)
    } else if (header.type === ContentType.handshake) {
      this.#handleLateHandshake(session, plaintext)
    } else {
      this.#drop('unexpected-record')
    }
  }

  #handleLateHandshake(session: PendingSession, plaintext: Uint8Array): void {
    const type = plaintext[0]
    if (type === HandshakeType.helloRequest || type === HandshakeType.clientHello) {
      // RFC 5746 section 5: a renegotiation may be refused at any time
      this.#drop('renegotiation')
      this.#sendAlert(session.write, AlertLevel.warning, AlertDescription.noRenegotiation)
    } else if (type === HandshakeType.finished && this.role === 'server') {
      if (this.#flight.handleRepeated(this.#now)) this.#counters.flightsRetransmitted++
    } else {
      this.#drop('unexpected-message')
    }
  }

  /** An alert under the keys, RFC 5246 section 7.2. */
  #handleAlert(session: PendingSession, plaintext: Uint8Array): void {
    const alert = parseAlert(plaintext)
    if (alert === undefined) {
      this.#drop('malformed-record')
    } else if (alert.description === AlertDescription.closeNotify) {
      this.#sendAlert(session.write, AlertLevel.warning, AlertDescription.closeNotify)
      this.#end({ type: 'closed', reason: 'close-notify' })
    } else if (alert.level === AlertLevel.fatal) {
      this.#end({ type: 'closed', reason: 'fatal-alert', alert: alertName(alert.description) })
    }
  }

  #sendAlert(write: WriteEpoch, level: number, description: number): void {
    if (write.exhausted) return
    const datagram = new Uint8Array(write.overhead + 2)
    write.seal(ContentType.alert, DTLS_1_2, new Uint8Array([level, description]), datagram, 0)
    this.#transmit(datagram)
  }

  /** The handshake took too long. Only now the peer is told: earlier, a forgery could make us deny the genuine one. */
  #giveUp(): void {
    const refusal = this.#counters.lastRefusal
    const description =
      refusal === 'fingerprint-mismatch' || refusal === 'bad-certificate'
        ? AlertDescription.badCertificate
        : AlertDescription.handshakeFailure
    this.#sendAlert(this.#plaintext, AlertLevel.fatal, description)
    this.#end({
      type: 'closed',
      reason: 'handshake-timeout',
      ...(this.#hint !== undefined && { alert: alertName(this.#hint) }),
      ...(refusal !== undefined && { refusal }),
    })
  }

  #end(event: ClosedEvent): void {
    this.#closed = true
    this.#session = undefined
    this.#handshake = undefined
    this.#handshakeDeadline = NEVER
    this.#flight.clear()
    this.#reassembly.clear()
    this.#early.take()
    this.#outputs.push({ kind: 'event', event })
  }
}

function notConnected(what: string): UsageError {
  return new UsageError('not-connected', `There are no keys to ${what} with: wait for the connected event`)
}
