import { type Instant, isBytes, type Rid, UsageError } from '@str0m/sans-io'
import type { Codec } from './codec.ts'

/** A point in the time of a media stream. */
export interface MediaTime {
  /** In units of 1 / `clockRate` s, unwrapped: it goes on rising where the RTP timestamp starts again. */
  readonly value: number
  /** Hertz. */
  readonly clockRate: number
}

/** What may be said of a frame beside its bytes. */
export interface WriteOptions {
  /** Whether decoding can start here, for the statistics alone. Default: what the first packet of a video frame says; in H.264 and H.265, by a parameter set. */
  readonly keyframe?: boolean
  /** Loudness in −dBov: 0 (loudest) to 127 (silence), RFC 6464; what is not so is taken to the nearest that is. Sent where the peer takes it. */
  readonly audioLevel?: number
  /** Whether it is speech. It goes with `audioLevel`, and not alone. Default false. */
  readonly voiceActivity?: boolean
  /**
   * When it was captured, on the clock of `now`: sender reports say it, and the receiver puts sound and picture in step by them (RFC 3550 section 6.4.1). Default: as it is written, which
   * is right where the encoders of both are equally late.
   */
  readonly capturedAt?: Instant | undefined
}

/** Sends a frame whose time is valid: what `Writer.write` answers and throws. */
export type WriteFrame = (time: MediaTime, data: Uint8Array, options: WriteOptions) => boolean

/** Sends the frames of one payload type. Made by `Media.writer`. */
export class Writer {
  readonly codec: Codec
  /** Which of several encodings it sends; `undefined`: the first, or the only one. */
  readonly rid: Rid | undefined
  readonly #write: WriteFrame

  constructor(codec: Codec, rid: Rid | undefined, write: WriteFrame) {
    this.codec = codec
    this.rid = rid
    this.#write = write
  }

  /**
   * Sends a whole encoded frame, as a decoder takes it (H.264 in the byte-stream format, AV1 as a temporal unit). `time` is when it is to
   * be played, on a clock of the stream's own that starts anywhere. The bytes are copied. False where it was not sent since the peer is not connected, or there is no path to it any more.
   * Throws a `UsageError`: `closed`, `not-sending` (the direction does not allow it), `unknown-rid` and `unknown-payload-type` (a later negotiation
   * left it out), `invalid-time`, `invalid-frame` (no bytes, malformed, or an audio frame larger than a datagram), `too-many-streams`
   * (the stream is new, after 65,535 others).
   */
  write(time: MediaTime, data: Uint8Array, options: WriteOptions = {}): boolean {
    checkTime(time)
    const { capturedAt } = options
    if (capturedAt !== undefined && !Number.isFinite(capturedAt)) {
      throw new UsageError('invalid-time', `A frame was captured at an instant, not ${capturedAt}`)
    }
    if (!isBytes(data)) throw new UsageError('invalid-frame', 'A frame is a Uint8Array')
    return this.#write(time, data, options)
  }
}

function checkTime(time: MediaTime): void {
  if (Number.isFinite(time?.value) && Number.isFinite(time.clockRate) && time.clockRate > 0) return
  throw new UsageError(
    'invalid-time',
    'The time of a frame is { value, clockRate }: a number of units, and how many of them a second has',
  )
}
