import type { Instant, Machine } from '@str0m/sans-io'
import { Link, type LinkOptions } from './link.ts'
import { type ReceiveOf, Runner, type Station, type TransmitOf } from './station.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface PairOptions<A extends Machine<unknown>, B extends Machine<unknown> = A> {
  /** What all chance of the network comes from: an integer from 0 to 2³² − 1. It stands in the message of each `EmulationError`. What machines do by chance is their own. */
  readonly seed: number
  /** The link each way. */
  readonly link?: LinkOptions
  /** The link from a to b, over `link`. */
  readonly aToB?: LinkOptions
  /** The link from b to a, over `link`. */
  readonly bToA?: LinkOptions
  /** Makes the receiver's input out of a datagram that has arrived. `to` is the receiver. */
  readonly receive: (
    now: Instant,
    datagram: TransmitOf<A> | TransmitOf<B>,
    to: 'a' | 'b',
  ) => ReceiveOf<A> & ReceiveOf<B>
  /** When the clock starts, ms. Default 0. */
  readonly start?: Instant
}

/**
 * Two machines, a link each way, and one clock that jumps to the next thing due. Each machine is woken when
 * it asked to be, and held to rule 3 of the contract: one that does not let time pass ends the run with an
 * `EmulationError`. Machines may be called between runs; their output is taken when the next one starts.
 */
export class Pair<A extends Machine<unknown>, B extends Machine<unknown> = A> extends VirtualClock {
  readonly aToB: Link<TransmitOf<A>>
  readonly bToA: Link<TransmitOf<B>>
  readonly #receive: PairOptions<A, B>['receive']
  readonly #a: Runner<A>
  readonly #b: Runner<B>

  /** Throws a `UsageError` (`invalid-option`) where the seed, or an option of a link, is out of its range. */
  constructor(a: A, b: B, options: PairOptions<A, B>) {
    super(options.seed, options.start ?? 0)
    this.#receive = options.receive
    this.aToB = new Link(options.seed * 2, { ...options.link, ...options.aToB })
    this.bToA = new Link(options.seed * 2 + 1, { ...options.link, ...options.bToA })
    this.#a = new Runner('a', a, options.seed, (now, datagram) => this.aToB.send(now, datagram))
    this.#b = new Runner('b', b, options.seed, (now, datagram) => this.bToA.send(now, datagram))
  }

  /** The first machine, and what came of it. */
  get a(): Station<A> {
    return this.#a
  }

  /** The second machine, and what came of it. */
  get b(): Station<B> {
    return this.#b
  }

  protected override drain(now: Instant): void {
    this.#a.drain(now)
    this.#b.drain(now)
  }

  protected override nextAt(): Instant {
    return Math.min(this.#a.wakeAt, this.#b.wakeAt, this.aToB.nextAt(), this.bToA.nextAt())
  }

  protected override step(now: Instant): void {
    for (let datagram = this.aToB.poll(now); datagram !== undefined; datagram = this.aToB.poll(now)) {
      this.#b.receive(this.#receive(now, datagram, 'b'))
    }
    for (let datagram = this.bToA.poll(now); datagram !== undefined; datagram = this.bToA.poll(now)) {
      this.#a.receive(this.#receive(now, datagram, 'a'))
    }
    this.#a.wake(now)
    this.#b.wake(now)
  }
}
