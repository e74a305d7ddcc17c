import type { MediaData } from '@str0m/rtc'
import { vp8KeyframeSize } from '@str0m/rtp'
import type { Instant, Mid, Rid } from '@str0m/sans-io'
import { h264Format } from './h264.ts'
import { OPUS_CLOCK_RATE, OPUS_SILENCE, opusLength } from './opus.ts'
import { TrackClock } from './track-clock.ts'

/** Milliseconds that the file waits for a first keyframe; then it has sound alone. */
export const START_WAIT = 5000
/** Milliseconds from its first keyframe that a file waits for the sender reports, which put sound and picture in step: browsers send the first ones within 2.5 s. */
export const REPORT_WAIT = 5000
/** What is held meanwhile: frames, and their bytes. */
export const MAX_HELD_FRAMES = 4096
const MAX_HELD_BYTES = 16 << 20
/** Milliseconds between keyframes: what a player can jump to, and what a fragment of the file lasts. */
const KEYFRAME_INTERVAL = 5000
/** Milliseconds until a keyframe that did not come is asked for again. */
const REQUEST_INTERVAL = 1000
/** Seconds that sound may stay behind the picture before silence is put in: the file's writer holds back all that is ahead. */
const MAX_AUDIO_LAG = 3
/** Seconds that silence stays behind the picture, so that sound that is late still finds its place. */
const FILL_MARGIN = 1.5
/** Seconds of sound without a picture, after which there will be none: 30000 packets that the writer holds. */
export const MAX_VIDEO_LAG = 600
/** Bytes of video after a keyframe: as much as the writer may hold. */
export const MAX_GROUP_BYTES: number = 64 << 20
/** Seconds: how long a frame lasts as long as there is no second one to tell. */
const FIRST_DURATION = 1 / 30

/** A frame with its place in the file. */
export interface FilePacket {
  readonly kind: 'audio' | 'video'
  readonly data: Uint8Array
  /** Seconds since the start of the file. */
  readonly time: number
  /** Seconds. */
  readonly duration: number
  readonly keyframe: boolean
}

export interface VideoFormat {
  readonly codec: 'vp8' | 'avc'
  /** As in RFC 6381. */
  readonly codecString: string
  readonly width: number
  readonly height: number
}

/** What is in the file. */
export interface FileTracks {
  readonly video: VideoFormat | undefined
  readonly audio: boolean
}

/** Where the packets go: a file, or a list in a test. */
export interface PacketSink {
  start(tracks: FileTracks): void
  /** Those of one kind come in the order of their times. False where it did not take it, for too much waits to be written. */
  write(packet: FilePacket): boolean
  /** No more of the video comes: what waits for it need not. */
  endVideo(): void
}

export interface RecorderOptions {
  /** The sections whose frames are recorded; absent: there is none. */
  readonly video?: Mid
  readonly audio?: Mid
  readonly sink: PacketSink
  readonly requestKeyframe: () => void
  /** Milliseconds from the first keyframe that the file waits for sender reports. Default 5000. */
  readonly reportWait?: number
}

/** A frame that suits the file, before that has started. */
interface Held {
  readonly frame: MediaData
  readonly kind: 'audio' | 'video'
  /** Whether the picture can start with it. */
  readonly keyframe: boolean
}

/** What became of the frames. Counts. */
export interface RecorderStatistics {
  readonly videoFrames: number
  readonly audioPackets: number
  /** Packets of silence that were put in. */
  readonly silence: number
  /** From before the first keyframe. */
  readonly beforeStart: number
  /** Video frames that cannot be decoded, after a loss. */
  readonly undecodable: number
  /** Of another codec, section or encoding, malformed, or of a video that was given up. */
  readonly unsuitable: number
  /** That the sink did not take. */
  readonly congested: number
}

/**
 * Makes a file's packets of a call's frames: waits for the first keyframe, gives each frame its place, and after a loss leaves out what cannot be decoded.
 * Frames in, packets out; the time is that of their arrival.
 *
 * Where sound and picture are to each other is decided once, when the file starts: frames are held until the sender reports tell it.
 */
export class Recorder {
  readonly #options: RecorderOptions
  readonly #video = new TrackClock()
  readonly #audio = new TrackClock()
  readonly #counts = {
    videoFrames: 0,
    audioPackets: 0,
    silence: 0,
    beforeStart: 0,
    undecodable: 0,
    unsuitable: 0,
    congested: 0,
  }
  #waitingSince: Instant | undefined
  /** When the file starts, on the clock of the arrivals. */
  #start: Instant | undefined
  readonly #held: Held[] = []
  #heldBytes = 0
  /** When the first keyframe came. */
  #heldSince: Instant | undefined
  #format: VideoFormat | undefined
  #videoEnded = false
  #rid: Rid | undefined
  #needsKeyframe = true
  #keyframeAt: Instant = -Infinity
  #requestedAt: Instant = -Infinity
  #groupBytes = 0
  /** Seconds from the last frame but one to the last. */
  #videoStep = Infinity

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#videoEnded = options.video === undefined
  }

  /** Whether something is in the file. */
  get started(): boolean {
    return this.#start !== undefined
  }

  get statistics(): RecorderStatistics {
    return { ...this.#counts }
  }

  /** Takes a frame that came in. */
  handleFrame(frame: MediaData): void {
    const name = frame.codec.name.toLowerCase()
    this.#waitingSince ??= frame.receivedAt
    if (frame.mid === this.#options.video && !this.#videoEnded) this.#handleVideo(frame, name)
    else if (frame.mid === this.#options.audio && name === 'opus') this.#handleAudio(frame)
    else this.#counts.unsuitable++
  }

  #handleVideo(frame: MediaData, name: string): void {
    const codec = name === 'vp8' ? 'vp8' : name === 'h264' ? 'avc' : undefined
    const suits = this.#format === undefined || (codec === this.#format.codec && frame.rid === this.#rid)
    if (codec === undefined || !suits) {
      this.#counts.unsuitable++
      return
    }
    const now = frame.receivedAt
    if (!frame.contiguous || this.#groupBytes > MAX_GROUP_BYTES) this.#needsKeyframe = true
    const format = frame.keyframe ? videoFormat(codec, frame.data) : undefined
    if (format !== undefined) {
      this.#needsKeyframe = false
      this.#keyframeAt = now
      this.#groupBytes = 0
    }
    this.#askForKeyframe(now)
    if (this.#start === undefined) {
      this.#video.observe(frame)
      if (this.#format === undefined && format === undefined) {
        this.#counts.beforeStart++
        return
      }
      if (this.#format === undefined) {
        this.#format = format
        this.#rid = frame.rid
        this.#heldSince = now
      }
    }
    if (this.#needsKeyframe) {
      this.#counts.undecodable++
      return
    }
    this.#groupBytes += frame.data.length
    const keyframe = format !== undefined
    if (this.#start === undefined) this.#hold({ frame, kind: 'video', keyframe })
    else if (!this.#placeVideo(frame, keyframe)) this.#needsKeyframe = true
  }

  #handleAudio(frame: MediaData): void {
    if (opusLength(frame.data) === 0) {
      this.#counts.unsuitable++
      return
    }
    if (this.#start !== undefined) {
      this.#placeAudio(frame)
      return
    }
    this.#audio.observe(frame)
    const waited = frame.receivedAt - this.#waitingSince!
    this.#askForKeyframe(frame.receivedAt)
    if (this.#format === undefined && waited >= START_WAIT) this.#videoEnded = true
    this.#hold({ frame, kind: 'audio', keyframe: true })
  }

  /** Starts the file with what there is, where it has not started. To be called when no more comes. */
  finish(): void {
    if (this.#start === undefined && this.#format !== undefined) this.#startFile()
  }

  #hold(held: Held): void {
    this.#held.push(held)
    this.#heldBytes += held.frame.data.length
    if (this.#videoEnded && this.#format === undefined) {
      this.#open(this.#audio.arrival(held.frame))
      return
    }
    const isFull = this.#held.length >= MAX_HELD_FRAMES || this.#heldBytes >= MAX_HELD_BYTES
    if (this.#format !== undefined) {
      const waited = held.frame.receivedAt - this.#heldSince!
      if (isFull || this.#isInStep || waited >= (this.#options.reportWait ?? REPORT_WAIT)) this.#startFile()
    } else if (isFull) {
      // sound without a picture: the latest is what the picture will need
      this.#heldBytes -= this.#held.shift()!.frame.data.length
      this.#counts.beforeStart++
    }
  }

  /** Whether there is nothing to wait for any more. */
  get #isInStep(): boolean {
    if (this.#options.audio === undefined) return true
    return this.#video.hasCaptureTime && this.#audio.hasCaptureTime
  }

  /** Starts the file at the first keyframe. */
  #startFile(): void {
    this.#audio.follow(this.#video)
    const first = this.#held.find(({ kind }) => kind === 'video')!
    this.#open(this.#video.arrival(first.frame))
  }

  #open(start: Instant): void {
    this.#start = start
    this.#options.sink.start({ video: this.#format, audio: this.#options.audio !== undefined })
    let isBroken = false
    for (const { frame, kind, keyframe } of this.#held.splice(0)) {
      if (kind === 'audio') this.#placeAudio(frame)
      else if (isBroken && !keyframe) this.#counts.undecodable++
      else isBroken = !this.#placeVideo(frame, keyframe)
    }
    if (isBroken) this.#needsKeyframe = true
  }

  /** False where the sink did not take it. */
  #placeVideo(frame: MediaData, keyframe: boolean): boolean {
    const before = this.#video.last
    const time = Math.max(0, this.#video.place(frame, this.#start!))
    const step = before < 0 ? FIRST_DURATION : time - before
    // how long it lasts, the next frame tells: until then, as long as the one before, but for a gap
    const duration = Math.min(step, this.#videoStep, MAX_AUDIO_LAG)
    this.#videoStep = step
    const written = this.#options.sink.write({ kind: 'video', data: frame.data, time, duration, keyframe })
    this.#counts[written ? 'videoFrames' : 'congested']++
    this.#fillSilence(time)
    return written
  }

  #placeAudio(frame: MediaData): void {
    const time = this.#audio.place(frame, this.#start!)
    if (time < 0) {
      this.#counts.beforeStart++
      return
    }
    this.#writeAudio(frame.data, time, opusLength(frame.data) / OPUS_CLOCK_RATE, 'audioPackets')
    if (!this.#videoEnded && time - Math.max(0, this.#video.last) > MAX_VIDEO_LAG) {
      this.#videoEnded = true
      this.#options.sink.endVideo()
    }
  }

  #writeAudio(data: Uint8Array, time: number, duration: number, count: 'audioPackets' | 'silence'): void {
    const written = this.#options.sink.write({ kind: 'audio', data, time, duration, keyframe: true })
    this.#counts[written ? count : 'congested']++
  }

  /** Where no sound comes, as from a microphone that is muted, the picture does not wait for it. */
  #fillSilence(time: number): void {
    if (this.#options.audio === undefined || time - Math.max(0, this.#audio.last) < MAX_AUDIO_LAG) return
    const at = time - FILL_MARGIN
    this.#audio.advance(at)
    this.#writeAudio(OPUS_SILENCE, at, opusLength(OPUS_SILENCE) / OPUS_CLOCK_RATE, 'silence')
  }

  /** Asked where one is needed, and from time to time. */
  #askForKeyframe(now: Instant): void {
    if (this.#videoEnded || now - this.#requestedAt < REQUEST_INTERVAL) return
    if (!this.#needsKeyframe && now - this.#keyframeAt < KEYFRAME_INTERVAL) return
    this.#requestedAt = now
    this.#options.requestKeyframe()
  }
}

/** What a keyframe says of the picture; `undefined` where it does not say it, so that nothing can start with it. */
function videoFormat(codec: 'vp8' | 'avc', data: Uint8Array): VideoFormat | undefined {
  if (codec === 'avc') {
    const found = h264Format(data)
    return found && { codec, codecString: found.codec, width: found.width, height: found.height }
  }
  const size = vp8KeyframeSize(data)
  if (size === undefined || size.width === 0 || size.height === 0) return undefined
  return { codec, codecString: 'vp8', width: size.width, height: size.height }
}
