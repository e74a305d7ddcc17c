import { ByteReader } from '@str0m/sans-io'
import { concatenate, type DepacketizedFrame, type Depacketizer } from './depacketizer.ts'

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

/** Reads a descriptor; `undefined` where it is cut short or malformed. */
export function parseVp9Descriptor(payload: Uint8Array): Vp9Descriptor | undefined {
  const reader = new ByteReader(payload)
  const first = reader.u8()
  const has = (bit: number): boolean => (first & bit) !== 0
  const flexibleMode = has(0x10)
  const interPicturePredicted = has(0x40)
  let pictureId: number | undefined
  if (has(0x80)) {
    const id = reader.u8()
    pictureId = (id & 0x80) === 0 ? id : ((id & 0x7f) << 8) | reader.u8()
  }
  let layers: number | undefined
  let tl0PictureIndex: number | undefined
  if (has(0x20)) {
    layers = reader.u8()
    if (!flexibleMode) tl0PictureIndex = reader.u8()
  }
  const pictureDifferences: number[] = []
  if (flexibleMode && interPicturePredicted) {
    let more = true
    while (more && !reader.failed) {
      if (pictureDifferences.length === MAX_REFERENCES) return undefined
      const difference = reader.u8()
      pictureDifferences.push(difference >> 1)
      more = (difference & 0x01) !== 0
    }
  }
  const scalability = has(0x02) ? readScalability(reader) : undefined
  if (reader.failed) return undefined
  return {
    interPicturePredicted,
    flexibleMode,
    startOfFrame: has(0x08),
    endOfFrame: has(0x04),
    notReferenceForUpperLayers: has(0x01),
    ...(pictureId === undefined ? {} : { pictureId }),
    ...(layers === undefined
      ? {}
      : {
          temporalLayer: layers >> 5,
          switchingUpPoint: (layers & 0x10) !== 0,
          spatialLayer: (layers >> 1) & 0x07,
          interLayerDependency: (layers & 0x01) !== 0,
        }),
    ...(tl0PictureIndex === undefined ? {} : { tl0PictureIndex }),
    pictureDifferences,
    ...(scalability === undefined ? {} : { scalability }),
    length: reader.position,
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
    for (let i = 0; i < payloads.length; i++) {
      const payload = payloads[i]!
      const descriptor = parseVp9Descriptor(payload)
      // each layer frame opens with B and closes with E
      if (descriptor === undefined || descriptor.startOfFrame === inFrame) return undefined
      if (i === 0) keyframe = !descriptor.interPicturePredicted && (descriptor.spatialLayer ?? 0) === 0
      inFrame = !descriptor.endOfFrame
      parts.push(payload.subarray(descriptor.length))
    }
    if (inFrame) return undefined
    const data = concatenate(parts)
    return data.length === 0 ? undefined : { data, keyframe }
  }
}

/** The base layer comes first; a picture that has none starts where the one before it ends. */
function startsPicture(descriptor: Vp9Descriptor): boolean {
  return descriptor.startOfFrame && (descriptor.spatialLayer ?? 0) === 0
}

export const vp9Depacketizer: Depacketizer = new Vp9Depacketizer()
