import {
  answeredSections,
  directionOf,
  type MediaSection,
  multiplexedSections,
  type PairedPayloads,
  pairPayloads,
  rejectedSection,
  type SessionDescription,
} from '@str0m/sdp'
import { invalid } from './remote-transport.ts'

/** The sections of an answer, as they are taken. */
export interface AnsweredSections {
  /** All, in the order of the offer. */
  readonly media: readonly MediaSection[]
  /** Those in use, the one first whose transport all share. */
  readonly used: readonly MediaSection[]
  /** The formats that both have, of each section in order. */
  readonly payloads: readonly PairedPayloads[]
}

/**
 * Takes the sections of an answer to those that were `offered` (RFC 3264 section 6), on one transport. What was offered as stopped is stopped, whatever the answer says. Throws a
 * `UsageError` (`invalid-answer`).
 */
export function takeAnsweredSections(
  answer: SessionDescription,
  offered: readonly MediaSection[],
): AnsweredSections {
  checkSame(answer.media, offered)
  // RFC 3264 section 6: a section that was offered with port 0 stays so. Pion 3, aiortc and GStreamer have no eye for that, and answer as if it went on: were that
  // refused, nothing could be negotiated with them any more once a section is stopped
  const media = answer.media.map((section, index) =>
    offered[index]!.port === 0 ? rejectedSection(section) : section,
  )
  const used = answeredSections({ groups: answer.groups, media })
  if (used === undefined) {
    throw invalid('answer', 'its media sections are not all in one a=group:BUNDLE, which was offered')
  }
  const payloads = media.map((section, index) => pairPayloads(offered[index]!.payloads, section.payloads))
  const taken = { media, used, payloads }
  checkUsable(answer, taken)
  return taken
}

function checkSame(media: readonly MediaSection[], offered: readonly MediaSection[]): void {
  if (media.length !== offered.length) {
    throw invalid('answer', `it has ${media.length} media sections, the offer ${offered.length}`)
  }
  media.forEach(({ kind, mid }, index) => {
    const ours = offered[index]!
    if (kind !== ours.kind || (mid !== undefined && mid !== ours.mid)) {
      throw invalid('answer', `its media section ${index} is not the one that was offered`)
    }
  })
}

function checkUsable(answer: SessionDescription, { media, used, payloads }: AnsweredSections): void {
  const multiplexed = new Set(multiplexedSections(used))
  for (const section of used) {
    if (section.kind === 'application') continue
    const index = media.indexOf(section)
    // RFC 3264 section 6: who takes a section takes one of its formats
    if (payloads[index]!.payloads.length === 0 && directionOf(answer, section) !== 'inactive') {
      throw invalid('answer', `its media section ${index} has none of the formats that were offered`)
    }
    // RFC 8829 section 5.8: there is one component, and no other for RTCP
    if (!multiplexed.has(section)) {
      throw invalid('answer', `its media section ${index} is without a=rtcp-mux`)
    }
  }
}
