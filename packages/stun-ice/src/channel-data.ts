import { datagramBytes, readU16, writeU16 } from '@str0m/sans-io'

/** The channel numbers, RFC 8656 section 12. */
export const FIRST_CHANNEL = 0x4000
export const LAST_CHANNEL = 0x4fff

const HEADER_LENGTH = 4

/** Whether it may be ChannelData, by its first byte: RFC 7983. */
export function isChannelData(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_LENGTH && bytes[0]! >>> 4 === FIRST_CHANNEL >>> 12
}

/** Writes a ChannelData message, RFC 8656 section 12.4. `padded`: to a multiple of 4 bytes, as section 12.5 has it for streams. */
export function writeChannelData(channel: number, data: Uint8Array, padded: boolean): Uint8Array {
  const bytes = datagramBytes(HEADER_LENGTH + data.length + (padded ? -data.length & 3 : 0))
  writeU16(bytes, 0, channel)
  writeU16(bytes, 2, data.length)
  bytes.set(data, HEADER_LENGTH)
  return bytes
}

/** A view of the data of a ChannelData message; `undefined` where it has less than it says. Padding may follow. RFC 8656 section 12.6. */
export function readChannelData(bytes: Uint8Array): Uint8Array | undefined {
  const end = HEADER_LENGTH + readU16(bytes, 2)
  return end > bytes.length ? undefined : bytes.subarray(HEADER_LENGTH, end)
}
