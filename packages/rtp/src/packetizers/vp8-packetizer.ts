import { type Packetizer, type PayloadPieces, payloadOf, splitEvenly } from './packetizer.ts'

const DESCRIPTOR_LENGTH = 4

/** VP8, RFC 7741: a descriptor with a picture id of 15 bits before each part of the frame. */
export class Vp8Packetizer implements Packetizer {
  #pictureId: number

  /** The first picture id is drawn by the caller: RFC 7741 section 4.2 wants it to be random. */
  constructor(pictureId: number) {
    this.#pictureId = pictureId & 0x7fff
  }

  packetize(frame: Uint8Array, maxLength: number): PayloadPieces[] | undefined {
    if (frame.length === 0 || maxLength <= DESCRIPTOR_LENGTH) return undefined
    const id = this.#pictureId
    this.#pictureId = (id + 1) & 0x7fff
    return splitEvenly(frame, maxLength - DESCRIPTOR_LENGTH).map((part, i) =>
      // X, and S on the first packet; I; the picture id with its M bit
      payloadOf(Uint8Array.of(i === 0 ? 0x90 : 0x80, 0x80, 0x80 | (id >> 8), id & 0xff), part),
    )
  }
}
