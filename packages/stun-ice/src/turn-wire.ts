import {
  ByteReader,
  datagramBytes,
  readU16,
  readU32,
  type SocketAddress,
  writeU16,
  writeU32,
} from '@str0m/sans-io'
import { encodeAddress, readAddress } from './stun-address.ts'
import { fingerprintOf } from './stun-parse.ts'
import {
  Attribute,
  COMPREHENSION_OPTIONAL,
  MAGIC_COOKIE,
  type ReceivedStun,
  STUN_HEADER_LENGTH,
  type StunAttribute,
} from './stun-types.ts'
import { stunType } from './stun-write.ts'

/** RFC 8656 section 17. */
export const Method = {
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
} as const

/** The first two bytes of a Data indication. */
export const DATA_INDICATION: number = stunType('indication', Method.data)
const SEND_INDICATION = stunType('indication', Method.send)
/** Of REQUESTED-TRANSPORT: UDP, RFC 8656 section 18.8. */
const UDP = 17
/** RFC 8656 section 18.6. */
const FAMILY_IPV6 = 2
const KNOWN: ReadonlySet<number> = new Set(Object.values(Attribute))
const ATTRIBUTE_HEADER_LENGTH = 4

/** What a response of a TURN server has besides what `parseStun` reads. Views of its bytes. */
export interface TurnAttributes {
  readonly realm: Uint8Array | undefined
  readonly nonce: Uint8Array | undefined
  /** The value of PASSWORD-ALGORITHMS. */
  readonly passwordAlgorithms: Uint8Array | undefined
  /** Seconds. */
  readonly lifetime: number | undefined
  readonly relayedAddresses: readonly SocketAddress[]
  /** Whether an attribute is there that must be understood and is not. */
  readonly incomprehensible: boolean
}

/**
 * Reads those attributes that its message integrity covers. `undefined` where a value cannot be. Of several of one type the first counts (RFC 8489
 * section 14), but for XOR-RELAYED-ADDRESS.
 */
export function readTurnAttributes(message: ReceivedStun): TurnAttributes | undefined {
  const { bytes, integrityAt, integritySha256At } = message
  const end = integrityAt >= 0 ? integrityAt : integritySha256At >= 0 ? integritySha256At : bytes.length
  const values = new Map<number, Uint8Array>()
  const relayedAddresses: SocketAddress[] = []
  const reader = new ByteReader(bytes, STUN_HEADER_LENGTH, end)
  while (reader.remaining > 0) {
    const type = reader.u16()
    const length = reader.u16()
    const value = reader.view(length)
    reader.skip(-length & 3)
    if (type === Attribute.xorRelayedAddress) {
      const address = readAddress(value, message.transactionId)
      if (address === undefined) return undefined
      relayedAddresses.push(address)
    } else if (!values.has(type)) values.set(type, value)
  }
  const lifetime = values.get(Attribute.lifetime)
  if (reader.failed || (lifetime !== undefined && lifetime.length !== 4)) return undefined
  return {
    realm: values.get(Attribute.realm),
    nonce: values.get(Attribute.nonce),
    passwordAlgorithms: values.get(Attribute.passwordAlgorithms),
    lifetime: lifetime && readU32(lifetime, 0),
    relayedAddresses,
    incomprehensible: message.notUnderstood.some((type) => !KNOWN.has(type)),
  }
}

/** What asks for an allocation, RFC 8656 section 7.1. */
export function allocationAttributes(family: 4 | 6 | 'both', lifetime: number): StunAttribute[] {
  const attributes = [
    { type: Attribute.requestedTransport, value: Uint8Array.of(UDP, 0, 0, 0) },
    lifetimeAttribute(lifetime),
  ]
  // for IPv4 none: older servers do not know it
  const type = family === 'both' ? Attribute.additionalAddressFamily : Attribute.requestedAddressFamily
  if (family !== 4) attributes.push({ type, value: Uint8Array.of(FAMILY_IPV6, 0, 0, 0) })
  return attributes
}

/** Seconds. RFC 8656 section 18.2. */
export function lifetimeAttribute(seconds: number): StunAttribute {
  const value = new Uint8Array(4)
  writeU32(value, 0, seconds)
  return { type: Attribute.lifetime, value }
}

/** RFC 8656 section 18.1. */
export function channelNumberAttribute(channel: number): StunAttribute {
  const value = new Uint8Array(4)
  writeU16(value, 0, channel)
  return { type: Attribute.channelNumber, value }
}

/** RFC 8656 section 18.3. */
export function peerAddressAttribute(peer: SocketAddress, transactionId: Uint8Array): StunAttribute {
  return { type: Attribute.xorPeerAddress, value: encodeAddress(peer, transactionId) }
}

/** Writes a Send indication, RFC 8656 section 11.1. */
export function writeSendIndication(
  peer: SocketAddress,
  data: Uint8Array,
  transactionId: Uint8Array,
): Uint8Array {
  const address = encodeAddress(peer, transactionId)
  const dataAt = STUN_HEADER_LENGTH + ATTRIBUTE_HEADER_LENGTH + address.length
  const length = dataAt + ATTRIBUTE_HEADER_LENGTH + data.length + (-data.length & 3)
  const bytes = datagramBytes(length)
  writeU16(bytes, 0, SEND_INDICATION)
  writeU16(bytes, 2, length - STUN_HEADER_LENGTH)
  writeU32(bytes, 4, MAGIC_COOKIE)
  bytes.set(transactionId, 8)
  writeU16(bytes, STUN_HEADER_LENGTH, Attribute.xorPeerAddress)
  writeU16(bytes, STUN_HEADER_LENGTH + 2, address.length)
  bytes.set(address, STUN_HEADER_LENGTH + ATTRIBUTE_HEADER_LENGTH)
  writeU16(bytes, dataAt, Attribute.data)
  writeU16(bytes, dataAt + 2, data.length)
  bytes.set(data, dataAt + ATTRIBUTE_HEADER_LENGTH)
  return bytes
}

/** What a peer has sent. */
export interface PeerData {
  readonly peer: SocketAddress
  /** A view. */
  readonly data: Uint8Array
}

/**
 * Reads a Data indication, RFC 8656 section 11.4: `bytes` have passed `isStun` and begin with `DATA_INDICATION`. `no-data` where it tells of an ICMP error,
 * or has no data or no peer, or what must be understood and is not.
 */
export function readDataIndication(bytes: Uint8Array): PeerData | 'malformed' | 'no-data' {
  if (readU16(bytes, 2) + STUN_HEADER_LENGTH !== bytes.length) return 'malformed'
  let peer: SocketAddress | undefined
  let data: Uint8Array | undefined
  const reader = new ByteReader(bytes, STUN_HEADER_LENGTH)
  while (reader.remaining > 0) {
    const at = reader.position
    const type = reader.u16()
    const length = reader.u16()
    const value = reader.view(length)
    reader.skip(-length & 3)
    if (reader.failed) return 'malformed'
    if (type === Attribute.data) {
      data ??= value
    } else if (type === Attribute.xorPeerAddress) {
      peer ??= readAddress(value, bytes.subarray(8, STUN_HEADER_LENGTH))
      if (peer === undefined) return 'malformed'
    } else if (type === Attribute.fingerprint) {
      if (length !== 4 || reader.remaining > 0 || readU32(value, 0) !== fingerprintOf(bytes, at)) {
        return 'malformed'
      }
    } else if (type < COMPREHENSION_OPTIONAL && !KNOWN.has(type)) {
      return 'no-data'
    }
  }
  return peer === undefined || data === undefined ? 'no-data' : { peer, data }
}
