import { type CryptoProvider, type HashAlgorithm } from '@str0m/crypto'
import { UsageError } from '@str0m/sans-io'

/** A hash function by its name in `a=fingerprint`, RFC 8122 section 5. SHA-1 and MD5 are not accepted. */
export type FingerprintAlgorithm = 'sha-256' | 'sha-384' | 'sha-512'

/** A certificate's fingerprint as in `a=fingerprint`. */
export interface Fingerprint {
  /** The name of the hash function, in any case. */
  readonly algorithm: string
  /** Pairs of hexadecimal digits with colons between, in any case. */
  readonly value: string
}

/** A fingerprint that is well-formed, as `fingerprintOf` writes it. */
export interface ParsedFingerprint {
  readonly algorithm: FingerprintAlgorithm
  readonly value: string
}

const HASHES: Readonly<Record<FingerprintAlgorithm, { hash: HashAlgorithm; length: number }>> = {
  'sha-512': { hash: 'sha512', length: 64 },
  'sha-384': { hash: 'sha384', length: 48 },
  'sha-256': { hash: 'sha256', length: 32 },
}

const STRONGEST_FIRST: readonly FingerprintAlgorithm[] = ['sha-512', 'sha-384', 'sha-256']
const PAIRS_AND_COLONS = /^[\dA-F]{2}(?::[\dA-F]{2})*$/
/** Each byte's upper-case pair of digits. */
const PAIRS = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0').toUpperCase())

/** The fingerprint of a certificate in DER: upper-case pairs with colons between. */
export function fingerprintOf(
  crypto: CryptoProvider,
  der: Uint8Array,
  algorithm: FingerprintAlgorithm,
): string {
  const found = HASHES[algorithm]
  if (found === undefined) throw unsupported(algorithm)
  const digest = crypto.hash(found.hash, der)
  const pairs: string[] = []
  for (let i = 0; i < digest.length; i++) pairs.push(PAIRS[digest[i]!]!)
  return pairs.join(':')
}

/**
 * Those of `fingerprints` that count: the ones of the strongest hash function among them, RFC 8122 section 5.1.
 * Throws a `UsageError`: `invalid-fingerprint`, or `unsupported-fingerprint` where none is of a function that we accept.
 */
export function parseFingerprints(fingerprints: readonly Fingerprint[]): readonly ParsedFingerprint[] {
  const algorithms = fingerprints.map(({ algorithm }) => algorithm.toLowerCase())
  const strongest = STRONGEST_FIRST.find((algorithm) => algorithms.includes(algorithm))
  if (strongest === undefined) throw unsupported(fingerprints.map(({ algorithm }) => algorithm).join(', '))
  const { length } = HASHES[strongest]
  return fingerprints
    .filter((_, i) => algorithms[i] === strongest)
    .map(({ value }) => ({ algorithm: strongest, value: parse(value, length) }))
}

/**
 * Whether `Dtls` takes these as `remoteFingerprints`: for one who is to know before there is a machine. Throws a `UsageError` where it does not:
 * `invalid-fingerprint`, or `unsupported-fingerprint` where none is of a function that we accept.
 */
export function checkFingerprints(fingerprints: readonly Fingerprint[]): void {
  parseFingerprints(fingerprints)
}

/** Whether the certificate has one of the fingerprints. */
export function matchesFingerprint(
  crypto: CryptoProvider,
  der: Uint8Array,
  fingerprints: readonly ParsedFingerprint[],
): boolean {
  return fingerprints.some(({ algorithm, value }) => fingerprintOf(crypto, der, algorithm) === value)
}

function parse(value: string, length: number): string {
  const upper = value.toUpperCase()
  // two digits and a colon for each byte, and no colon after the last
  if (upper.length !== 3 * length - 1 || !PAIRS_AND_COLONS.test(upper)) {
    throw new UsageError('invalid-fingerprint', `"${value}" is not ${length} pairs of hexadecimal digits`)
  }
  return upper
}

function unsupported(algorithms: string): UsageError {
  return new UsageError(
    'unsupported-fingerprint',
    `Of the fingerprints (${algorithms || 'none'}) none is sha-256, sha-384 or sha-512`,
  )
}
