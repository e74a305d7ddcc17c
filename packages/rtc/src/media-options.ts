import { UsageError } from '@str0m/sans-io'
import { type Direction, DIRECTIONS, type Encoding } from '@str0m/sdp'

// What is given for a section by a caller whose compiler does not look at it

const KINDS: ReadonlySet<string> = new Set<'audio' | 'video'>(['audio', 'video'])
/** RFC 8851 section 10, and what fits the header extension in its one-byte form. */
const RID = /^[A-Za-z0-9_-]{1,16}$/
/** `msid-id`, RFC 8830 section 2, of token characters (RFC 4566 section 9). */
const STREAM_ID = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,64}$/

/** Throws a `UsageError` (`invalid-option`). */
export function checkKind(kind: 'audio' | 'video'): void {
  if (!KINDS.has(kind))
    throw new UsageError('invalid-option', `A section is "audio" or "video", not "${kind}"`)
}

/** Throws a `UsageError` (`invalid-option`). */
export function checkDirection(direction: Direction): void {
  if (DIRECTIONS.includes(direction)) return
  throw new UsageError(
    'invalid-option',
    `A direction is "sendrecv", "sendonly", "recvonly" or "inactive", not "${direction}"`,
  )
}

/** Throws a `UsageError` (`invalid-option`). */
export function checkEncodings(encodings: readonly Pick<Encoding, 'rid'>[]): void {
  const rids = new Set(encodings.map(({ rid }) => rid))
  if (rids.size === encodings.length && encodings.every(({ rid }) => RID.test(rid))) return
  throw new UsageError(
    'invalid-option',
    'Each encoding has a rid of its own: 1 to 16 letters, digits, "-" and "_"',
  )
}

/** Throws a `UsageError` (`invalid-option`). */
export function checkStreamId(streamId: string): void {
  if (STREAM_ID.test(streamId)) return
  throw new UsageError(
    'invalid-option',
    'The id of a stream has 1 to 64 characters, of which none is a space or one of ( ) < > @ , ; : \\ " / [ ] ? =',
  )
}
