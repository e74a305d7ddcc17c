/** RFC 8866 section 6.7. */
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

export const DIRECTIONS: readonly Direction[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive']

/** Who opens the DTLS connection, RFC 8842 section 5.1 and RFC 4145. */
export type Setup = 'actpass' | 'active' | 'passive' | 'holdconn'

/** RFC 8122 section 5. */
export interface Fingerprint {
  /** Lower case, as in `sha-256`. */
  readonly algorithm: string
  /** Upper-case bytes with colons between. */
  readonly value: string
}

/** The `o=` line, RFC 8866 section 5.2. Numbers are kept as text: they have up to 64 bits. */
export interface Origin {
  readonly username: string
  readonly sessionId: string
  readonly sessionVersion: string
  readonly addressType: 'IP4' | 'IP6'
  readonly address: string
}

/** `a=group`, RFC 5888. */
export interface Group {
  readonly semantics: string
  readonly mids: readonly string[]
}

/** What the attributes of one payload type say of it. */
export interface PayloadFormat {
  /** The payload type, 0 to 127. */
  readonly pt: number
  /** The encoding name as written; names compare without regard to case (RFC 8866 section 6.6). */
  readonly name: string
  /** Hertz. */
  readonly clockRate: number
  /** Audio channels, where stated. */
  readonly channels?: number
  /** The value of `a=fmtp`, as written. */
  readonly parameters?: string
  /** The values of `a=rtcp-fb`, such as `nack pli`. */
  readonly feedback: readonly string[]
}

/** `a=extmap`, RFC 8285 section 5. */
export interface ExtensionMap {
  readonly id: number
  readonly direction?: Direction
  readonly uri: string
  readonly config?: string
}

/** The attributes of one SSRC, RFC 5576. */
export interface SsrcDescription {
  readonly ssrc: number
  readonly attributes: readonly { readonly name: string; readonly value?: string }[]
}

/** `a=ssrc-group`, RFC 5576 section 4.2. */
export interface SsrcGroup {
  readonly semantics: string
  readonly ssrcs: readonly number[]
}

/** `a=rid`, RFC 8851. */
export interface RidDescription {
  readonly id: string
  readonly direction: 'send' | 'recv'
  /** The payload types that `pt=` restricts it to; absent: all. */
  readonly pts?: readonly number[]
  /** The other restrictions, such as `max-width`. */
  readonly restrictions: Readonly<Record<string, string>>
}

/** One stream of `a=simulcast`, RFC 8853 section 5.1. */
export interface SimulcastStream {
  readonly rid: string
  readonly paused: boolean
}

/** `a=simulcast`: a list of streams each way, each with its alternatives in order of preference. */
export interface Simulcast {
  readonly send: readonly (readonly SimulcastStream[])[]
  readonly recv: readonly (readonly SimulcastStream[])[]
}

/** The attributes that a media section may take from the session level. */
export interface TransportAttributes {
  iceUfrag?: string
  icePwd?: string
  iceOptions: string[]
  fingerprints: Fingerprint[]
  setup?: Setup
}

/** A media section: an `m=` line and what follows it. */
export interface MediaSection extends TransportAttributes {
  /** `audio`, `video`, `application`, or what else the peer wrote. */
  kind: string
  /** 0: rejected, or `bundleOnly`. */
  port: number
  protocol: string
  /** The rest of the `m=` line: payload types in the order of preference, which `payloads` describes, or `webrtc-datachannel`. Who adds one or takes one out changes both. */
  formats: readonly string[]
  /** The address of the `c=` line. */
  connection?: string
  bandwidth: { type: string; limit: number }[]
  mid?: string
  /** As written; absent means `sendrecv` (RFC 8866 section 6.7), or what the session level says. */
  direction?: Direction
  /** Of a description that was read, other descriptions may hold the same list: it is frozen. */
  payloads: readonly PayloadFormat[]
  /** Shared and frozen like `payloads`. */
  extensions: readonly ExtensionMap[]
  extmapAllowMixed: boolean
  rtcpMux: boolean
  rtcpReducedSize: boolean
  bundleOnly: boolean
  /** The values of `a=candidate` with their name, `candidate:…`. */
  candidates: string[]
  endOfCandidates: boolean
  msids: { stream: string; track?: string }[]
  ssrcs: SsrcDescription[]
  ssrcGroups: SsrcGroup[]
  rids: RidDescription[]
  simulcast?: Simulcast
  sctpPort?: number
  maxMessageSize?: number
  /** The SCTP INIT chunk of its sender (SNAP), in base64 as written. */
  sctpInit?: string
  /** Attributes that this model has no place for, without their `a=`, in order. */
  attributes: string[]
}

/** A session description, RFC 8866, as far as WebRTC uses it. */
export interface SessionDescription extends TransportAttributes {
  origin: Origin
  name: string
  groups: Group[]
  iceLite: boolean
  extmapAllowMixed: boolean
  direction?: Direction
  /** Attributes that this model has no place for, without their `a=`, in order. */
  attributes: string[]
  media: MediaSection[]
}

/** An empty media section of the given kind. */
export function mediaSection(kind: string, protocol: string): MediaSection {
  return {
    kind,
    port: 9,
    protocol,
    formats: [],
    iceOptions: [],
    fingerprints: [],
    bandwidth: [],
    payloads: [],
    extensions: [],
    extmapAllowMixed: false,
    rtcpMux: false,
    rtcpReducedSize: false,
    bundleOnly: false,
    candidates: [],
    endOfCandidates: false,
    msids: [],
    ssrcs: [],
    ssrcGroups: [],
    rids: [],
    attributes: [],
  }
}

/** A description without media sections. `sessionId` has at most 63 bits, in decimal (RFC 8829 section 5.2.1). */
export function sessionDescription(sessionId: string, sessionVersion: string): SessionDescription {
  return {
    origin: { username: '-', sessionId, sessionVersion, addressType: 'IP4', address: '127.0.0.1' },
    name: '-',
    groups: [],
    iceLite: false,
    iceOptions: [],
    extmapAllowMixed: false,
    fingerprints: [],
    attributes: [],
    media: [],
  }
}

/** A section's transport attributes, with those of the session level where it has none of its own. */
export function transportOf(description: SessionDescription, section: MediaSection): TransportAttributes {
  const iceUfrag = section.iceUfrag ?? description.iceUfrag
  const icePwd = section.icePwd ?? description.icePwd
  const setup = section.setup ?? description.setup
  const transport: TransportAttributes = {
    iceOptions: section.iceOptions.length > 0 ? section.iceOptions : description.iceOptions,
    fingerprints: section.fingerprints.length > 0 ? section.fingerprints : description.fingerprints,
  }
  if (iceUfrag !== undefined) transport.iceUfrag = iceUfrag
  if (icePwd !== undefined) transport.icePwd = icePwd
  if (setup !== undefined) transport.setup = setup
  return transport
}

/** Whether a section is not rejected: also with port 0, where it goes with others by `a=bundle-only` (RFC 9143 section 6; in an answer, section 7.4.1). */
export function isInUse({ port, bundleOnly }: MediaSection): boolean {
  return port !== 0 || bundleOnly
}

/** A section's direction, where nothing is written `sendrecv`. */
export function directionOf(description: SessionDescription, section: MediaSection): Direction {
  return section.direction ?? description.direction ?? 'sendrecv'
}

/** The same direction as the other side sees it. */
export function reverseDirection(direction: Direction): Direction {
  if (direction === 'sendonly') return 'recvonly'
  if (direction === 'recvonly') return 'sendonly'
  return direction
}

/** Whether the port of SCTP stands in `a=sctpmap`, as it did before RFC 8841. */
export function hasSctpMap({ protocol, attributes }: MediaSection): boolean {
  return protocol === 'DTLS/SCTP' && attributes.some((attribute) => attribute.startsWith('sctpmap:'))
}

/** The direction in which `a` and `b`, both seen from the same side, allow media. */
export function intersectDirections(a: Direction, b: Direction): Direction {
  return direction(sends(a) && sends(b), receives(a) && receives(b))
}

/** Whether media goes out in this direction. */
export function sends(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'sendonly'
}

/** Whether media comes in in this direction. */
export function receives(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'recvonly'
}

function direction(send: boolean, receive: boolean): Direction {
  if (send) return receive ? 'sendrecv' : 'sendonly'
  return receive ? 'recvonly' : 'inactive'
}
