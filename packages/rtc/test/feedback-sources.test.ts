import { type Rtcp, SDES_CNAME, SDES_MID, writeRtcp } from '@str0m/rtp'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import type { BrowserPeer } from './browser-peer.ts'
import { connectedCall } from './harness.ts'
import type { Rtc } from '../src/index.ts'
import { Media } from '../src/media.ts'
import { Reporter } from '../src/reporter.ts'

// oRTP, which is Linphone's, finds the section that a packet of RTCP is about by who sends it, and drops the packets of those that it knows no section of

// as the fixture has them
const MID_EXTENSION = 4
const AUDIO_SSRC = 3490220795
const VIDEO_SSRC = 612556335
const fullSize = (sdp: string): string => sdp.replaceAll('a=rtcp-rsize\r\n', '')
const onlySends = (sdp: string): string => fullSize(sdp).replaceAll('a=sendrecv\r\n', 'a=sendonly\r\n')
const withoutMid = (sdp: string): string => fullSize(sdp).replaceAll(/a=extmap:\d+ \S*sdes:mid\r\n/g, '')

function send(peer: BrowserPeer, pt: number, ssrc: number, mid: string, index: number): void {
  peer.sendRtp({
    pt,
    ssrc,
    sequenceNumber: index,
    timestamp: 3000 * index,
    payload: Uint8Array.of(0x10, 0x00, 1, 2),
    marker: true,
    mid: [MID_EXTENSION, mid],
  })
}

const sendVideo = (peer: BrowserPeer, index: number): void => send(peer, 96, VIDEO_SSRC, '1', index)
const sendAudio = (peer: BrowserPeer, index: number): void => send(peer, 111, AUDIO_SSRC, '0', index)

/** What came in one datagram each. */
function compoundsTo({ events }: { events: readonly { event: unknown }[] }): Rtcp[][] {
  return events.flatMap(({ event }) => {
    const { kind, packets } = event as { kind: string; packets: Rtcp[] }
    return kind === 'rtcp' ? [packets] : []
  })
}

/** What a datagram says of its sources: the names, and the mids. */
function described(compound: readonly Rtcp[]): Map<number, { name?: string; mid?: string }> {
  const sources = new Map<number, { name?: string; mid?: string }>()
  for (const packet of compound) {
    if (packet.type !== 'sourceDescription') continue
    for (const { ssrc, items } of packet.chunks) {
      const [name, mid] = [SDES_CNAME, SDES_MID].map((type) => items.find((item) => item.type === type)?.text)
      sources.set(ssrc, { ...(name === undefined ? {} : { name }), ...(mid === undefined ? {} : { mid }) })
    }
  }
  return sources
}

/** A call in which a packet of video is lost, and a keyframe asked for: the datagrams with a nack and a pli. */
function feedbackIn(seed: number, offered: (sdp: string) => string, before?: (rtc: Rtc) => void) {
  const { rtc, peer, pair } = connectedCall(seed, { link: { latency: 10 }, offered })
  before?.(rtc)
  sendAudio(peer, 0)
  for (const i of [0, 1, 2, 4, 5]) sendVideo(peer, i)
  const find = (type: Rtcp['type']) =>
    compoundsTo(pair.b).find((packets) => packets.some((packet) => packet.type === type))
  pair.runUntil(() => find('nack') !== undefined)
  rtc.handleInput({ kind: 'timeout', now: pair.now })
  expect(rtc.media('1')!.requestKeyframe()).toBe(true)
  pair.runUntil(() => find('pli') !== undefined)
  return { rtc, compounds: [find('nack')!, find('pli')!] }
}

const senderOf = (compound: readonly Rtcp[]): number => {
  const packet = compound.at(-1)!
  if (packet.type !== 'nack' && packet.type !== 'pli') throw new Error(`No feedback: ${packet.type}`)
  return packet.senderSsrc
}

describe('feedback', () => {
  it('comes from our source of the section that it is about (RFC 8108 section 5.4.1), with its mid', () => {
    const { rtc, compounds } = feedbackIn(1, fullSize)
    const [{ ssrc }] = rtc.media('1')!.localStreams as [{ ssrc: number }]
    for (const compound of compounds) {
      expect(senderOf(compound)).toBe(ssrc)
      expect(described(compound).get(ssrc)).toEqual({ name: expect.any(String), mid: '1' })
    }
  })

  it('comes from a source of the section also where it sends nothing, and always from the same', () => {
    const { rtc, compounds } = feedbackIn(2, onlySends)
    expect(rtc.media('1')!.localStreams).toEqual([])
    for (const compound of compounds) {
      const ssrc = senderOf(compound)
      expect(ssrc).toBe(senderOf(compounds[0]!))
      expect(described(compound).get(ssrc)).toEqual({ name: expect.any(String), mid: '1' })
      // the report before it is on all sections
      expect(compound[0]).toMatchObject({ type: 'receiverReport' })
      expect(compound[0]).not.toMatchObject({ ssrc })
    }
  })

  it('of reduced size has the same source', () => {
    const { rtc, compounds } = feedbackIn(3, (sdp) => sdp)
    const [{ ssrc }] = rtc.media('1')!.localStreams as [{ ssrc: number }]
    expect(compounds.map((compound) => [compound.length, senderOf(compound)])).toEqual([
      [1, ssrc],
      [1, ssrc],
    ])
  })

  it('says no mid to one who does not know it', () => {
    const { compounds } = feedbackIn(4, withoutMid)
    for (const compound of compounds) {
      const sources = described(compound)
      expect(sources.get(senderOf(compound))).toEqual({ name: expect.any(String) })
    }
  })

  it('comes from what is sent elsewhere where nothing is sent, to one who does not know mids', () => {
    const offered = (sdp: string): string => {
      const at = sdp.indexOf('m=video')
      return withoutMid(sdp.slice(0, at)) + onlySends(withoutMid(sdp.slice(at)))
    }
    const sendSound = (rtc: Rtc): void => {
      const { pt } = rtc.media('0')!.codecs[0]!
      rtc.media('0')!.writer(pt).write({ value: 0, clockRate: 48_000 }, Uint8Array.of(1))
    }
    const { rtc, compounds } = feedbackIn(6, offered, sendSound)
    const [{ ssrc }] = rtc.media('0')!.localStreams as [{ ssrc: number }]
    expect(compounds.map(senderOf)).toEqual([ssrc, ssrc])
    // who knows them is told of a source of the section
    const named = feedbackIn(
      7,
      (sdp) => sdp.replace(/m=video[^]*/, onlySends).replace('a=rtcp-rsize\r\n', ''),
      sendSound,
    )
    const [sound] = named.rtc.media('0')!.localStreams
    for (const compound of named.compounds) {
      expect(senderOf(compound)).not.toBe(sound!.ssrc)
      expect(described(compound).get(senderOf(compound))).toMatchObject({ mid: '1' })
    }
  })

  // libdatachannel knows the first encoding of several alone, and finds the section by any source that it knows
  it('on one of several streams follows a report on all of its section, that one first', () => {
    for (const [seed, offered] of [
      [8, fullSize],
      [9, (sdp: string) => sdp],
    ] as const) {
      const { peer, pair } = connectedCall(seed, { link: { latency: 10 }, offered })
      const others = Array.from({ length: 5 }, (_, i) => VIDEO_SSRC + 1 + i)
      sendAudio(peer, 0)
      for (const ssrc of [VIDEO_SSRC, ...others]) send(peer, 96, ssrc, '1', 0)
      for (const i of [1, 3, 4]) send(peer, 96, others[0]!, '1', i)
      const compound = (): Rtcp[] | undefined =>
        compoundsTo(pair.b).find((packets) => packets.some(({ type }) => type === 'nack'))
      pair.runUntil(() => compound() !== undefined)
      const reported = compound()!.flatMap((packet) =>
        packet.type === 'receiverReport' ? packet.reports.map(({ ssrc }) => ssrc) : [],
      )
      const expected = [others[0], VIDEO_SSRC, others[1], others[2]]
      expect(reported, `seed ${seed}`).toEqual(offered === fullSize ? expected : [])
    }
  })

  it('of two sections that only receive has two sources', () => {
    const reporter = new Reporter(1, 'name', 1200, { now: 0, unixTime: 0 }, new SeededRandom(5).fill)
    const owner = connectedCall(5).rtc as never
    const [one, other] = ['a', 'b'].map((mid, i) => new Media(mid, 'video', i, owner))
    const ssrcs = [one!, other!].map((media) => reporter.sourceOf(media))
    expect(new Set([1, ...ssrcs]).size).toBe(3)
    expect([one!, other!].map((media) => reporter.sourceOf(media))).toEqual(ssrcs)
  })
})

describe('reports', () => {
  it('of what is sent name its mid, and are on what comes in on the same section', () => {
    const { rtc, peer, pair } = connectedCall(6, { link: { latency: 10 }, offered: fullSize })
    const sources = ['0', '1'].map((mid) => rtc.media(mid)!.localStreams[0]!.ssrc)
    for (let i = 0; i < 100; i++) {
      sendAudio(peer, i)
      sendVideo(peer, i)
      rtc.handleInput({ kind: 'timeout', now: pair.now })
      for (const [mid, clockRate] of [
        ['0', 48_000],
        ['1', 90_000],
      ] as const) {
        const { pt } = rtc.media(mid)!.codecs[0]!
        rtc
          .media(mid)!
          .writer(pt)
          .write(
            { value: (i * clockRate) / 50, clockRate },
            Uint8Array.of(0, 0, 0, 0x9d, 1, 0x2a, 0, 0, 0, 0),
          )
      }
      pair.runFor(20)
    }
    // the first ones go before anything has come in
    const blocks = (compound: readonly Rtcp[]) =>
      compound.flatMap((packet) => (packet.type === 'senderReport' ? packet.reports : []))
    const both = compoundsTo(pair.b).filter((compound) => blocks(compound).length === 2)
    expect(both.length).toBeGreaterThan(1)
    for (const compound of both) {
      const about = new Map(
        compound.flatMap((packet) =>
          packet.type === 'senderReport' ? [[packet.ssrc, packet.reports.map(({ ssrc }) => ssrc)]] : [],
        ),
      )
      expect(about).toEqual(
        new Map([
          [sources[0], [AUDIO_SSRC]],
          [sources[1], [VIDEO_SSRC]],
        ]),
      )
      const names = compound.flatMap((packet) => (packet.type === 'sourceDescription' ? [packet] : []))
      // aiortc reads a chunk that is not the last to its first two zeros, and there the next one is to begin
      const chunk = writeRtcp(names).subarray(4, 4 + 32)
      expect([...chunk.subarray(-2)]).toEqual([0, 0])
      expect(chunk.indexOf(0, 6)).toBe(30)
    }
    // of each, every other time
    for (const [i, ssrc] of sources.entries()) {
      expect(new Set(both.map((compound) => described(compound).get(ssrc)?.mid))).toEqual(
        new Set([String(i), undefined]),
      )
    }
  })
})
