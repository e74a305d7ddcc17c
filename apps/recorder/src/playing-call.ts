import type { Answer, Codec, Media, Offer, Rtc, RtcEvent, Writer } from '@str0m/rtc'
import { UsageError } from '@str0m/sans-io'
import { DEFAULT_CODECS } from '@str0m/sdp'
import { Playback } from './playback.ts'
import type { MediaPacket, PlayableFile, PlayableVideo } from './playable-file.ts'
import type { MakeRtc } from './recording-call.ts'

/**
 * Milliseconds between the connection and the first frame: Firefox may be connected and still lose what comes at once, with the first keyframe. It asks for it, but
 * what was said meanwhile is not heard.
 */
const START_TIME = 250
/** Milliseconds, where it was not measured. */
const DEFAULT_ROUND_TRIP = 100
/** Milliseconds that the call lasts after the last frame, so that it can be asked for again. */
const END_TIME = 1000
/** Milliseconds: no sleep is longer, for a request may come in between. */
const LONGEST_SLEEP = 100

/** What drives the peer: `Peers` of the demo kit, or a test. */
export interface Drive {
  tell(rtc: Rtc): void
  changed(rtc: Rtc): void
}

export interface PlayerStatistics {
  /** Packets of the file that were due. */
  readonly sent: number
  /** Those of them that `Rtc` did not take. */
  readonly refused: number
  /** How often a keyframe that was asked for made it play something again, or leave something out. */
  readonly jumps: number
  /** Requests for a keyframe, and for packets; and packets that were sent again. */
  readonly plis: number
  readonly nacks: number
  readonly retransmitted: number
}

/** A call that a file is sent into. */
export class PlayingCall {
  readonly rtc: Rtc
  readonly answer: Answer
  readonly #file: PlayableFile
  readonly #loop: boolean
  readonly #drive: Drive
  #video: Writer | undefined
  #audio: Writer | undefined
  #playback: Playback | undefined
  #playing = false
  #keyframeRequested = false
  #refused = 0

  /** The call owns the file. Throws a `UsageError`, `not-playable` where the offer does not take the file's codecs. */
  constructor(offer: Offer, file: PlayableFile, loop: boolean, makeRtc: MakeRtc, drive: Drive) {
    const { video, hasAudio } = file
    const codecs = DEFAULT_CODECS.filter(
      ({ name }) => (hasAudio && name === 'opus') || (video !== undefined && name === video.name),
    )
    this.rtc = makeRtc(codecs)
    this.answer = this.rtc.acceptOffer(offer)
    this.#file = file
    this.#loop = loop
    this.#drive = drive
    for (const media of this.rtc.medias) {
      if (media.direction !== 'sendonly' && media.direction !== 'sendrecv') continue
      const codec = media.kind === 'audio' ? media.codecs[0] : video && bestCodec(media, video)
      if (codec === undefined) continue
      if (media.kind === 'audio') this.#audio ??= media.writer(codec.pt)
      else this.#video ??= media.writer(codec.pt)
    }
    if (video !== undefined && this.#video === undefined) {
      throw new UsageError('not-playable', `The file is in ${video.name}, which the offer does not take`)
    }
    if (video === undefined && this.#audio === undefined) {
      throw new UsageError('not-playable', 'The offer does not take Opus')
    }
  }

  get statistics(): PlayerStatistics {
    const { sent = 0, jumps = 0 } = this.#playback ?? {}
    let [plis, nacks, retransmitted] = [0, 0, 0]
    for (const stream of this.rtc.statistics.outbound) {
      plis += stream.pliCount
      nacks += stream.nackCount
      retransmitted += stream.retransmittedPacketsSent
    }
    return { sent, refused: this.#refused, jumps, plis, nacks, retransmitted }
  }

  handleEvent(event: RtcEvent): void {
    if (event.type === 'keyframeRequest') this.#keyframeRequested = true
    if (event.type === 'connected') {
      this.#playing = true
      this.#play().catch((error: unknown) => {
        console.error(error)
        this.#hangUp()
      })
    }
    // what plays closes the file itself, when it sees that the call is over
    if (event.type === 'closed' && !this.#playing) this.#file.close()
  }

  async #play(): Promise<void> {
    try {
      const playback = new Playback({
        source: this.#file,
        from: await this.#file.firstTime(),
        loop: this.#loop,
        send: (packet, time) => this.#send(packet, time),
      })
      this.#playback = playback
      await sleep(START_TIME)
      while (!this.rtc.closed && !playback.ended) {
        if (this.#keyframeRequested) {
          this.#keyframeRequested = false
          await playback.requestKeyframe(performance.now(), this.#roundTripTime)
        }
        await playback.fill(performance.now())
        if (this.rtc.closed) break
        this.#drive.tell(this.rtc)
        const now = performance.now()
        const at = playback.advance(now)
        this.#drive.changed(this.rtc)
        await sleep(Math.min(at - now, LONGEST_SLEEP))
      }
    } finally {
      this.#file.close()
    }
    await sleep(END_TIME)
    this.#hangUp()
  }

  /** Milliseconds. */
  get #roundTripTime(): number {
    const seconds = this.rtc.statistics.selectedCandidatePair?.currentRoundTripTime
    return seconds === undefined ? DEFAULT_ROUND_TRIP : 1000 * seconds
  }

  #hangUp(): void {
    if (this.rtc.closed) return
    this.rtc.close()
    this.#drive.changed(this.rtc)
  }

  #send({ kind, data, keyframe }: MediaPacket, seconds: number): void {
    const writer = kind === 'audio' ? this.#audio : this.#video
    if (writer === undefined) return
    const { clockRate } = writer.codec
    const time = { value: Math.round(seconds * clockRate), clockRate }
    try {
      if (!writer.write(time, data, kind === 'audio' ? {} : { keyframe })) this.#refused++
    } catch (error) {
      // a frame that is none, such as sound larger than a datagram: the file's fault, and the others can be sent
      if (!(error instanceof UsageError) || error.code !== 'invalid-frame') throw error
      this.#refused++
    }
  }
}

/** The payload type of the file's codec that fits best: of H.264 that in fragments, of the file's profile if there is one. */
function bestCodec(media: Media, video: PlayableVideo): Codec | undefined {
  const all = media.codecs.filter(({ name }) => name === video.name)
  if (video.name === 'VP9') {
    const profile = String(Number(video.codecString.split('.')[1] ?? 0))
    return all.find(({ parameters }) => (parameters.get('profile-id') ?? '0') === profile)
  }
  if (video.name !== 'H264') return all[0]
  const fragments = all.filter(({ parameters }) => parameters.get('packetization-mode') === '1')
  const profile = /^avc1\.(..)/.exec(video.codecString)?.[1]?.toLowerCase()
  const same = fragments.find(({ parameters }) =>
    parameters
      .get('profile-level-id')
      ?.toLowerCase()
      .startsWith(profile ?? ''),
  )
  return same ?? fragments[0]
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, Math.ceil(milliseconds)))
  })
}
