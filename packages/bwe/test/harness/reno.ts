import type { Link } from '@str0m/netem'
import { type Packet, packet } from './packet.ts'
import type { Actor } from './simulation.ts'

const SIZE = 1500
/** Packets that overtake another before that is lost. */
const REORDERING = 3
const MIN_TIMEOUT = 300

/** A flow as TCP has it, of so many packets, or without end: slow start, additive increase, multiplicative decrease once a round trip (RFC 5681). Each packet is acknowledged by itself. */
export class Reno implements Actor {
  delivered = 0
  lost = 0
  readonly #forward: Link<Packet>
  readonly #latency: number
  readonly #end: number
  readonly #packets: number
  #window = 10
  #threshold = Number.POSITIVE_INFINITY
  #sequence = 0
  #acknowledged = 0
  /** Those that were sent and not acknowledged: when. */
  readonly #flight = new Map<number, number>()
  readonly #acknowledgements: { readonly at: number; readonly sequence: number }[] = []
  /** Losses of what was sent before it are of one event. */
  #recoverFrom = 0
  #roundTrip = 300
  #startAt: number

  constructor(forward: Link<Packet>, latency: number, start: number, end: number, packets = Infinity) {
    this.#packets = packets
    this.#forward = forward
    this.#latency = latency
    this.#startAt = start
    this.#end = end
  }

  /** Whether all has arrived. */
  get finished(): boolean {
    return this.delivered >= this.#packets
  }

  get deadline(): number {
    const acknowledgement = this.#acknowledgements[0]?.at ?? Number.POSITIVE_INFINITY
    const [oldest] = this.#flight.values()
    const timeout = oldest === undefined ? Number.POSITIVE_INFINITY : oldest + this.#timeout
    return Math.min(acknowledgement, timeout, this.#startAt)
  }

  wake(now: number): void {
    this.#startAt = Number.POSITIVE_INFINITY
    while ((this.#acknowledgements[0]?.at ?? Number.POSITIVE_INFINITY) <= now) {
      this.#acknowledge(now, this.#acknowledgements.shift()!.sequence)
    }
    const [oldest] = this.#flight.values()
    if (oldest !== undefined && now >= oldest + this.#timeout) {
      this.lost += this.#flight.size
      this.#flight.clear()
      this.#threshold = Math.max(2, this.#window / 2)
      this.#window = 1
      this.#recoverFrom = this.#sequence
    }
    if (now < this.#end) while (this.#mayGo()) this.#send(now)
  }

  #mayGo(): boolean {
    const { size } = this.#flight
    return size < Math.floor(this.#window) && this.#acknowledged + size < this.#packets
  }

  get #timeout(): number {
    return Math.max(MIN_TIMEOUT, 2 * this.#roundTrip)
  }

  #send(now: number): void {
    const sequence = this.#sequence++
    this.#flight.set(sequence, now)
    const arrive = (at: number): void => {
      this.delivered++
      this.#acknowledgements.push({ at: at + this.#latency, sequence })
    }
    this.#forward.send(now, packet(SIZE, arrive))
  }

  #acknowledge(now: number, sequence: number): void {
    const sentAt = this.#flight.get(sequence)
    if (sentAt === undefined) return
    this.#flight.delete(sequence)
    this.#acknowledged++
    this.#roundTrip = 0.875 * this.#roundTrip + 0.125 * (now - sentAt)
    this.#window += this.#window < this.#threshold ? 1 : 1 / this.#window
    for (const earlier of this.#flight.keys()) {
      if (earlier > sequence - REORDERING) break
      this.#flight.delete(earlier)
      this.lost++
      if (earlier < this.#recoverFrom) continue
      this.#window = this.#threshold = Math.max(2, this.#window / 2)
      this.#recoverFrom = this.#sequence
    }
  }
}
