import { ExtensionIds, parseRtcp, type Rtcp, SDES_MID, StreamRx, StreamTx } from '@str0m/rtp'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import type { Media } from '../src/media.ts'
import type { Receiver } from '../src/receivers.ts'
import { Reporter } from '../src/reporter.ts'
import type { Sender } from '../src/senders.ts'
import { connectedCall } from './harness.ts'
import { TELLING, videoCall } from './video-call.ts'

/** As long as our own are. */
const NAME = '0123456789abcdef01234567'
/** Sections whose mid the peer is told, as long as it may be in most packets. */
const sections = (count: number): Media[] =>
  Array.from({ length: count }, (_, i) => {
    const mid = `${i}`.padStart(16, '.')
    const sendExtensionIds = new ExtensionIds([{ id: 4, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' }])
    const localStreams = [{ ssrc: 2000 + i }]
    return { mid, midBytes: new Uint8Array(16), sendExtensionIds, localStreams } as unknown as Media
  })
const VP8 = { pt: 96, name: 'VP8', clockRate: 90_000, kind: 'video' } as const

/** Streams that something came in on, and went out on, of some sections each in turn. */
function streams(
  incoming: number,
  outgoing: number,
  medias: readonly Media[],
): { receivers: Receiver[]; senders: Sender[] } {
  const receivers = Array.from({ length: incoming }, (_, i) => {
    const stream = new StreamRx({ ssrc: 1000 + i, frames: false })
    const header = { payloadType: 96, sequenceNumber: 1, timestamp: 1, ssrc: 1000 + i, marker: true }
    const rest = { csrcs: [], extensionProfile: 0, extensionStart: 0, extensionLength: 0, payloadStart: 12 }
    const lengths = { payloadLength: 1, paddingLength: 0 }
    stream.handlePacket(0, { ...header, ...rest, ...lengths }, new Uint8Array(1), VP8)
    return { stream, media: medias[i % medias.length] } as unknown as Receiver
  })
  const senders = Array.from({ length: outgoing }, (_, i) => {
    const stream = new StreamTx({ ssrc: 2000 + i, sequenceNumber: 0 })
    return { stream, codec: VP8, media: medias[i % medias.length] } as unknown as Sender
  })
  return { receivers, senders }
}

describe('reports', () => {
  it('are due within some 1.5 s; hastened ones at once, but not sooner than a tenth of a second after the last', () => {
    const srtp = connectedCall(1).peer.transport.outbound!
    const reporter = new Reporter(1, 'name', 1200, { now: 0, unixTime: 0 }, new SeededRandom(1).fill)
    expect(reporter.deadline).toBe(Infinity)
    reporter.noteActivity(1000)
    expect(reporter.deadline).toBeGreaterThanOrEqual(1500)
    expect(reporter.deadline).toBeLessThanOrEqual(2500)
    reporter.hasten(1010)
    expect(reporter.deadline).toBe(1010)
    let count = 0
    for (let now = 1010; now < 3010; now += 5) {
      reporter.hasten(now)
      if (now < reporter.deadline) continue
      count++
      reporter.reports(now, [], [], srtp)
      expect(reporter.deadline).toBe(Infinity)
    }
    expect(count).toBe(20)
  })

  it.each([256, 500, 1200])('on many streams fit datagrams of %i bytes, each source once', (mtu) => {
    const { transport } = connectedCall(2).peer
    const srtp = transport.outbound!
    for (const [incoming, outgoing, asking, count] of [
      [31, 8, 1, 1],
      [100, 0, 0, 1],
      [0, 20, 3, 20],
      [62, 16, 5, 16],
      [62, 16, 5, 40],
      [3, 40, 0, 40],
      [100, 0, 1, 100],
    ] as const) {
      const reporter = new Reporter(1, NAME, mtu, { now: 0, unixTime: 0 }, new SeededRandom(1).fill)
      for (let i = 0; i < asking; i++) {
        const blocks = [{ type: 'receiverReferenceTime', ntpTime: 1n }] as const
        reporter.handleExtendedReport(0, { type: 'extendedReport', ssrc: 3000 + i, blocks })
      }
      const { receivers, senders } = streams(incoming, outgoing, sections(count))
      const plain: Rtcp[] = []
      const compounds: Rtcp[][] = []
      const reading = {
        rtcpOverhead: srtp.rtcpOverhead,
        protectRtcp: (datagram: Uint8Array, length: number) => {
          compounds.push(parseRtcp(datagram, length).packets)
          plain.push(...compounds.at(-1)!)
          return srtp.protectRtcp(datagram, length)
        },
      }
      const datagrams = reporter.reports(1000, receivers, senders, reading as unknown as typeof srtp)
      expect(Math.max(...datagrams.map(({ length }) => length))).toBeLessThanOrEqual(mtu)
      const reports = plain.flatMap((packet) => ('reports' in packet ? packet.reports : []))
      expect(new Set(reports.map(({ ssrc }) => ssrc)).size).toBe(incoming)
      expect(reports).toHaveLength(incoming)
      const sent = plain.filter(({ type }) => type === 'senderReport')
      expect(sent).toHaveLength(outgoing)
      const named = plain.flatMap((packet) =>
        packet.type === 'sourceDescription' ? packet.chunks.map(({ ssrc }) => ssrc) : [],
      )
      for (const { stream } of senders) expect(named).toContain(stream.ssrc)
      const mediaOf = new Map(receivers.map(({ stream, media }) => [stream.ssrc, media]))
      for (const compound of compounds) {
        const about = compound.flatMap((packet) => ('reports' in packet ? packet.reports : []))
        expect(new Set(about.map(({ ssrc }) => mediaOf.get(ssrc))).size).toBeLessThan(2)
        // RFC 3550 section 6.1
        expect(['senderReport', 'receiverReport']).toContain(compound[0]!.type)
        const chunks = compound.flatMap((packet) =>
          packet.type === 'sourceDescription' ? packet.chunks : [],
        )
        expect(new Set(chunks.map(({ ssrc }) => ssrc)).size).toBe(chunks.length)
        for (const packet of compound) {
          if (!('reports' in packet)) continue
          for (const { ssrc } of packet.reports) {
            const media = mediaOf.get(ssrc)!
            expect(packet.ssrc).toBe(reporter.sourceOf(media))
            const { items } = chunks.find((chunk) => chunk.ssrc === packet.ssrc)!
            for (const { type, text } of items) if (type === SDES_MID) expect(text).toBe(media.mid)
          }
        }
        // what aiortc reads: see `Reporter`
        const tells = chunks.map(({ items }) => items.some(({ type }) => type === SDES_MID))
        expect(tells.slice(0, -1)).not.toContain(true)
        if (chunks.at(-1)!.ssrc !== reporter.ssrc) expect(tells.at(-1)).toBe(true)
      }
    }
  })

  it('on the streams of a section begin with another one each time', () => {
    const srtp = connectedCall(4).peer.transport.outbound!
    const reporter = new Reporter(1, NAME, 1200, { now: 0, unixTime: 0 }, new SeededRandom(4).fill)
    const first: number[] = []
    const reading = {
      rtcpOverhead: srtp.rtcpOverhead,
      protectRtcp: (datagram: Uint8Array, length: number) => {
        const [report] = parseRtcp(datagram, length).packets
        if (report?.type === 'receiverReport') first.push(report.reports[0]!.ssrc)
        return length
      },
    }
    const medias = sections(1)
    for (let i = 0; i < 6; i++) {
      const { receivers } = streams(3, 0, medias)
      reporter.reports(1000 * i, receivers, [], reading as unknown as typeof srtp)
    }
    expect(first).toEqual([1000, 1001, 1002, 1000, 1001, 1002])
  })

  it.each([TELLING, { transportFeedback: 'rfc8888' } as const])('and so does feedback: %o', (feedback) => {
    const mtu = 256
    const link = { rate: 20_000_000, loss: 0.1, latency: 10 }
    const { pair, run, b } = videoCall(3, link, { mtu, ...feedback }, 4_000_000, { b: { mtu, ...feedback } })
    const lengths: number[] = []
    const { bToA } = pair
    const send = bToA.send.bind(bToA)
    bToA.send = (now, datagram) => {
      lengths.push(datagram.contents.length)
      send(now, datagram)
    }
    run(10_000)
    expect(lengths.length).toBeGreaterThan(100)
    expect(b.statistics.inbound[0]!.nackCount).toBeGreaterThan(10)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(mtu)
  })
})
