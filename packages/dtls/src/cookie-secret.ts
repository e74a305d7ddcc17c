import { type CryptoProvider, equalConstantTime, type Hmac } from '@str0m/crypto'
import { concatBytes, encodeUtf8, formatSocketAddress, type SocketAddress } from '@str0m/sans-io'
import type { ClientHelloPrefix } from './wire/hello.ts'

const SECRET_LENGTH = 32
const RETRY_TAG_LENGTH = 32
/** What the key of the cookies of DTLS 1.3 is made with: shorter than all that goes into a cookie of DTLS 1.2. */
const RETRY_KEY = encodeUtf8('HelloRetryRequest')

/** The secret of a cookie exchange, and the cookies that follow from it. */
export class CookieSecret {
  readonly #crypto: CryptoProvider
  readonly #hmac: Hmac
  /** Made when it is first needed. */
  #retryHmac: Hmac | undefined

  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto
    this.#hmac = crypto.hmac('sha256', crypto.randomBytes(SECRET_LENGTH))
  }

  /** The cookie of this client at this address, RFC 4347 section 4.2.1. */
  cookie(hello: ClientHelloPrefix, address: SocketAddress): Uint8Array {
    const from = encodeUtf8(formatSocketAddress(address))
    // each part has a fixed length or its length in front, so that no two inputs look alike
    const head = new Uint8Array([
      hello.version >>> 8,
      hello.version & 0xff,
      hello.sessionId.length,
      from.length,
    ])
    return this.#hmac.sign(concatBytes([head, hello.random, hello.sessionId, from]))
  }

  /** Whether the client has returned its cookie. */
  verifies(hello: ClientHelloPrefix, address: SocketAddress): boolean {
    return hello.cookie.length > 0 && equalConstantTime(this.cookie(hello, address), hello.cookie)
  }

  /** A cookie of DTLS 1.3, RFC 9147 section 5.1: `contents`, which it does not hide, and a tag for them and the address. */
  sealRetry(contents: Uint8Array, address: SocketAddress): Uint8Array {
    return concatBytes([contents, this.#retryTag(contents, address)])
  }

  /** The contents of a cookie; `undefined` where it is none of ours for this address. */
  openRetry(cookie: Uint8Array, address: SocketAddress): Uint8Array | undefined {
    const length = cookie.length - RETRY_TAG_LENGTH
    if (length < 0) return undefined
    const contents = cookie.subarray(0, length)
    return equalConstantTime(this.#retryTag(contents, address), cookie.subarray(length))
      ? contents
      : undefined
  }

  #retryTag(contents: Uint8Array, address: SocketAddress): Uint8Array {
    this.#retryHmac ??= this.#crypto.hmac('sha256', this.#hmac.sign(RETRY_KEY))
    const from = encodeUtf8(formatSocketAddress(address))
    return this.#retryHmac.sign(concatBytes([new Uint8Array([from.length]), from, contents]))
  }
}
