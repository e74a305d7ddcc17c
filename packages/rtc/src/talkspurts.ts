import { type Instant, serial32 } from '@str0m/sans-io'
import type { Codec } from './codec.ts'

/** Milliseconds of audio that a packet has at most (RFC 3551 section 4.2): where the next one is later than that, there was silence. */
const LONGEST_PACKET: Instant = 200
/** Bytes of Opus that hold no speech: what an encoder makes of silence (DTX) is its first byte, and at most one more. */
const LONGEST_OPUS_SILENCE = 2
/** Milliseconds of such after which an encoder makes one frame of what it hears, speech or not (`MAX_CONSECUTIVE_DTX` of libopus). */
const OPUS_REFRESH: Instant = 400

/** Tells which frames of a stream begin a talkspurt, RFC 3551 section 4.1: the first ones after silence, in which nothing was sent, or noise. */
export class Talkspurts {
  #silent = true
  /** Of the first frame of silence, where that is Opus. */
  #silentFrom: number | undefined
  /** Of the last frame. */
  #timestamp = 0
  #clockRate = 0

  /** Whether this frame is the first of one. To be asked once for each frame, in their order. */
  begins(codec: Codec, timestamp: number, data: Uint8Array): boolean {
    const { clockRate } = codec
    // timestamps of two clocks do not compare
    const paused =
      clockRate === this.#clockRate && elapsed(this.#timestamp, timestamp, clockRate) > LONGEST_PACKET
    const afterSilence = this.#silent || paused
    this.#silent = this.#isSilence(codec, timestamp, data)
    this.#timestamp = timestamp
    this.#clockRate = clockRate
    return afterSilence && !this.#silent
  }

  #isSilence({ name, primary, clockRate }: Codec, timestamp: number, data: Uint8Array): boolean {
    const encoding = primary?.name ?? name
    const from = this.#silentFrom
    if (encoding === 'opus' && data.length <= LONGEST_OPUS_SILENCE) {
      this.#silentFrom ??= timestamp
      return true
    }
    this.#silentFrom = undefined
    if (encoding === 'opus') return from !== undefined && elapsed(from, timestamp, clockRate) === OPUS_REFRESH
    return encoding === 'CN'
  }
}

function elapsed(from: number, to: number, clockRate: number): Instant {
  return (1000 * serial32.diff(to, from)) / clockRate
}
