import { onceFor, onceForBoth } from '@str0m/sans-io'
import { type Capabilities, RTP_PROTOCOL } from './answer.ts'
import {
  type CodecCapability,
  CONGESTION_CONTROL_FEEDBACK,
  isMediaFormat,
  isPayloadType,
  matchesCodec,
  retransmittedPt,
} from './codec.ts'
import {
  type Direction,
  type ExtensionMap,
  type MediaSection,
  mediaSection,
  type PayloadFormat,
  type RidDescription,
  type SimulcastStream,
} from './model.ts'

/**
 * The payload types that are given out when a preferred one is taken: the dynamic range, and when that is used up the unassigned one
 * (RFC 3551 section 3), without those that RTCP would be taken for (RFC 5761 section 4).
 */
const DYNAMIC_PAYLOAD_TYPES = [
  { first: 96, last: 127 },
  { first: 35, last: 63 },
] as const
/** RFC 8285 section 4.2: the ids of one-byte headers. */
const MAX_ONE_BYTE_ID = 14

/** What numbers stand for. Not changed once another numbering goes on from it. */
class Numbers {
  /** `undefined`: taken by a codec that is not known here. */
  readonly payloadTypes: Map<number, CodecCapability | undefined>
  readonly ofCodec: Map<CodecCapability, number>
  readonly retransmissions: Map<CodecCapability, number>
  readonly extensions: Map<string, number>

  constructor(before?: Numbers) {
    this.payloadTypes = new Map(before?.payloadTypes)
    this.ofCodec = new Map(before?.ofCodec)
    this.retransmissions = new Map(before?.retransmissions)
    this.extensions = new Map(before?.extensions)
  }
}

const NO_NUMBERS = Object.freeze(new Numbers())

/**
 * The payload types and extension ids of one BUNDLE group: the same number means the same thing in all its
 * sections (RFC 9143 sections 9.1 and 9.1.1, RFC 8285 section 5).
 */
export class OfferNumbering {
  #numbers: Numbers
  /** Whether no other numbering goes on from `#numbers`. */
  #own = false

  constructor(numbers: Numbers = NO_NUMBERS) {
    this.#numbers = numbers
  }

  /** The payload type of a codec; `undefined` where none is free. */
  payloadType(codec: CodecCapability): number | undefined {
    const known = this.#numbers.ofCodec.get(codec)
    if (known !== undefined) return known
    const pt = this.#freePayloadType(codec.preferredPt)
    if (pt !== undefined) this.#take(pt, codec)
    return pt
  }

  /** The payload type of a codec's retransmissions, RFC 4588; `undefined` where it has none, or none is free. */
  retransmissionType(codec: CodecCapability): number | undefined {
    const known = this.#numbers.retransmissions.get(codec)
    if (known !== undefined || codec.preferredRtxPt === undefined) return known
    const pt = this.#freePayloadType(codec.preferredRtxPt)
    if (pt === undefined) return undefined
    this.#take(pt, undefined)
    this.#change().retransmissions.set(codec, pt)
    return pt
  }

  #take(pt: number, codec: CodecCapability | undefined): void {
    const numbers = this.#change()
    numbers.payloadTypes.set(pt, codec)
    if (codec !== undefined && !numbers.ofCodec.has(codec)) numbers.ofCodec.set(codec, pt)
  }

  #change(): Numbers {
    if (!this.#own) this.#numbers = new Numbers(this.#numbers)
    this.#own = true
    return this.#numbers
  }

  #freePayloadType(preferred: number): number | undefined {
    const { payloadTypes } = this.#numbers
    if (isPayloadType(preferred) && !payloadTypes.has(preferred)) return preferred
    for (const { first, last } of DYNAMIC_PAYLOAD_TYPES) {
      for (let pt = last; pt >= first; pt--) if (!payloadTypes.has(pt)) return pt
    }
    return undefined
  }

  /** The id of an extension; `undefined` where none is free. */
  extensionId(uri: string): number | undefined {
    const known = this.#numbers.extensions.get(uri)
    if (known !== undefined) return known
    const used = new Set(this.#numbers.extensions.values())
    let id = 1
    while (used.has(id)) id++
    if (id > MAX_ONE_BYTE_ID) return undefined
    this.#change().extensions.set(uri, id)
    return id
  }

  /** Takes the numbers of a section that stands already, so that new ones do not clash with them. */
  adopt(section: MediaSection, codecs: readonly CodecCapability[]): void {
    for (const format of section.payloads) {
      // the same configuration, not the same name alone: a profile that was not agreed on needs a number of its own
      const codec = codecs.find((candidate) => matchesCodec(format, candidate))
      if (!this.#numbers.payloadTypes.has(format.pt)) this.#take(format.pt, codec)
    }
    for (const format of section.payloads) {
      const codec = this.#numbers.payloadTypes.get(retransmittedPt(format) ?? -1)
      if (codec !== undefined) this.#change().retransmissions.set(codec, format.pt)
    }
    for (const { uri, id } of section.extensions) this.#change().extensions.set(uri, id)
  }

  /** The formats of a section that offers all of `capabilities`, with their numbers. */
  formats(kind: 'audio' | 'video', { codecs, extensions }: Capabilities): OfferedFormats {
    const formats = offeredFormats[kind](this.numbers)(codecs, extensions[kind])
    this.#numbers = formats.numbers
    return formats
  }

  /** What it has come to. It is not changed any more. */
  get numbers(): Numbers {
    this.#own = false
    return Object.freeze(this.#numbers)
  }
}

interface OfferedFormats {
  readonly payloads: readonly PayloadFormat[]
  /** Their payload types, as the `m=` line has them. */
  readonly types: readonly string[]
  readonly extensions: readonly ExtensionMap[]
  /** With those of this section. */
  readonly numbers: Numbers
}

type OfferFormats = (
  before: Numbers,
) => (codecs: readonly CodecCapability[], uris: readonly string[]) => OfferedFormats

/** Offers of one endpoint begin alike: each list is worked out once. */
const offeredFormats: Readonly<Record<'audio' | 'video', OfferFormats>> = {
  audio: onceFor((before) => onceForBoth((codecs, uris) => numberFormats('audio', before, codecs, uris))),
  video: onceFor((before) => onceForBoth((codecs, uris) => numberFormats('video', before, codecs, uris))),
}

function numberFormats(
  kind: 'audio' | 'video',
  before: Numbers,
  codecs: readonly CodecCapability[],
  uris: readonly string[],
): OfferedFormats {
  const numbering = new OfferNumbering(before)
  const numbered: PayloadFormat[] = []
  for (const codec of codecs) {
    if (codec.kind !== kind) continue
    const pt = numbering.payloadType(codec)
    if (pt === undefined) continue
    numbered.push(payloadFormat(pt, codec))
    const rtx = numbering.retransmissionType(codec)
    if (rtx !== undefined) numbered.push(retransmissionFormat(rtx, pt, codec))
  }
  const payloads = describeRedundancy(numbered)
  const extensions: ExtensionMap[] = []
  for (const uri of uris) {
    const id = numbering.extensionId(uri)
    if (id !== undefined) extensions.push({ id, uri })
  }
  return {
    payloads: Object.freeze(payloads),
    types: Object.freeze(payloads.map(({ pt }) => String(pt))),
    extensions: Object.freeze(extensions),
    numbers: numbering.numbers,
  }
}

/** A section of an offer. Transport attributes and streams are the caller's to fill in. */
export function offerSection(
  kind: 'audio' | 'video',
  mid: string,
  direction: Direction,
  capabilities: Capabilities,
  numbering: OfferNumbering,
): MediaSection {
  const section = mediaSection(kind, RTP_PROTOCOL)
  section.mid = mid
  section.direction = direction
  const { payloads, types, extensions } = numbering.formats(kind, capabilities)
  section.payloads = payloads
  section.formats = types
  section.extensions = extensions
  section.extmapAllowMixed = true
  section.rtcpMux = true
  section.rtcpReducedSize = true
  return section
}

/** Redundant audio names what it carries, once for each block (RFC 2198 section 5); without such a codec it is not offered. */
function describeRedundancy(payloads: readonly PayloadFormat[]): PayloadFormat[] {
  return payloads.flatMap((format) => {
    if (format.name !== 'red' || format.parameters !== undefined) return [format]
    const carried = payloads.find((other) => isMediaFormat(other) && other.clockRate === format.clockRate)
    return carried === undefined ? [] : [{ ...format, parameters: `${carried.pt}/${carried.pt}` }]
  })
}

/** One encoding of a section that sends or receives several, RFC 8853. */
export interface Encoding {
  /** 1 to 255 letters, digits, `-` and `_` (RFC 8851 section 10); most peers take no more than 16. */
  readonly rid: string
  /** Restrictions such as `max-width`, by name (RFC 8851 section 5). */
  readonly restrictions?: Readonly<Record<string, string>>
}

/** Offers that a section sends the encodings of `send`, and receives those of `receive`, in the order of preference. The rids of all of them differ (RFC 8851 section 6.1). */
export function offerEncodings(
  section: MediaSection,
  send: readonly Encoding[],
  receive: readonly Encoding[] = [],
): void {
  section.rids = [
    ...send.map((encoding) => rid(encoding, 'send')),
    ...receive.map((encoding) => rid(encoding, 'recv')),
  ]
  section.simulcast = { send: send.map(stream), recv: receive.map(stream) }
}

function rid({ rid: id, restrictions = {} }: Encoding, direction: 'send' | 'recv'): RidDescription {
  return { id, direction, restrictions }
}

function stream({ rid }: Encoding): readonly SimulcastStream[] {
  return [{ rid, paused: false }]
}

/** RFC 4588 section 8.6. */
function retransmissionFormat(pt: number, original: number, codec: CodecCapability): PayloadFormat {
  const feedback = codec.feedback.filter((type) => type === CONGESTION_CONTROL_FEEDBACK)
  return { pt, name: 'rtx', clockRate: codec.clockRate, parameters: `apt=${original}`, feedback }
}

function payloadFormat(pt: number, codec: CodecCapability): PayloadFormat {
  return {
    pt,
    name: codec.name,
    clockRate: codec.clockRate,
    ...(codec.channels === undefined ? {} : { channels: codec.channels }),
    ...(codec.parameters === undefined ? {} : { parameters: codec.parameters }),
    feedback: codec.feedback,
  }
}
