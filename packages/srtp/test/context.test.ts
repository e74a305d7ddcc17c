import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { SrtpContext, type SrtpContextOptions, type SrtpProfile, srtpKeyLengths } from '../src/index.ts'
import { PROFILES, rtcpPacket, rtpPacket } from './support.ts'

function pair(
  profile: SrtpProfile,
  options: Partial<SrtpContextOptions> = {},
): { sender: SrtpContext; receiver: SrtpContext } {
  const { fill } = new SeededRandom(7)
  const lengths = srtpKeyLengths(profile)
  const masterKey = new Uint8Array(lengths.key)
  const masterSalt = new Uint8Array(lengths.salt)
  fill(masterKey)
  fill(masterSalt)
  const all = { profile, masterKey, masterSalt, ...options }
  return { sender: new SrtpContext(all), receiver: new SrtpContext(all) }
}

function protect(sender: SrtpContext, packet: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(packet.length + sender.rtpOverhead)
  buffer.set(packet)
  expect(sender.protectRtp(buffer, packet.length)).toBe(buffer.length)
  return buffer
}

function protectRtcp(sender: SrtpContext, packet: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(packet.length + sender.rtcpOverhead)
  buffer.set(packet)
  expect(sender.protectRtcp(buffer, packet.length)).toBe(buffer.length)
  return buffer
}

describe.each(PROFILES)('%s', (profile) => {
  it('round trip, over two wraps of the sequence number', () => {
    const { sender, receiver } = pair(profile)
    for (let i = 0; i < 2 * 65_536 + 200; i += 97) {
      const packet = rtpPacket({ ssrc: 0xdead_beef, sequenceNumber: i & 0xffff, payload: i % 211 })
      const sealed = protect(sender, packet)
      expect(receiver.unprotectRtp(sealed)).toBe(packet.length)
      expect(sealed.subarray(0, packet.length)).toEqual(packet)
    }
    expect(receiver.statistics.unprotected).toBe(sender.statistics.protected)
  })

  it('round trip of RTCP', () => {
    const { sender, receiver } = pair(profile)
    for (let i = 0; i < 200; i++) {
      const packet = rtcpPacket(0x8000_0001, 4 * (i % 50))
      const sealed = protectRtcp(sender, packet)
      expect(receiver.unprotectRtcp(sealed)).toBe(packet.length)
      expect(sealed.subarray(0, packet.length)).toEqual(packet)
    }
  })
})
