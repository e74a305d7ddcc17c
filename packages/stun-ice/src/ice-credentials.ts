import type { CryptoProvider } from '@str0m/crypto'
import { UsageError } from '@str0m/sans-io'
import type { IceCredentials } from './ice-types.ts'

/** RFC 8839's `ice-char`: 64 of them, 6 bits each. */
const ICE_CHARS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** 48 random bits; RFC 8445 section 5.3 asks for 24. More keeps agents on one socket apart. */
const UFRAG_LENGTH = 8
/** 144 random bits; RFC 8445 section 5.3 asks for 128. */
const PWD_LENGTH = 24

export function generateCredentials(crypto: CryptoProvider): IceCredentials {
  return { ufrag: iceChars(crypto, UFRAG_LENGTH), pwd: iceChars(crypto, PWD_LENGTH) }
}

/** Our own. Throws a `UsageError` (`invalid-credentials`) where they are not by the grammar of RFC 8839 section 5.4. */
export function checkCredentials({ ufrag, pwd }: IceCredentials): IceCredentials {
  if (!/^[A-Za-z0-9+/]{4,256}$/.test(ufrag) || !/^[A-Za-z0-9+/]{22,256}$/.test(pwd)) {
    throw invalid('A-Z a-z 0-9 + /')
  }
  return { ufrag, pwd }
}

/** The peer's: some stacks have `=`, `_` and `-` in them, as base64 does. Throws a `UsageError` (`invalid-credentials`). */
export function checkRemoteCredentials({ ufrag, pwd }: IceCredentials): IceCredentials {
  if (!/^[A-Za-z0-9+/=_-]{4,256}$/.test(ufrag) || !/^[A-Za-z0-9+/=_-]{22,256}$/.test(pwd)) {
    throw invalid('A-Z a-z 0-9 + / = _ -')
  }
  return { ufrag, pwd }
}

function invalid(characters: string): UsageError {
  return new UsageError(
    'invalid-credentials',
    `an ICE ufrag has 4 to 256 and a password 22 to 256 of the characters ${characters}`,
  )
}

function iceChars(crypto: CryptoProvider, length: number): string {
  const bytes = crypto.randomBytes(length)
  let text = ''
  for (let i = 0; i < length; i++) text += ICE_CHARS[bytes[i]! & 63]
  return text
}
