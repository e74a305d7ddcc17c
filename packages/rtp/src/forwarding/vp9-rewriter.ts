import { Vp9Fields } from '../codecs/vp9-descriptor.ts'
import {
  ALL_LAYERS,
  ContinuousNumber,
  type DescriptorRewriter,
  NewestPicture,
  type PacketPlace,
  PICTURE_WINDOW,
  WantedLayers,
  writePictureId,
} from './descriptor-rewriter.ts'

/** The layers of a picture of before the switch. */
const NONE = -1

/**
 * VP9, RFC 9628: picture ids and TL0PICIDX go on over switches. Pictures that are left out leave a gap in the picture ids, since others are
 * referred to by their distance (P_DIFF, or the picture group). Leaves out temporal and spatial layers.
 */
export class Vp9DescriptorRewriter extends WantedLayers implements DescriptorRewriter {
  readonly #fields = new Vp9Fields()
  #temporalLayer: number = ALL_LAYERS
  #spatialLayer: number = ALL_LAYERS
  readonly #newest = new NewestPicture()
  readonly #pictureIds = new ContinuousNumber(15)
  readonly #tl0 = new ContinuousNumber(8)
  /** For each of the newest pictures, the layers that go out: 8 times the temporal and the spatial one, or `NONE`. */
  readonly #layers = new Int8Array(PICTURE_WINDOW)
  /** The highest spatial layer of the picture of the packet last taken. */
  #lastSpatialLayer: number = ALL_LAYERS
  #missesLayer = false
  /** Whether the packet last taken is of the newest picture. */
  #isOfNewest = false
  /** Whether a packet of the newest picture has gone out with the marker: then no layer may follow. */
  #isMarked = false
  /** The spatial layers of which something came, a bit for each: in the newest picture, and in the one before. */
  #seen = 0
  #seenBefore = 0

  get missesLayer(): boolean {
    return this.#missesLayer && this.maxSpatialLayer > this.#spatialLayer
  }

  tellsLayers(): boolean {
    return true
  }

  take(bytes: Uint8Array, start: number, end: number, place: PacketPlace): boolean {
    const fields = this.#fields
    // references or a picture's bytes follow
    if (!fields.parse(bytes, start, end) || start + fields.length === end) return false
    if (place === 'joining' || this.#newest.startsOver(fields, place)) this.#join(bytes, start)
    const layers = this.#layersOfPicture(place)
    if (this.#isOfNewest) this.#seen |= 1 << fields.spatialLayer
    if (fields.spatialLayer > this.#spatialLayer && fields.spatialLayer <= this.maxSpatialLayer) {
      this.#missesLayer = true
    }
    if (layers === NONE || fields.temporalLayer > layers >> 3 || fields.spatialLayer > (layers & 7))
      return false
    this.#lastSpatialLayer = layers & 7
    // ids of seven bits wrap before the number does
    if (fields.pictureIdAt > 0) this.#pictureIds.take(this.#newest.unwrap(fields, place), place)
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
    const next = this.#spatialLayer + 1
    if (!this.#isOfNewest || next > this.maxSpatialLayer || this.#fields.isNoReferenceForUpperLayers)
      return false
    return (this.#seenBefore & (1 << next)) === 0
  }

  #join(bytes: Uint8Array, start: number): void {
    const { pictureIdAt, pictureId, tl0At } = this.#fields
    this.#temporalLayer = this.maxTemporalLayer
    this.#spatialLayer = this.maxSpatialLayer
    this.#missesLayer = false
    this.#seen = 0
    this.#layers.fill(NONE)
    this.#newest.join(this.#fields)
    if (pictureIdAt > 0) this.#pictureIds.join(pictureId)
    if (tl0At > 0) this.#tl0.join(bytes[start + tl0At]!)
  }

  #layersOfPicture(place: PacketPlace): number {
    const fields = this.#fields
    const newest = this.#newest
    if (fields.pictureIdAt === 0 || !newest.isNumbered) {
      this.#isOfNewest = true
      if (fields.startOfFrame) {
        if (fields.spatialLayer === 0) this.#startPicture()
        this.#updateLayers()
      }
      return this.#temporalLayer * 8 + this.#spatialLayer
    }
    const picture = newest.unwrap(fields, place)
    this.#isOfNewest = picture >= newest.number
    if (picture <= newest.number - PICTURE_WINDOW) return NONE
    const index = picture & (PICTURE_WINDOW - 1)
    if (picture > newest.number) {
      for (let p = Math.max(newest.number + 1, picture - PICTURE_WINDOW + 1); p < picture; p++) {
        this.#layers[p & (PICTURE_WINDOW - 1)] = this.#temporalLayer * 8 + this.#spatialLayer
      }
      newest.number = picture
      this.#startPicture()
      this.#updateLayers()
      this.#layers[index] = this.#temporalLayer * 8 + this.#spatialLayer
    } else if (picture === newest.number && this.#raiseSpatialLayer()) {
      this.#layers[index] = this.#temporalLayer * 8 + this.#spatialLayer
    }
    return this.#layers[index]!
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
      this.#temporalLayer = this.maxTemporalLayer
      this.#spatialLayer = this.maxSpatialLayer
      this.#missesLayer = false
      return
    }
    this.#spatialLayer = Math.min(this.#spatialLayer, this.maxSpatialLayer)
    const raises = switchingUpPoint && temporalLayer <= this.#temporalLayer
    if (raises || this.maxTemporalLayer < this.#temporalLayer) this.#temporalLayer = this.maxTemporalLayer
    this.#raiseSpatialLayer()
  }

  /**
   * Up by one where the next spatial layer refers to nothing but the one below, in this picture; not where that has gone out as the picture's last: RFC 9628
   * section 4.1.
   */
  #raiseSpatialLayer(): boolean {
    const { startOfFrame, interPicturePredicted, spatialLayer } = this.#fields
    const next = this.#spatialLayer + 1
    if (next > this.maxSpatialLayer || spatialLayer !== next || !startOfFrame || interPicturePredicted)
      return false
    if (this.#isMarked) return false
    this.#spatialLayer = next
    this.#missesLayer = false
    return true
  }
}
