import { writePictureId } from '../codecs/picture-id.ts'
import { Vp8Fields } from '../codecs/vp8-descriptor.ts'
import { ContinuousNumber } from './continuous-number.ts'
import type { DescriptorRewriter, PacketPlace } from './descriptor-rewriter.ts'
import { LayerLimits, SENT } from './layer-limits.ts'
import { PictureWindow } from './picture-window.ts'
import { CLOSED } from './source-window.ts'

/** Where in the note on a picture its offset is: above the layers that went out when it was sent, and whether it went out. */
const OFFSET_SHIFT = 7

/**
 * VP8, RFC 7741: picture ids without gaps over switches and over temporal layers that are left out, TL0PICIDX and KEYIDX going on over
 * switches. A source whose picture ids have seven bits keeps them so.
 */
export class Vp8DescriptorRewriter extends LayerLimits implements DescriptorRewriter {
  readonly #fields = new Vp8Fields()
  readonly #pictures = new PictureWindow()
  /** What is subtracted from the id of the next picture. */
  #offset = 0
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
    if (place === 'joining' || this.#pictures.isRestarted(fields, place)) this.#join(bytes, start)
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
    const { pictureId, tl0At, layersAt, hasKeyIndex } = this.#fields
    const pictures = this.#pictures
    this.takeAllWanted()
    if (pictures.isNumbered) this.#nextPictureId = (pictures.newest - this.#offset + 1) & 0x7fff
    pictures.start(this.#fields)
    if (pictures.isNumbered) {
      this.#offset = (pictureId - (this.#nextPictureId ?? pictureId)) & 0x7fff
    }
    if (tl0At > 0) this.#tl0.join(bytes[start + tl0At]!)
    if (hasKeyIndex) this.#keyIndex.join(bytes[start + layersAt]!)
  }

  /** The note on a picture that is sent now. */
  get #note(): number {
    return this.limit | (this.#offset << OFFSET_SHIFT)
  }

  /** Decides on each picture once, with the first of its packets that comes. */
  #takePicture(keyframe: boolean, place: PacketPlace): boolean {
    const { pictureIdAt, startsPicture, temporalLayer } = this.#fields
    const pictures = this.#pictures
    if (pictureIdAt === 0 || !pictures.isNumbered) {
      if (startsPicture) this.#updateTemporalLayer(keyframe)
      return temporalLayer <= this.temporalLayer
    }
    const picture = pictures.numberOf(this.#fields, place)
    if (!pictures.reaches(picture)) return false
    const isNew = picture > pictures.newest
    if (isNew) {
      pictures.advance(picture, this.#note)
      this.#updateTemporalLayer(keyframe)
      pictures.setNote(picture, this.#note)
    }
    const note = pictures.note(picture)
    if (note === CLOSED) return false
    if ((note & SENT) === 0) {
      // one source has one spatial layer
      if (!this.wants(note, temporalLayer, 0)) {
        pictures.setNote(picture, CLOSED)
        // later ones close up, unless they have gone already
        if (isNew) this.#offset = (this.#offset + 1) & 0x7fff
        return false
      }
      pictures.setNote(picture, note | SENT)
    }
    this.#pictureId = (picture - (note >> OFFSET_SHIFT)) & 0x7fff
    return true
  }

  /**
   * Down at any picture; up to all at a keyframe, or by one at a picture that depends on the base layer alone (Y, RFC 7741 section 4.2): those
   * of the layers between may depend on what was left out.
   */
  #updateTemporalLayer(keyframe: boolean): void {
    const { layerSync, temporalLayer } = this.#fields
    const wanted = this.maxTemporalLayer
    if (wanted <= this.temporalLayer || keyframe) this.temporalLayer = wanted
    else if (layerSync && temporalLayer === this.temporalLayer + 1) this.temporalLayer = temporalLayer
  }
}
