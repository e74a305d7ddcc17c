import {
  type DepacketizedFrame,
  depacketizerFor,
  isKeyframeStart,
  packetizerFor,
  parseVp8Descriptor,
  parseVp9Descriptor,
  vp8KeyframeSize,
} from '@str0m/rtp'
import { concatBytes, SeededRandom } from '@str0m/sans-io'
import { av1, h264, h265, opus, vp8, vp9 } from '../../../../packages/rtp/test/packetizers.ts'
import { check, sameBytes } from '../check.ts'
import { counted, FuzzInput, program } from '../input.ts'

// The payloads of a frame, put together; what came of it is split and put together again.

export const CODECS = ['opus', 'VP8', 'VP9', 'H264', 'H265', 'AV1'] as const
export const PACKETIZERS = [opus, vp8, vp9, h264, h265, av1] as const
const MAX_PAYLOADS = 64
const NO_PARAMETERS: ReadonlyMap<string, string> = new Map()

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const codec = input.pick(CODECS)
  const depacketizer = depacketizerFor(codec)!
  const maxLength = 20 + input.u8()
  const payloads: Uint8Array[] = []
  let length = 0
  while (!input.done && payloads.length < MAX_PAYLOADS) {
    const payload = input.bytes()
    payloads.push(payload)
    length += payload.length
    depacketizer.startsFrame(payload)
    depacketizer.startsKeyframe(payload)
    isKeyframeStart(codec, payload)
    parseVp8Descriptor(payload)
    parseVp9Descriptor(payload)
  }
  if (payloads.length === 0) return
  const frame = depacketizer.assemble(payloads)
  if (frame === undefined) return
  // a start code of four bytes for each unit, which has one byte at least
  check(frame.data.length <= 5 * length + 16, `a frame of ${frame.data.length} bytes, of ${length}`)
  if (codec === 'VP8') vp8KeyframeSize(frame.data)
  // a unit with a start code in it, or zeros at its end, is another one once it is in a byte stream: those two codecs are split, and no more
  const once = splitAndJoin(codec, frame, maxLength)
  if (once === undefined) return
  const twice = splitAndJoin(codec, once, maxLength)
  const isStable =
    codec === 'H264' || codec === 'H265' || (twice !== undefined && sameBytes(twice.data, once.data))
  check(isStable, `what is split is put together: ${codec}`)
}

function splitAndJoin(
  codec: (typeof CODECS)[number],
  frame: DepacketizedFrame,
  maxLength: number,
): DepacketizedFrame | undefined {
  const split = packetizerFor(codec, NO_PARAMETERS, 1)!.packetize(frame.data, maxLength, frame.keyframe)
  if (split === undefined || split.length === 0) return undefined
  for (const { pieces, length } of split) {
    check(length <= maxLength, 'no payload is longer than asked for')
    check(length === pieces.reduce((sum, piece) => sum + piece.length, 0), 'a payload is as long as it says')
  }
  const joined = depacketizerFor(codec)!.assemble(split.map(({ pieces }) => concatBytes(pieces)))
  // a start code in a payload makes a unit of any type, such as an aggregation's
  check(joined !== undefined || codec === 'H264' || codec === 'H265', `what is split is a frame: ${codec}`)
  return joined
}

export function seeds(): Uint8Array[] {
  return CODECS.flatMap((_, i) =>
    [1, 2, 3].flatMap((seed) =>
      [true, false].map((keyframe) => {
        const { payloads } = PACKETIZERS[i]!(new SeededRandom(seed), keyframe)
        return program(i, seed * 20, ...payloads.map((payload) => counted(payload)))
      }),
    ),
  )
}
