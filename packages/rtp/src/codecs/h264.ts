import type { Depacketizer } from './depacketizer.ts'
import { isImmediateRecoveryPoint } from './h264-sei.ts'
import { aggregatedUnits, NalDepacketizer, type NalFormat, type NalFragment } from './nal-depacketizer.ts'

/** NAL unit types, ITU-T H.264 table 7-1, and the packet types of RFC 6184 section 5.2. */
const NAL = {
  slice: 1,
  partitionA: 2,
  idr: 5,
  sei: 6,
  sps: 7,
  delimiter: 9,
  prefix: 14,
  lastReserved: 18,
  stapA: 24,
  fuA: 28,
} as const
const LAST_SINGLE_NAL = 23

const FORMAT: NalFormat = {
  delimiter: NAL.delimiter,
  parameters: NAL.sps,
  headerLength: 1,
  longestEnd: 0,
  read(payload) {
    if (payload.length < 1) return undefined
    const type = typeOf(payload)
    if (type === NAL.fuA) return readFragment(payload)
    // a STAP-A, RFC 6184 section 5.7.1
    if (type === NAL.stapA) return aggregatedUnits(payload, 1, isUnit)
    return isUnit(payload) ? [payload] : undefined
  },
  typeOf,
  /** Whether it begins with a slice's header, ITU-T H.264 section 7.3.3. */
  isSlice: (type) => type === NAL.slice || type === NAL.partitionA || type === NAL.idr,
  /** ITU-T H.264 section 7.4.1.2.3. */
  precedesSlices: (type) =>
    (type >= NAL.sei && type <= NAL.delimiter) || (type >= NAL.prefix && type <= NAL.lastReserved),
  /** first_mb_in_slice of 0, which is a one. */
  isFirstSlice: (slice) => slice.length > 1 && (slice[1]! & 0x80) !== 0,
  /** Streams with open groups of pictures have recovery points in the place of IDR pictures. */
  startsDecoding(unit) {
    const type = typeOf(unit)
    return type === NAL.idr || (type === NAL.sei && isImmediateRecoveryPoint(unit))
  },
  isMessage: (header) => (header & 0x1f) === NAL.sei,
}

export const h264Depacketizer: Depacketizer = new NalDepacketizer(FORMAT)

function typeOf(unit: Uint8Array): number {
  return unit[0]! & 0x1f
}

/** RFC 6184 section 5.2: 0 and what lies above 23 is no NAL unit of a stream. */
function isUnit(unit: Uint8Array): boolean {
  return unit.length > 0 && isUnitType(typeOf(unit))
}

function isUnitType(type: number): boolean {
  return type >= 1 && type <= LAST_SINGLE_NAL
}

/** RFC 6184 section 5.8. */
function readFragment(payload: Uint8Array): NalFragment | undefined {
  if (payload.length < 3) return undefined
  const indicator = payload[0]!
  const header = payload[1]!
  const start = (header & 0x80) !== 0
  const end = (header & 0x40) !== 0
  // a unit in one fragment is not allowed
  if ((start && end) || !isUnitType(header & 0x1f)) return undefined
  return { start, end, header: (indicator & 0xe0) | (header & 0x1f), data: payload.subarray(2) }
}
