import type { CryptoProvider, Hmac } from '@str0m/crypto'
import {
  ByteReader,
  ByteWriter,
  decodeUtf8,
  decodeUtf8Strict,
  encodeUtf8,
  fromBase64,
  UsageError,
} from '@str0m/sans-io'
import { Attribute, type StunAttribute } from './stun-types.ts'
import type { TurnAttributes } from './turn-wire.ts'

/** RFC 8489 section 14.3. */
const MAX_USERNAME_LENGTH = 508
/** Bytes that 127 characters may have, RFC 8489 sections 14.9 and 14.10. */
const MAX_REALM_LENGTH = 763
const MAX_NONCE_LENGTH = 763
/** What a nonce begins with that tells of features, RFC 8489 section 9.2; then 4 characters of base64. */
const NONCE_COOKIE = 'obMatJos2'
const NONCE_COOKIE_LENGTH = 13
/** Bits 0 and 1 of 24, the most significant ones: RFC 8489 section 18.1. */
const PASSWORD_ALGORITHMS_FEATURE = 0x80
const USERNAME_ANONYMITY_FEATURE = 0x40
/** RFC 8489 section 18.5. */
const HASHES = { 1: 'md5', 2: 'sha256' } as const
type PasswordAlgorithm = keyof typeof HASHES

/** What requests are authenticated with, once the server has said what it wants. */
export interface Authentication {
  readonly realm: string
  /** USERNAME or USERHASH, REALM, NONCE, and PASSWORD-ALGORITHMS with the PASSWORD-ALGORITHM chosen where the server has them. */
  readonly attributes: readonly StunAttribute[]
  /** HMAC-SHA1, or HMAC-SHA256 where the server has PASSWORD-ALGORITHMS. Of requests and of their responses. */
  readonly hmac: Hmac
}

/** What a server asks for, with a 401 or a 438. */
interface Challenge {
  readonly realm: Uint8Array
  readonly nonce: Uint8Array
  readonly passwordAlgorithms: Uint8Array | undefined
  readonly isAnonymous: boolean
}

/** The long-term credential mechanism of a client, RFC 8489 section 9.2. */
export class LongTermCredentials {
  readonly #crypto: CryptoProvider
  readonly #username: string
  readonly #password: string
  #challenge: Challenge | undefined
  #authentication: Authentication | undefined

  /** Throws a `UsageError` (`invalid-credentials`). */
  constructor(crypto: CryptoProvider, username: string, password: string) {
    this.#crypto = crypto
    // an environment that is not set makes none
    this.#username = typeof username === 'string' ? opaqueString(username) : ''
    this.#password = typeof password === 'string' ? opaqueString(password) : ''
    const { length } = encodeUtf8(this.#username)
    if (!isOpaqueString(this.#username) || !isOpaqueString(this.#password) || length > MAX_USERNAME_LENGTH) {
      throw new UsageError(
        'invalid-credentials',
        `a username has 1 to ${MAX_USERNAME_LENGTH} bytes, a password 1 or more, both without control characters`,
      )
    }
  }

  /** None before the server has asked. */
  get authentication(): Authentication | undefined {
    return this.#authentication
  }

  /** Forgets what the server has asked for: the next request is to another one. */
  reset(): void {
    this.#challenge = undefined
    this.#authentication = undefined
  }

  /**
   * Takes a 401 or 438 that answers a request which was authenticated by `used`, RFC 8489 section 9.2.5. `retry`: the request may be made anew. `refused`: the
   * server does not take the credentials, or asks for less than before, or for what is not done here. `malformed`: it is as though it had not come.
   */
  accept(
    code: 401 | 438,
    attributes: TurnAttributes,
    used: Authentication | undefined,
  ): 'retry' | 'refused' | 'malformed' {
    const before = this.#challenge
    // with a 438 the realm stays
    const realm = code === 401 ? attributes.realm : before?.realm
    const { nonce, passwordAlgorithms } = attributes
    if (realm === undefined || realm.length > MAX_REALM_LENGTH) return 'malformed'
    if (nonce === undefined || nonce.length > MAX_NONCE_LENGTH) return 'malformed'
    const features = nonceFeatures(nonce)
    if (lacksPasswordAlgorithms(attributes)) return 'refused'
    const isAnonymous = (features & USERNAME_ANONYMITY_FEATURE) !== 0
    // a bid down: RFC 8489 sections 9.2.1 and, at its end, 9.2.5
    if (before?.passwordAlgorithms !== undefined && passwordAlgorithms === undefined) return 'refused'
    if (before?.isAnonymous === true && !isAnonymous) return 'refused'
    const authentication = this.#authenticate({ realm, nonce, passwordAlgorithms, isAnonymous })
    if (authentication === undefined) return 'refused'
    if (code === 401 && used?.realm === authentication.realm) return 'refused'
    // copies: these are kept, and what they are views of is not
    this.#challenge = {
      realm: realm.slice(),
      nonce: nonce.slice(),
      passwordAlgorithms: passwordAlgorithms?.slice(),
      isAnonymous,
    }
    this.#authentication = authentication
    return 'retry'
  }

  #authenticate({ realm, nonce, passwordAlgorithms, isAnonymous }: Challenge): Authentication | undefined {
    const realmText = decodeUtf8Strict(realm)
    const algorithm = passwordAlgorithms === undefined ? 1 : firstKnownAlgorithm(passwordAlgorithms)
    if (realmText === undefined || algorithm === undefined) return undefined
    const hashedRealm = opaqueString(unquoted(realmText))
    const username = encodeUtf8(this.#username)
    const userhash = (): Uint8Array =>
      this.#crypto.hash('sha256', encodeUtf8(`${this.#username}:${hashedRealm}`))
    const attributes: StunAttribute[] = [
      isAnonymous
        ? { type: Attribute.userhash, value: userhash() }
        : { type: Attribute.username, value: username },
      { type: Attribute.realm, value: realm.slice() },
      { type: Attribute.nonce, value: nonce.slice() },
    ]
    if (passwordAlgorithms !== undefined) {
      const chosen = new ByteWriter(4).u16(algorithm).u16(0).finish()
      attributes.push({ type: Attribute.passwordAlgorithms, value: passwordAlgorithms.slice() })
      attributes.push({ type: Attribute.passwordAlgorithm, value: chosen })
    }
    // RFC 8489 sections 9.2.2 and 18.5.1
    const secret = encodeUtf8(`${this.#username}:${hashedRealm}:${this.#password}`)
    const key = this.#crypto.hash(HASHES[algorithm], secret)
    const hmac = this.#crypto.hmac(passwordAlgorithms === undefined ? 'sha1' : 'sha256', key)
    return { realm: realmText, attributes, hmac }
  }
}

/** A nonce that announces PASSWORD-ALGORITHMS without them: someone has taken them out. RFC 8489 section 9.2.5. */
export function lacksPasswordAlgorithms({ nonce, passwordAlgorithms }: TurnAttributes): boolean {
  if (nonce === undefined || passwordAlgorithms !== undefined) return false
  return (nonceFeatures(nonce) & PASSWORD_ALGORITHMS_FEATURE) !== 0
}

/** The first byte of the STUN Security Features, or 0. */
function nonceFeatures(nonce: Uint8Array): number {
  const cookie = decodeUtf8(nonce.subarray(0, NONCE_COOKIE_LENGTH))
  if (cookie.length !== NONCE_COOKIE_LENGTH || !cookie.startsWith(NONCE_COOKIE)) return 0
  return fromBase64(cookie.slice(NONCE_COOKIE.length))?.[0] ?? 0
}

/** The first algorithm of the list that is known, RFC 8489 section 14.11. Neither has parameters. */
function firstKnownAlgorithm(list: Uint8Array): PasswordAlgorithm | undefined {
  const reader = new ByteReader(list)
  while (reader.remaining > 0) {
    const algorithm = reader.u16()
    const length = reader.u16()
    reader.skip(length + (-length & 3))
    if ((algorithm === 1 || algorithm === 2) && length === 0 && !reader.failed) return algorithm
  }
  return undefined
}

/** RFC 8265 section 4.2.2: spaces of all kinds are one, and the form is NFC. */
function opaqueString(text: string): string {
  return text.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC')
}

function isOpaqueString(text: string): boolean {
  return text !== '' && !/\p{Cc}/u.test(text)
}

/** RFC 8489 section 9.2.2: without its quotes and trailing nulls. */
function unquoted(text: string): string {
  const trimmed = text.replace(/\0+$/, '')
  return trimmed.length >= 2 && trimmed.startsWith('"') && trimmed.endsWith('"')
    ? trimmed.slice(1, -1)
    : trimmed
}
