import { wholePayloadDepacketizer } from './audio.ts'
import { av1Depacketizer } from './av1.ts'
import type { Depacketizer } from './depacketizer.ts'
import { h264Depacketizer } from './h264.ts'
import { h265Depacketizer, hasDecodingOrderNumbers } from './h265.ts'
import { vp8Depacketizer } from './vp8.ts'
import { vp9Depacketizer } from './vp9.ts'

const DEPACKETIZERS: ReadonlyMap<string, Depacketizer> = new Map([
  ['opus', wholePayloadDepacketizer],
  ['pcmu', wholePayloadDepacketizer],
  ['pcma', wholePayloadDepacketizer],
  ['g722', wholePayloadDepacketizer],
  ['cn', wholePayloadDepacketizer],
  ['telephone-event', wholePayloadDepacketizer],
  ['vp8', vp8Depacketizer],
  ['vp9', vp9Depacketizer],
  ['h264', h264Depacketizer],
  ['h265', h265Depacketizer],
  ['av1', av1Depacketizer],
])

/**
 * The depacketizer of a codec by its encoding name, whatever its case, and its parameters of `a=fmtp`; `undefined` for one that is not known, and
 * for H.265 with decoding order numbers (`sprop-max-don-diff` above 0).
 */
export function depacketizerFor(
  codec: string,
  parameters?: ReadonlyMap<string, string>,
): Depacketizer | undefined {
  const depacketizer = DEPACKETIZERS.get(codec) ?? DEPACKETIZERS.get(codec.toLowerCase())
  return depacketizer === h265Depacketizer && hasDecodingOrderNumbers(parameters) ? undefined : depacketizer
}
