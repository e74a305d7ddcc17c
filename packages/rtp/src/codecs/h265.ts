import type { Depacketizer } from './depacketizer.ts'
import { aggregatedUnits, NalDepacketizer, type NalFormat, type NalFragment } from './nal-depacketizer.ts'

/** NAL unit types, ITU-T H.265 table 7-1, and the packet types of RFC 7798 section 4.4. */
const NAL = {
  firstIrap: 16,
  lastIrap: 23,
  vps: 32,
  sps: 33,
  delimiter: 35,
  prefixSei: 39,
  aggregation: 48,
  fragment: 49,
}
const END_OF_SEQUENCE = 36
const END_OF_BITSTREAM = 37
const HEADER_LENGTH = 2
const FU_HEADER_LENGTH = 3

/** Reads single NAL units, aggregation packets and fragmentation units, all without decoding order numbers; a PACI packet is malformed to it. */
const FORMAT: NalFormat = {
  delimiter: NAL.delimiter,
  parameters: NAL.vps,
  headerLength: HEADER_LENGTH,
  longestEnd: HEADER_LENGTH,
  read(payload) {
    if (payload.length < HEADER_LENGTH) return undefined
    const type = typeOf(payload)
    if (payload.length === HEADER_LENGTH && !isHeaderAlone(type)) return undefined
    if (type === NAL.fragment) return readFragment(payload)
    // RFC 7798 section 4.4.2
    if (type === NAL.aggregation) return aggregatedUnits(payload, HEADER_LENGTH, isUnit)
    return isUnit(payload) ? [payload] : undefined
  },
  typeOf,
  /** ITU-T H.265 table 7-1: what is of the picture itself. */
  isSlice: (type) => type < NAL.vps,
  /** ITU-T H.265 section 7.4.2.4.4; those that are reserved are left out. */
  precedesSlices: (type) => (type >= NAL.vps && type <= NAL.delimiter) || type === NAL.prefixSei,
  /** first_slice_segment_in_pic_flag, ITU-T H.265 section 7.3.6.1. */
  isFirstSlice: (slice) => slice.length > HEADER_LENGTH && (slice[HEADER_LENGTH]! & 0x80) !== 0,
  /** At an intra random access point, ITU-T H.265 section 3.69. */
  startsDecoding(unit) {
    const type = typeOf(unit)
    return type >= NAL.firstIrap && type <= NAL.lastIrap
  },
  layersOf(payloads) {
    // the ids of a packet are the lowest of its units, and all slices of a picture have the same
    let temporal = 0
    for (const payload of payloads) temporal = Math.max(temporal, (payload[1]! & 0x07) - 1)
    return { spatial: 0, temporal }
  },
}

export const h265Depacketizer: Depacketizer = new NalDepacketizer(FORMAT)

/** Whether the packets of a stream carry decoding order numbers, RFC 7798 section 7.1: what is of no use in a real-time stream. */
export function hasDecodingOrderNumbers(parameters: ReadonlyMap<string, string> | undefined): boolean {
  return Number(parameters?.get('sprop-max-don-diff') ?? 0) > 0
}

/** ITU-T H.265 sections 7.3.2.6 and 7.3.2.7: the ends of a sequence and of a bitstream have nothing after their header. */
export function isHeaderAlone(type: number): boolean {
  return type === END_OF_SEQUENCE || type === END_OF_BITSTREAM
}

/** RFC 7798 section 1.1.4: six bits of the first byte. */
function typeOf(unit: Uint8Array): number {
  return (unit[0]! >> 1) & 0x3f
}

/** RFC 7798 section 4.4: types of 48 and above are of packets, or nothing. */
function isUnit(unit: Uint8Array): boolean {
  return unit.length >= HEADER_LENGTH && typeOf(unit) < NAL.aggregation
}

/** RFC 7798 section 4.4.3: the unit's header is that of the packet, with the type of the third byte. */
function readFragment(payload: Uint8Array): NalFragment | undefined {
  if (payload.length <= FU_HEADER_LENGTH) return undefined
  const fuHeader = payload[2]!
  const start = (fuHeader & 0x80) !== 0
  const end = (fuHeader & 0x40) !== 0
  const type = fuHeader & 0x3f
  // a unit in one fragment is not allowed
  if ((start && end) || type >= NAL.aggregation) return undefined
  const header = (((payload[0]! & 0x81) | (type << 1)) << 8) | payload[1]!
  return { start, end, header, data: payload.subarray(FU_HEADER_LENGTH) }
}
