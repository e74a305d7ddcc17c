/** What the first bits of a VP9 frame say that it is. */
export type Vp9FrameType = 'key' | 'inter' | 'shown-again'

/**
 * From the uncompressed header, VP9 bitstream specification section 6.2, of the frame that starts at `at`: `shown-again` is a frame that only shows an
 * earlier one (show_existing_frame). `undefined` where the bytes are no frame.
 */
export function readVp9FrameType(bytes: Uint8Array, at: number): Vp9FrameType | undefined {
  const first = bytes[at]
  if (first === undefined || first >> 6 !== 2) return undefined
  const profile = ((first >> 5) & 1) | ((first >> 3) & 2)
  // a reserved bit follows profile 3
  const next = profile === 3 ? 2 : 3
  if (((first >> next) & 1) === 1) return 'shown-again'
  return ((first >> (next - 1)) & 1) === 0 ? 'key' : 'inter'
}
