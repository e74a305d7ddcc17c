import { type SocketAddress, UsageError } from '@str0m/sans-io'

/** Throws a `UsageError` (`invalid-address`) for what has no address. */
export function checkAddress(address: SocketAddress | undefined): void {
  if (typeof address?.address === 'string') return
  throw new UsageError(
    'invalid-address',
    'A datagram comes from a source, and for a candidate to a destination: { address, port } each',
  )
}

/** Throws a `UsageError` (`invalid-address`) where a datagram does not say where it is from and what it came to. */
export function checkPath({
  source,
  destination,
}: {
  source: SocketAddress
  destination: SocketAddress
}): void {
  checkAddress(source)
  checkAddress(destination)
}
