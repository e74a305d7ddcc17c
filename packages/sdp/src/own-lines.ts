// The lines of a description that are a peer's own: what `known-sections.ts` does not name.

import {
  attributeValue,
  malformed,
  readFingerprint,
  readMsid,
  readSsrcGroup,
  readSsrcs,
} from './attributes.ts'
import { SHARED_MEDIA_ATTRIBUTES, SHARED_SESSION_ATTRIBUTES } from './known-sections.ts'
import type { Line } from './lines.ts'
import type { MediaSection, Origin, SessionDescription, TransportAttributes } from './model.ts'

/** RFC 8866 section 5.2. Ids and versions have up to 64 bits. */
const ORIGIN_LINE = /^(\S+) (\d{1,20}) (\d{1,20}) IN IP([46]) (\S+)\s*$/
const CONNECTION_LINE = /^IN IP[46] (\S+)\s*$/
const BANDWIDTH_LINE = /^([\w-]+):(\d{1,15})\s*$/
const ICE_UFRAG = /^ice-ufrag:[A-Za-z0-9+/=_-]{4,256}\s*$/
const ICE_PWD = /^ice-pwd:[A-Za-z0-9+/=_-]{22,256}\s*$/
const CANDIDATE = /^candidate:\S+ \d+ \S+ \d+ \S+ \d+ typ \S+.*$/
const SSRC = /^ssrc:\d{1,10}( \S.*)?$/
const SSRC_GROUP = /^ssrc-group:\S+( \d{1,10})+\s*$/
const MSID = /^msid:\S+( \S+)?\s*$/
const SCTP_INIT = /^sctp-init:[A-Za-z0-9+/]{4,4096}={0,2}\s*$/
/** draft-ietf-mmusic-sctp-sdp-05 section 5.2, with the number of streams. */
const SCTP_MAP = /^sctpmap:(\d{1,5}) webrtc-datachannel( \d{1,5})?\s*$/

/** Reads what is a peer's own of a session level; other lines are passed over. Throws an `SdpError`. */
export function readOwnSession(description: SessionDescription, lines: readonly Line[]): void {
  let name: string | undefined
  for (const line of lines) {
    if (line.type === 'a') {
      if (readCredential(description, line) || SHARED_SESSION_ATTRIBUTES.has(line.name)) continue
      description.attributes.push(line.value)
    } else if (line.type === 'o') {
      description.origin = readOrigin(line)
    } else if (line.type === 's') {
      name ??= line.value
    }
  }
  if (name !== undefined) description.name = name
}

function readOrigin(line: Line): Origin {
  const match = ORIGIN_LINE.exec(line.value)
  if (match === null) throw malformed(line, 'not "o=<username> <id> <version> IN IP4|IP6 <address>"')
  return {
    username: match[1]!,
    sessionId: match[2]!,
    sessionVersion: match[3]!,
    addressType: match[4] === '6' ? 'IP6' : 'IP4',
    address: match[5]!,
  }
}

/** Reads what is a peer's own of a media section, all but the port of its `m=` line; other lines are passed over. Throws an `SdpError`. */
export function readOwnMedia(section: MediaSection, lines: readonly Line[]): void {
  const ssrcs: Line[] = []
  for (const line of lines) {
    if (line.type === 'a') readOwnAttribute(section, line, ssrcs)
    else if (line.type === 'c') readConnection(section, line)
    else if (line.type === 'b') readBandwidth(section, line)
  }
  if (ssrcs.length > 0) section.ssrcs = readSsrcs(ssrcs)
}

/** `ssrcs`: those lines are collected. */
function readOwnAttribute(section: MediaSection, line: Line, ssrcs: Line[]): void {
  switch (line.name) {
    case 'candidate':
      checkForm(line, CANDIDATE)
      section.candidates.push(line.value)
      break
    case 'ssrc':
      checkForm(line, SSRC)
      ssrcs.push(line)
      break
    case 'ssrc-group':
      checkForm(line, SSRC_GROUP)
      section.ssrcGroups.push(readSsrcGroup(line))
      break
    case 'msid':
      checkForm(line, MSID)
      section.msids.push(readMsid(line))
      break
    case 'sctp-init':
      checkForm(line, SCTP_INIT)
      checkFirst(line, section.sctpInit)
      section.sctpInit = attributeValue(line)
      break
    default:
      if (readCredential(section, line) || SHARED_MEDIA_ATTRIBUTES.has(line.name)) break
      if (line.name === 'sctpmap' && section.sctpPort === undefined) readSctpMap(section, line)
      section.attributes.push(line.value)
  }
}

/** Whether the line was one of these. */
function readCredential(into: TransportAttributes, line: Line): boolean {
  switch (line.name) {
    case 'ice-ufrag':
      checkForm(line, ICE_UFRAG)
      checkFirst(line, into.iceUfrag)
      into.iceUfrag = attributeValue(line)
      return true
    case 'ice-pwd':
      checkForm(line, ICE_PWD)
      checkFirst(line, into.icePwd)
      into.icePwd = attributeValue(line)
      return true
    case 'fingerprint':
      into.fingerprints.push(readFingerprint(line))
      return true
    default:
      return false
  }
}

function checkForm(line: Line, form: RegExp): void {
  if (!form.test(line.value)) throw malformed(line, `malformed "${line.name}"`)
}

/** Of attributes that stand at most once in a section: a second one would silently win. */
function checkFirst(line: Line, before: string | undefined): void {
  if (before !== undefined) throw malformed(line, `a second "${line.name}" in one section`)
}

function readConnection(section: MediaSection, line: Line): void {
  const match = CONNECTION_LINE.exec(line.value)
  if (match === null) throw malformed(line, 'not "c=IN IP4|IP6 <address>"')
  section.connection ??= match[1]!
}

function readBandwidth(section: MediaSection, line: Line): void {
  const match = BANDWIDTH_LINE.exec(line.value)
  if (match === null) throw malformed(line, 'not "b=<type>:<kilobits or bits>"')
  section.bandwidth.push({ type: match[1]!, limit: Number(match[2]) })
}

/** `a=sctpmap`, by which descriptions gave the port before RFC 8841. It stays in `attributes`; one of something else is none. */
function readSctpMap(section: MediaSection, { value }: Line): void {
  const port = SCTP_MAP.exec(value)?.[1]
  if (port === undefined || Number(port) > 65535 || !section.formats.includes(port)) return
  section.sctpPort = Number(port)
}
