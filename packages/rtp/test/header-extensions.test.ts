import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EXTENSION_URIS,
  ExtensionIds,
  type ExtensionName,
  type ExtensionPlace,
  findHeaderExtension,
  hasOtherExtension,
  type HeaderExtensions,
  parseRtpHeader,
  readHeaderExtensions,
  renameHeaderExtension,
  writeHeaderExtensions,
  writeRtpHeader,
} from '../src/index.ts'

const NAMES = Object.keys(EXTENSION_URIS) as ExtensionName[]
/** Every id that fits the one-byte form. */
const SMALL = new ExtensionIds(Object.values(EXTENSION_URIS).map((uri, i) => ({ id: i + 1, uri })))
const LARGE = new ExtensionIds(Object.values(EXTENSION_URIS).map((uri, i) => ({ id: 200 + i, uri })))

/** Reads elements, padded here to whole words, out of a packet in a `Buffer`. */
function read(profile: number, elements: readonly number[], ids = SMALL): HeaderExtensions {
  const packet = Buffer.alloc(400)
  const bytes = new Uint8Array(Math.ceil(elements.length / 4) * 4)
  bytes.set(elements)
  const length = writeRtpHeader(
    packet,
    { marker: false, payloadType: 1, sequenceNumber: 1, timestamp: 1, ssrc: 1 },
    profile,
    bytes,
  )
  const extensions = readHeaderExtensions(packet, parseRtpHeader(packet, length)!, ids)
  packet.fill(0)
  return extensions
}

function roundTrip(
  extensions: HeaderExtensions,
  ids: ExtensionIds,
): { profile: number; read: HeaderExtensions } {
  const written = writeHeaderExtensions(extensions, ids)!
  expect(written.bytes.length % 4).toBe(0)
  return { profile: written.profile, read: read(written.profile, [...written.bytes], ids) }
}

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })
const token = fc.stringMatching(/^[A-Za-z0-9]{1,16}$/)
const all = fc.record(
  {
    audioLevel: fc.integer({ min: 0, max: 127 }),
    voiceActivity: fc.boolean(),
    csrcAudioLevels: fc.array(fc.integer({ min: 0, max: 127 }), { minLength: 1, maxLength: 15 }),
    absoluteSendTime: fc.integer({ min: 0, max: 0xff_ffff }),
    transportSequenceNumber: fc.integer({ min: 0, max: 0xffff }),
    mid: token,
    rid: token,
    repairedRid: token,
    transmissionOffset: fc.integer({ min: -0x80_0000, max: 0x7f_ffff }),
    videoRotation: fc.constantFrom(0, 90, 180, 270),
    playoutDelay: fc.record({ min: fc.constantFrom(0, 10, 40_950), max: fc.constantFrom(0, 500, 40_950) }),
    videoContentType: fc.integer({ min: 0, max: 255 }),
    videoTiming: bytes(13),
    colorSpace: bytes(4),
    dependencyDescriptor: fc.uint8Array({ minLength: 1, maxLength: 16 }),
  },
  { requiredKeys: ['audioLevel', 'voiceActivity'] },
)

describe('header extensions', () => {
  it('are read as they were written, in both forms', () => {
    fc.assert(
      fc.property(all, (extensions) => {
        expect(roundTrip(extensions, SMALL)).toEqual({ profile: 0xbede, read: extensions })
        expect(roundTrip(extensions, LARGE)).toEqual({ profile: 0x1000, read: extensions })
      }),
    )
  })

  it('are written in the two-byte form where a length demands it', () => {
    expect(roundTrip({ mid: 'a'.repeat(17) }, SMALL).profile).toBe(0x1000)
    expect(roundTrip({ csrcAudioLevels: [] }, SMALL)).toEqual({
      profile: 0x1000,
      read: { csrcAudioLevels: [] },
    })
    expect(roundTrip({ colorSpace: new Uint8Array(28) }, SMALL).profile).toBe(0x1000)
    expect(roundTrip({ mid: 'a'.repeat(255) }, SMALL).read.mid).toHaveLength(255)
    expect(roundTrip({ mid: 'aé€' }, SMALL).read.mid).toBe('aé€')
  })

  it('are left out without an id, and refused where they do not fit', () => {
    expect(writeHeaderExtensions({ mid: '0' }, new ExtensionIds())).toBeUndefined()
    expect(writeHeaderExtensions({}, SMALL)).toBeUndefined()
    expect(() => writeHeaderExtensions({ mid: 'a'.repeat(256) }, SMALL)).toThrow(
      expect.objectContaining({ code: 'invalid-extension' }),
    )
  })

  it('are kept within their bits', () => {
    expect(roundTrip({ audioLevel: 300, voiceActivity: false }, SMALL).read).toEqual({
      audioLevel: 127,
      voiceActivity: false,
    })
    expect(roundTrip({ playoutDelay: { min: -5, max: 1e9 } }, SMALL).read).toEqual({
      playoutDelay: { min: 0, max: 40_950 },
    })
  })

  it('is read as in the examples of RFC 8285 section 4.2: padding anywhere', () => {
    const ids = new ExtensionIds()
    ids.map(1, 'mid')
    ids.map(2, 'rid')
    ids.map(3, 'repairedRid')
    expect(read(0xbede, [0x10, 0x61, 0x21, 0x62, 0x63, 0, 0, 0x33, 0x64, 0x65, 0x66, 0x67], ids)).toEqual({
      mid: 'a',
      rid: 'bc',
      repairedRid: 'defg',
    })
    // two-byte form, the four application bits set
    expect(read(0x100f, [1, 1, 0x61, 0, 0, 2, 2, 0x62, 0x63, 9, 1, 1, 3, 0], ids)).toEqual({
      mid: 'a',
      rid: 'bc',
    })
  })

  it('are found, and renamed, where they lie', () => {
    const place = (extensionProfile: number, elements: Uint8Array): ExtensionPlace => {
      return { extensionProfile, extensionStart: 3, extensionLength: elements.length - 3 }
    }
    const ids = new ExtensionIds()
    ids.map(2, 'rid')
    ids.map(3, 'repairedRid')
    const one = Uint8Array.of(9, 9, 9, 0x10, 0x61, 0, 0x21, 0x62, 0x63, 0, 0, 0)
    const two = Uint8Array.of(9, 9, 9, 1, 1, 0x61, 0, 2, 2, 0x62, 0x63, 0)
    for (const [profile, elements, at] of [
      [0xbede, one, 7],
      [0x1000, two, 9],
    ] as const) {
      const header = place(profile, elements)
      expect(findHeaderExtension(elements, header, 2)).toBe(at)
      expect(findHeaderExtension(elements, header, 5)).toBe(-1)
      expect(findHeaderExtension(elements, { ...header, extensionProfile: 0x1234 }, 2)).toBe(-1)
      expect(findHeaderExtension(elements, { ...header, extensionLength: 4 }, 2)).toBe(-1)
      expect(renameHeaderExtension(elements, header, 5, 3)).toBe(false)
      for (const id of [0, 256, profile === 0xbede ? 15 : -1]) {
        expect(renameHeaderExtension(elements, header, 2, id)).toBe(false)
      }
      expect(readHeaderExtensions(elements, header, ids)).toEqual({ rid: 'bc' })
      expect(renameHeaderExtension(elements, header, 2, 3)).toBe(true)
      expect(readHeaderExtensions(elements, header, ids)).toEqual({ repairedRid: 'bc' })
    }
  })

  it('ends at 15, and at 0 with a length, in the one-byte form', () => {
    const ids = new ExtensionIds()
    ids.map(1, 'mid')
    ids.map(15, 'rid')
    expect(read(0xbede, [0xf0, 0x61, 0x10, 0x61], ids)).toEqual({})
    expect(read(0xbede, [0x10, 0x61, 0x03, 0x10, 0x62, 0x10, 0x63], ids)).toEqual({ mid: 'a' })
    expect(read(0x1000, [15, 1, 0x61], ids)).toEqual({ rid: 'a' })
  })

  it('ends where an element is cut short, and another profile has none', () => {
    expect(read(0xbede, [0x50, 0x61, 0x5f, 0x62])).toEqual({ mid: 'a' })
    expect(read(0x1000, [5, 1, 0x61, 5])).toEqual({ mid: 'a' })
    expect(read(0x1000, [5, 9, 0x61, 5])).toEqual({})
    expect(read(0x1234, [0x50, 0x61])).toEqual({})
  })

  it('of a wrong length are left out', () => {
    for (const name of NAMES) {
      const ids = new ExtensionIds()
      ids.map(1, name)
      const empty = read(0x1000, [1, 0], ids)
      expect(empty).toEqual(name === 'csrcAudioLevel' ? { csrcAudioLevels: [] } : {})
    }
    const exact = {
      absoluteSendTime: 3,
      transmissionOffset: 3,
      playoutDelay: 3,
      videoTiming: 13,
      colorSpace: 4,
    }
    for (const [name, length] of Object.entries(exact)) {
      const ids = new ExtensionIds()
      ids.map(1, name as ExtensionName)
      for (const wrong of [length - 1, length + 1]) {
        expect(read(0xbede, [0x10 | (wrong - 1), ...Array.from({ length: wrong }, () => 1)], ids)).toEqual({})
      }
    }
  })
})

describe('the ids of header extensions', () => {
  it('have one name each, and names one id', () => {
    const ids = new ExtensionIds([
      { id: 1, uri: EXTENSION_URIS.mid },
      { id: 2, uri: 'urn:unknown' },
      { id: 0, uri: EXTENSION_URIS.rid },
      { id: 256, uri: EXTENSION_URIS.rid },
      { id: 1.5, uri: EXTENSION_URIS.rid },
    ])
    expect(ids.name(1)).toBe('mid')
    expect(ids.id('rid')).toBeUndefined()
    expect(ids.name(2)).toBeUndefined()
    ids.map(3, 'mid')
    expect(ids.name(1)).toBeUndefined()
    expect(ids.id('mid')).toBe(3)
    ids.map(3, 'rid')
    expect(ids.id('mid')).toBeUndefined()
    expect(ids.name(3)).toBe('rid')
  })

  it('ignores URIs that are members of every object', () => {
    const ids = new ExtensionIds([
      { id: 1, uri: '__proto__' },
      { id: 2, uri: 'constructor' },
    ])
    expect(ids.name(1)).toBeUndefined()
    expect(ids.name(2)).toBeUndefined()
  })
})

it.each([
  ['one-byte', SMALL],
  ['two-byte', LARGE],
])('whether an extension has another value is told without reading it, in the %s form', (_, ids) => {
  const { bytes: written, profile } = writeHeaderExtensions({ rid: 'h', mid: '10' }, ids)!
  const place = { extensionProfile: profile, extensionStart: 0, extensionLength: written.length }
  const other = (id: number, value: string): boolean =>
    hasOtherExtension(written, place, id, new TextEncoder().encode(value))
  const mid = ids.id('mid')!
  for (const value of ['1', '0', '100', '', '11']) expect(other(mid, value), `of ${value}`).toBe(true)
  expect(other(mid, '10')).toBe(false)
  expect(other(ids.id('audioLevel')!, '10')).toBe(false)
})
