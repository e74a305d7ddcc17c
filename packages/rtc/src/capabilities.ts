import { EXTENSION_URIS } from '@str0m/rtp'
import { onceFor } from '@str0m/sans-io'
import {
  type Capabilities,
  type CodecCapability,
  CONGESTION_CONTROL_FEEDBACK,
  isInUse,
  type SessionDescription,
} from '@str0m/sdp'

export type RtpCapabilities = Pick<Capabilities, 'codecs' | 'extensions'>

const AUDIO_EXTENSIONS = [EXTENSION_URIS.mid, EXTENSION_URIS.audioLevel]
const VIDEO_EXTENSIONS = [
  EXTENSION_URIS.mid,
  EXTENSION_URIS.rid,
  EXTENSION_URIS.repairedRid,
  EXTENSION_URIS.videoOrientation,
  EXTENSION_URIS.playoutDelay,
  EXTENSION_URIS.videoContentType,
  EXTENSION_URIS.videoTiming,
  EXTENSION_URIS.colorSpace,
  EXTENSION_URIS.dependencyDescriptor,
]

/** All that are understood, by the media they go with. */
const EXTENSIONS: Capabilities['extensions'] = {
  audio: Object.freeze([...AUDIO_EXTENSIONS, EXTENSION_URIS.transportSequenceNumber]),
  video: Object.freeze([...VIDEO_EXTENSIONS, EXTENSION_URIS.transportSequenceNumber]),
}

const EXTENSIONS_WITHOUT_TRANSPORT_FEEDBACK: Capabilities['extensions'] = {
  audio: Object.freeze(AUDIO_EXTENSIONS),
  video: Object.freeze(VIDEO_EXTENSIONS),
}

/** What `a=rtcp-fb` calls transport-wide feedback, and the receiver's estimate (draft-alvestrand-rmcat-remb-03 section 2.3). */
export const TRANSPORT_WIDE_FEEDBACK = 'transport-cc'
const RECEIVER_ESTIMATE = 'goog-remb'

/** Which feedback on when packets came, and on what the receiver takes, is known. */
interface KnownFeedback {
  readonly transportWide: boolean
  readonly congestionControl: boolean
  readonly receiverEstimate: boolean
}

/** What there is with this feedback. Worked out once for a list of codecs. */
const withFeedback: (codecs: readonly CodecCapability[]) => (known: KnownFeedback) => RtpCapabilities =
  onceFor((codecs) => {
    const made: RtpCapabilities[] = []
    return Object.freeze((known: KnownFeedback) => {
      const { transportWide, congestionControl, receiverEstimate } = known
      const key = Number(transportWide) + 2 * Number(congestionControl) + 4 * Number(receiverEstimate)
      return (made[key] ??= {
        codecs: Object.freeze(codecs.map((codec) => ({ ...codec, feedback: feedbackOf(codec, known) }))),
        extensions: transportWide ? EXTENSIONS : EXTENSIONS_WITHOUT_TRANSPORT_FEEDBACK,
      })
    })
  })

function feedbackOf({ kind, feedback }: CodecCapability, known: KnownFeedback): string[] {
  const types = feedback.filter(
    (type) =>
      type !== CONGESTION_CONTROL_FEEDBACK && (known.transportWide || type !== TRANSPORT_WIDE_FEEDBACK),
  )
  if (known.receiverEstimate && kind === 'video' && !types.includes(RECEIVER_ESTIMATE))
    types.push(RECEIVER_ESTIMATE)
  if (known.congestionControl) types.push(CONGESTION_CONTROL_FEEDBACK)
  return types
}

/** Whom to tell when packets came, as the options have it, and whether the receiver's estimate is heeded. */
export interface FeedbackChoice {
  readonly transportFeedback: 'simulcast' | 'always' | 'rfc8888'
  readonly receiverEstimate: boolean
}

/**
 * What is negotiated, by the feedback. By default transport-wide feedback is agreed on where a peer offers simulcast, or is asked for it, alone, whose encodings are switched on as the estimate
 * allows: with one encoding Firefox sends a quarter of its picture for ten seconds, and the whole of it at once where it has no estimate to climb from.
 */
export class FeedbackCapabilities {
  readonly #of: (known: KnownFeedback) => RtpCapabilities
  readonly #choice: FeedbackChoice

  constructor(codecs: readonly CodecCapability[], choice: FeedbackChoice) {
    this.#of = withFeedback(codecs)
    this.#choice = choice
  }

  /** Of an offer of ours. One who is asked for several encodings in it is told what came of them, as one who offers them is. */
  offering(asksForSimulcast: boolean): RtpCapabilities {
    const { transportFeedback } = this.#choice
    return this.#known(transportFeedback !== 'simulcast' || asksForSimulcast, transportFeedback === 'rfc8888')
  }

  /** Of the answer to an offer: of several that it has, one way of telling when packets came (RFC 8888 section 6). */
  answering(offer: SessionDescription): RtpCapabilities {
    const { transportFeedback } = this.#choice
    if (transportFeedback === 'rfc8888' && offersCongestionControl(offer)) return this.#known(false, true)
    const isTold =
      transportFeedback !== 'simulcast' || offer.media.some(({ simulcast }) => simulcast !== undefined)
    return this.#known(isTold, false)
  }

  #known(transportWide: boolean, congestionControl: boolean): RtpCapabilities {
    return this.#of({ transportWide, congestionControl, receiverEstimate: this.#choice.receiverEstimate })
  }
}

/** Whether all sections with media offer it: it is of all streams, or none. */
function offersCongestionControl({ media }: SessionDescription): boolean {
  const sections = media.filter(
    (section) => (section.kind === 'audio' || section.kind === 'video') && isInUse(section),
  )
  return (
    sections.length > 0 &&
    sections.every(({ payloads }) => hasFeedback(payloads, CONGESTION_CONTROL_FEEDBACK))
  )
}

/** Whether any of these formats has feedback of this type. */
export function hasFeedback(
  formats: readonly { readonly feedback: readonly string[] }[],
  type: string,
): boolean {
  return formats.some(({ feedback }) => feedback.includes(type))
}
