import type { FrameStart } from './depacketizer.ts'

// Where the frames of H.264 and H.265 start is not said by their packets. An access unit delimiter is the first unit of a frame, and a parameter set where there is none;
// but GStreamer can repeat parameter sets before each slice of an IDR picture.

/** What the two codecs differ in. */
export interface NalSyntax {
  readonly delimiter: number
  /** The parameter set that comes first. */
  readonly parameters: number
  /** The NAL units that start in a payload: of one in fragments, its header and one byte more. */
  startedUnits(payload: Uint8Array): readonly Uint8Array[]
  typeOf(unit: Uint8Array): number
  isSlice(type: number): boolean
  /** Whether a slice is the first of its picture. */
  isFirstSlice(slice: Uint8Array): boolean
}

/** The type of the first NAL unit that starts in this payload; -1 where none does. */
function firstNalType(syntax: NalSyntax, payload: Uint8Array): number {
  const first = syntax.startedUnits(payload)[0]
  return first === undefined ? -1 : syntax.typeOf(first)
}

/** `Depacketizer.startsFrame` */
export function startsFrame(syntax: NalSyntax, payload: Uint8Array): boolean {
  const type = firstNalType(syntax, payload)
  return type === syntax.delimiter || type === syntax.parameters
}

/** `Depacketizer.startsKeyframe`: a parameter set, with no slice before it. */
export function startsKeyframe(syntax: NalSyntax, payload: Uint8Array): boolean {
  for (const unit of syntax.startedUnits(payload)) {
    const type = syntax.typeOf(unit)
    if (type === syntax.parameters) return true
    if (syntax.isSlice(type)) return false
  }
  return false
}

/** `Depacketizer.startsWhole`: parameter sets do not come first where keyframes start with a delimiter or SEI, nor, where they are repeated, without the first slice. */
export function startsWhole(
  syntax: NalSyntax,
  payloads: readonly Uint8Array[],
  known: FrameStart | undefined,
): boolean {
  const type = firstNalType(syntax, payloads[0]!)
  if (type === syntax.delimiter) return true
  if (known !== undefined && !syntax.isSlice(known.type) && known.type !== type) return false
  const repeats = known?.repeatsParameters === true || repeatsParameters(syntax, payloads)
  return !repeats || hasFirstSlice(syntax, payloads)
}

/** `Depacketizer.learnStart` */
export function learnStart(
  syntax: NalSyntax,
  payloads: readonly Uint8Array[],
  known: FrameStart | undefined,
): FrameStart {
  const type = firstNalType(syntax, payloads[0]!)
  const repeats = known?.repeatsParameters === true || repeatsParameters(syntax, payloads)
  return known?.type === type && known.repeatsParameters === repeats
    ? known
    : { type, repeatsParameters: repeats }
}

/** Whether the first slice here is the first of its picture; true where there is none. */
function hasFirstSlice(syntax: NalSyntax, payloads: readonly Uint8Array[]): boolean {
  for (const payload of payloads) {
    for (const unit of syntax.startedUnits(payload)) {
      if (syntax.isSlice(syntax.typeOf(unit))) return syntax.isFirstSlice(unit)
    }
  }
  return true
}

/** Whether a parameter set follows a slice. */
function repeatsParameters(syntax: NalSyntax, payloads: readonly Uint8Array[]): boolean {
  let hasSlice = false
  for (const payload of payloads) {
    for (const unit of syntax.startedUnits(payload)) {
      const type = syntax.typeOf(unit)
      if (hasSlice && type === syntax.parameters) return true
      hasSlice ||= syntax.isSlice(type)
    }
  }
  return false
}
