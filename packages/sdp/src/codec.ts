import type { PayloadFormat } from './model.ts'

/** The parts of an `a=fmtp` value: keys in lower case. A part without `=` has an empty value. */
export function parseParameters(text: string | undefined): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  if (text === undefined) return parameters
  for (let start = 0, end; start < text.length; start = end + 1) {
    end = text.indexOf(';', start)
    if (end < 0) end = text.length
    const part = text.slice(start, end).trim()
    if (part === '') continue
    const equals = part.indexOf('=')
    if (equals < 0) parameters.set(part.toLowerCase(), '')
    else parameters.set(part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim())
  }
  return parameters
}

/** A codec that an endpoint can take and give, in the order of its preference. */
export interface CodecCapability {
  readonly kind: 'audio' | 'video'
  readonly name: string
  /** Hertz. */
  readonly clockRate: number
  readonly channels?: number
  /** The value of `a=fmtp` in an offer. */
  readonly parameters?: string
  /** The feedback that is understood, such as `nack pli`. */
  readonly feedback: readonly string[]
  /** The payload type in an offer, where it is still free. */
  readonly preferredPt: number
  /** The payload type of its retransmissions in an offer (RFC 4588), where it is still free; absent: there are none. */
  readonly preferredRtxPt?: number
}

/** What a codec's `feedback` has for congestion control feedback: where it is agreed on it is of all payload types, retransmissions too (RFC 8888 section 6). */
export const CONGESTION_CONTROL_FEEDBACK = 'ack ccfb'

const AUDIO_FEEDBACK = ['transport-cc']
const VIDEO_FEEDBACK = ['transport-cc', 'ccm fir', 'nack', 'nack pli']

function h264(preferredPt: number, preferredRtxPt: number, mode: 0 | 1, profile: string): CodecCapability {
  return {
    kind: 'video',
    name: 'H264',
    clockRate: 90_000,
    parameters: `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`,
    feedback: VIDEO_FEEDBACK,
    preferredPt,
    preferredRtxPt,
  }
}

/** RFC 4733: the digits of a telephone. */
function telephoneEvent(clockRate: number, preferredPt: number): CodecCapability {
  return {
    kind: 'audio',
    name: 'telephone-event',
    clockRate,
    parameters: '0-15',
    feedback: [],
    preferredPt,
  }
}

/**
 * Every codec that the depacketizers of `@str0m/rtp` know, and what goes beside them, by the payload types that browsers use. Redundant audio carries the
 * first codec with its clock, which is Opus. Frozen, as a list of your own is best: then what follows from it is worked out once for all peers.
 */
export const DEFAULT_CODECS: readonly CodecCapability[] = Object.freeze([
  {
    kind: 'audio',
    name: 'opus',
    clockRate: 48_000,
    channels: 2,
    parameters: 'minptime=10;useinbandfec=1',
    feedback: AUDIO_FEEDBACK,
    preferredPt: 111,
  },
  {
    kind: 'audio',
    name: 'red',
    clockRate: 48_000,
    channels: 2,
    feedback: AUDIO_FEEDBACK,
    preferredPt: 63,
  },
  { kind: 'audio', name: 'G722', clockRate: 8000, feedback: AUDIO_FEEDBACK, preferredPt: 9 },
  { kind: 'audio', name: 'PCMU', clockRate: 8000, feedback: AUDIO_FEEDBACK, preferredPt: 0 },
  { kind: 'audio', name: 'PCMA', clockRate: 8000, feedback: AUDIO_FEEDBACK, preferredPt: 8 },
  { kind: 'audio', name: 'CN', clockRate: 8000, feedback: [], preferredPt: 13 },
  telephoneEvent(48_000, 110),
  telephoneEvent(8000, 126),
  {
    kind: 'video',
    name: 'VP8',
    clockRate: 90_000,
    feedback: VIDEO_FEEDBACK,
    preferredPt: 96,
    preferredRtxPt: 97,
  },
  {
    kind: 'video',
    name: 'VP9',
    clockRate: 90_000,
    parameters: 'profile-id=0',
    feedback: VIDEO_FEEDBACK,
    preferredPt: 98,
    preferredRtxPt: 99,
  },
  {
    kind: 'video',
    name: 'VP9',
    clockRate: 90_000,
    parameters: 'profile-id=2',
    feedback: VIDEO_FEEDBACK,
    preferredPt: 100,
    preferredRtxPt: 101,
  },
  h264(102, 103, 1, '42001f'),
  h264(104, 107, 0, '42001f'),
  h264(108, 109, 1, '42e01f'),
  h264(114, 115, 0, '42e01f'),
  h264(116, 117, 1, '4d001f'),
  h264(39, 40, 0, '4d001f'),
  h264(112, 113, 1, '64001f'),
  {
    kind: 'video',
    name: 'AV1',
    clockRate: 90_000,
    parameters: 'level-idx=5;profile=0;tier=0',
    feedback: VIDEO_FEEDBACK,
    preferredPt: 45,
    preferredRtxPt: 46,
  },
  {
    kind: 'video',
    name: 'H265',
    clockRate: 90_000,
    parameters: 'level-id=156;profile-id=1;tier-flag=0;tx-mode=SRST',
    feedback: VIDEO_FEEDBACK,
    preferredPt: 49,
    preferredRtxPt: 50,
  },
])

/** The payload type that a format retransmits, RFC 4588 section 8.6; `undefined` where it is no retransmission's. */
export function retransmittedPt({ name, parameters }: PayloadFormat): number | undefined {
  if (name.length !== 3 || name.toLowerCase() !== 'rtx') return undefined
  const apt = parseParameters(parameters).get('apt') ?? ''
  return /^\d{1,3}$/.test(apt) ? Number(apt) : undefined
}

/**
 * Whether packets can have this payload type where RTCP goes through the same port: those of 64 to 95 would be taken for RTCP where they have the
 * marker (RFC 5761 section 4).
 */
export function isPayloadType(pt: number): boolean {
  return Number.isInteger(pt) && pt >= 0 && pt <= 127 && !(pt >= 64 && pt <= 95)
}

/** Formats that go beside a codec and are of no use without one. */
const COMPANIONS = new Set(['rtx', 'red', 'cn', 'telephone-event'])

/** Whether media can be sent in this format by itself. */
export function isMediaFormat({ name }: PayloadFormat): boolean {
  return !COMPANIONS.has(name.toLowerCase())
}

/** What redundant audio carries, by its payload type (RFC 2198 section 5); `undefined` for another format. */
export function redundantPt({ name, parameters = '' }: PayloadFormat): number | undefined {
  if (name.length !== 3 || name.toLowerCase() !== 'red') return undefined
  const primary = /^(\d{1,3})(?:\/\d{1,3})*$/.exec(parameters.trim())?.[1]
  return primary === undefined ? undefined : Number(primary)
}

/** Whether what the peer describes and what is known here are the same codec in a compatible configuration. */
export function matchesCodec(format: PayloadFormat, capability: CodecCapability): boolean {
  const theirs = configurationOf(format)
  return theirs !== undefined && theirs === configurationOfCapability(capability)
}

/** What tells a codec from others. */
export interface CodecIdentity {
  /** In any case. */
  readonly name: string
  readonly clockRate: number
  readonly channels?: number
  /** As `a=fmtp` has them, or as `parseParameters` reads them. */
  readonly parameters?: string | ReadonlyMap<string, string>
}

/**
 * Whether what is encoded for one of two codecs is for the other too: one name, and parameters that go together. Of H.264 the profile
 * counts by what it stands for (RFC 6184 table 5), the level does not.
 */
export function isSameCodec(a: CodecIdentity, b: CodecIdentity): boolean {
  const configuration = configurationOf(a)
  return configuration !== undefined && configuration === configurationOf(b)
}

const configurations = new WeakMap<CodecCapability, string>()

/** The same as `configurationOf`, worked out once: an endpoint's capabilities outlive its connections. */
export function configurationOfCapability(capability: CodecCapability): string | undefined {
  let configuration = configurations.get(capability)
  if (configuration === undefined) {
    configuration = configurationOf(capability)
    if (configuration !== undefined) configurations.set(capability, configuration)
  }
  return configuration
}

/** A text that is the same for the same codec in a compatible configuration; `undefined` where it is in none. */
export function configurationOf(codec: CodecIdentity): string | undefined {
  const name = codec.name.toLowerCase()
  const common = `${name}/${codec.clockRate}/${codec.channels ?? 1}`
  switch (name) {
    case 'opus':
      // RFC 7587 section 7: there are always two; GStreamer's clients of WHIP and WHEP leave them out
      return `${name}/${codec.clockRate}`
    case 'h264': {
      // RFC 6184 section 8.2.2: the profile and the packetization mode are symmetric, the level is not
      const parameters = parametersOf(codec)
      const profile = h264Profile(parameters.get('profile-level-id') ?? '420010')
      if (profile === undefined) return undefined
      return `${common} ${profile} ${parameters.get('packetization-mode') ?? '0'}`
    }
    case 'vp9':
      // RFC 9628 section 6.1: profile 0 where not stated
      return `${common} ${parametersOf(codec).get('profile-id') ?? '0'}`
    case 'av1':
      // AV1 RTP payload specification, section 7.2.1: profile 0 where not stated
      return `${common} ${parametersOf(codec).get('profile') ?? '0'}`
    case 'h265': {
      // RFC 7798 section 7.2.2: profile and tier are symmetric; Main where not stated
      const parameters = parametersOf(codec)
      return `${common} ${parameters.get('profile-id') ?? '1'} ${parameters.get('tier-flag') ?? '0'}`
    }
    default:
      return common
  }
}

function parametersOf({ parameters }: CodecIdentity): ReadonlyMap<string, string> {
  return typeof parameters === 'object' ? parameters : parseParameters(parameters)
}

/** The profile that a `profile-level-id` stands for, RFC 6184 table 5: one profile can be written in several ways. */
function h264Profile(profileLevelId: string): string | undefined {
  if (!/^[0-9a-f]{6}$/i.test(profileLevelId)) return undefined
  const idc = Number.parseInt(profileLevelId.slice(0, 2), 16)
  const iop = Number.parseInt(profileLevelId.slice(2, 4), 16)
  const set = (mask: number): boolean => (iop & mask) === mask
  switch (idc) {
    case 0x42:
      return set(0x40) ? 'constrained-baseline' : 'baseline'
    case 0x4d:
      return set(0x80) ? 'constrained-baseline' : 'main'
    case 0x58:
      if (set(0xc0)) return 'constrained-baseline'
      return set(0x80) ? 'baseline' : 'extended'
    case 0x64:
      return set(0x0c) ? 'constrained-high' : 'high'
    default:
      return `other-${idc}-${iop & 0xf0}`
  }
}
