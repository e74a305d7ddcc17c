import { concatBytes, readU16 } from '@str0m/sans-io'
import type { DepacketizedFrame, Depacketizer, FrameLayers, FrameStart } from './depacketizer.ts'

// Where the frames of H.264 and H.265 start is not said by their packets. An access unit delimiter is the first unit of a frame, and a parameter set where there is none
// (ITU-T H.264 section 7.4.1.2.3, H.265 section 7.4.2.4.4); but GStreamer can repeat parameter sets before each slice of an IDR picture. Where they end is said by the
// marker, which is not to be relied on (RFC 6184 section 5.1): GStreamer, asked for a keyframe, sends parameter sets with a marker, and then the frame that they are of.

const START_CODE = Uint8Array.of(0, 0, 0, 1)
const NO_UNITS: readonly Uint8Array[] = []

/** A part of a NAL unit that has a packet to itself. */
export interface NalFragment {
  readonly start: boolean
  readonly end: boolean
  /** That of the unit: as a number. */
  readonly header: number
  /** At least one byte. */
  readonly data: Uint8Array
}

/** What the two codecs differ in. */
export interface NalFormat {
  readonly delimiter: number
  /** The parameter set that comes first. */
  readonly parameters: number
  /** Bytes of a unit's header. */
  readonly headerLength: 1 | 2
  /** Bytes of the longest payload that ends a sequence at most, and starts nothing. */
  readonly longestEnd: number
  /** What a payload holds: whole units, or a fragment of one; `undefined` where it is malformed. */
  read(payload: Uint8Array): readonly Uint8Array[] | NalFragment | undefined
  /** By the unit's header. */
  typeOf(unit: Uint8Array): number
  isSlice(type: number): boolean
  /** Whether a unit is one of those that begin an access unit, before its slices. */
  precedesSlices(type: number): boolean
  /** Whether a slice is the first of its picture. */
  isFirstSlice(slice: Uint8Array): boolean
  /** Whether decoding can start at a unit, of which there may be no more than the header. */
  startsDecoding(unit: Uint8Array): boolean
  /** Whether a unit with this header has to be read to its end for that. */
  isMessage?(header: number): boolean
  /** Where the headers tell them. */
  layersOf?(payloads: readonly Uint8Array[]): FrameLayers
}

/** Gives access units in the byte-stream format (annex B of both), a start code of four bytes before each NAL unit. */
export class NalDepacketizer implements Depacketizer {
  readonly onePacketPerFrame = false
  readonly #format: NalFormat

  constructor(format: NalFormat) {
    this.#format = format
  }

  startsFrame(payload: Uint8Array): boolean {
    const type = this.#firstType(payload)
    return type === this.#format.delimiter || type === this.#format.parameters
  }

  /** A parameter set, with no slice before it. */
  startsKeyframe(payload: Uint8Array): boolean {
    const format = this.#format
    for (const unit of this.#startedUnits(payload)) {
      const type = format.typeOf(unit)
      if (type === format.parameters) return true
      if (format.isSlice(type)) return false
    }
    return false
  }

  precedesPicture(payload: Uint8Array): boolean {
    const format = this.#format
    const content = format.read(payload)
    if (content === undefined) return false
    if ('data' in content) return format.precedesSlices(format.typeOf(this.#headerBytes(content)))
    return content.every((unit) => format.precedesSlices(format.typeOf(unit)))
  }

  /**
   * Parameter sets do not come first where keyframes start with a delimiter or SEI, and what they come first in has its first slice. At the start of a stream a picture of which
   * another slice is the first is taken, as the baseline profile of H.264 may have it (arbitrary slice order), unless the parameter sets are seen to be repeated.
   */
  startsWhole(payloads: readonly Uint8Array[], known: FrameStart | undefined, afterLoss: boolean): boolean {
    const type = this.#firstType(payloads[0]!)
    if (type === this.#format.delimiter) return true
    if (known !== undefined && !this.#format.isSlice(known.type) && known.type !== type) return false
    return this.#hasFirstSlice(payloads) || !(afterLoss || this.#repeatsParameters(payloads))
  }

  learnStart(payloads: readonly Uint8Array[]): FrameStart {
    return { type: this.#firstType(payloads[0]!) }
  }

  assemble(payloads: readonly Uint8Array[]): DepacketizedFrame | undefined {
    const format = this.#format
    const parts: Uint8Array[] = []
    let keyframe = false
    /** The header of the unit whose fragments come; -1 between units. */
    let fragmented = -1
    /** Where its parts begin. */
    let opened = 0
    for (const payload of payloads) {
      const content = format.read(payload)
      if (content === undefined) return undefined
      if ('data' in content) {
        if (content.start ? fragmented >= 0 : content.header !== fragmented) return undefined
        if (content.start) {
          const header = this.#headerBytes(content)
          opened = parts.push(START_CODE, header) - 1
          keyframe ||= format.startsDecoding(header)
        }
        parts.push(content.data)
        fragmented = content.end ? -1 : content.header
        if (content.end && !keyframe && format.isMessage?.(content.header) === true) {
          keyframe = format.startsDecoding(concatBytes(parts.slice(opened)))
        }
        continue
      }
      if (fragmented >= 0) return undefined
      for (const unit of content) {
        parts.push(START_CODE, unit)
        keyframe ||= format.startsDecoding(unit)
      }
    }
    if (fragmented >= 0 || parts.length === 0) return undefined
    return { data: concatBytes(parts), keyframe, layers: format.layersOf?.(payloads) }
  }

  /** The type of the first NAL unit that starts in this payload; -1 where none does. */
  #firstType(payload: Uint8Array): number {
    const first = this.#startedUnits(payload)[0]
    return first === undefined ? -1 : this.#format.typeOf(first)
  }

  /** The NAL units that start in this payload: of one in fragments, its header and one byte more. */
  #startedUnits(payload: Uint8Array): readonly Uint8Array[] {
    if (payload.length <= this.#format.longestEnd) return NO_UNITS
    const content = this.#format.read(payload)
    if (content === undefined) return NO_UNITS
    if (!('data' in content)) return content
    return content.start ? [Uint8Array.of(...this.#headerBytes(content), content.data[0]!)] : NO_UNITS
  }

  #headerBytes({ header }: NalFragment): Uint8Array {
    return this.#format.headerLength === 1 ? Uint8Array.of(header) : Uint8Array.of(header >> 8, header & 0xff)
  }

  /** Whether the first slice here is the first of its picture; true where there is none. */
  #hasFirstSlice(payloads: readonly Uint8Array[]): boolean {
    const format = this.#format
    for (const payload of payloads) {
      for (const unit of this.#startedUnits(payload)) {
        if (format.isSlice(format.typeOf(unit))) return format.isFirstSlice(unit)
      }
    }
    return true
  }

  /** Whether a parameter set follows a slice. */
  #repeatsParameters(payloads: readonly Uint8Array[]): boolean {
    const format = this.#format
    let hasSlice = false
    for (const payload of payloads) {
      for (const unit of this.#startedUnits(payload)) {
        const type = format.typeOf(unit)
        if (hasSlice && type === format.parameters) return true
        hasSlice ||= format.isSlice(type)
      }
    }
    return false
  }
}

/** The units of an aggregation packet, from `at` on: a size of 16 bits before each. `undefined` where it is malformed. */
export function aggregatedUnits(
  payload: Uint8Array,
  at: number,
  isUnit: (unit: Uint8Array) => boolean,
): Uint8Array[] | undefined {
  const units: Uint8Array[] = []
  for (let next = at; next < payload.length;) {
    if (next + 2 > payload.length) return undefined
    const start = next + 2
    next = start + readU16(payload, next)
    if (next > payload.length) return undefined
    const unit = payload.subarray(start, next)
    if (!isUnit(unit)) return undefined
    units.push(unit)
  }
  return units.length === 0 ? undefined : units
}
