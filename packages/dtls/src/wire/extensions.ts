import { type ByteReader, type ByteWriter, readU16 } from '@str0m/sans-io'
import { NO_BYTES } from '../bytes.ts'
import { ExtensionType, ExtensionType13 } from './protocol.ts'

/** `use_srtp`, RFC 5764 section 4.1.1. */
interface UseSrtp {
  /** SRTPProtectionProfile code points, the preferred one first. */
  readonly profiles: readonly number[]
  readonly mki: Uint8Array
}

/** KeyShareEntry, RFC 8446 section 4.2.8. */
export interface KeyShareEntry {
  /** A NamedGroup. */
  readonly group: number
  /** Empty in a HelloRetryRequest, which asks for one. */
  readonly keyExchange: Uint8Array
}

/** Where extensions are: some look different by that. */
export type ExtensionsOf = 'client-hello' | 'server-hello' | 'hello-retry-request'

/** The extensions of a hello that this package reads. The others are skipped, their types noted. */
export interface HelloExtensions {
  /** Every type that was there, known or not. */
  readonly types: readonly number[]
  readonly supportedGroups?: readonly number[] | undefined
  readonly ecPointFormats?: Uint8Array | undefined
  readonly signatureAlgorithms?: readonly number[] | undefined
  readonly useSrtp?: UseSrtp | undefined
  readonly extendedMasterSecret: boolean
  /** `renegotiated_connection`, RFC 5746 section 3.2. */
  readonly renegotiationInfo?: Uint8Array | undefined
  /** RFC 8446 section 4.2.1. A server names the one that it selected. */
  readonly supportedVersions?: readonly number[] | undefined
  /** RFC 8446 section 4.2.8. A server names one. */
  readonly keyShares?: readonly KeyShareEntry[] | undefined
  /** RFC 8446 section 4.2.2. */
  readonly cookie?: Uint8Array | undefined
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Reads the rest of a message. No extensions at all is well-formed; a type that comes twice is not. */
export function readExtensions(reader: ByteReader, where: ExtensionsOf): HelloExtensions | undefined {
  const types: number[] = []
  const extensions: Mutable<HelloExtensions> = { types, extendedMasterSecret: false }
  if (reader.failed) return undefined
  if (reader.finished) return extensions
  const list = reader.sub(reader.u16())
  const seen = new Set<number>()
  while (list.remaining > 0) {
    const type = list.u16()
    const data = list.sub(list.u16())
    if (seen.has(type) || !readExtension(type, data, where, extensions)) return undefined
    seen.add(type)
    types.push(type)
  }
  return list.failed || !reader.finished ? undefined : extensions
}

function readExtension(
  type: number,
  data: ByteReader,
  where: ExtensionsOf,
  into: Mutable<HelloExtensions>,
): boolean {
  switch (type) {
    case ExtensionType.supportedGroups:
      into.supportedGroups = readU16List(data)
      break
    case ExtensionType.ecPointFormats:
      into.ecPointFormats = data.view(data.u8())
      break
    case ExtensionType.signatureAlgorithms:
      into.signatureAlgorithms = readU16List(data)
      break
    case ExtensionType.useSrtp:
      into.useSrtp = { profiles: readU16List(data), mki: data.view(data.u8()) }
      break
    case ExtensionType.extendedMasterSecret:
      into.extendedMasterSecret = true
      break
    case ExtensionType.renegotiationInfo:
      into.renegotiationInfo = data.view(data.u8())
      break
    case ExtensionType13.supportedVersions:
      into.supportedVersions = where === 'client-hello' ? readU16s(data, data.view(data.u8())) : [data.u16()]
      break
    case ExtensionType13.keyShare:
      into.keyShares = readKeyShares(data, where)
      break
    case ExtensionType13.cookie:
      into.cookie = data.view(data.u16())
      break
    default:
      return !data.failed
  }
  return data.finished
}

/** Two-byte elements under a length of two bytes. An odd length fails the reader. */
export function readU16List(reader: ByteReader): number[] {
  return readU16s(reader, reader.view(reader.u16()))
}

/** Those in `bytes`, which `reader` gave. */
function readU16s(reader: ByteReader, bytes: Uint8Array): number[] {
  if (bytes.length % 2 !== 0) reader.failed = true
  const values: number[] = []
  for (let at = 0; at + 1 < bytes.length; at += 2) values.push(readU16(bytes, at))
  return values
}

function readKeyShares(reader: ByteReader, where: ExtensionsOf): KeyShareEntry[] {
  if (where === 'hello-retry-request') return [{ group: reader.u16(), keyExchange: NO_BYTES }]
  if (where === 'server-hello') return [readKeyShare(reader)]
  const list = reader.sub(reader.u16())
  const entries: KeyShareEntry[] = []
  while (list.remaining > 0) entries.push(readKeyShare(list))
  if (list.failed) reader.failed = true
  return entries
}

function readKeyShare(reader: ByteReader): KeyShareEntry {
  const group = reader.u16()
  const keyExchange = reader.view(reader.u16())
  // RFC 8446 section 4.2.8: not empty
  if (keyExchange.length === 0) reader.failed = true
  return { group, keyExchange }
}

export function writeU16List(writer: ByteWriter, values: readonly number[]): void {
  writer.u16(values.length * 2)
  for (const value of values) writer.u16(value)
}

/** Writes a message's block of extensions. */
export function writeExtensions(
  writer: ByteWriter,
  extensions: Omit<HelloExtensions, 'types'>,
  where: ExtensionsOf,
): void {
  const lengthAt = writer.length
  writer.u16(0)
  const { supportedGroups, ecPointFormats, signatureAlgorithms, useSrtp, renegotiationInfo } = extensions
  if (renegotiationInfo !== undefined) {
    writer.u16(ExtensionType.renegotiationInfo).u16(renegotiationInfo.length + 1)
    writer.u8(renegotiationInfo.length).bytes(renegotiationInfo)
  }
  if (extensions.extendedMasterSecret) writer.u16(ExtensionType.extendedMasterSecret).u16(0)
  if (supportedGroups !== undefined) {
    writer.u16(ExtensionType.supportedGroups).u16(2 + supportedGroups.length * 2)
    writeU16List(writer, supportedGroups)
  }
  if (ecPointFormats !== undefined) {
    writer.u16(ExtensionType.ecPointFormats).u16(ecPointFormats.length + 1)
    writer.u8(ecPointFormats.length).bytes(ecPointFormats)
  }
  if (signatureAlgorithms !== undefined) {
    writer.u16(ExtensionType.signatureAlgorithms).u16(2 + signatureAlgorithms.length * 2)
    writeU16List(writer, signatureAlgorithms)
  }
  if (useSrtp !== undefined) {
    writer.u16(ExtensionType.useSrtp).u16(3 + useSrtp.profiles.length * 2 + useSrtp.mki.length)
    writeU16List(writer, useSrtp.profiles)
    writer.u8(useSrtp.mki.length).bytes(useSrtp.mki)
  }
  writeExtensions13(writer, extensions, where)
  writer.setU16(lengthAt, writer.length - lengthAt - 2)
}

function writeExtensions13(
  writer: ByteWriter,
  { supportedVersions, keyShares, cookie }: Omit<HelloExtensions, 'types'>,
  where: ExtensionsOf,
): void {
  if (supportedVersions !== undefined) {
    const isList = where === 'client-hello'
    writer.u16(ExtensionType13.supportedVersions).u16(supportedVersions.length * 2 + (isList ? 1 : 0))
    if (isList) writer.u8(supportedVersions.length * 2)
    for (const version of supportedVersions) writer.u16(version)
  }
  if (cookie !== undefined) {
    writer.u16(ExtensionType13.cookie).u16(2 + cookie.length)
    writer.u16(cookie.length).bytes(cookie)
  }
  if (keyShares !== undefined) writeKeyShares(writer, keyShares, where)
}

function writeKeyShares(writer: ByteWriter, keyShares: readonly KeyShareEntry[], where: ExtensionsOf): void {
  writer.u16(ExtensionType13.keyShare)
  if (where === 'hello-retry-request') {
    writer.u16(2)
    for (const { group } of keyShares) writer.u16(group)
    return
  }
  const length = keyShares.reduce((sum, { keyExchange }) => sum + 4 + keyExchange.length, 0)
  if (where === 'client-hello') writer.u16(2 + length).u16(length)
  else writer.u16(length)
  for (const { group, keyExchange } of keyShares) {
    writer.u16(group).u16(keyExchange.length).bytes(keyExchange)
  }
}
