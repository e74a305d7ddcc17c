import { ByteReader } from '@str0m/sans-io'
import { PictureIdField } from './picture-id.ts'

/** The VP9 payload descriptor, RFC 9628 section 4.2. */
export interface Vp9Descriptor {
  /** P: the picture refers to earlier ones. */
  readonly interPicturePredicted: boolean
  /** F: each picture names those that it refers to. */
  readonly flexibleMode: boolean
  /** B */
  readonly startOfFrame: boolean
  /** E */
  readonly endOfFrame: boolean
  /** Z: not a reference for upper spatial layers. */
  readonly notReferenceForUpperLayers: boolean
  /** 7 or 15 bits. */
  readonly pictureId?: number
  readonly temporalLayer?: number
  /** U: a switch to this temporal layer is possible here. */
  readonly switchingUpPoint?: boolean
  readonly spatialLayer?: number
  /** D: predicted from the spatial layer below. */
  readonly interLayerDependency?: boolean
  readonly tl0PictureIndex?: number
  /** P_DIFF: how many pictures back each reference lies. */
  readonly pictureDifferences: readonly number[]
  readonly scalability?: Vp9ScalabilityStructure
  /** Where the descriptor ends and the codec's bytes start. */
  readonly length: number
}

/** RFC 9628 section 4.2.1. */
export interface Vp9ScalabilityStructure {
  readonly spatialLayers: number
  /** Empty where the sizes are not stated. */
  readonly sizes: readonly { readonly width: number; readonly height: number }[]
  readonly pictureGroup: readonly {
    readonly temporalLayer: number
    readonly switchingUpPoint: boolean
    readonly pictureDifferences: readonly number[]
  }[]
}

/** At most three references in flexible mode, RFC 9628 section 4.2. */
const MAX_REFERENCES = 3
const NO_DIFFERENCES: readonly number[] = []

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * Where the fields that stand in front are, from the descriptor's start, and what they hold; 0 and false where one is not there. One is made for many
 * packets, each of which overwrites it.
 */
export class Vp9Fields extends PictureIdField {
  first = 0
  layersAt = 0
  temporalLayer = 0
  switchingUpPoint = false
  spatialLayer = 0
  tl0At = 0
  /** Of these fields; the references and the scalability structure follow. */
  length = 0

  /** Reads the start of the payload that lies at `start` up to `end`. False where it is cut short. */
  parse(bytes: Uint8Array, start: number, end: number): boolean {
    if (start >= end) return false
    const first = bytes[start]!
    this.first = first
    this.pictureIdAt = this.layersAt = this.tl0At = this.temporalLayer = this.spatialLayer = 0
    this.switchingUpPoint = false
    let at = start + 1
    if ((first & 0x80) !== 0) {
      at = this.readPictureId(bytes, start, at, end)
      if (at < 0) return false
    }
    if ((first & 0x20) !== 0) {
      if (at >= end) return false
      const layers = bytes[at]!
      this.layersAt = at++ - start
      this.temporalLayer = layers >> 5
      this.switchingUpPoint = (layers & 0x10) !== 0
      this.spatialLayer = (layers >> 1) & 0x07
      if (!this.flexibleMode) this.tl0At = at++ - start
    }
    this.length = at - start
    return at <= end
  }

  get interPicturePredicted(): boolean {
    return (this.first & 0x40) !== 0
  }

  get flexibleMode(): boolean {
    return (this.first & 0x10) !== 0
  }

  get startOfFrame(): boolean {
    return (this.first & 0x08) !== 0
  }

  get endOfFrame(): boolean {
    return (this.first & 0x04) !== 0
  }

  /** Z */
  get isNoReferenceForUpperLayers(): boolean {
    return (this.first & 0x01) !== 0
  }

  /** The first packet of a picture that refers to none before it. */
  get startsKeyframe(): boolean {
    return this.startOfFrame && this.spatialLayer === 0 && !this.interPicturePredicted
  }
}

/** Reads a descriptor; `undefined` where it is cut short or malformed. */
export function parseVp9Descriptor(payload: Uint8Array): Vp9Descriptor | undefined {
  const fields = new Vp9Fields()
  if (!fields.parse(payload, 0, payload.length)) return undefined
  const { first, flexibleMode, interPicturePredicted, layersAt, tl0At } = fields
  const descriptor: Writable<Vp9Descriptor> = {
    interPicturePredicted,
    flexibleMode,
    startOfFrame: fields.startOfFrame,
    endOfFrame: fields.endOfFrame,
    notReferenceForUpperLayers: fields.isNoReferenceForUpperLayers,
    pictureDifferences: NO_DIFFERENCES,
    length: fields.length,
  }
  if (fields.pictureIdAt > 0) descriptor.pictureId = fields.pictureId
  if (layersAt > 0) {
    descriptor.temporalLayer = fields.temporalLayer
    descriptor.switchingUpPoint = fields.switchingUpPoint
    descriptor.spatialLayer = fields.spatialLayer
    descriptor.interLayerDependency = (payload[layersAt]! & 0x01) !== 0
    if (tl0At > 0) descriptor.tl0PictureIndex = payload[tl0At]!
  }
  const hasScalability = (first & 0x02) !== 0
  if (!hasScalability && !(flexibleMode && interPicturePredicted)) return descriptor
  const reader = new ByteReader(payload, fields.length)
  if (flexibleMode && interPicturePredicted) {
    const differences = readDifferences(reader)
    if (differences === undefined) return undefined
    descriptor.pictureDifferences = differences
  }
  if (hasScalability) descriptor.scalability = readScalability(reader)
  if (reader.failed) return undefined
  descriptor.length = reader.position
  return descriptor
}

/** Each byte holds a difference of seven bits, and one that says whether another one follows. */
function readDifferences(reader: ByteReader): number[] | undefined {
  const differences: number[] = []
  for (;;) {
    const difference = reader.u8()
    differences.push(difference >> 1)
    if ((difference & 0x01) === 0) return differences
    if (differences.length === MAX_REFERENCES) return undefined
  }
}

function readScalability(reader: ByteReader): Vp9ScalabilityStructure {
  const first = reader.u8()
  const spatialLayers = (first >> 5) + 1
  const sizes: { width: number; height: number }[] = []
  if ((first & 0x10) !== 0) {
    for (let i = 0; i < spatialLayers; i++) sizes.push({ width: reader.u16(), height: reader.u16() })
  }
  const pictureGroup: { temporalLayer: number; switchingUpPoint: boolean; pictureDifferences: number[] }[] =
    []
  if ((first & 0x08) !== 0) {
    const count = reader.u8()
    for (let i = 0; i < count && !reader.failed; i++) {
      const picture = reader.u8()
      const pictureDifferences: number[] = []
      for (let r = (picture >> 2) & 0x03; r > 0; r--) pictureDifferences.push(reader.u8())
      pictureGroup.push({
        temporalLayer: picture >> 5,
        switchingUpPoint: (picture & 0x10) !== 0,
        pictureDifferences,
      })
    }
  }
  return { spatialLayers, sizes, pictureGroup }
}
