import type { SeededRandom } from '@str0m/sans-io'

/** A frame as it was sent, and what a receiver is to make of it. */
export interface SentFrame {
  readonly payloads: Uint8Array[]
  readonly data: Uint8Array
  readonly keyframe: boolean
}

/** Makes a frame of random bytes and splits it the way the codec's payload format does. */
export type Packetizer = (random: SeededRandom, keyframe: boolean) => SentFrame

export function bytes(random: SeededRandom, length: number): Uint8Array {
  const { fill } = random
  const out = new Uint8Array(length)
  fill(out)
  return out
}

export function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Splits into 1 to 4 pieces, none of them empty. */
function pieces(random: SeededRandom, data: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = []
  let at = 0
  for (let left = 1 + random.integer(4); left > 1 && data.length - at > 1; left--) {
    const length = 1 + random.integer(data.length - at - 1)
    out.push(data.subarray(at, at + length))
    at += length
  }
  out.push(data.subarray(at))
  return out
}

export const opus: Packetizer = (random) => {
  const data = bytes(random, 1 + random.integer(80))
  return { payloads: [data], data, keyframe: true }
}

export const vp8: Packetizer = (random, keyframe) => {
  const data = bytes(random, 2 + random.integer(60))
  data[0] = (data[0]! & 0xfe) | (keyframe ? 0 : 1)
  const payloads = pieces(random, data).map((piece, i) => {
    const start = i === 0 ? 0x10 : 0
    return random.chance(0.5) ? join([start], piece) : join([0x80 | start, 0x80, 0x81, 0x23], piece)
  })
  return { payloads, data, keyframe }
}

/** One to three layer frames. */
export const vp9: Packetizer = (random, keyframe) => {
  const layers = 1 + random.integer(3)
  const payloads: Uint8Array[] = []
  const datas: Uint8Array[] = []
  for (let layer = 0; layer < layers; layer++) {
    const data = bytes(random, 1 + random.integer(40))
    datas.push(data)
    const split = pieces(random, data)
    split.forEach((piece, i) => {
      const begin = i === 0 ? 0x08 : 0
      const end = i === split.length - 1 ? 0x04 : 0
      payloads.push(join([0xa0 | (keyframe ? 0 : 0x40) | begin | end, 0x11, layer << 1, 7], piece))
    })
  }
  return { payloads, data: join(...datas), keyframe }
}

const START = [0, 0, 0, 1]

function nal(random: SeededRandom, type: number): Uint8Array {
  const unit = bytes(random, 3 + random.integer(40))
  unit[0] = 0x60 | type
  return unit
}

function fuA(random: SeededRandom, unit: Uint8Array): Uint8Array[] {
  const split = pieces(random, unit.subarray(1))
  if (split.length === 1) return [unit]
  return split.map((piece, i) => {
    const flags = (i === 0 ? 0x80 : 0) | (i === split.length - 1 ? 0x40 : 0)
    return join([(unit[0]! & 0xe0) | 28, flags | (unit[0]! & 0x1f)], piece)
  })
}

/** Says of a slice whether it is the first of its picture: in both codecs a bit, which is a one where it is. */
function markSlice(slice: Uint8Array, at: number, first: boolean): void {
  slice[at] = first ? slice[at]! | 0x80 : slice[at]! & 0x7f
}

/** Parameter sets before a keyframe, or before each of its slices, aggregated or not; several slices, fragmented or not. */
export const h264: Packetizer = (random, keyframe) => {
  const payloads: Uint8Array[] = []
  const units: Uint8Array[] = []
  const repeats = random.chance(0.2)
  for (let i = 0, slices = 1 + random.integer(3); i < slices; i++) {
    if (keyframe && (i === 0 || repeats)) {
      const sets = [nal(random, 7), nal(random, 8)]
      units.push(...sets)
      if (random.chance(0.5)) payloads.push(...sets)
      else payloads.push(join([0x78], ...sets.flatMap((set) => [[0, set.length], set])))
    }
    const slice = nal(random, keyframe ? 5 : 1)
    markSlice(slice, 1, i === 0)
    units.push(slice)
    payloads.push(...fuA(random, slice))
  }
  return { payloads, data: join(...units.flatMap((unit) => [START, unit])), keyframe }
}

/** Parameter sets before a keyframe, or before each of its slices, aggregated or not; several slices, fragmented or not. */
export const h265: Packetizer = (random, keyframe) => {
  const unit = (type: number): Uint8Array => {
    const made = bytes(random, 4 + random.integer(40))
    made[0] = type << 1
    made[1] = 1
    return made
  }
  const payloads: Uint8Array[] = []
  const units: Uint8Array[] = []
  const repeats = random.chance(0.2)
  for (let s = 0, slices = 1 + random.integer(3); s < slices; s++) {
    if (keyframe && (s === 0 || repeats)) {
      const sets = [unit(32), unit(33), unit(34)]
      units.push(...sets)
      if (random.chance(0.5)) payloads.push(...sets)
      else payloads.push(join([0x60, 1], ...sets.flatMap((set) => [[0, set.length], set])))
    }
    const slice = unit(keyframe ? 19 : 1)
    markSlice(slice, 2, s === 0)
    units.push(slice)
    const split = pieces(random, slice.subarray(2))
    if (split.length === 1) payloads.push(slice)
    else {
      split.forEach((piece, i) => {
        const flags = (i === 0 ? 0x80 : 0) | (i === split.length - 1 ? 0x40 : 0)
        payloads.push(join([49 << 1, 1, flags | (slice[0]! >> 1)], piece))
      })
    }
  }
  return { payloads, data: join(...units.flatMap((part) => [START, part])), keyframe }
}

function leb128(value: number): number[] {
  const out: number[] = []
  let rest = value
  do {
    out.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest = Math.floor(rest / 128)
  } while (rest > 0)
  return out
}

/** Several OBUs without sizes, with or without extension headers, cut anywhere; W counted or not. */
export const av1: Packetizer = (random, keyframe) => {
  const whole: Uint8Array[] = []
  const obus: Uint8Array[] = []
  const types = keyframe ? [1, 6] : random.chance(0.5) ? [6] : [3, 4]
  for (const type of types) {
    const body = bytes(random, 1 + random.integer(200))
    const header = random.chance(0.5) ? [type << 3] : [(type << 3) | 0x04, 0x08]
    obus.push(join(header, body))
    whole.push(join([header[0]! | 0x02, ...header.slice(1)], leb128(body.length), body))
  }
  const payloads: Uint8Array[] = []
  let continues = false
  let elements: Uint8Array[] = []
  const flush = (cut: boolean): void => {
    const counted = elements.length <= 3 && random.chance(0.7)
    const flags =
      (continues ? 0x80 : 0) |
      (cut ? 0x40 : 0) |
      ((counted ? elements.length : 0) << 4) |
      (keyframe && payloads.length === 0 ? 0x08 : 0)
    const last = elements.length - 1
    payloads.push(
      join(
        [flags],
        ...elements.flatMap((element, i) =>
          counted && i === last ? [element] : [leb128(element.length), element],
        ),
      ),
    )
    continues = cut
    elements = []
  }
  for (const obu of obus) {
    const split = pieces(random, obu)
    split.forEach((piece, i) => {
      elements.push(piece)
      if (i < split.length - 1) flush(true)
    })
    if (random.chance(0.3)) flush(false)
  }
  if (elements.length > 0) flush(false)
  return { payloads, data: join(...whole), keyframe }
}
