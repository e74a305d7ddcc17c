import { readVp9FrameType } from '../codecs/vp9-frame-type.ts'
import { type Packetizer, type PayloadPieces, payloadOf, splitEvenly } from './packetizer.ts'

/** The flags of the descriptor's first byte, RFC 9628 section 4.2. */
const FLAG = {
  pictureId: 0x80,
  inter: 0x40,
  layers: 0x20,
  flexible: 0x10,
  start: 0x08,
  end: 0x04,
  structure: 0x02,
}
/** One spatial layer, no sizes, a picture group of one picture that refers to the one before it. */
const STRUCTURE = Uint8Array.of(0x08, 0x01, 0x04, 0x01)
const MAX_DESCRIPTOR = 9

/**
 * VP9, RFC 9628, of one spatial layer. In flexible mode each picture says that it refers to the one before it, else the structure of the
 * keyframes does.
 */
export class Vp9Packetizer implements Packetizer {
  readonly #flexible: boolean
  #pictureId: number
  #tl0PictureIndex = 0

  /** The first picture id is drawn by the caller. */
  constructor(pictureId: number, flexible = true) {
    this.#pictureId = pictureId & 0x7fff
    this.#flexible = flexible
  }

  packetize(frame: Uint8Array, maxLength: number): PayloadPieces[] | undefined {
    const type = readVp9FrameType(frame, 0)
    if (type === undefined || maxLength <= MAX_DESCRIPTOR) return undefined
    const keyframe = type === 'key'
    const id = this.#pictureId
    this.#pictureId = (id + 1) & 0x7fff
    this.#tl0PictureIndex = (this.#tl0PictureIndex + 1) & 0xff
    const parts = splitEvenly(frame, maxLength - MAX_DESCRIPTOR)
    return parts.map((part, i) => {
      const start = i === 0
      const structure = start && keyframe && !this.#flexible
      const flags =
        FLAG.pictureId |
        (keyframe ? 0 : FLAG.inter) |
        (this.#flexible ? FLAG.flexible : FLAG.layers) |
        (start ? FLAG.start : 0) |
        (i === parts.length - 1 ? FLAG.end : 0) |
        (structure ? FLAG.structure : 0)
      const head = [flags, 0x80 | (id >> 8), id & 0xff]
      // P_DIFF of 1 and no more; or the only layer, which each picture after a keyframe may be switched up to
      if (this.#flexible) {
        if (!keyframe) head.push(0x02)
      } else {
        head.push(0x00, this.#tl0PictureIndex)
      }
      const descriptor = Uint8Array.from(head)
      return structure ? payloadOf(descriptor, STRUCTURE, part) : payloadOf(descriptor, part)
    })
  }
}
