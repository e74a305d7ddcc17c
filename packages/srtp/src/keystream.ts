import { type AesBlocks, COUNTER_BLOCKS_MAX, counterArea } from '@str0m/crypto'
import { assert } from '@str0m/sans-io'
import type { CounterBlocks } from './counter-blocks.ts'

/** RFC 3711 section 4.1.1: a packet has at most 2^16 blocks of keystream. */
export const PACKET_BLOCKS_MAX = 65_536
/** A stream is busy, and gets keystream made ahead, from its so-many-th packet on. */
export const BUSY_AFTER = 8
/** Packets for which a stream that has just become busy gets keystream ahead; twice as many each time after. */
const FIRST_BATCH = 4
/** Keystream of one stream: 38 KiB, 32 packets of 1200 bytes. */
export const AHEAD_BLOCKS_MAX: number = COUNTER_BLOCKS_MAX
/** However small a stream's packets are. */
const AHEAD_PACKETS_MAX = 64
/** Streams of one context with keystream ahead, the first to be busy: 2.4 MiB in all. */
export const AHEAD_STREAMS_MAX = 64
/** Packets of all streams after which one that had none among them gives its place to another: it has ended, or pauses. */
export const IDLE_AFTER = 16_384

/** Keystream made ahead for the next packets of one stream. Empty until the stream is busy. */
export class KeystreamAhead {
  /** Packets so far, counted up to `BUSY_AFTER`. */
  packets = 0
  /** Whether it is one of the streams that get keystream ahead. */
  admitted = false
  /** When it had its last packet, in packets of all streams. */
  usedAt = 0
  /** The most blocks that a packet took since the last batch. */
  blocksWanted = 1
  blocks: Uint8Array | undefined = undefined
  /** The packet index that `blocks` starts with. */
  firstIndex = 0
  packetCount = 0
  blocksPerPacket = 0

  /** Gives its place to another stream. */
  release(): void {
    this.packets = 0
    this.admitted = false
    this.blocksWanted = 1
    this.blocks = undefined
    this.packetCount = 0
  }
}

/**
 * The keystream of packets under one key: of a packet by itself, or of several future packets of a
 * busy stream in one call of the cipher, which costs a third.
 */
export class Keystream {
  /** Where in the answer of `of` the packet's keystream starts. */
  offset = 0
  readonly #cipher: AesBlocks
  readonly #counters: CounterBlocks
  /** Streams that get keystream ahead. */
  readonly #admitted: KeystreamAhead[] = []
  /** Packets of all streams. */
  #packets = 0

  constructor(cipher: AesBlocks, counters: CounterBlocks) {
    this.#cipher = cipher
    this.#counters = counters
  }

  /** At least `blocks` blocks for the packet `index`, from `offset` on; valid until the next call. */
  of(ssrc: number, index: number, blocks: number, ahead: KeystreamAhead | undefined): Uint8Array {
    assert(blocks <= PACKET_BLOCKS_MAX, 'a packet longer than its keystream')
    if (ahead !== undefined) {
      const position = index - ahead.firstIndex
      if (position >= 0 && position < ahead.packetCount && blocks <= ahead.blocksPerPacket) {
        this.offset = position * ahead.blocksPerPacket * 16
        return ahead.blocks!
      }
    }
    this.offset = 0
    const area = counterArea(blocks)
    this.#counters.write(area, 0, ssrc, index, blocks)
    return this.#cipher.encrypt(area.blocks(blocks))
  }

  /**
   * After the packet `index`, which took `blocks` and is authenticated or our own: makes keystream for those
   * that follow, unless there still is some or the stream is not busy.
   */
  prepare(ssrc: number, index: number, blocks: number, ahead: KeystreamAhead): void {
    if (blocks > ahead.blocksWanted) ahead.blocksWanted = blocks
    ahead.usedAt = ++this.#packets
    if (ahead.packets < BUSY_AFTER) {
      ahead.packets++
      return
    }
    if (!ahead.admitted && !this.#admit(ahead)) {
      // it asks again after as many packets
      ahead.packets = 0
      return
    }
    const position = index + 1 - ahead.firstIndex
    if (position < ahead.packetCount) return
    const each = ahead.blocksWanted
    const most = Math.min(AHEAD_PACKETS_MAX, Math.floor(AHEAD_BLOCKS_MAX / each))
    const count = Math.min(most, ahead.packetCount === 0 ? FIRST_BATCH : 2 * ahead.packetCount)
    ahead.blocksWanted = 1
    ahead.firstIndex = index + 1
    ahead.packetCount = count
    ahead.blocksPerPacket = each
    if (count === 0) {
      ahead.blocks = undefined
      return
    }
    const area = counterArea(count * each)
    for (let i = 0; i < count; i++) this.#counters.write(area, i * each, ssrc, index + 1 + i, each)
    ahead.blocks = this.#cipher.encrypt(area.blocks(count * each))
  }

  #admit(ahead: KeystreamAhead): boolean {
    const admitted = this.#admitted
    let place = admitted.length
    if (place === AHEAD_STREAMS_MAX) {
      place = admitted.findIndex(({ usedAt }) => this.#packets - usedAt > IDLE_AFTER)
      if (place < 0) return false
      admitted[place]!.release()
    }
    admitted[place] = ahead
    ahead.admitted = true
    return true
  }
}
