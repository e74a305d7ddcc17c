import { SdpError } from './sdp-error.ts'

/** Longest description that is read, in UTF-16 units. Browsers with 50 tracks write about 250 KB. */
export const MAX_SDP_LENGTH: number = 1024 * 1024
/** Longest single line. */
export const MAX_LINE_LENGTH: number = 16 * 1024
/** Most media sections of one description. */
export const MAX_MEDIA_SECTIONS = 512
/** Most lines of one section: a browser's have less than 300. */
export const MAX_SECTION_LINES = 4096

/** A line that ends otherwise than by CRLF, as RFC 8866 section 5 wants it. */
export const OTHER_LINE_END: RegExp = /^\n|[^\r]\n|\r(?!\n)/

/** The lines of a media section that describe its payload types and header extensions. */
const FORMAT_ROW = /^a=(?:rtpmap|fmtp|rtcp-fb|extmap)(?:$|:)/

const LOWER_A = 0x61
const LOWER_Z = 0x7a
const EQUALS = 0x3d

/** One line, `type=value`, and its number from 1. */
export interface Line {
  readonly number: number
  readonly type: string
  /** Of an attribute, its name; else empty. */
  readonly name: string
  readonly value: string
}

/** One section: the session level, or an `m=` line and what follows it. */
export interface Section {
  /** All but those of the formats. */
  readonly lines: readonly Line[]
  /** Those of type `a`, by their names, in order. */
  readonly attributes: ReadonlyMap<string, readonly Line[]>
  /** Of a media section, the lines that describe payload types and header extensions: see `formats.ts`. */
  readonly formatRows: readonly string[]
  /** The number of each of them, from 1. */
  readonly formatNumbers: readonly number[]
}

interface OpenSection extends Section {
  readonly lines: Line[]
  readonly attributes: Map<string, Line[]>
  readonly formatRows: string[]
  readonly formatNumbers: number[]
}

function openSection(): OpenSection {
  return { lines: [], attributes: new Map(), formatRows: [], formatNumbers: [] }
}

/**
 * Splits a description into its session level and its media sections. Checks the form of each line and
 * that the description opens as RFC 8866 section 5 demands; what the values mean is not looked at.
 * Throws an `SdpError`.
 */
export function splitSections(text: string): { session: Section; media: Section[] } {
  if (text.length > MAX_SDP_LENGTH) throw new SdpError(`longer than ${MAX_SDP_LENGTH} characters`)
  const session = openSection()
  const media: OpenSection[] = []
  let current = session
  const rows = OTHER_LINE_END.test(text) ? text.split(/\r\n|\n|\r/) : text.split('\r\n')
  const mayHoldNul = text.includes('\0')
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    if (row === '') continue
    if (current.lines.length + current.formatRows.length === MAX_SECTION_LINES && !row.startsWith('m=')) {
      throw new SdpError(`more than ${MAX_SECTION_LINES} lines in one section`, i + 1, row)
    }
    if (current !== session && FORMAT_ROW.test(row)) {
      checkRow(row, i + 1, mayHoldNul)
      current.formatRows.push(row)
      current.formatNumbers.push(i + 1)
      continue
    }
    const line = readLine(row, i + 1, mayHoldNul)
    if (line.type === 'm') {
      if (media.length === MAX_MEDIA_SECTIONS) {
        throw new SdpError(`more than ${MAX_MEDIA_SECTIONS} media sections`, line.number, row)
      }
      current = openSection()
      media.push(current)
    }
    current.lines.push(line)
    if (line.type !== 'a') continue
    const sameName = current.attributes.get(line.name)
    if (sameName === undefined) current.attributes.set(line.name, [line])
    else sameName.push(line)
  }
  checkOpening(session)
  return { session, media }
}

/** RFC 8866 section 5: the version first, and one origin. */
function checkOpening({ lines }: Section): void {
  const first = lines[0]
  if (first === undefined || first.type !== 'v') {
    throw new SdpError(
      'a session description starts with "v=0"',
      first?.number,
      first && `${first.type}=${first.value}`,
    )
  }
  if (first.value.trim() !== '0')
    throw new SdpError('only version 0 is known', first.number, `v=${first.value}`)
  const [, second] = lines.filter(({ type }) => type === 'v')
  if (second !== undefined) throw new SdpError('a second version', second.number, `v=${second.value}`)
  const [origin, other] = lines.filter(({ type }) => type === 'o')
  if (origin === undefined) throw new SdpError('the origin ("o=") is missing')
  if (other !== undefined) throw new SdpError('a second origin', other.number, `o=${other.value}`)
}

function checkRow(row: string, number: number, mayHoldNul: boolean): void {
  if (row.length > MAX_LINE_LENGTH) {
    throw new SdpError(`longer than ${MAX_LINE_LENGTH} characters`, number, row)
  }
  // RFC 8866 section 9: byte-string excludes NUL
  if (mayHoldNul && row.includes('\0')) throw new SdpError('holds a NUL character', number, row)
}

/** Reads a row that is not empty. Throws an `SdpError`. */
function readLine(row: string, number: number, mayHoldNul: boolean): Line {
  checkRow(row, number, mayHoldNul)
  const line = readPlainLine(row, number)
  if (line === undefined) throw new SdpError('not of the form "type=value"', number, row)
  return line
}

/** Reads a row whose length and characters are no matter; `undefined` where it is not of the form `type=value`. */
export function readPlainLine(row: string, number: number): Line | undefined {
  const code = row.charCodeAt(0)
  if (code < LOWER_A || code > LOWER_Z || row.charCodeAt(1) !== EQUALS) return undefined
  const type = row[0]!
  const value = row.slice(2)
  return { number, type, name: type === 'a' ? attributeName(value) : '', value }
}

/** A line of a media section that describes a payload type or a header extension. */
export function formatLine(row: string, number: number): Line {
  const value = row.slice(2)
  return { number, type: 'a', name: attributeName(value), value }
}

/** What stands before the first colon; without one, all but spaces at the end, which values may have too. */
export function attributeName(value: string): string {
  const colon = value.indexOf(':')
  return colon < 0 ? value.trimEnd() : value.slice(0, colon)
}
