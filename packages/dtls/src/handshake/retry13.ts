// HelloRetryRequest, RFC 8446 section 4.1.4.

import type { CryptoProvider } from '@str0m/crypto'
import { sameBytes } from '../bytes.ts'
import { NAMED_GROUPS } from '../cipher-suites.ts'
import { type CipherSuite13, CIPHER_SUITES_13 } from '../cipher-suites13.ts'
import type { HandshakeMessage } from '../wire/handshake.ts'
import type { ServerHello } from '../wire/hello.ts'
import { DTLS_1_2, ExtensionType13 } from '../wire/protocol.ts'
import { Refusal } from './authentication.ts'
import { CLIENT_HELLO_SEQUENCE_MAX, type ClientHellos, type SentHello } from './client-hellos.ts'
import type { HandshakeContext } from './context.ts'
import { Transcript13 } from './transcript13.ts'
import type { Instant } from '@str0m/sans-io'

const RETRY_EXTENSIONS: ReadonlySet<number> = new Set(Object.values(ExtensionType13))

/** The transcript up to a ClientHello of ours. */
export function helloTranscript(
  crypto: CryptoProvider,
  suite: CipherSuite13,
  hello: SentHello,
): Transcript13 {
  const transcript = new Transcript13(crypto, suite.hash)
  if (hello.retry !== undefined) {
    const first = new Transcript13(crypto, suite.hash).add(hello.retry.hello.message)
    transcript.addMessageHash(first.digest()).add(hello.retry.request)
  }
  return transcript.add(hello.message)
}

/** RFC 8446 section 4.1.3, with RFC 9147 section 5: what a ServerHello and a HelloRetryRequest have from DTLS 1.2. */
export function isLegalServerHello({ version, sessionId, compressionMethod }: ServerHello): boolean {
  return version === DTLS_1_2 && sessionId.length === 0 && compressionMethod === 0
}

/** The client's answer to a HelloRetryRequest: another ClientHello. */
export function answerRetry(
  context: HandshakeContext,
  hellos: ClientHellos,
  message: HandshakeMessage,
  request: ServerHello,
  now: Instant,
): Refusal | undefined {
  const sequence = message.messageSequence + 1
  // a second one in the same handshake is refused
  const hello = hellos.sent[message.messageSequence]?.find(
    ({ retry, legacyCookie }) => retry === undefined && legacyCookie.length === 0,
  )
  if (hello === undefined || sequence > CLIENT_HELLO_SEQUENCE_MAX) return new Refusal('unexpected-message')
  const isKnown = hellos.sent[sequence]?.some(
    ({ retry }) => retry !== undefined && sameBytes(retry.request.bytes, message.bytes),
  )
  if (isKnown === true) return undefined
  const { extensions, cipherSuite } = request
  const { cookie, keyShares } = extensions
  const isLegal =
    isLegalServerHello(request) &&
    CIPHER_SUITES_13.some(({ id }) => id === cipherSuite) &&
    extensions.types.every((type) => RETRY_EXTENSIONS.has(type))
  if (!isLegal) return new Refusal('illegal-parameter')
  // it is to change something
  if (keyShares === undefined && (cookie === undefined || cookie.length === 0)) {
    return new Refusal('illegal-parameter')
  }
  let { keyExchanges } = hello
  if (keyShares !== undefined) {
    const group = NAMED_GROUPS.find(({ id }) => id === keyShares[0]?.group)?.group
    if (group === undefined || keyExchanges.some((known) => known.group === group)) {
      return new Refusal('illegal-parameter')
    }
    keyExchanges = [context.config.crypto.generateKeyExchange(group)]
  }
  hellos.sendRetry({ request: message, hello, cipherSuite }, cookie?.slice(), keyExchanges, now)
  return undefined
}
