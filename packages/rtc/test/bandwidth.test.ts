import { describe, expect, it } from 'vitest'
import { Rtc, type RtpPacket } from '../src/index.ts'
import { connectedPair, eventsOf } from './harness.ts'
import { TELLING, videoCall } from './video-call.ts'

// the estimator and the pacer have tests of their own in @str0m/bwe: these are on what the peer makes of them

describe('the estimate of the bandwidth', () => {
  it.each([500_000, 2_000_000, 8_000_000])('comes to what the path takes: %i bit/s', (rate) => {
    const { run, estimate } = videoCall(rate, { rate })
    run(15_000)
    const { received, queued } = run(15_000)
    expect(received / rate, 'of the path is used').toBeGreaterThan(0.6)
    expect(estimate() / rate).toBeLessThan(1.3)
    expect(queued, 'ms at the bottleneck').toBeLessThan(300)
  })

  it('goes by reports where the peer agrees to tell when packets came, and never does', () => {
    let transportId = ''
    const { a, run, estimate } = videoCall(13, { rate: 3_000_000 }, {}, 20_000_000, {
      b: {},
      offered: (sdp) => {
        transportId = /a=extmap:(\d+) \S*transport-wide-cc\S*/.exec(sdp)![0]
        return sdp
      },
      answered: (sdp) => sdp.replaceAll(/a=mid:.*\r\n/g, `$&${transportId}\r\na=rtcp-fb:* transport-cc\r\n`),
    })
    run(20_000)
    expect(a.statistics.bandwidth!.packetsAcknowledged).toBeGreaterThan(100)
    expect(estimate()).toBeGreaterThan(500_000)
    expect(a.statistics.outbound[0]!.fractionLost).toBe(0)
  })

  it('goes back to arrivals where they are told late', () => {
    const { a, pair, run, estimate } = videoCall(14, { rate: 3_000_000 })
    const b = pair.b.machine
    const take = b.pollOutput.bind(b)
    let silent = true
    // RFC 5506: feedback comes by itself, and its type is in the clear
    b.pollOutput = () => {
      for (;;) {
        const output = take()
        const isFeedback = output.kind === 'transmit' && output.contents[1] === 205
        if (!(silent && isFeedback)) return output
      }
    }
    run(10_000)
    const byReports = estimate()
    expect(byReports).toBeGreaterThan(300_000)
    expect(byReports).toBeLessThan(1_500_000)
    silent = false
    run(3000)
    expect(estimate()).toBeGreaterThan(2_000_000)
    expect(a.statistics.bandwidth!.probesSucceeded).toBeGreaterThan(0)
  })

  it('leaves room for what is sent again: a queue that overflows is not kept full by it', () => {
    for (const seed of [1, 2, 3]) {
      const { a, pair, run } = videoCall(seed, { rate: 5_000_000 })
      run(20_000)
      const { packetsSent, retransmittedPacketsSent } = a.statistics.outbound[0]!
      expect(pair.aToB.statistics.overflow / packetsSent, `seed ${seed}`).toBeLessThan(0.05)
      expect(retransmittedPacketsSent / packetsSent, `seed ${seed}`).toBeLessThan(0.1)
      const told = eventsOf(pair.a.events, 'egressBitrateEstimate')
      expect(told.length, `seed ${seed}`).toBeLessThan(300)
    }
  })

  it('is told as events and in the statistics', () => {
    const { a, pair, run } = videoCall(1, { rate: 1_000_000 })
    run(5000)
    const told = eventsOf(pair.a.events, 'egressBitrateEstimate')
    expect(told.length).toBeGreaterThan(3)
    const { bandwidth } = a.statistics
    const last = told.at(-1)!.bitrate
    expect(Math.abs(bandwidth!.availableOutgoingBitrate - last) / last).toBeLessThan(0.01)
    expect(bandwidth!.packetsAcknowledged).toBeGreaterThan(100)
    expect(bandwidth!.roundTripTime).toBeGreaterThan(0.02)
  })

  it('falls with the path, and rises with it again', () => {
    const { pair, run, estimate } = videoCall(2, { rate: 3_000_000 })
    run(15_000)
    expect(estimate()).toBeGreaterThan(1_800_000)
    pair.aToB.configure(pair.now, { rate: 500_000 })
    run(5000)
    expect(estimate()).toBeLessThan(650_000)
    pair.aToB.configure(pair.now, { rate: 3_000_000 })
    run(30_000)
    expect(estimate()).toBeGreaterThan(1_500_000)
  })

  it('is not of what sound alone shows, and is found as soon as there is video', () => {
    const { a, pair, run, estimate } = videoCall(11, { rate: 5_000_000 })
    const audio = a.media('0')!
    const writer = audio.writer(audio.codecs[0]!.pt)
    for (let ms = 0; ms < 30_000; ms += 20) {
      writer.write({ value: 48 * ms, clockRate: 48_000 }, new Uint8Array(80))
      pair.runFor(20)
    }
    expect(estimate()).toBeGreaterThanOrEqual(300_000)
    run(3000)
    expect(estimate()).toBeGreaterThan(3_000_000)
    for (let i = 0; i < 10; i++) {
      expect(run(1000).received, `in second ${3 + i}`).toBeGreaterThan(3_000_000)
    }
  })

  it('stays what it was where a still picture starts to move', () => {
    const { run, estimate } = videoCall(12, { rate: 5_000_000 })
    run(10_000)
    run(60_000, 40_000)
    run(2000)
    for (let i = 0; i < 10; i++) {
      expect(run(1000).received, `in second ${2 + i}`).toBeGreaterThan(2_500_000)
    }
    expect(estimate()).toBeGreaterThan(3_000_000)
  })

  it('begins anew on another path', () => {
    const { a, b, pair, run, estimate } = videoCall(9, { rate: 2_000_000 })
    run(10_000)
    const before = a.statistics.bandwidth!
    const told = eventsOf(pair.a.events, 'egressBitrateEstimate').length
    const change = a.createOffer()
    change.iceRestart()
    const answer = b.acceptOffer(change.apply())
    a.pendingChanges()!.acceptAnswer(answer)
    run(3000)
    const after = a.statistics.bandwidth!
    const [first] = eventsOf(pair.a.events, 'egressBitrateEstimate').slice(told)
    expect(first!.bitrate).toBeLessThan(0.5 * before.availableOutgoingBitrate)
    expect(after.probesSent).toBeGreaterThan(before.probesSent + 1)
    // counters are since the start, of all paths
    expect(after.packetsAcknowledged).toBeGreaterThan(before.packetsAcknowledged)
    expect(after.probesSucceeded).toBeGreaterThanOrEqual(before.probesSucceeded)
    run(5000)
    expect(estimate()).toBeGreaterThan(1_200_000)
    expect(pair.aToB.statistics.overflow).toBe(0)
  })

  it('finds more than is sent where more is desired, by retransmissions that nobody asked for', () => {
    const { a, pair, run, estimate, b } = videoCall(3, { rate: 5_000_000 }, {}, 200_000)
    a.setDesiredBitrate(3_000_000)
    run(20_000)
    expect(estimate()).toBeGreaterThan(2_000_000)
    // what fills the probes is no media
    const frames = eventsOf(pair.b.events, 'mediaData')
    expect(new Set(frames.map(({ time }) => time.value)).size).toBe(frames.length)
    expect(a.statistics.outbound[0]!.retransmittedPacketsSent).toBeGreaterThan(10)
    expect(b.statistics.inbound[0]!.nackCount).toBe(0)
  })
})

describe('pacing', () => {
  it('spreads a keyframe, and leaves sound alone', () => {
    const { a, pair, media, run } = videoCall(4, { rate: 4_000_000 }, {}, 400_000)
    run(10_000)
    const before = pair.b.events.length
    const keyframe = new Uint8Array(60_000)
    keyframe[0] = 0x10
    media.writer(media.codecs[0]!.pt).write({ value: 2 ** 31, clockRate: 90_000 }, keyframe)
    const audio = a.media('0')!
    audio.writer(audio.codecs[0]!.pt).write({ value: 0, clockRate: 48_000 }, new Uint8Array(80))
    const { bandwidth, outbound } = a.statistics
    expect(bandwidth!.packetsQueued).toBeGreaterThan(10)
    const start = pair.now
    pair.runFor(2000)
    const came = pair.b.events.slice(before)
    const sound = came.find(({ event }) => event.type === 'mediaData' && event.mid === '0')!
    const picture = came.find(({ event }) => event.type === 'mediaData' && event.mid === '1')!
    expect(sound.at - start).toBeLessThan(60)
    expect(picture.at - start).toBeGreaterThan(100)
    expect(a.statistics.bandwidth!.packetsQueued).toBe(0)
    const waited = (mid: string) => a.statistics.outbound.find((stream) => stream.mid === mid)!
    // half of what the keyframe took, for each of its packets
    const longest = picture.at - start - 20
    const delay = 1000 * (waited('1').totalPacketSendDelay - outbound[0]!.totalPacketSendDelay)
    expect(delay / bandwidth!.packetsQueued).toBeGreaterThan(0.3 * longest)
    expect(delay / bandwidth!.packetsQueued).toBeLessThan(longest)
    expect(waited('0').totalPacketSendDelay).toBe(0)
    expect(waited('1').rtxSsrc).toBeGreaterThan(0)
  })

  it('wakes nobody once all is sent', () => {
    const { a, pair, run } = videoCall(5, { rate: 1_000_000 })
    run(3000)
    pair.runFor(20_000)
    const woken: number[] = []
    for (let i = 0; i < 20; i++) {
      const output = a.pollOutput()
      if (output.kind !== 'timeout') continue
      woken.push(output.at - pair.now)
      pair.runFor(1000)
    }
    // checks of consent, and reports that end
    expect(Math.min(...woken)).toBeGreaterThan(0)
    expect(a.statistics.bandwidth!.packetsQueued).toBe(0)
  })
})

describe('in RTP mode', () => {
  /** Two that are connected, and what sends packets with the numbers that it is given. */
  function packetCall(seed: number) {
    const { a, pair } = connectedPair({
      seed,
      a: { rtpMode: true, bandwidthEstimation: {} },
      b: { rtpMode: true, ...TELLING },
    })
    const { pt } = a.media('1')!.codecs[0]!
    const writer = a.media('1')!.rtpWriter()
    const send = (sequenceNumber: number) =>
      writer.write({ pt, sequenceNumber, timestamp: 0 }, new Uint8Array(1000))
    /** What came of them; what fills the probes are retransmissions. */
    const came = () => eventsOf(pair.b.events, 'rtpPacket').filter(({ retransmitted }) => !retransmitted)
    return { a, pair, send, came }
  }
  const used: unknown = expect.objectContaining({ code: 'sequence-number-used' })

  it('no number is taken twice, though the first packet still waits', () => {
    const { a, pair, send, came } = packetCall(6)
    for (let i = 0; i < 40; i++) send(i)
    expect(a.statistics.bandwidth!.packetsQueued).toBeGreaterThan(5)
    expect(() => send(39)).toThrow(used)
    expect(() => send(0)).toThrow(used)
    pair.runFor(2000)
    expect(() => send(39)).toThrow(used)
    const packets = came()
    expect(packets.map(({ header }) => header.sequenceNumber)).toEqual(
      Array.from({ length: 40 }, (_, i) => i),
    )
    const numbers = packets.map(transportNumber)
    expect(numbers).toEqual(numbers.toSorted((x, y) => x! - y!))
    expect(numbers[0]).toBe(0)
  })

  it('one far behind those that wait is refused when it is given, not when its turn would come', () => {
    const { a, pair, send, came } = packetCall(10)
    for (let i = 0; i < 40; i++) send(i)
    send(9000)
    expect(() => send(50)).toThrow(used)
    send(8999)
    expect(a.statistics.bandwidth!.packetsQueued).toBeGreaterThan(5)
    pair.runFor(2000)
    const numbers = came().map(({ header }) => header.sequenceNumber)
    expect(numbers.slice(-2)).toEqual([9000, 8999])
  })
})

describe('a stream that is stopped while its packets wait', () => {
  it.each(['always', 'rfc8888'] as const)(
    'sends none of them after its goodbye (%s)',
    (transportFeedback) => {
      const options = { bandwidthEstimation: {}, transportFeedback }
      const { a, b, pair } = connectedPair({ seed: 15, link: { latency: 20 }, a: options, b: options })
      const video = a.media('1')!
      const { pt } = video.codecs.find(({ name }) => name === 'VP8')!
      const picture = new Uint8Array(100_000).fill(0x10)
      video.writer(pt).write({ value: 0, clockRate: 90_000 }, picture, { keyframe: true })
      pair.runFor(100)
      expect(a.statistics.bandwidth!.packetsQueued).toBeGreaterThan(50)
      const change = a.createOffer()
      change.stopMedia('1')
      const answer = b.acceptOffer(change.apply())
      a.pendingChanges()!.acceptAnswer(answer)
      // nor do they hold up what others send
      expect(a.statistics.bandwidth!.packetsQueued).toBe(0)
      const { packetsSent } = a.statistics
      pair.runFor(3000)
      // reports, checks, and those that went out in the same instant
      expect(a.statistics.packetsSent - packetsSent).toBeLessThan(10)
      expect(b.statistics.dropped.unknownStream).toBeLessThan(5)
      const again = a.createOffer()
      const mid = again.addMedia('video', 'sendonly')
      const second = b.acceptOffer(again.apply())
      a.pendingChanges()!.acceptAnswer(second)
      const other = a.media(mid)!
      other.writer(pt).write({ value: 90_000, clockRate: 90_000 }, picture, { keyframe: true })
      pair.runFor(3000)
      expect(eventsOf(pair.b.events, 'mediaData').map((event) => event.mid)).toEqual([mid])
    },
  )
})

describe('without it', () => {
  it('nothing is numbered or held back, and no peer is asked', () => {
    const { a, pair } = connectedPair({ seed: 7, a: { rtpMode: true }, b: { rtpMode: true } })
    expect(a.statistics.bandwidth).toBeUndefined()
    expect(() => a.setDesiredBitrate(1_000_000)).toThrow(expect.objectContaining({ code: 'wrong-mode' }))
    const writer = a.media('1')!.rtpWriter()
    const { pt } = a.media('1')!.codecs[0]!
    writer.write({ pt, sequenceNumber: 1, timestamp: 0 }, new Uint8Array(1000))
    pair.runFor(100)
    expect(eventsOf(pair.b.events, 'rtpPacket').map(transportNumber)).toEqual([undefined])
  })

  it('a bitrate that is none is refused', () => {
    const rtc = new Rtc({ bandwidthEstimation: {} })
    for (const bitrate of [0, -1, Number.NaN]) {
      expect(() => rtc.setDesiredBitrate(bitrate)).toThrow(
        expect.objectContaining({ code: 'invalid-option' }),
      )
    }
  })
})

function transportNumber({ extensions }: RtpPacket): number | undefined {
  return extensions.transportSequenceNumber
}
