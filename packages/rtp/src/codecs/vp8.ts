import { concatBytes } from '@str0m/sans-io'
import type { DepacketizedFrame, Depacketizer, FrameLayers } from './depacketizer.ts'
import { parseVp8Descriptor, type Vp8Descriptor } from './vp8-descriptor.ts'

function startsFrame(descriptor: Vp8Descriptor | undefined): descriptor is Vp8Descriptor {
  return descriptor !== undefined && descriptor.startOfPartition && descriptor.partition === 0
}

class Vp8Depacketizer implements Depacketizer {
  readonly onePacketPerFrame = false

  startsFrame(payload: Uint8Array): boolean {
    return startsFrame(parseVp8Descriptor(payload))
  }

  startsKeyframe(payload: Uint8Array): boolean {
    const descriptor = parseVp8Descriptor(payload)
    return startsFrame(descriptor) && isKeyframe(payload, descriptor.length)
  }

  assemble(payloads: readonly Uint8Array[]): DepacketizedFrame | undefined {
    const parts: Uint8Array[] = []
    let layers: FrameLayers | undefined
    for (let i = 0; i < payloads.length; i++) {
      const payload = payloads[i]!
      const descriptor = parseVp8Descriptor(payload)
      if (descriptor === undefined || (i === 0) !== startsFrame(descriptor)) return undefined
      parts.push(payload.subarray(descriptor.length))
      const { temporalLayer } = descriptor
      if (i === 0 && temporalLayer !== undefined) layers = { spatial: 0, temporal: temporalLayer }
    }
    const data = concatBytes(parts)
    return data.length === 0 ? undefined : { data, keyframe: isKeyframe(data, 0), layers }
  }
}

/** RFC 7741 section 4.3: the P bit of the frame's first byte, 0 for a keyframe. */
function isKeyframe(bytes: Uint8Array, at: number): boolean {
  return at < bytes.length && (bytes[at]! & 0x01) === 0
}

export const vp8Depacketizer: Depacketizer = new Vp8Depacketizer()

/** The size that a VP8 keyframe's header states, RFC 6386 section 9.1; `undefined` where the bytes are no keyframe. */
export function vp8KeyframeSize(frame: Uint8Array): { width: number; height: number } | undefined {
  if (frame.length < 10 || !isKeyframe(frame, 0)) return undefined
  if (frame[3] !== 0x9d || frame[4] !== 0x01 || frame[5] !== 0x2a) return undefined
  return {
    width: (frame[6]! | (frame[7]! << 8)) & 0x3fff,
    height: (frame[8]! | (frame[9]! << 8)) & 0x3fff,
  }
}
