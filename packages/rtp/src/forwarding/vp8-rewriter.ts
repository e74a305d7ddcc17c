import { Vp8Fields } from '../codecs/vp8-descriptor.ts'
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

/** A picture of a layer that is left out, or of before the switch. */
const DROPPED = -1
/** Set on the offset of a picture of which a packet went out; the others' places are only kept. */
const SENT = 0x8000
/** Where beside the offset the highest temporal layer is that went out when the picture was sent. */
const LAYER_SHIFT = 16

/**
 * VP8, RFC 7741: picture ids without gaps over switches and over temporal layers that are left out, TL0PICIDX and KEYIDX going on over
 * switches. A source whose picture ids have seven bits keeps them so.
 */
export class Vp8DescriptorRewriter extends WantedLayers implements DescriptorRewriter {
  /** One source has one spatial layer. */
  readonly missesLayer = false
  readonly #fields = new Vp8Fields()
  /** The highest temporal layer that goes out now. */
  #temporalLayer: number = ALL_LAYERS
  readonly #newest = new NewestPicture()
  /** What is subtracted from the id of the next picture. */
  #offset = 0
  /** For each of the newest pictures what is subtracted from it and what it was wanted by, or `DROPPED`. */
  readonly #pictures = new Int32Array(PICTURE_WINDOW)
  #pictureId = 0
  #nextPictureId: number | undefined
  readonly #tl0 = new ContinuousNumber(8)
  readonly #keyIndex = new ContinuousNumber(5)

  tellsLayers(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#fields.parse(bytes, start, end) && this.#fields.pictureIdAt > 0
  }

  take(bytes: Uint8Array, start: number, end: number, place: PacketPlace): boolean {
    const fields = this.#fields
    // a picture's bytes follow
    if (!fields.parse(bytes, start, end) || start + fields.length === end) return false
    if (place === 'joining' || this.#newest.startsOver(fields, place)) this.#join(bytes, start)
    // RFC 7741 section 4.3: the inverse P bit
    const keyframe = fields.startsPicture && (bytes[start + fields.length]! & 0x01) === 0
    if (!this.#takePicture(keyframe, place)) return false
    if (fields.tl0At > 0) this.#tl0.take(bytes[start + fields.tl0At]!, place)
    if (fields.hasKeyIndex) this.#keyIndex.take(bytes[start + fields.layersAt]!, place)
    return true
  }

  get length(): number {
    return this.#fields.length
  }

  write(out: Uint8Array, start: number): void {
    const { pictureIdAt, tl0At, layersAt, hasKeyIndex } = this.#fields
    if (pictureIdAt > 0) writePictureId(out, start, this.#fields, this.#pictureId)
    if (tl0At > 0) out[start + tl0At] = this.#tl0.map(out[start + tl0At]!)
    if (hasKeyIndex) {
      const layers = out[start + layersAt]!
      out[start + layersAt] = (layers & 0xe0) | this.#keyIndex.map(layers)
    }
  }

  marker(marker: boolean): boolean {
    return marker
  }

  #join(bytes: Uint8Array, start: number): void {
    const fields = this.#fields
    const newest = this.#newest
    this.#temporalLayer = this.maxTemporalLayer
    this.#pictures.fill(DROPPED)
    if (newest.isNumbered) this.#nextPictureId = (newest.number - this.#offset + 1) & 0x7fff
    newest.join(fields)
    if (newest.isNumbered) {
      this.#offset = (fields.pictureId - (this.#nextPictureId ?? fields.pictureId)) & 0x7fff
    }
    if (fields.tl0At > 0) this.#tl0.join(bytes[start + fields.tl0At]!)
    if (fields.hasKeyIndex) this.#keyIndex.join(bytes[start + fields.layersAt]!)
  }

  /** Of a picture that is sent now. */
  get #place(): number {
    return this.#offset | (this.#temporalLayer << LAYER_SHIFT)
  }

  /** Decides on each picture once, with the first of its packets that comes. */
  #takePicture(keyframe: boolean, place: PacketPlace): boolean {
    const fields = this.#fields
    const newest = this.#newest
    if (fields.pictureIdAt === 0 || !newest.isNumbered) {
      if (fields.startsPicture) this.#updateTemporalLayer(keyframe)
      return fields.temporalLayer <= this.#temporalLayer
    }
    const picture = newest.unwrap(fields, place)
    if (picture <= newest.number - PICTURE_WINDOW) return false
    const isNew = picture > newest.number
    if (isNew) {
      for (let p = Math.max(newest.number + 1, picture - PICTURE_WINDOW + 1); p <= picture; p++) {
        this.#pictures[p & (PICTURE_WINDOW - 1)] = this.#place
      }
      newest.number = picture
      this.#updateTemporalLayer(keyframe)
      this.#pictures[picture & (PICTURE_WINDOW - 1)] = this.#place
    }
    const index = picture & (PICTURE_WINDOW - 1)
    const known = this.#pictures[index]!
    if (known === DROPPED) return false
    if ((known & SENT) === 0) {
      // wanted when it was sent, and now
      if (fields.temporalLayer > Math.min(known >> LAYER_SHIFT, this.#temporalLayer)) {
        this.#pictures[index] = DROPPED
        // later ones close up, unless they have gone already
        if (isNew) this.#offset = (this.#offset + 1) & 0x7fff
        return false
      }
      this.#pictures[index] = known | SENT
    }
    this.#pictureId = (picture - (known & 0x7fff)) & 0x7fff
    return true
  }

  /**
   * Down at any picture; up to all at a keyframe, or by one at a picture that depends on the base layer alone (Y, RFC 7741 section 4.2): those
   * of the layers between may depend on what was left out.
   */
  #updateTemporalLayer(keyframe: boolean): void {
    const { layerSync, temporalLayer } = this.#fields
    const wanted = this.maxTemporalLayer
    if (wanted <= this.#temporalLayer || keyframe) this.#temporalLayer = wanted
    else if (layerSync && temporalLayer === this.#temporalLayer + 1) this.#temporalLayer = temporalLayer
  }
}
