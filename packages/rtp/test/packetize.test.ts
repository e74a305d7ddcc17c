import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { depacketizerFor, packetizerFor, type PayloadPieces } from '../src/index.ts'
import { join } from './packetizers.ts'

const MODE_1 = new Map([['packetization-mode', '1']])

function joined({ pieces, length }: PayloadPieces): Uint8Array {
  const whole = join(...pieces)
  expect(whole.length).toBe(length)
  return whole
}

/** NAL units that hold no start code: as an encoder escapes them. */
const nalUnit = fc
  .tuple(
    fc.integer({ min: 1, max: 23 }),
    fc.integer({ min: 0, max: 3 }),
    fc.uint8Array({ minLength: 1, maxLength: 1500, size: 'max' }),
  )
  .map(([type, importance, body]) =>
    Uint8Array.from([(importance << 5) | type, ...body.map((byte) => byte | 1)]),
  )

const annexB = fc
  .array(fc.tuple(nalUnit, fc.boolean()), { minLength: 1, maxLength: 6 })
  .map((units) => Uint8Array.from(units.flatMap(([unit, long]) => [...(long ? [0] : []), 0, 0, 1, ...unit])))

const h265Unit = fc
  .tuple(
    fc.integer({ min: 0, max: 47 }),
    fc.integer({ min: 0, max: 63 }),
    fc.integer({ min: 1, max: 7 }),
    fc.uint8Array({ minLength: 1, maxLength: 1500, size: 'max' }),
  )
  .map(([type, layer, temporal, body]) =>
    Uint8Array.from([
      (type << 1) | (layer >> 5),
      ((layer & 31) << 3) | temporal,
      ...body.map((byte) => byte | 1),
    ]),
  )

const h265AnnexB = fc
  .array(fc.tuple(h265Unit, fc.boolean()), { minLength: 1, maxLength: 6 })
  .map((units) => Uint8Array.from(units.flatMap(([unit, long]) => [...(long ? [0] : []), 0, 0, 1, ...unit])))

const leb128 = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...leb128(value >> 7)]
const obu = fc
  .tuple(
    fc.constantFrom(1, 3, 4, 5, 6, 7),
    fc.boolean(),
    fc.uint8Array({ minLength: 0, maxLength: 1500, size: 'max' }),
  )
  .map(([type, extended, body]) => [
    (type << 3) | (extended ? 4 : 0) | 2,
    ...(extended ? [0x20] : []),
    ...leb128(body.length),
    ...body,
  ])
const temporalUnit = fc
  .array(obu, { minLength: 1, maxLength: 6 })
  .map((units) => Uint8Array.from([0x12, 0x00, ...units.flat()]))

const vp9Frame = fc
  .tuple(fc.boolean(), fc.uint8Array({ maxLength: 4000, size: 'max' }))
  .map(([keyframe, body]) => Uint8Array.from([keyframe ? 0x80 : 0x84, ...body]))

/** What the packetizer is given, and what a depacketizer is to make of it. */
const CODECS = {
  opus: { frames: fc.uint8Array({ minLength: 1, maxLength: 200 }), parameters: new Map<string, string>() },
  PCMU: { frames: fc.uint8Array({ minLength: 1, maxLength: 200 }), parameters: new Map<string, string>() },
  VP8: {
    frames: fc.uint8Array({ minLength: 1, maxLength: 5000, size: 'max' }),
    parameters: new Map<string, string>(),
  },
  VP9: { frames: vp9Frame, parameters: new Map<string, string>() },
  H264: { frames: annexB, parameters: MODE_1 },
  H265: { frames: h265AnnexB, parameters: new Map<string, string>() },
  G722: { frames: fc.uint8Array({ minLength: 1, maxLength: 200 }), parameters: new Map<string, string>() },
  AV1: { frames: temporalUnit, parameters: new Map<string, string>() },
} as const

/** A byte-stream with start codes of four bytes each; a temporal unit without its delimiter. */
function canonical(codec: keyof typeof CODECS, frame: Uint8Array): Uint8Array {
  if (codec === 'AV1') return frame.slice(2)
  if (codec !== 'H264' && codec !== 'H265') return frame
  const text = Buffer.from(frame).toString('latin1')
  // eslint-disable-next-line no-control-regex -- start codes are made of them
  const units = text.split(/\0?\0\0\x01/).filter((unit) => unit !== '')
  return Uint8Array.from(Buffer.from(units.map((unit) => `\0\0\0\x01${unit}`).join(''), 'latin1'))
}

describe('a frame is split and put together again', () => {
  it.each(Object.keys(CODECS) as (keyof typeof CODECS)[])('%s, at any length of packets', (codec) => {
    const { frames, parameters } = CODECS[codec]
    fc.assert(
      fc.property(frames, fc.integer({ min: 20, max: 1200 }), fc.nat(0xffff), (frame, maxLength, random) => {
        const payloads = packetizerFor(codec, parameters, random)!.packetize(frame, maxLength, true)
        if (payloads === undefined) {
          // an audio frame is one packet, or none
          expect(codec === 'opus' || codec === 'PCMU' || codec === 'G722').toBe(true)
          expect(frame.length).toBeGreaterThan(maxLength)
          return
        }
        const packets = payloads.map(joined)
        for (const packet of packets) expect(packet.length).toBeLessThanOrEqual(maxLength)
        const depacketizer = depacketizerFor(codec)!
        const assembled = depacketizer.assemble(packets)!.data
        // a matcher looks at each byte, slowly
        expect(Buffer.compare(assembled, canonical(codec, frame))).toBe(0)
        if (codec === 'VP8' || codec === 'VP9') {
          expect(packets.map((packet) => depacketizer.startsFrame(packet))).toEqual(
            packets.map((_, i) => i === 0),
          )
        }
      }),
    )
  })

  it('VP9 in both modes, and a keyframe is seen as one', () => {
    const depacketizer = depacketizerFor('VP9')!
    for (const keyframe of [true, false]) {
      const frame = Uint8Array.from([
        keyframe ? 0x80 : 0x84,
        ...Array.from({ length: 3000 }, (_, i) => i & 0xff),
      ])
      for (const mode of ['flexible', 'structured'] as const) {
        const parameters = new Map(mode === 'flexible' ? [] : [['flexible-mode', '0']])
        const packets = packetizerFor('VP9', parameters, 5)!.packetize(frame, 1000, keyframe)!.map(joined)
        expect(depacketizer.assemble(packets)).toMatchObject({ data: frame, keyframe })
        expect(depacketizer.startsKeyframe(packets[0]!)).toBe(keyframe)
      }
    }
  })

  it('H.264 in mode 0, where each unit fits', () => {
    const packetizer = packetizerFor('H264', new Map(), 0)!
    const frame = Uint8Array.of(0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 4, 5, 6)
    const packets = packetizer.packetize(frame, 100, true)!.map(joined)
    expect(packets.map((packet) => [...packet])).toEqual([
      [0x67, 1, 2],
      [0x68, 3],
      [0x65, 4, 5, 6],
    ])
    expect(packetizer.packetize(frame, 3, true)).toBeUndefined()
  })

  it('H.264 parameter sets ride with what follows them', () => {
    const frame = Uint8Array.of(0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 4, 5, 6)
    const packets = packetizerFor('H264', MODE_1, 0)!.packetize(frame, 100, true)!.map(joined)
    expect(packets.map((packet) => [...packet])).toEqual([
      [0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3, 0, 4, 0x65, 4, 5, 6],
    ])
  })

  it('H.265 parameter sets ride with what follows them, under the lowest ids; a large unit is fragmented', () => {
    const packetizer = packetizerFor('H265', new Map(), 0)!
    const start = [0, 0, 0, 1]
    const frame = Uint8Array.of(
      ...start,
      64,
      0x0a,
      1,
      ...start,
      66,
      1,
      2,
      ...start,
      38,
      1,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
    )
    const packets = packetizer.packetize(frame, 12, true)!.map(joined)
    expect(packets.map((packet) => [...packet])).toEqual([
      [96, 1, 0, 3, 64, 0x0a, 1, 0, 3, 66, 1, 2].slice(0, 12),
      [38, 1, 3, 4, 5, 6, 7, 8, 9],
    ])
    const small = packetizer.packetize(frame, 8, true)!.map(joined)
    expect(small.slice(2).map((packet) => [...packet])).toEqual([
      [98, 1, 0x80 | 19, 3, 4, 5],
      [98, 1, 0x40 | 19, 6, 7, 8, 9],
    ])
    const depacketizer = depacketizerFor('H265')!
    expect(depacketizer.assemble(small)).toMatchObject({ data: frame, keyframe: true })
    expect(small.map((packet) => depacketizer.startsKeyframe(packet))).toEqual([true, false, false, false])
    const delimiter = Uint8Array.of(96, 1, 0, 3, 70, 1, 0x50, 0, 3, 64, 1, 1)
    expect(depacketizer.startsKeyframe(delimiter)).toBe(true)
    expect(depacketizer.startsFrame(Uint8Array.of(70, 1, 0x50))).toBe(true)
    expect(depacketizer.startsKeyframe(Uint8Array.of(70, 1, 0x50))).toBe(false)
  })

  it('H.265 with the end of a sequence and of the bitstream, which are headers alone', () => {
    const end = [0, 0, 0, 1, 0x48, 1, 0, 0, 0, 1, 0x4a, 1]
    const frame = Uint8Array.of(0, 0, 0, 1, 0x26, 1, 0x80, 4, 5, 6, ...end)
    const packetizer = packetizerFor('H265', new Map(), 0)!
    const depacketizer = depacketizerFor('H265')!
    const aggregated = packetizer.packetize(frame, 100, true)!.map(joined)
    expect(aggregated).toHaveLength(1)
    const single = packetizer.packetize(frame, 6, true)!.map(joined)
    expect(single.slice(1).map((packet) => [...packet])).toEqual([
      [0x48, 1],
      [0x4a, 1],
    ])
    for (const packets of [aggregated, single]) {
      expect(depacketizer.assemble(packets)).toMatchObject({ data: frame, keyframe: true })
    }
    // a parameter set has more
    expect(depacketizer.assemble([Uint8Array.of(0x40, 1)])).toBeUndefined()
    expect(packetizer.packetize(Uint8Array.of(0, 0, 1, 0x48), 100, true)).toBeUndefined()
  })

  it('H.265 with decoding order numbers is refused', () => {
    const parameters = new Map([['sprop-max-don-diff', '2']])
    expect(packetizerFor('H265', parameters, 0)).toBeUndefined()
    expect(depacketizerFor('H265', parameters)).toBeUndefined()
    expect(depacketizerFor('H265', new Map([['sprop-max-don-diff', '0']]))).toBeDefined()
  })

  it('AV1 starts a new sequence with the N bit', () => {
    const keyframe = Uint8Array.of(0x12, 0, 0x0a, 1, 7, 0x32, 2, 8, 9)
    const [first] = packetizerFor('AV1', new Map(), 0)!.packetize(keyframe, 100, true)!.map(joined)
    expect([...first!]).toEqual([0x28, 2, 0x08, 7, 0x30, 8, 9])
    expect(depacketizerFor('AV1')!.startsKeyframe(first!)).toBe(true)
  })

  it('AV1 counts up to three elements, the last of which needs no length', () => {
    for (let count = 1; count <= 5; count++) {
      const units = Array.from({ length: count }, (_, i) => [0x32, 2, i, i])
      const packets = packetizerFor('AV1', new Map(), 0)!
        .packetize(Uint8Array.from([0x12, 0, ...units.flat()]), 100, true)!
        .map(joined)
      const lengths = (i: number): number[] => (count > 3 || i < count - 1 ? [3] : [])
      expect(packets.map((packet) => [...packet])).toEqual([
        [
          count > 3 ? 0 : count << 4,
          ...Array.from({ length: count }, (_, i) => [...lengths(i), 0x30, i, i]).flat(),
        ],
      ])
      expect([...depacketizerFor('AV1')!.assemble(packets)!.data]).toEqual(units.flat())
    }
  })
})

describe('an OBU whose size is written in more bytes than it needs, AV1 specification section 4.10.5', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('%i of them', (bytes) => {
    const padded = (value: number): number[] => [
      ...Array.from({ length: bytes - 1 }, (_, i) => (i === 0 ? value : 0) | 0x80),
      bytes === 1 ? value : 0,
    ]
    const frame = Uint8Array.from([0x12, ...padded(0), 0x0a, ...padded(1), 7, 0x36, 0x20, ...padded(2), 8, 9])
    const packets = packetizerFor('AV1', new Map(), 0)!.packetize(frame, 100, true)?.map(joined)
    expect(packets?.map((packet) => [...packet])).toEqual([[0x28, 2, 0x08, 7, 0x34, 0x20, 8, 9]])
  })

  it('of more than there can be is none', () => {
    const nine = [...Array.from({ length: 8 }, () => 0x80), 0]
    expect(
      packetizerFor('AV1', new Map(), 0)!.packetize(Uint8Array.of(0x0a, ...nine), 100, true),
    ).toBeUndefined()
  })
})

describe('what is no frame is refused', () => {
  it.each([
    ['opus', []],
    ['VP8', []],
    ['VP9', [0x00]],
    ['H264', [1, 2, 3]],
    ['H265', [1, 2, 3]],
    ['H265', [0, 0, 1, 0x40, 1]],
    ['H265', [0, 0, 1, 98, 1, 0x93]],
    ['AV1', [0x80]],
    ['AV1', [0x0a, 5, 1]],
    ['AV1', [0x0a, 0xff]],
    ['AV1', [0x12, 0]],
  ])('%s %j', (codec, bytes) => {
    expect(packetizerFor(codec, MODE_1, 0)!.packetize(Uint8Array.from(bytes), 100, true)).toBeUndefined()
  })

  it('H.264 with a NAL unit of a type that is reserved, or one of packets: RFC 6184 table 1', () => {
    for (let type = 0; type < 32; type++) {
      const isNal = type >= 1 && type <= 23
      for (const mode of ['0', '1']) {
        const packetizer = packetizerFor('H264', new Map([['packetization-mode', mode]]), 0)!
        for (const frame of [
          [0, 0, 1, 0x60 | type, 5],
          [0, 0, 1, 0x67, 5, 0, 0, 1, 0x60 | type, 5],
        ]) {
          const packets = packetizer.packetize(Uint8Array.from(frame), 100, true)
          expect(packets !== undefined, `type ${type} in mode ${mode}`).toBe(isNal)
        }
        const large = Uint8Array.from([0, 0, 1, 0x60 | type, ...Array.from({ length: 300 }, () => 5)])
        expect(packetizer.packetize(large, 100, true) !== undefined).toBe(isNal && mode === '1')
      }
    }
  })

  it('H.265 with a NAL unit of a type that is one of packets, or unspecified: RFC 7798 section 4.4', () => {
    for (let type = 0; type < 64; type++) {
      const frame = Uint8Array.of(0, 0, 1, type << 1, 1, 5)
      const packets = packetizerFor('H265', new Map(), 0)!.packetize(frame, 100, true)
      expect(packets !== undefined, `type ${type}`).toBe(type < 48)
    }
  })

  it('AV1 carries OBUs of all types but those that are not to be sent: decoders ignore what is reserved', () => {
    for (let type = 0; type < 16; type++) {
      const packets = packetizerFor('AV1', new Map(), 0)!.packetize(
        Uint8Array.of((type << 3) | 2, 1, 5),
        100,
        true,
      )
      expect(packets !== undefined, `type ${type}`).toBe(![2, 8, 15].includes(type))
    }
  })

  it('and so is a codec that is not known', () => {
    expect(packetizerFor('theora', new Map(), 0)).toBeUndefined()
  })
})
