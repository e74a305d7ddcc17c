import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { BandwidthEstimator, type StreamFeedback } from '../src/index.ts'
import { FeedbackReader } from '../src/feedback-reader.ts'
import { LOST, NO_PROBE, SentPackets } from '../src/sent-packets.ts'
import { figures } from './harness/figures.ts'
import { Path } from './harness/path.ts'

// feedback stream by stream, RFC 8888; what is made of arrivals is the same as with transport-wide feedback

const at = (ms: number): number => Math.round(ms * 65.536)

/** Feedback on one stream. */
function on(
  now: number,
  ssrc: number,
  beginSequence: number,
  arrivalOffsets: (number | undefined)[],
): StreamFeedback {
  return { reportTimestamp: at(now), streams: [{ ssrc, beginSequence, arrivalOffsets }] }
}

describe('packets by their sources', () => {
  it('are found as a map would, whatever the numbers, as many as are remembered', () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = new SeededRandom(seed)
      const sent = new SentPackets()
      const twin = new Map<string, number>()
      const ssrcs = Array.from({ length: 1 + random.integer(5) }, () => random.u32())
      const next = ssrcs.map(() => random.integer(0x1_0000))
      let now = 0
      for (let i = 0; i < 3000; i++) {
        // some are awaited for so long that there is no more room for them
        now += random.chance(0.001) ? 11_000 : random.float()
        const which = random.integer(ssrcs.length)
        const [ssrc, sequence] = [ssrcs[which]!, next[which]!]
        next[which] = (sequence + (random.chance(0.02) ? 1 + random.integer(500) : 1)) & 0xffff
        sent.addOfStream(now, ssrc, sequence, 100, NO_PROBE)
        twin.set(`${ssrc} ${sequence}`, sent.last)
        if (!random.chance(0.02)) continue
        for (const [key, last] of twin) {
          const [of, number] = key.split(' ').map(Number)
          const expected = last < sent.first ? -1 : sent.find(last)
          if (sent.findOfStream(of!, number!) !== expected) expect.fail(`seed ${seed}: ${key} at ${i}`)
          if (expected < 0) twin.delete(key)
        }
      }
      expect(sent.findOfStream(1, 1)).toBe(-1)
    }
  })

  it('are forgotten where transport-wide numbers seem to go back', () => {
    const sent = new SentPackets()
    sent.addOfStream(0, 7, 1, 100, NO_PROBE)
    sent.add(1, (sent.last - 10) & 0xffff, 100, NO_PROBE)
    expect(sent.findOfStream(7, 1)).toBe(-1)
    sent.addOfStream(2, 7, 1, 100, NO_PROBE)
    expect(sent.sentAt(sent.findOfStream(7, 1))).toBe(2)
  })

  it('of one that is sent again as it was, the first counts, unless it was lost', () => {
    const sent = new SentPackets()
    sent.addOfStream(0, 7, 1, 100, NO_PROBE)
    const first = sent.findOfStream(7, 1)
    sent.addOfStream(10, 7, 1, 100, NO_PROBE)
    expect(sent.findOfStream(7, 1)).toBe(first)
    expect(sent.find(sent.last), 'of the second nothing is awaited').toBe(-1)
    sent.setState(first, LOST)
    sent.addOfStream(20, 7, 1, 100, NO_PROBE)
    expect(sent.sentAt(sent.findOfStream(7, 1))).toBe(20)
  })
})

describe('feedback stream by stream', () => {
  function reading(): { sent: SentPackets; reader: FeedbackReader } {
    const sent = new SentPackets()
    return { sent, reader: new FeedbackReader(sent) }
  }

  it('is put into one order over all streams; what came at once, into that of its sending', () => {
    const { sent, reader } = reading()
    for (let i = 0; i < 6; i++) sent.addOfStream(i, i % 2, Math.floor(i / 2), 100, NO_PROBE)
    const streams = [
      { ssrc: 1, beginSequence: 0, arrivalOffsets: [40, 20, 0] },
      { ssrc: 0, beginSequence: 0, arrivalOffsets: [40, 10, 20] },
    ]
    expect(reader.readStreams({ reportTimestamp: at(1000), streams })).toBe(true)
    const order = Array.from({ length: reader.received }, (_, i) => sent.sentAt(reader.slot(i)))
    expect(order).toEqual([0, 1, 3, 4, 2, 5])
    expect(reader.arrival(1) - reader.arrival(0)).toBe(0)
    expect(reader.arrival(5) - reader.arrival(0)).toBeCloseTo(40 / 1.024, 6)
  })

  it('of what came, it is not known when, it is known that it came', () => {
    const { sent, reader } = reading()
    for (let i = 0; i < 5; i++) sent.addOfStream(i, 7, i, 100, NO_PROBE)
    expect(reader.readStreams(on(9000, 7, 0, [0x1ffe, 0x1fff, undefined, 0x1ffd]))).toBe(true)
    expect(reader).toMatchObject({ received: 1, untimed: 2, lost: 1, bytes: 400, lostBytes: 100 })
    expect(reader.readStreams(on(9050, 7, 2, [0x1ffe, 5, 5]))).toBe(true)
    expect(reader).toMatchObject({ received: 1, untimed: 1, recovered: 1, recoveredBytes: 100, lost: 0 })
  })

  it('that is lost is noticed by what it should have told of', () => {
    const { sent, reader } = reading()
    for (let i = 0; i < 30; i++) sent.addOfStream(i, i % 2, Math.floor(i / 2), 100, NO_PROBE)
    reader.readStreams(on(100, 0, 0, [1, 1, 1]))
    expect(reader.afterGap).toBe(false)
    // of the other stream nothing had come
    reader.readStreams(on(200, 0, 3, [1, 1, 1]))
    expect(reader.afterGap).toBe(false)
    reader.readStreams(on(300, 1, 0, [1, 1, 1]))
    expect(reader.afterGap).toBe(false)
    reader.readStreams(on(400, 0, 9, [1, 1]))
    expect(reader.afterGap).toBe(true)
  })

  it('goes on over the wrap of its time and of the sequence numbers', () => {
    const trace = (clock: number, firstSequence: number): number[] => {
      const path = new Path({ seed: 71, rate: 3e6, forward: { loss: 0.02, reorder: 0.02 } })
      const flow = path.add({ clock, firstSequence, standard: true })
      const bitrates: number[] = []
      for (let time = 100; time <= 10_000; time += 100) {
        path.runUntil(time)
        bitrates.push(flow.estimator.bitrate)
      }
      return bitrates
    }
    // 2³² units are so many ms, and 2³¹ half of that
    const turn = 2 ** 32 / 65.536
    const plain = trace(64_000, 1000)
    for (const first of [65_535, 64_900, 0]) expect(trace(64_000, first), `${first}`).toEqual(plain)
    for (const clock of [turn - 5000, turn / 2 - 5000]) {
      const shifted = trace(clock, 1000)
      // the units of time fall a bit otherwise
      expect(Math.abs(Math.log(shifted.at(-1)! / plain.at(-1)!)), `${clock}`).toBeLessThan(0.25)
      expect(Math.min(...shifted.slice(30))).toBeGreaterThan(0.5 * Math.min(...plain.slice(30)))
    }
  })
})

describe('by feedback stream by stream, the estimate is as good', () => {
  it.each([0.3, 1, 3, 10, 30])('on %d Mbit/s', (megabits) => {
    const rate = 1e6 * megabits
    const path = new Path({ seed: 80, rate })
    const flow = path.add({ standard: true })
    path.runUntil(30_000)
    figures(`RFC 8888, ${megabits} Mbit/s`, [flow], 5000, 30_000)
    expect(flow.record.reached(0, 0.7 * rate)).toBeLessThan(2500)
    expect(flow.record.throughput(5000, 30_000) / rate).toBeGreaterThan(0.8)
    expect(flow.record.delay(0.5, 5000, 30_000)).toBeLessThan(60)
    expect(flow.estimator.statistics.packetsLost).toBeLessThan(
      0.05 * flow.estimator.statistics.packetsAcknowledged,
    )
  })

  it('with loss, both ways', () => {
    const path = new Path({ seed: 81, rate: 3e6, forward: { loss: 0.02 }, backward: { loss: 0.2 } })
    const flow = path.add({ standard: true })
    path.runUntil(40_000)
    figures('RFC 8888, loss', [flow], 5000, 40_000)
    expect(flow.record.throughput(5000, 40_000)).toBeGreaterThan(2e6)
    expect(flow.record.delay(0.95, 5000, 40_000)).toBeLessThan(250)
  })

  it('when the rate falls, and after an outage', () => {
    const path = new Path({ seed: 82, rate: 3e6 })
    path.setRate(10_000, 0.5e6)
    path.setRate(20_000, 3e6)
    path.forward.addOutage(40_000, 45_000)
    const flow = path.add({ standard: true })
    path.runUntil(60_000)
    expect(flow.record.throughput(14_000, 20_000)).toBeGreaterThan(0.35e6)
    expect(flow.record.delay(0.95, 14_000, 20_000)).toBeLessThan(150)
    expect(flow.record.reached(45_000, 2e6)).toBeLessThan(50_000)
  })
})

describe('S14: feedback stream by stream that was made up', () => {
  const MIN = 50_000
  const MAX = 20_000_000

  it('keeps the estimate within its bounds, and takes no more room', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new SeededRandom(seed)
      const estimator = new BandwidthEstimator({ minBitrate: MIN, maxBitrate: MAX })
      let now = 0
      let sequence = random.integer(0x1_0000)
      const offset = (): number | undefined => {
        if (random.chance(0.2)) return undefined
        return random.chance(0.02)
          ? [Number.NaN, -1, 0.5, 1e9, Infinity][random.integer(5)]
          : random.integer(0x2000)
      }
      for (let i = 0; i < 100; i++) {
        for (let j = 0; j < 30; j++) {
          now++
          estimator.handleSentOfStream(now, 7, sequence++ & 0xffff, 1200, estimator.pollProbe()?.id)
        }
        const streams = Array.from({ length: random.integer(4) }, () => ({
          ssrc: random.chance(0.8) ? 7 : random.u32(),
          beginSequence: (sequence - random.integer(200)) & 0xffff,
          arrivalOffsets: Array.from({ length: random.integer(100) }, offset),
        }))
        const reportTimestamp = random.chance(0.3) ? random.u32() : at(now)
        estimator.handleStreamFeedback(now, { reportTimestamp, streams })
        if (random.chance(0.1)) estimator.handleReceiverLimit(now, random.float() * 1e9)
        if (now >= estimator.deadline) estimator.handleTimeout(now)
        const { bitrate, deadline } = estimator
        if (!(bitrate >= MIN && bitrate <= MAX && deadline > now)) {
          expect.fail(`seed ${seed}: ${bitrate} bit/s, and waits for ${deadline}, at ${now}`)
        }
      }
    }
  })

  it('on nothing that was sent is ignored', () => {
    const estimator = new BandwidthEstimator()
    estimator.handleStreamFeedback(0, on(0, 1, 1, [1, 1]))
    estimator.handleSentOfStream(1, 1, 5, 100)
    estimator.handleStreamFeedback(2, on(2, 1, 1, [1, 1]))
    estimator.handleStreamFeedback(3, on(3, 2, 5, [1]))
    estimator.handleStreamFeedback(4, { reportTimestamp: 0, streams: [] })
    expect(estimator.statistics.feedbackIgnored).toBe(4)
    estimator.handleStreamFeedback(5, on(5, 1, 5, [1]))
    expect(estimator.statistics).toMatchObject({ feedbackIgnored: 4, packetsAcknowledged: 1 })
    expect(() => estimator.handleSentOfStream(6, 1, 6, -1)).toThrow(
      expect.objectContaining({ code: 'invalid-size' }),
    )
  })
})

describe('feedback by transport-wide numbers, on a packet that was sent again with its number', () => {
  const told = (came: boolean) => ({
    baseSequence: 0,
    referenceTime: 0,
    deltas: [0, came ? 4 : undefined, 8],
  })

  it.each([
    ['after it was told as lost', true],
    ['before anything was told', false],
  ])('counts it as lost once, and makes nothing of when it comes: %s', (_, first) => {
    const sent = new SentPackets()
    const reader = new FeedbackReader(sent)
    for (let i = 0; i < 3; i++) sent.add(i, i, 1000, NO_PROBE)
    let lost = 0
    if (first) {
      expect(reader.read(told(false))).toBe(true)
      lost += reader.lost
    }
    sent.repeat(1)
    for (const came of [true, false, true]) {
      expect(reader.read(told(came))).toBe(true)
      lost += reader.lost
      expect(reader.recovered).toBe(0)
      for (let i = 0; i < reader.received; i++) expect(sent.sentAt(reader.slot(i))).not.toBe(1)
    }
    expect(lost).toBe(1)
  })
})
