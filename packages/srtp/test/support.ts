import { SeededRandom } from '@str0m/sans-io'
import { expect } from 'vitest'
import { SrtpContext, type SrtpContextOptions, type SrtpProfile, srtpKeyLengths } from '../src/index.ts'

export { toHex } from '@str0m/sans-io'

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

/** Master key and salt, made from `seed`. */
export function masterKeys(
  profile: SrtpProfile,
  seed = 7,
): Pick<SrtpContextOptions, 'masterKey' | 'masterSalt' | 'profile'> {
  const { fill } = new SeededRandom(seed)
  const lengths = srtpKeyLengths(profile)
  const masterKey = new Uint8Array(lengths.key)
  const masterSalt = new Uint8Array(lengths.salt)
  fill(masterKey)
  fill(masterSalt)
  return { profile, masterKey, masterSalt }
}

/** A sender and a receiver with the same keys. */
export function pair(
  profile: SrtpProfile,
  options: Partial<SrtpContextOptions> = {},
): { sender: SrtpContext; receiver: SrtpContext } {
  const all = { ...masterKeys(profile), ...options }
  return { sender: new SrtpContext(all), receiver: new SrtpContext(all) }
}

export function protectRtp(sender: SrtpContext, packet: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(packet.length + sender.rtpOverhead)
  buffer.set(packet)
  expect(sender.protectRtp(buffer, packet.length)).toBe(buffer.length)
  return buffer
}

export function protectRtcp(sender: SrtpContext, packet: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(packet.length + sender.rtcpOverhead)
  buffer.set(packet)
  expect(sender.protectRtcp(buffer, packet.length)).toBe(buffer.length)
  return buffer
}

/** The next packets of one SSRC, protected; `sequenceNumber` wraps. */
export function protectedRun(sender: SrtpContext, first: number, count: number, payload = 50): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    protectRtp(sender, rtpPacket({ ssrc: 1, sequenceNumber: (first + i) & 0xffff, payload })),
  )
}

export interface RtpShape {
  readonly ssrc: number
  readonly sequenceNumber: number
  /** Bytes of payload. */
  readonly payload: number
  /** Contributing sources. */
  readonly csrcs?: number
  /** Words of header extension; -1, and where left out: no extension. */
  readonly extension?: number
  /** What the bytes are made from. */
  readonly fill?: number
}

/** An RTP packet of the given shape. */
export function rtpPacket(shape: RtpShape): Uint8Array {
  const { csrcs = 0, extension = -1, fill = shape.sequenceNumber } = shape
  const packet = new Uint8Array(headerLength(shape) + shape.payload)
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

export function headerLength({ csrcs = 0, extension = -1 }: RtpShape): number {
  return 12 + 4 * csrcs + (extension < 0 ? 0 : 4 + 4 * extension)
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
