import { multiplexedSections, NO_TRANSPORT, sharedTransports } from './bundle.ts'
import { type CodecCapability, isMediaFormat } from './codec.ts'
import { commonExtensions, commonFormats } from './common-formats.ts'
import {
  directionOf,
  hasSctpMap,
  isInUse,
  type MediaSection,
  mediaSection,
  type PayloadFormat,
  reverseDirection,
  type RidDescription,
  type SessionDescription,
  type SimulcastStream,
  transportOf,
} from './model.ts'
import { STATIC_PAYLOADS } from './static-payloads.ts'

/** The last of the payload types that RFC 3551 section 6 gives a meaning. */
const LAST_STATIC = 34

/** What an endpoint brings to a negotiation. */
export interface Capabilities {
  readonly codecs: readonly CodecCapability[]
  /** The URIs of the header extensions that are understood, by the media they go with. */
  readonly extensions: Readonly<Record<'audio' | 'video', readonly string[]>>
  /** Bytes of the largest message that a data channel takes; 0: any. Absent: data channels are refused. */
  readonly maxMessageSize?: number
}

/** Why a section of an offer is answered with port 0. */
export type Rejection =
  | 'rejected-by-offerer'
  | 'unsupported-media'
  | 'unsupported-protocol'
  | 'not-bundled'
  | 'no-rtcp-mux'
  | 'no-common-codec'
  /** One association serves all data channels, RFC 8841 section 9. */
  | 'second-association'

/** How one section of an offer is answered. */
export type SectionAnswer =
  | { readonly accepted: true; readonly section: MediaSection }
  | { readonly accepted: false; readonly section: MediaSection; readonly reason: Rejection }

/** What is offered, RFC 5764 section 8. */
export const RTP_PROTOCOL = 'UDP/TLS/RTP/SAVPF'
/** The profiles that are taken as RTP over DTLS, RFC 8829 section 5.1.2; and one that some peers write for those of RFC 7850. */
const RTP_PROTOCOLS = new Set([
  RTP_PROTOCOL,
  'UDP/TLS/RTP/SAVP',
  'RTP/SAVPF',
  'RTP/SAVP',
  'TCP/DTLS/RTP/SAVPF',
  'TCP/DTLS/RTP/SAVP',
  'TCP/TLS/RTP/SAVPF',
])
/** Those too, where a certificate is announced: who means them is without DTLS. */
const PLAIN_RTP_PROTOCOLS = new Set(['RTP/AVPF', 'RTP/AVP'])

/** RFC 8841 section 4.3, and what its drafts had. */
const SCTP_PROTOCOLS = new Set(['UDP/DTLS/SCTP', 'TCP/DTLS/SCTP', 'DTLS/SCTP'])
/** RFC 8841 section 4.4.2. */
const DATA_CHANNEL_FORMAT = 'webrtc-datachannel'
/** RFC 8841 section 5.1 has none of its own; this is what all peers write. */
const SCTP_PORT = 5000
/** What its drafts wrote in place of `a=sctp-port`: the port is the format of the section. Some peers (aiortc) still offer this. */
const SCTP_MAP = `sctpmap:${SCTP_PORT} ${DATA_CHANNEL_FORMAT} 65535`

/** How all sections of an offer are answered. */
export interface OfferAnswer {
  /** In the order of the offer. */
  readonly sections: readonly SectionAnswer[]
  /** The sections of the offer that may be accepted, in the order in which one is sought whose transport all share (RFC 9143 section 7.3.1). */
  readonly shared: readonly MediaSection[]
  /** Whether they are a BUNDLE group, which the answer has to repeat. */
  readonly bundled: boolean
}

/**
 * Answers an offer as one who has one transport. Accepted are the sections of the first `a=group:BUNDLE` that has one to be accepted; without such a group, the first section that
 * can be. All others are rejected (RFC 9143 section 7.3.3, RFC 8829 section 5.3.1). `stands`: whether the section at an index of the offer is in use already; what shares its
 * transport comes first. `refused`: whether the caller is going to reject it, though it could be accepted: it is no reason to take a transport. Transport attributes are the caller's
 * to fill in.
 */
export function answerSections(
  offer: SessionDescription,
  capabilities: Capabilities,
  stands: (index: number) => boolean = () => false,
  refused: (index: number) => boolean = () => false,
): OfferAnswer {
  const candidates = sharedTransports(offer)
  const multiplexed = new Set(candidates.flatMap(({ sections }) => multiplexedSections(sections)))
  const answers = new Map(
    offer.media.map(
      (offered) => [offered, answerSection(offer, offered, multiplexed.has(offered), capabilities)] as const,
    ),
  )
  const usable = candidates.filter(({ sections }) =>
    sections.some((section) => answers.get(section)!.accepted),
  )
  const standing = new Set(offer.media.filter((_, index) => stands(index)))
  const isWanted = (section: MediaSection): boolean =>
    answers.get(section)!.accepted && !refused(offer.media.indexOf(section))
  const { sections, bundled } =
    usable.find((candidate) => candidate.sections.some((section) => standing.has(section))) ??
    usable.find((candidate) => candidate.sections.some(isWanted)) ??
    usable[0] ??
    NO_TRANSPORT
  const shared = new Set(sections)
  return {
    sections: Array.from(answers, ([offered, answer]) =>
      answer.accepted && !shared.has(offered) ? reject(offered, 'not-bundled') : answer,
    ),
    shared: sections,
    bundled,
  }
}

/**
 * Answers one section of an offer, RFC 3264 section 6: payload types, extension ids and their order are the
 * offerer's, the direction is the offered one seen from here.
 */
function answerSection(
  offer: SessionDescription,
  offered: MediaSection,
  /** Whether what it shares a transport with says so for it. */
  rtcpMux: boolean,
  capabilities: Capabilities,
): SectionAnswer {
  const { kind } = offered
  if (!isInUse(offered)) return reject(offered, 'rejected-by-offerer')
  if (kind === 'application') return answerDataSection(offer, offered, capabilities)
  if (kind !== 'audio' && kind !== 'video') return reject(offered, 'unsupported-media')
  const isPlain = PLAIN_RTP_PROTOCOLS.has(offered.protocol)
  const isSecured = isPlain && transportOf(offer, offered).fingerprints.length > 0
  if (!isSecured && !RTP_PROTOCOLS.has(offered.protocol)) return reject(offered, 'unsupported-protocol')
  if (!rtcpMux && !offered.rtcpMux) return reject(offered, 'no-rtcp-mux')
  const { payloads, types } = commonFormats[kind](capabilities.codecs, offered.payloads)
  if (!payloads.some(isMediaFormat)) return reject(offered, 'no-common-codec')

  const direction = reverseDirection(directionOf(offer, offered))
  const section = mediaSection(kind, offered.protocol)
  if (offered.mid !== undefined) section.mid = offered.mid
  section.formats = types
  section.payloads = payloads
  section.direction = direction
  section.extensions = commonExtensions(capabilities.extensions[kind], offered.extensions)
  section.extmapAllowMixed = offered.extmapAllowMixed || offer.extmapAllowMixed
  section.rtcpMux = true
  section.rtcpReducedSize = offered.rtcpReducedSize
  answerSimulcast(offered, section)
  return { accepted: true, section }
}

/** RFC 8841 section 10.3. Port 0 of SCTP says that there is to be no association. */
function answerDataSection(
  offer: SessionDescription,
  offered: MediaSection,
  { maxMessageSize }: Capabilities,
): SectionAnswer {
  if (maxMessageSize === undefined || !describesDataChannels(offered))
    return reject(offered, 'unsupported-media')
  if (!SCTP_PROTOCOLS.has(offered.protocol)) return reject(offered, 'unsupported-protocol')
  if (offered.sctpPort === 0) return reject(offered, 'rejected-by-offerer')
  // of others of this kind, such as BFCP's, there may be some before it
  const first = offer.media.find((section) => describesDataChannels(section) && isInUse(section))
  if (first !== offered) return reject(offered, 'second-association')
  const section = dataSection(offered.mid, maxMessageSize)
  section.protocol = offered.protocol
  if (isDraft(offered)) {
    section.formats = [String(SCTP_PORT)]
    section.attributes = [SCTP_MAP]
  }
  return { accepted: true, section }
}

function describesDataChannels(section: MediaSection): boolean {
  const { kind, formats } = section
  return kind === 'application' && (isDraft(section) || formats.includes(DATA_CHANNEL_FORMAT))
}

/** Whether it is in the form that the drafts of RFC 8841 had. */
function isDraft(section: MediaSection): boolean {
  return hasSctpMap(section) && section.sctpPort !== undefined
}

/** The section of the data channels, RFC 8841 section 10.2. Transport attributes are the caller's to fill in. */
export function dataSection(mid: string | undefined, maxMessageSize: number): MediaSection {
  const section = mediaSection('application', 'UDP/DTLS/SCTP')
  if (mid !== undefined) section.mid = mid
  section.formats = [DATA_CHANNEL_FORMAT]
  section.sctpPort = SCTP_PORT
  section.maxMessageSize = maxMessageSize
  return section
}

/**
 * The section of a description that says no: port 0, the offered formats (RFC 3264 section 6). What they mean is said again (section 5.1): webrtc-rs, Pion and str0m's Rust look
 * each of them up, and take no description in which one is without.
 */
export function rejectedSection(offered: MediaSection): MediaSection {
  const section = mediaSection(offered.kind, offered.protocol)
  section.port = 0
  section.formats = [...offered.formats]
  section.payloads = offered.payloads.filter(isSaidAgain)
  // there is no connection, but RFC 8866 section 5.7 demands a line
  section.connection = '0.0.0.0'
  if (offered.mid !== undefined) section.mid = offered.mid
  section.direction = 'inactive'
  return section
}

/** Chromium takes no description in which a static payload type means something else, also where it is its own offer's. */
function isSaidAgain({ pt, name, clockRate }: PayloadFormat): boolean {
  const known = STATIC_PAYLOADS.get(pt)
  if (known === undefined) return pt > LAST_STATIC
  return known.name === name.toUpperCase() && known.clockRate === clockRate
}

function reject(offered: MediaSection, reason: Rejection): SectionAnswer {
  return { accepted: false, section: rejectedSection(offered), reason }
}

/**
 * RFC 8853 section 5.3.2: what is offered to be sent is answered as received and the other way round, as far as its codecs are agreed on. Of the
 * alternatives of a stream that we are to send, the first is taken. The direction is of no matter (section 5.3): Chromium lists its encodings while it is held too, and has but one of them ever
 * after where the answer leaves them out.
 */
function answerSimulcast(offered: MediaSection, section: MediaSection): void {
  const { simulcast } = offered
  if (simulcast === undefined) return
  const toReceive = answerStreams(offered, section, simulcast.send, 'recv')
  const first = simulcast.recv.map((alternatives) => alternatives.slice(0, 1))
  const toSend = answerStreams(offered, section, first, 'send')
  if (toReceive.streams.length === 0 && toSend.streams.length === 0) return
  section.rids = [...toReceive.rids, ...toSend.rids]
  section.simulcast = { send: toSend.streams, recv: toReceive.streams }
}

interface AnsweredStreams {
  readonly streams: readonly (readonly SimulcastStream[])[]
  readonly rids: readonly RidDescription[]
}

/** The streams of one direction, `direction` as seen from here, with the descriptions that they need. */
function answerStreams(
  offered: MediaSection,
  section: MediaSection,
  streams: readonly (readonly SimulcastStream[])[],
  direction: 'send' | 'recv',
): AnsweredStreams {
  const agreed = new Set(section.payloads.map(({ pt }) => pt))
  const rids = new Map<string, RidDescription>()
  for (const rid of offered.rids) {
    if (rid.direction === direction) continue
    const pts = rid.pts?.filter((pt) => agreed.has(pt))
    if (pts?.length === 0) continue
    rids.set(rid.id, { ...rid, direction, ...(pts === undefined ? {} : { pts }) })
  }
  const answered = streams
    .map((alternatives) => alternatives.filter(({ rid }) => rids.has(rid)))
    .filter((alternatives) => alternatives.length > 0)
  const listed = new Set(answered.flatMap((alternatives) => alternatives.map(({ rid }) => rid)))
  return { streams: answered, rids: [...rids.values()].filter(({ id }) => listed.has(id)) }
}
