import {
  formatIpAddress,
  parseIpAddress,
  readU16,
  type SocketAddress,
  UsageError,
  writeU16,
} from '@str0m/sans-io'
import { MAGIC_COOKIE } from './stun-types.ts'

const FAMILY_IPV4 = 1
const FAMILY_IPV6 = 2

/** Bytes of an address attribute's value before the address. */
const HEAD_LENGTH = 4

/** What an XOR address is masked with: the magic cookie, then the transaction id. RFC 8489 section 14.2. */
function maskByte(transactionId: Uint8Array, at: number): number {
  return at < 4 ? (MAGIC_COOKIE >>> (24 - 8 * at)) & 0xff : transactionId[at - 4]!
}

/**
 * Reads an address attribute, masked where the `transactionId` is given. `undefined` where the family is unknown or the
 * length is not the family's. An IPv4-mapped address comes out as the IPv4 address that it stands for.
 */
export function readAddress(value: Uint8Array, transactionId?: Uint8Array): SocketAddress | undefined {
  if (value.length < HEAD_LENGTH) return undefined
  const family = value[1]
  if (value.length !== HEAD_LENGTH + (family === FAMILY_IPV4 ? 4 : family === FAMILY_IPV6 ? 16 : -1)) {
    return undefined
  }
  let port = readU16(value, 2)
  const ip = value.slice(HEAD_LENGTH)
  if (transactionId !== undefined) {
    port ^= MAGIC_COOKIE >>> 16
    for (let i = 0; i < ip.length; i++) ip[i]! ^= maskByte(transactionId, i)
  }
  return { address: formatIpAddress(ip), port }
}

/** The value of an address attribute, masked where the `transactionId` is given: 8 bytes or 20. */
export function encodeAddress({ address, port }: SocketAddress, transactionId?: Uint8Array): Uint8Array {
  const ip = parseIpAddress(address)
  if (ip === undefined) {
    throw new UsageError('invalid-address', `"${address}" is no IP address: a STUN message has no names`)
  }
  const value = new Uint8Array(HEAD_LENGTH + ip.length)
  value[1] = ip.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6
  writeU16(value, 2, transactionId === undefined ? port : port ^ (MAGIC_COOKIE >>> 16))
  for (let i = 0; i < ip.length; i++) {
    value[HEAD_LENGTH + i] = ip[i]! ^ (transactionId === undefined ? 0 : maskByte(transactionId, i))
  }
  return value
}
