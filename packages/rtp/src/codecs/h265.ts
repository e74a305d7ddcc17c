import { concatBytes, readU16 } from '@str0m/sans-io'
import type { DepacketizedFrame, Depacketizer, FrameStart } from './depacketizer.ts'
import { learnStart, type NalSyntax, startsFrame, startsKeyframe, startsWhole } from './frame-start.ts'

/** NAL unit types, ITU-T H.265 table 7-1, and the packet types of RFC 7798 section 4.4. */
const NAL = { firstIrap: 16, lastIrap: 23, vps: 32, sps: 33, delimiter: 35, aggregation: 48, fragment: 49 }
const END_OF_SEQUENCE = 36
const END_OF_BITSTREAM = 37
const HEADER_LENGTH = 2
const FU_HEADER_LENGTH = 3
const START_CODE = Uint8Array.of(0, 0, 0, 1)
const NO_UNITS: readonly Uint8Array[] = []

/** Whether the packets of a stream carry decoding order numbers, RFC 7798 section 7.1: what is of no use in a real-time stream. */
export function hasDecodingOrderNumbers(parameters: ReadonlyMap<string, string> | undefined): boolean {
  return Number(parameters?.get('sprop-max-don-diff') ?? 0) > 0
}

/**
 * Gives access units in the byte-stream format (ITU-T H.265 annex B), a start code of four bytes before each NAL unit. Reads single NAL units,
 * aggregation packets and fragmentation units, all without decoding order numbers; a PACI packet is malformed to it.
 */
class H265Depacketizer implements Depacketizer {
  readonly onePacketPerFrame = false

  /** An access unit delimiter, or a video parameter set where there is none, is the first NAL unit (ITU-T H.265 section 7.4.2.4.4). */
  startsFrame(payload: Uint8Array): boolean {
    return startsFrame(SYNTAX, payload)
  }

  startsWhole(payloads: readonly Uint8Array[], known: FrameStart | undefined): boolean {
    return startsWhole(SYNTAX, payloads, known)
  }

  learnStart(payloads: readonly Uint8Array[], known: FrameStart | undefined): FrameStart {
    return learnStart(SYNTAX, payloads, known)
  }

  startsKeyframe(payload: Uint8Array): boolean {
    return startsKeyframe(SYNTAX, payload)
  }

  assemble(payloads: readonly Uint8Array[]): DepacketizedFrame | undefined {
    const parts: Uint8Array[] = []
    let keyframe = false
    /** The two bytes of header of the unit whose fragments come; -1 between units. */
    let fragmented = -1
    let temporal = 0
    for (const payload of payloads) {
      if (payload.length < HEADER_LENGTH) return undefined
      const type = nalType(payload[0]!)
      if (payload.length === HEADER_LENGTH && !isHeaderAlone(type)) return undefined
      // the ids of a packet are the lowest of its units, and all slices of a picture have the same
      temporal = Math.max(temporal, (payload[1]! & 0x07) - 1)
      if (type === NAL.fragment) {
        const fragment = readFragment(payload)
        if (fragment === undefined) return undefined
        const { start, end, header, data } = fragment
        if (start ? fragmented >= 0 : header !== fragmented) return undefined
        if (start) {
          parts.push(START_CODE, Uint8Array.of(header >> 8, header & 0xff))
          keyframe ||= isIrap(nalType(header >> 8))
        }
        parts.push(data)
        fragmented = end ? -1 : header
        continue
      }
      if (fragmented >= 0) return undefined
      const units = type === NAL.aggregation ? aggregated(payload) : isUnit(type) ? [payload] : undefined
      if (units === undefined) return undefined
      for (const unit of units) {
        parts.push(START_CODE, unit)
        keyframe ||= isIrap(nalType(unit[0]!))
      }
    }
    if (fragmented >= 0 || parts.length === 0) return undefined
    return { data: concatBytes(parts), keyframe, layers: { spatial: 0, temporal } }
  }
}

/** RFC 7798 section 1.1.4: six bits of the first byte. */
function nalType(first: number): number {
  return (first >> 1) & 0x3f
}

/** ITU-T H.265 sections 7.3.2.6 and 7.3.2.7: the ends of a sequence and of a bitstream have nothing after their header. */
export function isHeaderAlone(type: number): boolean {
  return type === END_OF_SEQUENCE || type === END_OF_BITSTREAM
}

/** Decoding can start at an intra random access point, ITU-T H.265 section 3.69. */
function isIrap(type: number): boolean {
  return type >= NAL.firstIrap && type <= NAL.lastIrap
}

/** RFC 7798 section 4.4: 48 and above are packet types, or nothing. */
function isUnit(type: number): boolean {
  return type < NAL.aggregation
}

/** The units of an aggregation packet, RFC 7798 section 4.4.2: a size of 16 bits before each. */
function aggregated(payload: Uint8Array): Uint8Array[] | undefined {
  const units: Uint8Array[] = []
  let at = HEADER_LENGTH
  while (at < payload.length) {
    if (at + 2 > payload.length) return undefined
    const size = readU16(payload, at)
    at += 2
    if (size < HEADER_LENGTH || at + size > payload.length || !isUnit(nalType(payload[at]!))) return undefined
    units.push(payload.subarray(at, at + size))
    at += size
  }
  return units.length === 0 ? undefined : units
}

/** RFC 7798 section 4.4.3: the unit's header is that of the packet, with the type of the third byte. */
function readFragment(
  payload: Uint8Array,
): { start: boolean; end: boolean; header: number; data: Uint8Array } | undefined {
  if (payload.length <= FU_HEADER_LENGTH) return undefined
  const fuHeader = payload[2]!
  const start = (fuHeader & 0x80) !== 0
  const end = (fuHeader & 0x40) !== 0
  const type = fuHeader & 0x3f
  // a unit in one fragment is not allowed
  if ((start && end) || !isUnit(type)) return undefined
  const header = (((payload[0]! & 0x81) | (type << 1)) << 8) | payload[1]!
  return { start, end, header, data: payload.subarray(FU_HEADER_LENGTH) }
}

/** The NAL units that start in this payload: of one in fragments, its first three bytes. */
function startedUnits(payload: Uint8Array): readonly Uint8Array[] {
  if (payload.length <= HEADER_LENGTH) return NO_UNITS
  const type = nalType(payload[0]!)
  if (isUnit(type)) return [payload]
  if (type === NAL.aggregation) return aggregated(payload) ?? NO_UNITS
  if (type !== NAL.fragment) return NO_UNITS
  const fragment = readFragment(payload)
  if (fragment?.start !== true) return NO_UNITS
  return [Uint8Array.of(fragment.header >> 8, fragment.header & 0xff, fragment.data[0]!)]
}

/** ITU-T H.265 table 7-1: what is of the picture itself. */
function isSlice(type: number): boolean {
  return type < NAL.vps
}

/** first_slice_segment_in_pic_flag, ITU-T H.265 section 7.3.6.1. */
function isFirstSlice(slice: Uint8Array): boolean {
  return slice.length > HEADER_LENGTH && (slice[HEADER_LENGTH]! & 0x80) !== 0
}

const SYNTAX: NalSyntax = {
  delimiter: NAL.delimiter,
  parameters: NAL.vps,
  startedUnits,
  typeOf: (unit) => nalType(unit[0]!),
  isSlice,
  isFirstSlice,
}

export const h265Depacketizer: Depacketizer = new H265Depacketizer()
