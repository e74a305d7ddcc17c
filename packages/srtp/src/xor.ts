/** XORs `keystream`, from `at` on, into `bytes` from `start` up to `end`. */
export function xorKeystream(
  bytes: Uint8Array,
  start: number,
  end: number,
  keystream: Uint8Array,
  at: number,
): void {
  for (let i = start, j = at; i < end; i++, j++) bytes[i]! ^= keystream[j]!
}
