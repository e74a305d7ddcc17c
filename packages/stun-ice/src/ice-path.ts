import { canonicalIpAddress, sameSocketAddress, type SocketAddress, UsageError } from '@str0m/sans-io'
import type { CandidateProtocol } from './candidate-fields.ts'

/** The way of a datagram: a 5-tuple, which consent applies to (RFC 7675 section 1). What is received and what is to be transmitted have it. */
export interface IcePath {
  readonly proto: CandidateProtocol
  readonly source: SocketAddress
  readonly destination: SocketAddress
}

/** Throws a `UsageError` (`invalid-address`) for what has no address. */
export function checkAddress(address: SocketAddress | undefined): void {
  if (typeof address?.address === 'string') return
  throw new UsageError(
    'invalid-address',
    'A datagram comes from a source, and for a candidate to a destination: { address, port } each',
  )
}

/** Throws a `UsageError` (`invalid-address`) where a datagram does not say where it is from and what it came to. */
export function checkPath({ source, destination }: IcePath): void {
  checkAddress(source)
  checkAddress(destination)
}

/** In the form that all paths are compared in, of what parsers and sockets give. It may be `path` itself: not to be kept. */
export function canonicalPath(path: IcePath): IcePath {
  const source = canonical(path.source)
  const destination = canonical(path.destination)
  const proto = path.proto === 'tcp' ? 'tcp' : 'udp'
  const isCanonical = source === path.source && destination === path.destination && proto === path.proto
  return isCanonical ? path : { proto, source, destination }
}

function canonical(from: SocketAddress): SocketAddress {
  // an IPv4 address has one form
  if (!from.address.includes(':')) return from
  const address = canonicalIpAddress(from.address)
  return address === undefined || address === from.address ? from : { address, port: from.port }
}

/** Whether both are the same. Both are to be canonical. */
export function isSamePath(a: IcePath, b: IcePath): boolean {
  return (
    sameSocketAddress(a.source, b.source) &&
    sameSocketAddress(a.destination, b.destination) &&
    a.proto === b.proto
  )
}
