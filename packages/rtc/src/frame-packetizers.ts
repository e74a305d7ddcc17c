import type { CryptoProvider } from '@str0m/crypto'
import { type Packetizer, packetizerFor, type PayloadPieces, RedPacketizer } from '@str0m/rtp'
import type { Pt } from '@str0m/sans-io'
import { type Codec, isSameConfiguration } from './codec.ts'

/** How many frames of audio are repeated with each, where it is redundant: what browsers send. */
const REDUNDANCY = 1

interface CodecPacketizer {
  codec: Codec
  readonly packetizer: Packetizer
}

/** What makes payloads of the frames of one stream: for each payload type, from its first frame on. */
export class FramePacketizers {
  readonly #crypto: CryptoProvider
  readonly #byPt = new Map<Pt, CodecPacketizer>()
  readonly #redundant = new Map<Pt, RedPacketizer>()

  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto
  }

  /** Payloads of at most `maxPayload` bytes each; `undefined` where the frame is malformed, or too long for one that cannot be divided. */
  payloads(
    codec: Codec,
    timestamp: number,
    data: Uint8Array,
    maxPayload: number,
    keyframe: boolean,
  ): readonly PayloadPieces[] | undefined {
    const { primary } = codec
    if (primary === undefined) return this.#packetizer(codec)?.packetize(data, maxPayload, keyframe)
    let packetizer = this.#redundant.get(codec.pt)
    if (packetizer === undefined) {
      packetizer = new RedPacketizer({ pt: primary.sendPt, redundancy: REDUNDANCY })
      this.#redundant.set(codec.pt, packetizer)
    }
    const payload = packetizer.packetize(timestamp, data, maxPayload)
    return payload === undefined ? undefined : [payload]
  }

  #packetizer(codec: Codec): Packetizer | undefined {
    const known = this.#byPt.get(codec.pt)
    // a later offer may mean something else by the payload type
    if (known !== undefined && isSameConfiguration(known.codec, codec)) {
      known.codec = codec
      return known.packetizer
    }
    const [high, low] = this.#crypto.randomBytes(2)
    const packetizer = packetizerFor(codec.name, codec.parameters, (high! << 8) | low!)
    if (packetizer !== undefined) this.#byPt.set(codec.pt, { codec, packetizer })
    return packetizer
  }
}
