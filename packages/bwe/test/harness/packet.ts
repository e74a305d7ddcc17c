const BYTES = new Uint8Array(65_536)

/** What is on a link: `contents` is for its length. */
export interface Packet {
  readonly contents: Uint8Array
  deliver(now: number): void
}

/** Headers that a link adds to a packet, bytes. */
export const OVERHEAD = 28

/** A packet that counts `size` bytes for the path, headers included. */
export function packet(size: number, deliver: (now: number) => void): Packet {
  return { contents: BYTES.subarray(0, Math.max(0, size - OVERHEAD)), deliver }
}
