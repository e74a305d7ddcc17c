import { concatBytes } from '@str0m/sans-io'

/** ITU-T H.264 table 7-1. */
const NAL_SPS = 7
const NAL_PPS = 8
const NAL_DELIMITER = 9
const START_CODE = Uint8Array.of(0, 0, 0, 1)
/** Profiles whose parameter set tells of the chroma format, ITU-T H.264 section 7.3.2.1.1. */
const CHROMA_PROFILES: ReadonlySet<number> = new Set([
  100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135,
])
/** More than any stream has; a parameter set that says so is broken. */
const MAX_REFERENCE_CYCLE = 255

/** What a sequence parameter set says of a stream. */
export interface H264Format {
  readonly width: number
  readonly height: number
  /** Such as `avc1.42e01f`, RFC 6381. */
  readonly codec: string
}

/** The NAL units of a frame in the byte-stream format (ITU-T H.264 annex B), as views. */
export function nalUnits(frame: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = []
  let start = -1
  let zeros = 0
  for (let i = 0; i < frame.length; i++) {
    const byte = frame[i]!
    if (byte === 1 && zeros >= 2) {
      if (start >= 0) units.push(trimmed(frame, start, i - zeros))
      start = i + 1
    }
    zeros = byte === 0 ? zeros + 1 : 0
  }
  if (start >= 0) units.push(trimmed(frame, start, frame.length))
  return units.filter(({ length }) => length > 0)
}

/** Zeros at the end of a unit are no part of it. */
function trimmed(frame: Uint8Array, start: number, end: number): Uint8Array {
  let last = end
  while (last > start && frame[last - 1] === 0) last--
  return frame.subarray(start, last)
}

/** What a keyframe says of its stream; `undefined` where it brings no parameter sets that can be read. */
export function h264Format(frame: Uint8Array): H264Format | undefined {
  const units = nalUnits(frame)
  const parameters = units.find((unit) => (unit[0]! & 0x1f) === NAL_SPS)
  if (parameters === undefined || !units.some((unit) => (unit[0]! & 0x1f) === NAL_PPS)) return undefined
  return parseSps(parameters)
}

/** ITU-T H.264 section 7.3.2.1.1. */
function parseSps(unit: Uint8Array): H264Format | undefined {
  const bits = new BitReader(unescaped(unit.subarray(1)))
  const profile = bits.read(8)
  const constraints = bits.read(8)
  const level = bits.read(8)
  bits.golomb() // seq_parameter_set_id
  let chromaFormat = 1
  let separatePlanes = false
  if (CHROMA_PROFILES.has(profile)) {
    chromaFormat = bits.golomb()
    if (chromaFormat === 3) separatePlanes = bits.flag()
    bits.golomb() // bit_depth_luma_minus8
    bits.golomb() // bit_depth_chroma_minus8
    bits.flag() // qpprime_y_zero_transform_bypass_flag
    if (bits.flag()) {
      for (let i = 0; i < (chromaFormat === 3 ? 12 : 8); i++)
        if (bits.flag()) skipScalingList(bits, i < 6 ? 16 : 64)
    }
  }
  bits.golomb() // log2_max_frame_num_minus4
  const orderType = bits.golomb()
  if (orderType === 0) bits.golomb()
  else if (orderType === 1) {
    bits.flag()
    bits.golomb()
    bits.golomb()
    const cycle = Math.min(bits.golomb(), MAX_REFERENCE_CYCLE)
    for (let i = 0; i < cycle; i++) bits.golomb()
  }
  bits.golomb() // max_num_ref_frames
  bits.flag() // gaps_in_frame_num_value_allowed_flag
  const columns = bits.golomb() + 1
  const rows = bits.golomb() + 1
  const framesOnly = bits.flag()
  if (!framesOnly) bits.flag()
  bits.flag() // direct_8x8_inference_flag
  const [left, right, top, bottom] = bits.flag()
    ? [bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()]
    : [0, 0, 0, 0]
  if (bits.failed) return undefined
  const arrayType = separatePlanes ? 0 : chromaFormat
  const cropX = arrayType === 1 || arrayType === 2 ? 2 : 1
  const cropY = (arrayType === 1 ? 2 : 1) * (framesOnly ? 1 : 2)
  const width = 16 * columns - cropX * (left + right)
  const height = 16 * rows * (framesOnly ? 1 : 2) - cropY * (top + bottom)
  if (width <= 0 || height <= 0 || width > 0xffff || height > 0xffff) return undefined
  const hex = [profile, constraints, level].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return { width, height, codec: `avc1.${hex}` }
}

function skipScalingList(bits: BitReader, size: number): void {
  let last = 8
  let next = 8
  for (let i = 0; i < size; i++) {
    if (next !== 0) next = (last + bits.signedGolomb() + 256) & 0xff
    if (next !== 0) last = next
  }
}

/** Without the emulation prevention bytes, ITU-T H.264 section 7.4.1. */
function unescaped(bytes: Uint8Array): Uint8Array {
  const kept: number[] = []
  let zeros = 0
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0
      continue
    }
    zeros = byte === 0 ? zeros + 1 : 0
    kept.push(byte)
  }
  return Uint8Array.from(kept)
}

/** Reads bits from the highest on. Past the end it yields zeros, and `failed` is set. */
class BitReader {
  readonly #bytes: Uint8Array
  #position = 0
  failed = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  flag(): boolean {
    const byte = this.#bytes[this.#position >> 3]
    if (byte === undefined) {
      this.failed = true
      return false
    }
    return ((byte >> (7 - (this.#position++ & 7))) & 1) === 1
  }

  read(count: number): number {
    let value = 0
    for (let i = 0; i < count; i++) value = 2 * value + Number(this.flag())
    return value
  }

  /** ue(v), ITU-T H.264 section 9.1. */
  golomb(): number {
    let zeros = 0
    while (!this.failed && !this.flag()) zeros++
    if (zeros > 31) this.failed = true
    return this.failed ? 0 : 2 ** zeros - 1 + this.read(zeros)
  }

  /** se(v), ITU-T H.264 section 9.1.1. */
  signedGolomb(): number {
    const value = this.golomb()
    return value % 2 === 1 ? (value + 1) / 2 : -value / 2
  }
}

/** What stands before the frames of a file: ISO/IEC 14496-15 section 5.3.3.1. */
export interface AvcConfiguration {
  /** Bytes of the length before each NAL unit. */
  readonly lengthSize: number
  /** All of them in the byte-stream format. */
  readonly parameterSets: Uint8Array
}

/** Reads an `AVCDecoderConfigurationRecord`; `undefined` where it is none. */
export function readAvcConfiguration(record: Uint8Array): AvcConfiguration | undefined {
  if (record.length < 7 || record[0] !== 1) return undefined
  const pieces: Uint8Array[] = []
  let at = 5
  for (const mask of [0x1f, 0xff]) {
    const count = (record[at++] ?? 0) & mask
    for (let i = 0; i < count; i++) {
      const length = ((record[at] ?? 0) << 8) | (record[at + 1] ?? 0)
      if (at + 2 + length > record.length) return undefined
      pieces.push(START_CODE, record.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
  }
  return { lengthSize: (record[4]! & 3) + 1, parameterSets: concatBytes(pieces) }
}

/**
 * A frame of a file in the byte-stream format, as it is sent. A keyframe that does not bring parameter sets itself gets those of the file.
 * `undefined` where its lengths do not add up.
 */
export function toByteStream(
  frame: Uint8Array,
  keyframe: boolean,
  { lengthSize, parameterSets }: AvcConfiguration,
): Uint8Array | undefined {
  const pieces: Uint8Array[] = []
  let hasParameters = false
  /** Pieces before the parameter sets: a delimiter stays the first unit, ITU-T H.264 section 7.4.1.2.3. */
  let before = 0
  let at = 0
  while (at < frame.length) {
    let length = 0
    for (let i = 0; i < lengthSize; i++) length = 256 * length + (frame[at + i] ?? 0)
    at += lengthSize
    if (at + length > frame.length) return undefined
    if (length > 0) {
      const type = frame[at]! & 0x1f
      hasParameters ||= type === NAL_SPS
      pieces.push(START_CODE, frame.subarray(at, at + length))
      if (type === NAL_DELIMITER) before = pieces.length
    }
    at += length
  }
  if (keyframe && !hasParameters) pieces.splice(before, 0, parameterSets)
  return concatBytes(pieces)
}
