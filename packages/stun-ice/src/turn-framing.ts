import { readU16, readU32 } from '@str0m/sans-io'
import { isChannelData } from './channel-data.ts'
import { MessageStream } from './message-stream.ts'
import { MAGIC_COOKIE, STUN_HEADER_LENGTH } from './stun-types.ts'

/** The type and the length of a message, of both kinds. */
const HEAD_LENGTH = 4
/** The longest message: ChannelData, or STUN, RFC 8489 section 5. No more than this is kept of one that is not complete. */
const MAX_MESSAGE_LENGTH = STUN_HEADER_LENGTH + 0xffff

/**
 * Cuts what comes over TCP or TLS into messages for `TurnClient.handleInput`: STUN (RFC 8489 section 6.2.2) and ChannelData (RFC 8656 section 12.5).
 */
export class TurnFraming {
  readonly #stream = new MessageStream(messageLength, MAX_MESSAGE_LENGTH)

  /** Something came that begins no message, so that the next one cannot be found: close the connection. */
  get broken(): boolean {
    return this.#stream.broken
  }

  /** Takes the next part of the stream, which belongs to it from here on. Answers the messages that it completes; none once the stream is broken. */
  read(part: Uint8Array): Uint8Array[] {
    return this.#stream.read(part)
  }
}

/** How long the message at `at` is, with its padding; more than there is where its head is not complete. */
function messageLength(bytes: Uint8Array, at: number): number | 'broken' {
  const available = bytes.length - at
  if (available < HEAD_LENGTH) return HEAD_LENGTH
  const length = readU16(bytes, at + 2)
  if (isChannelData(bytes.subarray(at))) return HEAD_LENGTH + length + (-length & 3)
  const isOther = available >= 8 && readU32(bytes, at + 4) !== MAGIC_COOKIE
  if (bytes[at]! > 3 || length % 4 !== 0 || isOther) return 'broken'
  return STUN_HEADER_LENGTH + length
}
