import { describe, expect, it } from 'vitest'
import { OPUS_HEAD, OPUS_SILENCE, opusLength } from '../src/opus.ts'

describe('the length of an Opus packet', () => {
  // RFC 6716 table 2: the configuration, and milliseconds
  it.each([
    [0, 10],
    [3, 60],
    [11, 60],
    [12, 10],
    [15, 20],
    [16, 2.5],
    [19, 20],
    [31, 20],
  ])('of configuration %i is %d ms a frame', (configuration, ms) => {
    expect(opusLength(Uint8Array.of(configuration << 3))).toBe(ms * 48)
    expect(opusLength(Uint8Array.of((configuration << 3) | 1))).toBe(2 * ms * 48)
    expect(opusLength(Uint8Array.of((configuration << 3) | 2))).toBe(2 * ms * 48)
    expect(opusLength(Uint8Array.of((configuration << 3) | 3, 0xc3))).toBe(3 * ms * 48)
  })

  it('of none is 0', () => {
    expect(opusLength(new Uint8Array(0))).toBe(0)
    expect(opusLength(Uint8Array.of(3))).toBe(0)
    expect(opusLength(OPUS_SILENCE)).toBe(960)
    expect(OPUS_HEAD).toHaveLength(19)
  })
})
