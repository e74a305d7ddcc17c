import { describe, expect, it } from 'vitest'
import {
  type CodecCapability,
  DEFAULT_CODECS,
  isSameCodec,
  matchesCodec,
  parseParameters,
  type PayloadFormat,
} from '../src/index.ts'

function matching(format: Partial<PayloadFormat>): CodecCapability | undefined {
  const whole = { pt: 96, name: 'VP8', clockRate: 90_000, feedback: [], ...format }
  return DEFAULT_CODECS.find((codec) => matchesCodec(whole, codec))
}

const h264 = (parameters?: string): string | undefined =>
  matching({ name: 'h264', ...(parameters === undefined ? {} : { parameters }) })?.parameters

describe('codecs are the same', () => {
  it('with one name in any case, one clock rate and the same channels', () => {
    expect(matching({ name: 'vp8' })?.name).toBe('VP8')
    expect(matching({ clockRate: 48_000 })).toBeUndefined()
    expect(matching({ name: 'OPUS', clockRate: 48_000, channels: 2 })?.name).toBe('opus')
    expect(matching({ name: 'PCMU', clockRate: 8000, channels: 2 })).toBeUndefined()
    // RFC 7587 section 7: always two, also where nothing is said
    expect(matching({ name: 'opus', clockRate: 48_000 })?.name).toBe('opus')
    expect(matching({ name: 'opus', clockRate: 16_000, channels: 2 })).toBeUndefined()
    expect(matching({ name: 'PCMU', clockRate: 8000, channels: 1 })?.name).toBe('PCMU')
    expect(matching({ name: 'rtx' })).toBeUndefined()
  })

  it('VP9 and AV1: with one profile, 0 where not stated', () => {
    expect(matching({ name: 'VP9' })?.parameters).toBe('profile-id=0')
    expect(matching({ name: 'VP9', parameters: 'x=y; PROFILE-ID = 2' })?.parameters).toBe('profile-id=2')
    expect(matching({ name: 'VP9', parameters: 'profile-id=1' })).toBeUndefined()
    expect(matching({ name: 'AV1' })?.name).toBe('AV1')
    expect(matching({ name: 'AV1', parameters: 'profile=1' })).toBeUndefined()
  })

  it('H.264: with one packetization mode and one profile, however it is written (RFC 6184 table 5)', () => {
    expect(h264('packetization-mode=1;profile-level-id=42001f')).toContain('mode=1;profile-level-id=42001f')
    expect(h264('packetization-mode=1;profile-level-id=42E034')).toContain('mode=1;profile-level-id=42e01f')
    expect(h264('packetization-mode=0;profile-level-id=42e01f')).toContain('mode=0;profile-level-id=42e01f')
    // constrained baseline, as main and as extended profile
    expect(h264('packetization-mode=1;profile-level-id=4d801f')).toContain('42e01f')
    expect(h264('packetization-mode=1;profile-level-id=58c01f')).toContain('42e01f')
    expect(h264('packetization-mode=1;profile-level-id=58801f')).toContain('42001f')
    expect(h264('packetization-mode=1;profile-level-id=4d001f')).toContain('4d001f')
    expect(h264('packetization-mode=1;profile-level-id=640020')).toContain('64001f')
    // baseline and mode 0 where nothing is stated
    expect(h264()).toContain('mode=0;profile-level-id=42001f')
    for (const profile of ['640c1f', '58001f', 'f4001f', '4200', '42001g', '']) {
      expect(h264(`packetization-mode=1;profile-level-id=${profile}`)).toBeUndefined()
    }
    expect(h264('packetization-mode=2;profile-level-id=42001f')).toBeUndefined()
  })
})

describe('what is encoded for one codec', () => {
  const of = (name: string, parameters?: string | ReadonlyMap<string, string>) => ({
    name,
    clockRate: 90_000,
    ...(parameters === undefined ? {} : { parameters }),
  })

  it('is for another where name, profile and packetization mode are the same, in whatever way they are written', () => {
    const browser = of('H264', 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f')
    const gstreamer = of('h264', parseParameters('packetization-mode=1;profile-level-id=42C01E'))
    expect(isSameCodec(browser, gstreamer)).toBe(true)
    expect(isSameCodec(browser, of('H264', 'packetization-mode=1;profile-level-id=42001f'))).toBe(false)
    expect(isSameCodec(browser, of('H264', 'profile-level-id=42e01f'))).toBe(false)
    expect(
      isSameCodec(
        of('H264', 'profile-level-id=42e01f'),
        of('H264', 'packetization-mode=0;profile-level-id=42e034'),
      ),
    ).toBe(true)
    expect(isSameCodec(of('VP9'), of('vp9', 'profile-id=0'))).toBe(true)
    expect(isSameCodec(of('VP9'), of('VP9', 'profile-id=2'))).toBe(false)
    expect(isSameCodec(of('VP8'), of('VP9'))).toBe(false)
  })

  it('is for none where its profile cannot be read', () => {
    const broken = of('H264', 'profile-level-id=nonsense')
    expect(isSameCodec(broken, broken)).toBe(false)
  })
})

describe('parameters', () => {
  it('are read with any spaces, keys in lower case', () => {
    expect([...parseParameters(' A=b ;c ; d = e=f;;')]).toEqual([
      ['a', 'b'],
      ['c', ''],
      ['d', 'e=f'],
    ])
    expect(parseParameters(undefined).size).toBe(0)
    expect(parseParameters('111/111').get('111/111')).toBe('')
  })
})
