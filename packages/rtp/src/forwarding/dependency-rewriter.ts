import {
  type DependencyDescriptor,
  DependencyDescriptorReader,
  type FrameDependencyStructure,
} from '../dependency-descriptor.ts'
import type { FrameLayers } from '../codecs/depacketizer.ts'
import { ContinuousNumber } from './continuous-number.ts'
import type { PacketPlace } from './descriptor-rewriter.ts'
import { ALL_LAYERS, LayerLimits, SENT } from './layer-limits.ts'
import { CLOSED, SourceWindow } from './source-window.ts'

/** How many frames back a late packet still finds its own, and a frame what it refers to. A power of two. */
const FRAME_WINDOW = 256
/** Where the frame number is, in all descriptors: after the flags and the template's id. */
const FRAME_NUMBER_AT = 1
const FRAME_NUMBER_BITS = 16
const MANDATORY_LENGTH = 3

/**
 * The dependency descriptor, AV1 RTP payload specification, appendix A: frame numbers go on over switches of the source. Leaves out temporal and spatial layers
 * of any codec, by what the descriptor says of each frame: down at any frame; up to more temporal layers at one that is a switch to them and refers to nothing that
 * was left out; up to more spatial layers at a keyframe, so that a picture has one end.
 */
export class DependencyRewriter extends LayerLimits {
  #reader = new DependencyDescriptorReader()
  readonly numbers: ContinuousNumber
  /** Of each of the newest frames: the layers that went out when it was sent, and whether it went out. */
  readonly #frames = new SourceWindow(FRAME_WINDOW)
  /** Of the packet last taken. */
  #number = 0
  #endsLayers = false

  /** `numbers`: those of what numbered the frames before, which go on. */
  constructor(numbers: ContinuousNumber = new ContinuousNumber(16)) {
    super()
    this.numbers = numbers
  }

  /** Whether the packet with this descriptor goes out. Then `rewrite` and `marker` are of it. */
  take(bytes: Uint8Array, place: PacketPlace): boolean {
    if (bytes.length < MANDATORY_LENGTH) return false
    const frames = this.#frames
    const number = frameNumberOf(bytes)
    if (place === 'joining' || frames.startsOver(number, FRAME_NUMBER_BITS, place)) this.#join(number)
    const frame = frames.unwrap(number, FRAME_NUMBER_BITS, place)
    if (!frames.reaches(frame)) return false
    if (frame > frames.newest) frames.advance(frame, this.limit)
    const descriptor = this.#reader.read(bytes)
    if (!this.#decide(frame, descriptor)) return false
    this.numbers.take(number, place)
    this.#number = number
    this.#endsLayers = descriptor?.endOfFrame === true && this.#isHighest(frame, descriptor)
    return true
  }

  /** Whether a frame goes out: decided with the first of its packets that comes. What cannot be read does. */
  #decide(frame: number, descriptor: DependencyDescriptor | undefined): boolean {
    const frames = this.#frames
    let note = frames.note(frame)
    if (note === CLOSED) return false
    if ((note & SENT) !== 0) return true
    if (descriptor !== undefined) {
      if (frame === frames.newest) {
        this.#updateLayers(frame, descriptor)
        note = this.limit
      }
      const { temporal, spatial } = descriptor.layers
      if (!this.wants(note, temporal, spatial)) {
        frames.setNote(frame, CLOSED)
        return false
      }
    }
    frames.setNote(frame, note | SENT)
    return true
  }

  /** Whether those above a frame are left out. What went out when it was sent follows it, though it is left out now; and so does what could not be read. */
  #isHighest(frame: number, { layers }: DependencyDescriptor): boolean {
    if (layers.spatial !== (this.#frames.note(frame) & 7)) return false
    return frame === this.#frames.newest || !this.#wasSent(frame + 1)
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
    this.#frames.join(number)
    this.takeAllWanted()
  }

  #updateLayers(frame: number, descriptor: DependencyDescriptor): void {
    const { layers, startsSequence } = descriptor
    const { maxTemporalLayer } = this
    if (startsSequence) this.takeAllWanted()
    this.spatialLayer = Math.min(this.spatialLayer, this.maxSpatialLayer)
    this.temporalLayer = Math.min(this.temporalLayer, maxTemporalLayer)
    // not in the middle of a picture of which lower layers were left out
    const mayRise = layers.temporal <= this.temporalLayer || layers.spatial === 0
    if (
      this.temporalLayer < maxTemporalLayer &&
      mayRise &&
      switchesTo(descriptor, { spatial: this.spatialLayer, temporal: maxTemporalLayer }) &&
      descriptor.frameDifferences.every((difference) => this.#wasSent(frame - difference))
    ) {
      this.temporalLayer = maxTemporalLayer
    }
    this.noteSpatialLayer(layers.spatial)
  }

  #wasSent(frame: number): boolean {
    if (!this.#frames.reaches(frame)) return false
    const note = this.#frames.note(frame)
    return note !== CLOSED && (note & SENT) !== 0
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
