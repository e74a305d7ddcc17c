import { concatBytes } from '@str0m/sans-io'
import { type CryptoProvider, defaultCrypto, equalConstantTime, type Hmac } from '@str0m/crypto'
import {
  ByteReader,
  encodeUtf8,
  formatSocketAddress,
  plainBytes,
  type SocketAddress,
  socketAddress,
} from '@str0m/sans-io'
import { handshakeMessage, readHandshakeFragment } from './wire/handshake.ts'
import { type ClientHelloPrefix, encodeHelloVerifyRequest, parseClientHelloPrefix } from './wire/hello.ts'
import { ContentType, DTLS_1_0, HandshakeType } from './wire/protocol.ts'
import { emptyRecordHeader, readRecord } from './wire/record.ts'
import { WriteEpoch } from './record-protection.ts'

const SECRET_LENGTH = 32

export interface CookieExchangeOptions {
  /** Default: `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
}

/** What to do with a datagram of an address that has proven nothing yet. */
export type CookieVerdict =
  /** The client has its address: give the datagram to a `Dtls` of its own. */
  | { readonly kind: 'verified' }
  /** Send `contents` to the address, and forget about it. Never longer than what came. */
  | { readonly kind: 'reply'; readonly contents: Uint8Array }
  /** Not the start of a ClientHello. */
  | { readonly kind: 'drop' }

/** The secret of a cookie exchange, and the cookies that follow from it. */
export class CookieSecret {
  readonly #hmac: Hmac

  constructor(crypto: CryptoProvider) {
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
}

let secretIn: (exchange: CookieExchange) => CookieSecret

/**
 * The stateless cookie exchange of RFC 4347 section 4.2.1, for a server whose clients' addresses are not proven by
 * ICE. Nothing is kept for an address: the cookie is an HMAC over the address and the client's parameters. One serves
 * a whole socket; replace it now and then to change the secret (a handshake that is under way then starts
 * over).
 */
export class CookieExchange {
  readonly #secret: CookieSecret

  static {
    secretIn = (exchange) => exchange.#secret
  }

  constructor(options: CookieExchangeOptions = {}) {
    this.#secret = new CookieSecret(options.crypto ?? defaultCrypto())
  }

  /**
   * Judges a datagram that came from `address` and belongs to no machine. Throws a `UsageError` (`invalid-address`)
   * where the address is none.
   */
  handleDatagram(datagram: Uint8Array, address: string | SocketAddress): CookieVerdict {
    const from = socketAddress(address)
    const bytes = plainBytes(datagram)
    const header = emptyRecordHeader()
    if (!readRecord(bytes, 0, header)) return { kind: 'drop' }
    if (header.type !== ContentType.handshake || header.epoch !== 0) return { kind: 'drop' }
    const fragment = readHandshakeFragment(new ByteReader(bytes, header.start, header.end))
    if (fragment === undefined || fragment.type !== HandshakeType.clientHello || fragment.offset !== 0) {
      return { kind: 'drop' }
    }
    const hello = parseClientHelloPrefix(fragment.body)
    if (hello === undefined) return { kind: 'drop' }
    if (this.#secret.verifies(hello, from)) return { kind: 'verified' }
    const contents = helloVerifyRequest(
      this.#secret.cookie(hello, from),
      fragment.messageSequence,
      // RFC 6347 section 4.2.1: the record has the number of the ClientHello's
      new WriteEpoch(undefined, header.sequence),
    )
    // whoever can make us send more than it sent could aim us at others
    return contents.length > bytes.length ? { kind: 'drop' } : { kind: 'reply', contents }
  }
}

/** For the machine that goes on where `exchange` ended. */
export function secretOf(exchange: CookieExchange): CookieSecret {
  return secretIn(exchange)
}

/** A datagram with a HelloVerifyRequest. */
export function helloVerifyRequest(
  cookie: Uint8Array,
  messageSequence: number,
  epoch: WriteEpoch,
): Uint8Array {
  const body = encodeHelloVerifyRequest(cookie)
  const { bytes } = handshakeMessage(HandshakeType.helloVerifyRequest, messageSequence, body)
  const datagram = new Uint8Array(epoch.overhead + bytes.length)
  epoch.seal(ContentType.handshake, DTLS_1_0, bytes, datagram, 0)
  return datagram
}
