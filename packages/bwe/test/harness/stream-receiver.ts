import { serial16 } from '@str0m/sans-io'
import type { StreamFeedback } from '../../src/index.ts'

interface Stream {
  readonly ssrc: number
  readonly arrivals: Map<number, number>
  base: number
  highest: number
}

/** Writes feedback as RFC 8888 has it: of each stream, on all from the first that was not told of, to the newest that came. */
export class StreamReceiver {
  readonly #streams = new Map<number, Stream>()
  readonly #clock: number

  /** `clock`: ms that its clock is ahead. */
  constructor(clock: number) {
    this.#clock = clock
  }

  handle(now: number, ssrc: number, sequenceNumber: number): void {
    let stream = this.#streams.get(ssrc)
    if (stream === undefined) {
      const first = sequenceNumber + 0x1_0000
      stream = { ssrc, arrivals: new Map(), base: first, highest: first }
      this.#streams.set(ssrc, stream)
    }
    const sequence = serial16.unwrap(sequenceNumber, stream.highest)
    if (stream.arrivals.has(sequence)) return
    stream.arrivals.set(sequence, now)
    stream.base = Math.min(stream.base, sequence)
    stream.highest = Math.max(stream.highest, sequence)
  }

  take(now: number): StreamFeedback {
    const streams = []
    for (const stream of this.#streams.values()) {
      const { ssrc, arrivals, base, highest } = stream
      if (base > highest) continue
      const arrivalOffsets: (number | undefined)[] = []
      for (let sequence = base; sequence <= highest; sequence++) {
        const arrival = arrivals.get(sequence)
        arrivalOffsets.push(arrival === undefined ? undefined : Math.round((now - arrival) * 1.024))
      }
      streams.push({ ssrc, beginSequence: base & 0xffff, arrivalOffsets })
      stream.base = highest + 1
      for (const sequence of arrivals.keys()) if (sequence < highest - 1000) arrivals.delete(sequence)
    }
    const reportTimestamp = Math.floor((now + this.#clock) * 65.536) % 0x1_0000_0000
    return { reportTimestamp, streams }
  }
}
