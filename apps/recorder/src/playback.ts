import type { Instant } from '@str0m/sans-io'
import { OPUS_CLOCK_RATE, opusLength } from './opus.ts'
import type { MediaPacket, PacketSource } from './playable-file.ts'

/** Seconds that are read before they are due. */
const READ_AHEAD = 1
/** Packets that are read before they are due, whatever their times say. */
const MAX_READ_AHEAD = 512
/** Seconds by which a sound packet's time may be off and still count as following the one before: containers round to milliseconds. */
const MAX_ROUNDING = 0.005

/** Takes the packets that are due. `time`: seconds on a clock that goes on through jumps and rounds. */
type SendPacket = (packet: MediaPacket, time: number) => void

export interface PlaybackOptions {
  readonly source: PacketSource
  readonly send: SendPacket
  /** The time in the file that is played first: its first packet's. Seconds. */
  readonly from: number
  /** Whether it starts over at the end. */
  readonly loop?: boolean
}

/**
 * Sends what a source has, each packet in its time. Alternate `fill`, which reads ahead, and `advance`, which sends what is due and tells when the next is.
 *
 * A request for a keyframe plays again from the one sent last. Where that did not help, the next request jumps to the one after it, so that a bad way does not
 * hold the playback for ever.
 */
export class Playback {
  readonly #options: PlaybackOptions
  readonly #queue: MediaPacket[] = []
  #packets: AsyncIterator<MediaPacket>
  #exhausted = false
  /** When the file's time 0 is. */
  #origin: Instant | undefined
  /** Seconds from the file's clock to that of the packets sent. */
  #shift = 0
  #jumpTo: number | undefined
  /** The end of what was sent, seconds on the file's clock. */
  #end: number
  #audioNext = -Infinity
  #keyframe: { readonly time: number; readonly at: Instant; readonly repeated: boolean } | undefined
  #sent = 0
  /** What was sent before it started over. */
  #sentBefore = 0
  #jumps = 0

  constructor(options: PlaybackOptions) {
    this.#options = options
    this.#end = options.from
    this.#packets = options.source.packetsFrom(options.from)
  }

  /** Packets sent. */
  get sent(): number {
    return this.#sent
  }

  /** Jumps to a keyframe that was asked for. */
  get jumps(): number {
    return this.#jumps
  }

  /** Whether all was sent, and it is not to start over. */
  get ended(): boolean {
    return this.#atEnd && this.#jumpTo === undefined && !this.#startsOver
  }

  get #atEnd(): boolean {
    return this.#exhausted && this.#queue.length === 0
  }

  /** A source that has nothing any more does not start over for ever. */
  get #startsOver(): boolean {
    return this.#options.loop === true && this.#sent > this.#sentBefore
  }

  /**
   * Takes a request for a keyframe. It is answered at the next `fill`, unless it was made before the one sent last can have come: less than
   * `roundTripTime` (ms) after that.
   */
  async requestKeyframe(now: Instant, roundTripTime: number): Promise<void> {
    const last = this.#keyframe
    if (last === undefined || this.#jumpTo !== undefined || now - last.at < roundTripTime) return
    const next = last.repeated ? await this.#options.source.keyframeAfter(last.time) : undefined
    this.#jumpTo = next ?? last.time
  }

  /** Reads ahead. Throws what goes wrong in reading. */
  async fill(now: Instant): Promise<void> {
    const jumpTo = this.#jumpTo
    if (jumpTo !== undefined) {
      this.#jumpTo = undefined
      this.#jumps++
      const position = this.#origin === undefined ? jumpTo : (now - this.#origin) / 1000
      await this.#seek(jumpTo, Math.max(position, this.#end))
    }
    await this.#read()
    if (!this.#atEnd || !this.#startsOver) return
    this.#sentBefore = this.#sent
    await this.#seek(this.#options.from, this.#end)
    await this.#read()
  }

  async #read(): Promise<void> {
    while (!this.#exhausted && this.#queue.length < MAX_READ_AHEAD) {
      const first = this.#queue[0]
      if (first !== undefined && this.#queue.at(-1)!.time - first.time >= READ_AHEAD) return
      const next = await this.#packets.next()
      if (next.done === true) this.#exhausted = true
      else this.#queue.push(next.value)
    }
  }

  /** Goes on at `to` in the file, where it was at `position`. */
  async #seek(to: number, position: number): Promise<void> {
    await this.#packets.return?.()
    this.#packets = this.#options.source.packetsFrom(to)
    this.#exhausted = false
    this.#queue.length = 0
    this.#shift += position - to
    if (this.#origin !== undefined) this.#origin += (position - to) * 1000
    this.#end = to
    this.#audioNext = -Infinity
  }

  /** Sends what is due. Answers when the next packet is; `Infinity`: `fill` knows. */
  advance(now: Instant): Instant {
    for (;;) {
      const packet = this.#queue[0]
      if (packet === undefined || this.#jumpTo !== undefined) return this.ended ? Infinity : now
      this.#origin ??= now - packet.time * 1000
      const due = this.#origin + packet.time * 1000
      if (due > now) return due
      this.#queue.shift()
      this.#send(packet, now)
    }
  }

  #send(packet: MediaPacket, now: Instant): void {
    let { time } = packet
    let { duration } = packet
    if (packet.kind === 'audio') {
      duration = opusLength(packet.data) / OPUS_CLOCK_RATE
      if (Math.abs(time - this.#audioNext) < MAX_ROUNDING) time = this.#audioNext
      this.#audioNext = time + duration
    } else if (packet.keyframe) {
      this.#keyframe = { time: packet.time, at: now, repeated: packet.time === this.#keyframe?.time }
    }
    this.#end = Math.max(this.#end, time + duration)
    this.#sent++
    this.#options.send(packet, time + this.#shift)
  }
}
