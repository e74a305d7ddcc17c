import { SeededRandom } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type DecodeTargetIndication,
  DependencyDescriptorReader,
  parseRtpHeader,
  StreamRx,
  writeRtpHeader,
} from '../src/index.ts'
import { layersOf, type Structure, write } from './dependency-writer.ts'

const INDICATIONS: readonly DecodeTargetIndication[] = ['notPresent', 'discardable', 'switch', 'required']

const list = <T>(value: fc.Arbitrary<T>, length: number): fc.Arbitrary<T[]> =>
  fc.array(value, { minLength: length, maxLength: length })

const structures: fc.Arbitrary<Structure> = fc
  .tuple(fc.integer({ min: 1, max: 32 }), fc.integer({ min: 1, max: 12 }))
  .chain(([targets, count]) =>
    fc.integer({ min: 0, max: Math.min(4, targets) }).chain((chains) =>
      fc.record({
        offset: fc.nat(63),
        targets: fc.constant(targets),
        chains: fc.constant(chains),
        protectedBy: chains === 0 ? fc.constant([]) : list(fc.nat(chains - 1), targets),
        templates: list(
          fc.record({
            next: fc.nat(2),
            indications: list(fc.nat(3), targets),
            differences: fc.array(fc.integer({ min: 1, max: 16 }), { maxLength: 3 }),
            chainDifferences: list(fc.nat(15), chains),
          }),
          count,
        ),
        resolutions: fc.boolean(),
      }),
    ),
  )
  .filter((structure) => layersOf(structure).every(({ spatial, temporal }) => spatial < 4 && temporal < 8))

/** One spatial and two temporal layers, as browsers send: three templates, two decode targets, one chain. */
const L1T2: Structure = {
  offset: 60,
  targets: 2,
  chains: 1,
  protectedBy: [0, 0],
  templates: [
    { next: 0, indications: [2, 2], differences: [], chainDifferences: [0] },
    { next: 1, indications: [2, 2], differences: [2], chainDifferences: [2] },
    { next: 0, indications: [0, 1], differences: [1], chainDifferences: [1] },
  ],
  resolutions: true,
}

describe('the dependency descriptor', () => {
  it('says what a frame is for, by templates that the first packet brings', () => {
    const reader = new DependencyDescriptorReader()
    expect(reader.read(write({ template: 61, frame: 9 }))).toBeUndefined()
    const first = reader.read(write({ template: 60, frame: 10, structure: L1T2, end: false }))!
    expect(first).toMatchObject({
      startOfFrame: true,
      endOfFrame: false,
      frameNumber: 10,
      layers: { spatial: 0, temporal: 0 },
      decodeTargetIndications: ['switch', 'switch'],
      frameDifferences: [],
      chainDifferences: [0],
      activeDecodeTargets: 0b11,
      startsSequence: true,
    })
    expect(first.structure).toMatchObject({
      decodeTargets: [
        { layers: { spatial: 0, temporal: 0 }, chain: 0 },
        { layers: { spatial: 0, temporal: 1 }, chain: 0 },
      ],
      chains: 1,
      resolutions: [{ width: 160, height: 90 }],
    })
    expect(reader.structure).toBe(first.structure)
    // the ids wrap at 64
    const second = reader.read(write({ template: 62, frame: 11 }))!
    expect(second).toMatchObject({
      layers: { spatial: 0, temporal: 1 },
      decodeTargetIndications: ['notPresent', 'discardable'],
      frameDifferences: [1],
      chainDifferences: [1],
      startsSequence: false,
    })
    expect(second.structure).toBe(first.structure)
    expect(reader.read(write({ template: 63, frame: 12 }))).toBeUndefined()
    expect(reader.read(write({ template: 59, frame: 12 }))).toBeUndefined()
  })

  it('what is different in one frame', () => {
    const reader = new DependencyDescriptorReader()
    reader.read(write({ template: 60, frame: 65_535, structure: L1T2 }))
    const custom = { indications: [3, 1], differences: [16, 17, 300], chainDifferences: [200] }
    expect(reader.read(write({ template: 61, frame: 0, ...custom }))).toMatchObject({
      decodeTargetIndications: ['required', 'discardable'],
      frameDifferences: [16, 17, 300],
      chainDifferences: [200],
    })
    expect(reader.read(write({ template: 61, frame: 1 }))).toMatchObject({ frameDifferences: [2] })
  })

  it('the targets that there are hold until they change; reorder: an old packet changes nothing', () => {
    const reader = new DependencyDescriptorReader()
    reader.read(write({ template: 60, frame: 10, structure: L1T2 }))
    expect(reader.read(write({ template: 61, frame: 14, active: 1, targets: 2 }))!.activeDecodeTargets).toBe(
      1,
    )
    expect(reader.read(write({ template: 62, frame: 15 }))!.activeDecodeTargets).toBe(1)
    expect(reader.read(write({ template: 61, frame: 12, active: 3, targets: 2 }))!.activeDecodeTargets).toBe(
      3,
    )
    expect(reader.read(write({ template: 61, frame: 16 }))!.activeDecodeTargets).toBe(1)
    const newer = { ...L1T2, offset: 5 }
    reader.read(write({ template: 5, frame: 20, structure: newer }))
    expect(reader.read(write({ template: 60, frame: 10, structure: L1T2 }))).toMatchObject({
      startsSequence: true,
    })
    expect(reader.structure).toMatchObject({ templateIdOffset: 5 })
    expect(reader.read(write({ template: 6, frame: 21 }))!.activeDecodeTargets).toBe(3)
  })

  it('of a frame that comes late is read by the structure that it was sent with', () => {
    const reader = new DependencyDescriptorReader()
    reader.read(write({ template: 60, frame: 65_534, structure: L1T2, active: 1 }))
    // the same ids stand for other frames
    const other: Structure = {
      ...L1T2,
      templates: L1T2.templates.toReversed().map((of, i) => ({ ...of, next: i === 0 ? 1 : 0 })),
    }
    reader.read(write({ template: 60, frame: 1, structure: other }))
    for (const [frame, temporal, active] of [
      [65_535, 0, 1],
      [2, 0, 3],
      [0, 0, 1],
    ] as const) {
      const { layers, structure, activeDecodeTargets } = reader.read(write({ template: 60, frame }))!
      expect({ layers, activeDecodeTargets }).toEqual({
        layers: { spatial: 0, temporal },
        activeDecodeTargets: active,
      })
      expect(structure.templates.map((of) => of.layers.temporal)).toEqual(frame === 2 ? [0, 1, 1] : [0, 0, 1])
    }
  })

  it('wrap: a structure counts however long after the one before it comes', () => {
    const reader = new DependencyDescriptorReader()
    reader.read(write({ template: 60, frame: 7, structure: L1T2 }))
    let frame = 7
    for (; frame < 7 + 45_000; frame += 100) expect(reader.read(write({ template: 61, frame }))).toBeDefined()
    const other = { ...L1T2, offset: 5 }
    expect(reader.read(write({ template: 5, frame, structure: other, active: 1 }))).toBeDefined()
    expect(reader.structure).toMatchObject({ templateIdOffset: 5 })
    expect(reader.read(write({ template: 6, frame: frame + 1 }))).toMatchObject({ activeDecodeTargets: 1 })
  })

  it('comes out with the frame, whose layers it tells where the payload does not', () => {
    const stream = new StreamRx({ ssrc: 1 })
    const codec = { pt: 102, name: 'H264', clockRate: 90_000, kind: 'video' } as const
    const send = (sequenceNumber: number, dependencyDescriptor: Uint8Array, payload: readonly number[]) => {
      const datagram = new Uint8Array(12 + payload.length)
      const fields = {
        marker: true,
        payloadType: 102,
        sequenceNumber,
        timestamp: 3000 * sequenceNumber,
        ssrc: 1,
      }
      datagram.set(payload, writeRtpHeader(datagram, fields))
      stream.handlePacket(0, parseRtpHeader(datagram)!, datagram.subarray(12), codec, {
        dependencyDescriptor,
      })
      return stream.pollFrame()
    }
    // parameter sets alone are no frame
    const keyframe = [0x78, 0, 2, 0x67, 1, 0, 2, 0x65, 0x80]
    expect(send(1, write({ template: 60, frame: 10, structure: L1T2 }), keyframe)).toMatchObject({
      layers: { spatial: 0, temporal: 0 },
      dependency: { startsSequence: true, frameNumber: 10 },
    })
    expect(send(2, write({ template: 62, frame: 11 }), [0x61, 1])).toMatchObject({
      layers: { spatial: 0, temporal: 1 },
      dependency: { decodeTargetIndications: ['notPresent', 'discardable'] },
    })
    expect(send(3, Uint8Array.of(1), [0x61, 1])).toMatchObject({ layers: undefined, dependency: undefined })
    // an encoder that numbers its frames anew, lower than before: its keyframe counts
    const other = { ...L1T2, offset: 5 }
    const again = write({ template: 5, frame: 4, structure: other })
    expect(send(4, again, [0x65, 1])).toMatchObject({
      dependency: { startsSequence: true, frameNumber: 4 },
    })
    expect(send(5, write({ template: 6, frame: 5 }), [0x61, 1])).toMatchObject({
      dependency: { frameNumber: 5 },
    })
  })

  it('any structure is read as it was written', () => {
    fc.assert(
      fc.property(structures, fc.nat(0xffff), fc.nat(), (structure, frame, pick) => {
        const layers = layersOf(structure)
        const index = pick % structure.templates.length
        const template = structure.templates[index]!
        const reader = new DependencyDescriptorReader()
        const id = (structure.offset + index) % 64
        const expected = {
          frameNumber: frame,
          layers: layers[index],
          decodeTargetIndications: template.indications.map((indication) => INDICATIONS[indication]),
          frameDifferences: template.differences,
          chainDifferences: template.chainDifferences,
          activeDecodeTargets: 2 ** structure.targets - 1,
        }
        const read = reader.read(write({ template: id, frame, structure }))!
        expect(read).toMatchObject(expected)
        expect(reader.read(write({ template: id, frame }))).toMatchObject(expected)
        expect(read.structure.templates.map((of) => of.layers)).toEqual(layers)
        expect(read.structure.decodeTargets.map(({ chain }) => chain)).toEqual(
          Array.from({ length: structure.targets }, (_, i) => structure.protectedBy[i]),
        )
        expect(read.structure.resolutions).toHaveLength(
          structure.resolutions ? layers.at(-1)!.spatial + 1 : 0,
        )
      }),
    )
  })

  it('cut anywhere, it is refused and changes nothing', () => {
    const whole = write({ template: 60, frame: 10, structure: L1T2, active: 1 })
    for (let length = 0; length < whole.length; length++) {
      const reader = new DependencyDescriptorReader()
      expect(reader.read(whole.subarray(0, length))).toBeUndefined()
      expect(reader.structure).toBeUndefined()
    }
    expect(new DependencyDescriptorReader().read(whole)).toBeDefined()
  })

  it('exhaust: more layers than AV1 has, or more templates than ids, are refused', () => {
    const template = { indications: [0], differences: [], chainDifferences: [] }
    const structureOf = (nexts: readonly number[]): Structure => ({
      offset: 0,
      targets: 1,
      chains: 0,
      protectedBy: [],
      templates: nexts.map((next) => ({ ...template, next })),
      resolutions: false,
    })
    const reads = (nexts: readonly number[]): boolean =>
      new DependencyDescriptorReader().read(
        write({ template: 0, frame: 0, structure: structureOf(nexts) }),
      ) !== undefined
    const many = (next: number, count: number): number[] => Array.from({ length: count }, () => next)
    expect([reads(many(1, 8)), reads(many(1, 9))]).toEqual([true, false])
    expect([reads(many(2, 4)), reads(many(2, 5))]).toEqual([true, false])
    expect([reads(many(0, 64)), reads(many(0, 65))]).toEqual([true, false])
  })

  it('garbage: nothing throws, and what is kept is bounded', () => {
    const random = new SeededRandom(1)
    const { fill } = random
    const reader = new DependencyDescriptorReader()
    const bytes = new Uint8Array(255)
    const start = write({ template: 60, frame: 10, structure: L1T2 })
    for (let i = 0; i < 20_000; i++) {
      fill(bytes)
      // half of them begin with a structure, of which one bit is wrong
      if (random.chance(0.5)) {
        bytes.set(start)
        bytes[random.integer(start.length)]! ^= 1 << random.integer(8)
      }
      reader.read(bytes.subarray(0, random.integer(256)))
      expect(reader.structure?.templates.length ?? 0).toBeLessThanOrEqual(64)
    }
  })
})
