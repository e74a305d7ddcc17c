import {
  type Line,
  MAX_LINE_LENGTH,
  MAX_MEDIA_SECTIONS,
  MAX_SDP_LENGTH,
  OTHER_LINE_END,
  readLine,
  type Section,
} from './lines.ts'
import type { MediaSection, SessionDescription } from './model.ts'

// Peers are a few browsers, and of what one writes of a session most is the same for each of its users: formats, extensions, what is multiplexed. A section whose
// such lines were read before is put together out of what they came to, and of its own lines, which are read as ever. This way is for descriptions in the usual
// form; `parse.ts` reads all others, and finds what is wrong with those that are refused.

/** Most of a kind that are remembered. */
export const MAX_KNOWN_SECTIONS = 64
/** The longest text of one, in UTF-16 units: a browser's video has about 5000. */
const MAX_KNOWN_LENGTH = 8192

/** A row that is a peer's own: all but the named ones. Those alone are remembered, so nothing secret is. */
const OWN_MEDIA_ROW =
  /(?<=\n)(?!a=(?:rtpmap|fmtp|rtcp-fb|extmap|mid|sendrecv|sendonly|recvonly|inactive|extmap-allow-mixed|rtcp-mux|rtcp-rsize|bundle-only|ice-options|setup|end-of-candidates|rid|simulcast|sctp-port|max-message-size)[:\r])[^\n]*\n/g
const OWN_SESSION_ROW =
  /(?<=\n)(?!a=(?:group|ice-lite|ice-options|setup|extmap-allow-mixed|sendrecv|sendonly|recvonly|inactive)[:\r])[^\n]*\n/g

/** With one port, as nearly all are. */
const MEDIA_ROW = /^([\w-]+) (\d{1,5}) ([\w/-]+(?: [^ \r\n]+)+)\r\n/

/** What a description begins with, in place of a peer's own origin. */
const OPENING = 'v=0\r\no=- 0 0 IN IP4 0.0.0.0\r'

/** A section taken apart. */
export interface Part {
  /** The lines that others have too, as a description of its own: with another origin, and with another port. */
  readonly text: string
  readonly own: Section
}

/** A media section taken apart. */
interface MediaPart extends Part {
  readonly port: number
}

/** A description taken apart. */
export interface Parts {
  readonly session: Part
  readonly media: readonly MediaPart[]
}

/** What lines that others have too come to: sections without what is a peer's own. By their texts, the latest last. */
const sessions = new Map<string, SessionDescription>()
const sections = new Map<string, MediaSection>()

/**
 * Takes a description apart. Nothing in it is checked but the form of the lines; `undefined` where it is not in the usual form. The lines of the parts have no numbers. Throws
 * an `SdpError`.
 */
export function takeApart(text: string): Parts | undefined {
  if (text.length > MAX_SDP_LENGTH || OTHER_LINE_END.test(text) || text.includes('\0')) return undefined
  if (!text.startsWith('v=0\r\no=')) return undefined
  const chunks = text.split('\r\nm=')
  // a section of this length has no line that is too long, and not too many: a line and its end have four characters at least
  if (chunks.length > MAX_MEDIA_SECTIONS + 1 || chunks.some(({ length }) => length > MAX_LINE_LENGTH))
    return undefined
  const { text: sessionRows, own: ownOfSession } = takePart(`${chunks[0]!.slice(4)}\r\n`, OWN_SESSION_ROW)
  const session = { text: `${OPENING}${sessionRows}`, own: ownOfSession }
  if (session.own.lines.some(isSecondOpening)) return undefined
  const media: MediaPart[] = []
  for (let i = 1; i < chunks.length; i++) {
    const chunk = `${chunks[i]!}\r\n`
    const match = MEDIA_ROW.exec(chunk)
    const port = Number(match?.[2])
    if (match === null || port > 65535) return undefined
    const { text: rest, own } = takePart(chunk.slice(match[0].length - 1), OWN_MEDIA_ROW)
    media.push({ text: `${OPENING}\nm=${match[1]!} 9 ${match[3]!}\r${rest}`, own, port })
  }
  return { session, media }
}

/** `rows`: after the end of the line before. */
function takePart(rows: string, ownRow: RegExp): Part {
  const lines: Line[] = []
  const attributes = new Map<string, Line[]>()
  const text = rows.replace(ownRow, (row) => {
    if (row === '\r\n') return ''
    const line = readLine(row.slice(0, -2), 0, false)
    lines.push(line)
    if (line.type !== 'a') return ''
    const sameName = attributes.get(line.name)
    if (sameName === undefined) attributes.set(line.name, [line])
    else sameName.push(line)
    return ''
  })
  return { text, own: { lines, attributes, formatRows: [], formatNumbers: [] } }
}

/** The rows of a session come after its version; its origin is the first of them. */
function isSecondOpening({ type }: Line, i: number): boolean {
  return type === 'v' || (type === 'o') !== (i === 0)
}

/** A copy of what a session's lines came to before. */
export function knownSession({ text }: Part): SessionDescription | undefined {
  const session = recall(sessions, text)
  return session && copyOfSession(session)
}

/** A copy of what a media section's lines came to before. */
export function knownMedia({ text }: Part): MediaSection | undefined {
  const section = recall(sections, text)
  return section && copyOfMedia(section)
}

/**
 * Remembers what a text came to that was read by itself: strings that are cut out of a description hold on to all of it, with what is secret in it and however
 * long it is.
 */
export function rememberSession({ text }: Part, session: SessionDescription): void {
  remember(sessions, text, session)
}

export function rememberMedia({ text }: Part, section: MediaSection): void {
  remember(sections, text, section)
}

/** Whether it is short enough. */
export function isWorthKeeping({ text }: Part): boolean {
  return text.length <= MAX_KNOWN_LENGTH
}

function recall<T>(among: Map<string, T>, text: string): T | undefined {
  const found = among.get(text)
  if (found === undefined) return undefined
  among.delete(text)
  among.set(text, found)
  return found
}

function remember<T>(among: Map<string, T>, text: string, value: T): void {
  among.delete(text)
  if (among.size === MAX_KNOWN_SECTIONS) among.delete(among.keys().next().value!)
  among.set(text, value)
}

/** What stands in the lists may be in other descriptions too: it is frozen. */
function copyOfSession(session: SessionDescription): SessionDescription {
  return {
    ...session,
    groups: session.groups.slice(),
    iceOptions: session.iceOptions.slice(),
    fingerprints: [],
    attributes: [],
    media: [],
  }
}

function copyOfMedia(section: MediaSection): MediaSection {
  return {
    ...section,
    iceOptions: section.iceOptions.slice(),
    fingerprints: [],
    bandwidth: [],
    candidates: [],
    msids: [],
    ssrcs: [],
    ssrcGroups: [],
    rids: section.rids.slice(),
    attributes: [],
  }
}
