// The bodies of the messages that DTLS 1.3 has of its own: RFC 8446 sections 4.3, 4.4 and 4.6.

import { ByteReader, ByteWriter } from '@str0m/sans-io'
import { CHAIN_LENGTH_MAX } from './certificates.ts'
import { type HelloExtensions, readExtensions, writeExtensions } from './extensions.ts'

/** RFC 8446 section 4.4.2. The extensions of its entries are skipped: none is asked for. */
export interface Certificate13 {
  /** `certificate_request_context`. */
  readonly context: Uint8Array
  /** DER, the peer's own first. May be empty. */
  readonly chain: readonly Uint8Array[]
}

export function parseCertificate13(body: Uint8Array): Certificate13 | undefined {
  const reader = new ByteReader(body)
  const context = reader.view(reader.u8())
  const list = reader.sub(reader.u24())
  const chain: Uint8Array[] = []
  while (list.remaining > 0) {
    if (chain.length === CHAIN_LENGTH_MAX) return undefined
    const certificate = list.view(list.u24())
    list.skip(list.u16())
    if (certificate.length === 0) return undefined
    chain.push(certificate)
  }
  return list.failed || !reader.finished ? undefined : { context, chain }
}

export function encodeCertificate13({ context, chain }: Certificate13): Uint8Array {
  const length = chain.reduce((sum, certificate) => sum + 5 + certificate.length, 0)
  const writer = new ByteWriter(4 + context.length + length)
  writer.u8(context.length).bytes(context).u24(length)
  for (const certificate of chain) writer.u24(certificate.length).bytes(certificate).u16(0)
  return writer.finish()
}

/** RFC 8446 section 4.3.2. */
export interface CertificateRequest13 {
  readonly context: Uint8Array
  readonly extensions: HelloExtensions
}

export function parseCertificateRequest13(body: Uint8Array): CertificateRequest13 | undefined {
  const reader = new ByteReader(body)
  const context = reader.view(reader.u8())
  const extensions = readExtensions(reader, 'client-hello')
  return extensions && { context, extensions }
}

/** Of the main handshake: without a context. */
export function encodeCertificateRequest13(signatureAlgorithms: readonly number[]): Uint8Array {
  const writer = new ByteWriter(64).u8(0)
  writeExtensions(writer, { extendedMasterSecret: false, signatureAlgorithms }, 'client-hello')
  return writer.finish()
}

/** RFC 8446 section 4.3.1. */
export function parseEncryptedExtensions(body: Uint8Array): HelloExtensions | undefined {
  return body.length < 2 ? undefined : readExtensions(new ByteReader(body), 'client-hello')
}

export function encodeEncryptedExtensions(extensions: Omit<HelloExtensions, 'types'>): Uint8Array {
  const writer = new ByteWriter(64)
  writeExtensions(writer, extensions, 'client-hello')
  return writer.finish()
}

/** Whether the peer is to update its keys too, RFC 8446 section 4.6.3; `undefined` where the body is malformed. */
export function parseKeyUpdate(body: Uint8Array): boolean | undefined {
  return body.length === 1 && body[0]! <= 1 ? body[0] === 1 : undefined
}

export function encodeKeyUpdate(updateRequested: boolean): Uint8Array {
  return new Uint8Array([updateRequested ? 1 : 0])
}
