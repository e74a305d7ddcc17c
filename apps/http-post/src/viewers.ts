import { isSameCodec, type Media, type MediaData, type Rtc } from '@str0m/rtc'
import type { Mid, Rid } from '@str0m/sans-io'

/** Of which frames a viewer has one kind. */
interface Source {
  readonly mid: Mid
  /** Of several encodings, one. */
  readonly rid: Rid | undefined
}

interface Viewer {
  readonly publisher: Rtc
  /** What is shown, by its kind: of each the first that can be. */
  readonly shown: Map<'audio' | 'video', Source>
}

/** Who watches whom (WHEP), and the frames' way from the one to the others. Of simulcast, a viewer gets the encoding that comes first: `apps/sfu` chooses. */
export class Viewers {
  readonly #viewers = new Map<Rtc, Viewer>()

  add(rtc: Rtc, publisher: Rtc): void {
    this.#viewers.set(rtc, { publisher, shown: new Map() })
  }

  has(rtc: Rtc): boolean {
    return this.#viewers.has(rtc)
  }

  /** Those who watch a peer. */
  of(publisher: Rtc): Rtc[] {
    return Array.from(this.#viewers).flatMap(([rtc, viewer]) => (viewer.publisher === publisher ? [rtc] : []))
  }

  /** Forgets a viewer. */
  remove(rtc: Rtc): void {
    this.#viewers.delete(rtc)
  }

  /**
   * Sends a frame to one who watches its sender. False where it is not shown, or cannot be yet: what is shown begins with a keyframe. Throws a `UsageError` where
   * it does not fit.
   */
  write(rtc: Rtc, frame: MediaData): boolean {
    const viewer = this.#viewers.get(rtc)
    const { kind } = frame.codec
    const media = rtc.medias.find((each) => each.kind === kind && each.direction === 'sendonly')
    const codec = media?.codecs.find((each) => isSameCodec(each, frame.codec))
    if (viewer === undefined || media === undefined || codec === undefined) return false
    const source = viewer.shown.get(kind)
    if (source !== undefined && (source.mid !== frame.mid || source.rid !== frame.rid)) return false
    if (source === undefined && kind === 'video' && !frame.keyframe) return false
    const written = media.writer(codec.pt).write(frame.time, frame.data, { keyframe: frame.keyframe })
    if (written) viewer.shown.set(kind, { mid: frame.mid, rid: frame.rid })
    return written
  }

  /** Whether a viewer waits for a keyframe of a section. */
  waits(rtc: Rtc, { kind }: Media): boolean {
    return kind === 'video' && this.#viewers.get(rtc)?.shown.has('video') === false
  }

  /** Where a viewer's picture comes from; `undefined`: from nowhere yet. */
  pictureOf(rtc: Rtc): Media | undefined {
    const viewer = this.#viewers.get(rtc)
    const mid = viewer?.shown.get('video')?.mid
    return mid === undefined ? undefined : viewer?.publisher.media(mid)
  }

  publisherOf(rtc: Rtc): Rtc | undefined {
    return this.#viewers.get(rtc)?.publisher
  }
}
