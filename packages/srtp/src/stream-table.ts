/** Streams of a table that are awake, with all of their state: as many as send at once. At the bound those that were used longest ago fall asleep. */
export const AWAKE_STREAMS_MAX = 2048
/** How many fall asleep together, so that looking for them is rare. */
const ASLEEP_AT_ONCE = AWAKE_STREAMS_MAX / 4

/** What a table keeps: the state of one SSRC. `Rest` is what has to stay of it, for as long as there is the key. */
export interface TableStream<Rest> {
  readonly ssrc: number
  /** Whether it is one of the table's, awake. The table's own. */
  isAwake: boolean
  /** When it was used last: the table's count of uses. The table's own. */
  usedAt: number
  /** `undefined`: it cannot do with less than all. */
  rest(): Rest | undefined
}

/**
 * The streams of a context by their SSRC, for good: a packet index that was used under a key must not be used again, nor a packet be taken again,
 * however long its SSRC has been silent. What has to stay of one is a number or two; the others of a session that
 * takes new SSRCs all the time cost no more than that.
 */
export class StreamTable<Rest, Stream extends TableStream<Rest>> {
  readonly #awake = new Map<number, Stream>()
  readonly #asleep = new Map<number, Rest>()
  readonly #restore: (ssrc: number, rest: Rest) => Stream
  #uses = 0

  /** `restore` makes a stream out of what stayed of it. */
  constructor(restore: (ssrc: number, rest: Rest) => Stream) {
    this.#restore = restore
  }

  /** SSRCs in all. */
  get size(): number {
    return this.#awake.size + this.#asleep.size
  }

  /** The stream of `ssrc`. Changes nothing: one that is asleep wakes at its `use`. */
  find(ssrc: number): Stream | undefined {
    const stream = this.#awake.get(ssrc)
    if (stream !== undefined) return stream
    const rest = this.#asleep.get(ssrc)
    return rest === undefined ? undefined : this.#restore(ssrc, rest)
  }

  /** Notes that a packet of the stream was protected, or authenticated. It may be a new one. */
  use(stream: Stream): void {
    stream.usedAt = ++this.#uses
    if (stream.isAwake) return
    stream.isAwake = true
    this.#asleep.delete(stream.ssrc)
    this.#awake.set(stream.ssrc, stream)
    if (this.#awake.size > AWAKE_STREAMS_MAX) this.#putToSleep()
  }

  #putToSleep(): void {
    const oldest = [...this.#awake.values()].toSorted((a, b) => a.usedAt - b.usedAt)
    for (const stream of oldest.slice(0, ASLEEP_AT_ONCE)) {
      const rest = stream.rest()
      if (rest === undefined) continue
      stream.isAwake = false
      this.#awake.delete(stream.ssrc)
      this.#asleep.set(stream.ssrc, rest)
    }
  }
}
