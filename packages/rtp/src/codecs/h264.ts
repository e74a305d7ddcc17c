import { concatBytes, readU16 } from '@str0m/sans-io'
import type { DepacketizedFrame, Depacketizer, FrameStart } from './depacketizer.ts'
import { learnStart, type NalSyntax, startsFrame, startsKeyframe, startsWhole } from './frame-start.ts'
import { isImmediateRecoveryPoint } from './h264-sei.ts'

/** NAL unit types, ITU-T H.264 table 7-1, and the packet types of RFC 6184 section 5.2. */
const NAL = { slice: 1, partitionA: 2, idr: 5, sei: 6, sps: 7, delimiter: 9, stapA: 24, fuA: 28 } as const
const LAST_SINGLE_NAL = 23
const START_CODE = Uint8Array.of(0, 0, 0, 1)
const NO_UNITS: readonly Uint8Array[] = []

/** Gives access units in the byte-stream format (ITU-T H.264 annex B), a start code of four bytes before each NAL unit. */
class H264Depacketizer implements Depacketizer {
  readonly onePacketPerFrame = false

  /** An access unit delimiter, or a parameter set where there is none, is the first NAL unit (ITU-T H.264 section 7.4.1.2.3). */
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
    /** The header of the unit whose fragments come; -1 between units. */
    let fragmented = -1
    for (const payload of payloads) {
      if (payload.length < 1) return undefined
      const type = payload[0]! & 0x1f
      if (type === NAL.fuA) {
        const fragment = readFragment(payload)
        if (fragment === undefined) return undefined
        if (fragment.start ? fragmented >= 0 : fragment.header !== fragmented) return undefined
        if (fragment.start) {
          parts.push(START_CODE, Uint8Array.of(fragment.header))
          keyframe ||= nalType(fragment.header) === NAL.idr
        }
        parts.push(fragment.data)
        fragmented = fragment.end ? -1 : fragment.header
        continue
      }
      if (fragmented >= 0) return undefined
      const units = type === NAL.stapA ? aggregated(payload) : isUnit(type) ? [payload] : undefined
      if (units === undefined) return undefined
      for (const unit of units) {
        parts.push(START_CODE, unit)
        keyframe ||= startsDecoding(unit)
      }
    }
    if (fragmented >= 0 || parts.length === 0) return undefined
    return { data: concatBytes(parts), keyframe }
  }
}

/** RFC 6184 section 5.2: 0 and what lies above 23 is no NAL unit of a stream. */
function isUnit(type: number): boolean {
  return type >= 1 && type <= LAST_SINGLE_NAL
}

function nalType(unit: Uint8Array | number): number {
  return (typeof unit === 'number' ? unit : unit[0]!) & 0x1f
}

/** Streams with open groups of pictures have recovery points in the place of IDR pictures. */
function startsDecoding(unit: Uint8Array): boolean {
  const type = nalType(unit)
  return type === NAL.idr || (type === NAL.sei && isImmediateRecoveryPoint(unit))
}

/** The units of a STAP-A, RFC 6184 section 5.7.1: a size of 16 bits before each. */
function aggregated(payload: Uint8Array): Uint8Array[] | undefined {
  const units: Uint8Array[] = []
  let at = 1
  while (at < payload.length) {
    if (at + 2 > payload.length) return undefined
    const size = readU16(payload, at)
    at += 2
    if (size === 0 || at + size > payload.length || !isUnit(payload[at]! & 0x1f)) return undefined
    units.push(payload.subarray(at, at + size))
    at += size
  }
  return units.length === 0 ? undefined : units
}

/** RFC 6184 section 5.8. */
function readFragment(
  payload: Uint8Array,
): { start: boolean; end: boolean; header: number; data: Uint8Array } | undefined {
  if (payload.length < 3) return undefined
  const indicator = payload[0]!
  const header = payload[1]!
  const start = (header & 0x80) !== 0
  const end = (header & 0x40) !== 0
  // a unit in one fragment is not allowed
  if ((start && end) || !isUnit(header & 0x1f)) return undefined
  return { start, end, header: (indicator & 0xe0) | (header & 0x1f), data: payload.subarray(2) }
}

/** The NAL units that start in this payload: of one in fragments, its first two bytes. */
function startedUnits(payload: Uint8Array): readonly Uint8Array[] {
  if (payload.length < 1) return NO_UNITS
  const type = payload[0]! & 0x1f
  if (isUnit(type)) return [payload]
  if (type === NAL.stapA) return aggregated(payload) ?? NO_UNITS
  if (type !== NAL.fuA) return NO_UNITS
  const fragment = readFragment(payload)
  if (fragment?.start !== true) return NO_UNITS
  return [Uint8Array.of(fragment.header, fragment.data[0]!)]
}

/** Whether it begins with a slice's header, ITU-T H.264 section 7.3.3. */
function isSlice(type: number): boolean {
  return type === NAL.slice || type === NAL.partitionA || type === NAL.idr
}

/** first_mb_in_slice of 0, which is a one. */
function isFirstSlice(slice: Uint8Array): boolean {
  return slice.length > 1 && (slice[1]! & 0x80) !== 0
}

const SYNTAX: NalSyntax = {
  delimiter: NAL.delimiter,
  parameters: NAL.sps,
  startedUnits,
  typeOf: nalType,
  isSlice,
  isFirstSlice,
}

export const h264Depacketizer: Depacketizer = new H264Depacketizer()
