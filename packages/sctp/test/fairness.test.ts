import { Link } from '@str0m/netem'
import { type Instant, NEVER } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Bbr, type CongestionController, Cubic, SctpAssociation } from '../src/index.ts'
import { numbered, seededCrypto } from './support.ts'

const RATE = 20_000_000
const MESSAGE = numbered(1, 65_536)

type Controller = (mtu: number) => CongestionController
const CONTROLLERS: Readonly<Record<string, Controller>> = {
  CUBIC: (mtu) => new Cubic(mtu),
  BBR: (mtu) => new Bbr(mtu),
}

interface Datagram {
  readonly contents: Uint8Array
  readonly flow: Flow
}

/** A sender that always has something to send, and its receiver. */
class Flow {
  readonly sender: SctpAssociation
  readonly receiver: SctpAssociation
  readonly back: Link<{ readonly contents: Uint8Array }>
  /** Bytes delivered. */
  delivered = 0
  #wakeAt: Instant = 0

  constructor(seed: number, congestion: Controller, latency: number) {
    this.sender = new SctpAssociation({ crypto: seededCrypto(seed), congestion })
    this.receiver = new SctpAssociation({ crypto: seededCrypto(seed + 1) })
    this.back = new Link(seed, { latency })
  }

  get nextAt(): Instant {
    return Math.min(this.#wakeAt, this.back.nextAt())
  }

  /** Takes what has come back, and hands on what there is to send. */
  step(now: Instant, forward: Link<Datagram>): void {
    for (let answer = this.back.poll(now); answer !== undefined; answer = this.back.poll(now)) {
      this.sender.handleInput({ kind: 'receive', now, contents: answer.contents })
    }
    if (this.#wakeAt <= now) {
      this.sender.handleInput({ kind: 'timeout', now })
      this.receiver.handleInput({ kind: 'timeout', now })
    }
    while (this.sender.bufferedAmount(0) < 1 << 20) this.sender.send(now, 0, 53, MESSAGE)
    this.#wakeAt = Math.min(
      drain(this.sender, (contents) => forward.send(now, { contents, flow: this })),
      drain(
        this.receiver,
        (contents) => this.back.send(now, { contents }),
        (bytes) => (this.delivered += bytes),
      ),
    )
  }
}

function drain(
  machine: SctpAssociation,
  transmit: (contents: Uint8Array) => void,
  deliver?: (bytes: number) => void,
): Instant {
  for (;;) {
    const output = machine.pollOutput()
    if (output.kind === 'timeout') return output.at
    if (output.kind === 'transmit') transmit(output.contents)
    else if (output.event.type === 'message') deliver?.(output.event.data.length)
  }
}

/** Two flows through one bottleneck, the second 500 ms after the first. The shares of both, and how much of the link is used. */
function share(names: readonly [string, string], rtt: number, queueBytes: number, duration: number) {
  const forward = new Link<Datagram>(7, { latency: rtt / 2, rate: RATE, queueBytes })
  const flows = names.map((name, i) => new Flow(10 * i + 1, CONTROLLERS[name]!, rtt / 2))
  let now = 0
  const run = (active: readonly Flow[], until: number): void => {
    for (const flow of active) flow.step(now, forward)
    while (now < until) {
      now = Math.min(
        until,
        active.reduce((at, flow) => Math.min(at, flow.nextAt), forward.nextAt()),
        NEVER,
      )
      for (let datagram = forward.poll(now); datagram !== undefined; datagram = forward.poll(now)) {
        const { contents, flow } = datagram
        flow.receiver.handleInput({ kind: 'receive', now, contents })
      }
      for (const flow of active) flow.step(now, forward)
    }
  }
  const [first, second] = flows as [Flow, Flow]
  first.sender.connect(0)
  run([first], 500)
  second.sender.connect(now)
  const from = now + duration / 6
  run(flows, from)
  const before = flows.map((flow) => flow.delivered)
  run(flows, now + duration)
  const [one, two] = flows.map((flow, i) => ((flow.delivered - before[i]!) * 8000) / duration / RATE)
  return { one: one!, two: two! }
}

describe('fairness', () => {
  // GOODPUT=1 for the whole table, with long runs
  const whole = process.env['GOODPUT'] !== undefined

  it('of two flows through one bottleneck of 20 Mbit/s', () => {
    const rows: Record<string, Record<string, string>> = {}
    const pairs = [
      ['CUBIC', 'CUBIC'],
      ['BBR', 'CUBIC'],
      ['BBR', 'BBR'],
    ] as const
    for (const rtt of whole ? [20, 60] : [20]) {
      for (const queue of whole ? [65_536, 262_144, 1_048_576] : [65_536]) {
        for (const names of whole ? pairs : pairs.slice(0, 1)) {
          const { one, two } = share(names, rtt, queue, whole ? 60_000 : 12_000)
          const row = (rows[`${rtt} ms, ${queue >> 10} KiB`] ??= {})
          row[names.join(' : ')] = `${(one * 100).toFixed(0)} : ${(two * 100).toFixed(0)}`
          if (whole) console.log(rtt, queue, names.join(' : '), row[names.join(' : ')])
          else expect(Math.min(one, two)).toBeGreaterThan(0.25)
          expect(one + two).toBeGreaterThan(0.8)
        }
      }
    }
    console.table(rows)
  }, 600_000)
})
