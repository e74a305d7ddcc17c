/**
 * The caller's mistake. Thrown at the call, with the machine unchanged. `code` is stable across
 * versions, the message is not: it says what to do.
 */
export class UsageError extends Error {
  override readonly name: string = 'UsageError'
  readonly code: string

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** Our mistake: an invariant did not hold. Please report it. */
export class InternalError extends Error {
  override readonly name = 'InternalError'
  readonly code = 'internal'
}

/** Throws an `InternalError` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message)
}
