import { serial16 } from '@str0m/sans-io'

/** How far back a packet is still told from a second copy of it: some seconds of a stream. A power of two. */
export const RECEIVED_NUMBERS: number = 2048

/** Which sequence numbers of a stream came lately: a packet may come again as a retransmission (RFC 4588) that nobody asked for. */
export class ReceivedNumbers {
  readonly #bits = new Uint32Array(RECEIVED_NUMBERS / 32)
  #highest = -1

  /** Takes a packet. False where it was taken before. One that is `repeated`, as it was lost, and is far off tells nothing of those around it. */
  take(sequenceNumber: number, repeated: boolean): boolean {
    const ahead = this.#highest < 0 ? RECEIVED_NUMBERS : serial16.diff(sequenceNumber, this.#highest)
    if (ahead >= RECEIVED_NUMBERS || ahead <= -RECEIVED_NUMBERS) {
      if (repeated && this.#highest >= 0) return true
      // too far off to be told from another
      this.#bits.fill(0)
      this.#highest = sequenceNumber
    } else if (ahead > 0) {
      for (let i = 1; i <= ahead; i++) this.#clear(serial16.add(this.#highest, i))
      this.#highest = sequenceNumber
    }
    const word = (sequenceNumber & (RECEIVED_NUMBERS - 1)) >> 5
    const bit = 1 << (sequenceNumber & 31)
    const bits = this.#bits[word]!
    if ((bits & bit) !== 0) return false
    this.#bits[word] = bits | bit
    return true
  }

  #clear(sequenceNumber: number): void {
    const word = (sequenceNumber & (RECEIVED_NUMBERS - 1)) >> 5
    this.#bits[word] = this.#bits[word]! & ~(1 << (sequenceNumber & 31))
  }
}
