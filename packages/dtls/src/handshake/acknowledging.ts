import { type Instant, NEVER } from '@str0m/sans-io'
import type { PeerMessages, RecordOutcome } from '../peer-messages.ts'
import { type RecordWriter, sealDatagram } from '../record-protection.ts'
import { ContentType, DTLS_1_2 } from '../wire/protocol.ts'
import type { HandshakeContext } from './context.ts'

/** Of the first retransmission timer: how long the rest of a flight is waited for, RFC 9147 section 7.1. */
const DELAY = 0.25

/** When a flight that does not come whole is acknowledged as far as it did, RFC 9147 section 7.1. */
export class Acknowledging {
  readonly #context: HandshakeContext
  readonly #messages: PeerMessages
  readonly #write: RecordWriter
  readonly #delay: number
  #sentAt: Instant = Number.NEGATIVE_INFINITY
  deadline: Instant = NEVER

  constructor(context: HandshakeContext, messages: PeerMessages, write: RecordWriter) {
    this.#context = context
    this.#messages = messages
    this.#write = write
    this.#delay = context.retransmission.initial * DELAY
  }

  /** A record of the flight came, and the flight is not whole. */
  note(outcome: RecordOutcome, now: Instant): void {
    // with the whole datagram, and at most one in so long a time, whatever comes out of order
    if (outcome === 'gap' && now - this.#sentAt >= this.#delay) this.deadline = now
    else if (this.deadline === NEVER) this.deadline = now + this.#delay
  }

  /** Names what came, so that the peer sends what did not. */
  send(now: Instant): void {
    this.deadline = NEVER
    if (this.#messages.received.isEmpty) return
    this.#sentAt = now
    const body = this.#messages.received.encode()
    this.#context.transmit(sealDatagram(this.#write, ContentType.ack, DTLS_1_2, body))
  }
}
