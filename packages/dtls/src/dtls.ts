// One DTLS connection: takes datagrams apart into records, sends each to where its epoch belongs, and holds the
// clock. What a handshake says is in handshake/, one file for a role and version.

import {
  ByteReader,
  checkInput,
  datagramBytes,
  type EventOutput,
  type Instant,
  isBytes,
  latestInstant,
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
import type { Connection } from './connection.ts'
import { EarlyRecords } from './early-records.ts'
import type { ClosedEvent, DtlsEvent } from './events.ts'
import { checkExport } from './exporter.ts'
import { Flight } from './flight.ts'
import type { Handshake, HandshakeContext, RecordVerdict } from './handshake/context.ts'
import { makeHandshake } from './handshake/make.ts'
import { type DtlsOptions, resolveOptions } from './options.ts'
import { HandshakeReassembly } from './reassembly.ts'
import { type RecordWriter, sealDatagram, WriteEpoch } from './record-protection.ts'
import { srtpKeys } from './srtp-profiles.ts'
import { Counters, type DropReason, type DtlsStatistics } from './statistics.ts'
import { AlertDescription, AlertLevel, alertName, encodeAlert, parseAlert } from './wire/alert.ts'
import { readHandshakeFragment } from './wire/handshake.ts'
import { ContentType, DTLS_1_2 } from './wire/protocol.ts'
import { emptyRecordHeader, readRecord, RECORD_HEADER_LENGTH } from './wire/record.ts'
import { emptyUnifiedHeader, isCiphertext, readUnifiedHeader } from './wire/unified-header.ts'

export type DtlsState = 'new' | 'handshaking' | 'connected' | 'closed'
export type DtlsInput = TimeoutInput | ReceiveInput
export type DtlsOutput = Output<DtlsEvent>

/** The most plaintext in a record, RFC 5246 section 6.2.1. */
const PLAINTEXT_LENGTH_MAX = 1 << 14

/**
 * A connection of DTLS 1.2 (RFC 6347) or DTLS 1.3 (RFC 9147) without I/O, in either role.
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
  readonly #unifiedHeader = emptyUnifiedHeader()
  readonly #has13: boolean
  #handshake: Handshake | undefined
  #connection: Connection | undefined
  #closed = false
  #now: Instant = Number.NEGATIVE_INFINITY
  #handshakeDeadline: Instant = NEVER
  /** The last alert that came in plaintext. */
  #hint: number | undefined

  /**
   * Throws a `UsageError`: `invalid-role`, `invalid-certificate`, `invalid-version`, `invalid-mtu`, `invalid-time`, `invalid-srtp-profile`, `invalid-fingerprint`,
   * `unsupported-fingerprint`, `fingerprint-without-certificate`, `missing-peer-address`, `invalid-address`, `cookie-versions-differ`.
   */
  constructor(options: DtlsOptions) {
    const { config, mtu, retransmission, handshakeTimeout } = resolveOptions(options)
    this.role = options.role
    this.#mtu = mtu
    this.#handshakeTimeout = handshakeTimeout
    this.#flight = new Flight(mtu, retransmission, (datagram) => this.#transmit(datagram))
    this.#has13 = config.versions.includes('DTLS 1.3')
    const context: HandshakeContext = {
      role: options.role,
      config,
      mtu,
      retransmission,
      counters: this.#counters,
      reassembly: this.#reassembly,
      flight: this.#flight,
      plaintext: this.#plaintext,
      transmit: (datagram) => this.#transmit(datagram),
      deliver: (data) => this.#outputs.push({ kind: 'event', event: { type: 'data', data } }),
      handleAlert: (write, plaintext) => this.#handleAlert(write, plaintext),
      noteAlert: (plaintext) => this.#noteAlert(plaintext),
      endAtAeadLimit: () => this.#end({ type: 'closed', reason: 'aead-limit' }),
    }
    this.#handshake = makeHandshake(context)
  }

  get state(): DtlsState {
    if (this.#closed) return 'closed'
    if (this.#connection !== undefined) return 'connected'
    return this.#handshake?.begun === true ? 'handshaking' : 'new'
  }

  /** A snapshot. */
  get statistics(): DtlsStatistics {
    return this.#counters.snapshot()
  }

  /** The most bytes that `send` takes: what a datagram of the mtu holds beside the record's own. 0 if not connected. */
  get maxDataLength(): number {
    const write = this.#connection?.write
    return write === undefined ? 0 : Math.min(this.#mtu - write.overhead, PLAINTEXT_LENGTH_MAX)
  }

  /** Starts a client's handshake. Nothing, where it has started, and for a server. Throws a `UsageError` (`invalid-time`) where `now` is no number, or `Infinity`. */
  start(now: Instant): void {
    this.#advance(now)
    const handshake = this.#handshake
    if (handshake === undefined || handshake.begun || this.#closed) return
    handshake.start(this.#now)
    this.#armHandshakeTimeout(handshake)
  }

  /**
   * Gives a datagram, or the time. Never throws for what a datagram holds; a `UsageError` where `now` is no number, or `Infinity` (`invalid-time`), and where it is neither or has
   * no bytes (`invalid-input`).
   */
  handleInput(input: DtlsInput): void {
    checkInput(input)
    this.#advance(input.now)
    if (input.kind === 'receive') {
      this.#handleDatagram(plainBytes(input.contents))
      this.#handleHandshakeTimeout()
      return
    }
    if (this.#closed) return
    if (this.#handshake?.begun === false) {
      this.start(input.now)
    } else if (this.#now >= this.#handshakeDeadline) {
      this.#giveUp()
    } else {
      this.#handleHandshakeTimeout()
      if (this.#now >= this.#flight.deadline) {
        this.#flight.handleTimeout(this.#now)
        this.#counters.flightsRetransmitted++
      }
    }
  }

  pollOutput(): DtlsOutput {
    return this.#outputs.shift() ?? { kind: 'timeout', at: this.#nextTimeout() }
  }

  /**
   * Sends one record of application data, in a datagram of its own. Throws a `UsageError`: `not-connected`, `invalid-data` (no bytes), `data-too-long`
   * (more than `maxDataLength`), or `sequence-exhausted`: after 2⁴⁸ records of DTLS 1.2, or where a peer of DTLS 1.3 does not take the new keys that
   * it is told of in good time.
   */
  send(data: Uint8Array): void {
    const write = this.#writable(data)
    this.#seal(write, data, datagramBytes(write.overhead + data.length))
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
    this.#seal(write, data, new Uint8Array(buffer, start, write.overhead + length))
  }

  #seal(write: RecordWriter, data: Uint8Array, datagram: Uint8Array): void {
    write.seal(ContentType.applicationData, DTLS_1_2, plainBytes(data), datagram, 0)
    this.#transmit(datagram)
    this.#connection?.noteSent(this.#now)
  }

  /** What a record of `data` is written with. Throws as `send` does. */
  #writable(data: Uint8Array): RecordWriter {
    const connection = this.#connection
    if (connection === undefined) throw notConnected('send')
    const { write } = connection
    if (!isBytes(data)) throw new UsageError('invalid-data', 'Give a Uint8Array')
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
   * Keying material of this connection, RFC 5705 or RFC 8446 section 7.5: `length` bytes, the same on both sides. With DTLS 1.2 an empty `context` is
   * not the same as `undefined`. Throws a `UsageError`: `not-connected`, `invalid-label` (1 to 249 bytes of UTF-8), `invalid-context` (up to 65535 bytes),
   * `invalid-length` (0 to 8160).
   */
  exportKeyingMaterial(label: string, context: Uint8Array | undefined, length: number): Uint8Array {
    if (this.#connection === undefined) throw notConnected('export keys')
    checkExport(label, context, length)
    return this.#connection.exportKeyingMaterial(label, context, length)
  }

  /**
   * Has us send under new keys once the peer knows of them, and the peer too where `ofPeer`: RFC 9147 section 8. It also happens by itself, before a key
   * has protected as many records as it may. Nothing, while the one before is under way. Throws a `UsageError`: `not-connected`, or `unsupported-by-version`
   * with DTLS 1.2.
   */
  updateKeys(ofPeer: boolean): void {
    if (this.#connection === undefined) throw notConnected('update keys')
    if (!this.#connection.updateKeys(ofPeer, this.#now)) {
      throw new UsageError('unsupported-by-version', 'DTLS 1.2 has no other keys: make a new connection')
    }
  }

  /** Ends the connection, with a close_notify where there are keys for it. Nothing, where it has ended. */
  close(): void {
    if (this.#closed) return
    if (this.#connection !== undefined) {
      this.#sendAlert(this.#connection.write, AlertLevel.warning, AlertDescription.closeNotify)
    }
    this.#end({ type: 'closed', reason: 'local-close' })
  }

  #advance(now: Instant): void {
    this.#now = latestInstant(this.#now, now)
  }

  #handleHandshakeTimeout(): void {
    const handshake = this.#handshake
    if (handshake !== undefined && this.#now >= handshake.deadline) handshake.handleTimeout(this.#now)
  }

  #nextTimeout(): Instant {
    if (this.#closed) return NEVER
    // a client that has not begun wants the time at once
    if (this.role === 'client' && this.#handshake?.begun === false) return Number.NEGATIVE_INFINITY
    return Math.min(this.#flight.deadline, this.#handshakeDeadline, this.#handshake?.deadline ?? NEVER)
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
    for (let at = 0; at < datagram.length && !this.#closed;) {
      const end = this.#handleRecordAt(datagram, at)
      if (end === undefined) {
        this.#drop('malformed-record')
        return
      }
      counters.recordsReceived++
      at = end
    }
  }

  /** The record at `at`. Where it ends; `undefined` where it does not. */
  #handleRecordAt(datagram: Uint8Array, at: number): number | undefined {
    if (this.#has13 && isCiphertext(datagram[at]!)) {
      const header = this.#unifiedHeader
      if (!readUnifiedHeader(datagram, at, header)) return undefined
      const { end } = header
      this.#handleCiphertext(datagram)
      return end
    }
    const header = this.#header
    if (!readRecord(datagram, at, header)) return undefined
    const { end } = header
    this.#handleRecord(datagram)
    return end
  }

  /** A record of DTLS 1.3, whose header is in `#unifiedHeader`. */
  #handleCiphertext(datagram: Uint8Array): void {
    const header = this.#unifiedHeader
    const { at, end } = header
    const connection = this.#connection
    if (connection !== undefined) {
      connection.handleCiphertext(datagram, header, this.#now)
      // a client has waited for its last flight's ACK
      if (connection.isConfirmed) this.#handshakeDeadline = NEVER
    } else if (this.#handshake !== undefined) {
      const verdict = this.#handshake.handleCiphertext(datagram, header, this.#now)
      this.#judge(verdict, datagram, at, end)
    }
  }

  /** A record, whose header is in `#header`. */
  #handleRecord(datagram: Uint8Array): void {
    const header = this.#header
    const { epoch, start, end } = header
    if (epoch > 1) this.#drop('unexpected-record')
    else if (this.#connection !== undefined && epoch === 0) this.#drop('plaintext-after-handshake')
    else if (this.#connection !== undefined) this.#connection.handleRecord(datagram, header, this.#now)
    else if (this.#handshake === undefined) this.#drop('unexpected-record')
    else if (epoch === 0) this.#handlePlaintext(this.#handshake, datagram)
    else {
      const verdict = this.#handshake.handleRecord(datagram, header, this.#now)
      this.#judge(verdict, datagram, start - RECORD_HEADER_LENGTH, end)
    }
  }

  /** What follows of a protected record in the handshake, which lies from `at` up to `end`. */
  #judge(verdict: RecordVerdict, datagram: Uint8Array, at: number, end: number): void {
    if (verdict === 'rejected') this.#drop('bad-record-mac')
    else if (verdict === 'no-keys')
      this.#early.keep(datagram.subarray(at, end), (reason) => this.#drop(reason))
    else if (this.#handshake?.established !== undefined) this.#connect(this.#handshake.established)
    else this.#handleEarly()
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
      this.#noteAlert(datagram.subarray(start, end))
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

  /** Takes up the records that came before what they need. */
  #handleEarly(): void {
    if (this.#early.length === 0) return
    for (const record of this.#early.take()) {
      if (this.#closed) return
      this.#handleRecordAt(record, 0)
    }
  }

  #connect(connection: Connection): void {
    this.#connection = connection
    // what is left is the connection, and the last flight until the peer is known to have it
    this.#handshake = undefined
    this.#reassembly.clear()
    if (connection.isConfirmed) this.#handshakeDeadline = NEVER
    const { version, cipherSuite, peerCertificate, srtpProfile } = connection
    this.#outputs.push({
      kind: 'event',
      event: {
        type: 'connected',
        version,
        cipherSuite,
        ...(peerCertificate && { peerCertificate }),
        ...(srtpProfile && { srtp: srtpKeys(connection, srtpProfile, this.role) }),
      },
    })
    this.#handleEarly()
  }

  /** An alert under the keys, RFC 5246 section 7.2. */
  #handleAlert(write: RecordWriter, plaintext: Uint8Array): void {
    const alert = parseAlert(plaintext)
    if (alert === undefined) {
      this.#drop('malformed-record')
      return
    }
    const { level, description } = alert
    // RFC 8446 section 6: the level says nothing any more
    const isFatal =
      this.#connection?.version === 'DTLS 1.3'
        ? description !== AlertDescription.userCanceled
        : level === AlertLevel.fatal
    if (description === AlertDescription.closeNotify) {
      this.#sendAlert(write, AlertLevel.warning, AlertDescription.closeNotify)
      this.#end({ type: 'closed', reason: 'close-notify' })
    } else if (isFatal) {
      this.#end({ type: 'closed', reason: 'fatal-alert', alert: alertName(description) })
    }
  }

  /** An alert of whomever. */
  #noteAlert(plaintext: Uint8Array): void {
    const alert = parseAlert(plaintext)
    if (alert !== undefined) this.#hint = alert.description
    this.#drop('unauthenticated-alert')
  }

  #sendAlert(write: RecordWriter, level: number, description: number): void {
    if (write.exhausted) return
    this.#transmit(sealDatagram(write, ContentType.alert, DTLS_1_2, encodeAlert({ level, description })))
  }

  /** The handshake took too long. Only now the peer is told: earlier, a forgery could make us deny the genuine one. */
  #giveUp(): void {
    const refusal = this.#counters.lastRefusal
    const description =
      refusal === 'fingerprint-mismatch' || refusal === 'bad-certificate'
        ? AlertDescription.badCertificate
        : AlertDescription.handshakeFailure
    const write = this.#connection?.write ?? this.#handshake?.write
    this.#sendAlert(write ?? this.#plaintext, AlertLevel.fatal, description)
    this.#end({
      type: 'closed',
      reason: 'handshake-timeout',
      ...(this.#hint !== undefined && { alert: alertName(this.#hint) }),
      ...(refusal !== undefined && { refusal }),
    })
  }

  #end(event: ClosedEvent): void {
    this.#closed = true
    this.#connection = undefined
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
