import type { DropReason } from './statistics.ts'

/** Records of epoch 1 that came before their keys. At the bound the oldest goes. */
export const EARLY_RECORDS_MAX = 16
/** Bytes of them. */
export const EARLY_BYTES_MAX = 16_384

/**
 * Keeps records that reordering brought too early: a Finished before the flight that it ends, data before the
 * Finished. Nothing of them is authenticated yet.
 */
export class EarlyRecords {
  #records: Uint8Array[] = []
  #bytes = 0

  get length(): number {
    return this.#records.length
  }

  /** Keeps a copy of a record, and counts those that have to go for it. */
  keep(record: Uint8Array, drop: (reason: DropReason) => void): void {
    this.#records.push(record.slice())
    this.#bytes += record.length
    while (this.#records.length > EARLY_RECORDS_MAX || this.#bytes > EARLY_BYTES_MAX) {
      this.#bytes -= this.#records.shift()?.length ?? 0
      drop('early-record-evicted')
    }
  }

  /** All that is kept, in the order that it came; nothing is kept after. */
  take(): Uint8Array[] {
    const records = this.#records
    this.#records = []
    this.#bytes = 0
    return records
  }
}
