/** What became of a flow: when each packet arrived and how long it had waited, and each estimate. */
export class Recorder {
  packetsSent = 0
  // side by side, in the order of time
  readonly #arrivedAt: number[] = []
  readonly #sizes: number[] = []
  readonly #delays: number[] = []
  readonly #estimatedAt: number[] = []
  readonly #bitrates: number[] = []

  get packetsArrived(): number {
    return this.#arrivedAt.length
  }

  sent(): void {
    this.packetsSent++
  }

  arrived(at: number, size: number, delay: number): void {
    this.#arrivedAt.push(at)
    this.#sizes.push(size)
    this.#delays.push(delay)
  }

  estimated(at: number, bitrate: number): void {
    this.#estimatedAt.push(at)
    this.#bitrates.push(bitrate)
  }

  /** Bits per second that arrived between two times, ms. */
  throughput(from: number, until: number): number {
    let bytes = 0
    const end = firstFrom(this.#arrivedAt, until)
    for (let i = firstFrom(this.#arrivedAt, from); i < end; i++) bytes += this.#sizes[i]!
    return (bytes * 8000) / (until - from)
  }

  /** The part of the packets that waited the shortest, `part` of 1, waited for so many ms at most. */
  delay(part: number, from: number, until: number): number {
    const delays = Float64Array.from(
      this.#delays.slice(firstFrom(this.#arrivedAt, from), firstFrom(this.#arrivedAt, until)),
    ).sort()
    return delays[Math.min(delays.length - 1, Math.floor(part * delays.length))] ?? 0
  }

  /** The mean of the estimate. */
  estimate(from: number, until: number): number {
    const values = this.#estimates(from, until)
    return values.reduce((sum, bitrate) => sum + bitrate, 0) / values.length
  }

  /** The least and the greatest estimate. */
  range(from: number, until: number): [number, number] {
    const values = this.#estimates(from, until)
    return [Math.min(...values), Math.max(...values)]
  }

  /** When the estimate was first within these, after `from`. */
  reached(from: number, low: number, high: number = Number.POSITIVE_INFINITY): number {
    for (let i = firstFrom(this.#estimatedAt, from); i < this.#bitrates.length; i++) {
      if (this.#bitrates[i]! >= low && this.#bitrates[i]! <= high) return this.#estimatedAt[i]!
    }
    return Number.POSITIVE_INFINITY
  }

  /** When the delay was last above `limit` ms, between two times. */
  lastAbove(limit: number, from: number, until: number): number {
    const start = firstFrom(this.#arrivedAt, from)
    for (let i = firstFrom(this.#arrivedAt, until) - 1; i >= start; i--) {
      if (this.#delays[i]! > limit) return this.#arrivedAt[i]!
    }
    return from
  }

  #estimates(from: number, until: number): number[] {
    return this.#bitrates.slice(firstFrom(this.#estimatedAt, from), firstFrom(this.#estimatedAt, until))
  }
}

/** The index of the first time that is not before `from`. */
function firstFrom(times: readonly number[], from: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle]! < from) low = middle + 1
    else high = middle
  }
  return low
}
