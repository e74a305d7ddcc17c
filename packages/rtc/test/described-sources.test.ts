import { type Rtcp, SDES_CNAME, SDES_MID, SDES_REPAIRED_RID, SDES_RID } from '@str0m/rtp'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import type { BrowserPeer } from './browser-peer.ts'
import { connectedCall, eventsOf } from './harness.ts'
import { describedSource, DescribedSources, MAX_DESCRIBED_SOURCES } from '../src/described-sources.ts'

// Sources that RTCP tells of (RFC 9143 section 9.2): their packets have no mid, and no description names them

const VP8 = 96
const RTX = 97
const MID_EXTENSION = 4
const LINK = { latency: 10 }
/** That the description names, of video. */
const NAMED_SSRC = 612556335

/** Two sections of video with the same payload types, `1` and `v`, in the place of the data channels. */
function withTwoVideos(sdp: string): string {
  const [session, audio, video] = sdp.split(/^(?=m=)/m) as [string, string, string]
  const other = video.replace('a=mid:1\r\n', 'a=mid:v\r\n').replaceAll(/a=ssrc.*\r\n/g, '')
  return session.replace('BUNDLE 0 1 2', 'BUNDLE 0 1 v') + audio + video + other
}

const calls = (seed: number) => connectedCall(seed, { link: LINK, offered: withTwoVideos })

function send(
  peer: BrowserPeer,
  ssrc: number,
  index: number,
  more: { mid?: string; pt?: number } = {},
): void {
  const { mid, pt = VP8 } = more
  peer.sendRtp({
    pt,
    ssrc,
    sequenceNumber: index,
    timestamp: 3000 * index,
    payload: Uint8Array.of(0x10, 0x00, index),
    marker: true,
    ...(mid === undefined ? {} : { mid: [MID_EXTENSION, mid] as const }),
  })
}

/** RTCP that tells of a source. */
function description(ssrc: number, items: { mid?: string; rid?: string; repairedRid?: string }): Rtcp[] {
  const { mid, rid, repairedRid } = items
  return [
    { type: 'receiverReport', ssrc, reports: [] },
    {
      type: 'sourceDescription',
      chunks: [
        {
          ssrc,
          items: [
            { type: SDES_CNAME, text: 'name' },
            ...(mid === undefined ? [] : [{ type: SDES_MID, text: mid }]),
            ...(rid === undefined ? [] : [{ type: SDES_RID, text: rid }]),
            ...(repairedRid === undefined ? [] : [{ type: SDES_REPAIRED_RID, text: repairedRid }]),
          ],
        },
      ],
    },
  ]
}

type Call = ReturnType<typeof calls>

const frames = ({ pair }: Call) =>
  eventsOf(pair.a.events, 'mediaData').map(({ mid, rid, ssrc, data }) => ({ mid, rid, ssrc, index: data[1] }))

/** What came of each packet: the section of its frame, in order. */
const mids = (call: Call): string[] => frames(call).map(({ mid }) => mid)

describe('a source whose packets do not say the section', () => {
  it('is of the one that RTCP tells, from then on', () => {
    const call = calls(1)
    const { rtc, peer, pair } = call
    send(peer, 7, 0)
    pair.runFor(20)
    expect(rtc.statistics.dropped.unknownStream).toBe(1)
    peer.sendRtcp(description(7, { mid: 'v' }))
    peer.sendRtcp(description(8, { mid: '1' }))
    pair.runFor(20)
    for (const i of [1, 2]) for (const ssrc of [7, 8]) send(peer, ssrc, i)
    pair.runFor(20)
    expect(mids(call)).toEqual(['v', '1', 'v', '1'])
    expect(rtc.statistics.dropped.unknownStream).toBe(1)
    expect(rtc.statistics.inbound.map(({ mid, ssrc }) => [mid, ssrc])).toEqual([
      ['v', 7],
      ['1', 8],
    ])
  })

  it('goes by that before the description, and goes over where RTCP tells of another one', () => {
    const call = calls(2)
    const { peer, pair } = call
    send(peer, NAMED_SSRC, 0)
    pair.runFor(20)
    peer.sendRtcp(description(NAMED_SSRC, { mid: 'v' }))
    pair.runFor(20)
    send(peer, NAMED_SSRC, 1)
    pair.runFor(20)
    peer.sendRtcp(description(NAMED_SSRC, { mid: '1' }))
    pair.runFor(20)
    send(peer, NAMED_SSRC, 2)
    pair.runFor(20)
    expect(mids(call)).toEqual(['1', 'v', '1'])
  })

  it('stays where it was where RTCP tells of a section that there is not', () => {
    const call = calls(3)
    const { rtc, peer, pair } = call
    for (const ssrc of [NAMED_SSRC, 7]) peer.sendRtcp(description(ssrc, { mid: 'w', rid: 'x' }))
    pair.runFor(20)
    for (const ssrc of [NAMED_SSRC, 7]) send(peer, ssrc, 0)
    pair.runFor(20)
    peer.sendRtcp(description(NAMED_SSRC, { mid: '', rid: 'x' }))
    pair.runFor(20)
    send(peer, NAMED_SSRC, 1)
    pair.runFor(20)
    expect(frames(call)).toEqual(
      [0, 1].map((index) => ({ mid: '1', rid: undefined, ssrc: NAMED_SSRC, index })),
    )
    expect(rtc.statistics.dropped.unknownStream).toBe(1)
  })

  it('is not decoded where the section does not have its payload type', () => {
    const call = calls(4)
    const { rtc, peer, pair } = call
    peer.sendRtcp(description(7, { mid: '0' }))
    pair.runFor(20)
    send(peer, 7, 0)
    pair.runFor(20)
    expect(frames(call)).toEqual([])
    expect(rtc.statistics.dropped.unknownPayloadType).toBe(1)
  })

  it('is forgotten with its goodbye', () => {
    const call = calls(5)
    const { rtc, peer, pair } = call
    peer.sendRtcp([...description(7, { mid: 'v' }), { type: 'goodbye', ssrcs: [7] }])
    pair.runFor(20)
    send(peer, 7, 0)
    pair.runFor(20)
    expect(frames(call)).toEqual([])
    expect(rtc.statistics.dropped.unknownStream).toBe(1)
  })

  it('is of the one that its packets tell, where they do', () => {
    const call = calls(6)
    const { peer, pair } = call
    peer.sendRtcp(description(7, { mid: 'v' }))
    pair.runFor(20)
    send(peer, 7, 0, { mid: '1' })
    pair.runFor(20)
    // the packet may have overtaken it
    peer.sendRtcp(description(7, { mid: 'v' }))
    pair.runFor(20)
    send(peer, 7, 1)
    pair.runFor(3000)
    // this one, it has not
    peer.sendRtcp(description(7, { mid: 'v' }))
    pair.runFor(20)
    send(peer, 7, 2)
    pair.runFor(20)
    send(peer, 7, 3, { mid: '1' })
    pair.runFor(20)
    peer.sendRtcp(description(7, { mid: 'v' }))
    pair.runFor(20)
    send(peer, 7, 4)
    pair.runFor(20)
    expect(mids(call)).toEqual(['1', '1', 'v', '1', '1'])
  })
})

it('what a description says of a source counts from then on', () => {
  const call = calls(12)
  const { rtc, peer, pair } = call
  peer.sendRtcp(description(7, { mid: 'v' }))
  pair.runFor(20)
  rtc.acceptOffer({ type: 'offer', sdp: withTwoVideos(peer.offer().sdp).replaceAll(`${NAMED_SSRC}`, '7') })
  send(peer, 7, 0)
  pair.runFor(20)
  expect(mids(call)).toEqual(['1'])
})

describe('encodings that RTCP tells of (RFC 8852)', () => {
  it('have their rid, those that have begun too; and what repairs them goes with them', () => {
    const call = calls(7)
    const { rtc, peer, pair } = call
    send(peer, 7, 0, { mid: 'v' })
    pair.runFor(20)
    peer.sendRtcp(description(7, { mid: 'v', rid: 'h' }))
    peer.sendRtcp(description(8, { rid: 'q', mid: 'v' }))
    peer.sendRtcp(description(9, { mid: 'v', repairedRid: 'q' }))
    pair.runFor(20)
    send(peer, 7, 1)
    send(peer, 8, 0)
    // 1 of 8 comes as a retransmission alone
    send(peer, 8, 2)
    peer.sendRtp({
      pt: RTX,
      ssrc: 9,
      sequenceNumber: 0,
      timestamp: 3000,
      payload: Uint8Array.of(0, 1, 0x10, 0x00, 1),
      marker: true,
    })
    pair.runFor(50)
    expect(frames(call)).toEqual([
      { mid: 'v', rid: undefined, ssrc: 7, index: 0 },
      { mid: 'v', rid: 'h', ssrc: 7, index: 1 },
      { mid: 'v', rid: 'q', ssrc: 8, index: 0 },
      { mid: 'v', rid: 'q', ssrc: 8, index: 1 },
      { mid: 'v', rid: 'q', ssrc: 8, index: 2 },
    ])
    expect(rtc.statistics.dropped.unknownStream).toBe(0)
  })

  it('are not those of another section', () => {
    const call = calls(8)
    const { peer, pair } = call
    peer.sendRtcp(description(7, { mid: 'v', rid: 'h' }))
    pair.runFor(20)
    send(peer, 7, 0, { mid: '1' })
    pair.runFor(20)
    expect(frames(call)).toEqual([{ mid: '1', rid: undefined, ssrc: 7, index: 0 }])
  })

  it('are called by letters and digits', () => {
    expect(describedSource([{ type: SDES_RID, text: 'a b' }])).toBeUndefined()
    expect(describedSource([{ type: SDES_RID, text: '' }])).toBeUndefined()
    expect(describedSource([{ type: SDES_CNAME, text: 'a' }])).toBeUndefined()
    expect(
      describedSource([
        { type: SDES_RID, text: 'aZ09' },
        { type: SDES_REPAIRED_RID, text: 'é' },
      ]),
    ).toEqual({ mid: undefined, rid: 'aZ09', repairedRid: undefined })
  })
})

it('S4: RTCP of somebody else tells of nothing', () => {
  const call = calls(9)
  const { rtc, peer, pair } = call
  const sent: Uint8Array[] = []
  const { transport } = peer
  const transmit = transport.transmit.bind(transport)
  transport.transmit = (datagram) => sent.push(datagram)
  peer.sendRtcp(description(7, { mid: 'v' }))
  transport.transmit = transmit
  sent[0]![8] = sent[0]![8]! ^ 1
  transport.transmit(sent[0]!)
  pair.runFor(20)
  send(peer, 7, 0)
  pair.runFor(20)
  expect(frames(call)).toEqual([])
  expect(rtc.statistics.dropped.unknownStream).toBe(1)
})

it('S12: sources that RTCP tells of are kept within bounds, the newest ones', () => {
  const sources = new DescribedSources()
  const random = new SeededRandom(10)
  const ssrcs = Array.from({ length: 1_000_000 }, () => random.u32())
  const source = { mid: 'v', rid: undefined, repairedRid: undefined }
  for (const ssrc of ssrcs) sources.set(ssrc, source)
  expect(sources.size).toBe(MAX_DESCRIBED_SOURCES)
  expect(sources.of(ssrcs.at(-1)!)).toBe(source)
  expect(sources.of(ssrcs[0]!)).toBeUndefined()

  const { rtc, peer, pair } = calls(11)
  for (let i = 0; i <= MAX_DESCRIBED_SOURCES; i++) peer.sendRtcp(description(1000 + i, { mid: 'v' }))
  pair.runFor(20)
  for (let i = 0; i <= MAX_DESCRIBED_SOURCES; i++) send(peer, 1000 + i, 0)
  pair.runFor(20)
  expect(rtc.statistics.inbound).toHaveLength(MAX_DESCRIBED_SOURCES)
  expect(rtc.statistics.dropped.unknownStream).toBe(1)
})
