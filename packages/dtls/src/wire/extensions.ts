import { type ByteReader, type ByteWriter, readU16 } from '@str0m/sans-io'
import { ExtensionType } from './protocol.ts'

/** `use_srtp`, RFC 5764 section 4.1.1. */
interface UseSrtp {
  /** SRTPProtectionProfile code points, the preferred one first. */
  readonly profiles: readonly number[]
  readonly mki: Uint8Array
}

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
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Reads the rest of a hello. No extensions at all is well-formed; a type that comes twice is not. */
export function readExtensions(reader: ByteReader): HelloExtensions | undefined {
  const types: number[] = []
  const extensions: Mutable<HelloExtensions> = { types, extendedMasterSecret: false }
  if (reader.failed) return undefined
  if (reader.finished) return extensions
  const list = reader.sub(reader.u16())
  const seen = new Set<number>()
  while (list.remaining > 0) {
    const type = list.u16()
    const data = list.sub(list.u16())
    if (seen.has(type) || !readExtension(type, data, extensions)) return undefined
    seen.add(type)
    types.push(type)
  }
  return list.failed || !reader.finished ? undefined : extensions
}

function readExtension(type: number, data: ByteReader, into: Mutable<HelloExtensions>): boolean {
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
    default:
      return !data.failed
  }
  return data.finished
}

/** Two-byte elements under a length of two bytes. An odd length fails the reader. */
export function readU16List(reader: ByteReader): number[] {
  const bytes = reader.view(reader.u16())
  if (bytes.length % 2 !== 0) reader.failed = true
  const values: number[] = []
  for (let at = 0; at + 1 < bytes.length; at += 2) values.push(readU16(bytes, at))
  return values
}

export function writeU16List(writer: ByteWriter, values: readonly number[]): void {
  writer.u16(values.length * 2)
  for (const value of values) writer.u16(value)
}

/** Writes a hello's block of extensions; nothing at all for none. */
export function writeExtensions(writer: ByteWriter, extensions: Omit<HelloExtensions, 'types'>): void {
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
  writer.setU16(lengthAt, writer.length - lengthAt - 2)
}
