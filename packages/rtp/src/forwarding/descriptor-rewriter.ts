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
