/** What stands in a `FairQueue`. */
export interface Queued {
  /** Bytes it was served, over its weight: who has the least is next. */
  pass: number
  /** Settles equal ones: the order of arrival. */
  turn: number
  weight: number
}

/**
 * Who is next, in proportion to weights: start-time fair queueing over a binary heap, which serves the one that was served
 * least. With equal weights and lengths it is a round robin. One that comes, or comes back, gets no credit for its absence.
 */
export class FairQueue<T extends Queued> {
  readonly #heap: T[] = []
  #virtual = 0
  #turn = 0

  get length(): number {
    return this.#heap.length
  }

  /** Who is next. */
  get top(): T | undefined {
    return this.#heap[0]
  }

  push(item: T): void {
    item.pass = Math.max(item.pass, this.#virtual)
    item.turn = this.#turn++
    this.#heap.push(item)
    this.#rise(item, this.#heap.length - 1)
  }

  /** Takes the first out. */
  pop(): void {
    const last = this.#heap.pop()
    if (last !== undefined && this.#heap.length > 0) this.#sink(last, 0)
  }

  /** Takes `item` out, wherever it stands. It is looked for. */
  remove(item: T): void {
    const heap = this.#heap
    const at = heap.indexOf(item)
    if (at < 0) return
    const last = heap.pop()!
    if (last === item) return
    this.#sink(last, at)
    if (heap[at] === last) this.#rise(last, at)
  }

  /** `item` was served so many bytes. The first one then takes its place anew. */
  serve(item: T, bytes: number): void {
    this.#virtual = Math.max(this.#virtual, item.pass)
    item.pass += bytes / item.weight
    if (this.#heap[0] !== item) return
    item.turn = this.#turn++
    if (this.#heap.length > 1) this.#sink(item, 0)
  }

  /** `item` goes up from `at` to its place. */
  #rise(item: T, at: number): void {
    const heap = this.#heap
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(item, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = item
  }

  /** `item` goes down from `at` to its place. */
  #sink(item: T, at: number): void {
    const heap = this.#heap
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, item)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = item
  }
}

function isBefore(a: Queued, b: Queued): boolean {
  return a.pass < b.pass || (a.pass === b.pass && a.turn < b.turn)
}
