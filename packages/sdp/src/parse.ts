import {
  type MediaDescription,
  parse as parseGrammar,
  type SessionDescription as SessionGrammar,
} from 'sdp-transform'
import {
  attributesOf,
  attributeValue,
  malformed,
  readGroup,
  readRid,
  readSimulcast,
  words,
} from './attributes.ts'
import { readFormats } from './formats.ts'
import {
  isWorthKeeping,
  recallMedia,
  recallSession,
  rememberMedia,
  rememberSession,
  SHARED_MEDIA_ATTRIBUTES,
  SHARED_SESSION_ATTRIBUTES,
  takeApart,
} from './known-sections.ts'
import { type Line, MAX_MEDIA_SECTIONS, type Section, splitSections } from './lines.ts'
import {
  DIRECTIONS,
  type MediaSection,
  mediaSection,
  type SessionDescription,
  sessionDescription,
  type Setup,
  type TransportAttributes,
} from './model.ts'
import { readOwnMedia, readOwnSession } from './own-lines.ts'
import { SdpError } from './sdp-error.ts'

type Grammar = SessionGrammar &
  Partial<Pick<MediaDescription, 'mid' | 'rtcpMux' | 'rtcpRsize' | 'bundleOnly' | 'endOfCandidates'>>

/** Attributes that the grammar reads; the others are read by `attributes.ts`. */
const GRAMMAR_ATTRIBUTES = new Set<string>([
  'mid',
  ...DIRECTIONS,
  'extmap-allow-mixed',
  'rtcp-mux',
  'rtcp-rsize',
  'bundle-only',
  'ice-lite',
  'end-of-candidates',
])
/** Attributes that stand at most once in a section: a second one would silently win. */
const SINGLE_ATTRIBUTES = new Set(['mid', 'setup', 'simulcast', 'sctp-port', 'max-message-size'])
const SETUPS = new Set<string>(['actpass', 'active', 'passive', 'holdconn'])
/** RFC 8866 section 5.14: at least one format. The number of ports, for layered encodings, is read past. */
const MEDIA_LINE = /^[\w-]+ \d{1,5}(\/\d+)? [\w/-]+( \S+)+\s*$/
/** What an attribute has to look like. The readers rely on it. */
const FORMS: Readonly<Record<string, RegExp>> = {
  // a token (RFC 8866 section 9) has no others: each is a byte of the header extension
  mid: /^mid:[!-~]{1,255}\s*$/,
  rid: /^rid:[A-Za-z0-9_-]{1,255} (send|recv)( \S.*)?$/,
  simulcast: /^simulcast: ?(send|recv) \S+( (send|recv) \S+)?\s*$/,
  'sctp-port': /^sctp-port:\d{1,5}\s*$/,
  'max-message-size': /^max-message-size:\d{1,19}\s*$/,
  group: /^group:\S+( \S+)*\s*$/,
}

/**
 * Reads a session description. What the model has no place for is kept in `attributes`. Throws an `SdpError`
 * that names the line at fault.
 */
export function parseSdp(text: string): SessionDescription {
  if (typeof text !== 'string') throw new SdpError('a session description is a string')
  // the last line may stand without its end
  const whole = text.endsWith('\r\n') ? text : `${text}\r\n`
  try {
    const description = parseKnown(whole)
    if (description !== undefined) return description
  } catch (error) {
    // its line is found where all are read
    if (!(error instanceof SdpError)) throw error
  }
  const description = parseLines(text)
  rememberParts(whole)
  return description
}

/** Puts a description together out of sections that were read before; `undefined` where one was not, or mids do not agree. Throws an `SdpError` that names no line. */
function parseKnown(text: string): SessionDescription | undefined {
  const session = recallSession(text)
  if (session === undefined) return undefined
  const description = session.section
  readOwnSession(description, session.own)
  for (let at = session.end; at < text.length;) {
    const media = description.media.length < MAX_MEDIA_SECTIONS ? recallMedia(text, at) : undefined
    if (media === undefined) return undefined
    readOwnMedia(media.section, media.own)
    description.media.push(media.section)
    at = media.end
  }
  return agreesOnMids(description) ? description : undefined
}

/** Reads all lines. */
function parseLines(text: string): SessionDescription {
  const { session, media } = splitSections(text)
  const description = readSession(session)
  readOwnSession(description, session.lines)
  for (const lines of media) {
    const section = readMedia(lines)
    readOwnMedia(section, lines.lines)
    description.media.push(section)
  }
  checkMids(description, session, media)
  return description
}

/** Of a description that was read. */
function rememberParts(text: string): void {
  const parts = takeApart(text)
  if (parts === undefined) return
  const { session, media } = parts
  if (isWorthKeeping(session)) rememberSession(session, readSession(splitSections(session.text).session))
  for (const part of media) {
    if (isWorthKeeping(part)) rememberMedia(part, readMedia(splitSections(part.text).media[0]!))
  }
}

/** What the session level says, without what is a peer's own. */
function readSession(lines: Section): SessionDescription {
  checkForms(lines, SHARED_SESSION_ATTRIBUTES)
  const grammar = readGrammar(lines)
  const description = sessionDescription('0', '0')
  description.groups = attributesOf(lines, 'group').map(readGroup)
  description.iceLite = grammar.icelite !== undefined
  description.extmapAllowMixed = grammar.extmapAllowMixed !== undefined
  if (grammar.direction !== undefined) description.direction = grammar.direction
  readTransport(description, lines)
  return description
}

/** What a media section says, without what is a peer's own. */
function readMedia(lines: Section): MediaSection {
  const first = lines.lines[0]!
  if (!MEDIA_LINE.test(first.value)) throw malformed(first, 'not "m=<media> <port> <protocol> <formats>"')
  checkForms(lines, SHARED_MEDIA_ATTRIBUTES)
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

function readPort(line: Line, port: number): number {
  if (port > 65535) throw malformed(line, 'a port is at most 65535')
  return port
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

function checkForms({ attributes }: Section, known: ReadonlySet<string>): void {
  let direction: Line | undefined
  for (const [name, lines] of attributes) {
    if (!known.has(name)) continue
    const form = FORMS[name]
    if (form !== undefined) {
      for (const line of lines) if (!form.test(line.value)) throw malformed(line, `malformed "${name}"`)
    }
    const [first, second] = lines
    if (isDirection(name)) {
      const other = second ?? (direction === undefined ? undefined : first)
      if (other !== undefined) throw malformed(other, 'a second "direction" in one section')
      direction = first
    } else if (second !== undefined && SINGLE_ATTRIBUTES.has(name)) {
      throw malformed(second, `a second "${name}" in one section`)
    }
  }
}

function isDirection(name: string): boolean {
  return DIRECTIONS.some((direction) => direction === name)
}

function readTransport(into: TransportAttributes, lines: Section): void {
  into.iceOptions = attributesOf(lines, 'ice-options').flatMap((line) => words(attributeValue(line)))
  const [line] = attributesOf(lines, 'setup')
  if (line === undefined) return
  const setup = attributeValue(line)
  if (!SETUPS.has(setup)) throw malformed(line, 'unknown setup role')
  into.setup = setup as Setup
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
