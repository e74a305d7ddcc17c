import { hasDecodingOrderNumbers } from '../codecs/h265.ts'
import { WholeFramePacketizer } from './audio-packetizer.ts'
import { Av1Packetizer } from './av1-packetizer.ts'
import { H264Packetizer } from './h264-packetizer.ts'
import { H265Packetizer } from './h265-packetizer.ts'
import type { Packetizer } from './packetizer.ts'
import { Vp8Packetizer } from './vp8-packetizer.ts'
import { Vp9Packetizer } from './vp9-packetizer.ts'

/**
 * A packetizer for a codec by its encoding name, whatever its case, and its parameters of `a=fmtp`; `undefined` for one that is not known,
 * and for H.265 with decoding order numbers (`sprop-max-don-diff` above 0).
 * `random` is 16 random bits, for the ids that start anywhere. A parameter `flexible-mode` of 0 is ours: VP9 without flexible mode.
 */
export function packetizerFor(
  codec: string,
  parameters: ReadonlyMap<string, string>,
  random: number,
): Packetizer | undefined {
  switch (codec.toLowerCase()) {
    case 'opus':
    case 'pcmu':
    case 'pcma':
    case 'g722':
    case 'cn':
      return new WholeFramePacketizer()
    case 'vp8':
      return new Vp8Packetizer(random)
    case 'vp9':
      return new Vp9Packetizer(random, parameters.get('flexible-mode') !== '0')
    case 'h264':
      return new H264Packetizer(parameters.get('packetization-mode') === '1' ? 1 : 0)
    case 'h265':
      return hasDecodingOrderNumbers(parameters) ? undefined : new H265Packetizer()
    case 'av1':
      return new Av1Packetizer()
    default:
      return undefined
  }
}
