import * as fc from 'fast-check'
import { concatBytes } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { h264Format, nalUnits, readAvcConfiguration, toByteStream } from '../src/h264.ts'
import { h264, PARAMETERS } from './frames.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))
const START = Uint8Array.of(0, 0, 0, 1)

describe('the size of a picture', () => {
  // made by x264: by profile and size
  it.each([
    ['42c00dda0507ec0440000003004000000c83c50aa8', 'avc1.42c00d', 320, 240],
    ['42c00dda05421e2223011000000300100000030320f142aa', 'avc1.42c00d', 322, 242],
    ['f4000a919687278d8fc044000003000400000300c83c489a80', 'avc1.f4000a', 100, 50],
    ['42c028da01e0089f97011000000300100000030320f1832a', 'avc1.42c028', 1920, 1080],
    ['64001eacd940a07b6022000003000200000300643e28532c', 'avc1.64001e', 640, 480],
  ])('is read from a parameter set', (sps, codec, width, height) => {
    const frame = concatBytes([START, hex(`67${sps}`), START, hex('68ce0fc8'), START, hex('65aa')])
    expect(h264Format(frame)).toEqual({ codec, width, height })
  })

  it('is unknown without parameter sets, and where they are cut off', () => {
    expect(h264Format(h264(20, false))).toBeUndefined()
    for (let length = 0; length < 8; length++) {
      const sps = hex('6742c00dda0507ec0440').subarray(0, length)
      expect(h264Format(concatBytes([START, sps, START, hex('68ce0fc8')]))).toBeUndefined()
    }
  })

  it('is looked for in any bytes without a throw', () => {
    const rest = fc.uint8Array({ maxLength: 60 })
    fc.assert(
      fc.property(rest, (bytes) => {
        const found = h264Format(concatBytes([START, Uint8Array.of(0x67), bytes, START, hex('68ce0fc8')]))
        expect(found === undefined || (found.width > 0 && found.height > 0)).toBe(true)
      }),
    )
  })
})

/** NAL units: no start code within, and no zero at the end. */
const units = fc.array(
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => bytes.map((byte) => byte | 0x40)),
  { maxLength: 6 },
)

describe('the byte-stream format', () => {
  it('gives back the units that were put in, after start codes of either length', () => {
    fc.assert(
      fc.property(units, fc.boolean(), (made, long) => {
        const code = long ? START : START.subarray(1)
        expect(nalUnits(concatBytes(made.flatMap((unit) => [code, unit])))).toEqual(made)
      }),
    )
  })

  it('is made of what a file has', () => {
    fc.assert(
      fc.property(units, fc.constantFrom(1, 2, 4), (made, lengthSize) => {
        const frame = concatBytes(
          made.flatMap((unit) => {
            const length = new Uint8Array(lengthSize)
            length[lengthSize - 1] = unit.length
            return [length, unit]
          }),
        )
        const stream = toByteStream(frame, false, { lengthSize, parameterSets: PARAMETERS })!
        expect(nalUnits(stream)).toEqual(made)
      }),
    )
  })

  it('has the parameter sets of the file before a keyframe that has none', () => {
    const record = hex('0142c00dffe1000567010203040100046805060700')
    const configuration = readAvcConfiguration(record.subarray(0, -1))!
    expect(configuration.lengthSize).toBe(4)
    expect(nalUnits(configuration.parameterSets)).toEqual([hex('6701020304'), hex('68050607')])
    const key = toByteStream(hex('0000000265aa'), true, configuration)!
    expect(nalUnits(key)).toEqual([hex('6701020304'), hex('68050607'), hex('65aa')])
    const own = toByteStream(hex('0000000267090000000265aa'), true, configuration)!
    expect(nalUnits(own)).toEqual([hex('6709'), hex('65aa')])
    // an access unit delimiter is the first unit of all, ITU-T H.264 section 7.4.1.2.3
    const delimited = toByteStream(hex('0000000209f00000000265aa'), true, configuration)!
    expect(nalUnits(delimited)).toEqual([hex('09f0'), hex('6701020304'), hex('68050607'), hex('65aa')])
  })

  it('is not made of what does not add up', () => {
    const configuration = { lengthSize: 4, parameterSets: PARAMETERS }
    expect(toByteStream(hex('0000000565aa'), true, configuration)).toBeUndefined()
    expect(toByteStream(hex('ffffffff'), true, configuration)).toBeUndefined()
    expect(readAvcConfiguration(hex('0242c00dffe10000'))).toBeUndefined()
    expect(readAvcConfiguration(hex('0142c00dffe1000567'))).toBeUndefined()
  })
})
