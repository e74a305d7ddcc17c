import {
  EXTENSION_URIS,
  ExtensionIds,
  parseRtcp,
  type Rtcp,
  SDES_CNAME,
  SDES_MID,
  writeRtcp,
} from '@str0m/rtp'
import { SeededRandom } from '@str0m/sans-io'
import { SrtpContext } from '@str0m/srtp'
import { describe, expect, it, vi } from 'vitest'
import type { BrowserPeer } from './browser-peer.ts'
import { connectedCall, directPair, eventsOf } from './harness.ts'
import type { Rtc } from '../src/index.ts'
import type { Media } from '../src/media.ts'
import { MAX_REPORTING_SOURCES, ReportingSources } from '../src/reporting-sources.ts'
import type { Sender } from '../src/senders.ts'

// oRTP, which is Linphone's, finds the section that a packet of RTCP is about by who sends it, and drops the packets of those that it knows no section of

const VP8 = { pt: 96, name: 'VP8', clockRate: 90_000, feedback: ['nack', 'nack pli'] } as const
type Protect = (this: SrtpContext, bytes: Uint8Array, length: number) => number
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
      expect(compound[0]).toMatchObject({ type: 'receiverReport', ssrc, reports: [{ ssrc: VIDEO_SSRC }] })
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

  it('of the direct API has the source that is sent, or one of its own', () => {
    const { a, b, da, db, pair } = directPair(5)
    const video = { kind: 'video', codecs: [VP8], extensions: [{ id: 1, uri: EXTENSION_URIS.mid }] } as const
    for (const [mid, streams] of [
      ['x', [{ ssrc: 7 }]],
      ['y', []],
    ] as const) {
      da.addMedia({ ...video, mid, direction: 'sendonly' })
      db.addMedia({ ...video, mid, direction: streams.length > 0 ? 'sendrecv' : 'recvonly', streams })
    }
    pair.runUntil(() => a.connected && b.connected)
    const sent: Rtcp[][] = []
    const protectRtcp: Protect = Reflect.get(SrtpContext.prototype, 'protectRtcp')
    const spy = vi.spyOn(SrtpContext.prototype, 'protectRtcp')
    spy.mockImplementation(function (this: SrtpContext, bytes, length) {
      sent.push(parseRtcp(bytes, length).packets)
      return protectRtcp.call(this, bytes, length)
    })
    for (const mid of ['x', 'y']) {
      const time = { value: 0, clockRate: 90_000 }
      a.media(mid)!
        .writer(VP8.pt)
        .write(time, Uint8Array.of(0x11, 0, 0), { keyframe: false })
    }
    pair.runFor(3000)
    db.stopMedia('y')
    pair.runFor(100)
    spy.mockRestore()
    const plis = sent.flat().filter((packet) => packet.type === 'pli')
    expect(plis.map(({ senderSsrc }) => senderSsrc)).toEqual([7, expect.any(Number)])
    const [, other] = plis.map(({ senderSsrc }) => senderSsrc)
    // it goes with its section
    expect(sent.at(-1)!.at(-1)).toEqual({ type: 'goodbye', ssrcs: [other] })
    expect(
      sent.flatMap((compound) => [...described(compound)]).map(([ssrc, { mid }]) => [ssrc, mid]),
    ).toEqual(
      expect.arrayContaining([
        [7, 'x'],
        [other, 'y'],
      ]),
    )
    const requests = eventsOf(pair.a.events, 'keyframeRequest')
    expect(requests.map(({ mid }) => mid)).toEqual(['x', 'y'])
  })
})

describe('sources that only report', () => {
  const media = (...ssrcs: number[]): Media =>
    ({
      stopped: false,
      localStreams: ssrcs.map((ssrc) => ({ ssrc })),
      sendExtensionIds: new ExtensionIds([]),
    }) as unknown as Media
  const fill = (seed: number) => new SeededRandom(seed).fill

  it('are one for each section, and stay the same until it is stopped, or sends', () => {
    const sources = new ReportingSources(1, fill(1))
    const [sends, one, other] = [media(7, 8), media(), media()]
    const ssrcs = [sends, one, other].map((section) => sources.of(section))
    expect(ssrcs[0]).toBe(7)
    expect(new Set([1, ...ssrcs]).size).toBe(4)
    expect(sources.setMedias([sends, one, other])).toEqual([])
    expect([sends, one, other].map((section) => sources.of(section))).toEqual(ssrcs)
    // of several encodings, the peer takes one less
    Object.assign(sends, { localStreams: [{ ssrc: 8 }, { ssrc: 7 }] })
    Object.assign(one, { localStreams: [{ ssrc: 9 }] })
    Object.assign(other, { stopped: true })
    expect(sources.setMedias([sends, one, other])).toEqual(ssrcs.slice(1))
    expect([sends, one].map((section) => sources.of(section))).toEqual([7, 9])
    expect(sources.setMedias([])).toEqual([7, 9])
  })

  it('are none of those sent elsewhere that have said goodbye', () => {
    const sources = new ReportingSources(1, new SeededRandom(1).fill)
    const streams = [{ ssrc: 7 }, { ssrc: 8 }]
    const sound = Object.assign(media(), { direction: 'sendrecv', localStreams: streams })
    const video = media()
    sources.noteSent({ media: sound, stream: { ssrc: 7 } } as unknown as Sender)
    sources.noteSent({ media: sound, stream: { ssrc: 8 } } as unknown as Sender)
    expect(sources.of(video)).toBe(7)
    streams.shift()
    sources.setMedias([sound, video])
    expect([7, 8]).not.toContain(sources.of(video))
    sources.noteSent({ media: sound, stream: { ssrc: 8 } } as unknown as Sender)
    expect(sources.of(video)).toBe(8)
  })

  it('get another number where the peer has that, but those that send keep theirs (RFC 3550 section 8.2)', () => {
    const sources = new ReportingSources(1, fill(2))
    const [sends, receives] = [media(7), media()]
    const ours = sources.of(receives)
    expect(sources.of(sends)).toBe(7)
    expect([7, 5, 1, 1, ours, ours].map((ssrc) => sources.replace(ssrc))).toEqual([
      false,
      false,
      true,
      false,
      true,
      false,
    ])
    expect(sources.of(sends)).toBe(7)
    expect([1, ours]).not.toContain(sources.ofTransport)
    expect([1, ours, sources.ofTransport]).not.toContain(sources.of(receives))
  })

  it('exhaust: there are so many in the life of a session, and then the one of the transport reports', () => {
    const sources = new ReportingSources(1, fill(3))
    const first = media()
    const ssrc = sources.of(first)
    for (let i = 2; i < MAX_REPORTING_SOURCES; i++) {
      expect(sources.of(media())).not.toBe(1)
      sources.setMedias([first])
    }
    expect(sources.of(media())).toBe(1)
    expect(sources.of(media(7))).toBe(1)
    expect([1, ssrc].map((theirs) => sources.replace(theirs))).toEqual([false, false])
    expect(sources.of(first)).toBe(ssrc)
  })

  it('say goodbye with the peer', () => {
    const { rtc, peer, pair } = connectedCall(7, { link: { latency: 10 }, offered: onlySends })
    for (let i = 0; i < 200; i++) {
      sendVideo(peer, i)
      sendAudio(peer, i)
      pair.runFor(20)
    }
    const reporting = new Map(
      compoundsTo(pair.b).flatMap((compound) =>
        [...described(compound)].map(([ssrc, { mid }]) => [mid, ssrc]),
      ),
    )
    const goodbyes = (): unknown[] =>
      compoundsTo(pair.b)
        .flat()
        .filter(({ type }) => type === 'goodbye')
    expect(goodbyes()).toEqual([])
    rtc.close()
    pair.runFor(100)
    const ssrcs = ['1', '0'].map((mid) => reporting.get(mid))
    expect(goodbyes()).toEqual([{ type: 'goodbye', ssrcs }])
  })

  it('are told from those of a peer that has the same number', () => {
    const { rtc, peer, pair } = connectedCall(8, { link: { latency: 10 }, offered: onlySends })
    for (let i = 0; i < 200; i++) {
      sendVideo(peer, i)
      pair.runFor(20)
    }
    const reported = (): { ssrc: number; about: readonly number[] }[] =>
      compoundsTo(pair.b)
        .flat()
        .flatMap((packet) =>
          packet.type === 'receiverReport'
            ? [{ ssrc: packet.ssrc, about: packet.reports.map(({ ssrc }) => ssrc) }]
            : [],
        )
    const { ssrc } = reported()[0]!
    for (let i = 0; i < 200; i++) {
      send(peer, 96, ssrc, '1', i)
      pair.runFor(20)
    }
    const about = reported().filter((report) => report.about.includes(ssrc))
    expect(about.length).toBeGreaterThan(1)
    for (const report of about) expect(report.ssrc).not.toBe(ssrc)
    expect(compoundsTo(pair.b).flat()).toContainEqual({ type: 'goodbye', ssrcs: [ssrc] })
    expect(rtc.connected).toBe(true)
  })
})

describe('reports', () => {
  it('of sections that only receive come from the source of each, with its mid', () => {
    const { peer, pair } = connectedCall(9, { link: { latency: 10 }, offered: onlySends })
    for (let i = 0; i < 200; i++) {
      sendAudio(peer, i)
      sendVideo(peer, i)
      pair.runFor(20)
    }
    const compounds = compoundsTo(pair.b)
    expect(compounds.length).toBeGreaterThan(4)
    const mids = new Map(compounds.flatMap((compound) => [...described(compound)]))
    const sources = new Map<number, string | undefined>()
    for (const compound of compounds) {
      const [report, ...others] = compound.filter((packet) => packet.type === 'receiverReport')
      expect(others).toEqual([])
      expect(report!.reports).toHaveLength(1)
      expect(described(compound).has(report!.ssrc)).toBe(true)
      sources.set(report!.reports[0]!.ssrc, mids.get(report!.ssrc)!.mid)
      // what asks for the round trip is of no section
      for (const asks of compound.filter((packet) => packet.type === 'extendedReport')) {
        expect(described(compound).get(asks.ssrc)).toEqual({ name: expect.any(String) })
      }
    }
    expect(sources).toEqual(
      new Map([
        [AUDIO_SSRC, '0'],
        [VIDEO_SSRC, '1'],
      ]),
    )
    // one for each section, and that of the transport
    expect(mids.size).toBe(3)
    expect(new Set([...mids.values()].map(({ name }) => name)).size).toBe(1)
  })

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
    const reports = compoundsTo(pair.b).flatMap((compound) =>
      compound.flatMap((packet) =>
        packet.type === 'senderReport'
          ? [{ source: packet.ssrc, mid: described(compound).get(packet.ssrc)?.mid, about: packet.reports }]
          : [],
      ),
    )
    for (const [i, about] of [AUDIO_SSRC, VIDEO_SSRC].entries()) {
      const ofSection = reports.filter(({ source }) => source === sources[i])
      expect(ofSection.length).toBeGreaterThan(2)
      // in turn, where a datagram is of several
      expect(new Set(ofSection.flatMap(({ mid }) => mid ?? []))).toEqual(new Set([`${i}`]))
      expect(new Set(ofSection.flatMap((report) => report.about.map(({ ssrc }) => ssrc)))).toEqual(
        new Set([about]),
      )
    }
    for (const compound of compoundsTo(pair.b)) {
      const onSomething = compound.filter((packet) => 'reports' in packet && packet.reports.length > 0)
      expect(onSomething.length).toBeLessThan(2)
      const names = compound.filter(({ type }) => type === 'sourceDescription')
      // aiortc reads a chunk that is not the last to its first two zeros, and there the next one is to begin
      const chunk = writeRtcp(names).subarray(4, 4 + 32)
      const isAlone = names.every((packet) => packet.type === 'sourceDescription' && packet.chunks.length < 2)
      if (!isAlone) expect([...chunk.subarray(-3)].map((byte) => byte === 0)).toEqual([false, true, true])
    }
  })
})
