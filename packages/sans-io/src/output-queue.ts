/** Places that an empty queue keeps: what comes and goes one by one needs no memory anew. */
const KEPT_PLACES = 32
/** Places of what was taken, before they are given back while the queue is never empty. */
const SPENT_PLACES = 1024

/** A first-in first-out queue with constant-time ends, for the outputs that a machine has not yet been asked for. */
export class OutputQueue<T> {
  /** What is queued lies from `#head` up to `#tail`; places around it are `undefined`. */
  readonly #items: (T | undefined)[] = []
  #head = 0
  #tail = 0

  get length(): number {
    return this.#tail - this.#head
  }

  push(item: T): void {
    this.#items[this.#tail++] = item
  }

  shift(): T | undefined {
    const head = this.#head
    if (head === this.#tail) return undefined
    const item = this.#items[head]
    this.#items[head] = undefined
    this.#head = head + 1
    if (this.#head === this.#tail) {
      this.clear()
    } else if (this.#head >= SPENT_PLACES && this.#head * 2 >= this.#tail) {
      this.#items.splice(0, this.#head)
      this.#tail -= this.#head
      this.#head = 0
    }
    return item
  }

  clear(): void {
    for (let i = this.#head; i < this.#tail; i++) this.#items[i] = undefined
    if (this.#items.length > KEPT_PLACES) this.#items.length = 0
    this.#head = 0
    this.#tail = 0
  }
}
