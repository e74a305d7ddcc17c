// Counter blocks, which AES makes a keystream of: where they are put together.
import { assert } from '@str0m/sans-io'
import {
  KERNEL_COUNTER_BLOCKS_MAX,
  KERNEL_COUNTERS_AT,
  packetKernel,
  type PacketKernel,
} from './packet-kernel.ts'

/** Blocks that the shared area holds: keystream for 32 packets of 1200 bytes. */
export const COUNTER_BLOCKS_MAX: number = KERNEL_COUNTER_BLOCKS_MAX

/** A place for counter blocks. */
export interface CounterArea {
  /**
   * Writes `count` blocks, from the block `at` on. The words are those of the first one, as numbers of 32 bits, big-endian in the block; the last
   * word counts up from one block to the next, modulo 2^32. Throws where they are not all in the area.
   */
  write(at: number, count: number, word0: number, word1: number, word2: number, word3: number): void
  /** The first `count` blocks, to be read before the next ones are written. */
  blocks(count: number): Uint8Array
}

/** A place for `blocks` counter blocks: one for all up to `COUNTER_BLOCKS_MAX`. They are no secret, and none is kept from one use to the next. */
export function counterArea(blocks: number): CounterArea {
  if (blocks > COUNTER_BLOCKS_MAX) return new PlainArea(blocks)
  shared ??= makeShared()
  return shared
}

let shared: CounterArea | undefined

function makeShared(): CounterArea {
  const kernel = packetKernel()
  return kernel === undefined ? new PlainArea(COUNTER_BLOCKS_MAX) : new KernelArea(kernel)
}

class KernelArea implements CounterArea {
  readonly #kernel: PacketKernel

  constructor(kernel: PacketKernel) {
    this.#kernel = kernel
  }

  write(at: number, count: number, word0: number, word1: number, word2: number, word3: number): void {
    // behind them lie the tables of keys, also of others
    assert(at >= 0 && at + count <= COUNTER_BLOCKS_MAX, 'counter blocks outside of their area')
    this.#kernel.counters(KERNEL_COUNTERS_AT + 16 * at, count, word0, word1, word2, word3)
  }

  blocks(count: number): Uint8Array {
    return new Uint8Array(this.#kernel.bytes.buffer, KERNEL_COUNTERS_AT, 16 * count)
  }
}

/** Without WebAssembly. */
export class PlainArea implements CounterArea {
  readonly #bytes: Uint8Array
  readonly #view: DataView

  constructor(blocks: number) {
    this.#bytes = new Uint8Array(16 * blocks)
    this.#view = new DataView(this.#bytes.buffer)
  }

  write(at: number, count: number, word0: number, word1: number, word2: number, word3: number): void {
    const view = this.#view
    for (let i = 0; i < count; i++) {
      const block = 16 * (at + i)
      view.setUint32(block, word0)
      view.setUint32(block + 4, word1)
      view.setUint32(block + 8, word2)
      view.setUint32(block + 12, word3 + i)
    }
  }

  blocks(count: number): Uint8Array {
    return this.#bytes.subarray(0, 16 * count)
  }
}
