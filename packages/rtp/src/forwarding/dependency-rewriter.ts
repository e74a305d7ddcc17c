import { serial16 } from '@str0m/sans-io'
import {
  type DependencyDescriptor,
  DependencyDescriptorReader,
  type FrameDependencyStructure,
} from '../dependency-descriptor.ts'
import type { FrameLayers } from '../codecs/depacketizer.ts'
import { ALL_LAYERS, ContinuousNumber, type PacketPlace, WantedLayers } from './descriptor-rewriter.ts'

/** How many frames back a late packet still finds its own, and a frame what it refers to. A power of two. */
const FRAME_WINDOW = 256
/** Where the frame number is, in all descriptors: after the flags and the template's id. */
const FRAME_NUMBER_AT = 1
const MANDATORY_LENGTH = 3

/** What is known of a frame. */
const UNDECIDED = 0
const SENT = 1
const LEFT_OUT = 2

/**
 * The dependency descriptor, AV1 RTP payload specification, appendix A: frame numbers go on over switches of the source. Leaves out temporal and spatial layers
 * of any codec, by what the descriptor says of each frame: down at any frame; up to more temporal layers at one that is a switch to them and refers to nothing that
 * was left out; up to more spatial layers at a keyframe, so that a picture has one end.
 */
export class DependencyRewriter extends WantedLayers {
  #reader = new DependencyDescriptorReader()
  readonly numbers: ContinuousNumber
  #spatialLayer: number = ALL_LAYERS
  #temporalLayer: number = ALL_LAYERS
  /** Unwrapped. */
  #newest = 0
  /** Of the newest frames, whether they go out. */
  readonly #frames = new Uint8Array(FRAME_WINDOW)
  /** For each of them that may come late, the layers that went out when it was sent: 8 times the temporal and the spatial one. */
  readonly #limits = new Uint8Array(FRAME_WINDOW)
  #missesLayer = false
  /** Of the packet last taken. */
  #number = 0
  #endsLayers = false

  /** `numbers`: those of what numbered the frames before, which go on. */
  constructor(numbers: ContinuousNumber = new ContinuousNumber(16)) {
    super()
    this.numbers = numbers
  }

  /** Whether frames of a spatial layer that is wanted are left out until the next keyframe. */
  get missesLayer(): boolean {
    return this.#missesLayer && this.maxSpatialLayer > this.#spatialLayer
  }

  /** Whether the packet with this descriptor goes out. Then `rewrite` and `marker` are of it. */
  take(bytes: Uint8Array, place: PacketPlace): boolean {
    if (bytes.length < MANDATORY_LENGTH) return false
    const number = frameNumberOf(bytes)
    if (place === 'joining') this.#join(number)
    let frame = serial16.unwrap(number, this.#newest)
    if (place === 'late' && frame <= this.#newest - FRAME_WINDOW) return false
    if (place === 'newest' && frame < this.#newest) {
      // the source has started its numbers over
      this.#join(number)
      frame = this.#newest + 1
    }
    if (frame > this.#newest) this.#advance(frame)
    const descriptor = this.#reader.read(bytes)
    const index = frame & (FRAME_WINDOW - 1)
    if (this.#frames[index] === UNDECIDED) {
      const wants =
        descriptor === undefined ||
        (frame < this.#newest ? this.#stillWants(index, descriptor) : this.#wants(frame, descriptor))
      this.#frames[index] = wants ? SENT : LEFT_OUT
      if (frame === this.#newest) this.#limits[index] = this.#limit
    }
    if (this.#frames[index] === LEFT_OUT) return false
    this.numbers.take(number, place)
    this.#number = number
    this.#endsLayers = descriptor?.endOfFrame === true && this.#isHighest(frame, descriptor)
    return true
  }

  /** Whether those above a frame are left out. What went out when it was sent follows it, though it is left out now; and so does what could not be read. */
  #isHighest(frame: number, { layers }: DependencyDescriptor): boolean {
    if (layers.spatial !== (this.#limits[frame & (FRAME_WINDOW - 1)]! & 7)) return false
    return frame === this.#newest || this.#frames[(frame + 1) & (FRAME_WINDOW - 1)] !== SENT
  }

  /** The descriptor of the packet last taken, as it goes out. */
  rewrite(bytes: Uint8Array): Uint8Array {
    // the slice of a Buffer would share its memory
    const out = new Uint8Array(bytes)
    const number = this.numbers.map(this.#number)
    out[FRAME_NUMBER_AT] = number >> 8
    out[FRAME_NUMBER_AT + 1] = number
    return out
  }

  /** The marker bit of the packet last taken, whose own is `marker`: it is moved where the layers above are left out. */
  marker(marker: boolean): boolean {
    return marker || this.#endsLayers
  }

  #join(number: number): void {
    this.#reader = new DependencyDescriptorReader()
    this.numbers.join(number)
    this.#newest = number + 0xffff
    this.#frames.fill(LEFT_OUT)
    this.#spatialLayer = this.maxSpatialLayer
    this.#temporalLayer = this.maxTemporalLayer
    this.#missesLayer = false
  }

  get #limit(): number {
    return this.#temporalLayer * 8 + this.#spatialLayer
  }

  #advance(frame: number): void {
    for (let f = Math.max(this.#newest + 1, frame - FRAME_WINDOW + 1); f <= frame; f++) {
      this.#frames[f & (FRAME_WINDOW - 1)] = UNDECIDED
      this.#limits[f & (FRAME_WINDOW - 1)] = this.#limit
    }
    this.#newest = frame
  }

  /** Whether a frame that later ones have overtaken is wanted: it was when it was sent, and is now. For those it changes nothing. */
  #stillWants(index: number, { layers }: DependencyDescriptor): boolean {
    const limits = this.#limits[index]!
    return (
      layers.temporal <= Math.min(limits >> 3, this.#temporalLayer) &&
      layers.spatial <= Math.min(limits & 7, this.#spatialLayer)
    )
  }

  #wants(frame: number, descriptor: DependencyDescriptor): boolean {
    const { layers, startsSequence } = descriptor
    const spatial = this.maxSpatialLayer
    const temporal = this.maxTemporalLayer
    if (startsSequence) {
      this.#spatialLayer = spatial
      this.#temporalLayer = temporal
      this.#missesLayer = false
    }
    this.#spatialLayer = Math.min(this.#spatialLayer, spatial)
    this.#temporalLayer = Math.min(this.#temporalLayer, temporal)
    // not in the middle of a picture of which lower layers were left out
    const mayRise = layers.temporal <= this.#temporalLayer || layers.spatial === 0
    if (
      this.#temporalLayer < temporal &&
      mayRise &&
      switchesTo(descriptor, { spatial: this.#spatialLayer, temporal }) &&
      descriptor.frameDifferences.every((difference) => this.#wasSent(frame - difference))
    ) {
      this.#temporalLayer = temporal
    }
    if (layers.spatial > this.#spatialLayer && layers.spatial <= spatial) this.#missesLayer = true
    return layers.spatial <= this.#spatialLayer && layers.temporal <= this.#temporalLayer
  }

  #wasSent(frame: number): boolean {
    return frame > this.#newest - FRAME_WINDOW && this.#frames[frame & (FRAME_WINDOW - 1)] === SENT
  }
}

function frameNumberOf(bytes: Uint8Array): number {
  return (bytes[FRAME_NUMBER_AT]! << 8) | bytes[FRAME_NUMBER_AT + 1]!
}

/** Whether who decodes this frame can decode all that follow it up to these layers. */
function switchesTo(
  { structure, decodeTargetIndications }: DependencyDescriptor,
  wanted: FrameLayers,
): boolean {
  const target = targetWithin(structure, wanted)
  return target >= 0 && decodeTargetIndications[target] === 'switch'
}

/** The highest decode target that has no layers above these; -1 where there is none. */
function targetWithin(
  { decodeTargets }: FrameDependencyStructure,
  { spatial, temporal }: FrameLayers,
): number {
  let best = -1
  let rank = -1
  decodeTargets.forEach(({ layers }, target) => {
    if (layers.spatial > spatial || layers.temporal > temporal) return
    const its = layers.spatial * (ALL_LAYERS + 1) + layers.temporal
    if (its <= rank) return
    best = target
    rank = its
  })
  return best
}
