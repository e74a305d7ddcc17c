import { type MediaSection, parseParameters, retransmittedPt } from '@str0m/sdp'
import type { Pt } from '@str0m/sans-io'

/** A negotiated codec: what a payload type means. */
export interface Codec {
  /** What the peer sends it with, and what it is called by here. */
  readonly pt: Pt
  /** What it is sent with from here: the same, but where the peer's answer has another (RFC 3264 section 5.1). */
  readonly sendPt: Pt
  readonly kind: 'audio' | 'video'
  /** The encoding name as the description writes it, such as `VP8` or `opus`. */
  readonly name: string
  /** Hertz. */
  readonly clockRate: number
  readonly channels?: number
  /** The parameters of `a=fmtp`, keys in lower case. */
  readonly parameters: ReadonlyMap<string, string>
  /** The feedback that both sides understand, such as `nack pli`. */
  readonly feedback: readonly string[]
}

/** The codecs of a section, in its order, without their retransmissions. `sendPts`: those that the peer wants by another payload type. */
export function codecsOf(section: MediaSection, sendPts: ReadonlyMap<Pt, Pt>): Codec[] {
  const kind = section.kind === 'audio' ? 'audio' : 'video'
  const codecs = section.payloads.filter((format) => retransmittedPt(format) === undefined)
  return codecs.map(({ pt, name, clockRate, channels, parameters, feedback }) => ({
    pt,
    sendPt: sendPts.get(pt) ?? pt,
    kind,
    name,
    clockRate,
    ...(channels === undefined ? {} : { channels }),
    parameters: parseParameters(parameters),
    feedback,
  }))
}
