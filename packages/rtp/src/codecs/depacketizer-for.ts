import { wholePayloadDepacketizer } from './audio.ts'
import { av1Depacketizer } from './av1.ts'
import type { Depacketizer } from './depacketizer.ts'
import { h264Depacketizer } from './h264.ts'
import { vp8Depacketizer } from './vp8.ts'
import { vp9Depacketizer } from './vp9.ts'

const DEPACKETIZERS: ReadonlyMap<string, Depacketizer> = new Map([
  ['opus', wholePayloadDepacketizer],
  ['pcmu', wholePayloadDepacketizer],
  ['pcma', wholePayloadDepacketizer],
  ['vp8', vp8Depacketizer],
  ['vp9', vp9Depacketizer],
  ['h264', h264Depacketizer],
  ['av1', av1Depacketizer],
])

/** The depacketizer of a codec by its encoding name, whatever its case; `undefined` for one that is not known. */
export function depacketizerFor(codec: string): Depacketizer | undefined {
  return DEPACKETIZERS.get(codec.toLowerCase())
}
