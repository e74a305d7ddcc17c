/** Gaps that are kept, at most. A chunk that would open another one is dropped, and comes again. */
export const MAX_GAP_BLOCKS = 1024
/** How far beyond the cumulative TSN a chunk may lie: what a gap block's 16 bits can say. */
export const MAX_TSN_AHEAD = 65_535
/** Duplicates that one SACK reports, at most. */
const MAX_DUPLICATES = 16

/** What came of a TSN. */
export type TsnVerdict = 'new' | 'duplicate' | 'too-far' | 'too-many-gaps'

/** Which TSNs have come: the cumulative one, and ranges beyond it. TSNs are unwrapped. */
export class ReceivedTsns {
  /** The last TSN up to which all have come. */
  cumulative: number
  /** Ranges beyond it, ascending, neither touching nor overlapping; both ends included. */
  readonly starts: number[] = []
  readonly ends: number[] = []
  /** TSNs that came again since the last SACK. */
  readonly duplicates: number[] = []

  constructor(cumulative: number) {
    this.cumulative = cumulative
  }

  get hasGaps(): boolean {
    return this.starts.length > 0
  }

  /** The index of the first range that ends at `tsn` or later. */
  #search(tsn: number): number {
    let low = 0
    let high = this.ends.length
    // most chunks come after all the others
    if (high > 0 && this.ends[high - 1]! < tsn) return high
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.ends[middle]! < tsn) low = middle + 1
      else high = middle
    }
    return low
  }

  /** What `add` would answer; nothing changes. */
  check(tsn: number): TsnVerdict {
    const ahead = tsn - this.cumulative
    if (ahead <= 0) return 'duplicate'
    if (ahead === 1) return 'new'
    if (ahead > MAX_TSN_AHEAD) return 'too-far'
    const at = this.#search(tsn)
    if (at < this.starts.length && this.starts[at]! <= tsn) return 'duplicate'
    const touches = this.starts[at] === tsn + 1 || this.ends[at - 1] === tsn - 1
    return touches || this.starts.length < MAX_GAP_BLOCKS ? 'new' : 'too-many-gaps'
  }

  /** Notes a TSN that `check` calls new. */
  add(tsn: number): void {
    if (tsn === this.cumulative + 1) {
      this.cumulative = tsn
      this.#absorb()
      return
    }
    const at = this.#search(tsn)
    const joinsNext = this.starts[at] === tsn + 1
    const joinsPrevious = at > 0 && this.ends[at - 1] === tsn - 1
    if (joinsNext && joinsPrevious) {
      this.ends[at - 1] = this.ends[at]!
      this.starts.splice(at, 1)
      this.ends.splice(at, 1)
    } else if (joinsNext) {
      this.starts[at] = tsn
    } else if (joinsPrevious) {
      this.ends[at - 1] = tsn
    } else {
      this.starts.splice(at, 0, tsn)
      this.ends.splice(at, 0, tsn)
    }
  }

  noteDuplicate(tsn: number): void {
    if (this.duplicates.length < MAX_DUPLICATES) this.duplicates.push(tsn)
  }

  /** All up to `tsn` count as received (RFC 3758 section 3.6). */
  advance(tsn: number): void {
    if (tsn <= this.cumulative) return
    this.cumulative = tsn
    this.#absorb()
  }

  /** Takes in the ranges that the cumulative TSN has reached. */
  #absorb(): void {
    let count = 0
    while (count < this.starts.length && this.starts[count]! <= this.cumulative + 1) {
      this.cumulative = Math.max(this.cumulative, this.ends[count]!)
      count++
    }
    if (count === 0) return
    this.starts.splice(0, count)
    this.ends.splice(0, count)
  }
}
