import type { PictureIdField } from '../codecs/picture-id.ts'
import type { PacketPlace } from './descriptor-rewriter.ts'
import { SourceWindow } from './source-window.ts'

/** How many pictures back a late packet still finds its own: half of what seven bits can tell apart. A power of two. */
const PICTURE_WINDOW = 64

/** The pictures of a source, by their ids: VP8's and VP9's. */
export class PictureWindow extends SourceWindow {
  #isNumbered = false

  constructor() {
    super(PICTURE_WINDOW)
  }

  /** Whether the source has picture ids. */
  get isNumbered(): boolean {
    return this.#isNumbered
  }

  /** A source starts, with a packet of this picture. */
  start({ pictureIdAt, pictureId }: PictureIdField): void {
    this.#isNumbered = pictureIdAt > 0
    if (this.#isNumbered) this.join(pictureId)
  }

  /** The unwrapped number of the picture of a packet that lies there. */
  numberOf({ pictureId, pictureIdBits }: PictureIdField, place: PacketPlace): number {
    return this.unwrap(pictureId, pictureIdBits, place)
  }

  /** Whether the source has started its ids over with this packet. */
  isRestarted({ pictureIdAt, pictureId, pictureIdBits }: PictureIdField, place: PacketPlace): boolean {
    return this.#isNumbered && pictureIdAt > 0 && this.startsOver(pictureId, pictureIdBits, place)
  }
}
