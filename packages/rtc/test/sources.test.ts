import type { Rtcp } from '@str0m/rtp'
import { describe, expect, it } from 'vitest'
import type { BrowserPeer } from './browser-peer.ts'
import { connectedCall, eventsOf } from './harness.ts'

// as the fixture has them: payload types and the ids of the extensions
const VP8 = 96
const RTX = 97
const MID = [4, '1'] as const
const RID = 10
const REPAIRED_RID = 11
const DESCRIBED_SSRC = 612556335
const DESCRIBED_RTX_SSRC = 3813039355
const LINK = { latency: 10 }

/** What the video's sources are is left out: packets alone tell. */
function undescribed(sdp: string): string {
  return sdp.replaceAll(/a=ssrc(-group)?:.*\r\n/g, '')
}

/** A whole VP8 frame in one packet: a descriptor of one byte, then a frame header. */
function payloadOf(index: number): Uint8Array {
  const payload = new Uint8Array(40).fill(index)
  payload[0] = 0x10
  payload[1] = index === 0 ? 0x00 : 0x01
  return payload
}

/** Of one encoder: what it sends, and sends again. */
class Encoder {
  readonly #peer: BrowserPeer
  readonly ssrc: number
  readonly #rtxSsrc: number
  readonly #rid: string | undefined
  readonly #repairedRid: boolean
  readonly first: number
  #rtxSequence: number

  constructor(
    peer: BrowserPeer,
    ssrc: number,
    rtxSsrc: number,
    { rid, repairedRid = true, first = 0 }: { rid?: string; repairedRid?: boolean; first?: number } = {},
  ) {
    this.#peer = peer
    this.ssrc = ssrc
    this.#rtxSsrc = rtxSsrc
    this.#rid = rid
    this.#repairedRid = repairedRid
    this.first = first
    this.#rtxSequence = 100 + first
  }

  send(index: number): void {
    this.#peer.sendRtp({
      pt: VP8,
      ssrc: this.ssrc,
      sequenceNumber: (this.first + index) & 0xffff,
      timestamp: 3000 * index,
      payload: payloadOf(index),
      marker: true,
      mid: MID,
      ...(this.#rid === undefined ? {} : { rid: [RID, this.#rid] as const }),
    })
  }

  sendAgain(index: number): void {
    const sequenceNumber = (this.first + index) & 0xffff
    this.#peer.sendRtp({
      pt: RTX,
      ssrc: this.#rtxSsrc,
      sequenceNumber: this.#rtxSequence++ & 0xffff,
      timestamp: 3000 * index,
      payload: Uint8Array.of(sequenceNumber >> 8, sequenceNumber, ...payloadOf(index)),
      marker: true,
      mid: MID,
      ...(this.#rid === undefined || !this.#repairedRid
        ? {}
        : { repairedRid: [REPAIRED_RID, this.#rid] as const }),
    })
  }
}

type Call = ReturnType<typeof connectedCall>

function framesOf({ pair }: Call, { ssrc }: Encoder): number[] {
  return eventsOf(pair.a.events, 'mediaData')
    .filter((frame) => frame.ssrc === ssrc)
    .map(({ time }) => time.value / 3000)
}

/** Four frames, of which the third is lost and asked for. */
function sendWithLoss({ pair }: Call, ...encoders: readonly Encoder[]): void {
  for (const i of [0, 1, 3]) {
    for (const encoder of encoders) encoder.send(i)
    pair.runFor(33)
  }
}

function nacksOf({ pair }: Call): Rtcp[] {
  return pair.b.events
    .flatMap(({ event }) => (event.kind === 'rtcp' ? event.packets : []))
    .filter(({ type }) => type === 'nack')
}

describe('a peer that restarts its encoder, with sources that nobody described', () => {
  it.each([
    ['alone', undefined, 4],
    ['of an encoding', 'h', 4],
    ['alone, with the retransmissions that it had', undefined, 2],
    ['of an encoding, with the retransmissions that it had', 'h', 2],
  ])('%s: its retransmissions are of the new source, RFC 4588 section 5.3', (_, rid, rtxSsrc) => {
    const call = connectedCall(1, { link: LINK, offered: undescribed })
    const before = new Encoder(call.peer, 1, 2, { ...(rid && { rid }), first: 65_534 })
    sendWithLoss(call, before)
    before.sendAgain(2)
    call.pair.runFor(33)
    expect(framesOf(call, before)).toEqual([0, 1, 2, 3])
    const after = new Encoder(call.peer, 3, rtxSsrc, { ...(rid && { rid }), first: 30_000 })
    sendWithLoss(call, after)
    expect(nacksOf(call).at(-1)).toMatchObject({ mediaSsrc: 3, sequenceNumbers: [30_002] })
    after.sendAgain(2)
    call.pair.runFor(33)
    expect(framesOf(call, after)).toEqual([0, 1, 2, 3])
    expect(call.rtc.statistics.dropped).toMatchObject({ unknownStream: 0, unknownPayloadType: 0 })
  })

  it('a late retransmission of the source before is still taken, and leaves those of the new one theirs', () => {
    const call = connectedCall(2, { link: LINK, offered: undescribed })
    const before = new Encoder(call.peer, 1, 2, { rid: 'h' })
    sendWithLoss(call, before)
    const after = new Encoder(call.peer, 3, 2, { rid: 'h', first: 30_000 })
    sendWithLoss(call, after)
    before.sendAgain(2)
    after.sendAgain(2)
    call.pair.runFor(33)
    expect(framesOf(call, before)).toEqual([0, 1, 2, 3])
    expect(framesOf(call, after)).toEqual([0, 1, 2, 3])
  })
})

it('in RTP mode, a packet that is repeated though it was not lost is handed out once', () => {
  const call = connectedCall(6, { link: LINK, options: { rtpMode: true } })
  const encoder = new Encoder(call.peer, DESCRIBED_SSRC, DESCRIBED_RTX_SSRC, { first: 65_533 })
  for (let i = 0; i < 10; i++) {
    if (i === 5) continue
    encoder.send(i)
    encoder.sendAgain(i)
    call.pair.runFor(33)
  }
  // the first copy is a retransmission, and what was lost came out of order only
  encoder.sendAgain(5)
  encoder.send(5)
  call.pair.runFor(33)
  const packets = eventsOf(call.pair.a.events, 'rtpPacket')
  const numbers = packets.map(({ header }) => header.sequenceNumber)
  expect(numbers).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9, 5].map((i) => (65_533 + i) & 0xffff))
  expect(packets.map(({ retransmitted }) => retransmitted)).toEqual([...Array<boolean>(9).fill(false), true])
  expect(call.rtc.statistics.inbound[0]).toMatchObject({
    packetsReceived: 20,
    packetsDiscarded: 0,
    packetsDuplicated: 10,
    retransmittedPacketsReceived: 10,
    packetsLost: 0,
  })
})

it('retransmissions that name no encoding are of the one that was asked for them', () => {
  const call = connectedCall(3, { link: LINK, offered: undescribed })
  const h = new Encoder(call.peer, 1, 2, { rid: 'h', repairedRid: false })
  const q = new Encoder(call.peer, 3, 4, { rid: 'q', repairedRid: false, first: 30_000 })
  sendWithLoss(call, h, q)
  h.sendAgain(2)
  q.sendAgain(2)
  call.pair.runFor(33)
  expect(framesOf(call, h)).toEqual([0, 1, 2, 3])
  expect(framesOf(call, q)).toEqual([0, 1, 2, 3])
  // what was not asked for tells nothing
  h.sendAgain(3)
  new Encoder(call.peer, 5, 6, { rid: 'x', repairedRid: false }).sendAgain(1)
  call.pair.runFor(33)
  expect(call.rtc.statistics.dropped.unknownStream).toBe(1)
})

describe('a source that says goodbye while something of it is missing', () => {
  it('still gets what is sent again', () => {
    const call = connectedCall(7, { link: LINK })
    const encoder = new Encoder(call.peer, DESCRIBED_SSRC, DESCRIBED_RTX_SSRC)
    sendWithLoss(call, encoder)
    call.peer.sendRtcp([{ type: 'goodbye', ssrcs: [DESCRIBED_SSRC] }])
    call.pair.runFor(20)
    encoder.sendAgain(2)
    call.pair.runFor(20)
    expect(framesOf(call, encoder)).toEqual([0, 1, 2, 3])
    expect(call.rtc.statistics.inbound).toEqual([])
  })

  it('loses that alone, and is forgotten then', () => {
    const call = connectedCall(8, { link: LINK })
    const encoder = new Encoder(call.peer, DESCRIBED_SSRC, DESCRIBED_RTX_SSRC)
    sendWithLoss(call, encoder)
    call.peer.sendRtcp([{ type: 'goodbye', ssrcs: [DESCRIBED_SSRC] }])
    call.pair.runFor(15_000)
    expect(framesOf(call, encoder)).toEqual([0, 1, 3])
    expect(eventsOf(call.pair.a.events, 'mediaData').map(({ contiguous }) => contiguous)).toEqual([
      true,
      true,
      false,
    ])
    expect(call.rtc.statistics.inbound).toEqual([])
  })

  it('goes on where it sends more', () => {
    const call = connectedCall(9, { link: LINK })
    const encoder = new Encoder(call.peer, DESCRIBED_SSRC, DESCRIBED_RTX_SSRC)
    sendWithLoss(call, encoder)
    call.peer.sendRtcp([{ type: 'goodbye', ssrcs: [DESCRIBED_SSRC] }])
    call.pair.runFor(20)
    encoder.send(4)
    encoder.sendAgain(2)
    call.pair.runFor(15_000)
    encoder.send(5)
    call.pair.runFor(20)
    expect(framesOf(call, encoder)).toEqual([0, 1, 2, 3, 4, 5])
    expect(call.rtc.statistics.inbound).toMatchObject([{ packetsReceived: 6 }])
  })
})

describe('a source of retransmissions', () => {
  it('that said goodbye can be another’s', () => {
    const call = connectedCall(4, { link: LINK, offered: undescribed })
    const h = new Encoder(call.peer, 1, 2, { rid: 'h' })
    const q = new Encoder(call.peer, 3, 2, { rid: 'q', first: 30_000 })
    sendWithLoss(call, h)
    h.sendAgain(2)
    call.peer.sendRtcp([{ type: 'goodbye', ssrcs: [2] }])
    sendWithLoss(call, q)
    q.sendAgain(2)
    call.pair.runFor(33)
    expect(framesOf(call, q)).toEqual([0, 1, 2, 3])
  })

  it('that begins to send media is a stream of its own', () => {
    const call = connectedCall(5, { link: LINK })
    const described = new Encoder(call.peer, DESCRIBED_SSRC, DESCRIBED_RTX_SSRC)
    sendWithLoss(call, described)
    described.sendAgain(2)
    call.pair.runFor(33)
    const other = new Encoder(call.peer, DESCRIBED_RTX_SSRC, 7, { first: 30_000 })
    sendWithLoss(call, other)
    described.send(4)
    call.pair.runFor(33)
    expect(framesOf(call, described)).toEqual([0, 1, 2, 3, 4])
    expect(framesOf(call, other)).toEqual([0, 1])
  })
})
