import { ExtensionIds } from '@str0m/rtp'
import { onceFor, onceForBoth, type Pt } from '@str0m/sans-io'
import {
  type ExtensionMap,
  type PairedPayloads,
  type PayloadFormat,
  retransmittedPt,
  sends,
} from '@str0m/sdp'
import { type Codec, codecsOf } from './codec.ts'

/** What the payload types of a section mean, both ways. Peers that agreed on the same share it. */
export interface Formats {
  /** In the order of preference. */
  readonly codecs: readonly Codec[]
  /** The same, by payload type. */
  readonly codecByPt: readonly (Codec | undefined)[]
  /** The payload types of retransmissions that we send, by what they retransmit. */
  readonly rtxOf: ReadonlyMap<Pt, Pt>
  /** What the peer's payload types of retransmissions retransmit. */
  readonly originalOf: ReadonlyMap<Pt, Pt>
  /** Whether lost packets are asked for again. */
  readonly nack: boolean
  /** How the peer is asked for a keyframe; `undefined`: it understands neither way. */
  readonly keyframes: 'pli' | 'fir' | undefined
}

type FormatsOf = (paired: PairedPayloads, remote: readonly PayloadFormat[]) => Formats

/** Of what was agreed on, and what the peer's description lists. */
export const formatsOf: Readonly<Record<'audio' | 'video', FormatsOf>> = {
  audio: onceForBoth((paired, remote) => makeFormats('audio', paired, remote)),
  video: onceForBoth((paired, remote) => makeFormats('video', paired, remote)),
}

function makeFormats(
  kind: 'audio' | 'video',
  { payloads, sendPts }: PairedPayloads,
  remote: readonly PayloadFormat[],
): Formats {
  const codecs = codecsOf(kind, payloads, sendPts)
  const codecByPt: (Codec | undefined)[] = []
  for (const codec of codecs) codecByPt[codec.pt] = codec
  const originalOf = retransmissionsOf(payloads)
  const ours = new Set(originalOf.values())
  const rtxOf = new Map<Pt, Pt>()
  for (const [rtx, original] of retransmissionsOf(remote)) {
    if (codecs.some(({ pt, sendPt }) => sendPt === original && ours.has(pt))) rtxOf.set(original, rtx)
  }
  const hasFeedback = (type: string): boolean => codecs.some(({ feedback }) => feedback.includes(type))
  return {
    codecs,
    codecByPt,
    rtxOf,
    originalOf,
    nack: hasFeedback('nack'),
    // RFC 5104 section 3.5.1 wants losses told by picture loss indications: where there are none, the other way is all there is, as browsers take it
    keyframes: hasFeedback('nack pli') ? 'pli' : hasFeedback('ccm fir') ? 'fir' : undefined,
  }
}

/** The payload types of retransmissions, and what they retransmit. */
function retransmissionsOf(payloads: readonly PayloadFormat[]): Map<Pt, Pt> {
  const originals = new Map<Pt, Pt>()
  for (const format of payloads) {
    const original = retransmittedPt(format)
    if (original !== undefined) originals.set(format.pt, original)
  }
  return originals
}

const NO_OTHER_PTS: ReadonlyMap<Pt, Pt> = new Map()

/** Where both sides use the same payload types. */
export const sameTypes: (payloads: readonly PayloadFormat[]) => PairedPayloads = onceFor((payloads) =>
  Object.freeze({ payloads, sendPts: NO_OTHER_PTS }),
)

/** The same of an answer of ours: what an offer says of the stream that comes is not in it. */
export const answeredTypes: (
  answered: readonly PayloadFormat[],
  offered: readonly PayloadFormat[],
) => PairedPayloads = onceForBoth((answered, offered) => {
  const parametersOf = new Map(offered.map(({ pt, parameters }) => [pt, parameters]))
  const payloads = answered.map((format) => {
    const parameters = parametersOf.get(format.pt)
    return parameters === format.parameters ? format : { ...format, parameters: parameters! }
  })
  return sameTypes(Object.freeze(payloads))
})

/** The ids of a section's header extensions. Not to be changed. */
export const extensionIdsOf: (extensions: readonly ExtensionMap[]) => ExtensionIds = onceFor(
  (extensions) => new ExtensionIds(extensions),
)

/** The same of those that we may send: each has a direction of its own (RFC 8285 section 7). */
export const sendExtensionIdsOf: (extensions: readonly ExtensionMap[]) => ExtensionIds = onceFor(
  (extensions) => new ExtensionIds(extensions.filter(({ direction = 'sendrecv' }) => sends(direction))),
)
