import { isBytes, UsageError } from '@str0m/sans-io'
import type { Receive } from './events.ts'

/** What a driver gives that its compiler does not look at. Throws a `UsageError` (`invalid-input`, `invalid-address`). */
export function checkReceive(input: Receive): void {
  // a driver in JavaScript may give anything
  const { kind, source, destination, contents } = (input ?? {}) as Partial<Receive>
  if (kind !== 'receive' || !isBytes(contents)) {
    throw new UsageError(
      'invalid-input',
      "An input is { kind: 'timeout', now } or { kind: 'receive', now, proto, source, destination, contents }, its contents a Uint8Array",
    )
  }
  if (typeof source?.address !== 'string' || typeof destination?.address !== 'string') {
    throw new UsageError(
      'invalid-address',
      'A datagram has a source and a destination, { address, port } each: where it is from, and the local candidate that it came to',
    )
  }
  const { address } = destination
  if (address === '0.0.0.0' || address === '::') {
    throw new UsageError(
      'invalid-address',
      `A datagram came to an address of its own, and not to ${address}: give that of the local candidate`,
    )
  }
}
