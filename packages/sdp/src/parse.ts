import {
  type MediaDescription,
  parse as parseGrammar,
  type SessionDescription as SessionGrammar,
} from 'sdp-transform'
import {
  attributesOf,
  attributeValue,
  malformed,
  readFingerprint,
  readGroup,
  readMsid,
  readRid,
  readSimulcast,
  readSsrcGroup,
  readSsrcs,
  words,
} from './attributes.ts'
import { readFormats } from './formats.ts'
import {
  isWorthKeeping,
  knownMedia,
  knownSession,
  type Parts,
  rememberMedia,
  rememberSession,
  takeApart,
} from './known-sections.ts'
import { type Line, type Section, splitSections } from './lines.ts'
import {
  type MediaSection,
  mediaSection,
  type Origin,
  type SessionDescription,
  sessionDescription,
  type Setup,
  type TransportAttributes,
} from './model.ts'
import { SdpError } from './sdp-error.ts'

type Grammar = SessionGrammar &
  Partial<Pick<MediaDescription, 'mid' | 'rtcpMux' | 'rtcpRsize' | 'bundleOnly' | 'endOfCandidates'>>

/** Attributes that the model has a place for; all others are kept as they are written. */
const SESSION_ATTRIBUTES = new Set([
  'group',
  'ice-lite',
  'ice-ufrag',
  'ice-pwd',
  'ice-options',
  'fingerprint',
  'setup',
  'extmap-allow-mixed',
  'sendrecv',
  'sendonly',
  'recvonly',
  'inactive',
])
const MEDIA_ATTRIBUTES = new Set([
  'mid',
  'sendrecv',
  'sendonly',
  'recvonly',
  'inactive',
  'extmap-allow-mixed',
  'rtcp-mux',
  'rtcp-rsize',
  'bundle-only',
  'ice-ufrag',
  'ice-pwd',
  'ice-options',
  'fingerprint',
  'setup',
  'candidate',
  'end-of-candidates',
  'msid',
  'ssrc',
  'ssrc-group',
  'rid',
  'simulcast',
  'sctp-port',
  'max-message-size',
  'sctp-init',
])
/** Those of them that the grammar reads; the others are read by `attributes.ts`. */
const GRAMMAR_ATTRIBUTES = new Set([
  'mid',
  'sendrecv',
  'sendonly',
  'recvonly',
  'inactive',
  'extmap-allow-mixed',
  'rtcp-mux',
  'rtcp-rsize',
  'bundle-only',
  'ice-lite',
  'end-of-candidates',
])
const DIRECTIONS = new Set(['sendrecv', 'sendonly', 'recvonly', 'inactive'])
/** Attributes that stand at most once in a section: a second one would silently win. */
const SINGLE_ATTRIBUTES = new Set([
  'mid',
  'ice-ufrag',
  'ice-pwd',
  'setup',
  'simulcast',
  'sctp-port',
  'max-message-size',
  'sctp-init',
])
const SETUPS = new Set<string>(['actpass', 'active', 'passive', 'holdconn'])
/** RFC 8866 section 5.14: at least one format. The number of ports, for layered encodings, is read past. */
const MEDIA_LINE = /^[\w-]+ \d{1,5}(\/\d+)? [\w/-]+( \S+)+\s*$/
/** RFC 8866 section 5.2. Ids and versions have up to 64 bits. */
const ORIGIN_LINE = /^(\S+) (\d{1,20}) (\d{1,20}) IN IP([46]) (\S+)\s*$/
const CONNECTION_LINE = /^IN IP[46] (\S+)\s*$/
const BANDWIDTH_LINE = /^([\w-]+):(\d{1,15})\s*$/
/** draft-ietf-mmusic-sctp-sdp-05 section 5.2, with the number of streams. */
const SCTP_MAP = /^sctpmap:(\d{1,5}) webrtc-datachannel( \d{1,5})?\s*$/
/** What an attribute has to look like. The readers rely on it. */
const FORMS: Readonly<Record<string, RegExp>> = {
  mid: /^mid:\S{1,255}\s*$/,
  'ice-ufrag': /^ice-ufrag:[A-Za-z0-9+/=_-]{4,256}\s*$/,
  'ice-pwd': /^ice-pwd:[A-Za-z0-9+/=_-]{22,256}\s*$/,
  ssrc: /^ssrc:\d{1,10}( \S.*)?$/,
  'ssrc-group': /^ssrc-group:\S+( \d{1,10})+\s*$/,
  rid: /^rid:[A-Za-z0-9_-]{1,255} (send|recv)( \S.*)?$/,
  simulcast: /^simulcast: ?(send|recv) \S+( (send|recv) \S+)?\s*$/,
  candidate: /^candidate:\S+ \d+ \S+ \d+ \S+ \d+ typ \S+.*$/,
  'sctp-port': /^sctp-port:\d{1,5}\s*$/,
  'max-message-size': /^max-message-size:\d{1,19}\s*$/,
  'sctp-init': /^sctp-init:[A-Za-z0-9+/]{4,4096}={0,2}\s*$/,
  msid: /^msid:\S+( \S+)?\s*$/,
  group: /^group:\S+( \S+)*\s*$/,
}

/**
 * Reads a session description. What the model has no place for is kept in `attributes`. Throws an `SdpError`
 * that names the line at fault.
 */
export function parseSdp(text: string): SessionDescription {
  if (typeof text !== 'string') throw new SdpError('a session description is a string')
  let parts: Parts | undefined
  try {
    parts = takeApart(text)
    const description = parts && parseParts(parts)
    if (description !== undefined) return description
  } catch (error) {
    // its line is found where all are read
    if (!(error instanceof SdpError)) throw error
  }
  const description = parseLines(text)
  if (parts !== undefined) rememberParts(parts)
  return description
}

/** Puts a description together out of sections that were read before; `undefined` where one was not, or mids do not agree. Throws an `SdpError` that names no line. */
function parseParts({ session, media }: Parts): SessionDescription | undefined {
  const description = knownSession(session)
  if (description === undefined) return undefined
  checkForms(session.own, SESSION_ATTRIBUTES)
  readOwnSession(description, session.own)
  for (const part of media) {
    const section = knownMedia(part)
    if (section === undefined) return undefined
    section.port = part.port
    checkForms(part.own, MEDIA_ATTRIBUTES)
    readOwnMedia(section, part.own)
    description.media.push(section)
  }
  return agreesOnMids(description) ? description : undefined
}

/** Reads all lines. */
function parseLines(text: string): SessionDescription {
  const { session, media } = splitSections(text)
  const description = readSession(session)
  readOwnSession(description, session)
  for (const lines of media) {
    const section = readMedia(lines)
    readOwnMedia(section, lines)
    description.media.push(section)
  }
  checkMids(description, session, media)
  return description
}

/** Of a description that was read. */
function rememberParts({ session, media }: Parts): void {
  if (isWorthKeeping(session)) rememberSession(session, readSession(splitSections(session.text).session))
  for (const part of media) {
    if (isWorthKeeping(part)) rememberMedia(part, readMedia(splitSections(part.text).media[0]!))
  }
}

/** What the session level says, without what is a peer's own. */
function readSession(lines: Section): SessionDescription {
  checkForms(lines, SESSION_ATTRIBUTES)
  const grammar = readGrammar(lines)
  const description = sessionDescription('0', '0')
  description.groups = attributesOf(lines, 'group').map(readGroup)
  description.iceLite = grammar.icelite !== undefined
  description.extmapAllowMixed = grammar.extmapAllowMixed !== undefined
  if (grammar.direction !== undefined) description.direction = grammar.direction
  readTransport(description, lines)
  return description
}

function readOwnSession(description: SessionDescription, lines: Section): void {
  description.origin = readOrigin(lines)
  description.name = lines.lines.find((line) => line.type === 's')?.value ?? '-'
  readCredentials(description, lines)
  description.attributes = unknownAttributes(lines, SESSION_ATTRIBUTES)
}

function readOrigin(lines: Section): Origin {
  const line = lines.lines.find(({ type }) => type === 'o')!
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

/** What a media section says, without what is a peer's own. */
function readMedia(lines: Section): MediaSection {
  const first = lines.lines[0]!
  if (!MEDIA_LINE.test(first.value)) throw malformed(first, 'not "m=<media> <port> <protocol> <formats>"')
  checkForms(lines, MEDIA_ATTRIBUTES)
  const grammar = readGrammar(lines)
  const [kind, port, protocol, ...formats] = first.value.trim().split(' ')
  const section = mediaSection(kind!, protocol!)
  section.port = readPort(first, Number.parseInt(port!, 10))
  section.formats = Object.freeze(formats)
  if (grammar.mid !== undefined) section.mid = String(grammar.mid)
  if (grammar.direction !== undefined) section.direction = grammar.direction
  const { payloads, extensions } = readFormats(protocol!.includes('RTP') ? formats : undefined, lines)
  section.payloads = payloads
  section.extensions = extensions
  section.extmapAllowMixed = grammar.extmapAllowMixed !== undefined
  section.rtcpMux = grammar.rtcpMux !== undefined
  section.rtcpReducedSize = grammar.rtcpRsize !== undefined
  section.bundleOnly = grammar.bundleOnly !== undefined
  section.endOfCandidates = grammar.endOfCandidates !== undefined
  readTransport(section, lines)
  readRids(section, lines)
  const [sctpPort] = attributesOf(lines, 'sctp-port')
  if (sctpPort !== undefined) section.sctpPort = readPort(sctpPort, Number(attributeValue(sctpPort)))
  const [maxMessageSize] = attributesOf(lines, 'max-message-size')
  if (maxMessageSize !== undefined) section.maxMessageSize = Number(attributeValue(maxMessageSize))
  return section
}

/** The rest of a section: all but the port of its `m=` line, and the attributes that `known-sections.ts` names. */
function readOwnMedia(section: MediaSection, lines: Section): void {
  readConnection(section, lines)
  section.candidates = attributesOf(lines, 'candidate').map((line) => line.value)
  readCredentials(section, lines)
  section.ssrcs = readSsrcs(attributesOf(lines, 'ssrc'))
  section.ssrcGroups = attributesOf(lines, 'ssrc-group').map(readSsrcGroup)
  section.msids = attributesOf(lines, 'msid').map(readMsid)
  if (section.sctpPort === undefined) readSctpMap(section, lines)
  const [sctpInit] = attributesOf(lines, 'sctp-init')
  if (sctpInit !== undefined) section.sctpInit = attributeValue(sctpInit)
  section.attributes = unknownAttributes(lines, MEDIA_ATTRIBUTES)
}

/** `a=sctpmap`, by which descriptions gave the port before RFC 8841. It stays in `attributes`; one of something else is none. */
function readSctpMap(section: MediaSection, lines: Section): void {
  for (const { value } of attributesOf(lines, 'sctpmap')) {
    const port = SCTP_MAP.exec(value)?.[1]
    if (port === undefined || Number(port) > 65535 || !section.formats.includes(port)) continue
    section.sctpPort = Number(port)
    return
  }
}

function readPort(line: Line, port: number): number {
  if (port > 65535) throw malformed(line, 'a port is at most 65535')
  return port
}

function readConnection(section: MediaSection, lines: Section): void {
  for (const line of lines.lines) {
    if (line.type === 'c') {
      const match = CONNECTION_LINE.exec(line.value)
      if (match === null) throw malformed(line, 'not "c=IN IP4|IP6 <address>"')
      section.connection ??= match[1]!
    } else if (line.type === 'b') {
      const match = BANDWIDTH_LINE.exec(line.value)
      if (match === null) throw malformed(line, 'not "b=<type>:<kilobits or bits>"')
      section.bandwidth.push({ type: match[1]!, limit: Number(match[2]) })
    }
  }
}

/** RFC 8851 section 4: a rid stands for one stream. */
function readRids(section: MediaSection, lines: Section): void {
  const seen = new Set<string>()
  for (const line of attributesOf(lines, 'rid')) {
    const rid = readRid(line)
    if (seen.has(rid.id)) throw malformed(line, `the rid "${rid.id}" stands twice in one section`)
    seen.add(rid.id)
    section.rids.push(rid)
  }
  const [simulcast] = attributesOf(lines, 'simulcast')
  if (simulcast !== undefined) section.simulcast = readSimulcast(simulcast)
}

/** What the grammar makes of the attributes of a section: without its `m=` line, they are where those of a session are. */
function readGrammar({ attributes }: Section): Grammar {
  let text = ''
  for (const [name, lines] of attributes) {
    if (!GRAMMAR_ATTRIBUTES.has(name)) continue
    for (const line of lines) text += `a=${line.value}\r\n`
  }
  return parseGrammar(text)
}

function unknownAttributes({ lines }: Section, known: ReadonlySet<string>): string[] {
  const unknown: string[] = []
  for (const line of lines) if (line.type === 'a' && !known.has(line.name)) unknown.push(line.value)
  return unknown
}

function checkForms({ attributes }: Section, known: ReadonlySet<string>): void {
  let direction: Line | undefined
  for (const [name, lines] of attributes) {
    if (!known.has(name)) continue
    const form = FORMS[name]
    if (form !== undefined) {
      for (const line of lines) if (!form.test(line.value)) throw malformed(line, `malformed "${name}"`)
    }
    const [first, second] = lines
    if (DIRECTIONS.has(name)) {
      const other = second ?? (direction === undefined ? undefined : first)
      if (other !== undefined) throw malformed(other, 'a second "direction" in one section')
      direction = first
    } else if (second !== undefined && SINGLE_ATTRIBUTES.has(name)) {
      throw malformed(second, `a second "${name}" in one section`)
    }
  }
}

function readTransport(into: TransportAttributes, lines: Section): void {
  into.iceOptions = attributesOf(lines, 'ice-options').flatMap((line) => words(attributeValue(line)))
  const [line] = attributesOf(lines, 'setup')
  if (line === undefined) return
  const setup = attributeValue(line)
  if (!SETUPS.has(setup)) throw malformed(line, 'unknown setup role')
  into.setup = setup as Setup
}

function readCredentials(into: TransportAttributes, lines: Section): void {
  const [ufrag] = attributesOf(lines, 'ice-ufrag')
  if (ufrag !== undefined) into.iceUfrag = attributeValue(ufrag)
  const [pwd] = attributesOf(lines, 'ice-pwd')
  if (pwd !== undefined) into.icePwd = attributeValue(pwd)
  into.fingerprints = attributesOf(lines, 'fingerprint').map(readFingerprint)
}

/** RFC 9143 section 7.1 and RFC 5888: a mid names one section, and a group names sections that exist. */
function agreesOnMids({ media, groups }: SessionDescription): boolean {
  const mids = new Set<string>()
  for (const { mid } of media) {
    if (mid !== undefined && mids.size === mids.add(mid).size) return false
  }
  return groups.every((group) => group.mids.every((mid) => mids.has(mid)))
}

function checkMids(description: SessionDescription, session: Section, media: readonly Section[]): void {
  if (agreesOnMids(description)) return
  const mids = new Set<string>()
  description.media.forEach(({ mid }, i) => {
    if (mid === undefined) return
    if (mids.has(mid)) throw malformed(attributesOf(media[i]!, 'mid')[0]!, 'the mid of another section')
    mids.add(mid)
  })
  for (const line of attributesOf(session, 'group')) {
    const unknown = readGroup(line).mids.find((mid) => !mids.has(mid))
    if (unknown !== undefined) throw malformed(line, `no section has the mid "${unknown}"`)
  }
}
