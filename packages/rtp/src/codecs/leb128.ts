/** AV1 specification section 4.10.5: up to eight bytes, of which not all need to be of use, for a value of 32 bits. `undefined` where it is none. */
export function readLeb128(bytes: Uint8Array, at: number): { value: number; bytes: number } | undefined {
  let value = 0
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * i)
    if ((byte & 0x80) === 0) return value > 0xffff_ffff ? undefined : { value, bytes: i + 1 }
  }
  return undefined
}

/** In as few bytes as it takes. */
export function leb128(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest = Math.floor(rest / 128)
  } while (rest > 0)
  return Uint8Array.from(bytes)
}
