import { describe, expect, it } from 'vitest'
import { Bbr, type CongestionController, Cubic } from '../src/index.ts'
import { connected, numbered, type World } from './support.ts'

const RATE = 100_000_000
const MESSAGE = 65_536
/** Bytes of user data in a chunk, on average. */
const PER_CHUNK = MESSAGE / Math.ceil(MESSAGE / 1160)

type Controller = (mtu: number) => CongestionController
const makeCubic: Controller = (mtu) => new Cubic(mtu)
const makeBbr: Controller = (mtu) => new Bbr(mtu)

interface Run {
  /** Mbit/s of user data. */
  readonly goodput: number
  readonly world: World
}

/** Keeps the send buffer filled for `duration` ms of virtual time, after `warmUp` ms. */
function run(
  rtt: number,
  loss: number,
  duration: number,
  warmUp: number,
  rate = RATE,
  congestion: Controller = makeCubic,
): Run {
  const link = { latency: rtt / 2, rate, queueBytes: rate > RATE ? 1e9 : 262_144 }
  const world = connected(11 + rtt, link, { congestion })
  const { pair, a, b } = world
  pair.aToB.configure(pair.now, { loss })
  const data = numbered(1, MESSAGE)
  const fill = (): void => {
    while (a.bufferedAmount(0) < 1 << 22 && a.send(pair.now, 0, 53, data));
  }
  const until = pair.now + warmUp
  for (; pair.now < until; pair.runFor(2)) fill()
  const before = b.statistics.chunksReceived - (b.statistics.dropped.duplicate ?? 0)
  const end = pair.now + duration
  for (; pair.now < end; pair.runFor(2)) fill()
  const after = b.statistics.chunksReceived - (b.statistics.dropped.duplicate ?? 0)
  return { goodput: ((after - before) * PER_CHUNK * 8) / 1000 / duration, world }
}

describe('goodput', () => {
  it.each([
    ['CUBIC', makeCubic],
    ['BBR', makeBbr],
  ])(
    'of %s on a link of 100 Mbit/s, by round-trip time and loss',
    (name, congestion) => {
      // GOODPUT=1 for the whole table, with long runs
      const whole = process.env['GOODPUT'] !== undefined
      const rows: Record<string, Record<string, string>> = {}
      for (const rtt of whole ? [0, 20, 60, 150] : [60]) {
        for (const loss of whole ? [0, 0.001, 0.01, 0.05] : [0, 0.01]) {
          const { goodput, world } = run(
            rtt,
            loss,
            whole ? 10_000 : 2000,
            whole ? 2000 : 1000,
            RATE,
            congestion,
          )
          const { congestionWindow, retransmissionTimeout, timeouts } = world.a.statistics
          const row = (rows[`RTT ${rtt} ms`] ??= {})
          row[`loss ${loss * 100} %`] = goodput.toFixed(1)
          if (whole) {
            row[`at ${loss * 100}`] =
              `cwnd ${Math.round(congestionWindow / 1024)}K rto ${retransmissionTimeout.toFixed(0)} t3 ${timeouts} overflow ${world.pair.aToB.statistics.overflow}`
          }
          if (loss === 0 && rtt === 60) expect(goodput).toBeGreaterThan(0.9 * 100 * (1160 / 1216))
          if (loss === 0.01 && rtt === 60) expect(goodput).toBeGreaterThan(name === 'BBR' ? 75 : 1.5)
        }
      }
      console.table(rows)
    },
    600_000,
  )

  it('without a bottleneck at 60 ms the window is what limits it', () => {
    const { goodput } = run(60, 0, 500, 1000, 1e12)
    console.log(`no bottleneck, RTT 60 ms: ${goodput.toFixed(0)} Mbit/s`)
    expect(goodput).toBeGreaterThan(500)
  })
})
