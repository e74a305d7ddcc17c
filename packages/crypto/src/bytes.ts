/**
 * A plain view of the bytes from `start` up to `end`, which the caller knows to be there. For a Node Buffer, `subarray` makes another Buffer, at several
 * times the cost.
 */
export function viewOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start)
}

/** Node's Buffer as what it extends: `slice` of a Buffer would share its memory. */
export function plain(bytes: Uint8Array): Uint8Array {
  return viewOf(bytes, 0, bytes.length)
}

/** The bytes that a string holds as one character each, as Node writes them in `latin1`. */
export function bytesOfLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}
