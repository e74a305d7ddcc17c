import { plainBytes } from '@str0m/sans-io'

/** How long the message at `at` is, with its head and padding; more than there is where its head is not complete; `broken` where no message begins like that. */
export type MessageLength = (bytes: Uint8Array, at: number) => number | 'broken'

/** Cuts a stream of bytes into the messages that were put into it. */
export class MessageStream {
  /** Something came that begins no message, so that the next one cannot be found. */
  broken = false

  readonly #messageLength: MessageLength
  readonly #maxLength: number
  /** What came of a message that is not complete: the first `#length` bytes. */
  #buffer = new Uint8Array(0)
  #length = 0

  /** `maxLength`: that of the longest message. Not much more than that is kept. */
  constructor(messageLength: MessageLength, maxLength: number) {
    this.#messageLength = messageLength
    this.#maxLength = maxLength
  }

  /** Takes the next part of the stream, which belongs to it from here on. Answers the messages that it completes; none once the stream is broken. */
  read(part: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = []
    if (this.broken) return messages
    const isJoined = this.#length > 0
    const bytes = isJoined ? this.#append(part) : plainBytes(part)
    let at = 0
    for (;;) {
      const length = this.#messageLength(bytes, at)
      if (length === 'broken') {
        this.broken = true
        this.#buffer = new Uint8Array(0)
        this.#length = 0
        return messages
      }
      if (length > bytes.length - at) break
      // the buffer is used again
      messages.push(isJoined ? bytes.slice(at, at + length) : bytes.subarray(at, at + length))
      at += length
    }
    this.#keep(bytes, at)
    return messages
  }

  #append(part: Uint8Array): Uint8Array {
    const length = this.#length + part.length
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#buffer.length))
      larger.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = larger
    }
    this.#buffer.set(part, this.#length)
    return this.#buffer.subarray(0, length)
  }

  #keep(bytes: Uint8Array, from: number): void {
    const length = bytes.length - from
    if (bytes.buffer === this.#buffer.buffer && this.#buffer.length <= 2 * this.#maxLength) {
      if (from > 0) this.#buffer.copyWithin(0, from, bytes.length)
    } else {
      this.#buffer = bytes.slice(from)
    }
    this.#length = length
  }
}
