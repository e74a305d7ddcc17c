import { UsageError } from '@str0m/sans-io'

/** The highest layer that there can be: nothing is left out. */
export const ALL_LAYERS = 7

/** Whether something of these layers is within a limit, which is one number of six bits: 8 times the temporal layer and the spatial one. */
export function isWithin(limit: number, temporal: number, spatial: number): boolean {
  return temporal <= ((limit >> 3) & 7) && spatial <= (limit & 7)
}

/** Beside the limit in the note on a frame: something of it went out, and so does the rest. */
export const SENT = 0x40

/** The layer, where it is one. Throws a `UsageError` (`invalid-option`) where it is not 0 to 7. */
function checkLayer(layer: number): number {
  if (Number.isInteger(layer) && layer >= 0 && layer <= ALL_LAYERS) return layer
  throw new UsageError('invalid-option', `A layer is 0 to ${ALL_LAYERS}, not ${layer}`)
}

/** The layers that are wanted of a stream, and those that go out of it, which follow where the stream allows it: what the rewriters have in common. */
export class LayerLimits {
  #maxTemporalLayer: number = ALL_LAYERS
  #maxSpatialLayer: number = ALL_LAYERS
  #leavesOutWanted = false
  /** The highest layers that go out now. */
  protected temporalLayer: number = ALL_LAYERS
  protected spatialLayer: number = ALL_LAYERS

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

  /** Whether a spatial layer that is wanted is left out until the next keyframe. */
  get missesLayer(): boolean {
    return this.#leavesOutWanted && this.#maxSpatialLayer > this.spatialLayer
  }

  /** The layers that go out now, as one number. */
  protected get limit(): number {
    return this.temporalLayer * 8 + this.spatialLayer
  }

  /** Whether what is of these layers, and was sent while `limit` was the limit, goes out: wanted then and now. */
  protected wants(limit: number, temporal: number, spatial: number): boolean {
    return isWithin(limit, temporal, spatial) && isWithin(this.limit, temporal, spatial)
  }

  /** All that is wanted goes out from here on: at a keyframe. */
  protected takeAllWanted(): void {
    this.temporalLayer = this.#maxTemporalLayer
    this.spatialLayer = this.#maxSpatialLayer
    this.#leavesOutWanted = false
  }

  /** Something of this spatial layer has come. */
  protected noteSpatialLayer(layer: number): void {
    if (layer > this.spatialLayer && layer <= this.#maxSpatialLayer) this.#leavesOutWanted = true
  }

  /** One more spatial layer goes out. */
  protected raiseSpatialLayer(): void {
    this.spatialLayer++
    this.#leavesOutWanted = false
  }
}
