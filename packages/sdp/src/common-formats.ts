import { onceForBoth } from '@str0m/sans-io'
import {
  type CodecCapability,
  configurationOf,
  configurationOfCapability,
  CONGESTION_CONTROL_FEEDBACK,
  isPayloadType,
  retransmittedPt,
} from './codec.ts'
import { type ExtensionMap, type PayloadFormat, reverseDirection } from './model.ts'

/** RFC 8285 section 4.3. */
const MAX_EXTENSION_ID = 255

/** The formats of an answer. */
interface CommonFormats {
  readonly payloads: readonly PayloadFormat[]
  /** Their payload types, as the `m=` line has them. */
  readonly types: readonly string[]
}

type Common = (codecs: readonly CodecCapability[], offered: readonly PayloadFormat[]) => CommonFormats

/**
 * The offered payload types that are known here and their retransmissions, in the offerer's order, with the feedback that both understand. The lists are not to be
 * changed: those of the same offer are given again.
 */
export const commonFormats: Readonly<Record<'audio' | 'video', Common>> = {
  audio: onceForBoth((codecs, offered) => find('audio', codecs, offered)),
  video: onceForBoth((codecs, offered) => find('video', codecs, offered)),
}

function find(
  kind: 'audio' | 'video',
  codecs: readonly CodecCapability[],
  offered: readonly PayloadFormat[],
): CommonFormats {
  const known = new Map<string | undefined, CodecCapability>()
  for (const codec of codecs) {
    if (codec.kind !== kind) continue
    const configuration = configurationOfCapability(codec)
    if (configuration !== undefined && !known.has(configuration)) known.set(configuration, codec)
  }
  const agreed = new Map<number, CodecCapability>()
  const usable = offered.filter(({ pt }) => isPayloadType(pt))
  for (const format of usable) {
    const codec = known.get(configurationOf(format))
    if (codec !== undefined) agreed.set(format.pt, codec)
  }
  const payloads: PayloadFormat[] = []
  for (const format of usable) {
    const codec = agreed.get(format.pt)
    if (codec !== undefined) {
      payloads.push({ ...ofReceiver(format), feedback: commonFeedback(format, codec) })
      continue
    }
    const original = agreed.get(retransmittedPt(format) ?? -1)
    if (original?.preferredRtxPt !== undefined) {
      const feedback = commonFeedback(format, original)
      payloads.push({ ...format, feedback: feedback.filter((type) => type === CONGESTION_CONTROL_FEEDBACK) })
    }
  }
  return { payloads: Object.freeze(payloads), types: Object.freeze(payloads.map(({ pt }) => String(pt))) }
}

/** Without what its parameters say of the offerer's own stream, such as its parameter sets: in an answer that would be of ours (RFC 6184 section 8.2.2, RFC 7798 section 7.2.2). */
function ofReceiver(format: PayloadFormat): PayloadFormat {
  const { parameters, ...rest } = format
  if (parameters === undefined || !/(?:^|;)\s*sprop-/i.test(parameters)) return format
  const kept = parameters.split(';').filter((parameter) => !/^\s*sprop-/i.test(parameter))
  return kept.length === 0 ? rest : { ...rest, parameters: kept.join(';').trim() }
}

function commonFeedback(format: PayloadFormat, codec: CodecCapability): string[] {
  // Pion offers some of them twice
  const common = new Set(format.feedback.filter((type) => codec.feedback.includes(type)))
  // at the end, as all payload types of a section have it
  if (common.delete(CONGESTION_CONTROL_FEEDBACK)) common.add(CONGESTION_CONTROL_FEEDBACK)
  return [...common]
}

/**
 * Those that are known here, once each. Ids of 4096 and above leave the choice to the answerer (RFC 8285 section 6): there is always another
 * one to choose from, so they are left out. The list is not to be changed.
 */
export const commonExtensions: (
  known: readonly string[],
  offered: readonly ExtensionMap[],
) => readonly ExtensionMap[] = onceForBoth((known, offered) => {
  const common: ExtensionMap[] = []
  const ids = new Set<number>()
  const uris = new Set<string>()
  for (const extension of offered) {
    const { id, uri, direction } = extension
    if (!known.includes(uri) || id < 1 || id > MAX_EXTENSION_ID || ids.has(id) || uris.has(uri)) continue
    ids.add(id)
    uris.add(uri)
    common.push(direction === undefined ? { id, uri } : { id, direction: reverseDirection(direction), uri })
  }
  return Object.freeze(common)
})
