import { PictureIdField } from './picture-id.ts'

/** The VP8 payload descriptor, RFC 7741 section 4.2. */
export interface Vp8Descriptor {
  /** N: no other frame depends on this one. */
  readonly nonReference: boolean
  /** S: the first packet of a partition. */
  readonly startOfPartition: boolean
  /** PID, 0 to 7. */
  readonly partition: number
  /** 7 or 15 bits, `pictureIdBits` says which. */
  readonly pictureId?: number
  readonly pictureIdBits?: 7 | 15
  /** TL0PICIDX */
  readonly tl0PictureIndex?: number
  readonly temporalLayer?: number
  /** Y: depends on the base layer alone. */
  readonly layerSync?: boolean
  /** KEYIDX */
  readonly keyIndex?: number
  /** Where the descriptor ends and the codec's bytes start. */
  readonly length: number
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * Where the fields of a descriptor are, from its start, and what they hold; 0 and false where one is not there. One is made for many packets, each
 * of which overwrites it.
 */
export class Vp8Fields extends PictureIdField {
  first = 0
  tl0At = 0
  layersAt = 0
  hasTemporalLayer = false
  hasKeyIndex = false
  temporalLayer = 0
  layerSync = false
  /** Of the descriptor. */
  length = 0

  /** Reads the descriptor of the payload that lies at `start` up to `end`. False where it is cut short. */
  parse(bytes: Uint8Array, start: number, end: number): boolean {
    if (start >= end) return false
    const first = bytes[start]!
    this.first = first
    this.pictureIdAt = this.tl0At = this.layersAt = this.temporalLayer = 0
    this.hasTemporalLayer = this.hasKeyIndex = this.layerSync = false
    let at = start + 1
    if ((first & 0x80) !== 0) {
      if (at >= end) return false
      const present = bytes[at++]!
      if ((present & 0x80) !== 0) {
        at = this.readPictureId(bytes, start, at, end)
        if (at < 0) return false
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
    this.length = at - start
    return at <= end
  }

  /** S, and a partition index of 0. */
  get startsPicture(): boolean {
    return (this.first & 0x17) === 0x10
  }
}

/** Reads a descriptor; `undefined` where it is cut short. */
export function parseVp8Descriptor(payload: Uint8Array): Vp8Descriptor | undefined {
  const fields = new Vp8Fields()
  if (!fields.parse(payload, 0, payload.length)) return undefined
  const { first, pictureIdAt, tl0At, layersAt } = fields
  const descriptor: Writable<Vp8Descriptor> = {
    nonReference: (first & 0x20) !== 0,
    startOfPartition: (first & 0x10) !== 0,
    partition: first & 0x07,
    length: fields.length,
  }
  if (pictureIdAt > 0) {
    descriptor.pictureId = fields.pictureId
    descriptor.pictureIdBits = fields.pictureIdBits
  }
  if (tl0At > 0) descriptor.tl0PictureIndex = payload[tl0At]!
  if (fields.hasTemporalLayer) {
    descriptor.temporalLayer = fields.temporalLayer
    descriptor.layerSync = fields.layerSync
  }
  if (fields.hasKeyIndex) descriptor.keyIndex = payload[layersAt]! & 0x1f
  return descriptor
}
