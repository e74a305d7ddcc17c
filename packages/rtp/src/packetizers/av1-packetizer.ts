import { leb128, readLeb128 } from '../codecs/leb128.ts'
import { type Packetizer, type PayloadPieces, payloadOf } from './packetizer.ts'

/** OBU types, AV1 specification section 6.2.2. */
const SEQUENCE_HEADER = 1
const TEMPORAL_DELIMITER = 2
const TILE_LIST = 8
const PADDING = 15
const HAS_EXTENSION = 0x04
const HAS_SIZE = 0x02
/** The aggregation header: Z, Y, W, N. */
const CONTINUES = 0x80
const CONTINUED = 0x40
const COUNT_SHIFT = 4
const NEW_SEQUENCE = 0x08
/** So many elements of a packet are counted by W, and the last of them has no length before it. */
const COUNTED_ELEMENTS_MAX = 3
/** An element's length before it, for payloads below 16384 bytes. */
const MAX_LENGTH_BYTES = 2

/** AV1, by its RTP payload specification: OBUs without their size, packed and fragmented across packets. */
export class Av1Packetizer implements Packetizer {
  /** Takes a temporal unit in the low-overhead format (AV1 specification section 5.2). */
  packetize(frame: Uint8Array, maxLength: number): PayloadPieces[] | undefined {
    const units = splitObus(frame)
    const room = Math.min(maxLength, 0x3fff)
    if (units === undefined || units.length === 0 || room < 8) return undefined
    const newSequence = units.some((unit) => obuType(unit) === SEQUENCE_HEADER)
    const payloads: PayloadPieces[] = []
    let pieces: Uint8Array[] = []
    let length = 1
    let continues = false
    const flush = (continued: boolean): void => {
      const first = payloads.length === 0 && newSequence ? NEW_SEQUENCE : 0
      const header = (continues ? CONTINUES : 0) | (continued ? CONTINUED : 0) | first
      const elements = pieces.length / 2
      const isCounted = elements <= COUNTED_ELEMENTS_MAX
      // not all take a W of 0
      if (isCounted) pieces.splice(-2, 1)
      payloads.push(
        payloadOf(Uint8Array.of(isCounted ? header | (elements << COUNT_SHIFT) : header), ...pieces),
      )
      pieces = []
      length = 1
      continues = continued
    }
    for (const unit of units) {
      let at = 0
      while (at < unit.length) {
        // a piece of one byte is not worth its header
        if (room - length <= MAX_LENGTH_BYTES + 1) flush(at > 0)
        const end = Math.min(unit.length, at + room - length - MAX_LENGTH_BYTES)
        const part = unit.subarray(at, end)
        const size = leb128(part.length)
        pieces.push(size, part)
        length += size.length + part.length
        at = end
        if (at < unit.length) flush(true)
      }
    }
    flush(false)
    return payloads
  }
}

/** The OBUs that are sent, each without its size field; `undefined` where the bytes are no temporal unit. */
function splitObus(bytes: Uint8Array): Uint8Array[] | undefined {
  const units: Uint8Array[] = []
  let at = 0
  while (at < bytes.length) {
    const header = bytes[at]!
    if ((header & 0x80) !== 0) return undefined
    const headerLength = (header & HAS_EXTENSION) === 0 ? 1 : 2
    let bodyAt = at + headerLength
    let length = bytes.length - bodyAt
    if ((header & HAS_SIZE) !== 0) {
      const size = readLeb128(bytes, bodyAt)
      if (size === undefined) return undefined
      bodyAt += size.bytes
      length = size.value
    }
    if (length < 0 || bodyAt + length > bytes.length) return undefined
    const type = (header >> 3) & 0x0f
    if (type !== TEMPORAL_DELIMITER && type !== TILE_LIST && type !== PADDING) {
      const unit = new Uint8Array(headerLength + length)
      unit.set(bytes.subarray(at, at + headerLength))
      unit[0] = header & ~HAS_SIZE
      unit.set(bytes.subarray(bodyAt, bodyAt + length), headerLength)
      units.push(unit)
    }
    at = bodyAt + length
  }
  return units
}

function obuType(unit: Uint8Array): number {
  return (unit[0]! >> 3) & 0x0f
}
