import { splitAnnexB } from './annex-b.ts'
import { type Packetizer, type PayloadPieces, payloadOf } from './packetizer.ts'

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
    return this.#mode === 0 ? singleUnits(units, maxLength) : aggregateAndFragment(units, maxLength)
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

function aggregateAndFragment(units: readonly Uint8Array[], maxLength: number): PayloadPieces[] {
  const payloads: PayloadPieces[] = []
  let waiting: Uint8Array[] = []
  let waitingLength = 1
  const flush = (): void => {
    if (waiting.length > 0) payloads.push(waiting.length === 1 ? payloadOf(waiting[0]!) : aggregate(waiting))
    waiting = []
    waitingLength = 1
  }
  for (const unit of units) {
    if (waitingLength + 2 + unit.length > maxLength) flush()
    if (unit.length > maxLength) payloads.push(...fragment(unit, maxLength))
    else {
      waiting.push(unit)
      waitingLength += 2 + unit.length
    }
  }
  flush()
  return payloads
}

/** A STAP-A, RFC 6184 section 5.7.1: F and the highest NRI of its units. */
function aggregate(units: readonly Uint8Array[]): PayloadPieces {
  let forbidden = 0
  let importance = 0
  const pieces: Uint8Array[] = []
  for (const unit of units) {
    forbidden |= unit[0]! & 0x80
    importance = Math.max(importance, unit[0]! & 0x60)
    pieces.push(Uint8Array.of(unit.length >> 8, unit.length & 0xff), unit)
  }
  return payloadOf(Uint8Array.of(forbidden | importance | STAP_A), ...pieces)
}

/** FU-A, RFC 6184 section 5.8: two bytes take the place of the unit's first. */
function fragment(unit: Uint8Array, maxLength: number): PayloadPieces[] {
  const header = unit[0]!
  const body = unit.subarray(1)
  // at least two: a unit in one fragment is not allowed
  const count = Math.max(2, Math.ceil(body.length / (maxLength - FU_HEADER_LENGTH)))
  const payloads: PayloadPieces[] = []
  for (let i = 0, at = 0; i < count; i++) {
    const end = Math.floor(((i + 1) * body.length) / count)
    const edge = i === 0 ? 0x80 : i === count - 1 ? 0x40 : 0
    payloads.push(
      payloadOf(Uint8Array.of((header & 0xe0) | FU_A, edge | (header & 0x1f)), body.subarray(at, end)),
    )
    at = end
  }
  return payloads
}
