import { nativeCrypto, portableCrypto } from '@str0m/crypto'
import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { SrtpContext } from '../src/index.ts'
import { Oracle } from './oracle.ts'
import {
  headerLength,
  masterKeys,
  PROFILES,
  protectRtcp,
  protectRtp,
  rtcpPacket,
  rtpPacket,
  toHex,
} from './support.ts'

const PROVIDERS = [nativeCrypto(), portableCrypto()]

const shape = fc.record({
  ssrc: fc.integer({ min: 0, max: 0xffff_ffff }),
  sequenceNumber: fc.integer({ min: 0, max: 0xffff }),
  payload: fc.oneof(fc.nat(70), fc.nat(1500), fc.constant(1188)),
  csrcs: fc.nat(15),
  extension: fc.integer({ min: -1, max: 20 }),
})

describe.each(PROFILES)('%s', (profile) => {
  describe.each(PROVIDERS)('$name', (crypto) => {
    it('any RTP packet is as the RFCs have it, and comes back', () => {
      fc.assert(
        fc.property(shape, fc.nat(), (shape, seed) => {
          const options = { ...masterKeys(profile, seed), crypto }
          const oracle = new Oracle(profile, options.masterKey, options.masterSalt)
          const packet = rtpPacket(shape)
          const sealed = protectRtp(new SrtpContext(options), packet)
          const header = headerLength(shape)
          const expected = oracle.rtp(packet.subarray(0, header), packet.subarray(header), shape.ssrc, 0)
          expect(toHex(sealed)).toBe(expected.toString('hex'))
          expect(new SrtpContext(options).unprotectRtp(sealed)).toBe(packet.length)
          expect(toHex(sealed.subarray(0, packet.length))).toBe(toHex(packet))
        }),
      )
    })

    it('any RTCP packet is as the RFCs have it, and comes back', () => {
      fc.assert(
        fc.property(fc.nat(400), fc.integer({ min: 0, max: 0xffff_ffff }), fc.nat(), (words, ssrc, seed) => {
          const options = { ...masterKeys(profile, seed), crypto }
          const oracle = new Oracle(profile, options.masterKey, options.masterSalt)
          const [sender, receiver] = [new SrtpContext(options), new SrtpContext(options)]
          for (let index = 0; index < 3; index++) {
            const packet = rtcpPacket(ssrc, 4 * words)
            const sealed = protectRtcp(sender, packet)
            expect(toHex(sealed)).toBe(oracle.rtcp(packet, ssrc, index).toString('hex'))
            expect(receiver.unprotectRtcp(sealed)).toBe(packet.length)
            expect(toHex(sealed.subarray(0, packet.length))).toBe(toHex(packet))
          }
        }),
        { numRuns: 40 },
      )
    })
  })

  it('busy streams with keystream made ahead: two streams, sizes that change, gaps, both wraps', () => {
    const options = masterKeys(profile)
    const oracle = new Oracle(profile, options.masterKey, options.masterSalt)
    const [sender, receiver] = [new SrtpContext(options), new SrtpContext(options)]
    for (const ssrc of [1, 0xffff_ffff]) {
      let index = 65_400
      for (let i = 0; i < 400; i++) {
        index += i % 37 === 0 ? 40 : 1
        const payload = i % 50 < 25 ? (i * 13) % 100 : 900 + ((i * 29) % 400)
        const packet = rtpPacket({ ssrc, sequenceNumber: index & 0xffff, payload })
        const sealed = protectRtp(sender, packet)
        const expected = oracle.rtp(packet.subarray(0, 12), packet.subarray(12), ssrc, index >>> 16)
        expect(toHex(sealed), `packet ${i}`).toBe(expected.toString('hex'))
        expect(receiver.unprotectRtp(sealed)).toBe(packet.length)
        expect(toHex(sealed.subarray(0, packet.length))).toBe(toHex(packet))
      }
    }
  })

  it.each([2047, 2048, 4000, 24_000, 40_000, 65_000])('a packet of %i bytes', (length) => {
    const options = masterKeys(profile)
    const oracle = new Oracle(profile, options.masterKey, options.masterSalt)
    const packet = rtpPacket({ ssrc: 1, sequenceNumber: 1, payload: length - 12 })
    const sealed = protectRtp(new SrtpContext(options), packet)
    expect(Buffer.from(sealed).equals(oracle.rtp(packet.subarray(0, 12), packet.subarray(12), 1, 0))).toBe(
      true,
    )
    expect(new SrtpContext(options).unprotectRtp(sealed)).toBe(length)
  })

  it('a view into a larger buffer: nothing else changes', () => {
    const options = masterKeys(profile)
    const [sender, receiver] = [new SrtpContext(options), new SrtpContext(options)]
    const packet = rtpPacket({ ssrc: 1, sequenceNumber: 1, payload: 101 })
    const pool = Buffer.alloc(400, 0x55)
    const buffer = pool.subarray(33, 33 + 200)
    buffer.set(packet)
    const length = sender.protectRtp(buffer, packet.length)
    expect(receiver.unprotectRtp(buffer.subarray(0, length))).toBe(packet.length)
    expect(new Uint8Array(buffer.subarray(0, packet.length))).toEqual(packet)
    const rest = [...pool.subarray(0, 33), ...pool.subarray(33 + length)]
    expect(rest.every((byte) => byte === 0x55)).toBe(true)
  })

  it('without WebAssembly the packets are the same', async () => {
    const options = masterKeys(profile)
    const packet = rtpPacket({ ssrc: 1, sequenceNumber: 1, payload: 600 })
    const expected = protectRtp(new SrtpContext(options), packet)
    vi.resetModules()
    vi.stubGlobal('WebAssembly', undefined)
    try {
      const { SrtpContext: Plain } = await import('../src/index.ts')
      const [sender, receiver] = [new Plain(options), new Plain(options)]
      expect(protectRtp(sender, packet)).toEqual(expected)
      for (let i = 0; i < 40; i++) {
        const next = rtpPacket({ ssrc: 1, sequenceNumber: 2 + i, payload: 600 })
        expect(receiver.unprotectRtp(protectRtp(sender, next))).toBe(next.length)
      }
    } finally {
      vi.unstubAllGlobals()
      vi.resetModules()
    }
  })
})
