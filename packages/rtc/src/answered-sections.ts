import {
  answeredSections,
  directionOf,
  type MediaSection,
  multiplexedSections,
  type PairedPayloads,
  pairPayloads,
  type SessionDescription,
} from '@str0m/sdp'
import { invalid } from './remote-transport.ts'

/** What an answer makes of the sections of an offer. */
interface AnsweredSections {
  /** Its sections that are in use, the one first whose transport all share. */
  readonly used: readonly MediaSection[]
  /** The formats that both have, of each section in order. */
  readonly payloads: readonly PairedPayloads[]
}

/**
 * Whether the sections of an answer are an answer to those that were `offered` (RFC 3264 section 6), on one transport. What was offered as stopped is stopped in the answer
 * too. Throws a `UsageError` (`invalid-answer`).
 */
export function checkAnsweredSections(
  answer: SessionDescription,
  offered: readonly MediaSection[],
): AnsweredSections {
  if (answer.media.length !== offered.length) {
    throw invalid('answer', `it has ${answer.media.length} media sections, the offer ${offered.length}`)
  }
  answer.media.forEach((section, index) => {
    const ours = offered[index]!
    if (section.kind !== ours.kind || (section.mid !== undefined && section.mid !== ours.mid)) {
      throw invalid('answer', `its media section ${index} is not the one that was offered`)
    }
    // RFC 3264 section 6: a section that was offered with port 0 stays so. Pion 3, aiortc and GStreamer have no eye for that, and answer as if it went on: were that
    // refused, nothing could be negotiated with them any more once a section is stopped
    if (ours.port === 0) section.port = 0
  })
  const payloads = answer.media.map((section, index) =>
    pairPayloads(offered[index]!.payloads, section.payloads),
  )
  const used = answeredSections(answer)
  if (used === undefined) {
    throw invalid('answer', 'its media sections are not all in one a=group:BUNDLE, which was offered')
  }
  const multiplexed = new Set(multiplexedSections(used))
  for (const section of used) {
    if (section.kind === 'application') continue
    const index = answer.media.indexOf(section)
    // RFC 3264 section 6: who takes a section takes one of its formats
    if (payloads[index]!.payloads.length === 0 && directionOf(answer, section) !== 'inactive') {
      throw invalid('answer', `its media section ${index} has none of the formats that were offered`)
    }
    // RFC 8829 section 5.8: there is one component, and no other for RTCP
    if (!multiplexed.has(section)) {
      throw invalid('answer', `its media section ${index} is without a=rtcp-mux`)
    }
  }
  return { used, payloads }
}
