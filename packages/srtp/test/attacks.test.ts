// The rows of SECURITY.md that concern SRTP.
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { hasV8Heap, runAlone, STEADY_HEAP } from '../../../vitest.alone.ts'
import { pair, PROFILES, protectedRun, protectRtcp, protectRtp, rtcpPacket, rtpPacket } from './support.ts'

function total(dropped: Readonly<Record<string, number>>): number {
  return Object.values(dropped).reduce((sum, count) => sum + count, 0)
}

describe('S4: nothing moves before authentication', () => {
  it.each(PROFILES)('%s: forged sequence numbers, far ahead and beyond the wrap', (profile) => {
    const { sender, receiver } = pair(profile)
    const packets = protectedRun(sender, 60_000, 200)
    for (const sealed of packets) {
      for (const forgedSequence of [60_300, 65_000, 5, 27_000, 92_700 & 0xffff]) {
        const forged = sealed.slice()
        new DataView(forged.buffer).setUint16(2, forgedSequence)
        const before = forged.slice()
        expect(receiver.unprotectRtp(forged)).toBe(-1)
        expect(forged).toEqual(before)
      }
      expect(receiver.unprotectRtp(sealed)).toBe(62)
    }
    expect(receiver.statistics.unprotected).toBe(200)
  })

  it.each(PROFILES)('%s: forged SRTCP indices', (profile) => {
    const { sender, receiver } = pair(profile)
    const trailerAt = profile.startsWith('AEAD') ? 4 : 14
    for (let i = 0; i < 50; i++) {
      const sealed = protectRtcp(sender, rtcpPacket(1, 20))
      for (const trailer of [0x8000_1000, 0xffff_ffff, 0x0000_0000 + i, 0x7fff_ffff]) {
        const forged = sealed.slice()
        new DataView(forged.buffer).setUint32(forged.length - trailerAt, trailer)
        expect(receiver.unprotectRtcp(forged)).toBe(-1)
      }
      expect(receiver.unprotectRtcp(sealed)).toBe(28)
    }
  })

  it.each(PROFILES)('%s: every single wrong bit is found', (profile) => {
    const { sender, receiver } = pair(profile)
    // busy, with keystream ahead; the first packets fix the stream's state
    for (const sealed of protectedRun(sender, 100, 30, 20)) receiver.unprotectRtp(sealed)
    const sealed = protectRtp(sender, rtpPacket({ ssrc: 1, sequenceNumber: 130, payload: 20 }))
    for (let bit = 0; bit < 8 * sealed.length; bit++) {
      const wrong = sealed.slice()
      wrong[bit >>> 3]! ^= 0x80 >>> (bit & 7)
      expect(receiver.unprotectRtp(wrong), `bit ${bit}`).toBe(-1)
    }
    expect(receiver.unprotectRtp(sealed)).toBe(32)
    const rtcp = protectRtcp(sender, rtcpPacket(1, 20))
    for (let bit = 0; bit < 8 * rtcp.length; bit++) {
      const wrong = rtcp.slice()
      wrong[bit >>> 3]! ^= 0x80 >>> (bit & 7)
      expect(receiver.unprotectRtcp(wrong), `bit ${bit}`).toBe(-1)
    }
    expect(receiver.unprotectRtcp(rtcp)).toBe(28)
  })

  it('a forged packet does not make a stream busy, nor its keystream large', () => {
    const { sender, receiver } = pair('AEAD_AES_128_GCM')
    const packets = protectedRun(sender, 0, 100, 10)
    for (const sealed of packets) {
      const forged = rtpPacket({ ssrc: 1, sequenceNumber: 99, payload: 1400 })
      expect(receiver.unprotectRtp(forged)).toBe(-1)
      expect(receiver.unprotectRtp(sealed)).toBe(22)
    }
  })
})

describe('S10: garbage is counted, never fatal', () => {
  it.each(PROFILES)('%s: 250,000 garbage packets, then genuine ones flow', (profile) => {
    const { sender, receiver } = pair(profile)
    const packets = protectedRun(sender, 0, 100)
    for (const sealed of packets.slice(0, 50)) receiver.unprotectRtp(sealed)
    const { fill, integer } = new Garbage(1)
    const noise = new Uint8Array(4096)
    fill(noise)
    let rounds = 250_000
    while (rounds-- > 0) {
      const start = integer(4000)
      const garbage = noise.subarray(start, start + integer(96))
      if ((rounds & 1) === 0) receiver.unprotectRtp(garbage)
      else receiver.unprotectRtcp(garbage)
    }
    // that one of them has the right tag of 32 bits: one in 17,000, and not with this seed
    expect(total(receiver.statistics.dropped)).toBe(250_000)
    for (const sealed of packets.slice(50)) expect(receiver.unprotectRtp(sealed)).toBe(62)
  })
})

describe('S11: short packets', () => {
  it.each(PROFILES)('%s: every length from 0 to 64, of any content', (profile) => {
    const { receiver } = pair(profile)
    let count = 0
    for (let length = 0; length <= 64; length++) {
      for (const first of [0x00, 0x80, 0x8f, 0x90, 0x9f, 0xff]) {
        for (const rest of [0x00, 0xff, 0x10]) {
          const packet = new Uint8Array(length).fill(rest)
          if (length > 0) packet[0] = first
          expect(receiver.unprotectRtp(packet.slice())).toBe(-1)
          expect(receiver.unprotectRtcp(packet)).toBe(-1)
          count += 2
        }
      }
    }
    expect(total(receiver.statistics.dropped)).toBe(count)
    expect(receiver.statistics.unprotected).toBe(0)
  })

  it.each(PROFILES)('%s: every truncation of a genuine packet', (profile) => {
    const { sender, receiver } = pair(profile)
    const rtp = protectRtp(
      sender,
      rtpPacket({ ssrc: 1, sequenceNumber: 1, payload: 30, csrcs: 2, extension: 3 }),
    )
    const rtcp = protectRtcp(sender, rtcpPacket(1, 20))
    for (let length = 0; length < rtp.length; length++) {
      expect(receiver.unprotectRtp(rtp.slice(0, length))).toBe(-1)
      expect(receiver.unprotectRtcp(rtcp.slice(0, Math.min(length, rtcp.length - 1)))).toBe(-1)
    }
    expect(receiver.unprotectRtp(rtp)).toBe(rtp.length - receiver.rtpOverhead)
    expect(receiver.unprotectRtcp(rtcp)).toBe(28)
  })
})

describe('S12: state is made after authentication, and bounded', () => {
  it.skipIf(!hasV8Heap)('20,000 random SSRCs: the heap grows by less than 64 KiB', async () => {
    const module = new URL('alone/sources.ts', import.meta.url)
    const growth = await runAlone<{ rtp: number; rtcp: number }>(module, STEADY_HEAP)
    expect(growth.rtp).toBeLessThan(65_536)
    expect(growth.rtcp).toBeLessThan(65_536)
  })

  it('10^6 random SSRCs: flat', () => {
    const { sender, receiver } = pair('AEAD_AES_128_GCM', { maxStreams: 4 })
    const forged = rtpPacket({ ssrc: 0, sequenceNumber: 1, payload: 16 })
    const view = new DataView(forged.buffer)
    let accepted = 0
    for (let i = 0; i < 1_000_000; i++) {
      view.setUint32(8, (i * 2_654_435_761) >>> 0)
      if (receiver.unprotectRtp(forged) >= 0) accepted++
    }
    expect(accepted).toBe(0)
    expect(receiver.statistics.dropped.authenticationFailed).toBe(1_000_000)
    // the forged SSRCs took none of the four places
    for (const ssrc of [1, 2, 3, 4]) {
      const sealed = protectRtp(sender, rtpPacket({ ssrc, sequenceNumber: 1, payload: 16 }))
      expect(receiver.unprotectRtp(sealed)).toBe(28)
    }
  })

  it.each(PROFILES)('%s: at the bound, new SSRCs are dropped and the others flow', (profile) => {
    const { sender } = pair(profile)
    const { receiver } = pair(profile, { maxStreams: 3 })
    for (let round = 0; round < 3; round++) {
      for (let ssrc = 1; ssrc <= 5; ssrc++) {
        const rtp = protectRtp(sender, rtpPacket({ ssrc, sequenceNumber: round, payload: 16 }))
        expect(receiver.unprotectRtp(rtp)).toBe(ssrc <= 3 ? 28 : -1)
        expect(receiver.unprotectRtcp(protectRtcp(sender, rtcpPacket(ssrc, 8)))).toBe(ssrc <= 3 ? 16 : -1)
      }
    }
    expect(receiver.statistics.dropped.tooManyStreams).toBe(12)
  })
})

/** Seeded noise. */
class Garbage {
  readonly #random: SeededRandom
  readonly fill: (bytes: Uint8Array) => void
  readonly integer: (below: number) => number

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.fill = this.#random.fill
    this.integer = (below) => this.#random.integer(below)
  }
}
