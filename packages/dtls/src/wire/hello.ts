import { ByteReader, ByteWriter } from '@str0m/sans-io'
import { sameBytes } from '../bytes.ts'
import {
  type HelloExtensions,
  readExtensions,
  readU16List,
  writeExtensions,
  writeU16List,
} from './extensions.ts'
import { DTLS_1_0, DTLS_1_2, RANDOM_LENGTH } from './protocol.ts'

/** The part of a ClientHello up to its cookie: what the cookie is over, RFC 4347 section 4.2.1. */
export interface ClientHelloPrefix {
  readonly version: number
  readonly random: Uint8Array
  readonly sessionId: Uint8Array
  readonly cookie: Uint8Array
}

/** RFC 5246 section 7.4.1.2 with RFC 4347 section 4.2.1. */
export interface ClientHello extends ClientHelloPrefix {
  readonly cipherSuites: readonly number[]
  readonly compressionMethods: Uint8Array
  readonly extensions: HelloExtensions
}

/** RFC 5246 section 7.4.1.3. */
export interface ServerHello {
  readonly version: number
  readonly random: Uint8Array
  readonly sessionId: Uint8Array
  readonly cipherSuite: number
  readonly compressionMethod: number
  readonly extensions: HelloExtensions
}

const SESSION_ID_LENGTH_MAX = 32

/** The `random` by which a ServerHello is a HelloRetryRequest, RFC 8446 section 4.1.3: SHA-256 of "HelloRetryRequest". */
export const RETRY_RANDOM: Uint8Array = new Uint8Array([
  0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2,
  0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
])

/** Whether a ServerHello with this `random` is a HelloRetryRequest. */
export function isRetry(random: Uint8Array): boolean {
  return sameBytes(random, RETRY_RANDOM)
}

function readPrefix(reader: ByteReader): ClientHelloPrefix | undefined {
  const version = reader.u16()
  const random = reader.view(RANDOM_LENGTH)
  const sessionId = reader.view(reader.u8())
  const cookie = reader.view(reader.u8())
  if (reader.failed || sessionId.length > SESSION_ID_LENGTH_MAX) return undefined
  return { version, random, sessionId, cookie }
}

/** Reads the start of a ClientHello's body, which may be its first fragment alone. */
export function parseClientHelloPrefix(body: Uint8Array): ClientHelloPrefix | undefined {
  return readPrefix(new ByteReader(body))
}

export function parseClientHello(body: Uint8Array): ClientHello | undefined {
  const reader = new ByteReader(body)
  const prefix = readPrefix(reader)
  const cipherSuites = readU16List(reader)
  const compressionMethods = reader.view(reader.u8())
  const extensions = readExtensions(reader, 'client-hello')
  if (prefix === undefined || extensions === undefined || cipherSuites.length === 0) return undefined
  const { version, random, sessionId, cookie } = prefix
  return { version, random, sessionId, cookie, cipherSuites, compressionMethods, extensions }
}

/** The body of a ClientHello that offers DTLS 1.2 in its own field (RFC 9147 section 5.3), no session and no compression. */
export function encodeClientHello(hello: {
  readonly random: Uint8Array
  readonly cookie: Uint8Array
  readonly cipherSuites: readonly number[]
  readonly extensions: Omit<HelloExtensions, 'types'>
}): Uint8Array {
  const writer = new ByteWriter(256)
  writer.u16(DTLS_1_2).bytes(hello.random).u8(0).u8(hello.cookie.length).bytes(hello.cookie)
  writeU16List(writer, hello.cipherSuites)
  writer.u8(1).u8(0)
  writeExtensions(writer, hello.extensions, 'client-hello')
  return writer.finish()
}

export function parseServerHello(body: Uint8Array): ServerHello | undefined {
  const reader = new ByteReader(body)
  const version = reader.u16()
  const random = reader.view(RANDOM_LENGTH)
  const sessionId = reader.view(reader.u8())
  const cipherSuite = reader.u16()
  const compressionMethod = reader.u8()
  const extensions = readExtensions(reader, isRetry(random) ? 'hello-retry-request' : 'server-hello')
  if (extensions === undefined || sessionId.length > SESSION_ID_LENGTH_MAX) return undefined
  return { version, random, sessionId, cipherSuite, compressionMethod, extensions }
}

/** The body of a ServerHello that opens no session to be resumed, or of a HelloRetryRequest. */
export function encodeServerHello(hello: {
  readonly random: Uint8Array
  readonly cipherSuite: number
  readonly extensions: Omit<HelloExtensions, 'types'>
}): Uint8Array {
  const writer = new ByteWriter(128)
  writer.u16(DTLS_1_2).bytes(hello.random).u8(0).u16(hello.cipherSuite).u8(0)
  writeExtensions(writer, hello.extensions, isRetry(hello.random) ? 'hello-retry-request' : 'server-hello')
  return writer.finish()
}

/** The cookie of a HelloVerifyRequest, RFC 4347 section 4.2.1. */
export function parseHelloVerifyRequest(body: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(body)
  reader.skip(2)
  const cookie = reader.view(reader.u8())
  return reader.finished ? cookie : undefined
}

/** RFC 6347 section 4.2.1: the version is DTLS 1.0 whatever will be negotiated. */
export function encodeHelloVerifyRequest(cookie: Uint8Array): Uint8Array {
  return new ByteWriter(3 + cookie.length).u16(DTLS_1_0).u8(cookie.length).bytes(cookie).finish()
}
