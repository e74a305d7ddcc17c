import type { Answer, Media, Offer, Rtc, RtcEvent } from '@str0m/rtc'
import { UsageError } from '@str0m/sans-io'
import { type CodecCapability, DEFAULT_CODECS } from '@str0m/sdp'
import { FileWriter } from './file-writer.ts'
import { Recorder, type RecorderStatistics } from './recorder.ts'

/** What a file can hold. */
const CODECS = DEFAULT_CODECS.filter(({ name }) => name === 'opus' || name === 'VP8' || name === 'H264')

/** Makes a peer that knows these codecs, and its own addresses. */
export type MakeRtc = (codecs: readonly CodecCapability[]) => Rtc

/** A call that is recorded. */
export class RecordingCall {
  readonly rtc: Rtc
  readonly answer: Answer
  readonly #recorder: Recorder
  readonly #writer: FileWriter
  #finished: Promise<string | undefined> | undefined

  /** `base`: the path of the file without its extension. `onFull`: no more can be written. Throws a `UsageError` for an offer that cannot be recorded. */
  constructor(offer: Offer, base: string, makeRtc: MakeRtc, onFull: (error: Error | undefined) => void) {
    this.rtc = makeRtc(CODECS)
    this.answer = this.rtc.acceptOffer(offer)
    const video = this.rtc.medias.find((media) => receives(media, 'video'))
    const audio = this.rtc.medias.find((media) => receives(media, 'audio'))
    if (video === undefined && audio === undefined) {
      throw new UsageError('nothing-to-record', 'The offer sends neither VP8 nor H.264 nor Opus')
    }
    this.#writer = new FileWriter(base, onFull)
    this.#recorder = new Recorder({
      ...(video === undefined ? {} : { video: video.mid }),
      ...(audio === undefined ? {} : { audio: audio.mid }),
      sink: this.#writer,
      requestKeyframe: () => video?.requestKeyframe(),
    })
  }

  get statistics(): RecorderStatistics {
    return this.#recorder.statistics
  }

  handleEvent(event: RtcEvent): void {
    if (event.type === 'mediaData' && this.#finished === undefined) this.#recorder.handleFrame(event)
  }

  /** Completes the file. Answers where it is; `undefined` where nothing came. Throws what went wrong in writing. */
  finish(): Promise<string | undefined> {
    if (this.#finished === undefined) {
      this.#recorder.finish()
      this.#finished = this.#writer.finish()
    }
    return this.#finished
  }
}

function receives(media: Media, kind: 'audio' | 'video'): boolean {
  const { direction, codecs } = media
  return media.kind === kind && codecs.length > 0 && (direction === 'recvonly' || direction === 'sendrecv')
}
