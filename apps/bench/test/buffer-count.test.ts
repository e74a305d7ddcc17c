import { createCipheriv } from 'node:crypto'
import { expect, it } from 'vitest'
import { countBuffers } from '../src/buffer-count.ts'

it('counts buffers and what ciphers answer, and no views', () => {
  const original = Uint8Array
  const count = countBuffers(() => {
    const bytes = new Uint8Array(32)
    const copy = new Uint8Array(bytes)
    const view = new Uint8Array(copy.buffer, 4, 8)
    expect(view.subarray(1)).toBeInstanceOf(Uint8Array)
    createCipheriv('aes-128-ecb', bytes.subarray(0, 16), null).update(bytes)
  })
  expect(count).toEqual({ plain: 2, cipher: 1 })
  expect(Uint8Array).toBe(original)
})
