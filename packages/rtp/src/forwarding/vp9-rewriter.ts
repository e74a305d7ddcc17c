import { writePictureId } from '../codecs/picture-id.ts'
import { Vp9Fields } from '../codecs/vp9-descriptor.ts'
import { ContinuousNumber } from './continuous-number.ts'
import type { DescriptorRewriter, PacketPlace } from './descriptor-rewriter.ts'
import { ALL_LAYERS, isWithin, LayerLimits } from './layer-limits.ts'
import { PictureWindow } from './picture-window.ts'
import { CLOSED } from './source-window.ts'

/**
 * VP9, RFC 9628: picture ids and TL0PICIDX go on over switches. Pictures that are left out leave a gap in the picture ids, since others are
 * referred to by their distance (P_DIFF, or the picture group). Leaves out temporal and spatial layers.
 */
export class Vp9DescriptorRewriter extends LayerLimits implements DescriptorRewriter {
  readonly #fields = new Vp9Fields()
  /** Of each of the newest pictures: the layers that go out. */
  readonly #pictures = new PictureWindow()
  readonly #pictureIds = new ContinuousNumber(15)
  readonly #tl0 = new ContinuousNumber(8)
  /** The highest spatial layer of the picture of the packet last taken. */
  #lastSpatialLayer: number = ALL_LAYERS
  /** Whether the packet last taken is of the newest picture. */
  #isOfNewest = false
  /** Whether a packet of the newest picture has gone out with the marker: then no layer may follow. */
  #isMarked = false
  /** The spatial layers of which something came, a bit for each: in the newest picture, and in the one before. */
  #seen = 0
  #seenBefore = 0

  tellsLayers(): boolean {
    return true
  }

  take(bytes: Uint8Array, start: number, end: number, place: PacketPlace): boolean {
    const fields = this.#fields
    // references or a picture's bytes follow
    if (!fields.parse(bytes, start, end) || start + fields.length === end) return false
    if (place === 'joining' || this.#pictures.isRestarted(fields, place)) this.#join(bytes, start)
    const limit = this.#limitOfPicture(place)
    if (this.#isOfNewest) this.#seen |= 1 << fields.spatialLayer
    this.noteSpatialLayer(fields.spatialLayer)
    if (limit === CLOSED || !isWithin(limit, fields.temporalLayer, fields.spatialLayer)) return false
    this.#lastSpatialLayer = limit & 7
    // ids of seven bits wrap before the number does
    if (fields.pictureIdAt > 0) this.#pictureIds.take(this.#pictures.numberOf(fields, place), place)
    if (fields.tl0At > 0) this.#tl0.take(bytes[start + fields.tl0At]!, place)
    return true
  }

  get length(): number {
    return this.#fields.length
  }

  write(out: Uint8Array, start: number): void {
    const { pictureIdAt, pictureId, tl0At } = this.#fields
    if (pictureIdAt > 0) writePictureId(out, start, this.#fields, this.#pictureIds.map(pictureId))
    if (tl0At > 0) out[start + tl0At] = this.#tl0.map(out[start + tl0At]!)
  }

  marker(marker: boolean): boolean {
    const { endOfFrame, spatialLayer } = this.#fields
    const marks = marker || (endOfFrame && spatialLayer === this.#lastSpatialLayer && !this.#mayRise())
    if (marks && this.#isOfNewest) this.#isMarked = true
    return marks
  }

  /**
   * Whether the next spatial layer may be raised to within this picture: one that starts, or starts again, refers to no earlier picture. One that was in the
   * picture before goes on from there.
   */
  #mayRise(): boolean {
    const next = this.spatialLayer + 1
    if (!this.#isOfNewest || next > this.maxSpatialLayer || this.#fields.isNoReferenceForUpperLayers)
      return false
    return (this.#seenBefore & (1 << next)) === 0
  }

  #join(bytes: Uint8Array, start: number): void {
    const { pictureIdAt, pictureId, tl0At } = this.#fields
    this.takeAllWanted()
    this.#seen = 0
    this.#pictures.start(this.#fields)
    if (pictureIdAt > 0) this.#pictureIds.join(pictureId)
    if (tl0At > 0) this.#tl0.join(bytes[start + tl0At]!)
  }

  /** The layers that go out of the packet's picture, or `CLOSED`. */
  #limitOfPicture(place: PacketPlace): number {
    const { pictureIdAt, startOfFrame, spatialLayer } = this.#fields
    const pictures = this.#pictures
    if (pictureIdAt === 0 || !pictures.isNumbered) {
      this.#isOfNewest = true
      if (startOfFrame) {
        if (spatialLayer === 0) this.#startPicture()
        this.#updateLayers()
      }
      return this.limit
    }
    const picture = pictures.numberOf(this.#fields, place)
    this.#isOfNewest = picture >= pictures.newest
    if (!pictures.reaches(picture)) return CLOSED
    if (picture > pictures.newest) {
      pictures.advance(picture, this.limit)
      this.#startPicture()
      this.#updateLayers()
      pictures.setNote(picture, this.limit)
    } else if (picture === pictures.newest && this.#isEntry()) {
      this.raiseSpatialLayer()
      pictures.setNote(picture, this.limit)
    }
    return pictures.note(picture)
  }

  #startPicture(): void {
    this.#isMarked = false
    this.#seenBefore = this.#seen
    this.#seen = 0
  }

  /** At a new picture: down always; up at a keyframe, and to more temporal layers at a switching up point (U, RFC 9628 section 4.2). */
  #updateLayers(): void {
    const { startsKeyframe, switchingUpPoint, temporalLayer } = this.#fields
    if (startsKeyframe) {
      this.takeAllWanted()
      return
    }
    this.spatialLayer = Math.min(this.spatialLayer, this.maxSpatialLayer)
    const raises = switchingUpPoint && temporalLayer <= this.temporalLayer
    if (raises || this.maxTemporalLayer < this.temporalLayer) this.temporalLayer = this.maxTemporalLayer
    if (this.#isEntry()) this.raiseSpatialLayer()
  }

  /**
   * Whether the packet starts the next spatial layer, which refers to nothing but the one below, in this picture; not where that has gone out as the picture's last: RFC 9628
   * section 4.1.
   */
  #isEntry(): boolean {
    const { startOfFrame, interPicturePredicted, spatialLayer } = this.#fields
    const next = this.spatialLayer + 1
    if (next > this.maxSpatialLayer || spatialLayer !== next) return false
    return startOfFrame && !interPicturePredicted && !this.#isMarked
  }
}
