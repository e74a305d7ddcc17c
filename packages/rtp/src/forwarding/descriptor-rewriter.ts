import { UsageError } from '@str0m/sans-io'

/**
 * Where a packet lies to those before it: the first of a new source and of a keyframe, in front of all that came, or behind one that
 * came before it.
 */
export type PacketPlace = 'joining' | 'newest' | 'late'

/**
 * Keeps the codec's own numbers (picture ids and the like) continuous where the source of a forwarded stream changes, and says which packets
 * are of a layer that is left out. Reads and writes only the payload descriptor, at its place and at its length.
 */
export interface DescriptorRewriter {
  /** The highest temporal layer that is wanted, 0 to 7. It takes effect where the stream allows it. Setting another throws a `UsageError` (`invalid-option`). */
  maxTemporalLayer: number
  /** The highest spatial layer that is wanted, 0 to 7. It takes effect where the stream allows it. Setting another throws a `UsageError` (`invalid-option`). */
  maxSpatialLayer: number
  /** Whether a spatial layer that is wanted is left out until the next keyframe. */
  readonly missesLayer: boolean
  /** Whether the descriptor of this payload tells its layers by itself: a sender may leave that to the dependency descriptor. */
  tellsLayers(bytes: Uint8Array, start: number, end: number): boolean
  /**
   * Whether the packet whose payload lies at `start` up to `end` goes out. Then `write` is to follow. False too where it is malformed, which
   * changes nothing.
   */
  take(bytes: Uint8Array, start: number, end: number, place: PacketPlace): boolean
  /** Bytes of the descriptor of the packet last taken: all that `write` may change. */
  readonly length: number
  /** Changes the descriptor of the packet last taken, whose payload is at `start` of `out`. */
  write(out: Uint8Array, start: number): void
  /** The marker bit of the packet last taken, whose own is `marker`: it is moved where the last layer of a picture is left out. */
  marker(marker: boolean): boolean
}

/** The highest layer that there can be: nothing is left out. */
export const ALL_LAYERS = 7

/** The layer, where it is one. Throws a `UsageError` (`invalid-option`) where it is not 0 to 7. */
function checkLayer(layer: number): number {
  if (Number.isInteger(layer) && layer >= 0 && layer <= ALL_LAYERS) return layer
  throw new UsageError('invalid-option', `A layer is 0 to ${ALL_LAYERS}, not ${layer}`)
}

/** The unbounded counterpart, closest to `reference`, of a number of `bits` bits. */
function unwrapBits(value: number, reference: number, bits: number): number {
  const shift = 32 - bits
  return reference + (((value - reference) << shift) >> shift)
}

/** The layers that are wanted of a stream: what the rewriters have in common. */
export class WantedLayers {
  #maxTemporalLayer: number = ALL_LAYERS
  #maxSpatialLayer: number = ALL_LAYERS

  get maxTemporalLayer(): number {
    return this.#maxTemporalLayer
  }

  set maxTemporalLayer(layer: number) {
    this.#maxTemporalLayer = checkLayer(layer)
  }

  get maxSpatialLayer(): number {
    return this.#maxSpatialLayer
  }

  set maxSpatialLayer(layer: number) {
    this.#maxSpatialLayer = checkLayer(layer)
  }
}

/** A number of the codec's that goes on where the source changes: the first of a new source follows the newest of the one before. */
export class ContinuousNumber {
  readonly #bits: number
  readonly #mask: number
  #delta = 0
  /** As it went out. */
  #newest: number | undefined

  constructor(bits: number) {
    this.#bits = bits
    this.#mask = 2 ** bits - 1
  }

  /** A source starts, with this number. */
  join(first: number): void {
    if (this.#newest !== undefined) this.#delta = (this.#newest + 1 - first) & this.#mask
  }

  /** What a number of the source goes out as. */
  map(number: number): number {
    return (number + this.#delta) & this.#mask
  }

  /** Takes note of a number that goes out, in a packet that lies there: that of the newest one is the newest, also where it came round meanwhile. */
  take(number: number, place: PacketPlace): void {
    const out = this.map(number)
    const newest = this.#newest
    if (newest === undefined || place !== 'late' || unwrapBits(out, newest, this.#bits) > newest) {
      this.#newest = out
    }
  }
}

/** How many pictures back a late packet still finds its own: half of what seven bits can tell apart. A power of two. */
export const PICTURE_WINDOW = 64
const PICTURE_CYCLE = 0x8000
const SHORT_PICTURE_CYCLE = 0x80

/** A picture id where a descriptor has it, counted from its start; at 0: it has none. */
export interface PictureIdField {
  readonly pictureIdAt: number
  readonly pictureIdBits: 7 | 15
  readonly pictureId: number
}

/** The newest picture of a source, unwrapped, for what lies around it. */
export class NewestPicture {
  /** Whether the source has picture ids. */
  isNumbered = false
  number = 0

  /** A source starts, with a packet of this picture: the next that is new. */
  join({ pictureIdAt, pictureId }: PictureIdField): void {
    this.isNumbered = pictureIdAt > 0
    if (this.isNumbered) this.number = pictureId + PICTURE_CYCLE - 1
  }

  /** The unwrapped number of the picture of a packet that lies there. Where pictures are lost, ids of seven bits come round unseen. */
  unwrap({ pictureId, pictureIdBits }: PictureIdField, place: PacketPlace): number {
    const number = unwrapBits(pictureId, this.number, pictureIdBits)
    const cameRound = place === 'newest' && pictureIdBits === 7 && number < this.number
    return cameRound ? number + SHORT_PICTURE_CYCLE : number
  }

  /** Whether a packet that is the newest is of a picture before the newest one: the source has started its ids over. */
  startsOver(field: PictureIdField, place: PacketPlace): boolean {
    if (place !== 'newest' || field.pictureIdAt === 0 || !this.isNumbered) return false
    return this.unwrap(field, place) < this.number
  }
}

/** Writes a picture id at the length that it has in the descriptor at `start`. */
export function writePictureId(
  out: Uint8Array,
  start: number,
  { pictureIdAt, pictureIdBits }: PictureIdField,
  id: number,
): void {
  const at = start + pictureIdAt
  if (pictureIdBits === 7) out[at] = id & 0x7f
  else {
    out[at] = 0x80 | ((id >> 8) & 0x7f)
    out[at + 1] = id
  }
}
