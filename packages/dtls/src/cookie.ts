import { type CryptoProvider, defaultCrypto } from '@str0m/crypto'
import { ByteReader, plainBytes, type SocketAddress, socketAddress } from '@str0m/sans-io'
import { CookieSecret } from './cookie-secret.ts'
import { Refusal } from './handshake/authentication.ts'
import { helloVerifyRequest } from './handshake/hello-verify-request.ts'
import { negotiate13 } from './handshake/negotiation13.ts'
import { makeRetry, openRetry, retryRequest } from './handshake/retry-cookie.ts'
import { offers13 } from './handshake/version.ts'
import { sealDatagram, WriteEpoch } from './record-protection.ts'
import type { DtlsVersion } from './dtls-version.ts'
import { type HandshakeFragment, handshakeMessage, readHandshakeFragment } from './wire/handshake.ts'
import { type ClientHello, parseClientHello, parseClientHelloPrefix } from './wire/hello.ts'
import { ContentType, DTLS_1_2, HandshakeType } from './wire/protocol.ts'
import { emptyRecordHeader, readRecord } from './wire/record.ts'

export interface CookieExchangeOptions {
  /** Default: `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
  /** Those of the `Dtls` that goes on where this ends. Default: `DTLS 1.2` alone. */
  readonly versions?: readonly DtlsVersion[]
}

/** What to do with a datagram of an address that has proven nothing yet. */
export type CookieVerdict =
  /** The client has its address: give the datagram to a `Dtls` of its own. */
  | { readonly kind: 'verified' }
  /** Send `contents` to the address, and forget about it. Never longer than what came. */
  | { readonly kind: 'reply'; readonly contents: Uint8Array }
  /** Not the start of a ClientHello. */
  | { readonly kind: 'drop' }

interface Shared {
  readonly secret: CookieSecret
  readonly versions: readonly DtlsVersion[]
}

let sharedIn: (exchange: CookieExchange) => Shared

/**
 * The stateless cookie exchange of RFC 4347 section 4.2.1, and of RFC 9147 section 5.1, for a server whose clients' addresses are not proven by
 * ICE. Nothing is kept for an address: the cookie is an HMAC over the address and the client's parameters. One serves
 * a whole socket; replace it now and then to change the secret (a handshake that is under way then starts
 * over).
 *
 * Where `versions` has DTLS 1.3, a ClientHello is to come in one datagram: what it offers is not in its beginning.
 */
export class CookieExchange {
  readonly #crypto: CryptoProvider
  readonly #shared: Shared

  static {
    sharedIn = (exchange) => exchange.#shared
  }

  constructor(options: CookieExchangeOptions = {}) {
    this.#crypto = options.crypto ?? defaultCrypto()
    this.#shared = { secret: new CookieSecret(this.#crypto), versions: options.versions ?? ['DTLS 1.2'] }
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
    // RFC 6347 section 4.2.1: the record has the number of the ClientHello's
    const epoch = new WriteEpoch(undefined, header.sequence)
    const contents = this.#answer(fragment, from, epoch)
    if (contents === 'verified') return { kind: 'verified' }
    // whoever can make us send more than it sent could aim us at others
    if (contents === undefined || contents.length > bytes.length) return { kind: 'drop' }
    return { kind: 'reply', contents }
  }

  #answer(
    fragment: HandshakeFragment,
    from: SocketAddress,
    epoch: WriteEpoch,
  ): Uint8Array | 'verified' | undefined {
    const { secret, versions } = this.#shared
    if (versions.includes('DTLS 1.3')) {
      const hello = fragment.body.length === fragment.length ? parseClientHello(fragment.body) : undefined
      if (hello === undefined) return undefined
      if (offers13(versions, hello)) return this.#answer13(fragment, hello, from, epoch)
      if (!versions.includes('DTLS 1.2')) return undefined
    }
    const hello = parseClientHelloPrefix(fragment.body)
    if (hello === undefined) return undefined
    if (secret.verifies(hello, from)) return 'verified'
    return helloVerifyRequest(secret.cookie(hello, from), fragment.messageSequence, epoch)
  }

  #answer13(
    { type, messageSequence, body }: HandshakeFragment,
    hello: ClientHello,
    from: SocketAddress,
    epoch: WriteEpoch,
  ): Uint8Array | 'verified' | undefined {
    const { secret } = this.#shared
    const { cookie } = hello.extensions
    if (cookie !== undefined) return openRetry(secret, from, cookie) && 'verified'
    const negotiated = negotiate13({ srtpProfiles: [] }, hello)
    if (negotiated instanceof Refusal) return undefined
    const { suite, group, keyShare } = negotiated
    const message = handshakeMessage(type, messageSequence, body)
    const wanted = keyShare === undefined ? group.id : undefined
    const retry = makeRetry(this.#crypto, secret, from, message, suite, wanted)
    return sealDatagram(epoch, ContentType.handshake, DTLS_1_2, retryRequest(retry, messageSequence).bytes)
  }
}

/** For the machine that goes on where `exchange` ended. */
export function sharedOf(exchange: CookieExchange): Shared {
  return sharedIn(exchange)
}
