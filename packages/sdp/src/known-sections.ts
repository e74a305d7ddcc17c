import {
  attributeName,
  type Line,
  MAX_LINE_LENGTH,
  MAX_MEDIA_SECTIONS,
  MAX_SDP_LENGTH,
  OTHER_LINE_END,
  readPlainLine,
} from './lines.ts'
import { DIRECTIONS, type MediaSection, mediaSection, type SessionDescription } from './model.ts'

// Peers are a few browsers, and of what one writes of a session most is the same for each of its users: formats, extensions, what is multiplexed. These lines stand
// in runs, with a peer's own between them: a section is compared with the runs of those that were read before, and put together out of what they came to and of its
// own lines, which are read as ever. This way is for descriptions in the usual form; `parse.ts` reads all others, and finds what is wrong with those that are refused.

/** Most of a kind that are remembered. */
export const MAX_KNOWN_SECTIONS = 64
/** The longest text of one, in UTF-16 units: a browser's video has about 5000. */
const MAX_KNOWN_LENGTH = 8192
/** Most of them that one section is read beside, which begin as it does: who writes the same formats writes them for a few directions and mids. */
export const MAX_TRIES = 8

/** Attributes that others write too, of the session level and of a section. Those alone are remembered, so nothing secret is. */
export const SHARED_SESSION_ATTRIBUTES: ReadonlySet<string> = new Set<string>([
  'group',
  'ice-lite',
  'ice-options',
  'setup',
  'extmap-allow-mixed',
  ...DIRECTIONS,
])
export const SHARED_MEDIA_ATTRIBUTES: ReadonlySet<string> = new Set<string>([
  'rtpmap',
  'fmtp',
  'rtcp-fb',
  'extmap',
  'mid',
  ...DIRECTIONS,
  'extmap-allow-mixed',
  'rtcp-mux',
  'rtcp-rsize',
  'bundle-only',
  'ice-options',
  'setup',
  'end-of-candidates',
  'rid',
  'simulcast',
  'sctp-port',
  'max-message-size',
])

/** The first row of a description, and what the second begins with. */
const VERSION_ROW = 'v=0\r\n'
/** What a description begins with, in place of a peer's own origin. */
const OPENING = `${VERSION_ROW}o=- 0 0 IN IP4 0.0.0.0\r\n`
/** With one port, as nearly all are. */
const MEDIA_ROW = /^([\w-]+) (\d{1,5})( [\w/-]+(?: [^ \r\n]+)+)$/

const DIGIT_0 = 0x30

/** What others have too of a section. */
export interface Part {
  /** As a description of its own: with another origin, and with another port. */
  readonly text: string
  /** What stands before the runs in it; of a media section, the `m=` line up to the port. */
  readonly head: string
  /** Whole lines. The first of a media section begins after the port. */
  readonly runs: readonly string[]
}

/** What others have too of a description. */
export interface Parts {
  readonly session: Part
  readonly media: readonly Part[]
}

/** A section that was read before, as it stands in the description at hand. */
export interface Recalled<T> {
  readonly section: T
  /** The lines that are this peer's own. They have no numbers. */
  readonly own: readonly Line[]
  /** Where the next section begins. */
  readonly end: number
}

interface Known<T> {
  /** Of a media section, what its `m=` line begins with: `m=`, its kind and a space. */
  readonly opening: string
  readonly runs: readonly string[]
  readonly section: T
}

/** The latest first. */
const sessions: Known<SessionDescription>[] = []
const sections: Known<MediaSection>[] = []

/** Finds the session level of a description among those that were read before: a copy of it, without what is a peer's own. */
export function recallSession(text: string): Recalled<SessionDescription> | undefined {
  if (text.length > MAX_SDP_LENGTH || text.includes('\0') || !text.endsWith('\r\n')) return undefined
  if (!text.startsWith(VERSION_ROW)) return undefined
  const found = recall(sessions, text, VERSION_ROW.length, SHARED_SESSION_ATTRIBUTES)
  if (found === undefined || found.own.some(isSecondOpening) || found.own.length === 0) return undefined
  return { section: copyOfSession(found.section), own: found.own, end: found.end }
}

/** The same for the media section that begins at `at`. */
export function recallMedia(text: string, at: number): Recalled<MediaSection> | undefined {
  const found = recall(sections, text, at, SHARED_MEDIA_ATTRIBUTES)
  if (found === undefined) return undefined
  const portAt = text.indexOf(' ', at) + 1
  // its five digits at most, with what follows them
  const port = Number.parseInt(text.slice(portAt, portAt + 5), 10)
  if (port > 65535) return undefined
  return { section: copyOfMedia(found.section, port), own: found.own, end: found.end }
}

/** The rows of a session come after its version; its origin is the first of them. */
function isSecondOpening({ type }: Line, i: number): boolean {
  return type === 'v' || (type === 'o') !== (i === 0)
}

function recall<T>(
  among: Known<T>[],
  text: string,
  start: number,
  shared: ReadonlySet<string>,
): Recalled<T> | undefined {
  let tries = 0
  for (let i = 0; i < among.length && tries < MAX_TRIES; i++) {
    const known = among[i]!
    const from = afterOpening(text, start, known)
    if (from < 0) continue
    tries++
    const own: Line[] = []
    const end = readBeside(text, from, known, shared, own)
    // a section of this length has no line that is too long, and not too many: a line and its end have four characters at least
    if (end < 0 || end - start > MAX_LINE_LENGTH) continue
    if (i > 0) {
      among.copyWithin(1, 0, i)
      among[0] = known
    }
    return { section: known.section, own, end }
  }
  return undefined
}

/** Where the `m=` line ends, and with it the first run; -1 where it is another. A session level has no opening. */
function afterOpening<T>(text: string, start: number, { opening, runs }: Known<T>): number {
  if (opening === '') return start
  if (!text.startsWith(opening, start)) return -1
  const port = start + opening.length
  let at = port
  while (isDigit(text.charCodeAt(at))) at++
  const [first] = runs
  return at > port && at - port <= 5 && text.startsWith(first!, at) ? at + first!.length : -1
}

function isDigit(code: number): boolean {
  return code >= DIGIT_0 && code <= DIGIT_0 + 9
}

/** Reads what comes after the opening of a section, and answers where the next one begins; -1 where its runs are others. */
function readBeside<T>(
  text: string,
  start: number,
  { opening, runs }: Known<T>,
  shared: ReadonlySet<string>,
  own: Line[],
): number {
  let at = start
  for (let i = opening === '' ? 0 : 1; i < runs.length; i++) {
    const run = runs[i]!
    while (!text.startsWith(run, at)) {
      at = readOwnRow(text, at, shared, own)
      if (at < 0) return -1
    }
    at += run.length
  }
  while (at < text.length && !text.startsWith('m=', at)) {
    at = readOwnRow(text, at, shared, own)
    if (at < 0) return -1
  }
  return at
}

/** Reads a row that is a peer's own, and answers where the next one begins; -1 where there is none, or none in the usual form. */
function readOwnRow(text: string, at: number, shared: ReadonlySet<string>, own: Line[]): number {
  const end = text.indexOf('\n', at)
  if (end < 0 || text.indexOf('\r', at) !== end - 1) return -1
  // an empty row
  if (end === at + 1) return end + 1
  const line = readPlainLine(text.slice(at, end - 1), 0)
  if (line === undefined || line.type === 'm' || (line.type === 'a' && shared.has(line.name))) return -1
  own.push(line)
  return end + 1
}

/**
 * Takes out of a description what others have too. Nothing in it is checked but the form of the lines; `undefined` where it is not in the usual form.
 */
export function takeApart(text: string): Parts | undefined {
  if (text.length > MAX_SDP_LENGTH || OTHER_LINE_END.test(text) || text.includes('\0')) return undefined
  if (!text.startsWith(`${VERSION_ROW}o=`) || !text.endsWith('\r\n')) return undefined
  const chunks = text.slice(VERSION_ROW.length).split('\r\nm=')
  if (chunks.length > MAX_MEDIA_SECTIONS + 1 || chunks.some(({ length }) => length > MAX_LINE_LENGTH))
    return undefined
  const session = partOf(OPENING, runsOf(chunks[0]!.split('\r\n'), SHARED_SESSION_ATTRIBUTES))
  const media: Part[] = []
  for (let i = 1; i < chunks.length; i++) {
    const [first, ...rows] = chunks[i]!.split('\r\n')
    const match = MEDIA_ROW.exec(first!)
    if (match === null) return undefined
    const head = `${OPENING}m=${match[1]!} 9`
    media.push(partOf(head, runsOf(rows, SHARED_MEDIA_ATTRIBUTES, `${match[3]!}\r\n`)))
  }
  return { session, media }
}

/** The runs among `rows`, the first of which begins with `opening`. */
function runsOf(rows: readonly string[], shared: ReadonlySet<string>, opening = ''): string[] {
  const runs: string[] = []
  let run = opening
  for (const row of rows) {
    if (row.startsWith('a=') && shared.has(attributeName(row.slice(2)))) {
      run += `${row}\r\n`
    } else if (run !== '') {
      runs.push(run)
      run = ''
    }
  }
  if (run !== '') runs.push(run)
  return runs
}

/** Strings that are cut out of a description hold on to all of it, with what is secret in it: these are cut out of a text of their own. */
function partOf(head: string, runs: readonly string[]): Part {
  const text = [head, ...runs].join('')
  let at = head.length
  return { text, head, runs: runs.map(({ length }) => text.slice(at, (at += length))) }
}

/** `session`: what came of the part's text. */
export function rememberSession({ runs }: Part, session: SessionDescription): void {
  remember(sessions, { opening: '', runs, section: session })
}

/** `section`: what came of the part's text. */
export function rememberMedia({ head, runs }: Part, section: MediaSection): void {
  remember(sections, { opening: head.slice(OPENING.length, -1), runs, section })
}

/** Whether it is short enough. */
export function isWorthKeeping({ text }: Part): boolean {
  return text.length <= MAX_KNOWN_LENGTH
}

function remember<T>(among: Known<T>[], known: Known<T>): void {
  const at = among.findIndex(
    ({ opening, runs }) =>
      opening === known.opening &&
      runs.length === known.runs.length &&
      runs.every((run, i) => run === known.runs[i]),
  )
  if (at >= 0) among.splice(at, 1)
  else if (among.length === MAX_KNOWN_SECTIONS) among.pop()
  among.unshift(known)
}

// Property by property: what a spread makes has a hidden class of its own in Node 20, and whoever reads it misses every cache.
// What stands in the lists may be in other descriptions too: it is frozen.

function copyOfSession(session: SessionDescription): SessionDescription {
  const { origin, name, iceLite, extmapAllowMixed, direction, setup } = session
  const copy: SessionDescription = {
    origin,
    name,
    groups: session.groups.slice(),
    iceLite,
    extmapAllowMixed,
    iceOptions: session.iceOptions.slice(),
    fingerprints: [],
    attributes: [],
    media: [],
  }
  if (direction !== undefined) copy.direction = direction
  if (setup !== undefined) copy.setup = setup
  return copy
}

function copyOfMedia(section: MediaSection, port: number): MediaSection {
  const copy = mediaSection(section.kind, section.protocol)
  copy.port = port
  copy.formats = section.formats
  copy.iceOptions = section.iceOptions.slice()
  copy.payloads = section.payloads
  copy.extensions = section.extensions
  copy.extmapAllowMixed = section.extmapAllowMixed
  copy.rtcpMux = section.rtcpMux
  copy.rtcpReducedSize = section.rtcpReducedSize
  copy.bundleOnly = section.bundleOnly
  copy.endOfCandidates = section.endOfCandidates
  copy.rids = section.rids.slice()
  const { mid, direction, setup, simulcast, sctpPort, maxMessageSize } = section
  if (mid !== undefined) copy.mid = mid
  if (direction !== undefined) copy.direction = direction
  if (setup !== undefined) copy.setup = setup
  if (simulcast !== undefined) copy.simulcast = simulcast
  if (sctpPort !== undefined) copy.sctpPort = sctpPort
  if (maxMessageSize !== undefined) copy.maxMessageSize = maxMessageSize
  return copy
}
