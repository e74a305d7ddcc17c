import { UsageError } from '@str0m/sans-io'
import { type PayloadPieces, payloadOf } from '../packetizers/packetizer.ts'

// RFC 2198 section 3: a header of four bytes for each redundant block, one of a byte for the primary, then the blocks in this order.
//
//    1 | payload type (7) | timestamp offset (14) | length (10)        0 | payload type (7)

/** Blocks of one packet, the primary with them: browsers send two or three. */
export const MAX_RED_BLOCKS: number = 32
const HEADER_LENGTH = 4
const MAX_OFFSET = 0x3fff
const MAX_LENGTH = 0x3ff

/** One encoding in a packet of redundant audio. */
export interface RedBlock {
  readonly pt: number
  /** How much earlier it is than the packet's timestamp; 0 for the primary. */
  readonly timestampOffset: number
  readonly payload: Uint8Array
}

/** The blocks of a payload, the oldest first and the primary last, as views; `undefined` where it is malformed. */
export function readRed(payload: Uint8Array): RedBlock[] | undefined {
  const blocks: { pt: number; timestampOffset: number; length: number }[] = []
  let at = 0
  let redundantLength = 0
  for (;;) {
    const first = payload[at]
    if (first === undefined || blocks.length === MAX_RED_BLOCKS) return undefined
    const pt = first & 0x7f
    if ((first & 0x80) === 0) {
      at++
      const length = payload.length - at - redundantLength
      if (length < 0) return undefined
      blocks.push({ pt, timestampOffset: 0, length })
      break
    }
    if (at + HEADER_LENGTH > payload.length) return undefined
    const timestampOffset = (payload[at + 1]! << 6) | (payload[at + 2]! >> 2)
    const length = ((payload[at + 2]! & 0x03) << 8) | payload[at + 3]!
    blocks.push({ pt, timestampOffset, length })
    redundantLength += length
    at += HEADER_LENGTH
  }
  return blocks.map(({ pt, timestampOffset, length }) => {
    const block = { pt, timestampOffset, payload: payload.subarray(at, at + length) }
    at += length
    return block
  })
}

export interface RedPacketizerOptions {
  /** The payload type of what is inside, such as Opus. */
  readonly pt: number
  /** How many payloads before each are repeated with it, 1 to 31. */
  readonly redundancy: number
}

/** Repeats the last payloads with each, RFC 2198: a receiver then misses one only where several packets in a row are lost. */
export class RedPacketizer {
  readonly #pt: number
  readonly #redundancy: number
  /** The oldest first. */
  readonly #sent: { readonly timestamp: number; readonly payload: Uint8Array }[] = []

  /** Throws a `UsageError` (`invalid-option`) where an option is out of its range. */
  constructor(options: RedPacketizerOptions) {
    const { pt, redundancy } = options
    if (!(Number.isInteger(redundancy) && redundancy >= 1 && redundancy < MAX_RED_BLOCKS)) {
      throw new UsageError('invalid-option', `redundancy is 1 to ${MAX_RED_BLOCKS - 1}, not ${redundancy}`)
    }
    if (!(Number.isInteger(pt) && pt >= 0 && pt <= 0x7f)) {
      throw new UsageError('invalid-option', `A payload type is 0 to 127, not ${pt}`)
    }
    this.#pt = pt
    this.#redundancy = redundancy
  }

  /**
   * The payload of the packet for `primary`, a whole frame, at `timestamp` (32 bits). As many of those before it ride along as fit
   * `maxLength`, as are not too far back (2¹⁴ of the clock, a third of a second of Opus) and not too long (1023 bytes); `undefined` where
   * the primary does not fit. One call for each packet, in their order.
   */
  packetize(timestamp: number, primary: Uint8Array, maxLength: number): PayloadPieces | undefined {
    if (primary.length === 0 || primary.length + 1 > maxLength) return undefined
    const headers: Uint8Array[] = []
    const blocks: Uint8Array[] = []
    let room = maxLength - primary.length - 1
    // without a gap from the newest back: a receiver counts the packets by the blocks
    for (let i = this.#sent.length - 1; i >= 0; i--) {
      const { timestamp: before, payload } = this.#sent[i]!
      const offset = (timestamp - before) >>> 0
      const length = HEADER_LENGTH + payload.length
      if (offset > MAX_OFFSET || payload.length > MAX_LENGTH || length > room) break
      room -= length
      headers.unshift(
        Uint8Array.of(
          0x80 | this.#pt,
          offset >> 6,
          ((offset & 0x3f) << 2) | (payload.length >> 8),
          payload.length & 0xff,
        ),
      )
      blocks.unshift(payload)
    }
    this.#sent.push({ timestamp, payload: new Uint8Array(primary) })
    if (this.#sent.length > this.#redundancy) this.#sent.shift()
    return payloadOf(...headers, Uint8Array.of(this.#pt), ...blocks, primary)
  }
}
