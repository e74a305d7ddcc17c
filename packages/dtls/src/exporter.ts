// What an exporter can be asked for, so that it means the same in both versions: RFC 5705 section 4, RFC 8446 sections 7.1 and 7.5.

import { encodeUtf8, isBytes, UsageError } from '@str0m/sans-io'

/** Bytes of an HkdfLabel's label, without the prefix of RFC 9147 section 5.9. */
const LABEL_LENGTH_MAX = 255 - 6
/** RFC 5705 section 4: it goes in with a length of 16 bits. */
const CONTEXT_LENGTH_MAX = 0xffff
/** RFC 5869 section 2.3, with the shortest hash. */
const LENGTH_MAX = 255 * 32

/** Throws a `UsageError`: `invalid-label`, `invalid-context`, `invalid-length`. */
export function checkExport(label: string, context: Uint8Array | undefined, length: number): void {
  const bytes = typeof label === 'string' ? encodeUtf8(label).length : 0
  if (bytes === 0 || bytes > LABEL_LENGTH_MAX) {
    throw new UsageError('invalid-label', `A label has 1 to ${LABEL_LENGTH_MAX} bytes, not ${bytes}`)
  }
  if (context !== undefined && !(isBytes(context) && context.length <= CONTEXT_LENGTH_MAX)) {
    throw new UsageError(
      'invalid-context',
      `A context is a Uint8Array of up to ${CONTEXT_LENGTH_MAX} bytes: give its hash`,
    )
  }
  if (!Number.isInteger(length) || length < 0 || length > LENGTH_MAX) {
    throw new UsageError('invalid-length', `An exporter gives 0 to ${LENGTH_MAX} bytes, not ${length}`)
  }
}
