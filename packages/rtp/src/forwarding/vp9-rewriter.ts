import {
  ALL_LAYERS,
  checkLayer,
  type DescriptorRewriter,
  type PacketPlace,
  unwrapBits,
} from './descriptor-rewriter.ts'

/** How many pictures back a late packet still finds its own. A power of two. */
const PICTURES = 64
const PICTURE_CYCLE = 0x8000
/** The layers of a picture of before the switch. */
const NONE = -1

/** The VP9 payload descriptor, RFC 9628 section 4.2: where its fields are, from its start; 0 where one is not there. */
class Vp9Fields {
  interPicturePredicted = false
  startOfFrame = false
  endOfFrame = false
  pictureIdAt = 0
  pictureIdBits: 7 | 15 = 7
  pictureId = 0
  tl0At = 0
  temporalLayer = 0
  spatialLayer = 0
  switchingUpPoint = false

  /** False where it is cut short. */
  parse(bytes: Uint8Array, start: number, end: number): boolean {
    if (start >= end) return false
    const first = bytes[start]!
    this.interPicturePredicted = (first & 0x40) !== 0
    this.startOfFrame = (first & 0x08) !== 0
    this.endOfFrame = (first & 0x04) !== 0
    this.pictureIdAt = this.tl0At = this.temporalLayer = this.spatialLayer = 0
    this.switchingUpPoint = false
    let at = start + 1
    if ((first & 0x80) !== 0) {
      if (at + 1 >= end) return false
      const id = bytes[at]!
      this.pictureIdAt = at - start
      this.pictureIdBits = (id & 0x80) === 0 ? 7 : 15
      this.pictureId = this.pictureIdBits === 7 ? id : ((id & 0x7f) << 8) | bytes[at + 1]!
      at += this.pictureIdBits === 7 ? 1 : 2
    }
    if ((first & 0x20) !== 0) {
      if (at >= end) return false
      const layers = bytes[at++]!
      this.temporalLayer = layers >> 5
      this.switchingUpPoint = (layers & 0x10) !== 0
      this.spatialLayer = (layers >> 1) & 0x07
      // not in flexible mode
      if ((first & 0x10) === 0) this.tl0At = at++ - start
    }
    return at < end
  }

  /** The first packet of a picture that refers to none before it. */
  get startsKeyframe(): boolean {
    return this.startOfFrame && this.spatialLayer === 0 && !this.interPicturePredicted
  }
}

/**
 * VP9, RFC 9628: picture ids and TL0PICIDX go on over switches. Pictures that are left out leave a gap in the picture ids, since others are
 * referred to by their distance (P_DIFF, or the picture group). Leaves out temporal and spatial layers.
 */
export class Vp9DescriptorRewriter implements DescriptorRewriter {
  #maxTemporalLayer: number = ALL_LAYERS
  #maxSpatialLayer: number = ALL_LAYERS
  readonly #fields = new Vp9Fields()
  #temporalLayer: number = ALL_LAYERS
  #spatialLayer: number = ALL_LAYERS
  #hasPictureIds = false
  #highest = 0
  #pictureIdDelta = 0
  #newestPictureId: number | undefined
  #newestTl0: number | undefined
  #tl0Delta = 0
  /** For each of the newest pictures, the layers that go out: 8 times the temporal and the spatial one, or `NONE`. */
  readonly #layers = new Int8Array(PICTURES)
  /** The highest spatial layer of the picture of the packet last taken. */
  #lastSpatialLayer: number = ALL_LAYERS

  get maxTemporalLayer(): number {
    return this.#maxTemporalLayer
  }

  set maxTemporalLayer(layer: number) {
    this.#maxTemporalLayer = checkLayer(layer)
  }

  get maxSpatialLayer(): number {
    return this.#maxSpatialLayer
  }

  set maxSpatialLayer(layer: number) {
    this.#maxSpatialLayer = checkLayer(layer)
  }

  take(bytes: Uint8Array, start: number, end: number, place: PacketPlace): boolean {
    const fields = this.#fields
    if (!fields.parse(bytes, start, end)) return false
    if (place === 'joining' || (place === 'newest' && this.#isFarBehind())) this.#join(bytes, start)
    const layers = this.#layersOfPicture()
    if (layers === NONE || fields.temporalLayer > layers >> 3 || fields.spatialLayer > (layers & 7))
      return false
    this.#lastSpatialLayer = layers & 7
    if (fields.pictureIdAt > 0) {
      const id = (fields.pictureId + this.#pictureIdDelta) & 0x7fff
      if (this.#newestPictureId === undefined || ((id - this.#newestPictureId) << 17) >> 17 > 0) {
        this.#newestPictureId = id
      }
    }
    if (fields.tl0At > 0) {
      const index = (bytes[start + fields.tl0At]! + this.#tl0Delta) & 0xff
      if (this.#newestTl0 === undefined || ((index - this.#newestTl0) << 24) >> 24 > 0)
        this.#newestTl0 = index
    }
    return true
  }

  write(out: Uint8Array, start: number): void {
    const { pictureIdAt, pictureIdBits, pictureId, tl0At } = this.#fields
    if (pictureIdAt > 0) {
      const at = start + pictureIdAt
      const id = pictureId + this.#pictureIdDelta
      if (pictureIdBits === 7) out[at] = id & 0x7f
      else {
        out[at] = 0x80 | ((id >> 8) & 0x7f)
        out[at + 1] = id
      }
    }
    if (tl0At > 0) out[start + tl0At] = out[start + tl0At]! + this.#tl0Delta
  }

  marker(marker: boolean): boolean {
    const { endOfFrame, spatialLayer } = this.#fields
    return marker || (endOfFrame && spatialLayer === this.#lastSpatialLayer)
  }

  #join(bytes: Uint8Array, start: number): void {
    const { pictureIdAt, pictureId, tl0At } = this.#fields
    this.#temporalLayer = this.#maxTemporalLayer
    this.#spatialLayer = this.#maxSpatialLayer
    this.#layers.fill(NONE)
    this.#hasPictureIds = pictureIdAt > 0
    if (this.#hasPictureIds) {
      this.#highest = pictureId + PICTURE_CYCLE - 1
      const next = this.#newestPictureId === undefined ? pictureId : this.#newestPictureId + 1
      this.#pictureIdDelta = (next - pictureId) & 0x7fff
    }
    if (tl0At > 0 && this.#newestTl0 !== undefined) {
      this.#tl0Delta = (this.#newestTl0 + 1 - bytes[start + tl0At]!) & 0xff
    }
  }

  /** The source started its picture ids over. */
  #isFarBehind(): boolean {
    const { pictureIdAt, pictureId, pictureIdBits } = this.#fields
    if (pictureIdAt === 0 || !this.#hasPictureIds) return false
    return unwrapBits(pictureId, this.#highest, pictureIdBits) <= this.#highest - PICTURES
  }

  #layersOfPicture(): number {
    const fields = this.#fields
    if (fields.pictureIdAt === 0 || !this.#hasPictureIds) {
      if (fields.startOfFrame) this.#updateLayers()
      return this.#temporalLayer * 8 + this.#spatialLayer
    }
    const picture = unwrapBits(fields.pictureId, this.#highest, fields.pictureIdBits)
    if (picture <= this.#highest - PICTURES) return NONE
    const index = picture & (PICTURES - 1)
    if (picture > this.#highest) {
      for (let p = Math.max(this.#highest + 1, picture - PICTURES + 1); p < picture; p++) {
        this.#layers[p & (PICTURES - 1)] = this.#temporalLayer * 8 + this.#spatialLayer
      }
      this.#highest = picture
      this.#updateLayers()
      this.#layers[index] = this.#temporalLayer * 8 + this.#spatialLayer
    } else if (picture === this.#highest && this.#raiseSpatialLayer()) {
      this.#layers[index] = this.#temporalLayer * 8 + this.#spatialLayer
    }
    return this.#layers[index]!
  }

  /** At a new picture: down always; up at a keyframe, and to more temporal layers at a switching up point (U, RFC 9628 section 4.2). */
  #updateLayers(): void {
    const { startsKeyframe, switchingUpPoint, temporalLayer } = this.#fields
    if (startsKeyframe) {
      this.#temporalLayer = this.#maxTemporalLayer
      this.#spatialLayer = this.#maxSpatialLayer
      return
    }
    this.#spatialLayer = Math.min(this.#spatialLayer, this.#maxSpatialLayer)
    const raises = switchingUpPoint && temporalLayer <= this.#temporalLayer
    if (raises || this.#maxTemporalLayer < this.#temporalLayer) this.#temporalLayer = this.#maxTemporalLayer
    this.#raiseSpatialLayer()
  }

  /** Up by one where the next spatial layer refers to nothing but the one below, in this picture. */
  #raiseSpatialLayer(): boolean {
    const { startOfFrame, interPicturePredicted, spatialLayer } = this.#fields
    const next = this.#spatialLayer + 1
    if (next > this.#maxSpatialLayer || spatialLayer !== next || !startOfFrame || interPicturePredicted)
      return false
    this.#spatialLayer = next
    return true
  }
}
