import { UsageError } from '@str0m/sans-io'
import {
  EncodedPacketSink,
  type EncodedPacket,
  FilePathSource,
  Input,
  type InputAudioTrack,
  type InputTrack,
  type InputVideoTrack,
  MATROSKA,
  MP4,
  QTFF,
  WEBM,
} from 'mediabunny'
import { readCodecDelays } from './codec-delay.ts'
import { type AvcConfiguration, readAvcConfiguration, toByteStream } from './h264.ts'

/** Codecs of a file, by mediabunny's names, and what a description calls them. */
const VIDEO_NAMES: Readonly<Record<string, string>> = { vp8: 'VP8', vp9: 'VP9', avc: 'H264', av1: 'AV1' }
/** Packets that are looked at for pictures that are not in the order of their times. */
const ORDER_CHECK = 64

/** A frame of a file, as it is sent. */
export interface MediaPacket {
  readonly kind: 'audio' | 'video'
  readonly data: Uint8Array
  /** Seconds, on the file's clock. */
  readonly time: number
  /** Seconds; 0 where the file does not tell. */
  readonly duration: number
  readonly keyframe: boolean
}

/** What a file can be sent with. */
export interface PlayableVideo {
  /** As in descriptions, such as `VP8`. */
  readonly name: string
  /** As in RFC 6381, such as `avc1.42e01f`. */
  readonly codecString: string
}

/** Where packets come from: a file, or a list in a test. */
export interface PacketSource {
  /** All from the first whose time is not before `time`, in the order of their times. The video starts at a keyframe: the one that `time` is the time of. */
  packetsFrom(time: number): AsyncIterator<MediaPacket>
  /** When the first keyframe after `time` is; `undefined` where there is none. */
  keyframeAfter(time: number): Promise<number | undefined>
}

/** A WebM, Matroska or MP4 file whose VP8, VP9, H.264 or AV1 and Opus can be sent. */
export class PlayableFile implements PacketSource {
  readonly #input: Input
  readonly #videoSink: EncodedPacketSink | undefined
  readonly #audioSink: EncodedPacketSink | undefined
  readonly #avc: AvcConfiguration | undefined
  /** Seconds by which the file's times of the sound are later than it is to be played. */
  readonly #audioDelay: number
  readonly video: PlayableVideo | undefined
  readonly hasAudio: boolean

  private constructor(
    input: Input,
    tracks: { video?: InputVideoTrack | undefined; audio?: InputAudioTrack | undefined },
    video: PlayableVideo | undefined,
    avc: AvcConfiguration | undefined,
    audioDelay: number,
  ) {
    this.#input = input
    this.#videoSink = tracks.video && new EncodedPacketSink(tracks.video)
    this.#audioSink = tracks.audio && new EncodedPacketSink(tracks.audio)
    this.#avc = avc
    this.#audioDelay = audioDelay
    this.video = video
    this.hasAudio = tracks.audio !== undefined
  }

  /**
   * Throws a `UsageError` (`not-playable`) for what is no such file, has neither track, or has pictures that are not shown in the order in which they are
   * coded, which RTP to a browser cannot carry.
   */
  static async open(path: string): Promise<PlayableFile> {
    const input = new Input({ source: new FilePathSource(path), formats: [WEBM, MATROSKA, MP4, QTFF] })
    try {
      return await PlayableFile.#read(input, await readCodecDelays(path))
    } catch (error) {
      input.dispose()
      if (error instanceof UsageError) throw error
      throw new UsageError('not-playable', 'This is no WebM, Matroska or MP4 file that can be read', {
        cause: error,
      })
    }
  }

  static async #read(input: Input, delays: ReadonlyMap<number, number>): Promise<PlayableFile> {
    const isVideo = (codec: string): boolean => VIDEO_NAMES[codec] !== undefined
    const primaryVideo = await input.getPrimaryVideoTrack()
    const primaryAudio = await input.getPrimaryAudioTrack()
    const videoTrack = (await firstOf(primaryVideo, await input.getVideoTracks(), isVideo)) ?? primaryVideo
    const audio = await firstOf(primaryAudio, await input.getAudioTracks(), (codec) => codec === 'opus')
    const audioDelay = (audio && delays.get(audio.id)) ?? 0
    if (videoTrack === null) {
      if (audio === undefined) throw new UsageError('not-playable', 'There is no Opus in this file')
      return new PlayableFile(input, { audio }, undefined, undefined, audioDelay)
    }
    const codec = (await videoTrack.getCodec()) ?? 'unknown'
    const name = VIDEO_NAMES[codec]
    if (name === undefined) throw new UsageError('not-playable', `Video in ${codec} is not sent`)
    await checkOrder(videoTrack)
    const config = await videoTrack.getDecoderConfig()
    let avc: AvcConfiguration | undefined
    if (codec === 'avc' && config?.description !== undefined) {
      avc = readAvcConfiguration(bytesOf(config.description))
      if (avc === undefined) throw new UsageError('not-playable', 'Its H.264 configuration cannot be read')
    }
    const video = { name, codecString: config?.codec ?? '' }
    return new PlayableFile(input, { video: videoTrack, audio }, video, avc, audioDelay)
  }

  /** When its first packet is, seconds. */
  async firstTime(): Promise<number> {
    const options = { metadataOnly: true }
    const picture = await this.#videoSink?.getFirstPacket(options)
    const sound = await this.#audioSink?.getFirstPacket(options)
    return Math.min(picture?.timestamp ?? Infinity, (sound?.timestamp ?? Infinity) - this.#audioDelay)
  }

  async *packetsFrom(time: number): AsyncGenerator<MediaPacket, void> {
    const video = await this.#startOf('video', this.#videoSink, time)
    const audio = await this.#startOf('audio', this.#audioSink, time + this.#audioDelay)
    try {
      let picture = await video?.next()
      let sound = await audio?.next()
      for (;;) {
        const nextPicture = picture?.done === false ? picture.value : undefined
        const nextSound = sound?.done === false ? sound.value : undefined
        if (
          nextPicture !== undefined &&
          !(nextSound !== undefined && nextSound.timestamp - this.#audioDelay < nextPicture.timestamp)
        ) {
          const packet = this.#toMedia('video', nextPicture)
          if (packet !== undefined) yield packet
          picture = await video?.next()
        } else if (nextSound !== undefined) {
          if (nextSound.timestamp - this.#audioDelay >= time) yield { ...this.#toMedia('audio', nextSound)! }
          sound = await audio?.next()
        } else {
          return
        }
      }
    } finally {
      await video?.return()
      await audio?.return()
    }
  }

  async keyframeAfter(time: number): Promise<number | undefined> {
    const here = await this.#videoSink?.getPacket(time, { metadataOnly: true })
    if (!here) return undefined
    const next = await this.#videoSink?.getNextKeyPacket(here, { metadataOnly: true })
    return next?.timestamp
  }

  close(): void {
    this.#input.dispose()
  }

  async #startOf(
    kind: 'audio' | 'video',
    sink: EncodedPacketSink | undefined,
    time: number,
  ): Promise<AsyncGenerator<EncodedPacket, void> | undefined> {
    if (sink === undefined) return undefined
    const at = kind === 'video' ? await sink.getKeyPacket(time) : await sink.getPacket(time)
    return sink.packets(at ?? undefined)
  }

  #toMedia(kind: 'audio' | 'video', packet: EncodedPacket): MediaPacket | undefined {
    const { timestamp, duration } = packet
    const time = kind === 'audio' ? timestamp - this.#audioDelay : timestamp
    const keyframe = packet.type === 'key'
    const data =
      kind === 'video' && this.#avc !== undefined
        ? toByteStream(packet.data, keyframe, this.#avc)
        : packet.data
    return data && { kind, data, time, duration, keyframe }
  }
}

/** The first track of a codec that can be sent: the file's main one, if it can. */
async function firstOf<T extends InputTrack>(
  primary: T | null,
  all: readonly T[],
  isSent: (codec: string) => boolean,
): Promise<T | undefined> {
  for (const track of new Set(primary === null ? all : [primary, ...all])) {
    if (isSent((await track.getCodec()) ?? 'unknown')) return track
  }
  return undefined
}

async function checkOrder(track: InputTrack): Promise<void> {
  let last = -Infinity
  let count = 0
  for await (const { timestamp } of new EncodedPacketSink(track).packets(undefined, undefined, {
    metadataOnly: true,
  })) {
    if (timestamp < last) {
      throw new UsageError(
        'not-playable',
        'Its pictures are reordered (B-frames), which browsers do not take',
      )
    }
    last = timestamp
    if (++count === ORDER_CHECK) return
  }
}

function bytesOf(source: AllowSharedBufferSource): Uint8Array {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source)
}
