import { readU16, UsageError, writeU16 } from '@str0m/sans-io'
import { MessageStream } from './message-stream.ts'

/** The length of what follows. */
const HEAD_LENGTH = 2
const MAX_CONTENTS_LENGTH = 0xffff

/** The framing of RFC 4571 section 2, in which all goes over a TCP connection of ICE (RFC 6544 section 7): one for each connection. */
export class IceTcpFraming {
  readonly #stream = new MessageStream(frameLength, HEAD_LENGTH + MAX_CONTENTS_LENGTH)

  /** A datagram as it goes into the stream. Throws a `UsageError` (`too-long`) beyond 65,535 bytes. */
  static frame(contents: Uint8Array): Uint8Array {
    if (contents.length > MAX_CONTENTS_LENGTH)
      throw new UsageError(
        'too-long',
        `a frame has at most ${MAX_CONTENTS_LENGTH} bytes, not ${contents.length}`,
      )
    const frame = new Uint8Array(HEAD_LENGTH + contents.length)
    writeU16(frame, 0, contents.length)
    frame.set(contents, HEAD_LENGTH)
    return frame
  }

  /**
   * Takes the next part of the stream, which belongs to it from here on. Answers the datagrams that it completes. No more than one that is not complete is kept: 65,537 bytes, and
   * as much again for room.
   */
  read(part: Uint8Array): Uint8Array[] {
    const datagrams: Uint8Array[] = []
    // one that is empty says nothing
    for (const frame of this.#stream.read(part))
      if (frame.length > HEAD_LENGTH) datagrams.push(frame.subarray(HEAD_LENGTH))
    return datagrams
  }
}

function frameLength(bytes: Uint8Array, at: number): number {
  return bytes.length - at < HEAD_LENGTH ? HEAD_LENGTH : HEAD_LENGTH + readU16(bytes, at)
}
