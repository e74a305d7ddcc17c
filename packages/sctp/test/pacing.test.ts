import { describe, expect, it } from 'vitest'
import { Bbr, type CongestionController, Cubic, NewReno } from '../src/index.ts'
import { Pacer } from '../src/pacer.ts'
import { INITIAL_WINDOW, WindowTuner } from '../src/window-tuner.ts'
import { connected, messagesOf, numbered } from './support.ts'

const MTU = 1160

describe('the receive window', () => {
  /** A peer that has `bytes` to send in each round trip, and keeps to the window. */
  function perTrip(tuner: WindowTuner, from: number, trips: number, bytes: number, known: boolean): void {
    for (let trip = 0; trip < trips; trip++) {
      const each = Math.min(bytes, tuner.window) / 50
      for (let ms = 0; ms < 50; ms++) tuner.onData(from + trip * 50 + ms, each, known ? 50 : 0)
    }
  }

  it('grows with what comes in a round trip, whether that is known or not, up to its bound', () => {
    for (const known of [true, false]) {
      const tuner = new WindowTuner(8 << 20)
      perTrip(tuner, 0, 10, 1 << 20, known)
      expect(tuner.window).toBeGreaterThanOrEqual(2 << 20)
      perTrip(tuner, 500, 10, 1 << 24, known)
      expect(tuner.window).toBe(8 << 20)
    }
  })

  it('stays where little comes', () => {
    for (const known of [true, false]) {
      const tuner = new WindowTuner(8 << 20)
      perTrip(tuner, 0, 100, 10_000, known)
      // without a round-trip time, what a window took to come stands for it at first
      expect(tuner.window).toBeLessThanOrEqual(known ? INITIAL_WINDOW : 4.1 * INITIAL_WINDOW)
    }
    expect(new WindowTuner(65_536).window).toBe(65_536)
  })

  it('a message longer than the first window comes whole', () => {
    const { pair, a } = connected(1, { latency: 20 })
    a.send(pair.now, 0, 53, numbered(1, 1 << 20))
    pair.runUntil(() => messagesOf(pair.b.events).length === 1, 3000)
  })
})

describe('pacing', () => {
  it('lets a burst go, and then the rate, a millisecond’s worth at a time', () => {
    const pacer = new Pacer(MTU)
    expect(pacer.maySend(0)).toBe(true)
    pacer.setRate(0, 1000, 50)
    let sent = 0
    let wakes = 0
    for (let now = 0; now < 1000; wakes++) {
      while (pacer.maySend(now)) {
        pacer.onSent(MTU)
        sent += MTU
      }
      expect(pacer.nextAt).toBeGreaterThanOrEqual(now + 1)
      now = pacer.nextAt
    }
    expect(wakes).toBeLessThanOrEqual(1000)
    expect(sent).toBeGreaterThan(1_000_000)
    expect(sent).toBeLessThan(1_000_000 + 11 * MTU)
  })

  it('a short path gets what it has shown to take, and a half more; old credit is forgotten', () => {
    const pacer = new Pacer(MTU)
    pacer.setRate(0, 1, 1)
    const perMs: number[] = []
    for (let now = 0; now < 14; now++) {
      let sent = 0
      for (; pacer.maySend(now); sent += MTU) pacer.onSent(MTU)
      perMs.push(sent)
      pacer.onDelivered(now, sent)
    }
    expect(perMs[0]).toBeLessThan(34_000)
    expect(perMs[2]).toBeLessThan(75_000)
    expect(perMs[13]).toBeGreaterThan(1_000_000)
    pacer.forget()
    pacer.setRate(0, 1000, 50)
    let burst = 0
    for (; pacer.maySend(1e6); burst++) pacer.onSent(MTU)
    expect(burst).toBeLessThanOrEqual(10)
  })

  it('a machine that sends without end wakes at most a thousand times a second for it', () => {
    const { pair, a } = connected(2, { latency: 30, rate: 100_000_000 })
    for (let i = 0; i < 100; i++) a.send(pair.now, 0, 53, numbered(i, 100_000))
    pair.runFor(500)
    const before = pair.a.wakeUps
    pair.runFor(200)
    expect(pair.a.wakeUps - before).toBeLessThan(250)
  })
})

describe('congestion controllers', () => {
  /** Acknowledges whole windows, one a round trip, at a round-trip time. */
  const round = (controller: CongestionController, now: number, rtt: number) => {
    const { window } = controller
    for (let acked = 0; acked < window; acked += MTU) controller.onAck(now, MTU, controller.window, rtt, 50)
  }

  it('CUBIC: slow start doubles; where the delay rises it slows down, and then ends; where it falls again it goes on', () => {
    for (const falls of [false, true]) {
      const cubic = new Cubic(MTU)
      let now = 0
      for (let i = 0; i < 4; i++) round(cubic, (now += 50), 50)
      expect(cubic.window).toBeCloseTo(160 * MTU, -4)
      round(cubic, (now += 70), 70)
      const before = cubic.window
      for (let i = 0; i < 3; i++) round(cubic, (now += 70), falls ? 50 : 70)
      const growth = cubic.window / before
      if (falls) expect(growth).toBeGreaterThan(3)
      else expect(growth).toBeLessThan(2.1)
      const fast = cubic.pacingRate(50) / (cubic.window / 50)
      expect(fast).toBe(2)
      for (let i = 0; i < 6; i++) round(cubic, (now += 70), 70)
      if (!falls) expect(cubic.pacingRate(50) / (cubic.window / 50)).toBe(1.25)
    }
  })

  it('losses, timeouts and idleness make the window smaller, and none less than a packet', () => {
    for (const make of [() => new Cubic(MTU), () => new NewReno(MTU)]) {
      const controller = make()
      for (let i = 0; i < 6; i++) round(controller, i * 50, 50)
      const full = controller.window
      controller.onLoss(400)
      expect(controller.window).toBeLessThan(full)
      const before = controller.window
      controller.onIdle()
      expect(controller.window).toBeLessThanOrEqual(before)
      controller.onTimeout(500)
      expect(controller.window).toBe(MTU)
      for (let i = 0; i < 100; i++) round(controller, 600 + i * 50, 50)
      expect(controller.window).toBeGreaterThan(4 * MTU)
    }
  })

  it('BBR: delivers all, through outages and idle times, and keeps its window small where the path is', () => {
    const { pair, a } = connected(
      3,
      { latency: 20, rate: 10_000_000, loss: 0.02 },
      { congestion: (mtu) => new Bbr(mtu) },
    )
    let sent = 0
    for (let burst = 0; burst < 6; burst++) {
      if (burst === 2) pair.aToB.addOutage(pair.now + 100, pair.now + 1500)
      for (let i = 0; i < 40; i++) if (a.send(pair.now, 0, 53, numbered(sent, 50_000))) sent++
      pair.runFor(burst % 2 === 0 ? 3000 : 14_000)
    }
    pair.runUntil(() => messagesOf(pair.b.events).length === sent, 60_000)
    expect(a.statistics.congestionWindow).toBeLessThan(500_000)
    pair.runFor(15_000)
  })
})

describe('bursts', () => {
  /** The most bytes that a machine hands out within a ms, from `from` to `to`. */
  function worst(sent: readonly { readonly now: number; readonly bytes: number }[]): number {
    let most = 0
    let sum = 0
    let first = 0
    for (const { now, bytes } of sent) {
      sum += bytes
      for (; sent[first]!.now <= now - 1; first++) sum -= sent[first]!.bytes
      most = Math.max(most, sum)
    }
    return most
  }

  it.each([0, 0.05, 0.5, 1.2])(
    'a fresh association sends 256 KiB over a path of %d ms without flooding it',
    (latency) => {
      for (const idle of [0, 30_000]) {
        const { pair, a, b } = connected(4, { latency }, { heartbeatInterval: Number.POSITIVE_INFINITY })
        if (idle > 0) {
          for (let i = 0; i < 20; i++) a.send(pair.now, 0, 53, numbered(i, 262_144))
          pair.runUntil(() => b.statistics.messagesReceived === 20, 500)
          pair.runFor(idle)
        }
        const start = pair.now
        const before = b.statistics.messagesReceived
        a.send(start, 0, 53, numbered(1, 262_144))
        const sent: { now: number; bytes: number }[] = []
        let last = pair.aToB.statistics.sent
        while (b.statistics.messagesReceived === before) {
          pair.runFor(0.05)
          const { sent: count } = pair.aToB.statistics
          sent.push({ now: pair.now, bytes: (count - last) * 1191 })
          last = count
        }
        expect(worst(sent.filter(({ now }) => now <= start + 1))).toBeLessThanOrEqual(70_000)
        expect(worst(sent)).toBeLessThanOrEqual(135_000)
        expect(pair.now - start).toBeLessThan(6 + 12 * latency)
      }
    },
  )

  it('what a path has shown it can take, it gets', () => {
    const { pair, a, b } = connected(5, { latency: 0.1 }, { sendBuffer: 64 << 20 })
    for (let i = 0; i < 80; i++) a.send(pair.now, 0, 53, numbered(i, 262_144))
    const start = pair.now
    pair.runUntil(() => b.statistics.messagesReceived === 80, 1000)
    expect((80 * 262_144) / (pair.now - start)).toBeGreaterThan(300_000)
  })

  it('after idleness the window is as at first, whatever it was', () => {
    for (const make of [() => new Cubic(MTU), () => new NewReno(MTU)]) {
      const { pair, a, b } = connected(6, { latency: 20 }, { congestion: make, sendBuffer: 64 << 20 })
      for (let i = 0; i < 30; i++) a.send(pair.now, 0, 53, numbered(i, 262_144))
      pair.runUntil(() => b.statistics.messagesReceived === 30, 60_000)
      expect(a.statistics.congestionWindow).toBeGreaterThan(40 * MTU)
      pair.runFor(20_000)
      a.send(pair.now, 0, 53, numbered(1, 100))
      pair.runFor(1)
      expect(a.statistics.congestionWindow).toBeLessThanOrEqual(10 * MTU)
    }
  })
})

describe('a peer that was away for a while, and takes at one instant what has come meanwhile', () => {
  it.each([1500, 2000, 5000])('is sent to at once again, after %i ms', (away) => {
    for (let seed = 1; seed <= 3; seed++) {
      const { pair, a } = connected(seed, { latency: 20 })
      const { aToB } = pair
      const [poll, nextAt] = [aToB.poll.bind(aToB), aToB.nextAt.bind(aToB)]
      let back = 0
      aToB.poll = (now) => (now < back ? undefined : poll(now))
      aToB.nextAt = () => Math.max(nextAt(), back)
      let sent = 0
      const talk = (duration: number): number => {
        const before = messagesOf(pair.b.events).length
        for (const end = pair.now + duration; pair.now < end; pair.runFor(5)) {
          a.handleInput({ kind: 'timeout', now: pair.now })
          for (let i = 0; i < 4 && a.bufferedAmount(0) < 500_000; i++) {
            a.send(pair.now, 0, 53, numbered(sent++, 16_000))
          }
        }
        return messagesOf(pair.b.events).length - before
      }
      talk(1000)
      back = pair.now + away
      talk(away)
      talk(100)
      // ten packets of the slowest start and what comes of them: more than one packet a round trip
      expect(talk(1000), `seed ${seed}`).toBeGreaterThan(15)
    }
  })
})
