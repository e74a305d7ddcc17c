import type { CryptoProvider } from '@str0m/crypto'
import { UsageError } from '@str0m/sans-io'
import type { IceCredentials } from './ice-types.ts'

/** RFC 8839's `ice-char`: 64 of them, 6 bits each. */
const ICE_CHARS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** 48 random bits; RFC 8445 section 5.3 asks for 24. More keeps agents on one socket apart. */
const UFRAG_LENGTH = 8
/** 144 random bits; RFC 8445 section 5.3 asks for 128. */
const PWD_LENGTH = 24

/** Random ones: a username fragment of 8 characters and a password of 24. */
export function generateCredentials(crypto: CryptoProvider): IceCredentials {
  return { ufrag: iceChars(crypto, UFRAG_LENGTH), pwd: iceChars(crypto, PWD_LENGTH) }
}

/** Our own. Throws a `UsageError` (`invalid-credentials`) where they are not by the grammar of RFC 8839 section 5.4. */
export function checkCredentials(credentials: IceCredentials): IceCredentials {
  return check(credentials, /^[A-Za-z0-9+/]*$/, 'A-Z a-z 0-9 + /')
}

/** The peer's: some stacks have `=`, `_` and `-` in them, as base64 does. Throws a `UsageError` (`invalid-credentials`). */
export function checkRemoteCredentials(credentials: IceCredentials): IceCredentials {
  return check(credentials, /^[A-Za-z0-9+/=_-]*$/, 'A-Z a-z 0-9 + / = _ -')
}

function check(
  credentials: Partial<IceCredentials> | undefined,
  characters: RegExp,
  named: string,
): IceCredentials {
  const { ufrag, pwd } = credentials ?? {}
  // a regular expression takes what is no text for its name
  const isText = (text: unknown, min: number): text is string =>
    typeof text === 'string' && text.length >= min && text.length <= 256 && characters.test(text)
  if (!isText(ufrag, 4) || !isText(pwd, 22)) {
    throw new UsageError(
      'invalid-credentials',
      `an ICE ufrag has 4 to 256 and a password 22 to 256 of the characters ${named}`,
    )
  }
  return { ufrag, pwd }
}

function iceChars(crypto: CryptoProvider, length: number): string {
  const bytes = crypto.randomBytes(length)
  let text = ''
  for (let i = 0; i < length; i++) text += ICE_CHARS[bytes[i]! & 63]
  return text
}
