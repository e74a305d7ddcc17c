import { type ReportBlock, type Rtcp } from '@str0m/rtp'
import { DEFAULT_CODECS, parseSdp } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import type { RtcOptions, RtpPacket } from '../src/index.ts'
import type { BrowserEvent } from './browser-peer.ts'
import { connectedCall, connectedPair, eventsOf, negotiatedPair } from './harness.ts'
import { videoCall } from './video-call.ts'

// how a peer is told, and tells, which packets came: RFC 8888, transport-wide feedback, reports alone; and what it says that it takes

const WILDCARD = 'a=rtcp-fb:* ack ccfb\r\n'
const STANDARD: RtcOptions = { transportFeedback: 'rfc8888' }
/** Without any feedback on when packets came. */
const SILENT: RtcOptions = {
  codecs: DEFAULT_CODECS.map((codec) => ({
    ...codec,
    feedback: codec.feedback.filter((type) => type !== 'transport-cc'),
  })),
}

/** The descriptions that two come to. */
function described(a: RtcOptions, b: RtcOptions, changed: (offer: string) => string = (sdp) => sdp) {
  let offer = ''
  let answer = ''
  negotiatedPair({
    seed: 1,
    a,
    b,
    offered: (sdp) => (offer = changed(sdp)),
    answered: (sdp) => (answer = sdp),
  })
  return { offer, answer }
}

describe('RFC 8888 is negotiated', () => {
  it('where it is asked for, of all payload types, and instead of transport-wide feedback', () => {
    const { offer, answer } = described(STANDARD, STANDARD)
    expect(offer.split(WILDCARD)).toHaveLength(3)
    expect(offer).toContain('transport-cc')
    expect(offer).not.toMatch(/rtcp-fb:\d+ ack/)
    expect(answer.split(WILDCARD)).toHaveLength(3)
    expect(answer).not.toMatch(/rtcp-fb:\d+ ack|transport-cc|transport-wide/)
    for (const { payloads } of parseSdp(answer).media) {
      for (const { feedback } of payloads) expect(feedback).toContain('ack ccfb')
    }
  })

  it.each<[string, RtcOptions, RtcOptions]>([
    ['the offerer alone', STANDARD, { transportFeedback: 'always' }],
    ['the answerer alone', { transportFeedback: 'always' }, STANDARD],
  ])('not where %s knows it: then transport-wide feedback is', (_, a, b) => {
    const { answer } = described(a, b)
    expect(answer).not.toContain('ccfb')
    expect(answer).toContain('transport-cc')
    expect(answer).toContain('transport-wide')
  })

  it('not by default, whatever a peer offers', () => {
    const { offer, answer } = described({ ...STANDARD, bandwidthEstimation: {} }, {})
    expect(offer).toContain(WILDCARD)
    expect(answer).not.toMatch(/ccfb|transport-cc/)
    expect(described({}, STANDARD).offer).not.toContain('ccfb')
  })

  it('with Chromium, which lists each payload type', () => {
    const listed = (sdp: string): string =>
      sdp
        .replaceAll(WILDCARD, '')
        .replaceAll(/a=rtpmap:(\d+) .*\r\n/g, (line, pt) => `${line}a=rtcp-fb:${pt} ack ccfb\r\n`)
    const { offer, answer } = described(STANDARD, STANDARD, listed)
    expect(offer).not.toContain(WILDCARD)
    expect(answer.split(WILDCARD)).toHaveLength(3)
    expect(answer).not.toContain('transport-cc')
  })

  it('not where one section lacks it: it is of all streams', () => {
    const { answer } = described(STANDARD, STANDARD, (sdp) => sdp.replace(WILDCARD, ''))
    expect(answer).not.toContain('ccfb')
    expect(answer.split('transport-wide')).toHaveLength(3)
  })

  it('the same way when the other side offers again', () => {
    const { a, b } = negotiatedPair({ seed: 2, a: STANDARD, b: STANDARD })
    const change = b.createOffer()
    change.addMedia('video', 'sendrecv')
    const offer = change.apply()
    const answer = a.acceptOffer(offer)
    expect(answer.sdp.split(WILDCARD)).toHaveLength(4)
    expect(answer.sdp).not.toContain('transport-cc')
    b.pendingChanges()!.acceptAnswer(answer)
  })
})

describe('by the reports of RFC 8888', () => {
  const standardCall = (seed: number, rate: number, most?: number) =>
    videoCall(seed, { rate }, STANDARD, most, { b: STANDARD })

  it.each([500_000, 2_000_000, 8_000_000])('the estimate comes to what the path takes: %i bit/s', (rate) => {
    const { a, run, estimate } = standardCall(rate, rate)
    run(15_000)
    const { received, queued } = run(15_000)
    expect(received / rate, 'of the path is used').toBeGreaterThan(0.6)
    expect(estimate() / rate).toBeLessThan(1.3)
    expect(queued, 'ms at the bottleneck').toBeLessThan(300)
    const { packetsAcknowledged, packetsLost, feedbackIgnored, roundTripTime } = a.statistics.bandwidth!
    expect(packetsAcknowledged).toBeGreaterThan(1000)
    // a queue of 128 KiB overflows once at the highest rate, with transport-wide feedback too
    expect(packetsLost).toBeLessThan(0.15 * packetsAcknowledged)
    expect(feedbackIgnored).toBe(0)
    expect(roundTripTime).toBeGreaterThan(0.04)
  })

  it('the estimate falls with the path, and rises with it again', () => {
    const { pair, run, estimate } = standardCall(2, 3_000_000)
    run(15_000)
    expect(estimate()).toBeGreaterThan(1_800_000)
    pair.aToB.configure(pair.now, { rate: 500_000 })
    run(5000)
    expect(estimate()).toBeLessThan(650_000)
    pair.aToB.configure(pair.now, { rate: 3_000_000 })
    run(30_000)
    expect(estimate()).toBeGreaterThan(1_500_000)
  })

  it('retransmissions are told of too, and probes by them find more than is sent', () => {
    const { a, run, estimate } = standardCall(3, 5_000_000, 200_000)
    a.setDesiredBitrate(3_000_000)
    run(20_000)
    expect(estimate()).toBeGreaterThan(2_000_000)
    expect(a.statistics.bandwidth!.probesSucceeded).toBeGreaterThan(0)
  })

  it('loss is told, and what was asked for again is not taken for lost twice', () => {
    const { a, pair, run, estimate } = videoCall(4, { rate: 3_000_000, loss: 0.03 }, STANDARD, undefined, {
      b: STANDARD,
    })
    run(20_000)
    const { packetsAcknowledged, packetsLost } = a.statistics.bandwidth!
    expect(packetsLost / packetsAcknowledged).toBeGreaterThan(0.015)
    expect(packetsLost / packetsAcknowledged).toBeLessThan(0.06)
    expect(estimate()).toBeGreaterThan(1_000_000)
    expect(pair.b.events.length).toBeGreaterThan(0)
  })

  it('of packets that are sent again as they were, without RTX', () => {
    const noRtx = (sdp: string): string => sdp.replaceAll(/a=rtpmap:\d+ rtx.*\r\n/g, '')
    const { a, run, estimate } = videoCall(5, { rate: 2_000_000, loss: 0.03 }, STANDARD, undefined, {
      b: STANDARD,
      offered: noRtx,
    })
    run(20_000)
    expect(estimate()).toBeGreaterThan(800_000)
    const { packetsAcknowledged, packetsLost } = a.statistics.bandwidth!
    expect(packetsLost / packetsAcknowledged).toBeLessThan(0.06)
    expect(a.statistics.outbound[0]!.retransmittedPacketsSent).toBeGreaterThan(10)
  })

  it('packets have no transport-wide number, and reports end with what comes', () => {
    const options = { ...STANDARD, rtpMode: true }
    const { a, b, pair } = connectedPair({ seed: 6, a: { ...options, bandwidthEstimation: {} }, b: options })
    const writer = a.media('1')!.rtpWriter()
    const { pt } = a.media('1')!.codecs[0]!
    for (let i = 0; i < 5; i++) writer.write({ pt, sequenceNumber: i, timestamp: 0 }, new Uint8Array(500))
    pair.runFor(500)
    const packets = eventsOf(pair.b.events, 'rtpPacket')
    expect(packets).toHaveLength(5)
    for (const packet of packets) expect(transportNumber(packet)).toBeUndefined()
    // those that probed for bandwidth were copies, and are not handed out
    const { packetsReceived, packetsDiscarded, packetsDuplicated } = b.statistics.inbound[0]!
    expect(packetsReceived - packetsDuplicated).toBe(5)
    expect(packetsDiscarded).toBe(0)
    expect(a.statistics.bandwidth!.packetsAcknowledged).toBe(packetsReceived)
    pair.runFor(20_000)
    const woken: number[] = []
    for (let i = 0; i < 20; i++) {
      const output = b.pollOutput()
      if (output.kind === 'timeout') woken.push(output.at - pair.now)
      pair.runFor(500)
    }
    // checks of consent alone
    expect(Math.min(...woken)).toBeGreaterThan(0)
    const sent = b.statistics.packetsSent
    pair.runFor(60_000)
    expect(b.statistics.packetsSent).toBe(sent)
  })

  it.each([
    ['of reduced size', (sdp: string) => sdp],
    ['behind a report', (sdp: string) => sdp.replaceAll('a=rtcp-rsize\r\n', '')],
  ])('no datagram is larger than it may be, %s', (_, offered) => {
    const options = { ...STANDARD, mtu: 300 }
    const { a, pair } = connectedPair({
      seed: 7,
      offered,
      a: { ...STANDARD, bandwidthEstimation: { initialBitrate: 20_000_000 } },
      b: options,
    })
    const sizes: number[] = []
    const send = pair.bToA.send.bind(pair.bToA)
    pair.bToA.send = (now, datagram) => {
      sizes.push(datagram.contents.length)
      send(now, datagram)
    }
    const media = a.media('1')!
    const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
    for (let i = 0; i < 20; i++) {
      const frame = new Uint8Array(200_000).fill(i)
      media.writer(pt).write({ value: 3000 * i, clockRate: 90_000 }, frame)
      pair.runFor(33)
    }
    expect(a.statistics.bandwidth!.packetsAcknowledged).toBeGreaterThan(2000)
    expect(Math.max(...sizes)).toBeGreaterThan(250)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(300)
  })
})

describe('a peer that tells nothing of when packets came', () => {
  it.each([500_000, 2_000_000])('is sent what it reports little loss of: %i bit/s', (rate) => {
    const lost: number[] = []
    for (let seed = rate + 1; seed <= rate + 4; seed++) {
      const link = { rate, queueBytes: rate / 40 }
      const { a, pair, run, estimate } = videoCall(seed, link, {}, undefined, { b: SILENT })
      expect(a.statistics.bandwidth!.availableOutgoingBitrate).toBe(300_000)
      run(40_000)
      const before = pair.aToB.statistics
      const { received } = run(40_000)
      expect(received / rate, `of the path is used, seed ${seed}`).toBeGreaterThan(0.6)
      expect(estimate() / rate, `seed ${seed}`).toBeLessThan(1.35)
      const { overflow, sent } = pair.aToB.statistics
      lost.push((overflow - before.overflow) / (sent - before.sent))
      expect(a.statistics.bandwidth!.probesSent).toBe(0)
    }
    // it stays where a tenth is lost, and what is sent again comes on top of that
    const mean = lost.reduce((sum, share) => sum + share) / lost.length
    expect(mean, `of the packets is lost: ${lost.join(', ')}`).toBeLessThan(0.2)
  })

  it('nothing that is not sent is thought to get through', () => {
    const { run, estimate } = videoCall(8, {}, {}, 400_000, { b: SILENT })
    run(60_000)
    expect(estimate()).toBeGreaterThan(400_000)
    expect(estimate()).toBeLessThan(800_000)
  })

  it('falls with the path', () => {
    const { pair, run, estimate } = videoCall(9, { rate: 2_000_000 }, {}, undefined, { b: SILENT })
    run(40_000)
    expect(estimate()).toBeGreaterThan(1_200_000)
    pair.aToB.configure(pair.now, { rate: 400_000, queueBytes: 10_000 })
    run(20_000)
    expect(estimate()).toBeLessThan(700_000)
  })

  it('that answers with nothing at all is sent ever less', () => {
    const { rtc, pair } = connectedCall(10, {
      options: { bandwidthEstimation: {} },
      offered: (sdp) => sdp.replaceAll(/a=rtcp-fb:\d+ transport-cc\r\n/g, ''),
    })
    const media = rtc.media('1')!
    const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
    for (let i = 0; i < 1000; i++) {
      rtc.handleInput({ kind: 'timeout', now: pair.now })
      media.writer(pt).write({ value: 3000 * i, clockRate: 90_000 }, Uint8Array.of(0x10, 0, i, i))
      pair.runFor(33)
    }
    expect(rtc.statistics.bandwidth!.availableOutgoingBitrate).toBe(30_000)
  })

  it('packets have no number, though the extension was agreed on', () => {
    const { a, pair } = connectedPair({
      seed: 11,
      a: { rtpMode: true, bandwidthEstimation: {} },
      b: { rtpMode: true, ...SILENT, transportFeedback: 'always' },
    })
    expect(a.media('1')!.extensionIds.id('transportSequenceNumber')).toBeDefined()
    const writer = a.media('1')!.rtpWriter()
    const { pt } = a.media('1')!.codecs[0]!
    for (let i = 0; i < 5; i++) writer.write({ pt, sequenceNumber: i, timestamp: 0 }, new Uint8Array(500))
    pair.runFor(500)
    const numbers = eventsOf(pair.b.events, 'rtpPacket').map(transportNumber)
    expect(numbers).toEqual(Array.from({ length: 5 }, () => undefined))
  })

  it('packets have numbers from when it begins to tell', () => {
    const { a, b, pair } = connectedPair({
      seed: 12,
      a: { rtpMode: true, bandwidthEstimation: {} },
      b: { rtpMode: true, transportFeedback: 'always' },
      // as of a peer that does not know the extension yet
      offered: (sdp) => sdp.replaceAll(/a=extmap:.*transport-wide.*\r\n/g, ''),
    })
    const writer = a.media('1')!.rtpWriter()
    const { pt } = a.media('1')!.codecs[0]!
    let next = 0
    const send = () => {
      for (let i = 0; i < 3; i++) {
        writer.write({ pt, sequenceNumber: next++, timestamp: 0 }, new Uint8Array(500))
      }
      pair.runFor(500)
    }
    send()
    a.pendingChanges()?.rollback()
    const change = a.createOffer()
    change.setDirection('1', 'sendrecv')
    const answer = b.acceptOffer(change.apply())
    a.pendingChanges()!.acceptAnswer(answer)
    send()
    const numbers = eventsOf(pair.b.events, 'rtpPacket')
      .filter(({ retransmitted }) => !retransmitted)
      .map(transportNumber)
    expect(numbers.slice(0, 3)).toEqual([undefined, undefined, undefined])
    expect(numbers.slice(3).every((number) => number !== undefined)).toBe(true)
  })
})

describe('what the peer says that it takes (REMB)', () => {
  const remb = (bitrate: number): Rtcp => ({ type: 'remb', senderSsrc: 1, bitrate, ssrcs: [] })

  it.each([
    ['transport-wide feedback', (sdp: string) => sdp],
    ['reports alone', (sdp: string) => sdp.replaceAll(/a=rtcp-fb:\d+ transport-cc\r\n/g, '')],
  ])('is not exceeded as long as it is fresh: with %s', (_, offered) => {
    const { rtc, peer, pair } = connectedCall(20, { options: { bandwidthEstimation: {} }, offered })
    const estimate = () => rtc.statistics.bandwidth!.availableOutgoingBitrate
    expect(estimate()).toBe(300_000)
    peer.sendRtcp([remb(131_072)])
    pair.runFor(50)
    expect(estimate()).toBe(131_072)
    expect(eventsOf(pair.a.events, 'egressBitrateEstimate').at(-1)!.bitrate).toBe(131_072)
    peer.sendRtcp([remb(200_000_000)])
    pair.runFor(50)
    expect(estimate()).toBe(300_000)
    // not below what the estimate falls to at least
    peer.sendRtcp([remb(0)])
    pair.runFor(50)
    expect(estimate()).toBe(30_000)
    pair.runFor(14_900)
    expect(estimate()).toBe(30_000)
    pair.runFor(200)
    expect(estimate()).toBe(300_000)
    expect(eventsOf(pair.a.events, 'egressBitrateEstimate').at(-1)!.bitrate).toBe(300_000)
  })

  it('is asked for with video, where the bandwidth is estimated', () => {
    const { answer } = connectedCall(21, { options: { bandwidthEstimation: {} } })
    expect(answer.sdp).toContain('a=rtcp-fb:96 goog-remb')
    expect(answer.sdp).not.toContain('a=rtcp-fb:111 goog-remb')
    expect(connectedCall(22, {}).answer.sdp).not.toContain('goog-remb')
  })

  it('bounds what reports let grow', () => {
    const { rtc, peer, pair } = connectedCall(23, {
      options: { bandwidthEstimation: {} },
      offered: (sdp) => sdp.replaceAll(/a=rtcp-fb:\d+ transport-cc\r\n/g, ''),
    })
    const media = rtc.media('1')!
    const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
    const highest = { value: 0 }
    const run = (limit: number, loss: number) => {
      for (let i = 0; i < 900; i++) {
        rtc.handleInput({ kind: 'timeout', now: pair.now })
        const bytes = rtc.statistics.bandwidth!.availableOutgoingBitrate / 8 / 30
        const frame = new Uint8Array(Math.max(10, bytes)).fill(1)
        frame[0] = 0x10
        media.writer(pt).write({ value: 3000 * i, clockRate: 90_000 }, frame)
        pair.runFor(33)
        if (i % 30 !== 0) continue
        const outbound = rtc.statistics.outbound[0]!
        highest.value = outbound.packetsSent
        const block: ReportBlock = {
          ssrc: outbound.ssrc,
          fractionLost: 0,
          cumulativeLost: Math.floor(loss * highest.value),
          highestSequence: highest.value,
          jitter: 0,
          lastSenderReport: 0,
          delaySinceLastSenderReport: 0,
        }
        peer.sendRtcp([{ type: 'receiverReport', ssrc: 1, reports: [block] }, remb(limit)])
      }
      return rtc.statistics.bandwidth!.availableOutgoingBitrate
    }
    expect(run(600_000, 0)).toBe(600_000)
    expect(run(4_000_000, 0)).toBeGreaterThan(1_500_000)
  })
})

describe('S4: what is not authenticated is not heeded', () => {
  it('REMB and RFC 8888 of somebody else', () => {
    const listed = (sdp: string): string =>
      sdp.replaceAll(/a=rtpmap:(\d+) .*\r\n/g, (line, pt) => `${line}a=rtcp-fb:${pt} ack ccfb\r\n`)
    const options = { ...STANDARD, bandwidthEstimation: {} }
    const { rtc, peer, pair } = connectedCall(30, { options, offered: listed })
    const { peer: other } = connectedCall(31, {})
    const sent: Uint8Array[] = []
    other.transport.transmit = (contents) => void sent.push(contents.slice())
    const media = rtc.media('1')!
    const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
    media.writer(pt).write({ value: 0, clockRate: 90_000 }, new Uint8Array(2000).fill(0x10))
    pair.runFor(100)
    const { ssrc } = rtc.statistics.outbound[0]!
    const remb: Rtcp = { type: 'remb', senderSsrc: 1, bitrate: 1, ssrcs: [] }
    const arrivalOffsets = Array.from({ length: 500 }, () => undefined)
    const streams = [{ ssrc, beginSequence: 0, arrivalOffsets }]
    other.sendRtcp([remb])
    other.sendRtcp([{ type: 'congestionControlFeedback', senderSsrc: 1, reportTimestamp: 0, streams }])
    expect(sent).toHaveLength(2)
    for (const datagram of sent) peer.transport.transmit(datagram)
    pair.runFor(100)
    expect(rtc.statistics.bandwidth).toMatchObject({
      availableOutgoingBitrate: 300_000,
      packetsAcknowledged: 0,
      feedbackIgnored: 0,
    })
    expect(rtc.statistics.srtpReceived!.dropped.authenticationFailed).toBe(2)
    // and of the peer itself they are
    peer.sendRtcp([remb])
    pair.runFor(100)
    expect(rtc.statistics.bandwidth!.availableOutgoingBitrate).toBe(30_000)
  })
})

it('RFC 8888 is told to a browser that asks for it', () => {
  const listed = (sdp: string): string =>
    sdp.replaceAll(/a=rtpmap:(\d+) .*\r\n/g, (line, pt) => `${line}a=rtcp-fb:${pt} ack ccfb\r\n`)
  const { peer, pair, answer } = connectedCall(40, { options: STANDARD, offered: listed })
  expect(answer.sdp).toContain(WILDCARD)
  for (let i = 0; i < 10; i++) {
    if (i !== 4) {
      const payload = Uint8Array.of(0x10, 0, 1, 2)
      peer.sendRtp({
        pt: 96,
        ssrc: 7,
        sequenceNumber: 65_530 + i - (i > 5 ? 65_536 : 0),
        timestamp: 0,
        payload,
      })
    }
    pair.runFor(5)
  }
  pair.runFor(500)
  const came: boolean[] = []
  for (const { event } of pair.b.events as readonly { event: BrowserEvent }[]) {
    if (event.kind !== 'rtcp') continue
    for (const packet of event.packets) {
      if (packet.type !== 'congestionControlFeedback') continue
      for (const { ssrc, beginSequence, arrivalOffsets } of packet.streams) {
        expect(ssrc).toBe(7)
        arrivalOffsets.forEach((offset, i) => {
          came[(beginSequence + i - 65_530) & 0xffff] = offset !== undefined
        })
      }
    }
  }
  expect(came).toEqual(Array.from({ length: 10 }, (_, i) => i !== 4))
})

function transportNumber({ extensions }: RtpPacket): number | undefined {
  return extensions.transportSequenceNumber
}
