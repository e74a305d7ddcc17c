export const NO_BYTES: Uint8Array = new Uint8Array(0)

/** Whether both hold the same bytes. Not constant in time: for what is no secret. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
