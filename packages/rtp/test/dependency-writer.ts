// Writes dependency descriptors, AV1 RTP payload specification, appendix A.8: what the reader is tested with.

class BitWriter {
  readonly bits: number[] = []

  put(value: number, count: number): this {
    for (let i = count - 1; i >= 0; i--) this.bits.push(Math.floor(value / 2 ** i) % 2)
    return this
  }

  /** ns(n) */
  nonSymmetric(value: number, count: number): this {
    const width = count.toString(2).length
    const short = 2 ** width - count
    return value < short ? this.put(value, width - 1) : this.put(value + short, width)
  }

  bytes(): Uint8Array {
    const padded = [...this.bits, ...Array.from({ length: (8 - (this.bits.length % 8)) % 8 }, () => 0)]
    const bytes = new Uint8Array(padded.length / 8)
    padded.forEach((bit, i) => (bytes[i >> 3]! |= bit << (7 - (i & 7))))
    return bytes
  }
}

export interface Structure {
  readonly offset: number
  readonly targets: number
  readonly chains: number
  readonly protectedBy: readonly number[]
  readonly templates: readonly {
    readonly next: number
    readonly indications: readonly number[]
    readonly differences: readonly number[]
    readonly chainDifferences: readonly number[]
  }[]
  readonly resolutions: boolean
}

export function layersOf({ templates }: Structure): { spatial: number; temporal: number }[] {
  let spatial = 0
  let temporal = 0
  return templates.map((_, i) => {
    const next = i === 0 ? 0 : templates[i - 1]!.next
    if (next === 1) temporal++
    if (next === 2) {
      spatial++
      temporal = 0
    }
    return { spatial, temporal }
  })
}

export interface Descriptor {
  readonly start?: boolean
  readonly end?: boolean
  readonly template: number
  readonly frame: number
  readonly structure?: Structure
  readonly active?: number
  readonly targets?: number
  readonly indications?: readonly number[]
  readonly differences?: readonly number[]
  readonly chainDifferences?: readonly number[]
}

export function write(descriptor: Descriptor): Uint8Array {
  const {
    start = true,
    end = true,
    template,
    frame,
    structure,
    active,
    indications,
    differences,
  } = descriptor
  const { chainDifferences } = descriptor
  const writer = new BitWriter()
  writer
    .put(start ? 1 : 0, 1)
    .put(end ? 1 : 0, 1)
    .put(template, 6)
    .put(frame, 16)
  const fields = [structure, active, indications, differences, chainDifferences]
  if (fields.every((field) => field === undefined)) return writer.bytes()
  for (const field of fields) writer.put(field === undefined ? 0 : 1, 1)
  if (structure !== undefined) writeStructure(writer, structure)
  if (active !== undefined) writer.put(active, structure?.targets ?? descriptor.targets!)
  for (const indication of indications ?? []) writer.put(indication, 2)
  if (differences !== undefined) {
    for (const difference of differences) {
      const size = difference <= 16 ? 1 : difference <= 256 ? 2 : 3
      writer.put(size, 2).put(difference - 1, 4 * size)
    }
    writer.put(0, 2)
  }
  for (const difference of chainDifferences ?? []) writer.put(difference, 8)
  return writer.bytes()
}

function writeStructure(writer: BitWriter, structure: Structure): void {
  const { offset, targets, templates, chains, protectedBy, resolutions } = structure
  writer.put(offset, 6).put(targets - 1, 5)
  templates.forEach(({ next }, i) => writer.put(i === templates.length - 1 ? 3 : next, 2))
  for (const { indications } of templates) for (const indication of indications) writer.put(indication, 2)
  for (const { differences } of templates) {
    for (const difference of differences) writer.put(1, 1).put(difference - 1, 4)
    writer.put(0, 1)
  }
  writer.nonSymmetric(chains, targets + 1)
  if (chains > 0) {
    for (const chain of protectedBy) writer.nonSymmetric(chain, chains)
    for (const template of templates)
      for (const difference of template.chainDifferences) writer.put(difference, 4)
  }
  writer.put(resolutions ? 1 : 0, 1)
  if (!resolutions) return
  for (let spatial = 0; spatial <= layersOf(structure).at(-1)!.spatial; spatial++) {
    writer.put(160 * 2 ** spatial - 1, 16).put(90 * 2 ** spatial - 1, 16)
  }
}
