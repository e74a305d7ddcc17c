// The tables that wasm/packet.wat multiplies with, NIST SP 800-38D section 6.3. Made once a key, in a time that
// does not depend on the key.
import { KERNEL_TABLES_LENGTH } from './packet-kernel.ts'

/** A field element: 128 coefficients, the one of x^0 in the top bit of the first of four words. */
type Element = readonly [number, number, number, number]

const POWERS = 4

/** The tables of H to H^4, where `hashKey` is H: the block cipher of sixteen zeros. */
export function ghashTables(hashKey: Uint8Array): Uint8Array {
  const view = new DataView(hashKey.buffer, hashKey.byteOffset, 16)
  const h: Element = [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)]
  const tables = new Uint8Array(KERNEL_TABLES_LENGTH)
  let power = h
  for (let i = 0; i < POWERS; i++) {
    if (i > 0) power = multiply(power, h)
    let element = power
    for (const at of [512 * i, 512 * i + 256]) {
      // the nibble's top bit is the lowest coefficient
      for (const bit of [8, 4, 2, 1]) {
        addMultiples(tables, at, bit, element)
        element = timesX(element)
      }
    }
  }
  return tables
}

/** Adds `element` to the entries of all nibbles that have `bit`. */
function addMultiples(tables: Uint8Array, at: number, bit: number, element: Element): void {
  for (let nibble = 0; nibble < 16; nibble++) {
    if ((nibble & bit) === 0) continue
    for (let row = 0; row < 16; row++) {
      tables[at + 16 * row + nibble]! ^= element[row >>> 2]! >>> (24 - 8 * (row & 3))
    }
  }
}

function timesX([a, b, c, d]: Element): Element {
  // x^128 = x^7 + x^2 + x + 1, where the top coefficient is set
  const carry = -(d & 1) & 0xe100_0000
  return [(a >>> 1) ^ carry, (b >>> 1) | (a << 31), (c >>> 1) | (b << 31), (d >>> 1) | (c << 31)]
}

function multiply(x: Element, y: Element): Element {
  let product: Element = [0, 0, 0, 0]
  let multiple = y
  for (let i = 0; i < 128; i++) {
    const mask = -((x[i >>> 5]! >>> (31 - (i & 31))) & 1)
    product = [
      product[0] ^ (multiple[0] & mask),
      product[1] ^ (multiple[1] & mask),
      product[2] ^ (multiple[2] & mask),
      product[3] ^ (multiple[3] & mask),
    ]
    multiple = timesX(multiple)
  }
  return product
}
