import { isHeaderAlone } from '../codecs/h265.ts'
import { splitAnnexB } from './annex-b.ts'
import { edgeOf, type NalPacking, packUnits } from './nal-packing.ts'
import { type Packetizer, type PayloadPieces, payloadOf, splitEvenly } from './packetizer.ts'

/** Packet types, RFC 7798 section 4.4. */
const AGGREGATION = 48
const FRAGMENT = 49
const HEADER_LENGTH = 2
const FU_HEADER_LENGTH = 3

/** H.265, RFC 7798, without decoding order numbers: aggregates small NAL units, fragments large ones. */
export class H265Packetizer implements Packetizer {
  /** Takes an access unit in the byte-stream format (ITU-T H.265 annex B). */
  packetize(frame: Uint8Array, maxLength: number): PayloadPieces[] | undefined {
    const units = splitAnnexB(frame)
    if (units.length === 0 || maxLength <= FU_HEADER_LENGTH) return undefined
    if (!units.every(isNal)) return undefined
    return packUnits(PACKING, units, maxLength)
  }
}

/** Not one of a type that packets have, nor a header without what is to follow it. */
function isNal(unit: Uint8Array): boolean {
  const type = unit[0]! >> 1
  return (
    type < AGGREGATION &&
    (unit.length > HEADER_LENGTH || (unit.length === HEADER_LENGTH && isHeaderAlone(type)))
  )
}

const PACKING: NalPacking = {
  headerLength: HEADER_LENGTH,
  /** RFC 7798 section 4.4.2: the lowest layer id and the lowest temporal id of its units. */
  aggregationHeader(units) {
    let layerId = 0x3f
    let temporalId = 0x07
    for (const unit of units) {
      layerId = Math.min(layerId, ((unit[0]! & 0x01) << 5) | (unit[1]! >> 3))
      temporalId = Math.min(temporalId, unit[1]! & 0x07)
    }
    return Uint8Array.of((AGGREGATION << 1) | (layerId >> 5), ((layerId & 0x1f) << 3) | temporalId)
  },
  /** RFC 7798 section 4.4.3: three bytes take the place of the unit's first two. */
  fragment(unit, maxLength) {
    const first = (unit[0]! & 0x81) | (FRAGMENT << 1)
    const type = (unit[0]! >> 1) & 0x3f
    const parts = splitEvenly(unit.subarray(HEADER_LENGTH), maxLength - FU_HEADER_LENGTH)
    return parts.map((part, i) =>
      payloadOf(Uint8Array.of(first, unit[1]!, edgeOf(i, parts.length) | type), part),
    )
  },
}
