/** The picture id of VP8 and VP9: 7 or 15 bits after one that says which (M, RFC 7741 section 4.2 and RFC 9628 section 4.2). */
export class PictureIdField {
  /** Where it is, from the descriptor's start; 0: there is none. */
  pictureIdAt = 0
  pictureIdBits: 7 | 15 = 7
  pictureId = 0

  /** Reads it at `at` of what ends at `end`. Answers where what follows is; -1: it is cut short. */
  protected readPictureId(bytes: Uint8Array, start: number, at: number, end: number): number {
    if (at >= end) return -1
    const id = bytes[at]!
    this.pictureIdAt = at - start
    this.pictureId = id
    this.pictureIdBits = (id & 0x80) === 0 ? 7 : 15
    if (this.pictureIdBits === 7) return at + 1
    if (at + 1 >= end) return -1
    this.pictureId = ((id & 0x7f) << 8) | bytes[at + 1]!
    return at + 2
  }
}

/** Writes a picture id at the length that it has in the descriptor at `start`. */
export function writePictureId(
  out: Uint8Array,
  start: number,
  { pictureIdAt, pictureIdBits }: PictureIdField,
  id: number,
): void {
  const at = start + pictureIdAt
  if (pictureIdBits === 7) out[at] = id & 0x7f
  else {
    out[at] = 0x80 | ((id >> 8) & 0x7f)
    out[at + 1] = id
  }
}
