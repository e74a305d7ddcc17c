import { UsageError, type Mid, type Pt, type Ssrc } from '@str0m/sans-io'
import { ExtensionIds } from '@str0m/rtp'
import type { Direction, MediaSection } from '@str0m/sdp'
import { type Codec, codecsOf } from './codec.ts'

/** One media section of the session: audio or video, one way or both. Made by `Rtc`; lives until the peer is closed. */
export class Media {
  readonly mid: Mid
  readonly kind: 'audio' | 'video'
  /** Its place among the sections of the description. */
  readonly index: number
  readonly #keyframeRequests: KeyframeRequest[]
  #direction: Direction = 'inactive'
  #stopped = false
  #codecs: readonly Codec[] = []
  readonly #codecByPt: (Codec | undefined)[] = []
  #extensionIds = new ExtensionIds()
  #remoteSsrcs: ReadonlySet<Ssrc> = new Set()
  #requestKeyframes = false

  constructor(mid: Mid, kind: 'audio' | 'video', index: number, keyframeRequests: KeyframeRequest[]) {
    this.mid = mid
    this.kind = kind
    this.index = index
    this.#keyframeRequests = keyframeRequests
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
    this.#keyframeRequests.push({ media: this, kind, ssrc })
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
    this.#requestKeyframes = this.#codecs.some(({ feedback }) => feedback.includes('nack pli'))
  }

  /** Ends it. For `Rtc` alone. */
  stop(): void {
    this.#stopped = true
    this.#direction = 'inactive'
  }
}

/** A wish of the user's, until the next poll. */
export interface KeyframeRequest {
  readonly media: Media
  readonly kind: 'pli' | 'fir'
  readonly ssrc: Ssrc | undefined
}
