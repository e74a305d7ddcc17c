import { onceFor, UsageError } from '@str0m/sans-io'
import { CONGESTION_CONTROL_FEEDBACK } from './codec.ts'
import {
  type ExtensionMap,
  hasSctpMap,
  type MediaSection,
  type PayloadFormat,
  type RidDescription,
  type SessionDescription,
  type SimulcastStream,
  type TransportAttributes,
} from './model.ts'

// The order of the attributes is that of `sdp-transform`: what we write is what its writer would.

/**
 * Writes a session description, lines ended by CRLF. Throws a `UsageError` (`invalid-description`) where a text in it holds a line end or
 * a NUL: it would be another line to the peer.
 */
export function writeSdp(description: SessionDescription): string {
  const lines = new Lines()
  const { origin } = description
  const { username, sessionId, sessionVersion, addressType, address } = origin
  lines.push('v=0')
  lines.push(`o=${username} ${sessionId} ${sessionVersion} IN ${addressType} ${address}`)
  lines.push(`s=${description.name}`)
  lines.push('t=0 0')
  if (description.extmapAllowMixed) lines.push('a=extmap-allow-mixed')
  if (description.setup !== undefined) lines.push(`a=setup:${description.setup}`)
  if (description.direction !== undefined) lines.push(`a=${description.direction}`)
  if (description.iceLite) lines.push('a=ice-lite')
  writeCredentials(lines, description)
  writeIceOptions(lines, description)
  for (const { semantics, mids } of description.groups) lines.push(`a=group:${semantics} ${mids.join(' ')}`)
  writeMoreFingerprints(lines, description)
  for (const attribute of description.attributes) lines.push(`a=${attribute}`)
  for (const section of description.media) writeMedia(lines, section)
  return lines.finish()
}

/** The lines of a description. */
class Lines {
  #text = ''
  /** Those that are still to be checked. */
  readonly #lines: string[] = []

  push(line: string): void {
    this.#text += `${line}\r\n`
    this.#lines.push(line)
  }

  /** Lines that were checked, each with its end. */
  pushChecked(text: string): void {
    this.#text += text
  }

  finish(): string {
    checkLines(this.#lines)
    return this.#text
  }
}

// eslint-disable-next-line no-control-regex -- RFC 8866 section 9: byte-string excludes them
const NOT_IN_LINE = /[\r\n\u0000]/

function checkLines(lines: readonly string[]): void {
  if (!NOT_IN_LINE.test(lines.join(''))) return
  const line = lines.find((text) => NOT_IN_LINE.test(text))
  throw new UsageError('invalid-description', `A text of a description is one line: ${JSON.stringify(line)}`)
}

function writeMedia(lines: Lines, section: MediaSection): void {
  const { connection } = section
  lines.push(`m=${section.kind} ${section.port} ${section.protocol} ${section.formats.join(' ')}`)
  if (connection !== undefined) lines.push(`c=IN IP${connection.includes(':') ? 6 : 4} ${connection}`)
  for (const { type, limit } of section.bandwidth) lines.push(`b=${type}:${limit}`)
  lines.pushChecked(payloadLines(section.payloads).text)
  lines.pushChecked(extensionLines(section.extensions).text)
  if (section.extmapAllowMixed) lines.push('a=extmap-allow-mixed')
  if (section.setup !== undefined) lines.push(`a=setup:${section.setup}`)
  if (section.mid !== undefined) lines.push(`a=mid:${section.mid}`)
  if (section.direction !== undefined) lines.push(`a=${section.direction}`)
  writeCredentials(lines, section)
  if (section.endOfCandidates) lines.push('a=end-of-candidates')
  writeIceOptions(lines, section)
  if (section.rtcpMux) lines.push('a=rtcp-mux')
  if (section.rtcpReducedSize) lines.push('a=rtcp-rsize')
  for (const rid of section.rids) lines.push(ridLine(rid))
  writeSimulcast(lines, section)
  if (section.bundleOnly) lines.push('a=bundle-only')
  if (section.sctpPort !== undefined && !hasSctpMap(section)) lines.push(`a=sctp-port:${section.sctpPort}`)
  if (section.maxMessageSize !== undefined) lines.push(`a=max-message-size:${section.maxMessageSize}`)
  writeMoreFingerprints(lines, section)
  if (section.sctpInit !== undefined) lines.push(`a=sctp-init:${section.sctpInit}`)
  for (const candidate of section.candidates) lines.push(`a=${candidate}`)
  for (const { stream, track } of section.msids) {
    lines.push(track === undefined ? `a=msid:${stream}` : `a=msid:${stream} ${track}`)
  }
  writeSources(lines, section)
  for (const attribute of section.attributes) lines.push(`a=${attribute}`)
}

/** Written once: the same lists are in the descriptions of many peers. */
const payloadLines = onceFor((payloads: readonly PayloadFormat[]) => {
  const lines = new Lines()
  for (const { pt, name, clockRate, channels } of payloads) {
    lines.push(`a=rtpmap:${pt} ${name}/${clockRate}${channels === undefined ? '' : `/${channels}`}`)
  }
  for (const { pt, parameters } of payloads) {
    if (parameters !== undefined) lines.push(`a=fmtp:${pt} ${parameters}`)
  }
  const ofAll = payloads.length > 0 && payloads.every(endsWithCongestionControl)
  for (const { pt, feedback } of payloads) {
    const own = ofAll ? feedback.slice(0, -1) : feedback
    for (const type of own) lines.push(`a=rtcp-fb:${pt} ${type}`)
  }
  // RFC 8888 section 6: of all payload types
  if (ofAll) lines.push(`a=rtcp-fb:* ${CONGESTION_CONTROL_FEEDBACK}`)
  return { text: lines.finish() }
})

/** Whether it has this at the end, and nowhere else: then what is written for all is read the same. */
function endsWithCongestionControl({ feedback }: PayloadFormat): boolean {
  const at = feedback.indexOf(CONGESTION_CONTROL_FEEDBACK)
  return at >= 0 && at === feedback.length - 1
}

const extensionLines = onceFor((extensions: readonly ExtensionMap[]) => {
  const lines = new Lines()
  for (const { id, direction, uri, config } of extensions) {
    const target = direction === undefined ? id : `${id}/${direction}`
    lines.push(`a=extmap:${target} ${uri}${config === undefined || config === '' ? '' : ` ${config}`}`)
  }
  return { text: lines.finish() }
})

/** The ICE credentials, and the first fingerprint. */
function writeCredentials(lines: Lines, { iceUfrag, icePwd, fingerprints }: TransportAttributes): void {
  if (iceUfrag !== undefined) lines.push(`a=ice-ufrag:${iceUfrag}`)
  if (icePwd !== undefined) lines.push(`a=ice-pwd:${icePwd}`)
  const [first] = fingerprints
  if (first !== undefined) lines.push(`a=fingerprint:${first.algorithm} ${first.value}`)
}

function writeIceOptions(lines: Lines, { iceOptions }: TransportAttributes): void {
  if (iceOptions.length > 0) lines.push(`a=ice-options:${iceOptions.join(' ')}`)
}

/** All but the first: most peers have one. */
function writeMoreFingerprints(lines: Lines, { fingerprints }: TransportAttributes): void {
  for (let i = 1; i < fingerprints.length; i++) {
    const { algorithm, value } = fingerprints[i]!
    lines.push(`a=fingerprint:${algorithm} ${value}`)
  }
}

/** RFC 8851 section 10. */
function ridLine({ id, direction, pts, restrictions }: RidDescription): string {
  const parts = pts === undefined ? [] : [`pt=${pts.join(',')}`]
  for (const [key, value] of Object.entries(restrictions)) parts.push(value === '' ? key : `${key}=${value}`)
  return `a=rid:${id} ${direction}${parts.length === 0 ? '' : ` ${parts.join(';')}`}`
}

/** RFC 8853 section 5.1. */
function writeSimulcast(lines: Lines, { simulcast }: MediaSection): void {
  if (simulcast === undefined) return
  const send = streamList(simulcast.send)
  const recv = streamList(simulcast.recv)
  const lists = `${send === '' ? '' : ` send ${send}`}${recv === '' ? '' : ` recv ${recv}`}`
  if (lists !== '') lines.push(`a=simulcast:${lists.slice(1)}`)
}

function streamList(streams: readonly (readonly SimulcastStream[])[]): string {
  return streams
    .map((alternatives) => alternatives.map(({ rid, paused }) => (paused ? `~${rid}` : rid)).join(','))
    .join(';')
}

/** RFC 5576 section 4. */
function writeSources(lines: Lines, { ssrcs, ssrcGroups }: MediaSection): void {
  for (const { semantics, ssrcs: members } of ssrcGroups) {
    lines.push(`a=ssrc-group:${semantics} ${members.join(' ')}`)
  }
  for (const { ssrc, attributes } of ssrcs) {
    if (attributes.length === 0) lines.push(`a=ssrc:${ssrc}`)
    for (const { name, value } of attributes) {
      lines.push(value === undefined ? `a=ssrc:${ssrc} ${name}` : `a=ssrc:${ssrc} ${name}:${value}`)
    }
  }
}
