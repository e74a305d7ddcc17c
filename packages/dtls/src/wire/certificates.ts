import { ByteReader, ByteWriter } from '@str0m/sans-io'
import { readU16List, writeU16List } from './extensions.ts'

/** Certificates that a peer's chain may have; a self-signed one is alone. */
export const CHAIN_LENGTH_MAX = 8

/** The chain of a Certificate message in DER, the peer's own first, RFC 5246 section 7.4.2. May be empty. */
export function parseCertificate(body: Uint8Array): Uint8Array[] | undefined {
  const reader = new ByteReader(body)
  const list = reader.sub(reader.u24())
  const chain: Uint8Array[] = []
  while (list.remaining > 0) {
    if (chain.length === CHAIN_LENGTH_MAX) return undefined
    const certificate = list.view(list.u24())
    if (certificate.length === 0) return undefined
    chain.push(certificate)
  }
  return list.failed || !reader.finished ? undefined : chain
}

/** Whether it is the Certificate message of a client that has none: a list of no bytes. */
export function isEmptyCertificate(body: Uint8Array): boolean {
  return body.length === 3 && (body[0]! | body[1]! | body[2]!) === 0
}

export function encodeCertificate(chain: readonly Uint8Array[]): Uint8Array {
  const length = chain.reduce((sum, certificate) => sum + 3 + certificate.length, 0)
  const writer = new ByteWriter(3 + length).u24(length)
  for (const certificate of chain) writer.u24(certificate.length).bytes(certificate)
  return writer.finish()
}

/** RFC 5246 section 7.4.4. The names of authorities are skipped: no chain is validated. */
export interface CertificateRequest {
  readonly certificateTypes: Uint8Array
  readonly signatureAlgorithms: readonly number[]
}

export function parseCertificateRequest(body: Uint8Array): CertificateRequest | undefined {
  const reader = new ByteReader(body)
  const certificateTypes = reader.view(reader.u8())
  const signatureAlgorithms = readU16List(reader)
  reader.skip(reader.u16())
  return reader.finished ? { certificateTypes, signatureAlgorithms } : undefined
}

export function encodeCertificateRequest(
  types: readonly number[],
  algorithms: readonly number[],
): Uint8Array {
  const writer = new ByteWriter(64).u8(types.length)
  for (const type of types) writer.u8(type)
  writeU16List(writer, algorithms)
  return writer.u16(0).finish()
}

/** RFC 5246 section 7.4.8. */
export interface CertificateVerify {
  readonly signatureAlgorithm: number
  readonly signature: Uint8Array
}

export function parseCertificateVerify(body: Uint8Array): CertificateVerify | undefined {
  const reader = new ByteReader(body)
  const signatureAlgorithm = reader.u16()
  const signature = reader.view(reader.u16())
  return reader.finished ? { signatureAlgorithm, signature } : undefined
}
