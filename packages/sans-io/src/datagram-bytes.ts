/** What datagrams are cut from: a buffer of its own for each costs several times as much as all that is written into it. */
const SLAB_LENGTH = 16 * 1024
/** Longer ones get a buffer of their own: a slab is kept for as long as any part of it. */
const PART_MAX = 2048

let slab = new ArrayBuffer(0)
let used = 0

/**
 * Zeros for a datagram to be written into. They are the caller's alone and are not used again, but their `ArrayBuffer` has other datagrams too: who wants to transfer
 * it, to a worker for instance, copies them first (`slice`).
 */
export function datagramBytes(length: number): Uint8Array {
  // nor is one taken off for a length that is no number: the next one would begin nowhere
  if (!(length <= PART_MAX)) return new Uint8Array(length)
  // also where it was transferred away all the same: then it has no bytes left
  if (used + length > slab.byteLength) {
    slab = new ArrayBuffer(SLAB_LENGTH)
    used = 0
  }
  const bytes = new Uint8Array(slab, used, length)
  used += length
  return bytes
}
