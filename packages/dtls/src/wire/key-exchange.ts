import { ByteReader, ByteWriter } from '@str0m/sans-io'
import { CURVE_TYPE_NAMED } from './protocol.ts'

/** RFC 8422 section 5.4. */
export interface ServerKeyExchange {
  readonly group: number
  readonly publicKey: Uint8Array
  /** ServerECDHParams as sent: what the signature is over, after the two randoms. */
  readonly params: Uint8Array
  readonly signatureAlgorithm: number
  readonly signature: Uint8Array
}

export function parseServerKeyExchange(body: Uint8Array): ServerKeyExchange | undefined {
  const reader = new ByteReader(body)
  const curveType = reader.u8()
  const group = reader.u16()
  const publicKey = reader.view(reader.u8())
  const params = body.subarray(0, reader.position)
  const signatureAlgorithm = reader.u16()
  const signature = reader.view(reader.u16())
  if (!reader.finished || curveType !== CURVE_TYPE_NAMED || publicKey.length === 0) return undefined
  return { group, publicKey, params, signatureAlgorithm, signature }
}

export function encodeServerEcdhParams(group: number, publicKey: Uint8Array): Uint8Array {
  return new ByteWriter(4 + publicKey.length)
    .u8(CURVE_TYPE_NAMED)
    .u16(group)
    .u8(publicKey.length)
    .bytes(publicKey)
    .finish()
}

/** Parameters followed by a DigitallySigned, RFC 5246 section 4.7; empty parameters make a CertificateVerify. */
export function encodeSigned(params: Uint8Array, algorithm: number, signature: Uint8Array): Uint8Array {
  return new ByteWriter(params.length + 4 + signature.length)
    .bytes(params)
    .u16(algorithm)
    .u16(signature.length)
    .bytes(signature)
    .finish()
}

/** The client's point, RFC 8422 section 5.7. */
export function parseClientKeyExchange(body: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(body)
  const publicKey = reader.view(reader.u8())
  return reader.finished && publicKey.length > 0 ? publicKey : undefined
}

export function encodeClientKeyExchange(publicKey: Uint8Array): Uint8Array {
  return new ByteWriter(1 + publicKey.length).u8(publicKey.length).bytes(publicKey).finish()
}
