/** What became of a flow: of each interval, and of each packet. */
export class Recorder {
  readonly #arrivals: { readonly at: number; readonly size: number; readonly delay: number }[] = []
  readonly #estimates: { readonly at: number; readonly bitrate: number }[] = []
  packetsSent = 0
  packetsArrived = 0

  sent(_now: number, _size: number): void {
    this.packetsSent++
  }

  arrived(at: number, size: number, delay: number): void {
    this.packetsArrived++
    this.#arrivals.push({ at, size, delay })
  }

  estimated(at: number, bitrate: number): void {
    this.#estimates.push({ at, bitrate })
  }

  /** Bits per second that arrived between two times, ms. */
  throughput(from: number, until: number): number {
    let bytes = 0
    for (const { at, size } of this.#arrivals) if (at >= from && at < until) bytes += size
    return (bytes * 8000) / (until - from)
  }

  /** The part of the packets that waited the shortest, `part` of 1, waited for so many ms at most. */
  delay(part: number, from: number, until: number): number {
    const delays = this.#arrivals.filter(({ at }) => at >= from && at < until).map(({ delay }) => delay)
    delays.sort((a, b) => a - b)
    return delays[Math.min(delays.length - 1, Math.floor(part * delays.length))] ?? 0
  }

  /** The mean of the estimate. */
  estimate(from: number, until: number): number {
    const values = this.#estimates.filter(({ at }) => at >= from && at < until)
    return values.reduce((sum, { bitrate }) => sum + bitrate, 0) / values.length
  }

  /** The least and the greatest estimate. */
  range(from: number, until: number): [number, number] {
    const values = this.#estimates.filter(({ at }) => at >= from && at < until).map(({ bitrate }) => bitrate)
    return [Math.min(...values), Math.max(...values)]
  }

  /** When the estimate was first within these, after `from`. */
  reached(from: number, low: number, high: number = Number.POSITIVE_INFINITY): number {
    const found = this.#estimates.find(({ at, bitrate }) => at >= from && bitrate >= low && bitrate <= high)
    return found?.at ?? Number.POSITIVE_INFINITY
  }

  /** When the delay was last above `limit` ms, between two times. */
  lastAbove(limit: number, from: number, until: number): number {
    let last = from
    for (const { at, delay } of this.#arrivals) if (at >= from && at < until && delay > limit) last = at
    return last
  }
}
