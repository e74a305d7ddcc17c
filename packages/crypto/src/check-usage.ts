import { UsageError } from '@str0m/sans-io'
import type { HashAlgorithm, HmacAlgorithm, KeyExchangeGroup } from './provider.ts'

const HASHES: ReadonlySet<HashAlgorithm> = new Set(['md5', 'sha1', 'sha256', 'sha384', 'sha512'])
const HMACS: ReadonlySet<HmacAlgorithm> = new Set(['sha1', 'sha256', 'sha384'])
const GROUPS: ReadonlySet<KeyExchangeGroup> = new Set(['x25519', 'secp256r1', 'secp384r1'])

/** Throws a `UsageError` (`invalid-length`) unless `condition` holds. */
export function checkLength(condition: boolean, message: string): asserts condition {
  if (!condition) throw new UsageError('invalid-length', message)
}

/** Throws a `UsageError` (`unknown-algorithm`). */
export function checkHash(algorithm: HashAlgorithm): void {
  checkName(HASHES, algorithm)
}

/** Throws a `UsageError` (`unknown-algorithm`). */
export function checkHmac(algorithm: HmacAlgorithm): void {
  checkName(HMACS, algorithm)
}

/** Throws a `UsageError` (`unknown-algorithm`). */
export function checkGroup(group: KeyExchangeGroup): void {
  checkName(GROUPS, group)
}

function checkName<T extends string>(known: ReadonlySet<T>, name: T): void {
  if (known.has(name)) return
  throw new UsageError('unknown-algorithm', `There are ${[...known].join(', ')}, and no ${name}`)
}
