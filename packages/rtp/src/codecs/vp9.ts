import { concatBytes } from '@str0m/sans-io'
import type { DepacketizedFrame, Depacketizer, FrameLayers } from './depacketizer.ts'
import { parseVp9Descriptor, type Vp9Descriptor } from './vp9-descriptor.ts'
import { readVp9FrameType } from './vp9-frame-type.ts'

/** More than a frame that shows an earlier one has: its header, and the size that some encoders write after it. */
const MAX_SHOWN_AGAIN = 4

/** A frame here is a whole picture: the layer frames of one timestamp, one after the other. */
class Vp9Depacketizer implements Depacketizer {
  readonly onePacketPerFrame = false

  startsFrame(payload: Uint8Array): boolean {
    const descriptor = parseVp9Descriptor(payload)
    return descriptor !== undefined && startsPicture(descriptor)
  }

  startsKeyframe(payload: Uint8Array): boolean {
    const descriptor = parseVp9Descriptor(payload)
    return descriptor !== undefined && startsPicture(descriptor) && startsKeyPicture(descriptor, payload)
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
      if (i === 0) keyframe = startsKeyPicture(descriptor, payload)
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

/**
 * P is 0 in a keyframe, and in each frame of payloaders that never set it (FFmpeg's, and Pion's in flexible mode): they know of no layers either, and
 * there the frame has the last word where it can be read. Where it is encrypted, it looks like an inter frame by chance alone.
 */
function startsKeyPicture(descriptor: Vp9Descriptor, payload: Uint8Array): boolean {
  if (descriptor.interPicturePredicted || (descriptor.spatialLayer ?? 0) !== 0) return false
  if (descriptor.spatialLayer !== undefined) return true
  const type = readVp9FrameType(payload, descriptor.length)
  return !(
    type === 'inter' ||
    (type === 'shown-again' && payload.length - descriptor.length <= MAX_SHOWN_AGAIN)
  )
}

export const vp9Depacketizer: Depacketizer = new Vp9Depacketizer()
