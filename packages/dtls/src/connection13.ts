// DTLS 1.3 after the handshake: application data, and what messages there still are. RFC 9147 sections 5.8.4, 7 and 8.

import type { CryptoProvider } from '@str0m/crypto'
import type { Instant } from '@str0m/sans-io'
import { Delivery } from './acknowledgements.ts'
import { NO_BYTES } from './bytes.ts'
import type { CipherSuite13, CipherSuiteName13 } from './cipher-suites13.ts'
import type { Connection, ConnectionContext } from './connection.ts'
import type { FlightItem } from './flight.ts'
import { acknowledgeFlight } from './flight-acknowledgement.ts'
import type { ExporterSecret, TrafficSecret, TrafficSecrets } from './key-schedule13.ts'
import type { PeerCertificate } from './peer-certificate.ts'
import type { PeerMessages } from './peer-messages.ts'
import { sealDatagram } from './record-protection.ts'
import { epochBits, FORGERIES_MAX, ReadEpoch13, WriteEpoch13 } from './record-protection13.ts'
import type { SrtpProfile } from './srtp-profiles.ts'
import { handshakeMessage, type HandshakeMessage } from './wire/handshake.ts'
import { encodeKeyUpdate, parseKeyUpdate } from './wire/messages13.ts'
import { ContentType, DTLS_1_2, HandshakeType } from './wire/protocol.ts'
import type { UnifiedHeader } from './wire/unified-header.ts'

/** RFC 9147 section 6.1. */
const APPLICATION_EPOCH = 3
/** The last `message_seq`, which does not wrap. */
const MESSAGE_SEQUENCE_MAX = 0xffff

/** What a handshake leaves behind. */
export interface Connection13Parameters {
  readonly crypto: CryptoProvider
  readonly suite: CipherSuite13
  readonly peerCertificate: PeerCertificate | undefined
  readonly srtpProfile: SrtpProfile | undefined
  readonly exporter: ExporterSecret
  /** Of epoch 3. */
  readonly traffic: TrafficSecrets
  /** Of epoch 3, where it was used before. */
  readonly write?: WriteEpoch13
  /** Of epoch 2: the peer may send the end of its flight again. */
  readonly handshakeRead: ReadEpoch13
  readonly peerMessages: PeerMessages
  /** The `message_seq` of our next message. */
  readonly nextMessageSequence: number
  /** A client's, until it is acknowledged. */
  readonly lastFlight: readonly FlightItem[] | undefined
}

export class Connection13 implements Connection {
  readonly version = 'DTLS 1.3'
  readonly cipherSuite: CipherSuiteName13
  readonly peerCertificate: PeerCertificate | undefined
  readonly srtpProfile: SrtpProfile | undefined
  readonly #context: ConnectionContext
  readonly #crypto: CryptoProvider
  readonly #exporter: ExporterSecret
  readonly #peerMessages: PeerMessages
  /** By the bits of the epoch: of those that have the same, the most recent one counts, RFC 9147 section 4.2.2. */
  readonly #reads: (ReadEpoch13 | undefined)[] = []
  /** Of the latest epoch that the peer may write with. */
  #readSecret: TrafficSecret
  #readEpoch = APPLICATION_EPOCH
  /** The latest that it has written with. */
  #latestEpoch = APPLICATION_EPOCH
  #writeSecret: TrafficSecret
  #write: WriteEpoch13
  #nextMessageSequence: number
  #lastFlight: readonly FlightItem[] | undefined
  /** Our KeyUpdate, until it is acknowledged. */
  #keyUpdate: readonly FlightItem[] | undefined
  /** Another KeyUpdate, which waits for what is to be acknowledged before, and whether it asks for the peer's. */
  #nextKeyUpdate: boolean | undefined
  /** Whether the peer was asked for new keys for the sake of those that it has. */
  #askedForNewKeys = false

  constructor(context: ConnectionContext, parameters: Connection13Parameters) {
    const { crypto, traffic, handshakeRead } = parameters
    const peer = context.role === 'client' ? 'server' : 'client'
    this.#context = context
    this.#crypto = crypto
    this.cipherSuite = parameters.suite.name
    this.peerCertificate = parameters.peerCertificate
    this.srtpProfile = parameters.srtpProfile
    this.#exporter = parameters.exporter
    this.#peerMessages = parameters.peerMessages
    this.#nextMessageSequence = parameters.nextMessageSequence
    this.#lastFlight = parameters.lastFlight
    this.#readSecret = traffic[peer]
    this.#writeSecret = traffic[context.role]
    this.#write = parameters.write ?? new WriteEpoch13(crypto, this.#writeSecret, APPLICATION_EPOCH)
    this.#reads[epochBits(handshakeRead.epoch)] = handshakeRead
    this.#reads[epochBits(APPLICATION_EPOCH)] = new ReadEpoch13(crypto, this.#readSecret, APPLICATION_EPOCH)
  }

  get write(): WriteEpoch13 {
    return this.#write
  }

  get isConfirmed(): boolean {
    return this.#lastFlight === undefined
  }

  exportKeyingMaterial(label: string, context: Uint8Array | undefined, length: number): Uint8Array {
    return this.#exporter.export(label, context ?? NO_BYTES, length)
  }

  handleRecord(): void {
    this.#context.counters.drop('unexpected-record')
  }

  handleCiphertext(datagram: Uint8Array, header: UnifiedHeader, now: Instant): void {
    const { counters } = this.#context
    const read = this.#reads[header.epochBits]
    const opened = read?.open(datagram, header)
    if (read === undefined || opened === undefined || opened === 'rejected') {
      counters.drop('bad-record-mac')
      if (read !== undefined) this.#limitForgeries(read, now)
    } else if (opened === 'replayed') {
      counters.drop('replayed')
    } else {
      this.#handleOpened(read, now)
    }
  }

  /** A record was written: new keys, where those that there are have served for long. */
  noteSent(now: Instant): void {
    if (this.#write.isWorn && this.#keyUpdate === undefined) this.#sendKeyUpdate(false, now)
  }

  updateKeys(ofPeer: boolean, now: Instant): boolean {
    if (this.#keyUpdate === undefined) this.#sendKeyUpdate(ofPeer, now)
    return true
  }

  /** Sends an ACK of the peer's latest messages. */
  acknowledge(now: Instant): void {
    if (this.#write.exhausted) return
    const body = this.#peerMessages.received.encode()
    this.#context.transmit(sealDatagram(this.#write, ContentType.ack, DTLS_1_2, body))
    this.noteSent(now)
  }

  #handleOpened(read: ReadEpoch13, now: Instant): void {
    const { counters } = this.#context
    const { type, plaintext, epoch } = read
    if (epoch > this.#latestEpoch) {
      this.#latestEpoch = epoch
      // the one before is for stragglers, those before that are of no more use
      this.#forgetBefore(epoch - 1)
    }
    if (type === ContentType.applicationData && epoch >= APPLICATION_EPOCH) {
      this.#context.deliver(plaintext)
    } else if (type === ContentType.alert) {
      this.#context.handleAlert(this.#write, plaintext)
    } else if (type === ContentType.handshake) {
      this.#handleHandshake(read, now)
    } else if (type === ContentType.ack) {
      this.#handleAcknowledgement(plaintext, now)
    } else {
      counters.drop('unexpected-record')
    }
  }

  #handleHandshake({ plaintext, epoch, sequence }: ReadEpoch13, now: Instant): void {
    const { counters, flight } = this.#context
    const messages = this.#peerMessages
    messages.received.clear()
    const outcome = messages.handleRecord(plaintext, epoch, sequence)
    if (outcome === 'refused') return
    if (epoch < APPLICATION_EPOCH && this.#lastFlight !== undefined) {
      // the server sends its flight again: it lacks ours, which answers it
      if (flight.repeat(this.#lastFlight, false, now)) counters.flightsRetransmitted++
      return
    }
    for (let message = messages.take(); message !== undefined; message = messages.take()) {
      this.#handleMessage(message, epoch, now)
    }
    // RFC 9147 section 7.1: also of what came before
    this.acknowledge(now)
  }

  #handleMessage(message: HandshakeMessage, epoch: number, now: Instant): void {
    const { counters } = this.#context
    if (message.type === HandshakeType.keyUpdate && epoch === this.#readEpoch) {
      const updateRequested = parseKeyUpdate(message.body)
      if (updateRequested === undefined) {
        counters.drop('malformed-handshake')
        return
      }
      this.#readSecret = this.#readSecret.next()
      this.#readEpoch++
      this.#askedForNewKeys = false
      this.#reads[epochBits(this.#readEpoch)] = new ReadEpoch13(
        this.#crypto,
        this.#readSecret,
        this.#readEpoch,
      )
      if (!updateRequested) return
      this.#sendKeyUpdate(false, now)
    } else if (message.type !== HandshakeType.newSessionTicket || this.#context.role === 'server') {
      // a ticket is for a resumption, which there is not
      counters.drop('unexpected-message')
    }
  }

  /** RFC 9147 section 7.2. */
  #handleAcknowledgement(plaintext: Uint8Array, now: Instant): void {
    if (this.#lastFlight !== undefined) {
      acknowledgeFlight(this.#context, this.#lastFlight, plaintext, now)
      if (isDelivered(this.#lastFlight)) this.#lastFlight = undefined
    }
    if (this.#keyUpdate !== undefined) {
      acknowledgeFlight(this.#context, this.#keyUpdate, plaintext, now)
      if (isDelivered(this.#keyUpdate)) {
        // only now the peer has what reads it, RFC 9147 section 8
        this.#keyUpdate = undefined
        this.#writeSecret = this.#writeSecret.next()
        this.#write = new WriteEpoch13(this.#crypto, this.#writeSecret, this.#write.epoch + 1)
      }
    }
    if (this.#nextKeyUpdate !== undefined) this.#sendKeyUpdate(this.#nextKeyUpdate, now)
  }

  /** RFC 9147 section 8. Our keys change once the peer has acknowledged it. */
  #sendKeyUpdate(ofPeer: boolean, now: Instant): void {
    this.#nextKeyUpdate = this.#nextKeyUpdate === true || ofPeer
    // whoever reads epoch 4 has forgotten epoch 2, which a client's last flight comes under
    if (this.#keyUpdate !== undefined || this.#lastFlight !== undefined) return
    // without another number there is no other key: the one that there is serves to its end
    if (this.#nextMessageSequence > MESSAGE_SEQUENCE_MAX || this.#write.exhausted) return
    const body = encodeKeyUpdate(this.#nextKeyUpdate)
    this.#nextKeyUpdate = undefined
    const message = handshakeMessage(HandshakeType.keyUpdate, this.#nextMessageSequence++, body)
    this.#keyUpdate = [{ epoch: this.#write, message, delivery: new Delivery(body.length) }]
    this.#context.flight.send(this.#keyUpdate, now, true)
  }

  /** RFC 9147 section 4.5.3. */
  #limitForgeries(read: ReadEpoch13, now: Instant): void {
    if (read.epoch !== this.#readEpoch || read.forgeries < FORGERIES_MAX / 2) return
    if (read.forgeries >= FORGERIES_MAX) {
      this.#context.endAtAeadLimit()
    } else if (!this.#askedForNewKeys && this.#keyUpdate === undefined) {
      this.#askedForNewKeys = true
      this.#sendKeyUpdate(true, now)
    }
  }

  #forgetBefore(epoch: number): void {
    for (const [bits, read] of this.#reads.entries()) {
      if (read !== undefined && read.epoch < epoch) this.#reads[bits] = undefined
    }
  }
}

function isDelivered(items: readonly FlightItem[]): boolean {
  return items.every(({ delivery }) => delivery?.isComplete === true)
}
