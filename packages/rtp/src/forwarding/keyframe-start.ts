import { depacketizerFor } from '../codecs/depacketizer-for.ts'

/**
 * Whether the payload of a packet is the first of a keyframe: where a decoder can join, or be switched to another source. `codec` is the
 * encoding name, whatever its case; false for one that is not known, always true for audio.
 *
 * H.264 and H.265 say so with a parameter set, since a decoder needs one to join; AV1 with the N bit of the aggregation header.
 */
export function isKeyframeStart(codec: string, payload: Uint8Array): boolean {
  return depacketizerFor(codec)?.startsKeyframe(payload) === true
}
