import { type Instant, NEVER } from '@str0m/sans-io'
import { Connection13 } from '../connection13.ts'
import { PeerMessages } from '../peer-messages.ts'
import type { RecordWriter } from '../record-protection.ts'
import type { ReadEpoch13 } from '../record-protection13.ts'
import type { HandshakeMessage } from '../wire/handshake.ts'
import { Acknowledging } from './acknowledging.ts'
import type { Refusal } from './authentication.ts'
import type { HandshakeContext } from './context.ts'

/** What comes of a message: the connection with the last one, why it is refused, or nothing yet. */
export type FlightStep = Connection13 | Refusal | undefined

/** A flight of the peer's under the keys of epoch 2, message by message up to its Finished. */
export class PeerFlight13 {
  readonly messages: PeerMessages
  readonly acknowledging: Acknowledging
  readonly #context: HandshakeContext
  #failed = false

  /** The flight begins with the `message_seq` of `next`. ACKs of it go under `write`. */
  constructor(context: HandshakeContext, next: number, write: RecordWriter) {
    this.#context = context
    this.messages = new PeerMessages(context.counters, next)
    this.acknowledging = new Acknowledging(context, this.messages, write)
  }

  /** Whether the peer has said something that it may not say: nothing more is read of it. */
  get failed(): boolean {
    return this.#failed
  }

  /** A handshake record that `read` opened last. The connection, once the peer's Finished came. */
  handleRecord(
    read: ReadEpoch13,
    now: Instant,
    handleMessage: (message: HandshakeMessage) => FlightStep,
  ): Connection13 | undefined {
    if (this.#failed) return undefined
    const { messages } = this
    const outcome = messages.handleRecord(read.plaintext, read.epoch, read.sequence)
    for (let message = messages.take(); message !== undefined; message = messages.take()) {
      const step = handleMessage(message)
      if (step instanceof Connection13) return step
      if (step !== undefined) {
        this.#context.counters.refuse(step.reason)
        this.#failed = true
        this.acknowledging.deadline = NEVER
        return undefined
      }
    }
    this.acknowledging.note(outcome, now)
    return undefined
  }
}
