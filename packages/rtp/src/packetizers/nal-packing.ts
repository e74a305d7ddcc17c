import { type PayloadPieces, payloadOf } from './packetizer.ts'

/** The length before each unit of an aggregation packet: that of H.264 (RFC 6184 section 5.7.1) and of H.265 (RFC 7798 section 4.4.2). */
const SIZE_LENGTH = 2

/** How a codec makes one payload of some NAL units, and some of one. */
export interface NalPacking {
  /** Bytes before the units of an aggregation packet. */
  readonly headerLength: number
  /** What stands there. */
  aggregationHeader(units: readonly Uint8Array[]): Uint8Array
  /** The fragments of a unit that is longer than `maxLength`: two at least, for a unit in one is not allowed. */
  fragment(unit: Uint8Array, maxLength: number): PayloadPieces[]
}

/** Payloads of these NAL units, none longer than `maxLength`: small ones together, large ones in fragments. */
export function packUnits(
  packing: NalPacking,
  units: readonly Uint8Array[],
  maxLength: number,
): PayloadPieces[] {
  const { headerLength } = packing
  const payloads: PayloadPieces[] = []
  let waiting: Uint8Array[] = []
  let waitingLength = headerLength
  const flush = (): void => {
    if (waiting.length > 1) payloads.push(aggregate(packing.aggregationHeader(waiting), waiting))
    else if (waiting.length === 1) payloads.push(payloadOf(waiting[0]!))
    waiting = []
    waitingLength = headerLength
  }
  for (const unit of units) {
    if (waitingLength + SIZE_LENGTH + unit.length > maxLength) flush()
    if (unit.length > maxLength) payloads.push(...packing.fragment(unit, maxLength))
    else {
      waiting.push(unit)
      waitingLength += SIZE_LENGTH + unit.length
    }
  }
  flush()
  return payloads
}

function aggregate(header: Uint8Array, units: readonly Uint8Array[]): PayloadPieces {
  const pieces: Uint8Array[] = [header]
  for (const unit of units) pieces.push(Uint8Array.of(unit.length >> 8, unit.length & 0xff), unit)
  return payloadOf(...pieces)
}

/** The bits of a fragment's header that say whether it is the first or the last of `count`: S and E of both codecs. */
export function edgeOf(index: number, count: number): number {
  if (index === 0) return 0x80
  return index === count - 1 ? 0x40 : 0
}
