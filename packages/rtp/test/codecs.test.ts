import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  av1Depacketizer,
  type Depacketizer,
  depacketizerFor,
  h264Depacketizer,
  parseVp8Descriptor,
  parseVp9Descriptor,
  vp8Depacketizer,
  vp8KeyframeSize,
  vp9Depacketizer,
  wholePayloadDepacketizer,
} from '../src/index.ts'
import { av1, h264, h265, join, opus, vp8, vp9 } from './packetizers.ts'

const of = (...bytes: number[]): Uint8Array => Uint8Array.of(...bytes)
const data = (depacketizer: Depacketizer, ...payloads: Uint8Array[]): number[] | undefined => {
  const frame = depacketizer.assemble(payloads)
  return frame && [...frame.data]
}

describe('every codec', () => {
  it.each([
    ['opus', opus],
    ['vp8', vp8],
    ['vp9', vp9],
    ['h264', h264],
    ['h265', h265],
    ['av1', av1],
  ] as const)(
    '%s: frames come out as they went in, out of Buffers too, and are copies',
    (name, packetize) => {
      const depacketizer = depacketizerFor(name.toUpperCase())!
      const random = new SeededRandom(1)
      for (let i = 0; i < 300; i++) {
        const keyframe = name === 'opus' || random.chance(0.5)
        const frame = packetize(random, keyframe)
        const buffers = frame.payloads.map((payload) => Buffer.from(payload))
        expect(depacketizer.startsKeyframe(buffers[0]!)).toBe(keyframe)
        // H.264, H.265 and AV1 do not say it of every frame
        const says = depacketizer.startsFrame(buffers[0]!) || ['h264', 'h265', 'av1'].includes(name)
        expect(says).toBe(true)
        const assembled = depacketizer.assemble(buffers)!
        for (const buffer of buffers) buffer.fill(0xff)
        expect(assembled.data.constructor).toBe(Uint8Array)
        expect(assembled.data).toEqual(frame.data)
        expect(assembled.keyframe).toBe(keyframe)
      }
    },
  )

  it.each([
    ['VP8', [[0x10, 0, 1]], undefined],
    [
      'VP8',
      [
        [0x90, 0x20, 0x40, 0, 1],
        [0x80, 0x20, 0x40, 9],
      ],
      { spatial: 0, temporal: 1 },
    ],
    ['VP9', [[0x0c, 1]], undefined],
    [
      'VP9',
      [
        [0x2c, 0x20, 0, 1],
        [0x2c, 0x22, 0, 1],
      ],
      { spatial: 1, temporal: 1 },
    ],
    ['H264', [[0x65, 1]], undefined],
    ['H265', [[0x02, 0x03, 1]], { spatial: 0, temporal: 2 }],
    ['AV1', [[0x10, 0x30, 1]], undefined],
    ['AV1', [[0x20, 3, 0x34, 0x40, 1, 0x34, 0x48, 1]], { spatial: 1, temporal: 2 }],
  ])('%s %j has layers %j', (codec, payloads, layers) => {
    const frame = depacketizerFor(codec)!.assemble(payloads.map((payload) => Uint8Array.from(payload)))!
    expect(frame.layers).toEqual(layers)
  })

  it('is found by its name, and no other', () => {
    expect(depacketizerFor('PCMU')).toBe(wholePayloadDepacketizer)
    expect(depacketizerFor('pcma')).toBe(wholePayloadDepacketizer)
    for (const name of ['', 'rtx', 'constructor', '__proto__']) expect(depacketizerFor(name)).toBeUndefined()
  })

  it('makes nothing of nothing', () => {
    for (const name of ['opus', 'vp8', 'vp9', 'h264', 'h265', 'av1']) {
      const depacketizer = depacketizerFor(name)!
      expect(depacketizer.assemble([])).toBeUndefined()
      expect(depacketizer.assemble([of()])).toBeUndefined()
    }
  })
})

describe('VP8, RFC 7741', () => {
  it('reads every field of the descriptor', () => {
    expect(parseVp8Descriptor(of(0xb7, 0xf0, 0x81, 0x02, 9, 0xb5))).toEqual({
      nonReference: true,
      startOfPartition: true,
      partition: 7,
      pictureId: 0x102,
      pictureIdBits: 15,
      tl0PictureIndex: 9,
      temporalLayer: 2,
      layerSync: true,
      keyIndex: 0x15,
      length: 6,
    })
    expect(parseVp8Descriptor(of(0x80, 0x80, 0x7f))).toMatchObject({
      pictureId: 0x7f,
      pictureIdBits: 7,
      length: 3,
    })
    expect(parseVp8Descriptor(of(0x80, 0x20, 0xc0))).toMatchObject({ temporalLayer: 3, layerSync: false })
    expect(parseVp8Descriptor(of(0x80, 0x10, 0x1f))).toMatchObject({ keyIndex: 31 })
    for (let cut = 0; cut < 6; cut++) {
      expect(parseVp8Descriptor(of(0xb7, 0xf0, 0x81, 0x02, 9, 0xb5).subarray(0, cut))).toBeUndefined()
    }
  })

  it('demands the start of partition 0 first, and only there', () => {
    expect(data(vp8Depacketizer, of(0x00, 1))).toBeUndefined()
    expect(data(vp8Depacketizer, of(0x11, 1))).toBeUndefined()
    expect(data(vp8Depacketizer, of(0x10, 1), of(0x10, 2))).toBeUndefined()
    // the start of partition 1
    expect(data(vp8Depacketizer, of(0x10, 1), of(0x11, 2), of(0x00, 3))).toEqual([1, 2, 3])
    expect(data(vp8Depacketizer, of(0x10))).toBeUndefined()
  })

  it('reads the size of a keyframe', () => {
    const frame = of(0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xe0, 0x81)
    expect(vp8KeyframeSize(frame)).toEqual({ width: 640, height: 480 })
    expect(vp8KeyframeSize(frame.subarray(0, 9))).toBeUndefined()
    expect(vp8KeyframeSize(join([1], frame.subarray(1)))).toBeUndefined()
    expect(vp8KeyframeSize(frame.with(4, 0))).toBeUndefined()
  })
})

describe('VP9, RFC 9628', () => {
  it('reads every field of the descriptor: non-flexible mode with a scalability structure', () => {
    const descriptor = of(0xaa, 0x81, 0x02, 0x53, 7, 0x38, 2, 128, 1, 64, 4, 0, 2, 0, 2, 0x14, 1, 0x28, 1, 2)
    expect(parseVp9Descriptor(descriptor)).toEqual({
      interPicturePredicted: false,
      flexibleMode: false,
      startOfFrame: true,
      endOfFrame: false,
      notReferenceForUpperLayers: false,
      pictureId: 0x102,
      temporalLayer: 2,
      switchingUpPoint: true,
      spatialLayer: 1,
      interLayerDependency: true,
      tl0PictureIndex: 7,
      pictureDifferences: [],
      scalability: {
        spatialLayers: 2,
        sizes: [
          { width: 640, height: 320 },
          { width: 1024, height: 512 },
        ],
        pictureGroup: [
          { temporalLayer: 0, switchingUpPoint: true, pictureDifferences: [1] },
          { temporalLayer: 1, switchingUpPoint: false, pictureDifferences: [1, 2] },
        ],
      },
      length: descriptor.length,
    })
    for (let cut = 0; cut < descriptor.length; cut++) {
      expect(parseVp9Descriptor(descriptor.subarray(0, cut))).toBeUndefined()
    }
  })

  it('reads flexible mode: up to three references, and no index of the base layer', () => {
    expect(parseVp9Descriptor(of(0xf0, 0x05, 0x00, 0x03, 0x05, 0x06))).toMatchObject({
      pictureId: 5,
      pictureDifferences: [1, 2, 3],
      length: 6,
    })
    expect(parseVp9Descriptor(of(0xf0, 0x05, 0x00, 0x03, 0x05, 0x07, 0x02))).toBeUndefined()
    expect(parseVp9Descriptor(of(0x50, 0x03))).toBeUndefined()
  })

  it('demands that each layer frame begins and ends', () => {
    const layer = (flags: number, layer: number, value: number): Uint8Array =>
      of(0x20 | flags, layer << 1, 0, value)
    const [B, E] = [0x08, 0x04]
    expect(data(vp9Depacketizer, layer(B | E, 0, 1), layer(B, 1, 2), layer(E, 1, 3))).toEqual([1, 2, 3])
    expect(data(vp9Depacketizer, layer(B, 0, 1))).toBeUndefined()
    expect(data(vp9Depacketizer, layer(B, 0, 1), layer(B | E, 1, 2))).toBeUndefined()
    expect(data(vp9Depacketizer, layer(E, 0, 1))).toBeUndefined()
    expect(data(vp9Depacketizer, layer(B | E, 0, 1), layer(0, 1, 2))).toBeUndefined()
    // a picture without its base layer is no start for sure, and no keyframe
    expect(vp9Depacketizer.startsFrame(layer(B | E, 1, 1))).toBe(false)
    expect(vp9Depacketizer.assemble([layer(B | E, 1, 1)])).toMatchObject({ keyframe: false })
    expect(vp9Depacketizer.startsKeyframe(layer(B | E | 0x40, 0, 1))).toBe(false)
    expect(data(vp9Depacketizer, of(0x0c))).toBeUndefined()
  })
})

describe('H.264, RFC 6184', () => {
  const START = [0, 0, 0, 1]

  it('puts start codes before single units, aggregated ones and fragmented ones', () => {
    expect(data(h264Depacketizer, of(0x67, 1), of(0x78, 0, 2, 0x68, 2, 0, 1, 0x06), of(0x65, 3))).toEqual([
      ...START,
      103,
      1,
      ...START,
      104,
      2,
      ...START,
      6,
      ...START,
      101,
      3,
    ])
    const fragments = [of(0x7c, 0x85, 1), of(0x7c, 0x05, 2), of(0x7c, 0x45, 3)]
    expect(h264Depacketizer.assemble(fragments)).toEqual({
      data: of(...START, 0x65, 1, 2, 3),
      keyframe: true,
    })
  })

  it('takes several slices, and filler data, in one access unit', () => {
    expect(h264Depacketizer.assemble([of(0x61, 1), of(0x0c, 0xff), of(0x61, 2)])).toEqual({
      data: of(...START, 0x61, 1, ...START, 0x0c, 0xff, ...START, 0x61, 2),
      keyframe: false,
    })
  })

  it.each([
    ['a fragment without a start', [of(0x7c, 0x05, 1)]],
    ['a fragment without an end', [of(0x7c, 0x85, 1)]],
    ['a start within a fragment', [of(0x7c, 0x85, 1), of(0x7c, 0x85, 1), of(0x7c, 0x45, 1)]],
    ['fragments of two units', [of(0x7c, 0x85, 1), of(0x7c, 0x41, 1)]],
    ['a unit within a fragment', [of(0x7c, 0x85, 1), of(0x61, 1), of(0x7c, 0x45, 1)]],
    ['a start that is an end', [of(0x7c, 0xc5, 1)]],
    ['a fragment of a fragment', [of(0x7c, 0x9c, 1), of(0x7c, 0x5c, 1)]],
    ['a fragment without data', [of(0x7c, 0x85)]],
    ['an aggregate of nothing', [of(0x78)]],
    ['an empty unit in an aggregate', [of(0x78, 0, 0)]],
    ['an aggregate cut short', [of(0x78, 0, 3, 0x61, 1)]],
    ['half a size', [of(0x78, 0, 1, 0x61, 0)]],
    ['an aggregate in an aggregate', [of(0x78, 0, 1, 0x78)]],
    ['types that are reserved', [of(0x60, 1)]],
    ['types of another mode', [of(0x79, 1, 2, 3)]],
    ['FU-B', [of(0x7d, 0x85, 1, 2, 3)]],
  ])('drops a frame with %s', (_name, payloads) => {
    expect(h264Depacketizer.assemble(payloads)).toBeUndefined()
  })

  it.each([
    ['a recovery point', [6, 1, 0xc4, 0x80], true],
    ['one of later pictures', [6, 1, 0x44, 0x80], false],
    ['one of no size', [6, 0, 0x80], false],
    ['one cut short', [6, 1], false],
    ['one behind another message', [1, 2, 6, 1, 6, 1, 0xc4, 0x80], true],
    ['one behind a long message', [5, 0xff, 1, ...new Uint8Array(256).fill(6), 6, 1, 0xc4, 0x80], true],
    ['one behind an escaped message', [1, 3, 0, 0, 3, 1, 6, 1, 0xc4, 0x80], true],
    ['another message', [5, 2, 6, 0xc4, 0x80], false],
    ['a message past the end', [5, 0xff, 0xff, 6, 1, 0xc4], false],
    ['nothing', [], false],
  ])('SEI with %s', (_name, body, keyframe) => {
    const sei = of(0x06, ...body)
    expect(h264Depacketizer.assemble([sei, of(0x61, 0x80, 1)])).toMatchObject({ keyframe })
    const aggregate = of(0x78, sei.length >> 8, sei.length & 0xff, ...sei, 0, 2, 0x61, 0x80)
    expect(h264Depacketizer.assemble([aggregate])).toMatchObject({ keyframe })
    if (body.length < 2) return
    const half = body.length >> 1
    const fragments = [of(0x1c, 0x86, ...body.slice(0, half)), of(0x1c, 0x46, ...body.slice(half))]
    expect(h264Depacketizer.assemble([...fragments, of(0x61, 0x80, 1)])).toMatchObject({ keyframe })
  })

  it('knows the start of an access unit by its delimiter or its parameter sets alone', () => {
    expect(h264Depacketizer.startsFrame(of(0x09, 0xf0))).toBe(true)
    expect(h264Depacketizer.startsFrame(of(0x67, 1))).toBe(true)
    expect(h264Depacketizer.startsFrame(of(0x7c, 0x87, 1))).toBe(true)
    expect(h264Depacketizer.startsFrame(of(0x78, 0, 1, 0x67))).toBe(true)
    for (const payload of [
      of(),
      of(0x61, 1),
      of(0x65, 1),
      of(0x7c, 0x07, 1),
      of(0x7c, 0x87),
      of(0x78),
      of(0x79, 1),
    ]) {
      expect(h264Depacketizer.startsFrame(payload)).toBe(false)
      expect(h264Depacketizer.startsKeyframe(payload)).toBe(false)
    }
    expect(h264Depacketizer.startsKeyframe(of(0x09, 0xf0))).toBe(false)
    expect(h264Depacketizer.startsKeyframe(of(0x78, 0, 2, 0x09, 0xf0, 0, 1, 0x67))).toBe(true)
    expect(h264Depacketizer.startsKeyframe(of(0x78, 0, 2, 0x09, 0xf0, 0, 1, 0x61))).toBe(false)
    // SEI may come before them; behind a slice they are those of the next one
    expect(h264Depacketizer.startsKeyframe(of(0x78, 0, 2, 0x06, 1, 0, 2, 0x67, 1))).toBe(true)
    expect(h264Depacketizer.startsKeyframe(of(0x78, 0, 2, 0x65, 1, 0, 2, 0x67, 1))).toBe(false)
  })
})

describe('AV1', () => {
  // a frame OBU (type 6) without a size; with it, the same has bit 1 set
  const FRAME = 0x30

  it.each([
    ['W=0: each with its length', [of(0x00, 2, FRAME, 1, 2, FRAME, 2)]],
    ['W=1', [of(0x10, FRAME, 1), of(0x10, FRAME, 2)]],
    ['W=2', [of(0x20, 2, FRAME, 1, FRAME, 2)]],
    ['Y and Z', [of(0x60, 2, FRAME, 1, FRAME), of(0x90, 2)]],
    ['Y and Z, W=0', [of(0x40, 2, FRAME, 1, 1, FRAME), of(0x80, 1, 2)]],
    [
      'a length in more bytes than needed',
      [of(0x20, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, FRAME, 1, FRAME, 2)],
    ],
    ['sizes that were not left out', [of(0x20, 3, 0x32, 1, 1, 0x32, 1, 2)]],
    ['temporal delimiters and tile lists', [of(0x30, 2, 0x12, 0, 2, FRAME, 1, FRAME, 2), of(0x10, 0x40, 5)]],
  ])('gives OBUs with sizes: %s', (_name, payloads) => {
    expect(data(av1Depacketizer, ...payloads)).toEqual([0x32, 1, 1, 0x32, 1, 2])
  })

  it('W=3, an OBU over three packets, and one of more than 127 bytes', () => {
    expect(data(av1Depacketizer, of(0x30, 2, FRAME, 1, 2, FRAME, 2, FRAME, 3))).toEqual([
      0x32, 1, 1, 0x32, 1, 2, 0x32, 1, 3,
    ])
    expect(data(av1Depacketizer, of(0x50, FRAME, 1), of(0xd0, 2), of(0x90, 3))).toEqual([0x32, 3, 1, 2, 3])
    const long = new Uint8Array(300).fill(7)
    expect(data(av1Depacketizer, join([0x10, FRAME], long))).toEqual([0x32, 0xac, 0x02, ...long])
    expect(data(av1Depacketizer, of(0x10, 0x34, 0x08, 9))).toEqual([0x36, 0x08, 1, 9])
  })

  it.each([
    ['a header alone', [of(0x10)]],
    ['a continuation of nothing', [of(0x90, FRAME, 1)]],
    ['a continuation that does not come', [of(0x50, FRAME, 1)]],
    ['no continuation where one is due', [of(0x50, FRAME, 1), of(0x10, FRAME, 1)]],
    ['N with Z', [of(0x98, FRAME, 1)]],
    ['a length past the end', [of(0x00, 9, FRAME, 1)]],
    ['a length that does not end', [of(0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)]],
    ['a length beyond 32 bits', [of(0x00, 0xff, 0xff, 0xff, 0xff, 0x7f, FRAME)]],
    ['a length cut short', [of(0x00, 0x80)]],
    ['fewer elements than W', [of(0x30, 2, FRAME, 1, 0)]],
    ['an empty element', [of(0x00, 0)]],
    ['the forbidden bit', [of(0x10, 0x80 | FRAME, 1)]],
    ['an extension that is not there', [of(0x10, 0x34)]],
    ['a size that is another', [of(0x10, 0x32, 5, 1)]],
    ['a size cut short', [of(0x10, 0x32, 0x80)]],
    ['delimiters alone', [of(0x10, 0x12, 0x00)]],
  ])('drops a unit with %s', (_name, payloads) => {
    expect(av1Depacketizer.assemble(payloads)).toBeUndefined()
  })

  it('takes N for a keyframe', () => {
    expect(av1Depacketizer.assemble([of(0x18, FRAME, 1)])).toMatchObject({ keyframe: true })
    expect(av1Depacketizer.assemble([of(0x10, FRAME, 1)])).toMatchObject({ keyframe: false })
    expect(av1Depacketizer.startsFrame(of(0x10, FRAME, 1))).toBe(false)
  })
})
