// What a server that asks for another ClientHello would have to remember, RFC 9147 section 5.1: it goes to the client and comes back in the
// cookie, so that nothing is kept.

import type { CryptoProvider } from '@str0m/crypto'
import { ByteReader, ByteWriter, type SocketAddress } from '@str0m/sans-io'
import { CIPHER_SUITES_13, type CipherSuite13 } from '../cipher-suites13.ts'
import type { CookieSecret } from '../cookie-secret.ts'
import { handshakeMessage, type HandshakeMessage } from '../wire/handshake.ts'
import { encodeServerHello, RETRY_RANDOM } from '../wire/hello.ts'
import { DTLS_1_3, HandshakeType } from '../wire/protocol.ts'
import { Transcript13 } from './transcript13.ts'

/** In a cookie, where no group is asked for. */
const NO_GROUP = 0

/** What a HelloRetryRequest asked for, and what it answered. */
export interface RetryState {
  readonly suite: CipherSuite13
  /** A NamedGroup, where the client is to make a share on it. */
  readonly group: number | undefined
  /** The hash of the ClientHello before it. */
  readonly helloHash: Uint8Array
  readonly cookie: Uint8Array
}

/** The state that asks for `group`, or for the cookie alone. */
export function makeRetry(
  crypto: CryptoProvider,
  secret: CookieSecret,
  address: SocketAddress,
  hello: HandshakeMessage,
  suite: CipherSuite13,
  group: number | undefined,
): RetryState {
  const helloHash = new Transcript13(crypto, suite.hash).add(hello).digest()
  const contents = new ByteWriter(4 + helloHash.length)
    .u16(suite.id)
    .u16(group ?? NO_GROUP)
    .bytes(helloHash)
  return { suite, group, helloHash, cookie: secret.sealRetry(contents.finish(), address) }
}

/** The state that came back in a cookie; `undefined` where the cookie is none of ours for this address. */
export function openRetry(
  secret: CookieSecret,
  address: SocketAddress,
  cookie: Uint8Array,
): RetryState | undefined {
  const contents = secret.openRetry(cookie, address)
  if (contents === undefined) return undefined
  const reader = new ByteReader(contents)
  const id = reader.u16()
  const group = reader.u16()
  const helloHash = reader.rest().slice()
  const suite = CIPHER_SUITES_13.find((known) => known.id === id)
  return suite && { suite, group: group === NO_GROUP ? undefined : group, helloHash, cookie: cookie.slice() }
}

/** The HelloRetryRequest, made anew from its state whenever it is needed. */
export function retryRequest(
  { suite, group, cookie }: RetryState,
  messageSequence: number,
): HandshakeMessage {
  const body = encodeServerHello({
    random: RETRY_RANDOM,
    cipherSuite: suite.id,
    extensions: {
      extendedMasterSecret: false,
      supportedVersions: [DTLS_1_3],
      cookie,
      ...(group !== undefined && { keyShares: [{ group, keyExchange: new Uint8Array(0) }] }),
    },
  })
  return handshakeMessage(HandshakeType.serverHello, messageSequence, body)
}
