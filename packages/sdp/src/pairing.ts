import { onceForBoth } from '@str0m/sans-io'
import { configurationOf, isPayloadType, retransmittedPt } from './codec.ts'
import { type ExtensionMap, intersectDirections, type PayloadFormat, reverseDirection } from './model.ts'

/** The formats of an offer that its answer takes. */
export interface PairedPayloads {
  /** Ours, in the answer's order: what the peer sends. */
  readonly payloads: readonly PayloadFormat[]
  /** What is to be sent to the peer instead of our payload type, where its answer has another (RFC 3264 section 5.1). */
  readonly sendPts: ReadonlyMap<number, number>
}

/**
 * Finds the formats that were `offered` in those of the answer: by the payload type, where it has that name and clock rate, or, where the answer uses its own, by what they are. The same lists are paired
 * once; what comes of it is not to be changed.
 */
export const pairPayloads: (
  offered: readonly PayloadFormat[],
  answered: readonly PayloadFormat[],
) => PairedPayloads = onceForBoth(pair)

function pair(offered: readonly PayloadFormat[], answered: readonly PayloadFormat[]): PairedPayloads {
  const payloads: PayloadFormat[] = []
  const sendPts = new Map<number, number>()
  const taken = new Set<PayloadFormat>()
  const paired = new Map<number, number>()
  const take = (ours: PayloadFormat, theirs: PayloadFormat): void => {
    taken.add(ours)
    // RFC 4585 section 4.2: feedback is what both list
    payloads.push({ ...ours, feedback: ours.feedback.filter((type) => theirs.feedback.includes(type)) })
    paired.set(theirs.pt, ours.pt)
    if (ours.pt !== theirs.pt) sendPts.set(ours.pt, theirs.pt)
  }
  for (const theirs of answered) {
    if (retransmittedPt(theirs) !== undefined || !isPayloadType(theirs.pt)) continue
    const same = offered.find(
      ({ pt, name, clockRate }) =>
        pt === theirs.pt &&
        clockRate === theirs.clockRate &&
        name.toLowerCase() === theirs.name.toLowerCase(),
    )
    const ours = same ?? findSame(offered, theirs, taken)
    if (ours !== undefined && !taken.has(ours)) take(ours, theirs)
  }
  for (const theirs of answered) {
    const original = paired.get(retransmittedPt(theirs) ?? -1)
    if (original === undefined || !isPayloadType(theirs.pt)) continue
    const ours = offered.find((format) => retransmittedPt(format) === original)
    if (ours !== undefined && !taken.has(ours)) take(ours, theirs)
  }
  return Object.freeze({ payloads: Object.freeze(payloads), sendPts })
}

function findSame(
  offered: readonly PayloadFormat[],
  theirs: PayloadFormat,
  taken: ReadonlySet<PayloadFormat>,
): PayloadFormat | undefined {
  const configuration = configurationOf(theirs)
  if (configuration === undefined) return undefined
  return offered.find((format) => !taken.has(format) && configurationOf(format) === configuration)
}

/**
 * The header extensions that were `offered` and are in the answer, by the same id (RFC 8285 section 7), with the direction in which both allow them, seen from the offerer. The same
 * lists are paired once; what comes of it is not to be changed.
 */
export const pairExtensions: (
  offered: readonly ExtensionMap[],
  answered: readonly ExtensionMap[],
) => readonly ExtensionMap[] = onceForBoth((offered, answered) => {
  const common: ExtensionMap[] = []
  for (const extension of offered) {
    const theirs = answered.find(({ id, uri }) => id === extension.id && uri === extension.uri)
    if (theirs === undefined) continue
    const direction = intersectDirections(
      extension.direction ?? 'sendrecv',
      reverseDirection(theirs.direction ?? 'sendrecv'),
    )
    common.push(direction === 'sendrecv' ? extension : { ...extension, direction })
  }
  return Object.freeze(common)
})
