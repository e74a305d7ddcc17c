import { UsageError } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { AcknowledgedBitrate } from '../src/acknowledged-bitrate.ts'
import { Aimd } from '../src/aimd.ts'
import { ApplicationLimit } from '../src/application-limit.ts'
import { FeedbackTimeout } from '../src/feedback-timeout.ts'
import { BandwidthEstimator } from '../src/index.ts'
import { InterArrival } from '../src/inter-arrival.ts'
import { LinkCapacity } from '../src/link-capacity.ts'
import { LossControl } from '../src/loss-control.ts'
import type { ToldPackets } from '../src/loss-observations.ts'
import { OveruseDetector } from '../src/overuse-detector.ts'
import { ProbeController } from '../src/probe-controller.ts'
import { ProbeResults } from '../src/probe-results.ts'

describe('groups of packets', () => {
  it('are those that were sent within 5 ms', () => {
    const groups = new InterArrival()
    for (const sentAt of [0, 2, 5]) expect(groups.add(200, sentAt, 100 + sentAt)).toBe(false)
    expect(groups.add(200, 20, 125)).toBe(false)
    // the first group ends at 5 and 105, the second at 22 and 128
    expect(groups.add(200, 22, 128)).toBe(false)
    expect(groups.add(200, 40, 160)).toBe(true)
    expect([groups.sendDelta, groups.arrivalDelta]).toEqual([17, 23])
  })

  it('take in what comes at once though it was sent apart: a burst', () => {
    const groups = new InterArrival()
    groups.add(0, 0, 100)
    groups.add(0, 20, 120)
    groups.add(0, 40, 121)
    groups.add(0, 60, 122)
    expect(groups.add(0, 80, 180)).toBe(true)
    expect([groups.sendDelta, groups.arrivalDelta]).toEqual([60, 22])
  })

  it('leave out what all of a group has overtaken', () => {
    const groups = new InterArrival()
    groups.add(0, 0, 100)
    groups.add(0, 20, 120)
    expect(groups.add(0, 10, 121)).toBe(false)
    expect(groups.add(0, 40, 140)).toBe(true)
    expect([groups.sendDelta, groups.arrivalDelta]).toEqual([20, 20])
  })

  it('start anew where the clock jumps ahead, and where it is set back', () => {
    for (const jump of [10_000, -10_000]) {
      const groups = new InterArrival()
      for (let i = 0; i < 10; i++) groups.add(i * 20, i * 20, i * 20)
      const compared: number[] = []
      for (let i = 10; i < 30; i++)
        if (groups.add(i * 20, i * 20, i * 20 + jump)) compared.push(groups.arrivalDelta)
      expect(compared.length).toBeGreaterThan(10)
      expect(Math.max(...compared)).toBe(20)
      expect(Math.min(...compared)).toBe(20)
    }
  })
})

describe('the detector', () => {
  it('takes a steep slope for overuse once it has lasted, and its end for none', () => {
    const detector = new OveruseDetector()
    detector.update(0.1, 60, 6, 0)
    expect(detector.usage).toBe('normal')
    detector.update(0.1, 61, 6, 6)
    expect(detector.usage).toBe('normal')
    detector.update(0.1, 62, 6, 12)
    expect(detector.usage).toBe('overuse')
    detector.update(0, 63, 6, 18)
    expect(detector.usage).toBe('normal')
    detector.update(-0.1, 64, 6, 24)
    expect(detector.usage).toBe('underuse')
  })

  it('does not while the slope gets less', () => {
    const detector = new OveruseDetector()
    for (let i = 0; i < 10; i++) detector.update(0.2 - i * 0.01, 60, 6, 6 * i)
    expect(detector.usage).toBe('normal')
  })

  it('says nothing at the first group', () => {
    const detector = new OveruseDetector()
    detector.update(100, 1, 100, 0)
    expect(detector.usage).toBe('normal')
  })

  it('adapts: fast down, slowly up, between 6 and 600, and not to what is far above', () => {
    const detector = new OveruseDetector()
    for (let i = 0; i < 1000; i++) detector.update(0, 60, 5, 5 * i)
    expect(detector.threshold).toBe(6)
    for (let i = 1000; i < 2000; i++) detector.update(0.08, 60, 5, 5 * i)
    expect(detector.threshold).toBeGreaterThan(18)
    expect(detector.threshold).toBeLessThan(0.08 * 240)
    const before = detector.threshold
    detector.update(5, 60, 5, 10_005)
    expect(detector.threshold).toBe(before)
    for (let slope = 0.1; slope < 10; slope += 0.001)
      for (let i = 0; i < 3; i++) detector.update(slope, 60, 5, 20_000 + slope * 1e7 + i * 100)
    expect(detector.threshold).toBeLessThanOrEqual(600)
  })
})

describe('the capacity of the link', () => {
  it('is known near what arrived at overuse', () => {
    const capacity = new LinkCapacity()
    expect([capacity.estimate, capacity.lower, capacity.upper]).toEqual([undefined, 0, Infinity])
    for (let i = 0; i < 50; i++) capacity.handleOveruse(1_000_000)
    expect(capacity.estimate).toBeCloseTo(1_000_000, 0)
    // three deviations of √(0.4 · 1000) kbit/s
    expect(capacity.upper).toBeCloseTo(1_060_000, -3)
    expect(capacity.lower).toBeCloseTo(940_000, -3)
    capacity.handleProbe(2_000_000)
    expect(capacity.estimate).toBeCloseTo(1_500_000, 0)
    capacity.forget()
    expect(capacity.estimate).toBeUndefined()
  })
})

describe('the rate', () => {
  const aimd = (): Aimd => new Aimd(1_000_000, 100_000, 5_000_000)

  it('grows by 8 % a second while the capacity is not known', () => {
    const rate = aimd()
    for (let now = 0; now <= 10_000; now += 50)
      rate.update(now, 'normal', 1_000_000 * 1.08 ** (now / 1000), true)
    expect(rate.bitrate).toBeGreaterThan(1_000_000 * 1.08 ** 9.8)
    expect(rate.bitrate).toBeLessThan(1_000_000 * 1.08 ** 10.2)
  })

  it('grows to half more than what arrives, and no further', () => {
    const rate = aimd()
    for (let now = 0; now <= 60_000; now += 50) rate.update(now, 'normal', 1_000_000, true)
    expect(rate.bitrate).toBe(1_510_000)
  })

  it('grows slowly near the capacity', () => {
    const rate = aimd()
    rate.roundTripTime = 100
    rate.update(0, 'overuse', 1_000_000, true)
    expect(rate.bitrate).toBe(850_000)
    const before = rate.bitrate
    for (let now = 1000; now <= 6000; now += 50) rate.update(now, 'normal', 900_000, true)
    // half of a packet in 200 ms
    const perSecond = (rate.bitrate - before) / 5
    expect(perSecond).toBeGreaterThan(18_000)
    expect(perSecond).toBeLessThan(25_000)
  })

  it('falls to 0.85 of what arrives, and not to more than it was', () => {
    const rate = aimd()
    rate.update(0, 'overuse', 800_000, true)
    expect(rate.bitrate).toBe(680_000)
    rate.update(1000, 'overuse', 2_000_000, true)
    expect(rate.bitrate).toBeLessThanOrEqual(680_000)
  })

  it('holds while the queue drains, and where it is not to grow', () => {
    const rate = aimd()
    for (let now = 0; now <= 5000; now += 50) rate.update(now, 'underuse', 1_000_000, true)
    expect(rate.bitrate).toBe(1_000_000)
    for (let now = 5000; now <= 9000; now += 50) rate.update(now, 'normal', 1_000_000, false)
    expect(rate.bitrate).toBe(1_000_000)
  })

  it('stays within its bounds', () => {
    const rate = aimd()
    rate.update(0, 'overuse', 10, true)
    expect(rate.bitrate).toBe(100_000)
    rate.handleProbe(1000, 1e9, true)
    expect(rate.bitrate).toBe(5_000_000)
  })

  it('falls once in a round trip, unless far too much is sent', () => {
    const rate = aimd()
    rate.roundTripTime = 150
    rate.update(0, 'overuse', 800_000, true)
    expect(rate.mayDecrease(100, 600_000)).toBe(false)
    expect(rate.mayDecrease(100, 300_000)).toBe(true)
    expect(rate.mayDecrease(150, 600_000)).toBe(true)
  })
})

describe('what arrives', () => {
  const feed = (of: AcknowledgedBitrate, from: number, until: number, bitrate: number): void => {
    for (let at = from; at < until; at += 10) of.add(at, bitrate / 800)
  }

  it('is known after half a second, and followed', () => {
    const acknowledged = new AcknowledgedBitrate()
    feed(acknowledged, 0, 490, 1_000_000)
    expect(acknowledged.bitrate).toBeUndefined()
    feed(acknowledged, 490, 3000, 1_000_000)
    expect(acknowledged.bitrate! / 1e6).toBeCloseTo(1, 1)
    feed(acknowledged, 3000, 6000, 1_500_000)
    expect(acknowledged.bitrate! / 1e6).toBeCloseTo(1.5, 1)
  })

  it('falls at once where it does for two windows', () => {
    const acknowledged = new AcknowledgedBitrate()
    feed(acknowledged, 0, 3000, 3_000_000)
    feed(acknowledged, 3000, 3150, 300_000)
    expect(acknowledged.bitrate).toBeGreaterThan(1_500_000)
    feed(acknowledged, 3150, 3470, 300_000)
    expect(acknowledged.bitrate).toBeLessThan(400_000)
  })

  it('rises at once where it does for three windows: not for a burst in one or two', () => {
    const acknowledged = new AcknowledgedBitrate()
    feed(acknowledged, 0, 30_000, 45_000)
    feed(acknowledged, 30_000, 30_100, 3_000_000)
    feed(acknowledged, 30_100, 33_000, 45_000)
    expect(acknowledged.bitrate).toBeLessThan(60_000)
    feed(acknowledged, 33_000, 33_620, 3_000_000)
    expect(acknowledged.bitrate).toBeGreaterThan(2_000_000)
    expect(acknowledged.bitrate).toBeLessThan(3_100_000)
  })

  it('rises fast where that is expected', () => {
    const [slow, fast] = [new AcknowledgedBitrate(), new AcknowledgedBitrate()]
    for (const one of [slow, fast]) feed(one, 0, 3000, 300_000)
    fast.expectFastChange()
    for (const one of [slow, fast]) feed(one, 3000, 3320, 3_000_000)
    expect(fast.bitrate).toBeGreaterThan(1.3 * slow.bitrate!)
  })

  it('leaves out time that nothing was told of, and a pause', () => {
    const acknowledged = new AcknowledgedBitrate()
    feed(acknowledged, 0, 3000, 1_000_000)
    for (let at = 3000; at < 6000; at += 200) {
      acknowledged.skip()
      feed(acknowledged, at, at + 100, 1_000_000)
    }
    expect(acknowledged.bitrate).toBeGreaterThan(900_000)
    expect(acknowledged.bitrate).toBeLessThan(1_200_000)
    feed(acknowledged, 100_000, 101_000, 1_000_000)
    expect(acknowledged.bitrate).toBeGreaterThan(900_000)
    expect(acknowledged.bitrate).toBeLessThan(1_200_000)
  })
})

describe('the limit of the application', () => {
  it('starts where much less is sent than the estimate, and ends where more is', () => {
    const limit = new ApplicationLimit(1_000_000)
    let now = 0
    const send = (bitrate: number, duration: number): void => {
      for (const until = now + duration; now < until; now += 10) limit.handleSent(now, bitrate / 800)
    }
    send(900_000, 2000)
    expect(limit.since).toBeUndefined()
    send(200_000, 2000)
    expect(limit.since).toBeGreaterThan(2000)
    expect(limit.since).toBeLessThan(4000)
    send(900_000, 2000)
    expect(limit.since).toBeUndefined()
    // 65 % is the border: above it, the application uses what there is
    send(700_000, 20_000)
    expect(limit.since).toBeUndefined()
    limit.setBitrate(2_000_000)
    send(700_000, 5000)
    expect(limit.since).toBeDefined()
  })
})

describe('the timeout', () => {
  it('is 3 s after a packet, then each second, while packets are sent', () => {
    const timeout = new FeedbackTimeout(3000)
    expect(timeout.deadline).toBe(Infinity)
    timeout.handleSent(0)
    // nothing else is sent
    expect(timeout.deadline).toBe(Infinity)
    for (let now = 0; now < 2900; now += 100) timeout.handleSent(now)
    expect(timeout.deadline).toBe(3000)
    expect(timeout.handleTimeout(2999)).toBe(false)
    expect(timeout.handleTimeout(3000)).toBe(true)
    timeout.handleSent(3000)
    expect(timeout.deadline).toBe(4000)
    timeout.handleFeedback(3500)
    expect(timeout.deadline).toBe(Infinity)
  })

  it('starts anew after a pause', () => {
    const timeout = new FeedbackTimeout(3000)
    timeout.handleSent(0)
    for (let now = 10_000; now <= 11_000; now += 500) timeout.handleSent(now)
    expect(timeout.deadline).toBe(Infinity)
    timeout.handleSent(11_500)
    expect(timeout.deadline).toBe(13_000)
  })
})

describe('the results of probes', () => {
  const cluster = { id: 3, bitrate: 4_000_000, minPackets: 5, minBytes: 5000 }

  /** Six packets of 1000 bytes, sent and received at such intervals, ms. */
  function result(sending: number, receiving: number, count = 6): number | undefined {
    const results = new ProbeResults()
    results.expect(cluster)
    let bitrate: number | undefined
    for (let i = 0; i < count; i++)
      bitrate = results.add(3, i * sending, 9000 + i * receiving, 1000) ?? bitrate
    return bitrate
  }

  it.each([
    ['as it was sent', 2, 2, 4_000_000],
    ['a bit slower than it was sent', 2, 2.1, 8_000_000 / 2.1],
    ['much slower: the path is full, and a bit less drains it', 2, 4, 0.95 * 2_000_000],
    ['faster: no more than was sent', 2, 1.5, 4_000_000],
    ['much faster: nothing', 2, 0.9, undefined],
    ['all at once: nothing', 2, 0, undefined],
    ['sent all at once: nothing', 0, 2, undefined],
    ['sent faster than it was asked for: not much more than that', 1, 1, 4_400_000],
    ['within more than a second: nothing', 400, 400, undefined],
  ])('%s', (_, sending, receiving, expected) => {
    if (expected === undefined) expect(result(sending, receiving)).toBeUndefined()
    else expect(result(sending, receiving)).toBeCloseTo(expected, 0)
  })

  it('want four fifths of the packets and of the bytes', () => {
    expect(result(2, 2, 3)).toBeUndefined()
    expect(result(2, 2, 4)).toBeCloseTo(4_000_000, 0)
  })

  it('are of clusters that were given out', () => {
    const results = new ProbeResults()
    for (let i = 0; i < 10; i++) expect(results.add(4, i, i, 1000)).toBeUndefined()
    for (let id = 0; id < 100; id++) results.expect({ ...cluster, id })
    for (let i = 0; i < 10; i++) expect(results.add(91, i, i, 1000)).toBeUndefined()
    for (let i = 0; i < 10; i++) results.add(92, i, i, 1000)
    expect(results.succeeded).toBe(1)
  })
})

describe('when to probe', () => {
  const rates = (controller: ProbeController): number[] => {
    const polled: number[] = []
    for (let one = controller.poll(); one !== undefined; one = controller.poll()) polled.push(one.bitrate)
    return polled
  }
  const started = (): ProbeController => {
    const controller = new ProbeController(300_000, Infinity)
    controller.handleSent(0, undefined)
    return controller
  }
  const complete = (): ProbeController => {
    const controller = started()
    rates(controller)
    controller.handleResult(1, 300_000, true)
    controller.handleSent(2000, undefined)
    return controller
  }

  it('what was sent too slowly and came is no result; what came too slowly is', () => {
    const controller = started()
    rates(controller)
    expect(controller.handleResult(1, 50_000, false)).toBe(false)
    expect(controller.handleResult(1, 50_000, true)).toBe(true)
    expect(controller.handleResult(1, 400_000, false)).toBe(true)
  })

  it('not as packets of sound go out', () => {
    const estimator = new BandwidthEstimator()
    for (let i = 0; i < 100; i++) estimator.handleSent(20 * i, i, 120)
    expect(estimator.pollProbe()).toBeUndefined()
    estimator.handleSent(2000, 100, 1000)
    expect(estimator.pollProbe()?.bitrate).toBe(900_000)
  })

  it('at first, at three and six times the estimate', () => {
    const controller = new ProbeController(300_000, Infinity)
    expect(rates(controller)).toEqual([])
    controller.handleSent(0, undefined)
    expect(rates(controller)).toEqual([900_000, 1_800_000])
  })

  it('again, a few times, where nothing came of it', () => {
    const controller = started()
    let count = 0
    for (let now = 0; now < 20_000; now += 20) {
      controller.handleSent(now, undefined)
      count += rates(controller).length
    }
    expect(count).toBe(6)
  })

  it('at twice the estimate while it is more than 0.7 of what was probed', () => {
    const controller = started()
    rates(controller)
    controller.setEstimate(100, 1_200_000, 'free')
    expect(rates(controller)).toEqual([])
    controller.setEstimate(200, 1_700_000, 'free')
    expect(rates(controller)).toEqual([3_400_000])
    controller.setEstimate(300, 2_000_000, 'free')
    expect(rates(controller)).toEqual([])
    // the result of the last does not come in time
    controller.handleSent(1500, undefined)
    controller.setEstimate(1600, 3_400_000, 'free')
    expect(rates(controller)).toEqual([])
  })

  it('further where the path took all that was sent, though that was less than was asked for', () => {
    const controller = started()
    rates(controller)
    // of the first of two
    controller.handleResult(0, 700_000, false)
    controller.setEstimate(100, 700_000, 'free')
    expect(rates(controller)).toEqual([])
    controller.handleResult(1, 1_000_000, false)
    controller.setEstimate(200, 1_000_000, 'free')
    expect(rates(controller)).toEqual([2_000_000])
    for (const [bitrate, saturated] of [
      [1_040_000, false],
      [1_300_000, true],
    ] as const) {
      controller.handleResult(2, bitrate, saturated)
      controller.setEstimate(300, bitrate, 'free')
      expect(rates(controller)).toEqual([])
    }
  })

  it('to no more than the greatest bitrate, and twice what is desired', () => {
    const bounded = new ProbeController(300_000, 1_000_000)
    bounded.handleSent(0, undefined)
    expect(rates(bounded)).toEqual([900_000, 1_000_000])
    const modest = new ProbeController(300_000, Infinity)
    modest.setDesired(0, 350_000)
    modest.handleSent(0, undefined)
    expect(rates(modest)).toEqual([700_000])
    const content = new ProbeController(300_000, Infinity)
    content.setDesired(0, 100_000)
    content.handleSent(0, undefined)
    expect(rates(content)).toEqual([])
  })

  it('every 5 s while the application is the limit', () => {
    const controller = complete()
    const at: number[] = []
    for (let now = 10_000; now < 22_000; now += 20) {
      controller.handleSent(now, 10_000)
      if (rates(controller).length > 0) at.push(now)
    }
    expect(at).toEqual([15_000, 20_000])
  })

  describe('after a fall', () => {
    /** One whose estimate has risen to 4 Mbit/s, and fell to a tenth of that at 10 s. */
    const fallen = (): ProbeController => {
      const controller = complete()
      controller.setEstimate(9900, 4_000_000, 'free')
      controller.setEstimate(10_000, 400_000, 'free')
      return controller
    }
    /** When, and at which rates, it probes from 10 to 40 s, with an estimate that stays. */
    const probes = (controller: ProbeController, until = 40_000): [number, number][] => {
      const made: [number, number][] = []
      for (let now = 10_000; now < until; now += 100) {
        controller.handleSent(now, undefined)
        controller.setEstimate(now, 400_000, 'free')
        for (const rate of rates(controller)) made.push([now, rate])
      }
      return made
    }

    it('at one and a half times the estimate, ever less often, and not for ever', () => {
      const made = probes(fallen(), 200_000)
      expect(made.slice(0, 4).map(([, rate]) => rate)).toEqual([600_000, 600_000, 600_000, 600_000])
      const intervals = made.slice(1).map(([at], i) => at - made[i]![0])
      expect(intervals.slice(0, 3)).toEqual([4000, 8000, 8000])
      // until nothing is left of the best but what there is
      expect(made.at(-1)![0]).toBeGreaterThan(50_000)
      expect(made.at(-1)![0]).toBeLessThan(75_000)
    })

    it('not while the path is full', () => {
      const controller = fallen()
      for (let now = 10_000; now < 20_000; now += 100) {
        controller.setEstimate(now, 400_000, 'forbidden')
        controller.handleSent(now, undefined)
        expect(rates(controller)).toEqual([])
      }
    })

    it('what came too slowly shows nothing, and what got through is followed at once', () => {
      const controller = fallen()
      const [[at, rate]] = probes(controller, 10_100) as [[number, number]]
      expect(rate).toBe(600_000)
      const { clusters } = controller
      expect(controller.handleResult(clusters - 1, 500_000, true)).toBe(false)
      expect(controller.handleResult(clusters - 1, 600_000, false)).toBe(true)
      controller.setEstimate(at + 100, 600_000, 'free')
      expect(rates(controller)).toEqual([1_200_000])
      expect(controller.isRecovery(clusters)).toBe(true)
      expect(controller.handleResult(clusters, 900_000, true)).toBe(false)
      // another kind of probe counts also where it shows the end
      controller.handleSent(20_000, 10_000)
      controller.handleSent(20_020, 10_000)
      expect(rates(controller)).toHaveLength(1)
      expect(controller.isRecovery(controller.clusters - 1)).toBe(false)
      expect(controller.handleResult(controller.clusters - 1, 900_000, true)).toBe(true)
    })

    it('not where it never was higher', () => {
      const controller = complete()
      controller.setEstimate(10_000, 100_000, 'free')
      expect(probes(controller)).toEqual([])
    })
  })

  it('where more is desired, as soon as there is no other probe', () => {
    const controller = complete()
    controller.setDesired(3000, 100_000)
    expect(rates(controller)).toEqual([])
    controller.setDesired(3000, 200_000)
    expect(rates(controller)).toEqual([])
    controller.setDesired(3000, 500_000)
    expect(rates(controller)).toEqual([500_000])
    controller.setDesired(3100, 550_000)
    controller.setDesired(3200, 550_000)
    expect(rates(controller)).toEqual([])
    controller.handleSent(4100, undefined)
    controller.handleSent(4120, undefined)
    expect(rates(controller)).toEqual([550_000])
    const eager = complete()
    eager.setDesired(3000, 100_000)
    eager.setDesired(3000, undefined)
    expect(rates(eager)).toEqual([600_000])
    const careful = complete()
    careful.setDesired(3000, 100_000)
    careful.setEstimate(3000, 300_000, 'forbidden')
    careful.setDesired(3100, 900_000)
    careful.handleSent(3200, undefined)
    expect(rates(careful)).toEqual([])
    careful.setEstimate(3300, 300_000, 'free')
    careful.handleSent(3400, undefined)
    expect(rates(careful)).toEqual([600_000])
  })

  it('after a large drop, once', () => {
    const controller = complete()
    controller.setEstimate(3000, 3_000_000, 'free')
    controller.setEstimate(4000, 1_000_000, 'forbidden')
    controller.handleRecovery(4500)
    expect(rates(controller)).toEqual([])
    controller.setEstimate(5000, 1_000_000, 'free')
    controller.handleRecovery(5000)
    controller.handleRecovery(5100)
    expect(rates(controller)).toEqual([2_550_000])
    const late = complete()
    late.setEstimate(3000, 3_000_000, 'free')
    late.setEstimate(4000, 1_000_000, 'free')
    late.handleRecovery(9500)
    expect(rates(late)).toEqual([])
  })

  it('not while the delay says that the path is full, and then', () => {
    const controller = new ProbeController(300_000, Infinity)
    controller.setEstimate(0, 300_000, 'forbidden')
    for (let now = 0; now < 5000; now += 20) controller.handleSent(now, 0)
    expect(rates(controller)).toEqual([])
    controller.setEstimate(5000, 300_000, 'free')
    controller.handleSent(5000, 0)
    expect(rates(controller)).toEqual([900_000, 1_800_000])
  })

  it('of which none is polled: no more than four wait', () => {
    const controller = complete()
    for (let i = 1; i <= 50; i++) {
      controller.setDesired(3000 + 2000 * i, 100_000)
      controller.setDesired(4500 + 2000 * i, 400_000 + i)
      // its result is not awaited any more
      controller.handleSent(5600 + 2000 * i, undefined)
    }
    expect(controller.clusters).toBeGreaterThan(20)
    expect(rates(controller)).toHaveLength(4)
  })

  it('less while loss is the limit', () => {
    const controller = complete()
    controller.setEstimate(3000, 1_000_000, 'limited')
    controller.handleSent(10_000, 3000)
    expect(rates(controller)).toEqual([1_500_000])
  })
})

describe('loss', () => {
  const rates = { delayBased: 800_000, acknowledged: 800_000, applicationLimited: false }
  const told = (
    bytes: number,
    lostBytes: number,
    recoveredBytes: number,
    firstSentAt: number,
    lastSentAt: number,
  ): ToldPackets => ({ packets: bytes / 1000, bytes, lostBytes, recoveredBytes, firstSentAt, lastSentAt })

  it('is no limit before there are enough observations, nor while there is none', () => {
    const control = new LossControl(30_000, Infinity)
    for (let i = 0; i < 40; i++) {
      control.update(told(30_000, 0, 0, i * 300, i * 300 + 299), rates)
      expect([control.bitrate, control.state]).toEqual([Infinity, 'delay-limited'])
    }
  })

  it('of a full queue limits to what arrives, and lets it rise again when it ends', () => {
    const control = new LossControl(30_000, Infinity)
    let now = 0
    const observe = (lost: number, delayBased: number, arrives: number): void => {
      const rates = { delayBased, acknowledged: arrives, applicationLimited: false }
      control.update(told(75_000, lost, 0, now, now + 299), rates)
      now += 300
    }
    for (let i = 0; i < 5; i++) observe(0, 2_000_000, 2_000_000)
    for (let i = 0; i < 10; i++) observe(37_500, 2_000_000, 1_000_000)
    expect(control.state).toBe('decreasing')
    expect(control.averageLoss).toBeGreaterThan(0.3)
    expect(control.bitrate).toBeGreaterThanOrEqual(1_000_000)
    expect(control.bitrate).toBeLessThan(1_400_000)
    for (let i = 0; i < 60; i++) observe(0, 2_000_000, Math.min(2_000_000, control.bitrate))
    expect([control.bitrate, control.state]).toEqual([Infinity, 'delay-limited'])
  })

  it('that was told too early is taken back', () => {
    const control = new LossControl(30_000, Infinity)
    for (let i = 0; i < 20; i++) {
      control.update(told(15_000, 7500, 0, i * 300, i * 300 + 149), rates)
      control.update(told(15_000, 0, 7500, i * 300 + 150, i * 300 + 299), rates)
    }
    expect(control.averageLoss).toBe(0)
    expect(control.state).toBe('delay-limited')
  })
})

describe('usage', () => {
  it('is told apart from what can be done', () => {
    for (const options of [
      { initialBitrate: 0 },
      { initialBitrate: Number.NaN },
      { minBitrate: -1 },
      { minBitrate: 200_000, maxBitrate: 100_000 },
    ]) {
      expect(() => new BandwidthEstimator(options)).toThrow(UsageError)
    }
    const estimator = new BandwidthEstimator({ initialBitrate: 10, minBitrate: 20 })
    expect(estimator.bitrate).toBe(20)
    expect(() => estimator.setDesiredBitrate(0, -1)).toThrow(UsageError)
    expect(() => estimator.handleSent(0, 0, Number.NaN)).toThrow(UsageError)
    expect(estimator.statistics).toEqual({
      receivedBitrate: undefined,
      roundTripTime: undefined,
      packetsAcknowledged: 0,
      packetsLost: 0,
      feedbackIgnored: 0,
      probesSent: 0,
      probesSucceeded: 0,
    })
  })

  it('feedback that tells of nothing that came does not raise the estimate', () => {
    const estimator = new BandwidthEstimator()
    for (let i = 0; i < 500; i++) estimator.handleSent(i * 10, i, 100)
    for (let base = 0; base < 500; base += 50) {
      const deltas = Array.from({ length: 50 }, () => undefined)
      estimator.handleFeedback(5000, { baseSequence: base, referenceTime: 0, deltas })
    }
    expect(estimator.bitrate).toBeLessThanOrEqual(300_000)
    expect(estimator.statistics.packetsLost).toBe(500)
  })

  it('before anything is sent there is no probe, and nothing to wait for', () => {
    const estimator = new BandwidthEstimator()
    expect(estimator.pollProbe()).toBeUndefined()
    expect(estimator.deadline).toBe(Infinity)
    estimator.handleFeedback(0, { baseSequence: 0, referenceTime: 0, deltas: [0, 0] })
    expect(estimator.statistics.feedbackIgnored).toBe(1)
    estimator.handleTimeout(1e9)
    expect(estimator.bitrate).toBe(300_000)
  })
})
