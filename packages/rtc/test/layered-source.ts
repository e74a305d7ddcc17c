import { packetizerFor } from '@str0m/rtp'
import type { SeededRandom } from '@str0m/sans-io'
import { type Structure, write } from '../../rtp/test/dependency-writer.ts'

// Encoders whose frames say themselves what they are, and know what they depend on: what a model of a decoder needs.

export type LayeredCodec = 'VP8' | 'VP9' | 'H264' | 'AV1'

export interface Shape {
  readonly codec: LayeredCodec
  readonly spatial: number
  readonly temporal: number
  /** VP9: references by their distance. */
  readonly flexible: boolean
  /** VP9: spatial layers refer to each other in keyframes alone. */
  readonly keyDependent: boolean
  /** VP8: of the picture ids. */
  readonly pictureIdBits: 7 | 15
  /** Whether packets have the dependency descriptor. */
  readonly described: boolean
}

/** A frame of one spatial layer. */
export interface LayerFrame {
  readonly source: number
  readonly shape: Shape
  /** Counted from the source's first. */
  readonly picture: number
  readonly spatial: number
  readonly temporal: number
  readonly keyframe: boolean
  /** As a decoder takes it. */
  readonly bytes: Uint8Array
  readonly references: readonly LayerFrame[]
  /** On the clock of the world. */
  readonly capturedAt: number
  /** As the source numbers them. */
  readonly pictureId: number
  readonly frameNumber: number
}

export interface SourcePacket {
  readonly frame: LayerFrame
  readonly payload: Uint8Array
  readonly marker: boolean
  readonly descriptor: Uint8Array | undefined
}

const PATTERNS: readonly (readonly number[])[] = [[0], [0, 1], [0, 2, 1, 2]]
/** Of the bytes that name a frame. All have the first bit, so that they are no start code and no OBU's. */
const TAG_LENGTH = 5
/** They end in the frame's tag, so that a packet of them alone is not like another. */
const PARAMETER_SETS = [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0x8c, 0, 0, 0, 1, 0x68, 0xce]
const SEQUENCE_HEADER = [0x0a, 2 + TAG_LENGTH, 0x01, 0x02]

/** What a packet has of a frame is enough to find that by. */
export const SHORTEST_BODY = 8

/** All frames of a run, by what they name themselves, and the packets that they went out in. */
export class FrameRegistry {
  readonly #frames = new Map<number, LayerFrame>()
  readonly #packets = new Map<string, { readonly frame: LayerFrame; readonly index: number }>()

  static keyOf(source: number, picture: number, spatial: number): number {
    return (source * 0x20_0000 + picture) * 4 + spatial
  }

  add(frame: LayerFrame): void {
    this.#frames.set(FrameRegistry.keyOf(frame.source, frame.picture, frame.spatial), frame)
  }

  /** The frames of the layers of which a picture is made; `undefined` where any byte of it was not sent so. */
  read(codec: LayeredCodec, data: Uint8Array): LayerFrame[] | undefined {
    const frames: LayerFrame[] = []
    for (let at = 0; at < data.length;) {
      const frame = this.#at(data, tagAt(codec, data, at))
      if (frame === undefined) return undefined
      const { bytes } = frame
      if (Buffer.compare(data.subarray(at, at + bytes.length), bytes) !== 0) return undefined
      frames.push(frame)
      at += bytes.length
    }
    return frames
  }

  /** `index` counts the packets of a source. */
  addPacket(body: Uint8Array, frame: LayerFrame, index: number): void {
    if (body.length >= SHORTEST_BODY)
      this.#packets.set(Buffer.from(body).toString('latin1'), { frame, index })
  }

  packet(body: Uint8Array): { readonly frame: LayerFrame; readonly index: number } | undefined {
    return this.#packets.get(Buffer.from(body).toString('latin1'))
  }

  #at(data: Uint8Array, at: number): LayerFrame | undefined {
    const of = (i: number): number => (data[at + i] ?? 0) & 0x7f
    const picture = (of(1) << 14) | (of(2) << 7) | of(3)
    return this.#frames.get(FrameRegistry.keyOf(of(0), picture, of(4)))
  }
}

/** Where the tag is of the frame that starts there. */
function tagAt(codec: LayeredCodec, data: Uint8Array, at: number): number {
  if (codec === 'VP8' || codec === 'VP9') return at + 1
  if (codec === 'H264') return at + 5 + (data[at + 4] === 0x67 ? PARAMETER_SETS.length + TAG_LENGTH : 0)
  const frame = at + (data[at] === SEQUENCE_HEADER[0] ? SEQUENCE_HEADER.length + TAG_LENGTH : 0)
  return frame + (data[frame + 1]! >= 0x80 ? 3 : 2)
}

export class LayeredSource {
  readonly index: number
  readonly shape: Shape
  readonly #random: SeededRandom
  readonly #registry: FrameRegistry
  readonly #packetizer: ReturnType<typeof packetizerFor>
  #picture = 0
  #packetIndex = 0
  #place = 0
  #pictureId: number
  #tl0: number
  #keyIndex: number
  #frameNumber: number
  #templateOffset: number
  /** The newest frame of each layer that later ones may refer to: by the spatial, then the temporal one. */
  #latest: (LayerFrame | undefined)[][] = []
  /** Spatial layers that are sent now. */
  #active: number
  #mayDropLayers = true

  constructor(index: number, shape: Shape, random: SeededRandom, registry: FrameRegistry) {
    this.index = index
    this.shape = shape
    this.#random = random
    this.#registry = registry
    this.#active = shape.spatial
    // close to where they wrap
    const near = (cycle: number): number => (cycle - 1 - random.integer(Math.min(60, cycle))) % cycle
    this.#pictureId = near(1 << this.#idBits)
    this.#tl0 = near(256)
    this.#keyIndex = near(32)
    this.#frameNumber = near(0x1_0000)
    this.#templateOffset = random.integer(64)
    const { codec } = shape
    if (codec === 'H264' || codec === 'AV1')
      this.#packetizer = packetizerFor(codec, new Map([['packetization-mode', '1']]), 0)
  }

  get #idBits(): 7 | 15 {
    return this.shape.codec === 'VP8' ? this.shape.pictureIdBits : 15
  }

  /** All layers, from the next keyframe on. */
  settle(): void {
    this.#mayDropLayers = false
  }

  /** Numbers pictures and frames from anywhere, as an encoder that was made anew. The next picture is a keyframe. */
  renew(): void {
    this.#pictureId = this.#random.integer(1 << this.#idBits)
    this.#frameNumber = this.#random.integer(0x1_0000)
    this.#latest = []
  }

  /** The packets of the next picture. */
  next(capturedAt: number, wantsKeyframe: boolean): SourcePacket[] {
    const { shape } = this
    const random = this.#random
    const key = wantsKeyframe || this.#latest.length === 0
    const pattern = PATTERNS[shape.temporal - 1]!
    if (key) {
      this.#place = 0
      this.#latest = Array.from({ length: shape.spatial }, () => [])
      this.#keyIndex = (this.#keyIndex + 1) & 31
      this.#active = shape.spatial
    }
    const temporal = pattern[this.#place++ % pattern.length]!
    if (temporal === 0) this.#tl0 = (this.#tl0 + 1) & 0xff
    // of the layers above, none from before this one is referred to any more
    const isSwitch = random.chance(0.3)
    const isSync = temporal > 0 && random.chance(0.4)
    let raised = shape.spatial
    if (!key && shape.codec === 'VP9' && shape.spatial > 1 && this.#mayDropLayers && random.chance(0.02)) {
      const active = 1 + random.integer(shape.spatial)
      if (active > this.#active) raised = this.#active
      this.#active = active
    }
    const picture: LayerFrame[] = []
    for (let spatial = 0; spatial < this.#active; spatial++) {
      const references: LayerFrame[] = []
      const below = picture[spatial - 1]
      const refersBelow = below !== undefined && (!shape.keyDependent || key || spatial >= raised)
      if (refersBelow) references.push(below)
      if (!key && spatial < raised) {
        for (let layer = 0; layer <= (isSync ? 0 : temporal); layer++) {
          const earlier = this.#latest[spatial]![layer]
          if (earlier !== undefined) references.push(earlier)
        }
      }
      picture.push(this.#frame({ spatial, temporal, key, references, capturedAt }))
    }
    for (const frame of picture) {
      const latest = this.#latest[frame.spatial]!
      if (isSwitch) latest.fill(undefined, temporal + 1)
      latest[temporal] = frame
    }
    // what was not sent is not referred to
    for (let spatial = this.#active; spatial < shape.spatial; spatial++) this.#latest[spatial] = []
    const details: Details = {
      key,
      temporal,
      isSwitch,
      isSync,
      raised,
      isRenewed: isSwitch && (temporal === 0 || (temporal === 1 && isSync)),
    }
    const packets = picture.flatMap((frame) => this.#packets(frame, details))
    this.#picture++
    this.#pictureId = (this.#pictureId + 1) & ((1 << this.#idBits) - 1)
    return packets.map((packet, i) => ({ ...packet, marker: i === packets.length - 1 }))
  }

  #frame({
    spatial,
    temporal,
    key,
    references,
    capturedAt,
  }: {
    spatial: number
    temporal: number
    key: boolean
    references: readonly LayerFrame[]
    capturedAt: number
  }): LayerFrame {
    const { codec } = this.shape
    const content = new Uint8Array(TAG_LENGTH + 10 + this.#random.integer(key ? 700 : 250))
    const picture = this.#picture
    let mixed = FrameRegistry.keyOf(this.index * 7919, picture, spatial)
    mixed ^= mixed >>> 15
    for (let i = 0; i < content.length; i++) {
      mixed = (Math.imul(mixed, 1_103_515_245) + 12_345) >>> 0
      content[i] = 0x80 | ((mixed >>> 16) & 0x7f)
    }
    const tag = [this.index, picture >> 14, picture >> 7, picture, spatial]
    tag.forEach((byte, i) => (content[i] = 0x80 | byte))
    const starts = key && spatial === 0
    const frame: LayerFrame = {
      source: this.index,
      shape: this.shape,
      picture,
      spatial,
      temporal,
      keyframe: key,
      bytes: Uint8Array.from([
        ...headOf(codec, starts ? content.subarray(0, TAG_LENGTH) : undefined, content.length),
        ...content,
      ]),
      references,
      capturedAt,
      pictureId: this.#pictureId,
      frameNumber: this.#frameNumber,
    }
    this.#frameNumber = (this.#frameNumber + 1) & 0xffff
    this.#registry.add(frame)
    return frame
  }

  #packets(frame: LayerFrame, details: Details): Omit<SourcePacket, 'marker'>[] {
    const room = 60 + this.#random.integer(400)
    const payloads = this.#payloads(frame, details, room)
    if (details.key && frame.spatial === 0) this.#templateOffset = (this.#templateOffset + 16) & 63
    return payloads.map((payload, i) => ({
      frame,
      payload,
      descriptor: this.shape.described
        ? this.#descriptor(frame, details, i === 0, i === payloads.length - 1)
        : undefined,
    }))
  }

  #payloads(frame: LayerFrame, details: Details, room: number): Uint8Array[] {
    if (this.#packetizer !== undefined) {
      const made = this.#packetizer.packetize(frame.bytes, room, frame.keyframe)!
      return made.map(({ pieces }) => {
        const payload = Uint8Array.from(pieces.flatMap((piece) => [...piece]))
        this.#registry.addPacket(payload, frame, this.#packetIndex++)
        return payload
      })
    }
    const count = Math.ceil(frame.bytes.length / room)
    const size = Math.ceil(frame.bytes.length / count)
    return Array.from({ length: count }, (_, i) => {
      const head =
        this.shape.codec === 'VP8'
          ? this.#vp8(details, i === 0)
          : this.#vp9(frame, details, i === 0, i === count - 1)
      const body = frame.bytes.subarray(i * size, (i + 1) * size)
      this.#registry.addPacket(body, frame, this.#packetIndex++)
      return Uint8Array.from([...head, ...body])
    })
  }

  #vp8({ temporal, isSync }: Details, first: boolean): number[] {
    const id = this.#pictureId
    const { pictureIdBits } = this.shape
    return [
      first ? 0x90 : 0x80,
      0xf0,
      ...(pictureIdBits === 7 ? [id] : [0x80 | (id >> 8), id & 0xff]),
      this.#tl0,
      (temporal << 6) | (isSync ? 0x20 : 0) | this.#keyIndex,
    ]
  }

  #vp9(frame: LayerFrame, details: Details, first: boolean, last: boolean): number[] {
    const { spatial, temporal, keyframe, picture, references } = frame
    const { flexible, keyDependent } = this.shape
    const id = this.#pictureId
    const earlier = references.filter((of) => of.picture !== picture)
    const refersBelow = earlier.length < references.length
    const hasStructure = keyframe && spatial === 0 && first
    const isTop = spatial === this.#active - 1
    const mayBeRaised = spatial + 1 >= details.raised
    const unused = isTop || (keyDependent && !keyframe && !mayBeRaised)
    return [
      0xa0 |
        (earlier.length > 0 ? 0x40 : 0) |
        (flexible ? 0x10 : 0) |
        (first ? 0x08 : 0) |
        (last ? 0x04 : 0) |
        (hasStructure ? 0x02 : 0) |
        (unused ? 0x01 : 0),
      0x80 | (id >> 8),
      id & 0xff,
      (temporal << 5) | (details.isSwitch ? 0x10 : 0) | (spatial << 1) | (refersBelow ? 1 : 0),
      ...(flexible ? differences(earlier, picture) : [this.#tl0]),
      ...(hasStructure ? [(this.shape.spatial - 1) << 5] : []),
    ]
  }

  #descriptor(
    frame: LayerFrame,
    { key, isRenewed, isSync }: Details,
    start: boolean,
    end: boolean,
  ): Uint8Array {
    const { spatial: spatialLayers, temporal: temporalLayers } = this.shape
    const { spatial, temporal, frameNumber } = frame
    const indications: number[] = []
    for (let s = 0; s < spatialLayers; s++) {
      for (let t = 0; t < temporalLayers; t++) {
        const isPart = spatial <= s && temporal <= t
        const switches =
          key ||
          (s === spatial && (isRenewed || (t === temporal && (temporal === 0 || (temporal === 1 && isSync)))))
        indications.push(!isPart ? 0 : switches ? 2 : 3)
      }
    }
    const offset = this.#templateOffset
    const structure = key && spatial === 0 && start ? this.#structure(offset) : undefined
    return write({
      start,
      end,
      template: (offset + spatial * temporalLayers + temporal) & 63,
      frame: frameNumber,
      targets: spatialLayers * temporalLayers,
      ...(structure === undefined ? {} : { structure }),
      indications,
      differences: frame.references.map((of) => (frameNumber - of.frameNumber) & 0xffff),
    })
  }

  #structure(offset: number): Structure {
    const { spatial, temporal } = this.shape
    const targets = spatial * temporal
    return {
      offset,
      targets,
      chains: 0,
      protectedBy: [],
      resolutions: false,
      templates: Array.from({ length: targets }, (_, i) => ({
        next: (i + 1) % temporal === 0 ? 2 : 1,
        indications: Array.from({ length: targets }, (__, target) =>
          Math.floor(i / temporal) <= Math.floor(target / temporal) && i % temporal <= target % temporal
            ? 3
            : 0,
        ),
        differences: [],
        chainDifferences: [],
      })),
    }
  }
}

interface Details {
  readonly key: boolean
  readonly temporal: number
  readonly isSwitch: boolean
  readonly isSync: boolean
  /** The lowest spatial layer that starts anew in this picture, or their number. */
  readonly raised: number
  /** Whether who has this frame can decode all that follows of its spatial layer. */
  readonly isRenewed: boolean
}

/** What comes before the content; of a keyframe, whose tag is given, what a decoder needs to join. */
function headOf(codec: LayeredCodec, tag: Uint8Array | undefined, length: number): number[] {
  switch (codec) {
    case 'VP8':
      return [tag === undefined ? 0x11 : 0x10]
    case 'VP9':
      return [tag === undefined ? 0x84 : 0x80]
    case 'H264':
      return [
        ...(tag === undefined ? [] : [...PARAMETER_SETS, ...tag]),
        0,
        0,
        0,
        1,
        tag === undefined ? 0x41 : 0x65,
      ]
    case 'AV1':
      return [
        ...(tag === undefined ? [] : [...SEQUENCE_HEADER, ...tag]),
        0x32,
        ...(length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7]),
      ]
  }
}

/** P_DIFF, RFC 9628 section 4.2: each but the last says that another one follows. */
function differences(earlier: readonly LayerFrame[], picture: number): number[] {
  return earlier.map((of, i) => ((picture - of.picture) << 1) | (i < earlier.length - 1 ? 1 : 0))
}
