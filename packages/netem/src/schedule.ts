import type { Instant } from '@str0m/sans-io'

interface Entry<T> {
  readonly at: Instant
  readonly order: number
  readonly item: T
}

/** A binary heap of items by time; items of the same instant come out in the order they went in. */
export class Schedule<T> {
  readonly #heap: Entry<T>[] = []
  #order = 0

  /** When the first item is due. */
  get nextAt(): Instant {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  push(at: Instant, item: T): void {
    const heap = this.#heap
    const entry: Entry<T> = { at, order: this.#order++, item }
    let index = heap.length
    heap.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(entry, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = entry
  }

  /** The first item, if it is due at `now`. */
  pop(now: Instant): T | undefined {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined || first.at > now) return undefined
    const last = heap.pop()!
    if (heap.length > 0) this.#sink(last)
    return first.item
  }

  #sink(entry: Entry<T>): void {
    const heap = this.#heap
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, entry)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = entry
  }
}

function before<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
