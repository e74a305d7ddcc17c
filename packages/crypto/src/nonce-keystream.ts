import { assert, readU32 } from '@str0m/sans-io'
import { type CounterArea, counterArea } from './counter-blocks.ts'
import { KERNEL_PACKET_MAX } from './packet-kernel.ts'
import type { AesBlocks } from './provider.ts'

/** Packets for which keystream is made ahead at first, where nonces count up; twice as many each time after. */
const FIRST_BATCH = 2
/** Keystream of one key: 19 KiB, 16 packets of 1200 bytes. */
export const AHEAD_BLOCKS_MAX = 1216
/** However small the packets are. */
const AHEAD_PACKETS_MAX = 32
const PACKET_BLOCKS_MAX = KERNEL_PACKET_MAX / 16 + 1
/** The numbers that a nonce's last four bytes can hold. */
const NUMBERS = 0x1_0000_0000

/**
 * The keystream of AES-GCM under one key (NIST SP 800-38D section 7.1): of a packet by itself; or, where the nonces before have counted up by one, of
 * several packets to come in one call of the cipher, which costs a third. A nonce that comes otherwise costs what it costs without.
 */
export class NonceKeystream {
  /** Where in the answer of `of` the packet's keystream starts. */
  offset = 0
  readonly #cipher: AesBlocks
  /** The last number that was used; -2: none, which no number follows. */
  #last = -2
  /** The most blocks that a packet took since the last batch. */
  #wanted = 1
  #ahead: Uint8Array | undefined
  /** The nonce that `#ahead` starts with: what is before its last four bytes, and their number. */
  #high0 = 0
  #high1 = 0
  #first = 0
  #count = 0
  #blocksPerPacket = 0

  constructor(cipher: AesBlocks) {
    this.#cipher = cipher
  }

  /** At least `blocks` blocks for `nonce`, from `offset` on, the first for the tag. Valid until the next call. */
  of(nonce: Uint8Array, blocks: number): Uint8Array {
    assert(blocks <= PACKET_BLOCKS_MAX, 'a packet longer than its keystream')
    const number = readU32(nonce, 8)
    const position = number - this.#first
    if (position >= 0 && position < this.#count && blocks <= this.#blocksPerPacket && this.#isOfRun(nonce)) {
      this.offset = position * this.#blocksPerPacket * 16
      return this.#ahead!
    }
    this.offset = 0
    const area = counterArea(blocks)
    writeCounters(area, 0, nonce, number, blocks)
    return this.#cipher.encrypt(area.blocks(blocks))
  }

  /**
   * After a packet of `blocks` that was sealed, or opened and is authentic: makes keystream for those that follow, unless there still is some, or
   * the nonces do not count up.
   */
  prepare(nonce: Uint8Array, blocks: number): void {
    if (blocks > this.#wanted) this.#wanted = blocks
    const number = readU32(nonce, 8)
    const counts = number === this.#last + 1
    this.#last = number
    if (!counts) return
    const isOfRun = this.#isOfRun(nonce)
    const position = number + 1 - this.#first
    if (isOfRun && position >= 0 && position < this.#count) return
    const each = this.#wanted
    const usedUp = isOfRun && position === this.#count
    const count = Math.min(
      AHEAD_PACKETS_MAX,
      Math.floor(AHEAD_BLOCKS_MAX / each),
      usedUp ? 2 * this.#count : FIRST_BATCH,
      NUMBERS - 1 - number,
    )
    this.#wanted = 1
    this.#high0 = readU32(nonce, 0)
    this.#high1 = readU32(nonce, 4)
    this.#first = number + 1
    this.#blocksPerPacket = each
    this.#count = count
    this.#ahead = undefined
    if (count <= 0) return
    const area = counterArea(count * each)
    for (let i = 0; i < count; i++) writeCounters(area, i * each, nonce, number + 1 + i, each)
    this.#ahead = this.#cipher.encrypt(area.blocks(count * each))
  }

  #isOfRun(nonce: Uint8Array): boolean {
    return readU32(nonce, 4) === this.#high1 && readU32(nonce, 0) === this.#high0
  }
}

/** Writes the counter blocks of the nonce that has `number` in its last four bytes, from the block `at` on. They count from 1. */
function writeCounters(
  area: CounterArea,
  at: number,
  nonce: Uint8Array,
  number: number,
  count: number,
): void {
  area.write(at, count, readU32(nonce, 0), readU32(nonce, 4), number, 1)
}
