import { ByteReader, concatBytes } from '@str0m/sans-io'
import type { DepacketizedFrame, Depacketizer, FrameLayers } from './depacketizer.ts'

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

/** Reads a descriptor; `undefined` where it is cut short or malformed. */
export function parseVp9Descriptor(payload: Uint8Array): Vp9Descriptor | undefined {
  const reader = new ByteReader(payload)
  const first = reader.u8()
  const flexibleMode = (first & 0x10) !== 0
  const interPicturePredicted = (first & 0x40) !== 0
  const descriptor: Writable<Vp9Descriptor> = {
    interPicturePredicted,
    flexibleMode,
    startOfFrame: (first & 0x08) !== 0,
    endOfFrame: (first & 0x04) !== 0,
    notReferenceForUpperLayers: (first & 0x01) !== 0,
    pictureDifferences: NO_DIFFERENCES,
    length: 1,
  }
  if ((first & 0x80) !== 0) {
    const id = reader.u8()
    descriptor.pictureId = (id & 0x80) === 0 ? id : ((id & 0x7f) << 8) | reader.u8()
  }
  if ((first & 0x20) !== 0) {
    const layers = reader.u8()
    descriptor.temporalLayer = layers >> 5
    descriptor.switchingUpPoint = (layers & 0x10) !== 0
    descriptor.spatialLayer = (layers >> 1) & 0x07
    descriptor.interLayerDependency = (layers & 0x01) !== 0
    if (!flexibleMode) descriptor.tl0PictureIndex = reader.u8()
  }
  if (flexibleMode && interPicturePredicted) {
    const differences = readDifferences(reader)
    if (differences === undefined) return undefined
    descriptor.pictureDifferences = differences
  }
  if ((first & 0x02) !== 0) descriptor.scalability = readScalability(reader)
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

/** A frame here is a whole picture: the layer frames of one timestamp, one after the other. */
class Vp9Depacketizer implements Depacketizer {
  readonly onePacketPerFrame = false

  startsFrame(payload: Uint8Array): boolean {
    const descriptor = parseVp9Descriptor(payload)
    return descriptor !== undefined && startsPicture(descriptor)
  }

  startsKeyframe(payload: Uint8Array): boolean {
    const descriptor = parseVp9Descriptor(payload)
    return descriptor !== undefined && startsPicture(descriptor) && !descriptor.interPicturePredicted
  }

  assemble(payloads: readonly Uint8Array[]): DepacketizedFrame | undefined {
    const parts: Uint8Array[] = []
    let keyframe = false
    let inFrame = false
    let layers: FrameLayers | undefined
    for (let i = 0; i < payloads.length; i++) {
      const payload = payloads[i]!
      const descriptor = parseVp9Descriptor(payload)
      // each layer frame opens with B and closes with E
      if (descriptor === undefined || descriptor.startOfFrame === inFrame) return undefined
      if (i === 0) keyframe = !descriptor.interPicturePredicted && (descriptor.spatialLayer ?? 0) === 0
      inFrame = !descriptor.endOfFrame
      const { spatialLayer, temporalLayer } = descriptor
      // the layers come in their order
      if (spatialLayer !== undefined && temporalLayer !== undefined) {
        layers = { spatial: spatialLayer, temporal: temporalLayer }
      }
      parts.push(payload.subarray(descriptor.length))
    }
    if (inFrame) return undefined
    const data = concatBytes(parts)
    return data.length === 0 ? undefined : { data, keyframe, layers }
  }
}

/** The base layer comes first; a picture that has none starts where the one before it ends. */
function startsPicture(descriptor: Vp9Descriptor): boolean {
  return descriptor.startOfFrame && (descriptor.spatialLayer ?? 0) === 0
}

export const vp9Depacketizer: Depacketizer = new Vp9Depacketizer()
