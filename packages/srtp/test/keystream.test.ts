import { nativeCrypto } from '@str0m/crypto'
import { describe, expect, it } from 'vitest'
import { CounterBlocks } from '../src/counter-blocks.ts'
import {
  AHEAD_BLOCKS_MAX,
  AHEAD_STREAMS_MAX,
  BUSY_AFTER,
  IDLE_AFTER,
  Keystream,
  KeystreamAhead,
  PACKET_BLOCKS_MAX,
} from '../src/keystream.ts'
import { toHex } from './support.ts'

function make(): Keystream {
  const cipher = nativeCrypto().aesBlocks(new Uint8Array(16))
  return new Keystream(cipher, new CounterBlocks('cm', new Uint8Array(14)))
}

function take(keystream: Keystream, index: number, blocks: number, ahead?: KeystreamAhead): string {
  const bytes = keystream.of(1, index, blocks, ahead)
  return toHex(bytes.subarray(keystream.offset, keystream.offset + 16 * blocks))
}

describe('keystream ahead', () => {
  it('an idle stream has none; a busy one has what it would get anyway', () => {
    const [keystream, plain, ahead] = [make(), make(), new KeystreamAhead()]
    for (let index = 0; index < 500; index++) {
      const blocks = 1 + (index % 9)
      expect(ahead.blocks === undefined).toBe(index <= BUSY_AFTER)
      expect(take(keystream, index, blocks, ahead)).toBe(take(plain, index, blocks))
      keystream.prepare(1, index, blocks, ahead)
    }
  })

  it('exhaust: at most so many blocks a stream, however large its packets are', () => {
    const [keystream, ahead] = [make(), new KeystreamAhead()]
    for (const blocks of [1, 75, 100, AHEAD_BLOCKS_MAX, AHEAD_BLOCKS_MAX + 1, 1, 75]) {
      for (let i = 0; i < 200; i++) {
        keystream.prepare(1, i + 1000 * blocks, blocks, ahead)
        expect(ahead.blocks?.length ?? 0).toBeLessThanOrEqual(16 * AHEAD_BLOCKS_MAX)
      }
    }
  })

  it('exhaust: at most so many streams', () => {
    const keystream = make()
    const streams = Array.from({ length: AHEAD_STREAMS_MAX + 10 }, () => new KeystreamAhead())
    for (let i = 0; i < 3 * BUSY_AFTER; i++) for (const ahead of streams) keystream.prepare(1, i, 75, ahead)
    expect(streams.filter((ahead) => ahead.blocks !== undefined).length).toBe(AHEAD_STREAMS_MAX)
  })

  it('a stream that has ended gives its place to one that is busy', () => {
    const [keystream, plain] = [make(), make()]
    const ended = Array.from({ length: AHEAD_STREAMS_MAX }, () => new KeystreamAhead())
    for (let i = 0; i < 2 * BUSY_AFTER; i++) for (const ahead of ended) keystream.prepare(1, i, 75, ahead)
    const ahead = new KeystreamAhead()
    for (let index = 0; index < IDLE_AFTER; index++) {
      keystream.prepare(1, index, 75, ahead)
      if (index < IDLE_AFTER / 2) expect(ahead.blocks).toBeUndefined()
    }
    for (let index = IDLE_AFTER; index < IDLE_AFTER + 2 * BUSY_AFTER; index++) {
      expect(take(keystream, index, 75, ahead)).toBe(take(plain, index, 75))
      keystream.prepare(1, index, 75, ahead)
    }
    expect(ahead.blocks).toBeDefined()
    expect(ended.filter(({ blocks }) => blocks === undefined).length).toBe(1)
    // and comes back, where there is another that has ended
    const back = ended.find(({ blocks }) => blocks === undefined)!
    for (let index = 100; index < 100 + 2 * BUSY_AFTER; index++) {
      expect(take(keystream, index, 75, back)).toBe(take(plain, index, 75))
      keystream.prepare(1, index, 75, back)
    }
    expect(back.blocks).toBeDefined()
  })

  it('reorder: packets before and behind what is ready', () => {
    const [keystream, plain, ahead] = [make(), make(), new KeystreamAhead()]
    for (let index = 100; index < 140; index++) keystream.prepare(1, index, 4, ahead)
    for (const index of [90, 139, 141, 140, 400, 142]) {
      expect(take(keystream, index, 4, ahead)).toBe(take(plain, index, 4))
      keystream.prepare(1, index, 4, ahead)
    }
  })

  it('a packet has 2^16 blocks at most', () => {
    expect(() => make().of(1, 0, PACKET_BLOCKS_MAX + 1, undefined)).toThrow('longer')
  })
})
