import type { MediaSection, SessionDescription, Setup } from '@str0m/sdp'
import type { Candidate } from '@str0m/stun-ice'

/** Our end of the transport, as descriptions tell it. */
export interface LocalTransport {
  readonly credentials: { readonly ufrag: string; readonly pwd: string }
  readonly candidates: readonly Candidate[]
  /** The username fragment before any restart: the candidates of that session are told as they are. */
  readonly firstUfrag: string
  readonly iceLite: boolean
  /** The sha-256 fingerprint of our certificate. */
  readonly fingerprint: string
  /** What the data channels begin with (SNAP); `undefined` where they have begun. */
  initChunk(): Uint8Array | undefined
}

/** The candidates stand in the first section alone, which all share (RFC 9143 section 7.1.3). */
export function fillTransport(
  section: MediaSection,
  local: LocalTransport,
  setup: Setup,
  tagged: boolean,
): void {
  // RFC 6544 section 4.3
  const ofUdp = local.candidates.filter(({ protocol }) => protocol === 'udp')
  const preferred = ofUdp.find(({ address }) => !address.address.includes(':')) ?? ofUdp[0]
  fillKeys(section, local, setup)
  section.iceOptions = ['trickle']
  section.port = preferred?.address.port ?? 9
  section.connection = preferred?.address.address ?? '0.0.0.0'
  const { ufrag } = local.credentials
  const told = (candidate: Candidate): Candidate =>
    ufrag === local.firstUfrag ? candidate : candidate.ofSession(ufrag)
  section.candidates = tagged ? local.candidates.map((candidate) => String(told(candidate))) : []
}

/**
 * What a section that is rejected says of the transport. RFC 8829 section 5.3.1 demands none of it, but GStreamer takes no answer in
 * which a section is without. `rtcpMux`: whether it was offered (RFC 8035 section 3).
 */
export function fillRejected(
  section: MediaSection,
  local: LocalTransport,
  setup: Setup,
  rtcpMux: boolean,
): void {
  fillKeys(section, local, setup)
  section.rtcpMux = rtcpMux
}

function fillKeys(section: MediaSection, { credentials, fingerprint }: LocalTransport, setup: Setup): void {
  section.iceUfrag = credentials.ufrag
  section.icePwd = credentials.pwd
  section.fingerprints = [{ algorithm: 'sha-256', value: fingerprint }]
  section.setup = setup
}

/** `tagged`: the mid whose section's transport all share; `undefined`: there is no group (RFC 9143 section 7.3). */
export function fillSession(
  description: SessionDescription,
  local: LocalTransport,
  tagged: string | undefined,
): void {
  const accepted = description.media.filter(({ port }) => port !== 0)
  description.iceLite = local.iceLite
  description.extmapAllowMixed = accepted.some(({ extmapAllowMixed }) => extmapAllowMixed)
  const connection = accepted[0]?.connection
  if (connection !== undefined) placeRejected(description, connection)
  if (tagged === undefined) return
  const others = accepted.flatMap(({ mid }) => (mid === undefined || mid === tagged ? [] : [mid]))
  description.groups.push({ semantics: 'BUNDLE', mids: [tagged, ...others] })
}

/** Linphone takes 0.0.0.0 for an ICE restart, as RFC 5245 section 9.1.1.1 had it, also in a section that is not in use: such ones have the address of those that are. */
function placeRejected({ media }: SessionDescription, connection: string): void {
  for (const section of media) if (section.port === 0) section.connection = connection
}
