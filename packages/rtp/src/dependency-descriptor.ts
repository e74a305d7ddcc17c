import { serial16 } from '@str0m/sans-io'
import { BitReader } from './bit-reader.ts'
import type { FrameLayers } from './codecs/depacketizer.ts'

// The dependency descriptor, AV1 RTP payload specification, appendix A.8: what a frame is for, without a look at the payload. The first packet of
// a coded video sequence brings templates; the others name one, and say what is different.

/** Ids have six bits. */
const MAX_TEMPLATES = 64
/** AV1 has no more, specification section 6.2.3. */
const MAX_SPATIAL_LAYERS = 4
const MAX_TEMPORAL_LAYERS = 8
const MANDATORY_LENGTH = 3
const FRAME_CYCLE = 0x1_0000

/** What a frame is to a decode target, table A.1. At a `switch` a receiver that can decode the frame may go over to the target. */
export type DecodeTargetIndication = 'notPresent' | 'discardable' | 'switch' | 'required'

const INDICATIONS: readonly DecodeTargetIndication[] = ['notPresent', 'discardable', 'switch', 'required']
/** `next_layer_idc`, table A.2. */
const NEXT_LAYER = { temporal: 1, spatial: 2, none: 3 }

/** What many frames have in common. */
export interface FrameDependencyTemplate {
  readonly layers: FrameLayers
  /** One for each decode target. */
  readonly decodeTargetIndications: readonly DecodeTargetIndication[]
  /** How many frames back each frame lies that is referred to. */
  readonly frameDifferences: readonly number[]
  /** For each chain, how many frames back the last frame of it lies; 0: none before is needed. */
  readonly chainDifferences: readonly number[]
}

/** What the packets of a coded video sequence refer to. */
export interface FrameDependencyStructure {
  /** The id of the first template. */
  readonly templateIdOffset: number
  readonly templates: readonly FrameDependencyTemplate[]
  /** The highest layers of each decode target, and the chain that protects it where there are chains. */
  readonly decodeTargets: readonly { readonly layers: FrameLayers; readonly chain: number | undefined }[]
  readonly chains: number
  /** The largest size of each spatial layer; empty where it is not stated. */
  readonly resolutions: readonly { readonly width: number; readonly height: number }[]
}

/** What one packet says of its frame. */
export interface DependencyDescriptor extends FrameDependencyTemplate {
  readonly startOfFrame: boolean
  readonly endOfFrame: boolean
  /** 16 bits, in the order of decoding. */
  readonly frameNumber: number
  /** Of the decode targets, the ones that there are now: bit 0 is the first. */
  readonly activeDecodeTargets: number
  /** What the packet refers to. */
  readonly structure: FrameDependencyStructure
  /** Whether the packet brought the structure: it is the first of a coded video sequence. */
  readonly startsSequence: boolean
}

/** Reads the descriptors of one stream, whose structure it remembers. */
export class DependencyDescriptorReader {
  #structure: FrameDependencyStructure | undefined
  #activeDecodeTargets = 0
  /** The one before, for frames of before that come late, and its targets as they last were. */
  #structureBefore: FrameDependencyStructure | undefined
  #activeBefore = 0
  // unwrapped: a structure holds for longer than the numbers take to come round
  /** The newest frame that was read. */
  #newest = FRAME_CYCLE
  #structureFrame = 0
  #activeFrame = 0

  /** The newest structure. */
  get structure(): FrameDependencyStructure | undefined {
    return this.#structure
  }

  /** Reads the bytes of a header extension; `undefined` where they are malformed, or of a structure that is not known (its packet was lost). */
  read(bytes: Uint8Array): DependencyDescriptor | undefined {
    const reader = new BitReader(bytes)
    const startOfFrame = reader.flag()
    const endOfFrame = reader.flag()
    const templateId = reader.bits(6)
    const frameNumber = reader.bits(16)
    const extended = bytes.length > MANDATORY_LENGTH
    const startsSequence = extended && reader.flag()
    const hasActiveTargets = extended && reader.flag()
    const hasIndications = extended && reader.flag()
    const hasFrameDifferences = extended && reader.flag()
    const hasChainDifferences = extended && reader.flag()
    const frame =
      this.#structure === undefined ? FRAME_CYCLE + frameNumber : serial16.unwrap(frameNumber, this.#newest)
    const isEarlier = this.#structureBefore !== undefined && frame < this.#structureFrame
    const known = isEarlier ? this.#structureBefore : this.#structure
    const structure = startsSequence ? readStructure(reader) : known
    if (reader.failed || structure === undefined) return undefined
    const targets = structure.decodeTargets.length
    let active = isEarlier ? this.#activeBefore : this.#activeDecodeTargets
    if (startsSequence) active = 2 ** targets - 1
    if (hasActiveTargets) active = reader.bits(targets)
    const template = structure.templates[(templateId - structure.templateIdOffset) & (MAX_TEMPLATES - 1)]
    if (template === undefined) return undefined
    const descriptor: DependencyDescriptor = {
      startOfFrame,
      endOfFrame,
      frameNumber,
      layers: template.layers,
      decodeTargetIndications: hasIndications
        ? readIndications(reader, targets)
        : template.decodeTargetIndications,
      frameDifferences: hasFrameDifferences ? readFrameDifferences(reader) : template.frameDifferences,
      chainDifferences: hasChainDifferences
        ? readList(structure.chains, () => reader.bits(8))
        : template.chainDifferences,
      activeDecodeTargets: active,
      structure,
      startsSequence,
    }
    if (reader.failed) return undefined
    if (startsSequence) this.#adopt(structure, frame)
    if ((startsSequence || hasActiveTargets) && structure === this.#structure) this.#activate(active, frame)
    if (frame > this.#newest) this.#newest = frame
    return descriptor
  }

  /** Not one of before the newest, which came late. */
  #adopt(structure: FrameDependencyStructure, frame: number): void {
    if (frame < this.#structureFrame) return
    // a frame may bring it in several packets
    if (frame > this.#structureFrame) {
      this.#structureBefore = this.#structure
      this.#activeBefore = this.#activeDecodeTargets
    }
    this.#structure = structure
    this.#structureFrame = this.#activeFrame = frame
  }

  #activate(active: number, frame: number): void {
    if (frame < this.#activeFrame) return
    this.#activeDecodeTargets = active
    this.#activeFrame = frame
  }
}

/** `template_dependency_structure`; `undefined` where it is malformed. */
function readStructure(reader: BitReader): FrameDependencyStructure | undefined {
  const templateIdOffset = reader.bits(6)
  const targets = reader.bits(5) + 1
  const layers = readTemplateLayers(reader)
  if (layers === undefined) return undefined
  const count = layers.length
  const indications = readList(count, () => readIndications(reader, targets))
  const frameDifferences = readList(count, () => readTemplateFrameDifferences(reader))
  const chains = reader.nonSymmetric(targets + 1)
  const protectedBy = chains === 0 ? [] : readList(targets, () => reader.nonSymmetric(chains))
  const chainDifferences = readList(count, () => readList(chains, () => reader.bits(4)))
  const spatialLayers = layers.at(-1)!.spatial + 1
  const resolutions = reader.flag()
    ? readList(spatialLayers, () => ({ width: reader.bits(16) + 1, height: reader.bits(16) + 1 }))
    : []
  if (reader.failed) return undefined
  const templates = layers.map((of, i) => ({
    layers: of,
    decodeTargetIndications: indications[i]!,
    frameDifferences: frameDifferences[i]!,
    chainDifferences: chainDifferences[i]!,
  }))
  const decodeTargets = readList(targets, (target) => ({
    layers: highestLayers(templates, target),
    chain: protectedBy[target],
  }))
  return { templateIdOffset, templates, decodeTargets, chains, resolutions }
}

/** `template_layers`: each template is of the layers of the one before it, or of the next. */
function readTemplateLayers(reader: BitReader): FrameLayers[] | undefined {
  const layers: FrameLayers[] = []
  let spatial = 0
  let temporal = 0
  for (;;) {
    if (spatial >= MAX_SPATIAL_LAYERS || temporal >= MAX_TEMPORAL_LAYERS) return undefined
    layers.push({ spatial, temporal })
    const next = reader.bits(2)
    if (next === NEXT_LAYER.none) return layers
    if (reader.failed || layers.length === MAX_TEMPLATES) return undefined
    if (next === NEXT_LAYER.temporal) temporal++
    if (next === NEXT_LAYER.spatial) {
      spatial++
      temporal = 0
    }
  }
}

/** `decode_target_layers`: the highest of the frames that are part of the target. */
function highestLayers(templates: readonly FrameDependencyTemplate[], target: number): FrameLayers {
  let spatial = 0
  let temporal = 0
  for (const { layers, decodeTargetIndications } of templates) {
    if (decodeTargetIndications[target] === 'notPresent') continue
    spatial = Math.max(spatial, layers.spatial)
    temporal = Math.max(temporal, layers.temporal)
  }
  return { spatial, temporal }
}

function readIndications(reader: BitReader, targets: number): DecodeTargetIndication[] {
  return readList(targets, () => INDICATIONS[reader.bits(2)]!)
}

function readTemplateFrameDifferences(reader: BitReader): number[] {
  const differences: number[] = []
  while (reader.flag()) differences.push(reader.bits(4) + 1)
  return differences
}

/** `frame_fdiffs`: each has a size before it, in units of four bits. */
function readFrameDifferences(reader: BitReader): number[] {
  const differences: number[] = []
  for (let size = reader.bits(2); size > 0; size = reader.bits(2)) differences.push(reader.bits(4 * size) + 1)
  return differences
}

function readList<T>(length: number, read: (index: number) => T): T[] {
  const list: T[] = []
  for (let i = 0; i < length; i++) list.push(read(i))
  return list
}
