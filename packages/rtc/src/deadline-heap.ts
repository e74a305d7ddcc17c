import { type Instant, NEVER } from '@str0m/sans-io'

/** What a heap orders. `heapIndex` is the heap's own: -1 while it is not in one. */
export interface Scheduled {
  at: Instant
  heapIndex: number
}

/** A binary heap by deadline, in which an entry's deadline can change: the earliest of many is found at once. */
export class DeadlineHeap<T extends Scheduled> {
  readonly #entries: T[] = []

  /** The earliest deadline; `Infinity` where there is none. */
  get earliest(): Instant {
    return this.#entries[0]?.at ?? NEVER
  }

  /** Adds an entry or changes its deadline. One at `Infinity` is left out. */
  schedule(entry: T, at: Instant): void {
    if (at === NEVER) {
      this.remove(entry)
      entry.at = at
      return
    }
    const before = entry.at
    entry.at = at
    if (entry.heapIndex < 0) {
      entry.heapIndex = this.#entries.length
      this.#entries.push(entry)
      this.#rise(entry)
    } else if (at < before) {
      this.#rise(entry)
    } else {
      this.#sink(entry)
    }
  }

  remove(entry: T): void {
    const index = entry.heapIndex
    if (index < 0) return
    entry.heapIndex = -1
    const last = this.#entries.pop()!
    if (last === entry) return
    this.#entries[index] = last
    last.heapIndex = index
    this.#rise(last)
    this.#sink(last)
  }

  /** Takes out the entry that is due by `now` and earliest. */
  takeDue(now: Instant): T | undefined {
    const first = this.#entries[0]
    if (first === undefined || first.at > now) return undefined
    this.remove(first)
    return first
  }

  #rise(entry: T): void {
    let index = entry.heapIndex
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = this.#entries[above]!
      if (parent.at <= entry.at) break
      this.#put(parent, index)
      index = above
    }
    this.#put(entry, index)
  }

  #sink(entry: T): void {
    let index = entry.heapIndex
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      let least = left
      if (left >= this.#entries.length) break
      if (right < this.#entries.length && this.#entries[right]!.at < this.#entries[left]!.at) least = right
      const child = this.#entries[least]!
      if (child.at >= entry.at) break
      this.#put(child, index)
      index = least
    }
    this.#put(entry, index)
  }

  #put(entry: T, index: number): void {
    this.#entries[index] = entry
    entry.heapIndex = index
  }
}
