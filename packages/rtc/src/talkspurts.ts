import { type Instant, serial32 } from '@str0m/sans-io'
import type { Codec } from './codec.ts'

/** Milliseconds of audio that a packet has at most (RFC 3551 section 4.2): where the next one is later than that, there was silence. */
const LONGEST_PACKET: Instant = 200
/** Bytes of Opus that hold no speech: what an encoder makes of silence (DTX) is its first byte, and at most one more. */
const LONGEST_OPUS_SILENCE = 2

/** Tells which frames of a stream begin a talkspurt, RFC 3551 section 4.1: the first ones after silence, in which nothing was sent, or noise. */
export class Talkspurts {
  #silent = true
  /** Of the last frame. */
  #timestamp = 0
  #clockRate = 0

  /** Whether this frame is the first of one. To be asked once for each frame, in their order. */
  begins(codec: Codec, timestamp: number, data: Uint8Array): boolean {
    const { clockRate } = codec
    const sinceLast = (1000 * serial32.diff(timestamp, this.#timestamp)) / clockRate
    // timestamps of two clocks do not compare
    const pause = clockRate === this.#clockRate && sinceLast > LONGEST_PACKET
    const begins = !isSilence(codec, data) && (this.#silent || pause)
    this.#silent = isSilence(codec, data)
    this.#timestamp = timestamp
    this.#clockRate = clockRate
    return begins
  }
}

function isSilence({ name, primary }: Codec, data: Uint8Array): boolean {
  const encoding = (primary?.name ?? name).toLowerCase()
  return encoding === 'cn' || (encoding === 'opus' && data.length <= LONGEST_OPUS_SILENCE)
}
