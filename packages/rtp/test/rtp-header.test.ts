import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isRtcp, parseRtpHeader, type RtpHeaderFields, writeRtpHeader } from '../src/index.ts'

const FIELDS: RtpHeaderFields = {
  marker: true,
  payloadType: 96,
  sequenceNumber: 0xfffe,
  timestamp: 0xdead_beef,
  ssrc: 0xffff_ffff,
}

const fields = fc.record({
  marker: fc.boolean(),
  payloadType: fc.integer({ min: 0, max: 127 }),
  sequenceNumber: fc.integer({ min: 0, max: 0xffff }),
  timestamp: fc.integer({ min: 0, max: 0xffff_ffff }),
  ssrc: fc.integer({ min: 0, max: 0xffff_ffff }),
  csrcs: fc.array(fc.integer({ min: 0, max: 0xffff_ffff }), { maxLength: 15 }),
})

describe('an RTP header', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(
        fields,
        fc.option(fc.uint8Array({ maxLength: 40 }).map((b) => b.subarray(0, b.length & ~3))),
        fc.uint8Array({ maxLength: 20 }),
        (written, extensions, payload) => {
          const out = new Uint8Array(200)
          const at = writeRtpHeader(out, written, extensions === null ? -1 : 0xbede, extensions ?? undefined)
          out.set(payload, at)
          const header = parseRtpHeader(out, at + payload.length)!
          expect(header).toMatchObject({ ...written, payloadStart: at, payloadLength: payload.length })
          expect(header.paddingLength).toBe(0)
          expect(header.extensionProfile).toBe(extensions === null ? -1 : 0xbede)
          expect(header.extensionLength).toBe(extensions?.length ?? 0)
        },
      ),
    )
  })

  it('is laid out as in RFC 3550 section 5.1', () => {
    const out = new Uint8Array(12)
    expect(writeRtpHeader(out, FIELDS)).toBe(12)
    expect(Buffer.from(out).toString('hex')).toBe('80e0fffedeadbeefffffffff')
  })

  it('leaves the padding out of the payload', () => {
    const packet = new Uint8Array(20)
    writeRtpHeader(packet, FIELDS)
    packet[0]! |= 0x20
    packet[19] = 3
    expect(parseRtpHeader(packet)).toMatchObject({ payloadStart: 12, payloadLength: 5, paddingLength: 3 })
    packet[19] = 8
    expect(parseRtpHeader(packet)).toMatchObject({ payloadLength: 0, paddingLength: 8 })
    for (const wrong of [0, 9, 255]) {
      packet[19] = wrong
      expect(parseRtpHeader(packet)).toBeUndefined()
      expect(parseRtpHeader(packet, 20, true)).toMatchObject({ payloadLength: 8, paddingLength: 0 })
    }
    expect(parseRtpHeader(packet, 12)).toBeUndefined()
  })

  it('is none with another version, or cut short', () => {
    const packet = new Uint8Array(64)
    const length = writeRtpHeader(packet, { ...FIELDS, csrcs: [1, 2] }, 0xbede, new Uint8Array(8))
    for (let cut = 0; cut < length; cut++) {
      expect(parseRtpHeader(packet, cut)).toBeUndefined()
      expect(parseRtpHeader(packet.slice(0, cut))).toBeUndefined()
    }
    expect(parseRtpHeader(packet, length)).toBeDefined()
    expect(parseRtpHeader(packet, 65)).toBeUndefined()
    for (const version of [0x00, 0x40, 0xc0]) {
      packet[0] = version
      expect(parseRtpHeader(packet)).toBeUndefined()
    }
  })

  it('is not written where it does not fit', () => {
    const code = expect.objectContaining({ code: 'invalid-header' })
    const out = new Uint8Array(100)
    expect(() => writeRtpHeader(out, { ...FIELDS, payloadType: 128 })).toThrow(code)
    expect(() => writeRtpHeader(out, { ...FIELDS, csrcs: Array.from({ length: 16 }, () => 1) })).toThrow(code)
    for (const none of [-1, 0.5, 2 ** 32, Number.NaN]) {
      expect(() => writeRtpHeader(out, { ...FIELDS, payloadType: none }), `${none}`).toThrow(code)
      expect(() => writeRtpHeader(out, { ...FIELDS, sequenceNumber: none }), `${none}`).toThrow(code)
      expect(() => writeRtpHeader(out, { ...FIELDS, timestamp: none }), `${none}`).toThrow(code)
      expect(() => writeRtpHeader(out, { ...FIELDS, ssrc: none }), `${none}`).toThrow(code)
      expect(() => writeRtpHeader(out, { ...FIELDS, csrcs: [1, none] }), `${none}`).toThrow(code)
    }
    expect(() => writeRtpHeader(out, { ...FIELDS, sequenceNumber: 0x1_0000 })).toThrow(code)
    expect(() => writeRtpHeader(out, FIELDS, 0xbede, new Uint8Array(5))).toThrow(code)
    expect(() => writeRtpHeader(new Uint8Array(11), FIELDS)).toThrow(code)
    expect(() => writeRtpHeader(new Uint8Array(19), FIELDS, 0xbede, new Uint8Array(4))).toThrow(code)
    expect(out.every((byte) => byte === 0)).toBe(true)
  })
})

describe('RFC 5761 section 4', () => {
  it('tells RTCP by its packet type', () => {
    expect(isRtcp(Uint8Array.of(0x80, 200))).toBe(true)
    expect(isRtcp(Uint8Array.of(0x80, 192))).toBe(true)
    expect(isRtcp(Uint8Array.of(0x80, 223))).toBe(true)
    for (const type of [0, 96, 191, 224, 0x80 | 96]) expect(isRtcp(Uint8Array.of(0x80, type))).toBe(false)
    expect(isRtcp(new Uint8Array(0))).toBe(false)
  })
})
