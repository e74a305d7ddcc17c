/**
 * The same bytes as a plain `Uint8Array`, without a copy. Sockets hand out Node's `Buffer`, whose `slice` shares memory where that of a
 * `Uint8Array` copies: a machine calls this on what comes in, once.
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
