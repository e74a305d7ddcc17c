/** The payload of one packet, as the pieces that stand one after the other in it. They are views of the frame where they can be. */
export interface PayloadPieces {
  readonly pieces: readonly Uint8Array[]
  /** Bytes in all. */
  readonly length: number
}

/** Splits frames of one codec into payloads. May count what it has sent: one for each stream. */
export interface Packetizer {
  /**
   * The payloads of a frame, none longer than `maxLength` bytes. `keyframe` is the encoder's word; a packetizer that can see it in the
   * frame looks for itself. `undefined` where the frame is malformed or does not fit.
   */
  packetize(frame: Uint8Array, maxLength: number, keyframe: boolean): PayloadPieces[] | undefined
}

/** A payload of the given pieces. */
export function payloadOf(...pieces: readonly Uint8Array[]): PayloadPieces {
  let length = 0
  for (const piece of pieces) length += piece.length
  return { pieces, length }
}

/** Splits `data` into parts of nearly equal length, none longer than `maxLength`: the last packet of a frame is no shorter than the others. */
export function splitEvenly(data: Uint8Array, maxLength: number): Uint8Array[] {
  const count = Math.ceil(data.length / maxLength)
  const parts: Uint8Array[] = []
  for (let i = 0, at = 0; i < count; i++) {
    const end = Math.floor(((i + 1) * data.length) / count)
    parts.push(data.subarray(at, end))
    at = end
  }
  return parts
}
