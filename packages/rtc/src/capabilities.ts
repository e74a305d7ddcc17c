import { EXTENSION_URIS } from '@str0m/rtp'
import { onceFor } from '@str0m/sans-io'
import type { Capabilities, CodecCapability } from '@str0m/sdp'

type RtpCapabilities = Pick<Capabilities, 'codecs' | 'extensions'>

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
export const EXTENSIONS: Capabilities['extensions'] = {
  audio: Object.freeze([...AUDIO_EXTENSIONS, EXTENSION_URIS.transportSequenceNumber]),
  video: Object.freeze([...VIDEO_EXTENSIONS, EXTENSION_URIS.transportSequenceNumber]),
}

const EXTENSIONS_WITHOUT_TRANSPORT_FEEDBACK: Capabilities['extensions'] = {
  audio: Object.freeze(AUDIO_EXTENSIONS),
  video: Object.freeze(VIDEO_EXTENSIONS),
}

/**
 * What there is without transport-wide feedback. By default that is agreed on where a peer offers simulcast, or is asked for it, alone, whose encodings are switched on as the estimate
 * allows: with one encoding Firefox sends a quarter of its picture for ten seconds, and the whole of it at once where it has no estimate to climb from.
 */
export const withoutTransportFeedback: (codecs: readonly CodecCapability[]) => RtpCapabilities = onceFor(
  (codecs) => ({
    codecs: Object.freeze(
      codecs.map((codec) => ({
        ...codec,
        feedback: codec.feedback.filter((type) => type !== 'transport-cc'),
      })),
    ),
    extensions: EXTENSIONS_WITHOUT_TRANSPORT_FEEDBACK,
  }),
)
