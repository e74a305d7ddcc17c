// Reassembly of the plaintext handshake, RFC 4347 section 4.2.3. Nothing here is authenticated, so all of it may be
// forged, and what is forged must not stand in the way of what is genuine. Therefore the newest bytes win, at every
// place, for as long as the handshake lasts: whatever was injected, the peer's next retransmission
// mends it. Messages are not consumed; a flight whose bytes changed is looked at again.

import { NO_BYTES } from './bytes.ts'
import { isWhole, layOver, type MessageRuns, RUN_COST, sizeOf } from './message-runs.ts'
import { type HandshakeFragment, handshakeMessage, type HandshakeMessage } from './wire/handshake.ts'

/** Messages from 0 that a peer may send in plaintext; a full handshake with two cookies has eight. */
export const MESSAGE_SEQUENCE_LIMIT = 12
/** Bytes of one message: a chain of certificates is the longest. */
export const MESSAGE_LENGTH_MAX = 16_384
/**
 * Bytes held in all, with what keeping each run of them costs. At the bound everything is dropped, and the peer's next
 * retransmission starts it again.
 */
export const REASSEMBLY_BYTES_MAX = 40_960
/** Rivals for one place: fragments that differ in type or in length. At the bound the oldest goes. */
export const RIVALS_MAX = 3
/** Runs of bytes, with gaps between, of one message. At the bound the message is dropped. */
export const RUNS_MAX = 64

/** What came of one message, keyed by type and length. */
interface Assembly extends MessageRuns {
  readonly type: number
  message: HandshakeMessage | undefined
}

interface Place {
  /** The newest is last. */
  readonly rivals: Assembly[]
  /** The newest of the rivals that is whole. */
  current: Assembly | undefined
  version: number
}

export type AddResult =
  /** Kept, but the message is not whole. */
  | 'incomplete'
  /** A message became whole, or other than it was. */
  | 'changed'
  /** Nothing new: the peer retransmits. */
  | 'repeated'
  /** Contradicts itself. */
  | 'malformed'
  /** Out of bounds. */
  | 'limit'

export class HandshakeReassembly {
  readonly #places: (Place | undefined)[] = []
  #bytes = 0
  #version = 0

  /** Of the bound, what is taken now. */
  get byteLength(): number {
    return this.#bytes
  }

  add(fragment: HandshakeFragment): AddResult {
    const { type, length, messageSequence, body } = fragment
    if (messageSequence >= MESSAGE_SEQUENCE_LIMIT || length > MESSAGE_LENGTH_MAX) return 'limit'
    // a fragment without bytes is a message without bytes, or no progress
    if (body.length === 0 && length > 0) return 'malformed'
    if (this.#bytes + RUN_COST + body.length > REASSEMBLY_BYTES_MAX) this.clear()
    const place = (this.#places[messageSequence] ??= { rivals: [], current: undefined, version: 0 })
    const assembly = this.#rival(place, type, length)
    const before = sizeOf(assembly)
    const changed = layOver(assembly, fragment)
    this.#bytes += sizeOf(assembly) - before
    if (assembly.runs.length > RUNS_MAX) {
      this.#remove(place, assembly)
      return 'limit'
    }
    if (!isWhole(assembly)) return 'incomplete'
    if (!changed && assembly.message !== undefined && place.current === assembly) return 'repeated'
    if (changed || assembly.message === undefined) {
      const message = handshakeMessage(type, messageSequence, assembly.runs[0]?.bytes ?? NO_BYTES)
      assembly.message = message
      // one copy is enough: runs are replaced, not written to
      if (length > 0) assembly.runs = [{ offset: 0, bytes: message.body }]
    }
    place.current = assembly
    place.version = ++this.#version
    return 'changed'
  }

  /** The newest whole message at `messageSequence`. */
  message(messageSequence: number): HandshakeMessage | undefined {
    return this.#places[messageSequence]?.current?.message
  }

  /** Counts up whenever the message at `messageSequence` changes. 0: there is none. */
  version(messageSequence: number): number {
    return this.#places[messageSequence]?.version ?? 0
  }

  clear(): void {
    this.#places.length = 0
    this.#bytes = 0
  }

  #rival(place: Place, type: number, length: number): Assembly {
    const found = place.rivals.find((rival) => rival.type === type && rival.length === length)
    if (found !== undefined) return found
    if (place.rivals.length === RIVALS_MAX) this.#remove(place, place.rivals[0]!)
    const assembly: Assembly = { type, length, runs: [], message: undefined }
    place.rivals.push(assembly)
    return assembly
  }

  #remove(place: Place, assembly: Assembly): void {
    place.rivals.splice(place.rivals.indexOf(assembly), 1)
    if (place.current === assembly) place.current = undefined
    this.#bytes -= sizeOf(assembly)
  }
}
