/** A picture id where a descriptor has it, counted from its start; at 0: it has none. */
export interface PictureIdField {
  readonly pictureIdAt: number
  readonly pictureIdBits: 7 | 15
  readonly pictureId: number
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
