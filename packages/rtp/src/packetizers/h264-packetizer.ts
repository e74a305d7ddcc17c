import { splitAnnexB } from './annex-b.ts'
import { edgeOf, type NalPacking, packUnits } from './nal-packing.ts'
import { type Packetizer, type PayloadPieces, payloadOf, splitEvenly } from './packetizer.ts'

/** Types of NAL units and of packets, RFC 6184 section 5.2. */
const FIRST_NAL = 1
const LAST_NAL = 23
const STAP_A = 24
const FU_A = 28
const FU_HEADER_LENGTH = 2

/** H.264, RFC 6184: packetization mode 1 (aggregates small NAL units, fragments large ones), or 0 (a NAL unit is a packet). */
export class H264Packetizer implements Packetizer {
  readonly #mode: 0 | 1

  constructor(mode: 0 | 1) {
    this.#mode = mode
  }

  /** Takes an access unit in the byte-stream format (ITU-T H.264 annex B). */
  packetize(frame: Uint8Array, maxLength: number): PayloadPieces[] | undefined {
    const units = splitAnnexB(frame)
    if (units.length === 0 || maxLength <= FU_HEADER_LENGTH || !units.every(isNal)) return undefined
    return this.#mode === 0 ? singleUnits(units, maxLength) : packUnits(PACKING, units, maxLength)
  }
}

/** A type that is one of packets, or reserved, would be read as another thing than it is. */
function isNal(unit: Uint8Array): boolean {
  const type = unit[0]! & 0x1f
  return type >= FIRST_NAL && type <= LAST_NAL
}

function singleUnits(units: readonly Uint8Array[], maxLength: number): PayloadPieces[] | undefined {
  return units.some((unit) => unit.length > maxLength) ? undefined : units.map((unit) => payloadOf(unit))
}

const PACKING: NalPacking = {
  headerLength: 1,
  /** Of a STAP-A, RFC 6184 section 5.7.1: F and the highest NRI of its units. */
  aggregationHeader(units) {
    let forbidden = 0
    let importance = 0
    for (const unit of units) {
      forbidden |= unit[0]! & 0x80
      importance = Math.max(importance, unit[0]! & 0x60)
    }
    return Uint8Array.of(forbidden | importance | STAP_A)
  },
  /** FU-A, RFC 6184 section 5.8: two bytes take the place of the unit's first. */
  fragment(unit, maxLength) {
    const header = unit[0]!
    const parts = splitEvenly(unit.subarray(1), maxLength - FU_HEADER_LENGTH)
    return parts.map((part, i) =>
      payloadOf(Uint8Array.of((header & 0xe0) | FU_A, edgeOf(i, parts.length) | (header & 0x1f)), part),
    )
  },
}
