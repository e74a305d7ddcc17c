import { DEFAULT_CODECS, parseParameters, type PayloadFormat, redundantPt, retransmittedPt } from '@str0m/sdp'
import type { Pt } from '@str0m/sans-io'

/** A negotiated codec: what a payload type means. */
export interface Codec {
  /** What the peer sends it with, and what it is called by here. */
  readonly pt: Pt
  /** What it is sent with from here: the same, but where the peer's answer has another (RFC 3264 section 5.1). */
  readonly sendPt: Pt
  readonly kind: 'audio' | 'video'
  /** The encoding name as `DEFAULT_CODECS` has it, such as `VP8` or `opus`, in whatever case the description does (RFC 4855 section 3); of others as it is there. */
  readonly name: string
  /** Hertz. */
  readonly clockRate: number
  readonly channels?: number
  /** The parameters of `a=fmtp`, keys in lower case. */
  readonly parameters: ReadonlyMap<string, string>
  /** The feedback that both sides understand, such as `nack pli`. */
  readonly feedback: readonly string[]
  /** What redundant audio (`red`, RFC 2198) carries. Its frames come out as of that codec. */
  readonly primary?: Codec
}

/** By their names in lower case. */
const KNOWN_NAMES = new Map(DEFAULT_CODECS.map(({ name }) => [name.toLowerCase(), name]))

/** The codecs of a section, in its order, without their retransmissions. `sendPts`: those that the peer wants by another payload type. */
export function codecsOf(
  kind: 'audio' | 'video',
  payloads: readonly PayloadFormat[],
  sendPts: ReadonlyMap<Pt, Pt>,
): readonly Codec[] {
  const codecs = new Map<Pt, Codec>()
  const redundant: { readonly codec: Codec; readonly carries: Pt }[] = []
  for (const format of payloads) {
    if (retransmittedPt(format) !== undefined) continue
    const { pt, name, clockRate, channels, parameters, feedback } = format
    const codec: Codec = {
      pt,
      sendPt: sendPts.get(pt) ?? pt,
      kind,
      name: KNOWN_NAMES.get(name.toLowerCase()) ?? name,
      clockRate,
      ...(channels === undefined ? {} : { channels }),
      parameters: parseParameters(parameters),
      feedback,
    }
    codecs.set(pt, codec)
    const carries = redundantPt(format)
    if (carries !== undefined) redundant.push({ codec, carries })
  }
  for (const { codec, carries } of redundant) {
    const primary = codecs.get(carries)
    if (primary === undefined) codecs.delete(codec.pt)
    else codecs.set(codec.pt, { ...codec, primary })
  }
  // peers with the same formats share them
  return Object.freeze(Array.from(codecs.values(), (codec) => Object.freeze(codec)))
}

/** Whether these are of one name and clock, whatever their parameters and payload types. */
export function isSameEncoding(a: Codec, b: Codec): boolean {
  if (a === b) return true
  if (a.clockRate !== b.clockRate) return false
  return a.name === b.name || a.name.toLowerCase() === b.name.toLowerCase()
}

/** Whether they have the same parameters too. */
export function isSameConfiguration(a: Codec, b: Codec): boolean {
  if (a === b) return true
  if (!isSameEncoding(a, b) || a.parameters.size !== b.parameters.size) return false
  for (const [name, value] of a.parameters) if (b.parameters.get(name) !== value) return false
  return true
}
