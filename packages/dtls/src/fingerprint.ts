import { type CryptoProvider, type HashAlgorithm } from '@str0m/crypto'
import { UsageError } from '@str0m/sans-io'
import { sameBytes } from './bytes.ts'

/** A hash function by its name in `a=fingerprint`, RFC 8122 section 5. SHA-1 and MD5 are not accepted. */
export type FingerprintAlgorithm = 'sha-256' | 'sha-384' | 'sha-512'

/** A certificate's fingerprint as in `a=fingerprint`. */
export interface Fingerprint {
  /** The name of the hash function, in any case. */
  readonly algorithm: string
  /** Pairs of hexadecimal digits with colons between, in any case. */
  readonly value: string
}

/** A fingerprint in bytes. */
export interface ParsedFingerprint {
  readonly hash: HashAlgorithm
  readonly digest: Uint8Array
}

const HASHES: Readonly<Record<FingerprintAlgorithm, { hash: HashAlgorithm; length: number }>> = {
  'sha-512': { hash: 'sha512', length: 64 },
  'sha-384': { hash: 'sha384', length: 48 },
  'sha-256': { hash: 'sha256', length: 32 },
}

/** The fingerprint of a certificate in DER: upper-case pairs with colons between. */
export function fingerprintOf(
  crypto: CryptoProvider,
  der: Uint8Array,
  algorithm: FingerprintAlgorithm,
): string {
  const found = HASHES[algorithm]
  if (found === undefined) throw unsupported(algorithm)
  const pairs: string[] = []
  for (const byte of crypto.hash(found.hash, der))
    pairs.push(byte.toString(16).padStart(2, '0').toUpperCase())
  return pairs.join(':')
}

/**
 * Those of `fingerprints` that count: the ones of the strongest hash function among them, RFC 8122 section 5.1.
 * Throws a `UsageError`: `invalid-fingerprint`, or `unsupported-fingerprint` where none is of a function that we accept.
 */
export function parseFingerprints(fingerprints: readonly Fingerprint[]): readonly ParsedFingerprint[] {
  for (const [algorithm, { hash, length }] of Object.entries(HASHES)) {
    const ofAlgorithm = fingerprints.filter(
      (fingerprint) => fingerprint.algorithm.toLowerCase() === algorithm,
    )
    if (ofAlgorithm.length > 0)
      return ofAlgorithm.map(({ value }) => ({ hash, digest: parse(value, length) }))
  }
  throw unsupported(fingerprints.map((fingerprint) => fingerprint.algorithm).join(', '))
}

/** Whether the certificate has one of the fingerprints. */
export function matchesFingerprint(
  crypto: CryptoProvider,
  der: Uint8Array,
  fingerprints: readonly ParsedFingerprint[],
): boolean {
  return fingerprints.some(({ hash, digest }) => sameBytes(crypto.hash(hash, der), digest))
}

function parse(value: string, length: number): Uint8Array {
  const pairs = value.split(':')
  if (pairs.length !== length || !pairs.every((pair) => /^[0-9a-fA-F]{2}$/.test(pair))) {
    throw new UsageError('invalid-fingerprint', `"${value}" is not ${length} pairs of hexadecimal digits`)
  }
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16))
}

function unsupported(algorithms: string): UsageError {
  return new UsageError(
    'unsupported-fingerprint',
    `Of the fingerprints (${algorithms || 'none'}) none is sha-256, sha-384 or sha-512`,
  )
}
