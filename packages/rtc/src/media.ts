import { UsageError, type Mid, type Pt, type Ssrc } from '@str0m/sans-io'
import { ExtensionIds } from '@str0m/rtp'
import { type Direction, type MediaSection, retransmittedPt } from '@str0m/sdp'
import { type Codec, codecsOf } from './codec.ts'
import type { MediaTime } from './events.ts'

/** One media section of the session: audio or video, one way or both. Made by `Rtc`; lives until the peer is closed. */
export class Media {
  readonly mid: Mid
  readonly kind: 'audio' | 'video'
  /** Its place among the sections of the description. */
  readonly index: number
  readonly #owner: MediaOwner
  #direction: Direction = 'inactive'
  #stopped = false
  #codecs: readonly Codec[] = []
  readonly #codecByPt: (Codec | undefined)[] = []
  #extensionIds = new ExtensionIds()
  #remoteSsrcs: ReadonlySet<Ssrc> = new Set()
  #requestKeyframes = false
  #localSsrc: Ssrc | undefined
  #localRtxSsrc: Ssrc | undefined
  /** The payload types of retransmissions by what they retransmit, and the other way. */
  #rtxOf: ReadonlyMap<Pt, Pt> = new Map()
  #originalOf: ReadonlyMap<Pt, Pt> = new Map()
  /** The peer's sources of retransmissions, and what they retransmit (`a=ssrc-group:FID`, RFC 5576). */
  #remoteRtxSsrcs: ReadonlyMap<Ssrc, Ssrc> = new Map()

  constructor(mid: Mid, kind: 'audio' | 'video', index: number, owner: MediaOwner) {
    this.mid = mid
    this.kind = kind
    this.index = index
    this.#owner = owner
  }

  /** As negotiated, seen from here. */
  get direction(): Direction {
    return this.#direction
  }

  /** Whether the section was rejected, or stopped by either side. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** The negotiated codecs, in the order of preference. */
  get codecs(): readonly Codec[] {
    return this.#codecs
  }

  /** The codec of a payload type. */
  codec(pt: Pt): Codec | undefined {
    return this.#codecByPt[pt]
  }

  /** The header extensions of its packets. */
  get extensionIds(): ExtensionIds {
    return this.#extensionIds
  }

  /** The sources that the peer's description names. */
  get remoteSsrcs(): ReadonlySet<Ssrc> {
    return this.#remoteSsrcs
  }

  /** Whether the peer understands picture loss indications. */
  get canRequestKeyframe(): boolean {
    return this.#requestKeyframes
  }

  /**
   * Asks the sender for a keyframe, by a picture loss indication (RFC 4585 section 6.3.1) or a full intra request (RFC 5104
   * section 4.3.1), on each of the section's streams, or on that of `ssrc`. Needed at most once a second: losses are
   * reported without it. Throws a `UsageError` (`no-keyframes`) for audio.
   */
  requestKeyframe(kind: 'pli' | 'fir' = 'pli', ssrc?: Ssrc): void {
    if (this.kind !== 'video') throw new UsageError('no-keyframes', 'Audio has no keyframes to be asked for')
    this.#owner.requestKeyframe(this, kind, ssrc)
  }

  /**
   * What frames of this payload type are sent with. Throws a `UsageError` (`unknown-payload-type`) for one that is not among
   * `codecs`.
   */
  writer(pt: Pt): Writer {
    const codec = this.#codecByPt[pt]
    if (codec === undefined) {
      throw new UsageError('unknown-payload-type', `Payload type ${pt} was not negotiated: see media.codecs`)
    }
    return new Writer(this, codec, this.#owner)
  }

  /** Our source in this section; `undefined` where we never sent. */
  get localSsrc(): Ssrc | undefined {
    return this.#localSsrc
  }

  /** Our source of retransmissions; `undefined` where there are none. */
  get localRtxSsrc(): Ssrc | undefined {
    return this.#localRtxSsrc
  }

  /** The payload type that retransmits `pt`. */
  rtxPt(pt: Pt): Pt | undefined {
    return this.#rtxOf.get(pt)
  }

  /** What the payload type of a retransmission retransmits. */
  originalPt(rtxPt: Pt): Pt | undefined {
    return this.#originalOf.get(rtxPt)
  }

  /** The source that the peer's source of retransmissions goes with, where its description says so. */
  originalSsrc(rtxSsrc: Ssrc): Ssrc | undefined {
    return this.#remoteRtxSsrcs.get(rtxSsrc)
  }

  /** Whether lost packets are asked for again. */
  get nack(): boolean {
    return this.#codecs.some(({ feedback }) => feedback.includes('nack'))
  }

  /** Takes what was negotiated: `local` is our section, `remote` the peer's. For `Rtc` alone. */
  negotiated(direction: Direction, local: MediaSection, remote: MediaSection): void {
    this.#direction = direction
    this.#stopped = false
    this.#codecs = codecsOf(local)
    this.#codecByPt.length = 0
    for (const codec of this.#codecs) this.#codecByPt[codec.pt] = codec
    this.#extensionIds = new ExtensionIds(local.extensions)
    this.#remoteSsrcs = new Set(remote.ssrcs.map(({ ssrc }) => ssrc))
    const [flow] = flowsOf(local)
    this.#localSsrc = flow?.[0] ?? local.ssrcs[0]?.ssrc
    this.#localRtxSsrc = flow?.[1]
    this.#remoteRtxSsrcs = new Map(flowsOf(remote).map(([original, rtx]) => [rtx, original]))
    const originals = new Map<Pt, Pt>()
    for (const format of local.payloads) {
      const original = retransmittedPt(format)
      if (original !== undefined) originals.set(format.pt, original)
    }
    this.#originalOf = originals
    this.#rtxOf = new Map(Array.from(originals, ([rtx, original]) => [original, rtx]))
    this.#requestKeyframes = this.#codecs.some(({ feedback }) => feedback.includes('nack pli'))
  }

  /** Ends it. For `Rtc` alone. */
  stop(): void {
    this.#stopped = true
    this.#direction = 'inactive'
  }
}

/** The flow identification groups of two: a source and its retransmissions, RFC 5576 section 4.2 and RFC 4588 section 8.8. */
function flowsOf({ ssrcGroups }: MediaSection): (readonly [Ssrc, Ssrc])[] {
  const flows: (readonly [Ssrc, Ssrc])[] = []
  for (const { semantics, ssrcs } of ssrcGroups) {
    const [original, rtx] = ssrcs
    if (semantics === 'FID' && original !== undefined && rtx !== undefined) flows.push([original, rtx])
  }
  return flows
}

/** What may be said of a frame beside its bytes. */
export interface WriteOptions {
  /** Whether decoding can start here. Needed for VP8 alone: the others' frames say it themselves. */
  readonly keyframe?: boolean
  /** Loudness in −dBov: 0 (loudest) to 127 (silence), RFC 6464. Sent where the peer takes it. */
  readonly audioLevel?: number
  readonly voiceActivity?: boolean
}

/** Sends the frames of one payload type. Made by `Media.writer`. */
export class Writer {
  readonly codec: Codec
  readonly #media: Media
  readonly #owner: MediaOwner

  constructor(media: Media, codec: Codec, owner: MediaOwner) {
    this.codec = codec
    this.#media = media
    this.#owner = owner
  }

  /**
   * Sends a whole encoded frame, as a decoder takes it (H.264 in the byte-stream format, AV1 as a temporal unit). `time` is when it is to
   * be played, on a clock of the stream's own that starts anywhere. False where it was not sent since the peer is not connected.
   * Throws a `UsageError`: `closed`, `not-sending` (the direction does not allow it), `invalid-frame` (malformed, or an audio frame
   * larger than a datagram).
   */
  write(time: MediaTime, data: Uint8Array, options: WriteOptions = {}): boolean {
    return this.#owner.write(this.#media, this.codec, time, data, options)
  }
}

/** What a section's handles call. Implemented by `Rtc`. */
export interface MediaOwner {
  requestKeyframe(media: Media, kind: 'pli' | 'fir', ssrc: Ssrc | undefined): void
  write(media: Media, codec: Codec, time: MediaTime, data: Uint8Array, options: WriteOptions): boolean
}
