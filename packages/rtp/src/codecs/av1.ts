import { concatBytes } from '@str0m/sans-io'
import type { DepacketizedFrame, Depacketizer, FrameLayers } from './depacketizer.ts'
import { leb128, readLeb128 } from './leb128.ts'

// The AV1 RTP payload specification: an aggregation header (section 4.4), then OBU elements (section 4.5), each with its
// length before it but for the last one where W says how many there are.

/** OBU types, AV1 specification section 6.2.2. */
const TEMPORAL_DELIMITER = 2
const TILE_LIST = 8
const HAS_SIZE = 0x02
const HAS_EXTENSION = 0x04

interface Aggregation {
  /** Z: the first element continues an OBU of the packet before. */
  readonly continuesFirst: boolean
  /** Y: the last element goes on in the next packet. */
  readonly lastContinues: boolean
  /** N: the first packet of a coded video sequence. */
  readonly startsSequence: boolean
  readonly elements: readonly Uint8Array[]
}

function parseAggregation(payload: Uint8Array): Aggregation | undefined {
  if (payload.length < 2) return undefined
  const header = payload[0]!
  const count = (header >> 4) & 0x03
  const elements: Uint8Array[] = []
  let at = 1
  while (at < payload.length) {
    let length = payload.length - at
    if (count === 0 || elements.length < count - 1) {
      const size = readLeb128(payload, at)
      if (size === undefined) return undefined
      at += size.bytes
      length = size.value
    }
    if (at + length > payload.length) return undefined
    elements.push(payload.subarray(at, at + length))
    at += length
    if (elements.length === count) break
  }
  if (at !== payload.length || elements.length === 0 || (count > 0 && elements.length !== count))
    return undefined
  const continuesFirst = (header & 0x80) !== 0
  const startsSequence = (header & 0x08) !== 0
  // section 4.4: a packet that starts a coded video sequence starts with a whole OBU
  if (continuesFirst && startsSequence) return undefined
  return { continuesFirst, lastContinues: (header & 0x40) !== 0, startsSequence, elements }
}

/** Gives temporal units in the low-overhead format (AV1 specification section 5.2), without the temporal delimiter that senders leave out. */
class Av1Depacketizer implements Depacketizer {
  readonly onePacketPerFrame = false

  startsFrame(payload: Uint8Array): boolean {
    return this.startsKeyframe(payload)
  }

  startsKeyframe(payload: Uint8Array): boolean {
    return parseAggregation(payload)?.startsSequence === true
  }

  assemble(payloads: readonly Uint8Array[]): DepacketizedFrame | undefined {
    const units: Uint8Array[] = []
    let keyframe = false
    let open: Uint8Array[] | undefined
    let layers: FrameLayers | undefined
    for (let p = 0; p < payloads.length; p++) {
      const aggregation = parseAggregation(payloads[p]!)
      if (aggregation === undefined || aggregation.continuesFirst !== (open !== undefined)) return undefined
      if (p === 0) keyframe = aggregation.startsSequence
      const { elements } = aggregation
      for (let i = 0; i < elements.length; i++) {
        open ??= []
        open.push(elements[i]!)
        if (i === elements.length - 1 && aggregation.lastContinues) break
        const obu = concatBytes(open)
        if (!appendObu(units, obu)) return undefined
        layers = higherLayers(layers, obu)
        open = undefined
      }
    }
    if (open !== undefined || units.length === 0) return undefined
    return { data: concatBytes(units), keyframe, layers }
  }
}

/** The layers of an OBU's extension header (AV1 specification section 5.3.3), where it has one and they are higher. */
function higherLayers(layers: FrameLayers | undefined, obu: Uint8Array): FrameLayers | undefined {
  if ((obu[0]! & HAS_EXTENSION) === 0) return layers
  const extension = obu[1]!
  const spatial = Math.max(layers?.spatial ?? 0, (extension >> 3) & 0x03)
  const temporal = Math.max(layers?.temporal ?? 0, extension >> 5)
  return { spatial, temporal }
}

/** Appends an OBU with its size written; false where it is malformed. */
function appendObu(units: Uint8Array[], obu: Uint8Array): boolean {
  const header = obu[0]
  if (header === undefined || (header & 0x80) !== 0) return false
  const type = (header >> 3) & 0x0f
  const headerLength = (header & HAS_EXTENSION) === 0 ? 1 : 2
  if (obu.length < headerLength) return false
  // section 5: these are not to be sent, and are ignored
  if (type === TEMPORAL_DELIMITER || type === TILE_LIST) return true
  if ((header & HAS_SIZE) !== 0) {
    const size = readLeb128(obu, headerLength)
    if (size === undefined || headerLength + size.bytes + size.value !== obu.length) return false
    units.push(obu)
    return true
  }
  const first = obu.slice(0, headerLength)
  first[0] = header | HAS_SIZE
  const body = obu.subarray(headerLength)
  units.push(first, leb128(body.length), body)
  return true
}

export const av1Depacketizer: Depacketizer = new Av1Depacketizer()
