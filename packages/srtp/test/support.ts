import type { SrtpProfile } from '../src/index.ts'

export const PROFILES: readonly SrtpProfile[] = [
  'AES_CM_128_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_32',
  'AEAD_AES_128_GCM',
  'AEAD_AES_256_GCM',
]

/** Bytes out of hexadecimal digits; white space is skipped. */
export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
}

export { toHex } from '@str0m/sans-io'

export interface RtpShape {
  readonly ssrc: number
  readonly sequenceNumber: number
  /** Bytes of payload. */
  readonly payload: number
  /** Contributing sources. */
  readonly csrcs?: number
  /** Words of header extension; none where left out. */
  readonly extension?: number
  /** What the bytes are made from. */
  readonly fill?: number
}

/** An RTP packet of the given shape. */
export function rtpPacket(shape: RtpShape): Uint8Array {
  const { csrcs = 0, extension = -1, fill = shape.sequenceNumber } = shape
  const header = 12 + 4 * csrcs + (extension < 0 ? 0 : 4 + 4 * extension)
  const packet = new Uint8Array(header + shape.payload)
  for (let i = 12; i < packet.length; i++) packet[i] = i * 31 + fill
  const view = new DataView(packet.buffer)
  packet[0] = 0x80 | csrcs | (extension < 0 ? 0 : 0x10)
  packet[1] = 96
  view.setUint16(2, shape.sequenceNumber)
  view.setUint32(4, 0x1234_5678)
  view.setUint32(8, shape.ssrc)
  if (extension >= 0) {
    view.setUint16(12 + 4 * csrcs, 0xbede)
    view.setUint16(14 + 4 * csrcs, extension)
  }
  return packet
}

/** A receiver report with `rest` more bytes behind the SSRC. */
export function rtcpPacket(ssrc: number, rest: number): Uint8Array {
  const packet = new Uint8Array(8 + rest)
  for (let i = 8; i < packet.length; i++) packet[i] = i * 7
  const view = new DataView(packet.buffer)
  packet[0] = 0x80
  packet[1] = 201
  view.setUint16(2, packet.length / 4 - 1)
  view.setUint32(4, ssrc)
  return packet
}
