// A session that takes new SSRCs for as long as it lasts.
import { UsageError } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { pair, PROFILES, protectRtcp, protectRtp, rtcpPacket, rtpPacket } from './support.ts'

const SOURCES = 6000

function rtp(ssrc: number, sequenceNumber: number): Uint8Array {
  return rtpPacket({ ssrc, sequenceNumber, payload: 20 })
}

describe.each(PROFILES)('many SSRCs, %s', (profile) => {
  it('all are taken; one that comes back goes on where it was', () => {
    const { sender, receiver } = pair(profile)
    const old = [65_534, 65_535, 0, 1].map((sequenceNumber) => protectRtp(sender, rtp(1, sequenceNumber)))
    for (const sealed of old) expect(receiver.unprotectRtp(sealed.slice())).toBe(32)
    for (let ssrc = 2; ssrc <= SOURCES; ssrc++) {
      expect(receiver.unprotectRtp(protectRtp(sender, rtp(ssrc, 7)))).toBe(32)
    }
    // S4: whoever repeats what was there before is told apart, though its window is gone
    for (const sealed of old) expect(receiver.unprotectRtp(sealed.slice())).toBe(-1)
    expect(receiver.statistics.dropped.tooOld + receiver.statistics.dropped.replayed).toBe(4)
    // RFC 3711 section 9.1: no keystream is used for another packet
    for (const sequenceNumber of [65_534, 65_535, 0, 1]) {
      expect(sender.isFresh(1, sequenceNumber)).toBe(false)
      expect(() => protectRtp(sender, rtp(1, sequenceNumber))).toThrow(UsageError)
    }
    expect(sender.isFresh(1, 2)).toBe(true)
    const [late, next] = [2, 3].map((sequenceNumber) => protectRtp(sender, rtp(1, sequenceNumber)))
    // its rollover counter is 1, and it is awake again: what is late is taken
    for (const sealed of [next!, late!]) expect(receiver.unprotectRtp(sealed)).toBe(32)
  })

  it('SRTCP too', () => {
    const { sender, receiver } = pair(profile)
    const old = [1, 2, 3].map(() => protectRtcp(sender, rtcpPacket(1, 8)))
    for (const sealed of old) expect(receiver.unprotectRtcp(sealed.slice())).toBe(16)
    for (let ssrc = 2; ssrc <= SOURCES; ssrc++) {
      expect(receiver.unprotectRtcp(protectRtcp(sender, rtcpPacket(ssrc, 8)))).toBe(16)
    }
    for (const sealed of old) expect(receiver.unprotectRtcp(sealed.slice())).toBe(-1)
    const more = [1, 2].map(() => protectRtcp(sender, rtcpPacket(1, 8)))
    expect(more[0]).not.toEqual(old[0])
    for (const sealed of more.toReversed()) expect(receiver.unprotectRtcp(sealed)).toBe(16)
  })
})

describe('many SSRCs', () => {
  it('packets may be repeated byte by byte where that is allowed', () => {
    const { sender } = pair(PROFILES[2]!, { allowRepeats: true })
    const sealed = protectRtp(sender, rtp(1, 5))
    for (let ssrc = 2; ssrc <= SOURCES; ssrc++) protectRtp(sender, rtp(ssrc, 7))
    expect(protectRtp(sender, rtp(1, 5))).toEqual(sealed)
  })

  it('a rollover counter that was told is not forgotten before its first packet', () => {
    const { sender, receiver } = pair(PROFILES[2]!)
    for (const context of [sender, receiver]) context.setRolloverCounter(1, 9)
    for (let ssrc = 2; ssrc <= SOURCES; ssrc++) receiver.unprotectRtp(protectRtp(sender, rtp(ssrc, 7)))
    expect(receiver.unprotectRtp(protectRtp(sender, rtp(1, 40_000)))).toBe(32)
  })

  it('the streams in use stay whole, whatever comes and goes beside them', () => {
    const { sender, receiver } = pair(PROFILES[2]!)
    for (let ssrc = 2; ssrc <= SOURCES; ssrc++) {
      const sequenceNumber = 2 * ssrc
      const [a, b] = [0, 1].map((more) => protectRtp(sender, rtp(1, sequenceNumber + more)))
      expect(receiver.unprotectRtp(b!)).toBe(32)
      expect(receiver.unprotectRtp(protectRtp(sender, rtp(ssrc + 1, 7)))).toBe(32)
      expect(receiver.unprotectRtp(a!)).toBe(32)
    }
  })
})
