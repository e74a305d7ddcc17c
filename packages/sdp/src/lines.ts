import { SdpError } from './sdp-error.ts'

/** Longest description that is read, in UTF-16 units. Browsers with 50 tracks write about 250 KB. */
export const MAX_SDP_LENGTH: number = 1024 * 1024
/** Longest single line. */
export const MAX_LINE_LENGTH: number = 16 * 1024
/** Most media sections of one description. */
export const MAX_MEDIA_SECTIONS = 512
/** Most lines of one section: a browser's have less than 300. */
export const MAX_SECTION_LINES = 4096

/** One line, `type=value`, and its number from 1. */
export interface Line {
  readonly number: number
  readonly type: string
  /** Of an attribute, what stands before the first colon; else empty. */
  readonly name: string
  readonly value: string
}

/** The lines of one section: of the session level, or of an `m=` line and what follows it. */
export type Section = readonly Line[]

/**
 * Splits a description into its session level and its media sections. Checks the form of each line and
 * that the description opens as RFC 8866 section 5 demands; what the values mean is not looked at.
 * Throws an `SdpError`.
 */
export function splitSections(text: string): { session: Section; media: Section[] } {
  if (text.length > MAX_SDP_LENGTH) throw new SdpError(`longer than ${MAX_SDP_LENGTH} characters`)
  const session: Line[] = []
  const media: Line[][] = []
  let current = session
  const rows = text.split(/\r\n|\n|\r/)
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    if (row === '') continue
    const line = readLine(row, i + 1)
    if (line.type === 'm') {
      if (media.length === MAX_MEDIA_SECTIONS) {
        throw new SdpError(`more than ${MAX_MEDIA_SECTIONS} media sections`, line.number, row)
      }
      current = []
      media.push(current)
    }
    if (current.length === MAX_SECTION_LINES) {
      throw new SdpError(`more than ${MAX_SECTION_LINES} lines in one section`, line.number, row)
    }
    current.push(line)
  }
  checkOpening(session)
  return { session, media }
}

/** RFC 8866 section 5: the version first, and one origin. */
function checkOpening(session: Section): void {
  const first = session[0]
  if (first === undefined || first.type !== 'v') {
    throw new SdpError(
      'a session description starts with "v=0"',
      first?.number,
      first && `${first.type}=${first.value}`,
    )
  }
  if (first.value.trim() !== '0')
    throw new SdpError('only version 0 is known', first.number, `v=${first.value}`)
  const [, second] = session.filter(({ type }) => type === 'v')
  if (second !== undefined) throw new SdpError('a second version', second.number, `v=${second.value}`)
  const [origin, other] = session.filter(({ type }) => type === 'o')
  if (origin === undefined) throw new SdpError('the origin ("o=") is missing')
  if (other !== undefined) throw new SdpError('a second origin', other.number, `o=${other.value}`)
}

function readLine(row: string, number: number): Line {
  if (row.length > MAX_LINE_LENGTH)
    throw new SdpError(`longer than ${MAX_LINE_LENGTH} characters`, number, row)
  if (!/^[a-z]=/.test(row)) throw new SdpError('not of the form "type=value"', number, row)
  // eslint-disable-next-line no-control-regex -- RFC 8866 section 9: byte-string excludes NUL
  if (/\u0000/.test(row)) throw new SdpError('holds a NUL character', number, row)
  const type = row[0]!
  const value = row.slice(2)
  return { number, type, name: type === 'a' ? attributeName(value) : '', value }
}

/** What stands before the first colon. */
function attributeName(value: string): string {
  const colon = value.indexOf(':')
  return colon < 0 ? value : value.slice(0, colon)
}
