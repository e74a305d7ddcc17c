import { findNodeCrypto } from './native-module.ts'
import { nativeCrypto } from './native.ts'
import { portableCrypto } from './portable.ts'
import type { CryptoOptions, CryptoProvider } from './provider.ts'

/** The one without options, which all share. */
let shared: CryptoProvider | undefined

/** The native provider where the runtime has one, else the portable one. */
export function defaultCrypto(options?: CryptoOptions): CryptoProvider {
  if (options !== undefined) return choose(options)
  shared ??= choose({})
  return shared
}

function choose(options: CryptoOptions): CryptoProvider {
  return findNodeCrypto() === undefined ? portableCrypto(options) : nativeCrypto(options)
}
