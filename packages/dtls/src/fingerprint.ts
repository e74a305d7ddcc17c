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

const STRONGEST_FIRST: readonly FingerprintAlgorithm[] = ['sha-512', 'sha-384', 'sha-256']
const COLON = 0x3a
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
  const { hash, length } = HASHES[strongest]
  return fingerprints
    .filter((_, i) => algorithms[i] === strongest)
    .map(({ value }) => ({ hash, digest: parse(value, length) }))
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
  return fingerprints.some(({ hash, digest }) => sameBytes(crypto.hash(hash, der), digest))
}

function parse(value: string, length: number): Uint8Array {
  const digest = new Uint8Array(length)
  let isWellFormed = value.length === 3 * length - 1
  for (let i = 0, at = 0; isWellFormed && i < length; i++, at += 3) {
    const high = hexDigit(value.charCodeAt(at))
    const low = hexDigit(value.charCodeAt(at + 1))
    isWellFormed = high >= 0 && low >= 0 && (i === length - 1 || value.charCodeAt(at + 2) === COLON)
    digest[i] = (high << 4) | low
  }
  if (!isWellFormed) {
    throw new UsageError('invalid-fingerprint', `"${value}" is not ${length} pairs of hexadecimal digits`)
  }
  return digest
}

/** The value of a digit in either case, by its character code; -1 where it is none. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function unsupported(algorithms: string): UsageError {
  return new UsageError(
    'unsupported-fingerprint',
    `Of the fingerprints (${algorithms || 'none'}) none is sha-256, sha-384 or sha-512`,
  )
}
