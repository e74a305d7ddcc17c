import { concatBytes } from '@str0m/sans-io'
import type { DepacketizedFrame, Depacketizer, FrameLayers } from './depacketizer.ts'
import { parseVp9Descriptor, type Vp9Descriptor } from './vp9-descriptor.ts'

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
