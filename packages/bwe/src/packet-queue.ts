import type { Instant } from '@str0m/sans-io'

/** Packets that there is room for at first; it doubles. A power of two. */
const INITIAL_PACKETS = 64

/** Packets that wait, first in, first out, with their sizes and when they came: a ring. */
export class PacketQueue<T> {
  #packets: (T | undefined)[] = []
  #sizes = new Int32Array(0)
  #times = new Float64Array(0)
  #first = 0
  length = 0

  /** Bytes of the first. There is one. */
  get firstSize(): number {
    return this.#sizes[this.#first]!
  }

  /** When the first came. There is one. */
  get firstTime(): Instant {
    return this.#times[this.#first]!
  }

  push(now: Instant, packet: T, size: number): void {
    if (this.length === this.#sizes.length) this.#grow()
    const place = (this.#first + this.length) & (this.#sizes.length - 1)
    this.#packets[place] = packet
    this.#sizes[place] = size
    this.#times[place] = now
    this.length++
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined
    const packet = this.#packets[this.#first]
    this.#packets[this.#first] = undefined
    this.#first = (this.#first + 1) & (this.#sizes.length - 1)
    this.length--
    return packet
  }

  #grow(): void {
    const capacity = this.#sizes.length
    const larger = Math.max(INITIAL_PACKETS, 2 * capacity)
    const packets: (T | undefined)[] = []
    const sizes = new Int32Array(larger)
    const times = new Float64Array(larger)
    for (let i = 0; i < capacity; i++) {
      const place = (this.#first + i) & (capacity - 1)
      packets.push(this.#packets[place])
      sizes[i] = this.#sizes[place]!
      times[i] = this.#times[place]!
    }
    while (packets.length < larger) packets.push(undefined)
    this.#packets = packets
    this.#sizes = sizes
    this.#times = times
    this.#first = 0
  }
}
