import {
  assert,
  ByteReader,
  type ByteWriter,
  formatIpAddress,
  parseIpAddress,
  type SocketAddress,
} from '@str0m/sans-io'
import { MAGIC_COOKIE } from './stun-types.ts'

const FAMILY_IPV4 = 1
const FAMILY_IPV6 = 2

/** What an XOR address is masked with: the magic cookie, then the transaction id. RFC 8489 section 14.2. */
export function xorMask(transactionId: Uint8Array): Uint8Array {
  const mask = new Uint8Array(16)
  new DataView(mask.buffer).setUint32(0, MAGIC_COOKIE)
  mask.set(transactionId, 4)
  return mask
}

/**
 * Reads an address attribute, masked where `mask` is given. `undefined` where the family is unknown or the
 * length is not the family's. An IPv4-mapped address comes out as the IPv4 address that it stands for.
 */
export function readAddress(value: Uint8Array, mask?: Uint8Array): SocketAddress | undefined {
  const reader = new ByteReader(value)
  reader.skip(1)
  const family = reader.u8()
  let port = reader.u16()
  const ip = reader.rest().slice()
  if (reader.failed || ip.length !== (family === FAMILY_IPV4 ? 4 : family === FAMILY_IPV6 ? 16 : -1)) {
    return undefined
  }
  if (mask !== undefined) {
    port ^= (mask[0]! << 8) | mask[1]!
    for (let i = 0; i < ip.length; i++) ip[i] = ip[i]! ^ mask[i]!
  }
  return { address: formatIpAddress(ip), port }
}

/** Writes the value of an address attribute: 8 bytes or 20. */
export function writeAddress(writer: ByteWriter, from: SocketAddress, mask?: Uint8Array): void {
  const ip = parseIpAddress(from.address)
  assert(ip !== undefined, 'an address in a STUN message is an IP address')
  let { port } = from
  if (mask !== undefined) {
    port ^= (mask[0]! << 8) | mask[1]!
    for (let i = 0; i < ip.length; i++) ip[i] = ip[i]! ^ mask[i]!
  }
  writer
    .u8(0)
    .u8(ip.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6)
    .u16(port)
    .bytes(ip)
}
