/** One more than the highest packet index: a rollover counter of 32 bits and a sequence number of 16 (RFC 3711 section 3.3.1). */
export const PACKET_INDEX_END: number = 2 ** 48

/**
 * The index of the packet with the sequence number `sequenceNumber`, as RFC 3711 section 3.3.1 and appendix
 * A guess it out of the highest index so far. Negative where the packet would come before the
 * first, and `PACKET_INDEX_END` or more where the rollover counter would wrap: no packet has such an index.
 */
export function guessPacketIndex(highest: number, sequenceNumber: number): number {
  const last = highest & 0xffff
  const index = highest - last + sequenceNumber
  const ahead = sequenceNumber - last
  if (ahead > 32_768) return index - 65_536
  if (ahead < -32_768) return index + 65_536
  // Exactly 32,768 either way stays with the same rollover counter, as appendix A has it.
  return index
}
