import {
  ALL_LAYERS,
  checkLayer,
  type DescriptorRewriter,
  type PacketPlace,
  unwrapBits,
} from './descriptor-rewriter.ts'

/** How many pictures back a late packet still finds its own: half of what seven bits can tell apart. A power of two. */
const PICTURES = 64
/** A picture of a layer that is left out, or of before the switch. */
const DROPPED = -1
/** Set on the offset of a picture of which a packet went out; the others' places are only kept. */
const SENT = 0x8000
const PICTURE_CYCLE = 0x8000

/** The VP8 payload descriptor, RFC 7741 section 4.2: where its fields are, from its start; 0 where one is not there. */
class Vp8Fields {
  /** S and a partition index of 0. */
  startsPicture = false
  pictureIdAt = 0
  pictureIdBits: 7 | 15 = 7
  pictureId = 0
  tl0At = 0
  layersAt = 0
  hasTemporalLayer = false
  hasKeyIndex = false
  temporalLayer = 0
  layerSync = false
  keyframe = false

  /** False where it is cut short. */
  parse(bytes: Uint8Array, start: number, end: number): boolean {
    if (start >= end) return false
    const first = bytes[start]!
    this.startsPicture = (first & 0x17) === 0x10
    this.pictureIdAt = this.tl0At = this.layersAt = 0
    this.hasTemporalLayer = this.hasKeyIndex = this.layerSync = false
    this.temporalLayer = 0
    let at = start + 1
    if ((first & 0x80) !== 0) {
      if (at >= end) return false
      const present = bytes[at++]!
      if ((present & 0x80) !== 0) {
        if (at + 1 >= end) return false
        const id = bytes[at]!
        this.pictureIdAt = at - start
        this.pictureIdBits = (id & 0x80) === 0 ? 7 : 15
        this.pictureId = this.pictureIdBits === 7 ? id : ((id & 0x7f) << 8) | bytes[at + 1]!
        at += this.pictureIdBits === 7 ? 1 : 2
      }
      if ((present & 0x40) !== 0) this.tl0At = at++ - start
      if ((present & 0x30) !== 0) {
        if (at >= end) return false
        const layers = bytes[at]!
        this.layersAt = at++ - start
        this.hasTemporalLayer = (present & 0x20) !== 0
        this.hasKeyIndex = (present & 0x10) !== 0
        if (this.hasTemporalLayer) {
          this.temporalLayer = layers >> 6
          this.layerSync = (layers & 0x20) !== 0
        }
      }
    }
    if (at >= end) return false
    // RFC 7741 section 4.3: the inverse P bit
    this.keyframe = this.startsPicture && (bytes[at]! & 0x01) === 0
    return true
  }
}

/**
 * VP8, RFC 7741: picture ids without gaps over switches and over temporal layers that are left out, TL0PICIDX and KEYIDX going on over
 * switches. A source whose picture ids have seven bits keeps them so.
 */
export class Vp8DescriptorRewriter implements DescriptorRewriter {
  #maxTemporalLayer: number = ALL_LAYERS
  #maxSpatialLayer: number = ALL_LAYERS
  readonly #fields = new Vp8Fields()
  /** The highest temporal layer that goes out now. */
  #temporalLayer: number = ALL_LAYERS
  #hasPictureIds = false
  /** The newest picture of the source, unwrapped; what is subtracted from the next. */
  #highest = 0
  #offset = 0
  /** For each of the newest pictures what is subtracted from it, or `DROPPED`. */
  readonly #pictures = new Int32Array(PICTURES)
  #pictureId = 0
  #nextPictureId: number | undefined
  #newestTl0: number | undefined
  #tl0Delta = 0
  #newestKeyIndex: number | undefined
  #keyIndexDelta = 0

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
    if (!this.#takePicture()) return false
    if (fields.tl0At > 0) {
      const index = (bytes[start + fields.tl0At]! + this.#tl0Delta) & 0xff
      if (this.#newestTl0 === undefined || ((index - this.#newestTl0) << 24) >> 24 > 0)
        this.#newestTl0 = index
    }
    if (fields.hasKeyIndex) {
      const index = (bytes[start + fields.layersAt]! + this.#keyIndexDelta) & 0x1f
      if (this.#newestKeyIndex === undefined || ((index - this.#newestKeyIndex) << 27) >> 27 > 0) {
        this.#newestKeyIndex = index
      }
    }
    return true
  }

  write(out: Uint8Array, start: number): void {
    const { pictureIdAt, pictureIdBits, tl0At, layersAt, hasKeyIndex } = this.#fields
    if (pictureIdAt > 0) {
      const at = start + pictureIdAt
      const id = this.#pictureId
      if (pictureIdBits === 7) out[at] = id & 0x7f
      else {
        out[at] = 0x80 | (id >> 8)
        out[at + 1] = id
      }
    }
    if (tl0At > 0) out[start + tl0At] = out[start + tl0At]! + this.#tl0Delta
    if (hasKeyIndex) {
      const layers = out[start + layersAt]!
      out[start + layersAt] = (layers & 0xe0) | ((layers + this.#keyIndexDelta) & 0x1f)
    }
  }

  marker(marker: boolean): boolean {
    return marker
  }

  #join(bytes: Uint8Array, start: number): void {
    const { pictureIdAt, pictureId, tl0At, layersAt, hasKeyIndex } = this.#fields
    this.#temporalLayer = this.#maxTemporalLayer
    this.#pictures.fill(DROPPED)
    if (this.#hasPictureIds) this.#nextPictureId = (this.#highest - this.#offset + 1) & 0x7fff
    this.#hasPictureIds = pictureIdAt > 0
    if (this.#hasPictureIds) {
      this.#highest = pictureId + PICTURE_CYCLE - 1
      this.#offset = (pictureId - (this.#nextPictureId ?? pictureId)) & 0x7fff
    }
    if (tl0At > 0 && this.#newestTl0 !== undefined) {
      this.#tl0Delta = (this.#newestTl0 + 1 - bytes[start + tl0At]!) & 0xff
    }
    if (hasKeyIndex && this.#newestKeyIndex !== undefined) {
      this.#keyIndexDelta = (this.#newestKeyIndex + 1 - bytes[start + layersAt]!) & 0x1f
    }
  }

  /** The source started its picture ids over. */
  #isFarBehind(): boolean {
    const { pictureIdAt, pictureId, pictureIdBits } = this.#fields
    if (pictureIdAt === 0 || !this.#hasPictureIds) return false
    return unwrapBits(pictureId, this.#highest, pictureIdBits) <= this.#highest - PICTURES
  }

  /** Decides on each picture once, with the first of its packets that comes. */
  #takePicture(): boolean {
    const fields = this.#fields
    if (fields.pictureIdAt === 0 || !this.#hasPictureIds) {
      if (fields.startsPicture) this.#updateTemporalLayer()
      return fields.temporalLayer <= this.#temporalLayer
    }
    const picture = unwrapBits(fields.pictureId, this.#highest, fields.pictureIdBits)
    if (picture <= this.#highest - PICTURES) return false
    const isNew = picture > this.#highest
    if (isNew) {
      for (let p = Math.max(this.#highest + 1, picture - PICTURES + 1); p <= picture; p++) {
        this.#pictures[p & (PICTURES - 1)] = this.#offset
      }
      this.#highest = picture
      this.#updateTemporalLayer()
    }
    const index = picture & (PICTURES - 1)
    const place = this.#pictures[index]!
    if (place === DROPPED) return false
    if ((place & SENT) === 0) {
      if (fields.temporalLayer > this.#temporalLayer) {
        this.#pictures[index] = DROPPED
        // later ones close up, unless they have gone already
        if (isNew) this.#offset = (this.#offset + 1) & 0x7fff
        return false
      }
      this.#pictures[index] = place | SENT
    }
    this.#pictureId = (picture - (place & 0x7fff)) & 0x7fff
    return true
  }

  /**
   * Down at any picture; up to all at a keyframe, or by one at a picture that depends on the base layer alone (Y, RFC 7741 section 4.2): those
   * of the layers between may depend on what was left out.
   */
  #updateTemporalLayer(): void {
    const { keyframe, layerSync, temporalLayer } = this.#fields
    const wanted = this.#maxTemporalLayer
    if (wanted <= this.#temporalLayer || keyframe) this.#temporalLayer = wanted
    else if (layerSync && temporalLayer === this.#temporalLayer + 1) this.#temporalLayer = temporalLayer
  }
}
