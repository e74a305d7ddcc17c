// The peer's handshake messages under its keys, one after the other: RFC 9147 section 5.2. What comes here is authentic for
// the keys, so that nothing in it rivals anything else.

import { ByteReader } from '@str0m/sans-io'
import { ReceivedRecords } from './acknowledgements.ts'
import { NO_BYTES } from './bytes.ts'
import { isWhole, layOver, type MessageRuns, sizeOf } from './message-runs.ts'
import { MESSAGE_LENGTH_MAX, RUNS_MAX } from './reassembly.ts'
import type { Counters } from './statistics.ts'
import {
  type HandshakeFragment,
  handshakeMessage,
  type HandshakeMessage,
  readHandshakeFragment,
} from './wire/handshake.ts'

/** Messages from the next one on of which parts are kept: the longest flight has six. */
export const MESSAGES_AHEAD_MAX = 8
/** Bytes of those after the next one. The next one itself always finds room. */
export const BYTES_AHEAD_MAX = 40_960

interface Incomplete extends MessageRuns {
  readonly type: number
}

export type RecordOutcome =
  /** Something new, and nothing before it is missing. */
  | 'progress'
  /** Something new, but something before it is missing. */
  | 'gap'
  /** Nothing new: the peer sends again. */
  | 'repeated'
  /** Not kept, at least in part: not to be acknowledged. */
  | 'refused'

export class PeerMessages {
  /** The records that are to be acknowledged. */
  readonly received: ReceivedRecords = new ReceivedRecords()
  readonly #counters: Counters
  readonly #ahead = new Map<number, Incomplete>()
  #next: number

  /** `next`: the `message_seq` that comes first. */
  constructor(counters: Counters, next: number) {
    this.#counters = counters
    this.#next = next
  }

  /** A handshake record, and its number. */
  handleRecord(plaintext: Uint8Array, epoch: number, sequence: number): RecordOutcome {
    const reader = new ByteReader(plaintext)
    let isNew = false
    // RFC 8446 section 5.1: no empty fragments
    if (plaintext.length === 0) return this.#refuse('malformed-handshake')
    while (reader.remaining > 0) {
      const fragment = readHandshakeFragment(reader)
      if (fragment === undefined) return this.#refuse('malformed-handshake')
      const added = this.#add(fragment)
      if (added === 'refused') return added
      if (added === 'new') isNew = true
    }
    this.received.add(epoch, sequence)
    if (!isNew) return 'repeated'
    return this.#hasGap() ? 'gap' : 'progress'
  }

  /** The next message, once it is whole. */
  take(): HandshakeMessage | undefined {
    const message = this.#ahead.get(this.#next)
    if (message === undefined || !isWhole(message)) return undefined
    this.#ahead.delete(this.#next)
    return handshakeMessage(message.type, this.#next++, message.runs[0]?.bytes ?? NO_BYTES)
  }

  #add(fragment: HandshakeFragment): 'new' | 'repeated' | 'refused' {
    const { type, length, messageSequence, body } = fragment
    if (messageSequence < this.#next) return 'repeated'
    // a fragment without bytes is a message without bytes, or no progress
    if (body.length === 0 && length > 0) return this.#refuse('malformed-handshake')
    if (messageSequence >= this.#next + MESSAGES_AHEAD_MAX || length > MESSAGE_LENGTH_MAX) {
      return this.#refuse('reassembly-limit')
    }
    if (messageSequence > this.#next && this.#bytesAhead() + body.length > BYTES_AHEAD_MAX) {
      return this.#refuse('reassembly-limit')
    }
    const known = this.#ahead.get(messageSequence)
    if (known !== undefined && (known.type !== type || known.length !== length)) {
      return this.#refuse('malformed-handshake')
    }
    const message = known ?? { type, length, runs: [] }
    const isNew = layOver(message, { ...fragment, body: body.slice() })
    if (message.runs.length > RUNS_MAX) {
      // acknowledged in part, but no honest peer comes here
      this.#ahead.delete(messageSequence)
      return this.#refuse('reassembly-limit')
    }
    this.#ahead.set(messageSequence, message)
    return isNew || known === undefined ? 'new' : 'repeated'
  }

  /** Whether something came that lies beyond what is missing. */
  #hasGap(): boolean {
    let missing = this.#next
    let message = this.#ahead.get(missing)
    let whole = 0
    for (; message !== undefined && isWhole(message); message = this.#ahead.get(++missing)) whole++
    if (message === undefined) return this.#ahead.size > whole
    return this.#ahead.size > whole + 1 || message.runs.length > 1 || (message.runs[0]?.offset ?? 0) > 0
  }

  #bytesAhead(): number {
    let bytes = 0
    for (const [sequence, message] of this.#ahead) if (sequence !== this.#next) bytes += sizeOf(message)
    return bytes
  }

  #refuse(reason: 'malformed-handshake' | 'reassembly-limit'): 'refused' {
    this.#counters.drop(reason)
    return 'refused'
  }
}
