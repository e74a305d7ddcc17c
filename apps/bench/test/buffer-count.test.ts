import { createCipheriv } from 'node:crypto'
import { datagramBytes } from '@str0m/sans-io'
import { expect, it } from 'vitest'
import { countBuffers } from '../src/buffer-count.ts'

it('counts buffers and what ciphers answer, and no views', () => {
  const originals = [Uint8Array, ArrayBuffer]
  const count = countBuffers(() => {
    const bytes = new Uint8Array(32)
    const copy = new Uint8Array(bytes)
    const view = new Uint8Array(copy.buffer, 4, 8)
    const slab = new ArrayBuffer(64)
    expect(slab).toBeInstanceOf(ArrayBuffer)
    expect(new Uint8Array(slab, 8).buffer).toBe(slab)
    expect(view.subarray(1)).toBeInstanceOf(Uint8Array)
    createCipheriv('aes-128-ecb', bytes.subarray(0, 16), null).update(bytes)
  })
  expect(count).toEqual({ plain: 3, cipher: 1 })
  expect([Uint8Array, ArrayBuffer]).toEqual(originals)
})

it('counts what datagrams are cut from', () => {
  const { plain } = countBuffers(() => {
    for (let i = 0; i < 130; i++) datagramBytes(1200)
  })
  // 13 of them each
  expect(plain).toBeGreaterThanOrEqual(9)
  expect(plain).toBeLessThanOrEqual(10)
})
