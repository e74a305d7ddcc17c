import { ByteReader, concatBytes } from '@str0m/sans-io'
import type { DepacketizedFrame, Depacketizer, FrameLayers } from './depacketizer.ts'

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

/** Reads a descriptor; `undefined` where it is cut short. */
export function parseVp8Descriptor(payload: Uint8Array): Vp8Descriptor | undefined {
  const reader = new ByteReader(payload)
  const first = reader.u8()
  const descriptor: Writable<Vp8Descriptor> = {
    nonReference: (first & 0x20) !== 0,
    startOfPartition: (first & 0x10) !== 0,
    partition: first & 0x07,
    length: 1,
  }
  if ((first & 0x80) !== 0) readExtension(reader, descriptor)
  if (reader.failed) return undefined
  descriptor.length = reader.position
  return descriptor
}

function readExtension(reader: ByteReader, into: Writable<Vp8Descriptor>): void {
  const present = reader.u8()
  if ((present & 0x80) !== 0) {
    const id = reader.u8()
    const long = (id & 0x80) !== 0
    into.pictureId = long ? ((id & 0x7f) << 8) | reader.u8() : id
    into.pictureIdBits = long ? 15 : 7
  }
  if ((present & 0x40) !== 0) into.tl0PictureIndex = reader.u8()
  if ((present & 0x30) === 0) return
  const layers = reader.u8()
  if ((present & 0x20) !== 0) {
    into.temporalLayer = layers >> 6
    into.layerSync = (layers & 0x20) !== 0
  }
  if ((present & 0x10) !== 0) into.keyIndex = layers & 0x1f
}

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
