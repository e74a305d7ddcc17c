import { rename } from 'node:fs/promises'
import {
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedVideoPacketSource,
  FilePathTarget,
  Mp4OutputFormat,
  Output,
  WebMOutputFormat,
} from 'mediabunny'
import { OPUS_CLOCK_RATE, OPUS_HEAD } from './opus.ts'
import type { FilePacket, FileTracks, PacketSink } from './recorder.ts'

/** Bytes that may wait for a disk that is slower than the network; what comes then is left out. */
const MAX_QUEUED_BYTES = 64 << 20
/** Bytes that are written at once, and so what a process that is killed loses: some four seconds of sound alone. */
const CHUNK_SIZE = 1 << 14
/** Bytes of one file. */
const MAX_FILE_BYTES: number = 4 * 2 ** 30

/** Writes packets into a file as they come: WebM, or MP4 in fragments for H.264. Until it is whole, `.part` is added to its name. */
export class FileWriter implements PacketSink {
  readonly #base: string
  readonly #onFull: (error: Error | undefined) => void
  #path: string | undefined
  #output: Output | undefined
  #video: EncodedVideoPacketSource | undefined
  #audio: EncodedAudioPacketSource | undefined
  #tracks: FileTracks | undefined
  #describedVideo = false
  #last: Promise<void> = Promise.resolve()
  #queued = 0
  #written = 0
  #error: Error | undefined
  #ended = false

  /** `base`: the path without its extension, which the codec decides. `onFull`: no more can be written, because of the error or of the size. */
  constructor(base: string, onFull: (error: Error | undefined) => void) {
    this.#base = base
    this.#onFull = onFull
  }

  /** Where the file will be; `undefined` before its first packet. */
  get path(): string | undefined {
    return this.#path
  }

  start(tracks: FileTracks): void {
    const { video, audio } = tracks
    const isMp4 = video?.codec === 'avc'
    this.#tracks = tracks
    this.#path = `${this.#base}.${isMp4 ? 'mp4' : 'webm'}`
    const output = new Output({
      format: isMp4 ? new Mp4OutputFormat({ fastStart: 'fragmented' }) : new WebMOutputFormat(),
      target: new FilePathTarget(`${this.#path}.part`, { chunked: true, chunkSize: CHUNK_SIZE }),
    })
    this.#output = output
    if (video !== undefined) {
      this.#video = new EncodedVideoPacketSource(video.codec)
      output.addVideoTrack(this.#video)
    }
    if (audio) {
      this.#audio = new EncodedAudioPacketSource('opus')
      const decoderConfig = {
        codec: 'opus',
        sampleRate: OPUS_CLOCK_RATE,
        numberOfChannels: 2,
        description: OPUS_HEAD,
      }
      output.addAudioTrack(this.#audio, { decoderConfig })
    }
    this.#enqueue(() => output.start())
  }

  write(packet: FilePacket): boolean {
    const { length } = packet.data
    if (this.#error !== undefined || this.#ended || this.#queued + length > MAX_QUEUED_BYTES) return false
    this.#queued += length
    this.#written += length
    this.#enqueue(async () => {
      this.#queued -= length
      await this.#add(packet)
    })
    if (this.#written > MAX_FILE_BYTES) this.#full(undefined)
    return true
  }

  endVideo(): void {
    const video = this.#video
    this.#enqueue(() => video?.close())
  }

  /** Completes the file. Answers where it is; `undefined` where nothing was recorded. Throws what went wrong in writing. */
  async finish(): Promise<string | undefined> {
    const output = this.#output
    const path = this.#path
    this.#ended = true
    if (output === undefined || path === undefined) return undefined
    await this.#last
    if (this.#error !== undefined) {
      await output.cancel().catch(() => {})
      throw this.#error
    }
    await output.finalize()
    await rename(`${path}.part`, path)
    return path
  }

  #add({ kind, data, time, duration, keyframe }: FilePacket): Promise<void> | undefined {
    const packet = new EncodedPacket(data, keyframe ? 'key' : 'delta', time, duration)
    if (kind === 'audio') return this.#audio?.add(packet)
    const video = this.#tracks?.video
    if (this.#describedVideo || video === undefined) return this.#video?.add(packet)
    this.#describedVideo = true
    const { codecString: codec, width: codedWidth, height: codedHeight } = video
    return this.#video?.add(packet, { decoderConfig: { codec, codedWidth, codedHeight } })
  }

  /** One after the other: the file's writer does not take a second call before the first is done. */
  #enqueue(action: () => Promise<void> | void | undefined): void {
    this.#last = this.#last.then(async () => {
      if (this.#error !== undefined) return
      try {
        await action()
      } catch (error) {
        this.#full(error instanceof Error ? error : new Error(String(error)))
      }
    })
  }

  #full(error: Error | undefined): void {
    if (this.#error === undefined && !this.#ended) this.#onFull(error)
    this.#ended = true
    this.#error ??= error
  }
}
