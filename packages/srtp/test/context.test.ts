import { UsageError } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { SrtpContext, srtpKeyLengths } from '../src/index.ts'
import { RTCP_INDEX_END, RtcpStream } from '../src/stream.ts'
import {
  masterKeys,
  pair,
  PROFILES,
  protectedRun,
  protectRtcp,
  protectRtp,
  rtcpPacket,
  rtpPacket,
} from './support.ts'

const first = PROFILES[0]!

function code(call: () => unknown): string | undefined {
  try {
    call()
  } catch (error) {
    return error instanceof UsageError ? error.code : 'no UsageError'
  }
  return undefined
}

describe('rollover', () => {
  it.each(PROFILES)('%s: over three wraps, with gaps', (profile) => {
    const { sender, receiver } = pair(profile)
    let sent = 0
    for (let i = 0; i < 3 * 65_536 + 200; i += 1997) {
      const packet = rtpPacket({ ssrc: 0xdead_beef, sequenceNumber: i & 0xffff, payload: i % 211 })
      expect(receiver.unprotectRtp(protectRtp(sender, packet))).toBe(packet.length)
      sent++
    }
    expect(receiver.statistics.unprotected).toBe(sent)
    expect(sender.statistics.protected).toBe(sent)
  })

  it.each(PROFILES)('%s: reordered across the wrap, every order of four', (profile) => {
    const orders = [0, 1, 2, 3].flatMap((a) =>
      [0, 1, 2, 3].flatMap((b) =>
        [0, 1, 2, 3].flatMap((c) =>
          [0, 1, 2, 3].map((d) => [a, b, c, d]).filter((all) => new Set(all).size === 4),
        ),
      ),
    )
    expect(orders.length).toBe(24)
    for (const order of orders) {
      const { sender, receiver } = pair(profile)
      // one before, so that the receiver knows where the stream is
      const [start, ...packets] = protectedRun(sender, 65_533, 5)
      receiver.unprotectRtp(start!)
      for (const i of order) expect(receiver.unprotectRtp(packets[i]!), `order ${order.join()}`).toBe(62)
    }
  })

  it('a sender may be given packets out of order too', () => {
    const { sender, receiver } = pair(first)
    for (const sequenceNumber of [65_534, 0, 65_535, 2, 1]) {
      const packet = rtpPacket({ ssrc: 1, sequenceNumber, payload: 20 })
      expect(receiver.unprotectRtp(protectRtp(sender, packet))).toBe(packet.length)
    }
  })

  it.each(PROFILES)('%s: goes on after an outage in which more than half a cycle was lost', (profile) => {
    for (const begins of [0, 100, 40_000, 65_530]) {
      for (const lost of [32_000, 32_767, 32_768, 32_769, 40_000, 60_000, 65_000, 66_000, 90_000, 98_000]) {
        const { sender, receiver } = pair(profile)
        for (const sealed of protectedRun(sender, begins, 5)) expect(receiver.unprotectRtp(sealed)).toBe(62)
        // the sender's own guess is to follow
        const next = begins + 5 + lost
        for (let i = begins + 5; i < next; i += 20_000) protectedRun(sender, i & 0xffff, 1)
        const late = protectedRun(sender, (next - 1) & 0xffff, 1)[0]!
        const packets = protectedRun(sender, next & 0xffff, 50)
        const lengths = packets.map((sealed) => receiver.unprotectRtp(sealed.slice()))
        expect(lengths, `${lost} lost, from ${begins} on`).toEqual(packets.map(() => 62))
        expect(receiver.unprotectRtp(late)).toBe(62)
        for (const sealed of packets) expect(receiver.unprotectRtp(sealed)).toBe(-1)
        expect(receiver.statistics.dropped).toMatchObject({
          replayed: 50,
          authenticationFailed: 0,
          tooOld: 0,
        })
      }
    }
  })

  it.each(PROFILES)('%s: what is forged or of long ago stays out, and changes nothing', (profile) => {
    const { sender, receiver } = pair(profile)
    const old = protectedRun(sender, 65_000, 1)[0]!
    for (const i of [65_000, 65_500, 500, 2000, 30_000])
      receiver.unprotectRtp(protectedRun(sender, i === 65_000 ? 65_001 : i, 1)[0]!)
    const { unprotected } = receiver.statistics
    const others = [
      old,
      ...[40, 29_000, 40_000, 63_000].map((i) => protectedRun(pair(profile).sender, i, 1)[0]!),
    ]
    for (const sealed of others) expect(receiver.unprotectRtp(sealed.slice())).toBe(-1)
    for (const sealed of others) {
      const before = sealed.slice()
      receiver.unprotectRtp(sealed)
      expect(sealed).toEqual(before)
    }
    expect(receiver.statistics.unprotected).toBe(unprotected)
    expect(receiver.unprotectRtp(protectedRun(sender, 30_001, 1)[0]!)).toBe(62)
  })

  it('before the first packet there is none', () => {
    const { sender, receiver } = pair(first)
    const other = pair(first).sender
    // what might seem to be of the cycle before the first: of that of index 65535 the tag would match
    other.setRolloverCounter(1, 0xffff_ffff)
    receiver.unprotectRtp(protectedRun(sender, 2, 1)[0]!)
    expect(receiver.unprotectRtp(protectedRun(other, 65_535, 1)[0]!)).toBe(-1)
    expect(receiver.statistics.dropped.tooOld).toBe(1)
    expect(code(() => protectedRun(sender, 65_535, 1))).toBe('index-used')
  })

  it.each(PROFILES)('%s: the packets up to the first wrap are lost, or late', (profile) => {
    for (const [begins, lost] of [
      [65_535, 1],
      [65_530, 6],
      [65_500, 40],
      [40_000, 30_000],
    ] as const) {
      const { sender, receiver } = pair(profile)
      const packets = protectedRun(sender, begins, lost + 4)
      const late = packets[65_535 - begins]!
      for (const sealed of packets.slice(lost)) expect(receiver.unprotectRtp(sealed.slice())).toBe(62)
      for (const sealed of packets.slice(lost)) expect(receiver.unprotectRtp(sealed)).toBe(-1)
      expect(receiver.statistics.dropped).toMatchObject({ replayed: 4, authenticationFailed: 0 })
      expect(receiver.unprotectRtp(late)).toBe(lost < 100 ? 62 : -1)
    }
  })

  it('the same, after a counter that one was told', () => {
    const { sender, receiver } = pair(first)
    sender.setRolloverCounter(1, 77)
    receiver.setRolloverCounter(1, 77)
    const packets = protectedRun(sender, 65_530, 8)
    expect(receiver.unprotectRtp(packets[7]!)).toBe(62)
    expect(receiver.unprotectRtp(packets[0]!)).toBe(62)
  })

  it('a first packet is not looked for anywhere else', () => {
    const { sender, receiver } = pair(first)
    sender.setRolloverCounter(1, 1)
    sender.setRolloverCounter(2, 2)
    const behind = protectRtp(sender, rtpPacket({ ssrc: 1, sequenceNumber: 32_768, payload: 9 }))
    const beyond = protectRtp(sender, rtpPacket({ ssrc: 2, sequenceNumber: 0, payload: 9 }))
    for (const sealed of [behind, beyond]) expect(receiver.unprotectRtp(sealed)).toBe(-1)
    expect(receiver.statistics.dropped.authenticationFailed).toBe(2)
  })

  it.each(PROFILES)('%s: ends after 2^48 packets, for sender and receiver', (profile) => {
    const { sender, receiver } = pair(profile)
    sender.setRolloverCounter(1, 0xffff_ffff)
    receiver.setRolloverCounter(1, 0xffff_ffff)
    for (const sealed of protectedRun(sender, 65_500, 36)) expect(receiver.unprotectRtp(sealed)).toBe(62)
    expect(code(() => protectedRun(sender, 0, 1))).toBe('key-exhausted')
    const beyond = protectedRun(pair(profile).sender, 0, 1)[0]!
    expect(receiver.unprotectRtp(beyond)).toBe(-1)
    expect(receiver.statistics.dropped.tooOld).toBe(1)
  })

  it('a counter that one was told', () => {
    const { sender, receiver } = pair(first)
    sender.setRolloverCounter(1, 77)
    const [a, b] = protectedRun(sender, 9, 2)
    expect(receiver.unprotectRtp(a!.slice())).toBe(-1)
    receiver.setRolloverCounter(1, 76)
    receiver.setRolloverCounter(1, 77)
    expect(receiver.unprotectRtp(a!)).toBe(62)
    expect(code(() => receiver.setRolloverCounter(1, 78))).toBe('stream-started')
    expect(receiver.unprotectRtp(b!)).toBe(62)
    expect(code(() => receiver.setRolloverCounter(-1, 78))).toBe('invalid-option')
    expect(code(() => receiver.setRolloverCounter(2, 2 ** 32))).toBe('invalid-option')
  })
})

describe('duplicate', () => {
  it.each(PROFILES)('%s: a packet is taken once, SRTP and SRTCP', (profile) => {
    const { sender, receiver } = pair(profile)
    const rtp = protectedRun(sender, 0, 300)
    for (const sealed of rtp) expect(receiver.unprotectRtp(sealed.slice())).toBe(62)
    for (const sealed of rtp) expect(receiver.unprotectRtp(sealed)).toBe(-1)
    expect(receiver.statistics.dropped).toMatchObject({ replayed: 128, tooOld: 172 })
    const rtcp = Array.from({ length: 300 }, () => protectRtcp(sender, rtcpPacket(1, 20)))
    for (const sealed of rtcp) expect(receiver.unprotectRtcp(sealed.slice())).toBe(28)
    for (const sealed of rtcp) expect(receiver.unprotectRtcp(sealed)).toBe(-1)
    expect(receiver.statistics.dropped).toMatchObject({ replayed: 256, tooOld: 344 })
  })

  it('a sender refuses to use an index twice, unless it may', () => {
    const { sender } = pair(first)
    const packet = rtpPacket({ ssrc: 1, sequenceNumber: 5, payload: 20 })
    const sealed = protectRtp(sender, packet)
    expect(code(() => protectRtp(sender, packet))).toBe('index-used')
    protectedRun(sender, 6, 200)
    expect(code(() => protectRtp(sender, packet))).toBe('index-used')
    const again = pair(first, { allowRepeats: true }).sender
    protectedRun(again, 4, 1)
    expect(protectRtp(again, packet)).toEqual(sealed)
    expect(protectRtp(again, packet)).toEqual(sealed)
    protectedRun(again, 6, 200)
    expect(protectRtp(again, packet)).toEqual(sealed)
  })
})

describe('SRTCP', () => {
  it('counts each SSRC by itself, and ends after 2^31', () => {
    const { sender } = pair('AEAD_AES_128_GCM')
    const trailers = [1, 1, 2, 1].map((ssrc) => {
      const sealed = protectRtcp(sender, rtcpPacket(ssrc, 0))
      return new DataView(sealed.buffer).getUint32(sealed.length - 4)
    })
    expect(trailers).toEqual([0x8000_0000, 0x8000_0001, 0x8000_0000, 0x8000_0002])
    const stream = new RtcpStream(1, 128)
    stream.nextIndex = RTCP_INDEX_END - 1
    expect(stream.takeIndex()).toBe(0x7fff_ffff)
    expect(code(() => stream.takeIndex())).toBe('key-exhausted')
    expect(code(() => stream.takeIndex())).toBe('key-exhausted')
  })
})

describe('misuse', () => {
  it('options', () => {
    const options = masterKeys(first)
    const make = (changed: object): string | undefined =>
      code(() => new SrtpContext({ ...options, ...changed }))
    expect(make({ profile: 'NULL_HMAC_SHA1_80' })).toBe('unknown-profile')
    expect(make({ profile: 'toString' })).toBe('unknown-profile')
    expect(make({ masterKey: new Uint8Array(15) })).toBe('invalid-key')
    expect(make({ masterSalt: new Uint8Array(12) })).toBe('invalid-key')
    for (const masterKey of [undefined, new ArrayBuffer(16), 'a'.repeat(16)]) {
      expect(make({ masterKey })).toBe('invalid-key')
    }
    for (const replayWindow of [0, 32, 96, 65_536, 64.5, Number.NaN]) {
      expect(make({ replayWindow })).toBe('invalid-option')
    }
    for (const maxStreams of [0, 1.5, Number.NaN, -1]) expect(make({ maxStreams })).toBe('invalid-option')
    expect(make({ replayWindow: 64, maxStreams: 1 })).toBeUndefined()
    expect(srtpKeyLengths('AEAD_AES_256_GCM')).toEqual({ key: 32, salt: 12 })
  })

  it('packets: nothing is changed', () => {
    const { sender } = pair(first)
    const packet = rtpPacket({ ssrc: 1, sequenceNumber: 1, payload: 20 })
    const room = new Uint8Array(100)
    room.set(packet)
    expect(code(() => sender.protectRtp(room, 91))).toBe('no-room')
    expect(code(() => sender.protectRtp(room, -1))).toBe('no-room')
    expect(code(() => sender.protectRtp(room, 3.5))).toBe('no-room')
    expect(code(() => sender.protectRtp(room, 11))).toBe('invalid-packet')
    expect(code(() => sender.protectRtcp(room, 87))).toBe('no-room')
    expect(code(() => sender.protectRtcp(room, 7))).toBe('invalid-packet')
    room[0] = 0x40
    expect(code(() => sender.protectRtp(room, 32))).toBe('invalid-packet')
    expect(code(() => sender.protectRtcp(room, 32))).toBe('invalid-packet')
    expect(sender.statistics.protected).toBe(0)
  })

  it('more SSRCs than there is room for', () => {
    const { sender } = pair(first, { maxStreams: 2 })
    for (const ssrc of [1, 2, 1]) protectRtcp(sender, rtcpPacket(ssrc, 0))
    for (const ssrc of [1, 2]) protectRtp(sender, rtpPacket({ ssrc, sequenceNumber: 1, payload: 1 }))
    expect(code(() => protectRtcp(sender, rtcpPacket(3, 0)))).toBe('too-many-streams')
    expect(code(() => protectRtp(sender, rtpPacket({ ssrc: 3, sequenceNumber: 1, payload: 1 })))).toBe(
      'too-many-streams',
    )
    expect(code(() => sender.setRolloverCounter(3, 1))).toBe('too-many-streams')
  })
})
