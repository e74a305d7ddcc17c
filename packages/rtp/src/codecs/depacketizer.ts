/** The layers of a frame, where its payload format tells them. */
export interface FrameLayers {
  /** The highest spatial layer in it, from 0. */
  readonly spatial: number
  /** The temporal layer, from 0. */
  readonly temporal: number
}

/** A frame out of the payloads of its packets. */
export interface DepacketizedFrame {
  /** The encoded frame, as a decoder takes it. */
  readonly data: Uint8Array
  /** Whether decoding can start here. Audio frames are all keyframes. */
  readonly keyframe: boolean
  /** `undefined` where the payload does not tell. */
  readonly layers?: FrameLayers | undefined
}

/** How frames of NAL units begin in a stream. */
export interface FrameStart {
  /** The type of the first unit of a frame. */
  readonly type: number
}

/** Puts the payloads of one codec together. Holds no state: a loss can not spoil what comes after it. */
export interface Depacketizer {
  /** Whether each packet is a frame of its own, whatever its marker says. */
  readonly onePacketPerFrame: boolean
  /**
   * Whether this payload is for sure the first of a frame. False where the payload alone does not tell: then a frame's start
   * is known only from the end of the frame before it.
   */
  startsFrame(payload: Uint8Array): boolean
  /**
   * Where `startsFrame` is too easily said of one payload: whether nothing is missing before `payloads`, which are all that came of a frame since a loss or the start of the stream, and the first
   * of which is said to start it. `known` is what `learnStart` made of earlier frames. `afterLoss` is false at the start of a stream.
   */
  startsWhole?(payloads: readonly Uint8Array[], known: FrameStart | undefined, afterLoss: boolean): boolean
  /** What is known of the stream's frames with this one, which is a keyframe or of which `startsFrame` was said. Its end may be missing. */
  learnStart?(payloads: readonly Uint8Array[]): FrameStart
  /** Whether this payload is of what comes before a picture alone, so that no frame ends with it, whatever its marker says. Absent: of none. */
  precedesPicture?(payload: Uint8Array): boolean
  /** Whether this payload is of a keyframe's first packet. */
  startsKeyframe(payload: Uint8Array): boolean
  /** The frame whose payloads, complete and in order, are given; `undefined` where they are malformed. */
  assemble(payloads: readonly Uint8Array[]): DepacketizedFrame | undefined
}
