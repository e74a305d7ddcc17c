/** The unbounded counterpart, closest to `reference`, of a number of `bits` bits. */
export function unwrapBits(value: number, reference: number, bits: number): number {
  const shift = 32 - bits
  return reference + (((value - reference) << shift) >> shift)
}
