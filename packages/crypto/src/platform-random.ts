import { type RandomSource, UsageError } from '@str0m/sans-io'

/** `getRandomValues` gives this many bytes at most, Web Cryptography API section 10.1.1. */
const QUOTA = 65_536

declare const crypto: { getRandomValues(bytes: Uint8Array): Uint8Array } | undefined

/** The Web Crypto random source, looked up at each call. Throws a `UsageError` (`no-random-source`) where there is none. */
export const platformRandom: RandomSource = (bytes) => {
  if (typeof crypto === 'undefined') {
    throw new UsageError(
      'no-random-source',
      'This runtime has no crypto.getRandomValues: give the provider a `random` option',
    )
  }
  for (let at = 0; at < bytes.length; at += QUOTA) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + QUOTA, bytes.length)))
  }
}
