import { readU16, readU32, type Ssrc, writeU16 } from '@str0m/sans-io'

/** Packets of a source that are remembered, as many as can be asked for again. A power of two. */
const MAX_PACKETS = 2048
const NONE = -1

/**
 * Which transport-wide number packets were sent with that may come again just as they were. That is to be byte by byte: the same packet index means the same nonce, and
 * with other bytes, if only in a header extension, who listens could forge packets (RFC 7714 section 8.4).
 */
export class GivenNumbers {
  readonly #bySource = new Map<Ssrc, SourceNumbers>()

  /** The packet has its number at `at`; -1: it has none. */
  add(packet: Uint8Array, at: number): void {
    const ssrc = readU32(packet, 8)
    let source = this.#bySource.get(ssrc)
    if (source === undefined) {
      source = new SourceNumbers()
      this.#bySource.set(ssrc, source)
    }
    const sequenceNumber = readU16(packet, 2)
    const place = sequenceNumber & (MAX_PACKETS - 1)
    source.sequenceNumbers[place] = sequenceNumber
    source.places[place] = at
    source.numbers[place] = at < 0 ? 0 : readU16(packet, at)
  }

  /** Gives a packet that comes again the number that it had, and answers it; -1: it had none. `undefined` where that is not known: it is not to be sent. */
  restore(packet: Uint8Array): number | undefined {
    const source = this.#bySource.get(readU32(packet, 8))
    const sequenceNumber = readU16(packet, 2)
    const place = sequenceNumber & (MAX_PACKETS - 1)
    if (source?.sequenceNumbers[place] !== sequenceNumber) return undefined
    const at = source.places[place]!
    if (at < 0) return -1
    const number = source.numbers[place]!
    writeU16(packet, at, number)
    return number
  }

  forget(ssrc: Ssrc): void {
    this.#bySource.delete(ssrc)
  }
}

/** By a sequence number's last bits. */
class SourceNumbers {
  readonly sequenceNumbers: Int32Array = new Int32Array(MAX_PACKETS).fill(NONE)
  /** Where in the packet. */
  readonly places: Int32Array = new Int32Array(MAX_PACKETS)
  readonly numbers: Uint16Array = new Uint16Array(MAX_PACKETS)
}
