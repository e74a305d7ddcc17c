import { UsageError } from '@str0m/sans-io'
import type { AeadAlgorithm } from './provider.ts'

const LENGTHS: Record<AeadAlgorithm | 'aes' | 'chacha20', readonly number[]> = {
  'aes-128-gcm': [16],
  'aes-256-gcm': [32],
  'chacha20-poly1305': [32],
  chacha20: [32],
  aes: [16, 24, 32],
}

/** Throws a `UsageError`: `unknown-algorithm`, or `invalid-key` where the key is not of the algorithm's length. */
export function checkKeyLength(algorithm: AeadAlgorithm | 'aes' | 'chacha20', key: Uint8Array): void {
  const lengths: readonly number[] | undefined = LENGTHS[algorithm]
  if (lengths === undefined) throw new UsageError('unknown-algorithm', `There is no AEAD ${algorithm} here`)
  if (!lengths.includes(key.length)) {
    throw new UsageError(
      'invalid-key',
      `A key for ${algorithm} has ${lengths.join(', ')} bytes, not ${key.length}`,
    )
  }
}
