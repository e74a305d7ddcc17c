import {
  canonicalIpAddress,
  type Instant,
  type Machine,
  type SocketAddress,
  type TransmitOutput,
  UsageError,
} from '@str0m/sans-io'
import { Link, type LinkOptions } from './link.ts'
import type { Nat } from './nat.ts'
import { type ReceiveOf, Runner, type Station } from './station.ts'
import { VirtualClock } from './virtual-clock.ts'

/** A datagram with where it is from and where it goes. */
export interface Datagram extends TransmitOutput {
  readonly source: SocketAddress
  readonly destination: SocketAddress
}

export interface NetworkOptions {
  /** What all chance of the network comes from: an integer from 0 to 2³² − 1. It stands in the message of each `EmulationError`. What machines do by chance is their own. */
  readonly seed: number
  /** The link of each host, each way, where the host does not say otherwise. */
  readonly link?: LinkOptions
  /** When the clock starts, ms. Default 0. */
  readonly start?: Instant
}

export interface HostOptions {
  readonly name: string
  /** The host's own addresses. Hosts behind different NATs may have the same. */
  readonly addresses: readonly string[]
  /** What stands between the host and the public network. Hosts with the same one reach each other directly. */
  readonly nat?: Nat
  /** The host's link, each way, over the network's. */
  readonly link?: LinkOptions
}

/** A host, its machine, and its links to the network: `up` for what it sends, `down` for what it gets. */
export interface Host<M extends Machine<unknown>> extends Station<M> {
  readonly up: Link<Datagram>
  readonly down: Link<Datagram>
}

/** What became of the datagrams between the links. Counts. */
export interface NetworkStatistics {
  readonly forwarded: number
  /** No host has the destination, or the one that sends not the source. */
  readonly unroutable: number
  /** A NAT did not let it in, or not back in. */
  readonly filtered: number
}

interface Node {
  readonly host: Host<Machine<unknown>>
  readonly addresses: readonly string[]
  readonly nat: Nat | undefined
  drain(now: Instant): void
  deliver(now: Instant): void
  wake(now: Instant): void
  nextAt(): Instant
}

/**
 * Hosts with addresses, NATs between them and the public network, and one clock. A datagram goes up its
 * host's link, through the NATs on its way, and down the link of the host that has the destination.
 */
export class Network extends VirtualClock {
  readonly #link: LinkOptions
  readonly #nodes: Node[] = []
  readonly #statistics = { forwarded: 0, unroutable: 0, filtered: 0 }

  /** Throws a `UsageError` (`invalid-option`) where the seed is out of its range. */
  constructor(options: NetworkOptions) {
    super(options.seed, options.start ?? 0)
    this.#link = options.link ?? {}
  }

  get statistics(): NetworkStatistics {
    return { ...this.#statistics }
  }

  /**
   * Adds a host. What its machine transmits must have a `source` and a `destination`; `receive` makes its
   * input out of a datagram that has come: for an `Rtc`, `{ ...datagram, kind: 'receive', proto: 'udp' as const, now }`. Throws a `UsageError` (`invalid-option`)
   * for what is no IP address, or an option of the link out of its range.
   */
  addHost<M extends Machine<unknown, Datagram>>(
    machine: M,
    options: HostOptions,
    receive: (now: Instant, datagram: Datagram) => ReceiveOf<M>,
  ): Host<M> {
    const addresses = options.addresses.map((address) => {
      const canonical = canonicalIpAddress(address)
      if (canonical === undefined) throw new UsageError('invalid-option', `"${address}" is no IP address`)
      return canonical
    })
    const seed = this.seed * 64 + 2 * this.#nodes.length
    const link = { ...this.#link, ...options.link }
    const up = new Link<Datagram>(seed, link)
    const down = new Link<Datagram>(seed + 1, link)
    const transmit = (now: Instant, datagram: Datagram): void => up.send(now, datagram)
    const runner = new Runner(options.name, machine, this.seed, transmit)
    const host = Object.assign(runner, { up, down })
    this.#nodes.push({
      host,
      addresses,
      nat: options.nat,
      drain: (now) => runner.drain(now),
      wake: (now) => runner.wake(now),
      nextAt: () => Math.min(runner.wakeAt, up.nextAt(), down.nextAt()),
      deliver: (now) => {
        for (let datagram = down.poll(now); datagram !== undefined; datagram = down.poll(now)) {
          runner.receive(receive(now, datagram))
        }
      },
    })
    return host
  }

  /** Puts a datagram into the public network as if it came from anywhere: an attacker's. */
  inject(datagram: Datagram): void {
    this.#routeToPublic(this.now, datagram)
  }

  protected override drain(now: Instant): void {
    for (const node of this.#nodes) node.drain(now)
  }

  protected override nextAt(): Instant {
    let at = Number.POSITIVE_INFINITY
    for (const node of this.#nodes) at = Math.min(at, node.nextAt())
    return at
  }

  protected override step(now: Instant): void {
    for (const node of this.#nodes) {
      const { up } = node.host
      for (let datagram = up.poll(now); datagram !== undefined; datagram = up.poll(now)) {
        this.#routeFrom(now, node, datagram)
      }
    }
    for (const node of this.#nodes) node.deliver(now)
    for (const node of this.#nodes) node.wake(now)
  }

  #routeFrom(now: Instant, node: Node, datagram: Datagram): void {
    const { nat } = node
    // a host that sends from an address it does not have is one whose packets its first router drops
    if (!node.addresses.includes(datagram.source.address)) this.#statistics.unroutable++
    else if (nat === undefined) this.#routeToPublic(now, datagram)
    else if (this.#find(nat, datagram.destination.address) !== undefined)
      this.#routeInside(now, nat, datagram)
    else if (datagram.destination.address === nat.address && !nat.hairpin) this.#statistics.filtered++
    else {
      const source = nat.outbound(now, datagram.source, datagram.destination)
      this.#routeToPublic(now, { ...datagram, source })
    }
  }

  #routeToPublic(now: Instant, datagram: Datagram): void {
    const { address } = datagram.destination
    const nat = this.#nodes.find((node) => node.nat?.address === address)?.nat
    if (nat === undefined) return this.#routeInside(now, undefined, datagram)
    const destination = nat.inbound(now, datagram.source, datagram.destination)
    if (destination === undefined) this.#statistics.filtered++
    else this.#routeInside(now, nat, { ...datagram, destination })
  }

  #routeInside(now: Instant, nat: Nat | undefined, datagram: Datagram): void {
    const node = this.#find(nat, datagram.destination.address)
    if (node === undefined) {
      this.#statistics.unroutable++
      return
    }
    this.#statistics.forwarded++
    node.host.down.send(now, datagram)
  }

  #find(nat: Nat | undefined, address: string): Node | undefined {
    return this.#nodes.find((node) => node.nat === nat && node.addresses.includes(address))
  }
}
