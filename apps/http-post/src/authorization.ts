import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** RFC 6750 section 2.1: what a token is made of. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/
/** The scheme's name is written in any case (RFC 9110 section 11.1). */
const CREDENTIALS = /^bearer +(\S+)$/i
const CHALLENGE = 'Bearer realm="str0m"'

/** Answers what `WWW-Authenticate` is to say to a request that is refused; `undefined`: it may go on. */
export type Guard = (request: IncomingMessage) => string | undefined

export function isBearerToken(text: string): boolean {
  return TOKEN.test(text)
}

/** Who guards requests by a token, RFC 6750; without one, all may go on. */
export function bearerGuard(token: string | undefined): Guard {
  if (token === undefined) return () => undefined
  const expected = digest(token)
  return ({ headers: { authorization } }) => {
    // RFC 6750 section 3.1: who brought nothing is not told of an error
    if (authorization === undefined) return CHALLENGE
    const [, given] = CREDENTIALS.exec(authorization.trim()) ?? []
    // of digests, so that neither the length nor the beginning of the token is told by the time that this takes
    const isSame = given !== undefined && timingSafeEqual(digest(given), expected)
    return isSame ? undefined : `${CHALLENGE}, error="invalid_token"`
  }
}

function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}
