import { Link, type LinkOptions } from '@str0m/netem'
import { Flow, type FlowOptions } from './flow.ts'
import type { Packet } from './packet.ts'
import { Simulation } from './simulation.ts'

export interface PathOptions {
  readonly seed: number
  /** Bits per second. */
  readonly rate: number
  /** One way, ms. Default 50. */
  readonly latency?: number
  /** ms of the rate that the queue has room for. Default 300. */
  readonly queue?: number
  readonly forward?: LinkOptions
  readonly backward?: LinkOptions
}

/** A bottleneck, the way back, and the flows over them. */
export class Path {
  readonly simulation = new Simulation()
  readonly forward: Link<Packet>
  readonly backward: Link<Packet>
  readonly flows: Flow[] = []
  readonly #options: PathOptions

  constructor(options: PathOptions) {
    this.#options = options
    const { rate, latency = 50, queue = 300 } = options
    this.forward = new Link(options.seed, {
      latency,
      rate,
      queueBytes: queueBytes(rate, queue),
      ...options.forward,
    })
    this.backward = new Link(options.seed + 1000, { latency, ...options.backward })
    this.simulation.links.push(this.forward, this.backward)
  }

  add(options: Partial<FlowOptions> = {}): Flow {
    const flow = new Flow(this.simulation, {
      seed: this.#options.seed * 100 + this.flows.length,
      forward: this.forward,
      backward: this.backward,
      latency: this.#options.latency ?? 50,
      ...options,
    })
    this.flows.push(flow)
    return flow
  }

  /** From `at` on the bottleneck has another rate, and a queue of as much time. */
  setRate(at: number, rate: number): void {
    const { queue = 300 } = this.#options
    this.simulation.at(at, (now) =>
      this.forward.configure(now, { rate, queueBytes: queueBytes(rate, queue) }),
    )
  }

  runUntil(end: number): void {
    this.simulation.runUntil(end)
  }
}

/** A queue holds a few packets at least. */
export function queueBytes(rate: number, queue: number): number {
  return Math.max(4000, (rate * queue) / 8000)
}
